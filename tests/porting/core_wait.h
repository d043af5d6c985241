#pragma once

// How long threads had to wait for a core although they could have run, and how long they ran, as
// the kernel counts it. The first is nobody's fault here, on a machine that others use as well.

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace porting {

class CoreWait {
 public:
  using Clock = std::chrono::steady_clock;
  using Nanos = std::chrono::nanoseconds;

  /// Looks at this process's threads whose names begin so; at all if that is "".
  explicit CoreWait(const std::string& names) {
    DIR* const threads = ::opendir("/proc/self/task");
    while (const dirent* const entry = threads != nullptr ? ::readdir(threads) : nullptr) {
      const std::string folder = std::string("/proc/self/task/") + entry->d_name;
      std::string name;
      std::getline(std::ifstream(folder + "/comm"), name);
      const int fd = name.starts_with(names)
                         ? ::open((folder + "/schedstat").c_str(), O_RDONLY | O_CLOEXEC)
                         : -1;
      if (fd >= 0) threads_.push_back(fd);
    }
    if (threads != nullptr) ::closedir(threads);
    look();
  }
  ~CoreWait() {
    for (const int fd : threads_) ::close(fd);
  }
  CoreWait(const CoreWait&) = delete;
  CoreWait& operator=(const CoreWait&) = delete;

  struct Spans {
    Nanos waited{0};
    Nanos waited_or_ran{0};
  };
  /// Since a moment, the most of one of the threads; or since it was looked at last before that.
  /// The moments come in order.
  Spans since(Clock::time_point moment) {
    look();
    while (base_ + 1 < looks_.size() && looks_[base_ + 1].when <= moment) ++base_;
    Spans most;
    for (std::size_t i = 0; i < threads_.size(); ++i) {
      const Spans &now = looks_.back().spans[i], &then = looks_[base_].spans[i];
      most.waited = std::max(most.waited, now.waited - then.waited);
      most.waited_or_ran = std::max(most.waited_or_ran, now.waited_or_ran - then.waited_or_ran);
    }
    return most;
  }
  /// From the first look to the last, of the thread that has waited most.
  Nanos waited() const {
    Nanos most{0};
    for (std::size_t i = 0; i < threads_.size(); ++i) {
      most = std::max(most, looks_.back().spans[i].waited - looks_.front().spans[i].waited);
    }
    return most;
  }

 private:
  struct Look {
    Clock::time_point when;
    std::vector<Spans> spans;
  };

  // By the system call itself: who looks is not to wait for anybody.
  static Spans read_spans(int fd) {
    std::array<char, 128> text{};
    if (::syscall(SYS_pread64, fd, text.data(), text.size() - 1, 0L) <= 0) return {};
    char* second = nullptr;
    const Nanos ran{std::strtoll(text.data(), &second, 10)};
    const Nanos waited{std::strtoll(second, nullptr, 10)};
    return {.waited = waited, .waited_or_ran = waited + ran};
  }
  void look() {
    Look now{.when = Clock::now(), .spans = {}};
    for (const int fd : threads_) now.spans.push_back(read_spans(fd));
    looks_.push_back(std::move(now));
  }

  std::vector<int> threads_;
  std::vector<Look> looks_;
  std::size_t base_ = 0;
};

}  // namespace porting
