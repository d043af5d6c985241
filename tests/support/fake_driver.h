#pragma once

// A driver that tests hold in their hand: what they post becomes ready, and they see who polls.

#include <mutex>
#include <vector>

#include "base/atomic.h"
#include "base/futex.h"
#include "sched/driver.h"

namespace support {

class FakeDriver final : public weft::detail::Driver {
 public:
  const char* name() const noexcept override { return "fake"; }
  bool active() const noexcept override { return active_.load(); }
  bool acquire(unsigned) noexcept override { return !refuses_.load() && !taken_.exchange(true); }
  void release(unsigned) noexcept override { taken_.store(false); }

  void poll(unsigned, weft::detail::Nanos deadline,
            std::vector<weft::detail::Ready>& ready) noexcept override {
    polls_.fetch_add(1);
    last_deadline_.store(deadline);
    for (;;) {
      const std::uint32_t seen = signal_.load();
      if (take(ready) || deadline == 0) return;
      sleeping_.store(true);
      const bool in_time = weft::detail::futex_wait(signal_, seen, deadline);
      sleeping_.store(false);
      if (!in_time) return;
    }
  }

  void interrupt(unsigned worker) noexcept override {
    last_interrupted_.store(worker);
    interrupts_.fetch_add(1);
    interrupted_.store(true);
    raise_signal();
  }

  /// What the next poll() reports.
  void post(weft::detail::Ready event) {
    {
      const std::lock_guard lock(mutex_);
      events_.push_back(event);
    }
    raise_signal();
  }

  /// Whether workers think there is something to poll for.
  void set_active(bool active) { active_.store(active); }
  /// Nobody gets the right to poll any more.
  void refuse() { refuses_.store(true); }

  unsigned polls() const { return polls_.load(); }
  unsigned interrupts() const { return interrupts_.load(); }
  unsigned last_interrupted() const { return last_interrupted_.load(); }
  bool sleeping() const { return sleeping_.load(); }
  bool taken() const { return taken_.load(); }
  weft::detail::Nanos last_deadline() const { return last_deadline_.load(); }

 private:
  bool take(std::vector<weft::detail::Ready>& ready) {
    const std::lock_guard lock(mutex_);
    const bool interrupted = interrupted_.exchange(false);
    ready.insert(ready.end(), events_.begin(), events_.end());
    const bool any = !events_.empty();
    events_.clear();
    return any || interrupted;
  }
  void raise_signal() {
    signal_.fetch_add(1);
    weft::detail::futex_wake(signal_, 1);
  }

  weft::detail::Atomic<bool> active_{false};
  weft::detail::Atomic<bool> refuses_{false};
  weft::detail::Atomic<bool> taken_{false};
  weft::detail::Atomic<bool> sleeping_{false};
  weft::detail::Atomic<bool> interrupted_{false};
  weft::detail::Atomic<unsigned> polls_{0};
  weft::detail::Atomic<unsigned> interrupts_{0};
  weft::detail::Atomic<unsigned> last_interrupted_{0};
  weft::detail::Atomic<weft::detail::Nanos> last_deadline_{-1};
  weft::detail::Atomic<std::uint32_t> signal_{0};
  std::mutex mutex_;
  std::vector<weft::detail::Ready> events_;  // under mutex_
};

}  // namespace support
