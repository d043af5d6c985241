// The locks of pthreads, which only debug mode looks at: see held_locks.h. They are called before
// any constructor has run, and by the allocator.

#include <pthread.h>
#include <time.h>

#include <cerrno>

#include "hook/held_locks.h"
#include "hook/libc.h"

namespace weft::hook {

namespace {

WEFT_LIBC(pthread_mutex_lock);
WEFT_LIBC(pthread_mutex_trylock);
WEFT_LIBC(pthread_mutex_timedlock);
WEFT_LIBC(pthread_mutex_clocklock);
WEFT_LIBC(pthread_mutex_unlock);
WEFT_LIBC(pthread_rwlock_rdlock);
WEFT_LIBC(pthread_rwlock_tryrdlock);
WEFT_LIBC(pthread_rwlock_wrlock);
WEFT_LIBC(pthread_rwlock_trywrlock);
WEFT_LIBC(pthread_rwlock_unlock);

// Of whoever had a robust lock and died, it is the caller's now.
bool is_taken(int result) noexcept { return result == 0 || result == EOWNERDEAD; }

int noted(int result, const void* lock, const void* site) noexcept {
  if (is_taken(result) && tracks_locks()) [[unlikely]]
    note_locked(lock, site);
  return result;
}

// Tries first, to be able to tell of a deadlock before it is one.
template <class Try, class Take>
int take(const void* lock, const void* site, Try try_to, Take take_it) noexcept {
  int result = try_to();
  if (result == EBUSY) {
    note_contended(lock, site);
    result = take_it();
  }
  return noted(result, lock, site);
}

}  // namespace
}  // namespace weft::hook

using namespace weft::hook;  // NOLINT(google-build-using-namespace): the rest is C

#define WEFT_SITE __builtin_return_address(0)

extern "C" {

int pthread_mutex_lock(pthread_mutex_t* lock) noexcept {
  if (!tracks_locks()) [[likely]]
    return libc_pthread_mutex_lock(lock);
  return take(
      lock, WEFT_SITE, [&] { return libc_pthread_mutex_trylock(lock); },
      [&] { return libc_pthread_mutex_lock(lock); });
}
int pthread_mutex_trylock(pthread_mutex_t* lock) noexcept {
  return noted(libc_pthread_mutex_trylock(lock), lock, WEFT_SITE);
}
int pthread_mutex_timedlock(pthread_mutex_t* lock, const timespec* deadline) noexcept {
  return noted(libc_pthread_mutex_timedlock(lock, deadline), lock, WEFT_SITE);
}
int pthread_mutex_clocklock(pthread_mutex_t* lock, clockid_t clock,
                            const timespec* deadline) noexcept {
  return noted(libc_pthread_mutex_clocklock(lock, clock, deadline), lock, WEFT_SITE);
}
int pthread_mutex_unlock(pthread_mutex_t* lock) noexcept {
  // First: as soon as it is given back it may be another's, or be gone.
  if (tracks_locks()) [[unlikely]]
    note_unlocked(lock);
  return libc_pthread_mutex_unlock(lock);
}

int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
  if (!tracks_locks()) [[likely]]
    return libc_pthread_rwlock_rdlock(lock);
  return take(
      lock, WEFT_SITE, [&] { return libc_pthread_rwlock_tryrdlock(lock); },
      [&] { return libc_pthread_rwlock_rdlock(lock); });
}
int pthread_rwlock_tryrdlock(pthread_rwlock_t* lock) noexcept {
  return noted(libc_pthread_rwlock_tryrdlock(lock), lock, WEFT_SITE);
}
int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept {
  if (!tracks_locks()) [[likely]]
    return libc_pthread_rwlock_wrlock(lock);
  return take(
      lock, WEFT_SITE, [&] { return libc_pthread_rwlock_trywrlock(lock); },
      [&] { return libc_pthread_rwlock_wrlock(lock); });
}
int pthread_rwlock_trywrlock(pthread_rwlock_t* lock) noexcept {
  return noted(libc_pthread_rwlock_trywrlock(lock), lock, WEFT_SITE);
}
int pthread_rwlock_unlock(pthread_rwlock_t* lock) noexcept {
  if (tracks_locks()) [[unlikely]]
    note_unlocked(lock);
  return libc_pthread_rwlock_unlock(lock);
}

}  // extern "C"
