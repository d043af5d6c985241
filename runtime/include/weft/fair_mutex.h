#pragma once

#include <weft/detail/lock_record.h>
#include <weft/detail/wait_list.h>

#include <cstdint>

namespace weft {

/// Mutual exclusion in strict order: an unlock hands the lock to whoever has waited longest, and
/// nobody overtakes; asyncio's Lock. Where many want it at once this costs a switch for each of
/// them, which Mutex avoids. Lockable: use it with std::lock_guard, std::unique_lock. For fibers
/// and threads. Not recursive. A fiber may hold it across suspensions.
class FairMutex {
 public:
  FairMutex() = default;
  ~FairMutex();
  FairMutex(const FairMutex&) = delete;
  FairMutex& operator=(const FairMutex&) = delete;

  /// Suspends the fiber (blocks the thread) while another holds the lock, or waits for it.
  /// Cancellable: throws Cancelled, and then the lock is not held; if it was just being handed
  /// over, the next in line gets it. So may a thread's first wait std::bad_alloc.
  void lock() {
    if (!take_if_free()) lock_slowly();
    detail::note_taken(&waiters_);
  }

  /// Never suspends. May fail although the lock is free, while a waiter that was cancelled leaves.
  bool try_lock() noexcept {
    const bool taken = take_if_free();
    if (taken) detail::note_taken(&waiters_);
    return taken;
  }

  /// By whoever holds it. Never suspends.
  void unlock() noexcept {
    detail::note_given_back(&waiters_);
    give_back();
  }

 private:
  static constexpr std::uint32_t kListLocked = 1;
  static constexpr std::uint32_t kHeld = 2;
  static constexpr std::uint32_t kWaiters = 4;  // the list may not be empty

  bool take_if_free() noexcept {
    std::uint32_t expected = 0;
    return waiters_.word.compare_exchange_strong(expected, kHeld, std::memory_order_acquire,
                                                 std::memory_order_relaxed);  // [fair-mutex]
  }
  void give_back() noexcept {
    std::uint32_t expected = kHeld;
    if (!waiters_.word.compare_exchange_strong(expected, 0, std::memory_order_release,
                                               std::memory_order_relaxed)) {
      hand_over();
    }
  }
  void lock_slowly();
  void hand_over() noexcept;

  detail::WaitList waiters_;
};

}  // namespace weft
