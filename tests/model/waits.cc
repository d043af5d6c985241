#include "waits.h"

#include <algorithm>
#include <chrono>
#include <deque>

#include "base/futex.h"
#include "base/random.h"
#include "explorer/run.h"

namespace {

std::deque<weft::detail::Fiber> g_fibers;
weft::detail::Nanos g_time = 0;

}  // namespace

// What now() asks; the machine's clock would make runs differ.
extern "C" int clock_gettime(clockid_t, timespec* time) noexcept {
  time->tv_sec = g_time / 1'000'000'000;
  time->tv_nsec = g_time % 1'000'000'000;
  return 0;
}

namespace model {

void reset_waits(int threads) {
  g_fibers.clear();
  for (int i = 0; i < threads; ++i) g_fibers.emplace_back();
  g_time = 1;
}

weft::detail::Fiber& fiber_of(int thread) { return g_fibers[static_cast<std::size_t>(thread)]; }

void set_clock(weft::detail::Nanos time) { g_time = time; }

}  // namespace model

namespace weft::detail {

// A model that is being made is the first thread.
Fiber& current_waiter() { return model::fiber_of(std::max(model::Run::current()->running(), 0)); }

Fiber* current_fiber() noexcept { return &current_waiter(); }

Wake suspend(Arm arm, void* argument, Cancellable cancellable) {
  return suspend_until(kNever, arm, argument, cancellable);
}

// A deadline may come at any moment, which costs a surprise.
Wake suspend_until(Nanos deadline, Arm arm, void* argument, Cancellable cancellable) {
  Fiber& self = current_waiter();
  const WakeToken token{&self, self.word.epoch()};
  const bool sleeps = self.word.publish(self.masks > 0 ? Cancellable::kNo : cancellable);
  arm(argument);
  while (sleeps) {
    const auto half = self.word.waiting_half();
    if (!half) break;
    const bool woken = model::wait_on(self.word.futex_word(), *half, deadline != kNever);
    if (!woken && deadline != kNever) claim(token, Wake::kTimeout);
  }
  const Wake reason = self.word.reason();
  if (reason == Wake::kCancelled) self.word.take_pending();
  return reason;
}

void resume(Claimed waiter) noexcept { model::wake_on(waiter.fiber->word.futex_word(), 1); }

void wake_from_driver(WakeToken token, Wake reason) noexcept { wake(token, reason); }

bool wake(WakeToken token, Wake reason) noexcept {
  const Claimed waiter = claim(token, reason);
  if (waiter) resume(waiter);
  return static_cast<bool>(waiter);
}

bool cancel(Fiber& fiber, Epoch epoch, WaitWord::Noted* noted) noexcept {
  const WaitWord::Cancel done = fiber.word.cancel(epoch, noted);
  if (done == WaitWord::Cancel::kWoken) model::wake_on(fiber.word.futex_word(), 1);
  return done != WaitWord::Cancel::kStale;
}

bool spend_budget() { return false; }

std::int64_t deadline_in(std::chrono::nanoseconds span) noexcept { return span.count(); }

// The same in every run: which of those that are ready is chosen is not what is looked for.
std::uint32_t random_below(std::uint32_t /*bound*/) noexcept { return 0; }

// A mutex tries once instead of spinning: each try is a step of its own, whatever waits for it.
bool others_may_run() noexcept { return false; }

bool take_cancellation() noexcept {
  Fiber& self = current_waiter();
  return self.masks == 0 && self.word.take_pending();
}

}  // namespace weft::detail
