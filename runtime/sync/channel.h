#pragma once

// Who waits at a channel.
//
// A select will wait at several channels at once, with one of these for each of its cases and the
// same token in all of them. The token is a wait of one fiber, and only one claim() of it succeeds,
// on whichever channel: that one is the winner, and the wakers of the others find, as with a waiter
// that was cancelled, that they were too late. What a select adds is a place in its frame, which
// these point to, where the winner's waker notes which of them it took (between claim() and the
// unlocking of its channel, where it moves the item); and afterwards it takes the others off their
// lists, under the lock of each, as a cancelled waiter does. To begin with it locks its channels in
// the order of their addresses, looks at each, and lets go of all of them in one `arm`.

#include <weft/detail/channel_core.h>
#include "sync/wait_queue.h"

namespace weft::detail {

struct ChannelWaiter : Waiter {
  void* item = nullptr;  // a sender's T, a receiver's std::optional<T>
};

}  // namespace weft::detail
