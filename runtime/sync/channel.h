#pragma once

// Who waits at a channel, and how an operation finds its partner, under the lock.
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

// The first live one, claimed and taken off the list, to be served; null if there is none.
inline ChannelWaiter* claim_first(WaitList& list, Claimed& claimed) noexcept {
  Waiter* first = nullptr;
  claimed = WaitQueue(list).claim_front(&first);
  if (!claimed) return nullptr;
  auto* const waiter = static_cast<ChannelWaiter*>(first);
  waiter->served = true;
  return waiter;
}

inline ChannelCore::Attempt ChannelCore::match_send(void* item, std::uint32_t state) noexcept {
  if ((state & kClosed) != 0) return {Done::kClosed, {}};
  Claimed claimed;
  if (const ChannelWaiter* const receiver = claim_first(receivers_, claimed)) {
    moves_.hand_over(item, receiver->item);
    return {Done::kYes, claimed};
  }
  if (count() == capacity_) return {Done::kMustWait, {}};
  moves_.store(item, push_slot());
  return {Done::kYes, {}};
}

inline ChannelCore::Attempt ChannelCore::match_receive(void* receiver,
                                                       std::uint32_t state) noexcept {
  const bool buffered = count() > 0;
  if (buffered) moves_.fetch(pop_slot(), receiver);
  Claimed claimed;
  if (const ChannelWaiter* const sender = claim_first(senders_, claimed)) {
    if (buffered) {
      moves_.store(sender->item, push_slot());
    } else {
      moves_.hand_over(sender->item, receiver);
    }
    return {Done::kYes, claimed};
  }
  if (buffered) return {Done::kYes, {}};
  return {(state & kClosed) != 0 ? Done::kClosed : Done::kMustWait, {}};
}

}  // namespace weft::detail
