#pragma once

#include <sys/socket.h>
#include <unistd.h>
#include <weft/weft.h>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <functional>

#include "support/build_kind.h"
#include "support/watchdog.h"

namespace hook_test {

using namespace std::chrono_literals;

/// Two ends, each the other's peer; closed at the end unless they have been.
struct Pair {
  explicit Pair(int type = SOCK_STREAM) {
    EXPECT_EQ(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds.data()), 0);
  }
  ~Pair() {
    for (const int fd : fds) {
      if (fd >= 0) ::close(fd);
    }
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  int operator[](std::size_t index) const { return fds[index]; }
  void close(std::size_t index) {
    EXPECT_EQ(::close(fds[index]), 0);
    fds[index] = -1;
  }
  std::array<int, 2> fds{-1, -1};
};

/// What a call returned, and errno.
struct Came {
  long result;
  int error;
};
template <class Call>
[[gnu::noinline]] Came call(Call&& make) {
  errno = 0;
  const auto result = static_cast<long>(make());
  return {result, errno};
}

/// Lets every fiber of the worker that can run come to its next wait.
inline void let_others_wait() {
  for (int i = 0; i < 20; ++i) weft::yield();
}

inline weft::Options workers(unsigned count) {
  weft::Options options;
  options.workers = count;
  return options;
}

/// Tests that run on so many workers, and are ended when nothing moves for so long.
class OnWorkers : public testing::TestWithParam<unsigned> {
 protected:
  explicit OnWorkers(std::chrono::seconds limit) : watchdog_("a hooked call", limit) {}
  void run(const std::function<void()>& body) { weft::run(workers(GetParam()), body); }

 private:
  support::Watchdog watchdog_;
};

/// Long enough for whoever else runs to be asleep in its call.
inline void let_them_sleep() { weft::sleep_for(support::kSanitized ? 30ms : 10ms); }

}  // namespace hook_test
