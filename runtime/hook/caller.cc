#include "hook/caller.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <weft/error.h>
#include <weft/pin.h>

#include "base/atomic.h"
#include "base/own_call.h"
#include "hook/borrowed.h"
#include "hook/held_locks.h"
#include "hook/libc.h"
#include "hook/time_spans.h"
#include "io/pool_call.h"
#include "reactor/reactor.h"
#include "sched/worker.h"
#include "time/clock.h"

namespace weft::hook {

namespace {

using detail::Wake;
using detail::Worker;

WEFT_LIBC(getsockopt);

// Set in the child of a fork, where there are no other workers and the reactor is the parent's.
// Read by all; publishes nothing.
constinit detail::Atomic<bool> g_forked{false};

[[gnu::constructor]] void watch_forks() {
  ::pthread_atfork(nullptr, nullptr, [] { g_forked.store(true, std::memory_order_relaxed); });
}

bool fail(int error) noexcept {
  errno = error;
  return false;
}

// A signal handler on a stack of its own is not the fiber, although it runs in its place: if it
// waited, the next signal's handler would overwrite its frames.
bool is_on_stack_of(const detail::Fiber& fiber) noexcept {
  if (fiber.stack == nullptr) return false;
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const auto top = reinterpret_cast<std::uintptr_t>(fiber.stack->top());
  return here < top && here >= top - fiber.stack->size;
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

}  // namespace

[[gnu::hot]] bool in_fiber() noexcept {
  Worker* const here = detail::current_worker();
  return here != nullptr && here->runs_fiber() && !g_forked.load(std::memory_order_relaxed) &&
         !detail::OwnCall::in_progress() && is_on_stack_of(here->current());
}

[[gnu::hot]] bool begin_call() noexcept {
  if (!detail::current_worker()->charge()) return true;
  const PinScope pin;
  const SuspensionScope suspension;
  return !detail::yield_now() || ended(Wake::kCancelled);
}

bool wait_for(std::span<pollfd> items, Nanos deadline) noexcept {
  const PinScope pin;
  const SuspensionScope suspension;
  try {
    return ended(detail::current_reactor()->foreign_waits().wait(items, deadline));
  } catch (...) {
    return fail(ENOMEM);
  }
}

bool sleep_until(Nanos deadline) noexcept {
  const PinScope pin;
  const SuspensionScope suspension;
  try {
    detail::current_token(detail::WaitsFor::kSleep);
    const Wake reason = detail::suspend_until(deadline, nullptr, nullptr);
    return reason == Wake::kTimeout || ended(reason);
  } catch (...) {
    return fail(ENOMEM);
  }
}

bool on_thread(void (*call)(void*) noexcept, void* argument) noexcept {
  struct Call {
    void (*const function)(void*) noexcept;
    void* const argument;
    int error;  // libc's functions leave it alone when they succeed
    bool made = false;
  } once{call, argument, errno};
  const PinScope pin;
  const SuspensionScope suspension;
  const auto make = [&once]() noexcept {
    errno = once.error;
    once.function(once.argument);
    once.error = errno;
    once.made = true;
  };
  try {
    detail::on_pool(make);
  } catch (const Cancelled&) {
    detail::put_cancellation_back();
    if (!once.made) return fail(ECANCELED);
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
  timeval span{};
  socklen_t size = sizeof(span);
  if (libc_getsockopt(fd_, SOL_SOCKET, option_, &span, &size) == 0 &&
      (span.tv_sec != 0 || span.tv_usec != 0)) {
    deadline_ = deadline_in(nanos_of(span));
  }
  return deadline_;
}

}  // namespace weft::hook
