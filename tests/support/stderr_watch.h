#pragma once

// Standard error, as it is written: for reports that come while the test goes on.

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <array>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "support/task_steps.h"

namespace support {

class StderrWatch {
 public:
  StderrWatch() : real_(::dup(STDERR_FILENO)) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) ADD_FAILURE() << "no pipe";
    from_ = ends[0];
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
    reader_ = std::thread([this] { read(); });
  }
  ~StderrWatch() { finish(); }
  StderrWatch(const StderrWatch&) = delete;
  StderrWatch& operator=(const StderrWatch&) = delete;

  /// Waits until that has been written; false if it has not for long.
  bool says(const std::string& text) {
    std::unique_lock lock(mutex_);
    return more_.wait_for(lock, kGenerous, [&] { return text_.find(text) != std::string::npos; });
  }

  /// All that was written; from here on it is not watched any more.
  std::string finish() {
    if (reader_.joinable()) {
      ::dup2(real_, STDERR_FILENO);  // the last end that writes to the pipe is gone
      reader_.join();
      ::close(real_);
      ::close(from_);
    }
    return so_far();
  }

 private:
  std::string so_far() {
    const std::lock_guard lock(mutex_);
    return text_;
  }
  void read() {
    std::array<char, 4096> buffer{};
    for (;;) {
      const ssize_t got = ::read(from_, buffer.data(), buffer.size());
      if (got <= 0) return;
      const std::lock_guard lock(mutex_);
      text_.append(buffer.data(), static_cast<std::size_t>(got));
      more_.notify_all();
    }
  }

  const int real_;
  int from_ = -1;
  std::mutex mutex_;
  std::condition_variable more_;
  std::string text_;  // under mutex_
  std::thread reader_;
};

}  // namespace support
