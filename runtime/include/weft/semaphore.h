#pragma once

#include <weft/detail/wait_list.h>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace weft {

/// A number of permits that fibers and threads take and give back; asyncio's Semaphore. Strictly in
/// order: who waits is served in the order of arrival, and nobody overtakes. All members may be
/// called by any fiber of any runtime and by any thread; a permit may be given back by another than
/// took it. May be destroyed when nobody waits, even if the release() that ended the last wait has
/// not returned.
class Semaphore {
 public:
  /// The most permits there can be.
  static constexpr std::size_t kMost = (std::size_t{1} << 30) - 1;

  /// Throws std::invalid_argument for more than kMost.
  explicit Semaphore(std::size_t permits = 1);
  ~Semaphore();
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  /// Takes a permit. Suspends the fiber (blocks the thread) while there is none, or others wait.
  /// Cancellable: throws Cancelled, and no permit is taken; one that was just being given goes to
  /// the next in line. So may a thread's first wait std::bad_alloc.
  void acquire() {
    if (!take_at_once()) acquire_slowly();
  }

  /// Takes a permit if there is one and nobody waits. Never suspends.
  [[nodiscard]] bool try_acquire() noexcept { return take_at_once() || take_with_lock(); }

  /// Gives permits back, or adds new ones; they go to those who wait, if there are any. What was
  /// done before is seen by who takes them. Throws std::logic_error if there would be more than the
  /// limit, and then none is given. Never suspends.
  void release(std::size_t count = 1);

  /// How many there are; others may be about to change that.
  std::size_t available() const noexcept {
    return waiters_.word.load(std::memory_order_relaxed) / kOne;
  }

  /// A permit that is given back at the end of its scope.
  class Permit {
   public:
    explicit Permit(Semaphore& semaphore) : semaphore_(&semaphore) { semaphore.acquire(); }
    Permit(Permit&& other) noexcept : semaphore_(std::exchange(other.semaphore_, nullptr)) {}
    Permit& operator=(Permit&&) = delete;
    ~Permit() {
      if (semaphore_ != nullptr) semaphore_->release();
    }

   private:
    Semaphore* semaphore_;
  };
  /// `const auto permit = semaphore.hold();` Suspends as acquire() does.
  [[nodiscard]] Permit hold() { return Permit(*this); }

 protected:
  Semaphore(std::size_t permits, std::size_t limit);

 private:
  static constexpr std::uint32_t kListLocked = 1;
  static constexpr std::uint32_t kWaiters =
      2;  // the list may not be empty; then there is no permit
  static constexpr std::uint32_t kOne = 4;

  bool take_at_once() noexcept {
    std::uint32_t word = waiters_.word.load(std::memory_order_relaxed);
    while (word >= kOne && (word & kListLocked) == 0) {
      if (waiters_.word.compare_exchange_weak(word, word - kOne, std::memory_order_acquire,
                                              std::memory_order_relaxed)) {  // [semaphore]
        return true;
      }
    }
    return false;
  }
  bool take_with_lock() noexcept;
  void acquire_slowly();
  bool add_at_once(std::size_t count);
  void check_limit(std::size_t permits, std::size_t more) const;

  detail::WaitList waiters_;
  const std::size_t limit_;
};

/// The same, but no more permits can be given back than there were at the beginning: one too many
/// is a std::logic_error.
class BoundedSemaphore : public Semaphore {
 public:
  explicit BoundedSemaphore(std::size_t permits = 1) : Semaphore(permits, permits) {}
};

}  // namespace weft
