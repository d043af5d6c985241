#include "hook/caller.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <weft/error.h>
#include <weft/pin.h>

#include <algorithm>
#include <new>
#include <system_error>
#include <utility>

#include "base/own_call.h"
#include "hook/borrowed.h"
#include "hook/held_locks.h"
#include "hook/libc.h"
#include "hook/signal_stack.h"
#include "hook/time_spans.h"
#include "io/pool_call.h"
#include "reactor/foreign_waits.h"
#include "reactor/reactor.h"
#include "sched/worker.h"
#include "time/clock.h"

namespace weft::hook {

namespace {

using detail::Wake;
using detail::Worker;

WEFT_LIBC(getsockopt);

// Set in the thread that is left in the child of a fork: if it was a worker it is none any more, as
// there are no others, and the reactor is the parent's. The child's own workers are other threads.
constinit thread_local bool t_forked [[gnu::tls_model("initial-exec")]] = false;

// Locks that other threads of the parent's held would be held for ever.
void begin_child() noexcept {
  t_forked = true;
  Borrowed::forget_parent();
  detail::ForeignWaits::forget_parent();
}

[[gnu::constructor]] void watch_forks() { ::pthread_atfork(nullptr, nullptr, begin_child); }

bool fail(int error) noexcept {
  errno = error;
  return false;
}

// How a wait ended. Who is cancelled is to be told again: see caller.h.
bool ended(Wake reason) noexcept {
  switch (reason) {
    case Wake::kNormal:
      return true;
    case Wake::kTimeout:
      return fail(EAGAIN);
    case Wake::kClosed:
      return fail(EBADF);
    default:
      detail::put_cancellation_back();
      return fail(ECANCELED);
  }
}

[[gnu::noinline]] bool give_way() noexcept {
  const PinScope pin;
  const SuspensionScope suspension;
  return !detail::yield_now() || ended(Wake::kCancelled);
}

}  // namespace

[[gnu::hot]] bool in_fiber() noexcept {
  Worker* const here = detail::current_worker();
  return here != nullptr && here->runs_fiber() && !t_forked && !detail::OwnCall::in_progress() &&
         !on_signal_stack();
}

[[gnu::hot]] bool begin_call() noexcept {
  return !detail::current_worker()->charge() || give_way();
}

namespace {

// Whether one is of a stream of weft's own, and so in the very epoll instance that would be asked:
// that has one registration for each.
bool meets_own(const detail::Reactor& reactor, std::span<const pollfd> items) noexcept {
  return reactor.shared() && std::any_of(items.begin(), items.end(), [](const pollfd& item) {
           const detail::FdEntry* const entry = detail::FdTable::instance().find(item.fd);
           return entry != nullptr && entry->is_open();
         });
}

}  // namespace

bool may_wait() noexcept { return !detail::take_cancellation() || ended(Wake::kCancelled); }

bool wait_for(std::span<pollfd> items, Nanos deadline) noexcept {
  const PinScope pin;
  const SuspensionScope suspension;
  try {
    detail::Reactor& reactor = *detail::current_reactor();
    if (!meets_own(reactor, items)) return ended(reactor.foreign_waits().wait(items, deadline));
  } catch (const std::bad_alloc&) {
    return fail(ENOMEM);
  } catch (const std::system_error&) {
  }
  // They cannot be watched there, or no descriptor is left to watch others by, so the caller looks
  // now and then.
  for (pollfd& item : items) item.revents = 0;
  return sleep_until(std::min(deadline, deadline_in(detail::ForeignWaits::kLookAgain))) &&
         (deadline > detail::now() || fail(EAGAIN));
}

bool sleep_until(Nanos deadline, detail::Cancellable cancellable) noexcept {
  const PinScope pin;
  const SuspensionScope suspension;
  try {
    detail::current_token(detail::WaitsFor::kSleep);
    const Wake reason = detail::suspend_until(deadline, nullptr, nullptr, cancellable);
    return reason == Wake::kTimeout || ended(reason);
  } catch (...) {
    return fail(ENOMEM);
  }
}

bool Pauses::sleep(detail::Cancellable cancellable) noexcept {
  constexpr Nanos kLongest = 20'000'000;
  const Nanos pause = std::exchange(next_, std::min(2 * next_, kLongest));
  return sleep_until(deadline_in(pause), cancellable);
}

namespace {

struct CallElsewhere {
  void (*const function)(void*) noexcept;
  void* const argument;
  int error;  // libc's functions leave it alone when they succeed
  bool made = false;

  static void make(void* self) noexcept {
    CallElsewhere& call = *static_cast<CallElsewhere*>(self);
    errno = call.error;
    call.function(call.argument);
    call.error = errno;
    call.made = true;
  }
};

}  // namespace

bool on_thread(void (*call)(void*) noexcept, void* argument) noexcept {
  CallElsewhere once{call, argument, errno};
  const PinScope pin;
  const SuspensionScope suspension;
  try {
    detail::call_on_pool(&CallElsewhere::make, &once, detail::Cancellable::kYes);
  } catch (const Cancelled&) {
    detail::put_cancellation_back();
    if (!once.made) return fail(ECANCELED);
  } catch (...) {
    return fail(ENOMEM);
  }
  errno = once.error;
  return true;
}

bool on_own_thread(void (*call)(void*) noexcept, void* argument) noexcept {
  CallElsewhere once{call, argument, errno};
  const PinScope pin;
  const SuspensionScope suspension;
  try {
    detail::call_on_own_thread(&CallElsewhere::make, &once);
  } catch (...) {
    return fail(ENOMEM);
  }
  errno = once.error;
  return true;
}

bool is_nonblocking(int fd) noexcept {
  const int flags = flags_of(fd);
  return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

Nanos TimeLimit::deadline() noexcept {
  if (known_) return deadline_;
  known_ = true;
  begin_ = std::min(begin_, detail::now());
  timeval span{};
  socklen_t size = sizeof(span);
  if (libc_getsockopt(fd_, SOL_SOCKET, option_, &span, &size) == 0 &&
      (span.tv_sec != 0 || span.tv_usec != 0)) {
    deadline_ = detail::saturating_add(begin_, nanos_of(span));
  }
  return deadline_;
}

bool TimeLimit::wait(short events) noexcept {
  constexpr Nanos kAskAfter = 1'000'000;
  if (!known_) {
    const Nanos time = detail::now();
    begin_ = std::min(begin_, time);
    if (time < begin_ + kAskAfter) {
      if (wait_for(fd_, events, begin_ + kAskAfter)) return true;
      if (errno != EAGAIN) return false;
    }
  }
  // Events are told before the time is: where there is one at each turn it would never be up.
  look();
  if (passed_) return fail(EAGAIN);
  if (wait_for(fd_, events, deadline())) return true;
  passed_ = errno == EAGAIN;
  return false;
}

void TimeLimit::look() noexcept { passed_ = deadline() != kNever && deadline() <= detail::now(); }

}  // namespace weft::hook
