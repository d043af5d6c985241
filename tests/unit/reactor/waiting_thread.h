#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include "sched/wait.h"

namespace weft::detail {

/// A plain thread that runs `body`, which waits as a fiber would.
class WaitingThread {
 public:
  explicit WaitingThread(std::function<void()> body)
      : thread_([this, body = std::move(body)] {
          waiter_.store(&current_waiter(), std::memory_order_release);
          body();
        }) {}

  /// Returns once the body is asleep in suspend().
  void until_asleep() const {
    Fiber* waiter = nullptr;
    while ((waiter = waiter_.load(std::memory_order_acquire)) == nullptr || !waiter->word.waiting()) {
      std::this_thread::yield();
    }
  }
  WakeToken token() const {
    Fiber* const waiter = waiter_.load(std::memory_order_acquire);
    return {waiter, waiter->word.current_epoch()};
  }

 private:
  std::atomic<Fiber*> waiter_{nullptr};
  std::jthread thread_;  // joins
};

}  // namespace weft::detail
