#pragma once

#include <weft/detail/solo.h>

#include <cstdint>

namespace weft::detail {

struct Waiter;

/// Those who wait for something, behind a one-bit lock, and the state of that something in the
/// other bits of the same word. The members belong to sync/wait_queue.h.
struct WaitList {
  SharedWord<std::uint32_t> word{0};
  PlainWord<std::uint32_t> hint{0};  // what the primitive has learnt of late; never relied on
  Waiter* first = nullptr;
  Waiter* last = nullptr;
};

}  // namespace weft::detail
