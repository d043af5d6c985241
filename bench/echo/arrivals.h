#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "scramble.h"

namespace bench {

// When requests are due in an open loop: on each connection one every period, at a phase of its own
// that depends on its id alone, so that every server sees the same arrivals. All periods are equal,
// so the connections come round in the same order for ever.
class Arrivals {
 public:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  struct Arrival {
    std::size_t connection;
    std::int64_t due_ns;
  };

  // Connections 0 to `count` - 1, whose ids begin at `first_id`.
  Arrivals(std::uint64_t first_id, std::size_t count, std::int64_t start_ns, std::int64_t period_ns)
      : period_ns_(period_ns) {
    for (std::size_t i = 0; i < count; ++i) {
      coming_.push_back({i, start_ns + phase_ns(first_id + i, period_ns)});
    }
    std::sort(coming_.begin(), coming_.end(),
              [](const Arrival& a, const Arrival& b) { return a.due_ns < b.due_ns; });
  }
  Arrivals() = default;  // none ever

  static std::int64_t phase_ns(std::uint64_t id, std::int64_t period_ns) {
    return static_cast<std::int64_t>(scramble(id) % static_cast<std::uint64_t>(period_ns));
  }

  std::int64_t next_ns() const { return coming_.empty() ? kNever : coming_[next_].due_ns; }

  Arrival take() {
    Arrival& first = coming_[next_];
    const Arrival taken = first;
    first.due_ns += period_ns_;
    next_ = (next_ + 1) % coming_.size();
    return taken;
  }

 private:
  std::int64_t period_ns_ = 0;
  std::vector<Arrival> coming_;  // in order of time, if read from next_ on and round
  std::size_t next_ = 0;
};

}  // namespace bench
