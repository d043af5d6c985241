#pragma once

#include <unistd.h>

#include <cerrno>
#include <thread>

namespace bench {

// Ends this process when its standard input does, so that a server cannot outlive the harness that
// started it, however the harness ended. The thread sleeps in read() and costs the run nothing.
inline void end_with_stdin() {
  std::thread([] {
    char byte = 0;
    ssize_t got = 0;
    do {
      got = read(STDIN_FILENO, &byte, 1);
    } while (got > 0 || (got < 0 && errno == EINTR));
    _exit(0);
  }).detach();
}

}  // namespace bench
