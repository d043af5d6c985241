#pragma once

// A library's call under a time limit, as a program makes it: the call fails with ECANCELED once
// the time is up, and what comes next in weft throws.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <weft/error.h>
#include <weft/gather.h>
#include <weft/sleep.h>
#include <weft/task.h>
#include <weft/timeout.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>

namespace porting {

using namespace std::chrono_literals;

/// Makes a call that would take for ever, and expects the limit to end it.
template <class Call>
void expect_timeout(Call call, std::chrono::milliseconds limit = 150ms) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THROW(weft::timeout(limit,
                             [&] {
                               call();
                               weft::yield();
                             }),
               weft::TimeoutError);
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, limit);
  EXPECT_LT(took, limit + 3s);
}

/// The same, with another task that asks this one to stop.
template <class Call>
void expect_cancelled(Call call) {
  auto task = weft::spawn([&] {
    call();
    weft::yield();
  });
  weft::sleep_for(100ms);
  EXPECT_FALSE(task.done());
  task.cancel();
  task.join();
  EXPECT_TRUE(task.cancelled());
}

/// In a fiber. But for the instances of epoll, of which the runtime opens one for each worker on
/// which somebody waits; what else it opens when somebody first waits is there by then.
inline auto open_descriptors() {
  pollfd never{::eventfd(0, EFD_CLOEXEC), POLLIN, 0};
  ::poll(&never, 1, 1);
  ::close(never.fd);
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::count_if(begin(all), end(all), [](const auto& one) {
    std::error_code closed;
    const std::string what = std::filesystem::read_symlink(one.path(), closed);
    return !closed && what != "anon_inode:[eventpoll]";
  });
}

}  // namespace porting
