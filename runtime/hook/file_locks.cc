// Locks of files. Who holds one may keep it for as long as it likes, and needs others' threads
// before it lets go, so a fiber keeps none meanwhile: it tries again and again. Each is libc's call
// in a plain thread.

#include "hook/file_locks.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "hook/caller.h"
#include "hook/libc.h"

namespace weft::hook {

namespace {

WEFT_LIBC(flock);
WEFT_LIBC(lockf);
constinit Libc<int, int, int, void*> libc_fcntl{"fcntl"};

// `attempt` fails with EAGAIN where it would have to wait. It is made whatever begin_call() says:
// it may give a lock back, and who is cancelled does so, too.
template <class Attempt>
int until_granted(Attempt attempt) noexcept {
  const ErrnoScope scope;
  begin_call();
  for (Pauses pauses;;) {
    const int result = attempt();
    if (result >= 0) return scope.succeed(result);
    if (errno != EAGAIN || !pauses.sleep()) return -1;
  }
}

// What a range is counted from may move while one waits for it.
struct flock counted_from_begin(int fd, struct flock range) noexcept {
  struct stat file {};
  if (range.l_whence == SEEK_CUR) range.l_start += std::max<off_t>(::lseek(fd, 0, SEEK_CUR), 0);
  if (range.l_whence == SEEK_END && ::fstat(fd, &file) == 0) range.l_start += file.st_size;
  range.l_whence = SEEK_SET;
  return range;
}

}  // namespace

int wait_for_range(int fd, int command, void* lock) noexcept {
  const int attempted = command == F_SETLKW ? F_SETLK : F_OFD_SETLK;
  struct flock range;
  return until_granted([&]() noexcept {
    const int result = libc_fcntl(fd, attempted, lock);
    if (result >= 0 || errno != EAGAIN || lock == &range) return result;
    range = counted_from_begin(fd, *static_cast<const struct flock*>(lock));
    lock = &range;
    errno = EAGAIN;
    return result;
  });
}

}  // namespace weft::hook

using namespace weft::hook;  // NOLINT(google-build-using-namespace): the rest is C

extern "C" {

int flock(int fd, int operation) noexcept {
  if ((operation & LOCK_NB) != 0 || !in_fiber()) return libc_flock(fd, operation);
  return until_granted([=]() noexcept { return libc_flock(fd, operation | LOCK_NB); });
}

int lockf(int fd, int operation, off_t size) {
  if (operation != F_LOCK || !in_fiber()) return libc_lockf(fd, operation, size);
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_CUR;
  range.l_len = size;
  return wait_for_range(fd, F_SETLKW, &range);
}
int lockf64(int fd, int operation, off64_t size) { return lockf(fd, operation, size); }

}  // extern "C"
