#include <weft/timeout.h>

#include <new>
#include <stdexcept>

#include "sched/worker.h"
#include "task/task_state.h"
#include "time/clock.h"

// asyncio's Timeout. Expiry counts as one request to cancel, taken back at the end of the scope;
// the Cancelled is the scope's own if no other requests are left then than there were at its
// beginning.

namespace weft {

using detail::Fiber;
using detail::kNever;
using detail::Nanos;
using detail::Timer;
using detail::TimerQueue;

struct TimeoutScope::Inside : Timer {
  explicit Inside(Fiber& owner) noexcept : Timer(&Inside::fired), fiber(owner) {}

  // Under the lock of the timer's queue; the fiber is in the scope, hence alive.
  static void fired(Timer& timer) noexcept {
    auto& inside = static_cast<Inside&>(timer);
    inside.expire();
  }

  void expire() noexcept {
    expired.store(true, std::memory_order_relaxed);
    while (!detail::cancel(fiber, fiber.word.current_epoch(), merged)) {
    }
  }

  Fiber& fiber;
  const unsigned requests_before = fiber.word.requests();
  const bool pending_before = fiber.word.cancel_pending();
  Nanos limit = kNever;
  // Written when the timer fires, or by the fiber; TimerQueue::cancel() orders it before the end of
  // the scope.
  detail::Atomic<bool> expired{false};
  // That a request was pending when the time was up, so that one Cancelled tells of both. Written
  // by who expires, read at the end of the scope.
  bool merged = false;
  bool finished = false;
};

namespace {
Fiber& owner_of_scope() {
  Fiber* const fiber = detail::current_fiber();
  if (fiber == nullptr) throw std::logic_error("weft::timeout: called outside a fiber");
  return *fiber;
}
}  // namespace

TimeoutScope::TimeoutScope(std::int64_t deadline) {
  static_assert(sizeof(Inside) <= sizeof(inside_) && alignof(Inside) <= 8);
  Inside& inside = *::new (static_cast<void*>(inside_)) Inside(owner_of_scope());
  arm(inside, deadline);
}

TimeoutScope::~TimeoutScope() {
  finish();
  inside().~Inside();
}

bool TimeoutScope::finish() noexcept {
  Inside& self = inside();
  if (self.finished) return false;
  self.finished = true;
  TimerQueue::cancel(self);
  if (!expired()) return false;
  const bool others_since = self.fiber.word.uncancel() > self.requests_before;
  // What was pending at the beginning is still to be told, or was told along with this.
  if (others_since || (self.pending_before && self.merged)) return false;
  // The body may have ended before it was told: then nobody else is to be.
  const bool untold = self.fiber.word.take_pending();
  return !(self.pending_before && untold);  // else the body leaves by the older request
}

void TimeoutScope::reschedule(TimePoint when) {
  TimerQueue::cancel(inside());
  if (expired()) throw std::logic_error("weft::TimeoutScope: it has expired and cannot be moved");
  arm(inside(), detail::deadline_at(when.time_since_epoch()));
}

void TimeoutScope::reschedule(std::nullopt_t) {
  TimerQueue::cancel(inside());
  if (expired()) throw std::logic_error("weft::TimeoutScope: it has expired and cannot be moved");
  inside().limit = kNever;
}

std::optional<TimeoutScope::TimePoint> TimeoutScope::when() const noexcept {
  const Nanos limit = inside().limit;
  if (limit == kNever) return std::nullopt;
  return detail::to_time_point(limit);
}

bool TimeoutScope::expired() const noexcept {
  return inside().expired.load(std::memory_order_relaxed);
}

void TimeoutScope::arm(Inside& inside, std::int64_t deadline) {
  inside.limit = deadline;
  if (deadline == kNever) return;
  if (deadline <= 0) {
    inside.expire();
    return;
  }
  detail::current_worker()->timers().arm(inside, deadline);
}

TimeoutScope::Inside& TimeoutScope::inside() noexcept {
  return *std::launder(reinterpret_cast<Inside*>(inside_));
}
const TimeoutScope::Inside& TimeoutScope::inside() const noexcept {
  return *std::launder(reinterpret_cast<const Inside*>(inside_));
}

}  // namespace weft
