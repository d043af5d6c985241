#include "reactor/fd_table.h"

#include <unistd.h>

#include <mutex>
#include <utility>

#include "base/assert.h"

namespace weft::detail {

// ---- Life.

FdEntry::Generation FdEntry::open() noexcept {
  lock_.lock();
  const Generation generation = generation_of(state_.load(std::memory_order_relaxed)) + 1;
  // Nothing has been tried yet, so anything may succeed.
  for (auto& readiness : readiness_) {
    readiness.store(Readiness::kReady, std::memory_order_relaxed);
  }
  home_.reset();
  state_.store(std::uint64_t{generation} << kGenerationShift, std::memory_order_release);
  lock_.unlock();
  wake_all(Wake::kClosed);
  return generation;
}

bool FdEntry::enter(Generation generation) noexcept {
  std::uint64_t state = state_.load(std::memory_order_relaxed);
  do {
    if (!is_open(state, generation)) return false;
  } while (!state_.compare_exchange_weak(state, state + kOneOperation, std::memory_order_acquire,
                                         std::memory_order_relaxed));
  return true;
}

void FdEntry::leave(Generation generation) noexcept {
  std::uint64_t state = state_.load(std::memory_order_relaxed);
  std::uint64_t next;
  do {
    // Closed behind our back, and the number given to another file: there is nothing to leave.
    if (generation_of(state) != generation) return;
    WEFT_ASSERT((state & kOperationMask) != 0, "who leaves has entered");
    next = state - kOneOperation;
    // Release and acquire: see [fd-state].
  } while (!state_.compare_exchange_weak(state, next, std::memory_order_acq_rel,
                                         std::memory_order_relaxed));
  if ((next & (kClosing | kOperationMask)) == kClosing) finish_close();
}

bool FdEntry::close(Generation generation) noexcept {
  std::uint64_t state = state_.load(std::memory_order_relaxed);
  do {
    if (!is_open(state, generation)) return false;
  } while (!state_.compare_exchange_weak(state, (state | kClosing) + kOneOperation,
                                         std::memory_order_acq_rel, std::memory_order_relaxed));
  wake_all(Wake::kClosed);
  leave(generation);
  return true;
}

// By the last to leave; nobody else can be inside until the number is opened again, which only the
// kernel allows.
void FdEntry::finish_close() noexcept {
  std::shared_ptr<FdHome> home;
  {
    std::lock_guard lock(lock_);
    home = std::move(home_);
  }
  if (home != nullptr) home->descriptors.fetch_sub(1, std::memory_order_relaxed);
  // An error here means that data could not be kept, which a socket reports nowhere; and the number
  // is free even so.
  ::close(fd());
}

// ---- Readiness.

void FdEntry::note_unready(Direction direction, Readiness seen) noexcept {
  std::uint64_t expected = seen.value_;
  readiness_[index(direction)].compare_exchange_strong(expected, seen.value_ & ~Readiness::kReady,
                                                       std::memory_order_acq_rel,
                                                       std::memory_order_relaxed);  // [fd-ready]
}

void FdEntry::note_ready(Direction direction) noexcept {
  readiness_[index(direction)].fetch_or(Readiness::kReady,
                                        std::memory_order_acq_rel);  // [fd-ready]
}

std::optional<Wake> FdEntry::wait(Generation generation, Direction direction, const FdHome* home) {
  lock_.lock();
  std::optional<Wake> at_once;
  if (!is_open(generation)) {
    at_once = Wake::kClosed;
  } else if (readiness(direction).ready()) {
    at_once = Wake::kNormal;
  }
  if (at_once.has_value() || home_.get() != home) {
    lock_.unlock();
    return at_once;
  }
  Waiter waiter(current_token(WaitsFor::kDescriptor));
  waiters_[index(direction)].push_back(waiter);
  const Wake reason =
      suspend([](void* lock) noexcept { static_cast<Spinlock*>(lock)->unlock(); }, &lock_);
  // Whoever wakes normally has unlinked us; a cancellation has not.
  if (reason == Wake::kCancelled) {
    std::lock_guard lock(lock_);
    if (waiter.linked()) waiter.unlink();
  }
  return reason;
}

Wake FdEntry::wait_for_close(Generation generation, Spinlock& held, WakeToken& note) {
  struct Locks {
    Spinlock& outer;
    Spinlock& inner;
    static void unlock(void* self) noexcept {
      const Locks locks = *static_cast<Locks*>(self);
      // The inner one last: the waiter takes it before its frame, and perhaps the outer lock, go.
      locks.outer.unlock();
      locks.inner.unlock();
    }
  } locks{held, lock_};
  lock_.lock();
  if (!is_open(generation)) {
    // Not slept on, the token would hold for the next wait as well.
    note = {};
    Locks::unlock(&locks);
    return Wake::kClosed;
  }
  Waiter waiter(current_token(WaitsFor::kDescriptor));
  waiters_[index(Direction::kWrite)].push_back(waiter);
  const Wake reason = suspend(&Locks::unlock, &locks);
  std::lock_guard lock(lock_);
  if (waiter.linked()) waiter.unlink();
  return reason;
}

void FdEntry::raise(Direction direction, bool hung_up) noexcept {
  auto& readiness = readiness_[index(direction)];
  std::uint64_t value = readiness.load(std::memory_order_relaxed);
  const std::uint64_t bits = Readiness::kReady | (hung_up ? Readiness::kHungUp : 0);
  while (!readiness.compare_exchange_weak(value, (value + Readiness::kOneTick) | bits,
                                          std::memory_order_acq_rel,
                                          std::memory_order_relaxed)) {  // [fd-ready]
  }
}

void FdEntry::take_waiters(Direction direction, std::vector<Ready>& to) noexcept {
  while (Waiter* const waiter = waiters_[index(direction)].pop_front()) {
    const WakeToken token = waiter->token;
    try {
      to.push_back({token, Wake::kNormal});
    } catch (const std::bad_alloc&) {
      wake_from_driver(token, Wake::kNormal);
    }
  }
}

void FdEntry::post(Generation generation, FdEvent event, std::vector<Ready>& woken) noexcept {
  std::lock_guard lock(lock_);
  if (!is_open(generation)) return;
  if (event.readable) {
    raise(Direction::kRead, event.read_hung_up);
    take_waiters(Direction::kRead, woken);
  }
  if (event.writable) {
    raise(Direction::kWrite, event.write_hung_up);
    take_waiters(Direction::kWrite, woken);
  }
}

std::optional<WakeToken> FdEntry::pop_waiter(WakeWhom whom) noexcept {
  std::lock_guard lock(lock_);
  if (whom == WakeWhom::kUnwatched && home_ != nullptr) return std::nullopt;
  for (auto& waiters : waiters_) {
    // Copied under the lock: afterwards the waiter may leave, and its node with it.
    if (Waiter* const waiter = waiters.pop_front()) return waiter->token;
  }
  return std::nullopt;
}

// One at a time, for waking may take other locks and enter the kernel.
void FdEntry::wake_all(Wake reason, WakeWhom whom) noexcept {
  while (const auto token = pop_waiter(whom)) wake(*token, reason);
}

// ---- Where events go.

bool FdEntry::move_to(const std::shared_ptr<FdHome>& home) noexcept {
  // Dropped after the lock. A former home keeps its count: it may still have waiters here, and goes
  // on watching.
  std::shared_ptr<FdHome> former = home;
  std::lock_guard lock(lock_);
  if (home_ == home) return false;
  home_.swap(former);
  home->descriptors.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void FdEntry::leave_home(const FdHome* home) noexcept {
  std::shared_ptr<FdHome> former;
  {
    std::lock_guard lock(lock_);
    if (home_.get() != home) return;
    former = std::move(home_);
  }
  former->descriptors.fetch_sub(1, std::memory_order_relaxed);
  // Not those for whom somebody watches by now: they might wait anew as fast as they are woken.
  wake_all(Wake::kNormal, WakeWhom::kUnwatched);
}

// ---- The table.

FdTable& FdTable::instance() noexcept {
  // Never destroyed: handles may be closed by destructors of static objects.
  static constinit FdTable table;
  return table;
}

// ---- Handles.

Descriptor::Descriptor(int fd) {
  try {
    entry_ = &FdTable::instance().entry(fd);
  } catch (...) {
    ::close(fd);
    throw;
  }
  generation_ = entry_->open();
}

Descriptor::Descriptor(Descriptor&& other) noexcept
    : entry_(std::exchange(other.entry_, nullptr)), generation_(other.generation_) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    close();
    entry_ = std::exchange(other.entry_, nullptr);
    generation_ = other.generation_;
  }
  return *this;
}

FdOperation::FdOperation(const Descriptor& descriptor) noexcept
    : entry_(descriptor.entry_), generation_(descriptor.generation_) {
  if (entry_ != nullptr && !entry_->enter(generation_)) entry_ = nullptr;
}

FdOperation::~FdOperation() {
  if (entry_ != nullptr) entry_->leave(generation_);
}

}  // namespace weft::detail
