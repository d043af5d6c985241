#pragma once

// A driver that tests hold in their hand: what they post becomes ready, and they see who polls.

#include <array>
#include <climits>
#include <mutex>
#include <vector>

#include "base/atomic.h"
#include "base/futex.h"
#include "sched/driver.h"

namespace support {

class FakeDriver final : public weft::detail::Driver {
 public:
  /// How many workers may poll, and hence sleep here, at a time.
  enum class Seats { kOne, kNone, kEach };

  const char* name() const noexcept override { return "fake"; }
  bool active() const noexcept override { return active_.load(); }
  bool unwatched() noexcept override {
    return active() && seats_.load() == Seats::kOne && !taken_.load();
  }
  bool acquire(unsigned) noexcept override {
    const Seats seats = seats_.load();
    return seats == Seats::kEach || (seats == Seats::kOne && !taken_.exchange(true));
  }
  void release(unsigned) noexcept override { taken_.store(false); }

  void poll(unsigned worker, weft::detail::Nanos deadline,
            std::vector<weft::detail::Ready>& ready) noexcept override {
    polls_.fetch_add(1);
    last_deadline_.store(deadline);
    if (deadline != 0 && ignores_deadlines_) deadline = weft::detail::kNever;
    for (;;) {
      const std::uint32_t seen = signal_.load();
      if (take(worker, ready) || deadline == 0) return;
      sleeping_.fetch_add(1);
      const bool in_time = weft::detail::futex_wait(signal_, seen, deadline);
      sleeping_.fetch_sub(1);
      if (!in_time) return;
    }
  }

  void interrupt(unsigned worker) noexcept override {
    last_interrupted_.store(worker);
    interrupts_.fetch_add(1);
    interrupted_.at(worker).store(true);
    raise_signal();
    if (!holds_next_.exchange(false)) return;
    holds_one_ = true;
    while (!released_) weft::detail::cpu_relax();
    holds_one_ = false;
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
  void set_seats(Seats seats) { seats_.store(seats); }
  /// Who sleeps here is woken by an event or an interrupt, or never: no timed look hides that one
  /// was missing.
  void ignore_deadlines() { ignores_deadlines_.store(true); }
  /// Whoever interrupts a sleeper next stays inside, after it has done so, until it is released.
  void hold_next_waker() { holds_next_.store(true); }
  void release_waker() { released_.store(true); }

  unsigned polls() const { return polls_.load(); }
  unsigned interrupts() const { return interrupts_.load(); }
  unsigned last_interrupted() const { return last_interrupted_.load(); }
  bool holds_waker() const { return holds_one_.load(); }
  bool sleeping() const { return sleeping_.load() > 0; }
  weft::detail::Nanos last_deadline() const { return last_deadline_.load(); }

 private:
  bool take(unsigned worker, std::vector<weft::detail::Ready>& ready) {
    const std::lock_guard lock(mutex_);
    const bool interrupted = interrupted_.at(worker).exchange(false);
    ready.insert(ready.end(), events_.begin(), events_.end());
    const bool any = !events_.empty();
    events_.clear();
    return any || interrupted;
  }
  void raise_signal() {
    signal_.fetch_add(1);
    weft::detail::futex_wake(signal_, INT_MAX);
  }

  weft::detail::Atomic<bool> active_{false};
  weft::detail::Atomic<Seats> seats_{Seats::kOne};
  weft::detail::Atomic<bool> taken_{false};
  weft::detail::Atomic<bool> ignores_deadlines_{false};
  weft::detail::Atomic<bool> holds_next_{false};
  weft::detail::Atomic<bool> holds_one_{false};
  weft::detail::Atomic<bool> released_{false};
  weft::detail::Atomic<unsigned> sleeping_{0};
  std::array<weft::detail::Atomic<bool>, 8> interrupted_{};  // by worker
  weft::detail::Atomic<unsigned> polls_{0};
  weft::detail::Atomic<unsigned> interrupts_{0};
  weft::detail::Atomic<unsigned> last_interrupted_{0};
  weft::detail::Atomic<weft::detail::Nanos> last_deadline_{-1};
  weft::detail::Atomic<std::uint32_t> signal_{0};
  std::mutex mutex_;
  std::vector<weft::detail::Ready> events_;  // under mutex_
};

}  // namespace support
