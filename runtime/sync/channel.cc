#include "sync/channel.h"

#include <weft/error.h>
#include "sync/lock_record.h"

// The word of `receivers_`: bit 0 is the lock of everything else, kClosed says that nothing will be
// sent any more.
//
// A waiter is live until its wait has ended. One that was cancelled stays in its list until it has
// the lock to leave it.
//
// Invariants, where nobody has the lock
//  1. Live senders wait only while the buffer is full and the channel open; live receivers only
//     while the buffer is empty, no live sender waits but of the same select, and the channel is
//     open. So who finds room in the buffer overtakes nobody.
//  2. Under one hold of the lock an item's receiver is claimed and the item is moved to it, or its
//     sender is claimed and the item is moved from it. A claim that fails has moved nothing. So an
//     item is in one place, and a wait that ended with Wake::kNormal has sent or received: whoever
//     asked it to stop was too late, and the request stays for the next wait.
//  3. Nobody touches a waiter's frame after unlocking, nor the channel. Between claim() and
//     resume() a fiber cannot run. A thread can: it passes through the lock before it returns, and
//     so waits for the move.
//  4. A closed channel has no waiters: close() takes all of them off before it lets kClosed be
//     seen.
//
// Every lock acquires what the unlock before it released [channel]: the items, the numbers and the
// lists.

namespace weft::detail {

ChannelCore::~ChannelCore() {
  WEFT_ASSERT((receivers_.word.load(std::memory_order_acquire) & kLocked) == 0 &&
                  receivers_.first == nullptr && senders_.first == nullptr,
              "nobody waits at a channel that is destroyed");
}

std::uint32_t ChannelCore::lock(bool locked) const noexcept {
  return locked ? 0 : WaitQueue(receivers_).lock();
}

void ChannelCore::unlock(std::uint32_t state) const noexcept {
  WaitQueue(receivers_).unlock(state);
}

// Unlocks, unless it must wait.
ChannelCore::Done ChannelCore::finish(const Attempt& attempt, std::uint32_t state) noexcept {
  if (attempt.done == Done::kMustWait) return attempt.done;
  unlock(state);
  if (attempt.partner) resume(attempt.partner);
  return attempt.done;
}

ChannelCore::Done ChannelCore::send_at_once(void* item, std::uint32_t state) noexcept {
  return finish(match_send(item, state), state);
}

ChannelCore::Done ChannelCore::receive_at_once(void* receiver, std::uint32_t state) noexcept {
  return finish(match_receive(receiver, state), state);
}

// With the lock, of a channel that is open; returns without it. False if the channel was closed.
bool ChannelCore::wait(WaitList& list, void* item) {
  ChannelWaiter waiter;
  try {
    waiter.token = current_token(WaitsFor::kChannel);
  } catch (...) {  // a thread's first wait finds no memory
    unlock(0);
    throw;
  }
  waiter.item = item;
  WaitQueue(list).push_back(waiter);
  const AwaitScope awaits(*waiter.token.fiber, this);
  const Wake reason =
      suspend([](void* core) noexcept { static_cast<ChannelCore*>(core)->unlock_open(); }, this);
  if (reason == Wake::kNormal && !is_thread(waiter.token)) return true;
  if (reason != Wake::kClosed) {
    const std::uint32_t state = lock(false);
    if (waiter.linked) WaitQueue(list).remove(waiter);
    unlock(state);
    if (reason == Wake::kNormal) return true;
  }
  // Nothing was handed over, so a request that came after the channel was closed is told, too.
  if (reason == Wake::kCancelled || take_cancellation()) throw Cancelled();
  return false;
}

void ChannelCore::send(void* item, bool locked) {
  const std::uint32_t state = lock(locked);
  // Every other time at a rendezvous: without a call that saves more registers than it has to.
  const bool full = count() == capacity_ && receivers_.first == nullptr && state == 0;
  const Done done = full ? Done::kMustWait : send_at_once(item, state);
  if (done == Done::kYes) return;
  if (done == Done::kClosed || !wait(senders_, item)) throw ChannelClosed();
}

bool ChannelCore::try_send(void* item, bool locked) {
  const std::uint32_t state = lock(locked);
  const Done done = send_at_once(item, state);
  if (done == Done::kClosed) throw ChannelClosed();
  if (done == Done::kMustWait) unlock(state);
  return done == Done::kYes;
}

bool ChannelCore::receive(void* receiver, bool locked) {
  const std::uint32_t state = lock(locked);
  // As in send().
  const bool empty = count() == 0 && senders_.first == nullptr && state == 0;
  const Done done = empty ? Done::kMustWait : receive_at_once(receiver, state);
  return done == Done::kMustWait ? wait(receivers_, receiver) : done == Done::kYes;
}

bool ChannelCore::try_receive(void* receiver, bool locked) noexcept {
  const std::uint32_t state = lock(locked);
  const Done done = receive_at_once(receiver, state);
  if (done == Done::kMustWait) unlock(state);
  return done == Done::kYes;
}

void ChannelCore::close() {
  WaitQueue receivers(receivers_);
  const std::uint32_t state = receivers.lock();
  if ((state & kClosed) != 0) {
    receivers.unlock(state);
    throw ChannelClosed();
  }
  WaitQueue senders(senders_);
  while (Waiter* const sender = senders.pop_front()) receivers.push_back(*sender);
  receivers.wake_all_and_unlock(kClosed, Wake::kClosed);
}

std::size_t ChannelCore::size() const noexcept {
  const std::uint32_t state = lock(false);
  const std::size_t items = count();
  unlock(state);
  return items;
}

}  // namespace weft::detail
