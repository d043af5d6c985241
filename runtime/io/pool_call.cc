#include "io/pool_call.h"

#include <weft/error.h>

#include <memory>
#include <stdexcept>

#include "base/spinlock.h"
#include "offload/blocking_pool.h"
#include "sched/scheduler.h"

namespace weft::detail {

namespace {

//            run()                    the call returns
//   Queued ---------> Running --------------------------> Done
//      |
//      +------------> Withdrawn, by a fiber that was cancelled
//
// Shared by both sides, as the fiber may leave while the job is still in the pool's queue.
struct Shared {
  enum class State : unsigned char { kQueued, kRunning, kDone, kWithdrawn };

  Spinlock lock;
  State state = State::kQueued;  // under lock
  WakeToken waiter;              // under lock; set when the fiber waits
  void (*call)(void*) noexcept = nullptr;
  void* argument = nullptr;
};

class Job final : public BlockingPool::Job {
 public:
  explicit Job(std::shared_ptr<Shared> shared) noexcept : shared_(std::move(shared)) {}
  void run() noexcept override {
    if (!begin()) return;
    shared_->call(shared_->argument);
    shared_->lock.lock();
    shared_->state = Shared::State::kDone;
    const WakeToken waiter = shared_->waiter;
    shared_->lock.unlock();
    if (waiter.fiber != nullptr) wake(waiter);
  }

 private:
  bool begin() noexcept {
    shared_->lock.lock();
    const bool wanted = shared_->state == Shared::State::kQueued;
    if (wanted) shared_->state = Shared::State::kRunning;
    shared_->lock.unlock();
    return wanted;
  }

  const std::shared_ptr<Shared> shared_;
};

void unlock(void* lock) noexcept { static_cast<Spinlock*>(lock)->unlock(); }

// True when it was cancelled, but too late.
bool wait_for(Shared& shared, Cancellable cancellable) {
  bool cancelled = false;
  for (;;) {
    const WakeToken self = current_token();
    shared.lock.lock();
    if (shared.state == Shared::State::kDone) break;
    shared.waiter = self;
    const Wake reason = suspend(&unlock, &shared.lock, cancellable);
    shared.lock.lock();
    if (shared.state == Shared::State::kDone) {
      cancelled |= reason == Wake::kCancelled;
      break;
    }
    if (reason == Wake::kCancelled && shared.state == Shared::State::kQueued) {
      shared.state = Shared::State::kWithdrawn;
      shared.lock.unlock();
      throw Cancelled{};
    }
    shared.waiter = {};  // it has been used
    shared.lock.unlock();
    cancelled = true;
    cancellable = Cancellable::kNo;
  }
  shared.lock.unlock();
  return cancelled;
}

void call_on(BlockingPool& pool, void (*call)(void*) noexcept, void* argument,
             Cancellable cancellable) {
  const auto shared = std::make_shared<Shared>();
  shared->call = call;
  shared->argument = argument;
  pool.submit(std::make_unique<Job>(shared));
  if (wait_for(*shared, cancellable)) throw Cancelled{};
}

}  // namespace

BlockingPool& need_pool() {
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) {
    throw std::logic_error(
        "weft: a file may have to wait, so it needs a fiber: call it from within weft::run");
  }
  BlockingPool* const pool = scheduler->services().blocking.load(std::memory_order_acquire);
  if (pool == nullptr) throw std::logic_error("weft: a file is used while the runtime is ending");
  return *pool;
}

void call_on_pool(void (*call)(void*) noexcept, void* argument, Cancellable cancellable) {
  call_on(need_pool(), call, argument, cancellable);
}

void call_on_own_thread(void (*call)(void*) noexcept, void* argument) {
  BlockingPool alone(1);  // which waits at last for the thread, that has nothing more to do
  call_on(alone, call, argument, Cancellable::kNo);
}

}  // namespace weft::detail
