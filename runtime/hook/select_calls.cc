// select(2): asked without waiting, and between that the fiber waits for the same by poll's events.

#include <poll.h>
#include <signal.h>
#include <sys/select.h>

#include <algorithm>
#include <new>
#include <vector>

#include "hook/caller.h"
#include "hook/libc.h"
#include "hook/time_spans.h"
#include "hook/transfer.h"

namespace weft::hook {

namespace {

WEFT_LIBC(poll);
WEFT_LIBC(pselect);
WEFT_LIBC(select);

struct Sets {
  fd_set* readable;
  fd_set* writable;
  fd_set* exceptional;
};

// Sets may be longer than fd_set, for numbers above FD_SETSIZE: the kernel allows that, so bits are
// looked at by hand.
using Word = fd_mask;
constexpr int kBits = 8 * static_cast<int>(sizeof(Word));

std::size_t words_of(int count) noexcept {
  return static_cast<std::size_t>((count + kBits - 1) / kBits);
}

Word* words(fd_set* set) noexcept { return reinterpret_cast<Word*>(set); }

bool contains(fd_set* set, int fd) noexcept {
  return set != nullptr && ((words(set)[fd / kBits] >> (fd % kBits)) & 1) != 0;
}

// What one is asked for, to be asked again.
class Copy {
 public:
  Copy(fd_set* set, int count)
      : set_(set),
        kept_(set == nullptr ? nullptr : words(set),
              set == nullptr ? nullptr : words(set) + words_of(count)) {}
  void restore() noexcept { std::copy(kept_.begin(), kept_.end(), words(set_)); }

 private:
  fd_set* const set_;
  const std::vector<Word> kept_;
};

std::vector<pollfd> items_of(int count, const Sets& sets) {
  std::vector<pollfd> items;
  for (int fd = 0; fd < count; ++fd) {
    const int events = (contains(sets.readable, fd) ? POLLIN | POLLRDNORM : 0) |
                       (contains(sets.writable, fd) ? POLLOUT | POLLWRNORM : 0) |
                       (contains(sets.exceptional, fd) ? POLLPRI : 0);
    if (events != 0) items.push_back({fd, static_cast<short>(events), 0});
  }
  return items;
}

// What select(2) answers, `ask` being select(2) without waiting.
template <class Ask>
int select_until(int count, const Sets& sets, Nanos deadline, Ask ask) {
  Copy readable(sets.readable, count);
  Copy writable(sets.writable, count);
  Copy exceptional(sets.exceptional, count);
  std::vector<pollfd> items = items_of(count, sets);
  for (bool woken = false;; woken = true) {
    const int ready = ask();
    if (ready != 0 || (deadline != kNever && deadline <= detail::now())) return ready;
    // A hang-up wakes whoever waits, and is nothing that is told of who is asked for exceptions
    // only.
    const bool in_vain = woken && libc_poll(items.data(), items.size(), 0) > 0;
    const bool slept = in_vain ? sleep_until(std::min(deadline, deadline_in(kNotReadyAfterAll)))
                               : wait_for(items, deadline);
    if (!slept && errno != EAGAIN) return -1;
    readable.restore();
    writable.restore();
    exceptional.restore();
  }
}

template <class Ask>
int select_in_fiber(int count, const Sets& sets, Nanos deadline, Ask ask) noexcept {
  if (!begin_call()) return -1;
  const ErrnoScope scope;
  try {
    const int ready = select_until(count, sets, deadline, ask);
    return ready >= 0 ? scope.succeed(ready) : -1;
  } catch (const std::bad_alloc&) {
    errno = ENOMEM;
    return -1;
  }
}

int select_or_wait(int count, const Sets& sets, timeval* timeout) noexcept {
  const Nanos deadline = timeout == nullptr ? kNever : deadline_in(nanos_of(*timeout));
  const int ready = select_in_fiber(count, sets, deadline, [&] {
    timeval now{};
    return libc_select(count, sets.readable, sets.writable, sets.exceptional, &now);
  });
  // Linux leaves what was not slept.
  if (timeout != nullptr) {
    const timespec left = timespec_of(std::max<Nanos>(deadline - detail::now(), 0));
    *timeout = {left.tv_sec, left.tv_nsec / 1'000};
  }
  return ready;
}

}  // namespace
}  // namespace weft::hook

using namespace weft::hook;  // NOLINT(google-build-using-namespace): the rest is C

extern "C" {

int select(int count, fd_set* readable, fd_set* writable, fd_set* exceptional, timeval* timeout) {
  // More microseconds than a second has are more seconds.
  const bool valid = timeout == nullptr || (timeout->tv_sec >= 0 && timeout->tv_usec >= 0);
  if (!in_fiber() || count < 0 || !valid) {
    return libc_select(count, readable, writable, exceptional, timeout);
  }
  return select_or_wait(count, {readable, writable, exceptional}, timeout);
}
// NOLINTNEXTLINE(bugprone-reserved-identifier): the name is libc's
int __select(int count, fd_set* readable, fd_set* writable, fd_set* exceptional, timeval* timeout) {
  return select(count, readable, writable, exceptional, timeout);
}

int pselect(int count, fd_set* readable, fd_set* writable, fd_set* exceptional,
            const timespec* timeout, const sigset_t* mask) {
  if (!in_fiber() || count < 0 || (timeout != nullptr && !is_valid(*timeout))) {
    return libc_pselect(count, readable, writable, exceptional, timeout, mask);
  }
  const Nanos deadline = timeout == nullptr ? kNever : deadline_in(nanos_of(*timeout));
  return select_in_fiber(count, {readable, writable, exceptional}, deadline, [&] {
    const timespec now{};
    return libc_pselect(count, readable, writable, exceptional, &now, mask);
  });
}

}  // extern "C"
