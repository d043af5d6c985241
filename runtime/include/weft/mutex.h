#pragma once

#include <weft/detail/lock_record.h>
#include <weft/detail/wait_list.h>

#include <cstdint>
#include <mutex>

namespace weft {

/// Mutual exclusion between fibers and threads. Lockable: use it with std::lock_guard,
/// std::unique_lock, std::scoped_lock. Fast first: an unlock lets whoever comes next have it, so
/// that a running fiber need not switch; but a waiter that has waited for 1 ms is handed the lock.
/// Not recursive. A fiber may hold it across suspensions, and unlock it on another thread than it
/// locked it on.
class Mutex {
 public:
  Mutex() = default;
  ~Mutex();
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  /// Suspends the fiber (blocks the thread) while another holds the lock. Cancellable: throws
  /// Cancelled, and then the lock is not held. So may a thread's first wait std::bad_alloc.
  void lock() {
    std::uint32_t expected = 0;
    if (!waiters_.word.compare_exchange_strong(expected, kHeld, std::memory_order_acquire,
                                               std::memory_order_relaxed)) {
      lock_slowly();
    }
    detail::note_taken(&waiters_);
  }

  /// Never suspends. Takes a free lock although others wait for it. May fail although the lock is
  /// free, if others are just about to take it.
  bool try_lock() noexcept {
    const bool taken = take_if_free();
    if (taken) detail::note_taken(&waiters_);
    return taken;
  }

  /// By whoever holds it. Never suspends.
  void unlock() noexcept {
    detail::note_given_back(&waiters_);
    std::uint32_t expected = kHeld;
    if (!waiters_.word.compare_exchange_strong(expected, 0, std::memory_order_release,
                                               std::memory_order_relaxed)) {
      unlock_slowly();
    }
  }

 private:
  static constexpr std::uint32_t kListLocked = 1;
  static constexpr std::uint32_t kHeld = 2;
  static constexpr std::uint32_t kWaiters = 4;  // the list is not empty
  static constexpr std::uint32_t kWoken = 8;    // a waiter is on its way to try again

  // Looks first: a swap that fails takes the cache line from others all the same. lock() and
  // unlock() do not, for which a look is one wait more.
  bool take_if_free() noexcept {
    std::uint32_t word = waiters_.word.load(std::memory_order_relaxed);
    while ((word & (kHeld | kListLocked)) == 0) {
      if (waiters_.word.compare_exchange_strong(word, word | kHeld, std::memory_order_acquire,
                                                std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  void lock_slowly();
  bool spin() noexcept;
  void unlock_slowly() noexcept;
  void forget_waiter_bit() noexcept;

  detail::WaitList waiters_;
};

namespace detail {
/// Of short sections that are to be entered even by a fiber that is cancelled, which is told at its
/// next wait.
std::unique_lock<Mutex> lock_masked(Mutex& mutex);
}  // namespace detail

}  // namespace weft
