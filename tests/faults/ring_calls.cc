// What the runtime asks of io_uring, on its way there. liburing's calls return the negative errno.

#include <liburing.h>

#include <algorithm>

#include "faults/injector.h"

using faults::Call;
using faults::detail::judge;
using faults::detail::Verdict;

extern "C" {

int __real_io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* wanted);
int __real_io_uring_enter2(unsigned fd, unsigned submit, unsigned least, unsigned flags,
                           sigset_t* argument, size_t size);

int __wrap_io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* wanted) {
  if (const Verdict verdict = judge(Call::kRingSetup)) return -verdict.error;
  return __real_io_uring_queue_init_params(entries, ring, wanted);
}

// A call that does not take all entries does not wait: io_uring_enter(2).
int __wrap_io_uring_enter2(unsigned fd, unsigned submit, unsigned least, unsigned flags,
                           sigset_t* argument, size_t size) {
  const Verdict verdict = judge(Call::kRingEnter, static_cast<int>(fd));
  if (!verdict || (verdict.error == 0 && submit <= verdict.most)) {
    return __real_io_uring_enter2(fd, submit, least, flags, argument, size);
  }
  if (verdict.error != 0) return -verdict.error;
  const auto some = std::min(submit, static_cast<unsigned>(verdict.most));
  return __real_io_uring_enter2(fd, some, 0, 0, nullptr, 0);
}

}  // extern "C"
