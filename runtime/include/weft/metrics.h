#pragma once

#include <cstddef>
#include <cstdint>

namespace weft {

/// What a runtime has done since it started. Read while it runs, the figures are each right but not
/// of one moment.
struct Metrics {
  unsigned workers = 0;
  std::uint64_t tasks_started = 0;
  std::uint64_t tasks_ended = 0;
  std::uint64_t switches = 0;  ///< from one fiber to another, or to a worker's own stack and back
  std::uint64_t steals = 0;    ///< of one or more fibers from another worker
  std::uint64_t parks = 0;     ///< a worker went to sleep
  std::uint64_t wakes = 0;     ///< a worker woke another
  std::uint64_t driver_polls = 0;  ///< the reactor was asked for events
  std::size_t stack_bytes_mapped = 0;
  std::size_t stacks_in_use = 0;
  std::size_t stacks_unguarded =
      0;  ///< carved without a guard page, because neither kind could be had
  /// How it waits for descriptors: "epoll", "mixed" or "uring" (see Options::driver).
  const char* driver = "";
};

/// Of the runtime of the calling fiber; all zero elsewhere.
Metrics metrics();

}  // namespace weft
