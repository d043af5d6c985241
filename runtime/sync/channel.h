#pragma once

// Who waits at a channel.
//
// A select waits at several at once, with one of these for each of its cases and the same token in
// all of them. The token is a wait of one fiber, so one claim() of it succeeds, at whichever
// channel; wakers at the others find, as with a waiter that was cancelled, that they are too late.

#include <weft/detail/channel_core.h>
#include "sync/wait_queue.h"

namespace weft::detail {

struct ChannelWaiter : Waiter {
  void* item = nullptr;  // a sender's T, a receiver's std::optional<T>
  bool served = false;   // the item has been moved; written between claim() and resume()
};

/// What came of an operation that was tried under the lock.
struct ChannelCore::Attempt {
  Done done;
  Claimed partner;  // to be resumed after the unlock
};

}  // namespace weft::detail
