#pragma once

// For the few things that a program under Valgrind cannot do, or does wrong on purpose.

#if defined(WEFT_HAVE_VALGRIND)
#include <valgrind/valgrind.h>
#endif

namespace support {

inline bool on_valgrind() noexcept {
#if defined(WEFT_HAVE_VALGRIND)
  return RUNNING_ON_VALGRIND != 0;
#else
  return false;
#endif
}

/// While one exists, nothing that the thread does wrong is reported.
class DeliberateErrors {
 public:
  DeliberateErrors() noexcept {
#if defined(WEFT_HAVE_VALGRIND)
    VALGRIND_DISABLE_ERROR_REPORTING;
#endif
  }
  ~DeliberateErrors() {
#if defined(WEFT_HAVE_VALGRIND)
    VALGRIND_ENABLE_ERROR_REPORTING;
#endif
  }
  DeliberateErrors(const DeliberateErrors&) = delete;
  DeliberateErrors& operator=(const DeliberateErrors&) = delete;
};

}  // namespace support
