#include "sync/wait_queue.h"

#include "base/spinlock.h"
#include "sync/lock_record.h"

namespace weft::detail {

namespace {

// What the parting action of wait() needs, copied out before it unlocks.
struct Unlock {
  WaitList* list;
  std::uint32_t state;
};

}  // namespace

std::uint32_t WaitQueue::lock() noexcept {
  for (SpinWait spin;; spin.pause()) {
    std::uint32_t word = list_.word.load(std::memory_order_relaxed);
    if ((word & kLocked) == 0 &&
        list_.word.compare_exchange_weak(word, word | kLocked, std::memory_order_acquire,
                                         std::memory_order_relaxed)) {
      return word;
    }
  }
}

void WaitQueue::push_front(Waiter& waiter) noexcept {
  waiter.previous = nullptr;
  waiter.next = list_.first;
  (list_.first != nullptr ? list_.first->previous : list_.last) = &waiter;
  list_.first = &waiter;
  waiter.linked = true;
}

void WaitQueue::remove(Waiter& waiter) noexcept {
  (waiter.previous != nullptr ? waiter.previous->next : list_.first) = waiter.next;
  (waiter.next != nullptr ? waiter.next->previous : list_.last) = waiter.previous;
  waiter.linked = false;
}

Wake WaitQueue::wait(Waiter& waiter, std::uint32_t state) {
  const AwaitScope awaits(*waiter.token.fiber, &list_);
  Unlock unlock{&list_, state};
  const Wake reason = suspend(
      [](void* argument) noexcept {
        const Unlock copy = *static_cast<Unlock*>(argument);
        WaitQueue(*copy.list).unlock(copy.state);
      },
      &unlock);
  if (reason != Wake::kNormal) {
    const std::uint32_t now = lock();
    if (waiter.linked) remove(waiter);
    this->unlock(now);
  }
  return reason;
}

Wake WaitQueue::wait_for_grant(Waiter& waiter, std::uint32_t state) {
  const Wake reason = wait(waiter, state);
  if (reason == Wake::kNormal && is_thread(waiter.token)) unlock(lock());
  return reason;
}

void WaitQueue::wake_all_and_unlock(std::uint32_t state, Wake reason) noexcept {
  std::array<WakeToken, 16> last;
  std::size_t count = 0;
  while (Waiter* const waiter = pop_front()) {
    if (count == last.size()) {
      // Whoever is woken now sees what it is woken for. While others wait it has no business
      // destroying the primitive.
      list_.word.store(state | kLocked, std::memory_order_release);
      for (const WakeToken& token : last) wake(token, reason);
      count = 0;
    }
    last[count++] = waiter->token;
  }
  unlock(state);
  for (std::size_t i = 0; i < count; ++i) wake(last[i], reason);
}

}  // namespace weft::detail
