"""The bugs that mutants.py plants in the primitives of sync/."""

from mutant import Mutant

MUTEX = "runtime/sync/mutex.cc"
MUTEX_H = "runtime/include/weft/mutex.h"
QUEUE = "runtime/sync/wait_queue.cc"
EVENT = "runtime/sync/event.cc"
CHANNEL = "runtime/sync/channel.cc"
CHANNEL_CORE = "runtime/include/weft/detail/channel_core.h"

MUTANTS = [
    Mutant("a waiter is not marked in the word", "mutex", MUTEX,
           "queue.wait(waiter, state | kWaiters);",
           "queue.wait(waiter, state);"),
    Mutant("an unlock forgets who waits behind the one it wakes", "mutex", MUTEX,
           "      queue.unlock((queue.empty() ? 0 : kWaiters) | (granted ? kHeld : 0));",
           "      queue.unlock(granted ? kHeld : 0);"),
    Mutant("a mutex that is handed over looks free", "mutex", MUTEX,
           "      queue.unlock((queue.empty() ? 0 : kWaiters) | (granted ? kHeld : 0));",
           "      queue.unlock(queue.empty() ? 0 : kWaiters);"),
    Mutant("an unlock gives up when its waiter was cancelled", "mutex", MUTEX,
           "    // Too late for it: it was cancelled. The next one, then.\n  }",
           "    break;\n  }"),
    Mutant("a waiter that was woken leaves without trying again", "mutex", MUTEX,
           "    if (waiter.granted) return;",
           "    return;"),
    Mutant("set wakes before it has let go of the event", "mutex", QUEUE,
           "  unlock(state);\n  for (std::size_t i = 0; i < count; ++i) wake(last[i], reason);",
           "  for (std::size_t i = 0; i < count; ++i) wake(last[i], reason);\n  unlock(state);"),
    Mutant("a free mutex is taken without an acquire", "mutex", MUTEX_H,
           "    if (!waiters_.word.compare_exchange_strong(expected, kHeld, std::memory_order_acquire,",
           "    if (!waiters_.word.compare_exchange_strong(expected, kHeld, std::memory_order_relaxed,"),
    Mutant("a mutex is left without a release", "mutex", MUTEX_H,
           "    if (!waiters_.word.compare_exchange_strong(expected, 0, std::memory_order_release,",
           "    if (!waiters_.word.compare_exchange_strong(expected, 0, std::memory_order_relaxed,"),
    Mutant("whoever finds an event set has not seen what came before", "mutex", EVENT,
           "  return waiters_.word.load(std::memory_order_acquire) == kSet;",
           "  return waiters_.word.load(std::memory_order_relaxed) == kSet;"),
    Mutant("a waiter that was cancelled is handed an item", "channel", CHANNEL,
           "    if (const Claimed claimed = claim(waiter->token))\n",
           "    const Claimed claimed = claim(waiter->token);\n"),
    Mutant("a sender gives up when its receiver was cancelled", "channel", CHANNEL,
           "    // Too late for it: it was cancelled. The next one, then.\n  }",
           "    break;\n  }"),
    Mutant("an item is handed to its receiver after the lock is left", "channel", CHANNEL,
           "    moves_.hand_over(item, receiver.waiter->item);\n    unlock(state);\n",
           "    unlock(state);\n    moves_.hand_over(item, receiver.waiter->item);\n"),
    Mutant("a sender's item is taken after the lock is left", "channel", CHANNEL,
           "      moves_.hand_over(sender.waiter->item, receiver);\n    }\n    unlock(state);\n",
           "      unlock(state);\n      moves_.hand_over(sender.waiter->item, receiver);\n"
           "      resume(sender.claimed);\n      return Done::kYes;\n    }\n    unlock(state);\n"),
    Mutant("a thread that was claimed does not wait for its item", "channel", CHANNEL,
           "  if (reason == Wake::kNormal && is_fiber) return true;",
           "  if (reason == Wake::kNormal) return true;"),
    Mutant("a place in the buffer is not given to the sender that waits for it", "channel", CHANNEL,
           "  if (const Match sender = claim_first(senders_); sender.waiter != nullptr) {",
           "  if (const Match sender = buffered ? Match{} : claim_first(senders_);\n"
           "      sender.waiter != nullptr) {"),
    Mutant("a receiver takes from the buffer and does not look who waits", "channel", CHANNEL_CORE,
           "    if (count_ == 0 || senders_.first != nullptr) return nullptr;",
           "    if (count_ == 0) return nullptr;"),
    Mutant("a sender fills the buffer and does not look who waits", "channel", CHANNEL_CORE,
           "    if (count_ == capacity_ || receivers_.first != nullptr) return nullptr;",
           "    if (count_ == capacity_) return nullptr;"),
    Mutant("a sender does not see that the channel was closed", "channel", CHANNEL,
           "  if ((state & kClosed) != 0) {\n    unlock(state);\n    return Done::kClosed;\n  }\n", ""),
    Mutant("close forgets those who want to send", "channel", CHANNEL,
           "  while (Waiter* const sender = senders.pop_front()) receivers.push_back(*sender);\n", ""),
    Mutant("what close ends looks like a hand-over", "channel", CHANNEL,
           "receivers.wake_all_and_unlock(kClosed, Wake::kClosed);",
           "receivers.wake_all_and_unlock(kClosed);"),
    Mutant("a channel is locked without an acquire", "channel", CHANNEL_CORE,
           "    return receivers_.word.compare_exchange_strong(expected, kLocked, std::memory_order_acquire,",
           "    return receivers_.word.compare_exchange_strong(expected, kLocked, std::memory_order_relaxed,"),
    Mutant("a channel is unlocked without a release", "channel", CHANNEL_CORE,
           "    receivers_.word.store(0, std::memory_order_release);  // [channel]",
           "    receivers_.word.store(0, std::memory_order_relaxed);"),
]
