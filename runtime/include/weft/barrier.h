#pragma once

#include <weft/condition_variable.h>
#include <weft/mutex.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace weft {

/// Thrown by Barrier::wait() when the barrier is broken, or becomes so: whoever else waits is not
/// going to come through.
class BrokenBarrier : public std::runtime_error {
 public:
  BrokenBarrier() : std::runtime_error("weft::BrokenBarrier: the barrier is broken") {}
};

/// Holds fibers and threads until so many of them have come, again and again; asyncio's Barrier.
/// May be destroyed when all waits have returned.
class Barrier {
 public:
  /// Throws std::invalid_argument for none.
  explicit Barrier(std::size_t parties);
  ~Barrier() = default;
  Barrier(const Barrier&) = delete;
  Barrier& operator=(const Barrier&) = delete;

  /// Waits for the others, and returns how many had come before the caller: from 0 to parties() - 1
  /// in the order of arrival, each once unless one was cancelled meanwhile. Who comes early for the
  /// next round waits until the last of this one have left. Throws BrokenBarrier when it is aborted
  /// or reset meanwhile. Cancellable: throws Cancelled, and the caller is as if it had not come.
  /// Suspends the fiber, blocks the thread.
  std::size_t wait();

  /// Breaks it: all who wait, and all who come, get BrokenBarrier, until reset(). May suspend for a
  /// moment, for its own lock, as all below; not cancellable.
  void abort();
  /// As new. Who waits gets BrokenBarrier.
  void reset();

  std::size_t parties() const noexcept { return parties_; }
  /// How many wait for the others just now.
  std::size_t waiting() const;
  bool broken() const;

 private:
  enum class State : std::uint8_t { kFilling, kDraining, kResetting, kBroken };

  void change(State to);

  const std::size_t parties_;
  mutable Mutex mutex_;
  ConditionVariable changed_;
  // All under mutex_.
  State state_ = State::kFilling;
  std::size_t inside_ = 0;  // have come, and not left
};

}  // namespace weft
