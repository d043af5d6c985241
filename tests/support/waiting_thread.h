#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include "sched/wait.h"

namespace support {

/// A plain thread that runs `body`, which waits as a fiber would.
class WaitingThread {
 public:
  explicit WaitingThread(std::function<void()> body)
      : thread_([this, body = std::move(body)] {
          waiter_.store(&weft::detail::current_waiter(), std::memory_order_release);
          body();
        }) {}

  /// Returns once the body is asleep in suspend().
  void until_asleep() const {
    weft::detail::Fiber* waiter = nullptr;
    while ((waiter = waiter_.load(std::memory_order_acquire)) == nullptr ||
           !waiter->word.waiting()) {
      std::this_thread::yield();
    }
  }
  weft::detail::WakeToken token() const {
    weft::detail::Fiber* const waiter = waiter_.load(std::memory_order_acquire);
    return {waiter, waiter->word.current_epoch()};
  }

 private:
  std::atomic<weft::detail::Fiber*> waiter_{nullptr};
  std::jthread thread_;  // joins
};

}  // namespace support
