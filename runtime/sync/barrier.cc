#include <weft/barrier.h>

#include <mutex>

// Filling: the parties come. With the last of them it drains: all leave, and who comes meanwhile
// waits for the next round. Reset while some are inside, they leave with an error, and it fills
// again when the last has left. Broken, it stays so until it is reset.

namespace weft {

Barrier::Barrier(std::size_t parties) : parties_(parties) {
  if (parties == 0) throw std::invalid_argument("weft::Barrier: there must be at least one party");
}

std::size_t Barrier::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return state_ == State::kFilling || state_ == State::kBroken; });
  if (state_ == State::kBroken) throw BrokenBarrier();

  // However it leaves, with the lock held.
  struct Inside {
    explicit Inside(Barrier& of) noexcept : barrier(of) { ++barrier.inside_; }
    ~Inside() {
      if (--barrier.inside_ > 0) return;
      if (barrier.state_ != State::kBroken) barrier.state_ = State::kFilling;
      barrier.changed_.notify_all();
    }
    Barrier& barrier;
  };
  const std::size_t index = inside_;
  const Inside inside(*this);
  if (index + 1 == parties_) {
    state_ = State::kDraining;
    changed_.notify_all();
    return index;
  }
  changed_.wait(lock, [this] { return state_ != State::kFilling; });
  if (state_ != State::kDraining) throw BrokenBarrier();
  return index;
}

void Barrier::abort() { change(State::kBroken); }
void Barrier::reset() { change(State::kResetting); }

void Barrier::change(State to) {
  const auto lock = detail::lock_masked(mutex_);
  state_ = to == State::kResetting && inside_ == 0 ? State::kFilling : to;
  changed_.notify_all();
}

std::size_t Barrier::waiting() const {
  const auto lock = detail::lock_masked(mutex_);
  return state_ == State::kFilling ? inside_ : 0;
}

bool Barrier::broken() const {
  const auto lock = detail::lock_masked(mutex_);
  return state_ == State::kBroken;
}

}  // namespace weft
