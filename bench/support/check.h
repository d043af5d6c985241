#pragma once

#include <cstdio>
#include <cstdlib>

namespace bench {

// A figure from a program that computed the wrong thing is worse than none, so a failed check ends
// the program before it can print one.
inline void check(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "check failed: %s\n", what);
  std::_Exit(1);  // not exit(): a check may fail on any fiber, and destructors would wait for it
}

}  // namespace bench
