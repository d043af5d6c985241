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

struct Match {
  ChannelWaiter* waiter = nullptr;
  Claimed claimed;
};

// The first live one, claimed and taken off the list, to be served.
inline Match claim_first(WaitList& list) noexcept {
  Waiter* first = nullptr;
  const Claimed claimed = WaitQueue(list).claim_front(&first);
  if (!claimed) return {};
  auto* const waiter = static_cast<ChannelWaiter*>(first);
  waiter->served = true;
  return {waiter, claimed};
}

inline ChannelCore::Attempt ChannelCore::match_send(void* item, std::uint32_t state) noexcept {
  if ((state & kClosed) != 0) return {Done::kClosed, {}};
  if (const Match receiver = claim_first(receivers_); receiver.waiter != nullptr) {
    moves_.hand_over(item, receiver.waiter->item);
    return {Done::kYes, receiver.claimed};
  }
  if (count() == capacity_) return {Done::kMustWait, {}};
  moves_.store(item, push_slot());
  return {Done::kYes, {}};
}

inline ChannelCore::Attempt ChannelCore::match_receive(void* receiver,
                                                       std::uint32_t state) noexcept {
  const bool buffered = count() > 0;
  if (buffered) moves_.fetch(pop_slot(), receiver);
  if (const Match sender = claim_first(senders_); sender.waiter != nullptr) {
    if (buffered) {
      moves_.store(sender.waiter->item, push_slot());
    } else {
      moves_.hand_over(sender.waiter->item, receiver);
    }
    return {Done::kYes, sender.claimed};
  }
  if (buffered) return {Done::kYes, {}};
  return {(state & kClosed) != 0 ? Done::kClosed : Done::kMustWait, {}};
}

}  // namespace weft::detail
