#include <weft/detail/future_core.h>

#include <future>
#include <memory>
#include <new>
#include <stdexcept>

#include <weft/error.h>
#include <weft/exception_group.h>
#include "sched/mask_scope.h"
#include "task/lost_exception.h"
#include "task/task_end.h"

// A future ends as a task does, by a TaskEnd, of which everything said there holds: whoever waits
// has a handle, and so has the promise that publishes the end. It is never detached.

namespace weft::detail {

class FutureCore::End : public TaskEnd {};

namespace {

struct Join : CompletionHook {
  explicit Join(const WakeToken& token) noexcept
      : CompletionHook([](CompletionHook& hook, TaskOutcome) noexcept {
          return static_cast<Join&>(hook).waiter;
        }),
        waiter(token) {}

  const WakeToken waiter;
};

}  // namespace

FutureCore::FutureCore(const SpawnSite& site) noexcept : site_(site) {
  static_assert(sizeof(End) <= sizeof(end_) && alignof(End) <= 8);
  ::new (static_cast<void*>(end_)) End;
}

FutureCore::~FutureCore() { std::destroy_at(&end()); }

FutureCore::End& FutureCore::end() noexcept { return *std::launder(reinterpret_cast<End*>(end_)); }
const FutureCore::End& FutureCore::end() const noexcept {
  return *std::launder(reinterpret_cast<const End*>(end_));
}

TaskOutcome FutureCore::outcome() const noexcept { return end().outcome(); }

std::exception_ptr FutureCore::error() const noexcept {
  if (outcome() == TaskOutcome::kPending) return nullptr;
  error_read_.store(true, std::memory_order_relaxed);
  return error_;
}

// ---- Waiting.

// False if the caller was cancelled.
bool FutureCore::wait() {
  while (!end().ended()) {
    Join join(current_token(WaitsFor::kFuture));
    if (!end().add_locked(join)) break;
    const Wake reason =
        suspend([](void* locked) noexcept { static_cast<TaskEnd*>(locked)->unlock(); },
                static_cast<TaskEnd*>(&end()));
    if (reason != Wake::kNormal) end().remove(join);
    if (reason == Wake::kCancelled || take_cancellation()) return false;
  }
  return true;
}

void FutureCore::join() {
  if (!wait()) throw Cancelled();
}

void FutureCore::await() {
  if (!wait()) {
    cancel();
    throw Cancelled();
  }
  if (outcome() != TaskOutcome::kValue) std::rethrow_exception(error());
}

// ---- Setting.

void FutureCore::publish(TaskOutcome outcome) noexcept {
  end().finish(outcome, [](const WakeToken& token) noexcept { wake(token); });
}

void FutureCore::publish_error(std::exception_ptr error) noexcept {
  const bool cancelled = is_a<Cancelled>(error);
  error_ = std::move(error);
  publish(cancelled ? TaskOutcome::kCancelled : TaskOutcome::kFailed);
}

bool FutureCore::try_set_error(const std::exception_ptr& error) {
  if (error == nullptr) throw std::invalid_argument("weft::Promise: the exception is null");
  if (!claim()) return false;
  publish_error(error);
  return true;
}

bool FutureCore::cancel() noexcept {
  if (!claim()) return false;
  publish_error(std::make_exception_ptr(Cancelled()));
  return true;
}

void FutureCore::abandon() noexcept {
  if (!claim()) return;
  error_read_.store(true, std::memory_order_relaxed);  // no news for who has not waited
  std::exception_ptr error;
  try {
    throw std::future_error(std::future_errc::broken_promise);
  } catch (...) {
    error = std::current_exception();  // or that there was no memory for it
  }
  publish_error(std::move(error));
}

// ---- The end.

void FutureCore::release() noexcept {
  if (handles_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const MaskScope mask;  // for the value's destructor, and the handler of lost exceptions
  report_if_lost();
  delete this;
}

void FutureCore::report_if_lost() noexcept {
  if (outcome() != TaskOutcome::kFailed || error_read_.load(std::memory_order_relaxed)) return;
  report_lost_exception({0, "future", site_, error_});
}

void no_future_state() { throw std::future_error(std::future_errc::no_state); }
void future_already_set() { throw std::future_error(std::future_errc::promise_already_satisfied); }

}  // namespace weft::detail
