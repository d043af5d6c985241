#include <weft/timeout.h>

#include <new>
#include <stdexcept>

#include "sched/worker.h"
#include "task/task_state.h"
#include "time/clock.h"

// asyncio's Timeout. Expiry counts as one request to cancel, taken back at the end of the scope;
// the Cancelled is the scope's own if no other requests are left then than there were at its
// beginning.

namespace weft::detail {

TimeLimit limit_in(std::chrono::nanoseconds span) noexcept {
  if (span.count() <= 0) return {saturating_add(now(), span.count()), true, false};
  return {span.count(), false, true};
}

TimeLimit limit_at(std::chrono::nanoseconds moment) noexcept {
  return {moment.count(), moment.count() <= now(), false};
}

}  // namespace weft::detail

namespace weft {

using detail::Fiber;
using detail::kNever;
using detail::Nanos;
using detail::Timer;
using detail::TimerQueue;
using detail::Worker;

struct TimeoutScope::Inside : detail::LateTimer {
  explicit Inside(Fiber& owner) noexcept : LateTimer(&Inside::fired), fiber(owner) {}

  // Under the lock of the timer's queue; the fiber is in the scope, hence alive.
  static void fired(Timer& timer) noexcept {
    auto& inside = static_cast<Inside&>(timer);
    inside.expire();
  }

  void expire() noexcept {
    expired.store(true, std::memory_order_relaxed);
    request = detail::request_cancel(fiber);
  }

  // Of what is pending when so many requests are left: whether it is this scope's alone.
  bool is_own(unsigned left) const noexcept {
    return left <= requests_before || (request.alone_pending && left + 1 == request.requests);
  }

  Fiber& fiber;
  const unsigned requests_before = fiber.word.requests();
  const bool pending_before = fiber.word.cancel_pending();
  const std::uint32_t told_before = fiber.cancellations;
  // Written when the timer fires, or by the fiber; TimerQueue::cancel() orders it before the end of
  // the scope.
  detail::Atomic<bool> expired{false};
  detail::WaitWord::Noted request{};  // likewise
  bool finished = false;
};

namespace {
Fiber& owner_of_scope() {
  Fiber* const fiber = detail::current_fiber();
  if (fiber == nullptr) throw std::logic_error("weft::timeout: called outside a fiber");
  return *fiber;
}
}  // namespace

TimeoutScope::TimeoutScope(detail::TimeLimit limit) {
  static_assert(sizeof(Inside) <= sizeof(inside_) && alignof(Inside) <= 8);
  Inside& inside = *::new (static_cast<void*>(inside_)) Inside(owner_of_scope());
  arm(inside, limit);
}

TimeoutScope::~TimeoutScope() {
  finish();
  inside().~Inside();
}

bool TimeoutScope::finish() noexcept {
  Inside& self = inside();
  if (self.finished) return false;
  self.finished = true;
  Worker::cancel_late(self);
  if (!self.expired.load(std::memory_order_relaxed)) return false;
  const std::uint32_t told = self.fiber.cancellations - self.told_before;
  // What was pending at the beginning is still to be told.
  const bool keeps = self.pending_before && told == 0;
  // The body may have ended before it was told of the limit: then nobody else is to be.
  const unsigned left = self.fiber.word.uncancel_and_drop_if(
      [&](unsigned others) { return !keeps && self.is_own(others); });
  if (keeps || left > self.requests_before) return false;
  // The first exception told of what was pending, unless that has been taken back, and perhaps of
  // this as well.
  return !self.pending_before || left < self.requests_before || told > 1;
}

void TimeoutScope::reschedule(TimePoint when) {
  Worker& here = *detail::current_worker();
  here.settle_late();
  here.timers().reserve(1);  // while the old limit still holds
  stop();
  if (expired()) throw std::logic_error("weft::TimeoutScope: it has expired and cannot be moved");
  arm(inside(), detail::limit_at(when.time_since_epoch()));
}

void TimeoutScope::reschedule(std::nullopt_t) {
  stop();
  if (expired()) throw std::logic_error("weft::TimeoutScope: it has expired and cannot be moved");
  inside().due = kNever;
}

std::optional<TimeoutScope::TimePoint> TimeoutScope::when() const noexcept {
  detail::current_worker()->settle_late();
  const Nanos limit = inside().due;
  if (limit == kNever) return std::nullopt;
  return detail::to_time_point(limit);
}

// Others may be further inside, and be armed later than this one from now on.
void TimeoutScope::stop() noexcept {
  detail::current_worker()->settle_late();
  TimerQueue::cancel(inside());
}

bool TimeoutScope::expired() const noexcept {
  detail::current_worker()->settle_late();
  return inside().expired.load(std::memory_order_relaxed);
}

void TimeoutScope::arm(Inside& inside, detail::TimeLimit limit) {
  inside.due = limit.moment;
  if (limit.passed) {
    inside.expire();
  } else if (limit.moment != kNever) {
    // Mostly nobody will ask when that was: the body is over before it gives way.
    inside.begun = limit.from_now ? detail::ticks() : 0;
    detail::current_worker()->arm_late(inside);
  }
}

TimeoutScope::Inside& TimeoutScope::inside() noexcept {
  return *std::launder(reinterpret_cast<Inside*>(inside_));
}
const TimeoutScope::Inside& TimeoutScope::inside() const noexcept {
  return *std::launder(reinterpret_cast<const Inside*>(inside_));
}

}  // namespace weft
