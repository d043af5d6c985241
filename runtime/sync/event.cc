#include <weft/event.h>

#include <weft/error.h>
#include "sync/event_access.h"
#include "sync/wait_queue.h"

namespace weft {

using detail::WaitQueue;
using detail::Wake;

namespace {
constexpr std::uint32_t kSet = 2;
}  // namespace

Event::~Event() {
  WEFT_ASSERT(waiters_.first == nullptr, "nobody waits on an event that is destroyed");
}

bool Event::is_set() const noexcept {
  return (waiters_.word.load(std::memory_order_acquire) & kSet) != 0;
}

void Event::wait() { detail::EventAccess::wait(*this, detail::WaitsFor::kEvent); }

void detail::EventAccess::wait(Event& event, WaitsFor what) {
  if (event.is_set()) return;
  Waiter waiter{.token = current_token(what)};
  WaitQueue queue(event.waiters_);
  const std::uint32_t state = queue.lock();
  if ((state & kSet) != 0) {
    queue.unlock(state);
    return;
  }
  queue.push_back(waiter);
  if (queue.wait(waiter, state) == Wake::kCancelled || take_cancellation()) throw Cancelled();
}

void Event::set() noexcept {
  WaitQueue queue(waiters_);
  queue.lock();
  queue.wake_all_and_unlock(kSet);
}

void Event::clear() noexcept {
  WaitQueue queue(waiters_);
  queue.lock();
  queue.unlock(0);
}

}  // namespace weft
