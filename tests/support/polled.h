#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "sched/driver.h"
#include "support/waiting_thread.h"
#include "time/clock.h"

namespace support {

/// Polls once as `worker`, and wakes whom the poll reports. Returns how many those are.
inline std::size_t poll_and_wake(weft::detail::Driver& driver, weft::detail::Nanos deadline,
                                 unsigned worker = 0) {
  std::vector<weft::detail::Ready> ready;
  EXPECT_TRUE(driver.acquire(worker));
  driver.poll(worker, deadline, ready);
  driver.release(worker);
  for (const weft::detail::Ready& event : ready) wake(event.token, event.reason);
  return ready.size();
}

/// A plain thread that runs `body`, which waits as a fiber would. Its end polls until that has
/// ended: in short sleeps, for what the thread queues may have to be handed over.
class Polled {
 public:
  Polled(weft::detail::Driver& driver, std::function<void()> body)
      : driver_(driver), thread_([this, body = std::move(body)] {
          body();
          ended_ = true;
        }) {}
  ~Polled() {
    constexpr weft::detail::Nanos kMillisecond = 1'000'000;
    while (!ended_) poll_and_wake(driver_, weft::detail::now() + kMillisecond);
  }
  void until_asleep() const { thread_.until_asleep(); }
  weft::detail::WakeToken token() const { return thread_.token(); }
  bool ended() const { return ended_; }

 private:
  weft::detail::Driver& driver_;
  std::atomic<bool> ended_{false};
  WaitingThread thread_;
};

}  // namespace support
