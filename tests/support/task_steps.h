#pragma once

// What tests of tasks keep doing.

#include <weft/weft.h>

#include <atomic>
#include <chrono>

namespace support {

using Clock = std::chrono::steady_clock;

/// For the upper end of measured times, and for waits that a failure would make endless: far more
/// than a loaded machine needs, less than a test's time limit.
inline constexpr std::chrono::seconds kGenerous{20};

inline void sleep_forever() { weft::sleep_for(std::chrono::hours::max()); }

/// Sleeps until it is cancelled, and then leaves the exception to the caller to forget: returns
/// when the first Cancelled comes.
inline void sleep_until_cancelled() {
  try {
    sleep_forever();
  } catch (const weft::Cancelled&) {
  }
}

/// Set once `expected` parties have arrived.
class Arrivals {
 public:
  explicit Arrivals(int expected) : missing_(expected) {
    if (expected == 0) all_.set();
  }
  void arrive() {
    if (missing_.fetch_sub(1) == 1) all_.set();
  }
  /// Cancellable.
  void wait() { all_.wait(); }
  bool complete() const { return all_.is_set(); }

 private:
  std::atomic<int> missing_;
  weft::Event all_;
};

/// True if `body()` throws weft::Cancelled.
template <class F>
bool throws_cancelled(F&& body) {
  try {
    body();
  } catch (const weft::Cancelled&) {
    return true;
  }
  return false;
}

/// Runs `main` pinned: what it spawns pinned starts only when it suspends, and whoever waits for an
/// event goes on only when the pinned task that has set it suspends.
template <class F>
void run_pinned(F main) {
  weft::run([&] {
    const weft::PinScope pin;
    main();
  });
}

}  // namespace support
