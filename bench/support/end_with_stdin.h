#pragma once

#include <unistd.h>

#include <cerrno>
#include <thread>

namespace bench {

// Waits for the end of standard input and then ends this process, so that a server cannot outlive
// the harness that started it, however the harness ended.
[[noreturn]] inline void wait_for_end_of_stdin() {
  char byte = 0;
  ssize_t got = 0;
  do {
    got = read(STDIN_FILENO, &byte, 1);
  } while (got > 0 || (got < 0 && errno == EINTR));
  _exit(0);
}

// The same in a thread of its own, which sleeps in read() and costs the run nothing.
inline void end_with_stdin() { std::thread(wait_for_end_of_stdin).detach(); }

}  // namespace bench
