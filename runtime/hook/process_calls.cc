// Waiting for children. Each is libc's call in a plain thread.

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hook/caller.h"
#include "hook/ending.h"
#include "hook/libc.h"

namespace weft::hook {

namespace {

WEFT_LIBC(pclose);
WEFT_LIBC(system);
WEFT_LIBC(wait4);
WEFT_LIBC(waitid);

// On a thread that may block, in a fiber. -1 and errno if it was not made.
template <class Call>
int made_elsewhere(Call call) {
  if (!in_fiber()) return call();
  int result = -1;
  auto once = [&]() noexcept { result = call(); };
  return on_thread(once) ? result : -1;
}

// Closed whatever happens; the number, or -1 where the kernel has none of its kind.
class ChildFd {
 public:
  explicit ChildFd(pid_t child) noexcept
      : fd_(static_cast<int>(::syscall(SYS_pidfd_open, child, 0))) {}
  ~ChildFd() {
    if (fd_ >= 0) ::syscall(SYS_close, fd_);
  }
  ChildFd(const ChildFd&) = delete;
  ChildFd& operator=(const ChildFd&) = delete;
  int number() const noexcept { return fd_; }

 private:
  const int fd_;
};

// Its end is an event; that it stops or goes on is not.
pid_t wait_for_end(pid_t child, int* status, int options, rusage* usage) noexcept {
  const ErrnoScope scope;
  for (;;) {
    const pid_t ended = libc_wait4(child, status, options | WNOHANG, usage);
    if (ended != 0) return ended > 0 ? scope.succeed(ended) : -1;
    const ChildFd fd(child);
    if (fd.number() < 0) break;
    if (!wait_for(fd.number(), POLLIN, kNever)) return -1;
  }
  return made_elsewhere([=] { return libc_wait4(child, status, options, usage); });
}

pid_t wait_for_child(pid_t child, int* status, int options, rusage* usage) {
  if ((options & WNOHANG) != 0 || !in_fiber()) return libc_wait4(child, status, options, usage);
  if (child > 0 && options == 0) return wait_for_end(child, status, options, usage);
  return made_elsewhere([=] { return libc_wait4(child, status, options, usage); });
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
  if ((options & WNOHANG) != 0) return libc_waitid(kind, id, info, options);
  return made_elsewhere([=] { return libc_waitid(kind, id, info, options); });
}

int system(const char* command) {
  return made_elsewhere([=] { return libc_system(command); });
}
int pclose(FILE* stream) {
  { const Ending before(stream); }  // and not while the child goes on
  return made_elsewhere([=] { return libc_pclose(stream); });
}

// libc's read and write the eventfd without asking for the names.
int eventfd_read(int fd, eventfd_t* value) {
  return ::read(fd, value, sizeof(*value)) == sizeof(*value) ? 0 : -1;
}
int eventfd_write(int fd, eventfd_t value) {
  return ::write(fd, &value, sizeof(value)) == sizeof(value) ? 0 : -1;
}

}  // extern "C"
