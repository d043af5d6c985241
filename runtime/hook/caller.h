#pragma once

// Who calls a hook, and how it waits. In a plain thread every hook is libc's call and nothing else.
// In a fiber a call that would block suspends, and the fiber stays on its worker meanwhile: errno,
// pthread_self() and the thread-locals of the library that called are the same afterwards.
//
// A cancellation is not thrown here: there may be C between the hook and whoever could catch it.
// The call fails with ECANCELED, as does every other that would have to wait, until the
// cancellation is thrown where weft itself is called, or its timeout ends.

#include <poll.h>

#include <cerrno>
#include <span>

#include "base/time.h"
#include "fiber/wait_word.h"

namespace weft::hook {

using detail::kNever;
using detail::Nanos;

/// Whether blocking calls of the caller are to suspend it.
bool in_fiber() noexcept;

/// At the start of a call that may succeed at once: lets others run when the turn is over. False,
/// and errno ECANCELED: the fiber has been cancelled.
bool begin_call() noexcept;

/// Before a call that cannot be cancelled once it has begun. False, and errno ECANCELED: the fiber
/// has been.
bool may_wait() noexcept;

/// Waits until one of `items` may be ready. True: it is to be tried again. False, with errno
/// EAGAIN: the deadline has passed; EBADF: somebody closed one, whose `revents` is POLLNVAL;
/// ECANCELED; ENOMEM.
bool wait_for(std::span<pollfd> items, Nanos deadline) noexcept;
inline bool wait_for(int fd, short events, Nanos deadline) noexcept {
  pollfd item{fd, events, 0};
  return wait_for({&item, 1}, deadline);
}

/// Sleeps. False, and errno ECANCELED or ENOMEM: not to the end.
bool sleep_until(Nanos deadline,
                 detail::Cancellable cancellable = detail::Cancellable::kYes) noexcept;

/// Between the tries of who waits for somebody that tells nobody, and maybe for ever: a thread that
/// waited in the kernel would be one for each such call, and those of the pool are few. Each is as
/// long as all before it, up to a limit: short waits end soon, and long ones cost little.
class Pauses {
 public:
  /// As sleep_until().
  bool sleep(detail::Cancellable cancellable = detail::Cancellable::kYes) noexcept;

 private:
  Nanos next_ = 100'000;
};

/// Makes `call`, which ends soon, on a thread of the pool, and waits for its end. False, with errno
/// ECANCELED or ENOMEM: it was not made. errno is otherwise what it left.
bool on_thread(void (*call)(void* argument) noexcept, void* argument) noexcept;
template <class F>
bool on_thread(F& call) noexcept {
  return on_thread([](void* argument) noexcept { (*static_cast<F*>(argument))(); }, &call);
}

/// The same for a call that may wait without limit, on a thread of its own. Once it has begun it
/// cannot be cancelled. False, with errno ENOMEM: it was not made.
bool on_own_thread(void (*call)(void* argument) noexcept, void* argument) noexcept;
template <class F>
bool on_own_thread(F& call) noexcept {
  return on_own_thread([](void* argument) noexcept { (*static_cast<F*>(argument))(); }, &call);
}

/// Whether the user has made the descriptor non-blocking. False if it is none.
bool is_nonblocking(int fd) noexcept;

/// When a call is to end by SO_RCVTIMEO or SO_SNDTIMEO, counted from when it is first needed here.
/// Once that is seen to have passed, the call does not wait any more, but takes what is there.
class TimeLimit {
 public:
  TimeLimit(int fd, int option) noexcept : fd_(fd), option_(option) {}
  Nanos deadline() noexcept;
  /// As wait_for() with that deadline, for which the kernel is asked only after a millisecond: most
  /// waits are over by then, and its own limits are less exact.
  bool wait(short events) noexcept;
  /// Sees whether it has passed.
  void look() noexcept;
  bool has_passed() const noexcept { return passed_; }

 private:
  const int fd_;
  const int option_;
  Nanos begin_ = kNever;
  bool known_ = false;
  bool passed_ = false;
  Nanos deadline_ = kNever;
};

/// Keeps errno for who succeeds: libc's calls leave it alone then.
class ErrnoScope {
 public:
  ErrnoScope() noexcept : before_(errno) {}
  ErrnoScope(const ErrnoScope&) = delete;
  ErrnoScope& operator=(const ErrnoScope&) = delete;
  template <class T>
  T succeed(T result) const noexcept {
    errno = before_;
    return result;
  }

 private:
  const int before_;
};

}  // namespace weft::hook
