#pragma once

// Ends a test that hangs with a message, before the runner does it without one.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "base/atomic.h"
#include "base/futex.h"
#include "support/build_kind.h"
#include "time/clock.h"

namespace support {

class Watchdog {
 public:
  /// Aborts, and says `what` hangs, unless it is destroyed or told of progress within `limit`
  /// (longer under sanitizers). `describe` adds what may help; it runs on a thread of its own.
  Watchdog(std::string what, std::chrono::seconds limit, std::function<std::string()> describe = {})
      : what_(std::move(what)),
        limit_(weft::detail::to_nanos(limit) * (kSanitized ? 4 : 1)),
        describe_(std::move(describe)),
        thread_([this] { watch(); }) {}
  ~Watchdog() {
    state_.store(kDone);
    weft::detail::futex_wake(state_, 1);
    thread_.join();
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void progress() noexcept { last_progress_.store(weft::detail::now()); }

 private:
  static constexpr std::uint32_t kWatching = 0;
  static constexpr std::uint32_t kDone = 1;

  void watch() {
    for (;;) {
      const weft::detail::Nanos limit = last_progress_.load() + limit_;
      weft::detail::futex_wait(state_, kWatching, limit);
      if (state_.load() == kDone) return;
      if (weft::detail::now() < last_progress_.load() + limit_) continue;
      const std::string more = describe_ ? describe_() : std::string();
      std::fprintf(stderr, "watchdog: no progress for %lld ms: %s %s\n",
                   static_cast<long long>(limit_ / 1'000'000), what_.c_str(), more.c_str());
      std::abort();
    }
  }

  const std::string what_;
  const weft::detail::Nanos limit_;
  const std::function<std::string()> describe_;
  weft::detail::Atomic<std::uint32_t> state_{kWatching};
  weft::detail::Atomic<weft::detail::Nanos> last_progress_{weft::detail::now()};
  std::thread thread_;
};

}  // namespace support
