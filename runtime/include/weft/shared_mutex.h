#pragma once

#include <weft/detail/lock_record.h>
#include <weft/detail/wait_list.h>

#include <cstdint>

namespace weft {

/// A lock that one writer or many readers hold; use it with std::unique_lock and std::shared_lock.
/// Nobody starves: who waits is served in the order of arrival, so a reader that comes while a
/// writer waits waits behind it, and readers that stand next to one another are let in together.
/// For fibers and threads. Not recursive, for readers neither: a second lock_shared() by the same
/// fiber may wait behind a writer that waits for the first. A fiber may hold it across suspensions.
class SharedMutex {
 public:
  SharedMutex() = default;
  ~SharedMutex();
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;

  /// Suspends the fiber (blocks the thread) while others hold the lock or wait for it. Cancellable:
  /// throws Cancelled, and then the lock is not held. So may a thread's first wait std::bad_alloc.
  void lock() {
    std::uint32_t expected = 0;
    if (!waiters_.word.compare_exchange_strong(expected, kWriter, std::memory_order_acquire,
                                               std::memory_order_relaxed)) {  // [shared-mutex]
      lock_slowly(kWriter);
    }
    detail::note_taken(&waiters_);
  }
  /// Never suspends. May fail although the lock is free, if others are just about to take it.
  bool try_lock() noexcept {
    std::uint32_t expected = 0;
    const bool taken = waiters_.word.compare_exchange_strong(
        expected, kWriter, std::memory_order_acquire, std::memory_order_relaxed);
    if (taken) detail::note_taken(&waiters_);
    return taken;
  }
  /// By the writer that holds it. Never suspends.
  void unlock() noexcept {
    detail::note_given_back(&waiters_);
    give_back(kWriter);
  }

  /// As lock(), but lets other readers in.
  void lock_shared() {
    if (!share_at_once()) lock_slowly(kReader);
    detail::note_taken(&waiters_);
  }
  /// Never suspends. May fail like try_lock().
  bool try_lock_shared() noexcept {
    const bool taken = share_at_once();
    if (taken) detail::note_taken(&waiters_);
    return taken;
  }
  /// By a reader that holds it. Never suspends.
  void unlock_shared() noexcept {
    detail::note_given_back(&waiters_);
    give_back(kReader);
  }

 private:
  static constexpr std::uint32_t kListLocked = 1;
  static constexpr std::uint32_t kWaiters = 2;  // the list may not be empty
  static constexpr std::uint32_t kWriter = 4;
  static constexpr std::uint32_t kReader = 8;  // one of so many

  bool share_at_once() noexcept {
    std::uint32_t word = waiters_.word.load(std::memory_order_relaxed);
    while ((word & (kListLocked | kWaiters | kWriter)) == 0) {
      if (waiters_.word.compare_exchange_weak(word, word + kReader, std::memory_order_acquire,
                                              std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  void lock_slowly(std::uint32_t kind);
  void give_back(std::uint32_t kind) noexcept;
  void let_in(std::uint32_t state) noexcept;

  detail::WaitList waiters_;
};

}  // namespace weft
