// Children: waiting for them, and commands that libc runs. Each is libc's call in a plain thread.

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/signal_mask.h"
#include "hook/caller.h"
#include "hook/ending.h"
#include "hook/libc.h"

namespace weft::hook {

namespace {

WEFT_LIBC(pclose);
WEFT_LIBC(system);
WEFT_LIBC(wait4);
WEFT_LIBC(waitid);

// When to look again at children. That one has ended is an event; that it stops or goes on is none,
// nor what any of several does.
class ChildEvents {
 public:
  ChildEvents(idtype_t kind, id_t id, int options) noexcept
      : kind_((options & (WSTOPPED | WCONTINUED)) == 0 ? kind : P_ALL), id_(id) {}
  ~ChildEvents() {
    if (own_ >= 0) ::syscall(SYS_close, own_);
  }
  ChildEvents(const ChildEvents&) = delete;
  ChildEvents& operator=(const ChildEvents&) = delete;

  bool wait() noexcept {
    if (kind_ == P_PID && own_ < 0) own_ = static_cast<int>(::syscall(SYS_pidfd_open, id_, 0));
    const int fd = kind_ == P_PIDFD ? static_cast<int>(id_) : own_;
    return fd >= 0 ? wait_for(fd, POLLIN, kNever) : pauses_.sleep();
  }

 private:
  const idtype_t kind_;
  const id_t id_;
  int own_ = -1;  // -1 where the kernel has none of its kind, too
  Pauses pauses_;
};

// Looks until it finds a child, whose number it returns. `look` returns 0 while there is none.
template <class Look>
pid_t find_child(ChildEvents&& events, Look look) noexcept {
  const ErrnoScope scope;
  for (;;) {
    const pid_t found = look();
    if (found != 0) return found > 0 ? scope.succeed(found) : -1;
    if (!events.wait()) return -1;
  }
}

pid_t wait_for_child(pid_t child, int* status, int options, rusage* usage) {
  if ((options & WNOHANG) != 0 || !in_fiber()) return libc_wait4(child, status, options, usage);
  return find_child({child > 0 ? P_PID : P_ALL, static_cast<id_t>(child), options},
                    [=] { return libc_wait4(child, status, options | WNOHANG, usage); });
}

// A non-blocking descriptor has the call fail, which it would not with WNOHANG.
bool never_waits(idtype_t kind, id_t id, int options) noexcept {
  return (options & WNOHANG) != 0 || (kind == P_PIDFD && is_nonblocking(static_cast<int>(id)));
}

// The command inherits the signal mask of who starts it, and a new thread blocks them all.
int run_command(const char* command) noexcept {
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  int result = -1;
  auto call = [&]() noexcept {
    sigset_t before;
    detail::set_signal_mask(mask, &before);
    result = libc_system(command);
    detail::set_signal_mask(before);
  };
  return may_wait() && on_own_thread(call) ? result : -1;
}

// Even if the fiber is cancelled: the stream is to be gone, and its process seen to its end.
int close_process(FILE* stream) noexcept {
  int result = -1;
  auto call = [&]() noexcept { result = libc_pclose(stream); };
  if (!on_own_thread(call)) call();
  return result;
}

}  // namespace
}  // namespace weft::hook

using namespace weft::hook;  // NOLINT(google-build-using-namespace): the rest is C

extern "C" {

pid_t wait(int* status) { return wait_for_child(-1, status, 0, nullptr); }
pid_t waitpid(pid_t child, int* status, int options) {
  return wait_for_child(child, status, options, nullptr);
}
pid_t wait3(int* status, int options, rusage* usage) noexcept {
  return wait_for_child(-1, status, options, usage);
}
pid_t wait4(pid_t child, int* status, int options, rusage* usage) noexcept {
  return wait_for_child(child, status, options, usage);
}
int waitid(idtype_t kind, id_t id, siginfo_t* info, int options) {
  if (!in_fiber() || never_waits(kind, id, options)) return libc_waitid(kind, id, info, options);
  siginfo_t unasked;
  siginfo_t* const found = info != nullptr ? info : &unasked;
  const pid_t child = find_child({kind, id, options}, [=] {
    return libc_waitid(kind, id, found, options | WNOHANG) == 0 ? found->si_pid : -1;
  });
  return child > 0 ? 0 : -1;
}

int system(const char* command) { return in_fiber() ? run_command(command) : libc_system(command); }
int pclose(FILE* stream) {
  { const Ending before(stream); }  // and not while the child goes on
  return in_fiber() ? close_process(stream) : libc_pclose(stream);
}

// libc's read and write the eventfd without asking for the names.
int eventfd_read(int fd, eventfd_t* value) {
  return ::read(fd, value, sizeof(*value)) == sizeof(*value) ? 0 : -1;
}
int eventfd_write(int fd, eventfd_t value) {
  return ::write(fd, &value, sizeof(value)) == sizeof(value) ? 0 : -1;
}

}  // extern "C"
