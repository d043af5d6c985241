// pthread_join(3): who waits for a thread to end keeps no worker meanwhile. Each is libc's call in
// a plain thread.

#include <pthread.h>
#include <time.h>

#include <cerrno>

#include "hook/caller.h"
#include "hook/libc.h"

namespace weft::hook {

namespace {

WEFT_LIBC(pthread_join);
WEFT_LIBC(pthread_tryjoin_np);

// To the end, even if the fiber is cancelled: whoever joins frees next what the thread uses, and
// few look at what they are told.
int join_in_fiber(pthread_t thread, void** result) noexcept {
  const ErrnoScope scope;
  for (Pauses pauses;;) {
    const int error = libc_pthread_tryjoin_np(thread, result);
    if (error != EBUSY) return scope.succeed(error);
    // There may be no memory to sleep.
    if (!pauses.sleep(detail::Cancellable::kNo)) {
      return scope.succeed(libc_pthread_join(thread, result));
    }
  }
}

}  // namespace
}  // namespace weft::hook

using namespace weft::hook;  // NOLINT(google-build-using-namespace): the rest is C

extern "C" {

int pthread_join(pthread_t thread, void** result) {
  return in_fiber() ? join_in_fiber(thread, result) : libc_pthread_join(thread, result);
}

}  // extern "C"
