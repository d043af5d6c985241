#pragma once

#include <signal.h>

#include <initializer_list>

#include "base/assert.h"

namespace weft::detail {

/// Sets the calling thread's signal mask.
inline void set_signal_mask(const sigset_t& mask, sigset_t* before = nullptr) noexcept {
  const int error = ::pthread_sigmask(SIG_SETMASK, &mask, before);
  WEFT_ASSERT(error == 0, "SIG_SETMASK is a valid way to change the mask");
}

/// Every signal but those that a thread raises by its own fault: blocking these kills the process
/// without a word.
inline sigset_t all_signals_but_faults() noexcept {
  sigset_t all;
  ::sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
    ::sigdelset(&all, fault);
  }
  return all;
}

/// Lives while a thread is started that takes no signals. A new thread inherits the mask of the one
/// that starts it; to block signals only once it runs would leave a gap in which one is delivered
/// to it.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() noexcept { set_signal_mask(all_signals_but_faults(), &before_); }
  ~AllSignalsBlocked() { set_signal_mask(before_); }
  AllSignalsBlocked(const AllSignalsBlocked&) = delete;
  AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace weft::detail
