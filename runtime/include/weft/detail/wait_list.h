#pragma once

#include <atomic>
#include <cstdint>

namespace weft::detail {

struct Waiter;

/// Those who wait for something, behind a one-bit lock, and the state of that something in the
/// other bits of the same word. The members belong to sync/wait_queue.h.
struct WaitList {
  std::atomic<std::uint32_t> word{0};
  Waiter* first = nullptr;
  Waiter* last = nullptr;
};

}  // namespace weft::detail
