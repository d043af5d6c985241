// The ways to stop, what is put off until a fiber stops, and the two ends of a fiber.

#include <pthread.h>

#include <cxxabi.h>
#include <cerrno>
#include <utility>

#include <weft/error.h>
#include "sched/switch.h"

namespace weft::detail {

struct Worker::WaitTimer : Timer {
  explicit WaitTimer(WakeToken waiter) noexcept
      : Timer([](Timer& fired) noexcept {
          wake(static_cast<WaitTimer&>(fired).token, Wake::kTimeout);
        }),
        token(waiter) {}
  const WakeToken token;
};

Wake Worker::suspend(Arm arm, void* argument, Cancellable cancellable) {
  return suspend_with(&put_to_sleep, arm, argument, cancellable);
}

Wake Worker::suspend_until(Nanos deadline, Arm arm, void* argument, Cancellable cancellable) {
  if (deadline == kNever) return suspend(arm, argument, cancellable);
  WaitTimer timer({&current(), current().word.epoch()});
  // The parting action arms it, on this worker: armed now, a rescuer could fire it while the word
  // still says running, and the fiber would sleep for ever.
  settle_late();  // which takes room, too
  timers_.reserve(1);
  arm_timer_ = &timer;
  arm_deadline_ = deadline;
  const Wake reason = suspend_with(&put_to_sleep_until, arm, argument, cancellable);
  TimerQueue::cancel(timer);
  return reason;
}

[[gnu::always_inline]] inline Wake Worker::suspend_with(Parting parting, Arm arm, void* argument,
                                                        Cancellable cancellable) {
  Fiber& self = current();
  WEFT_ASSERT(&self != &root_, "a worker's own stack never waits");
  show_wait();
  settle_late();
  arm_ = arm;
  arm_argument_ = argument;
  cancellable_ = cancellable;
  switch_to(pick(), parting);
  return told(self);
}

void Worker::put_to_sleep(Worker& here, Fiber& previous) {
  const Arm arm = here.arm_;
  void* const argument = here.arm_argument_;
  previous.home = &here;
  const bool sleeps = previous.word.publish(here.cancellable_);
  if (!sleeps) [[unlikely]]
    return stay_awake(here, previous, arm, argument);
  if (arm != nullptr) arm(argument);
}

void Worker::put_to_sleep_until(Worker& here, Fiber& previous) {
  const Arm arm = here.arm_;
  void* const argument = here.arm_argument_;
  const Cancellable cancellable = here.cancellable_;
  const auto publish = [&] { return previous.word.publish(cancellable); };
  // Between publish() and the arming of its timer the fiber could be cancelled, run elsewhere and
  // leave the frame that the timer is in. So the timer's queue keeps its lock over both, and the
  // fiber, which cancels its timer before it goes on, waits for that.
  here.note_timer();
  previous.home = &here;
  const bool sleeps = here.timers_.arm(*here.arm_timer_, here.arm_deadline_, publish);
  if (!sleeps) return stay_awake(here, previous, arm, argument);
  if (arm != nullptr) arm(argument);
}

// It had been asked to stop.
[[gnu::noinline]] void Worker::stay_awake(Worker& here, Fiber& previous, Arm arm, void* argument) {
  if (arm != nullptr) arm(argument);
  here.enqueue(previous);
}

void Worker::requeue(Worker& here, Fiber& previous) {
  if (here.crowded_) [[unlikely]]
    return here.enqueue_behind_all(previous);
  here.enqueue(previous);
}

// On the root, which sees whether another worker is to be woken once it knows what runs here next.
void Worker::requeue_in_batch(Worker& here, Fiber& previous) {
  here.batching_ = true;
  requeue(here, previous);
  here.batching_ = false;
}

// ---- A wait that is not shown until it must be. It begins in Worker::run_at_once (switch.h).
//
// The fiber that waits, held, is in no queue, and what it waits for does not know of it. It goes on
// when the fiber that it runs ends. If that one stops first, the wait is shown then, on the stack
// of who stops: as the parting action of the held fiber would have shown it, had it stopped in the
// usual way; likewise if it cancels the held fiber. If it stops when it has ended (a destructor of
// its result may), the wait is over.
//
// With one worker the word of the held fiber says that it runs, so a cancellation stays pending:
// nobody could have served it in between. With several its wait is published, and who cancels it
// meanwhile ends it, and has it run elsewhere. So before the worker touches it, or what it waits
// in, it ends that wait itself (Worker::claim_held): if somebody else has, the fiber is none of the
// worker's any more.

void Worker::hold(Worker& here, Fiber& previous) {
  if (previous.word.publish(here.held_wait_->cancellable)) [[likely]]
    return;
  // It had been asked to stop.
  here.held_ = nullptr;
  here.enqueue(previous);
}

// What runs when the current fiber has ended: who has waited for that, if somebody has.
[[gnu::always_inline]] inline Fiber& Worker::after_end() noexcept {
  if (held_ != nullptr) {
    Fiber& waiter = *std::exchange(held_, nullptr);
    if (claim_held(waiter)) return waiter;
  }
  return pick_raw();
}

[[gnu::noinline]] void Worker::show_held() noexcept {
  Fiber& waiter = *std::exchange(held_, nullptr);
  if (!claim_held(waiter)) return;
  HeldWait& wait = *held_wait_;
  waiter.home = this;
  // Asleep, it may be woken and leave the frame that the rest is in.
  const Arm arm = wait.kind.arm;
  void* const argument = wait.argument;
  const bool begun = wait.kind.begin(wait);
  const bool sleeps = begun && waiter.word.publish(wait.cancellable);
  if (begun) arm(argument);
  if (!sleeps) enqueue(waiter);
}

// The outermost first: of equal limits it ends first.
[[gnu::noinline]] void Worker::arm_late_timers() noexcept {
  LateTimer* outermost = nullptr;
  for (LateTimer* timer = std::exchange(late_, nullptr); timer != nullptr;) {
    LateTimer* const outer = std::exchange(timer->outer, outermost);
    outermost = std::exchange(timer, outer);
  }
  late_count_ = 0;
  note_timer();
  const Reading reading = read_both();
  while (outermost != nullptr) {
    LateTimer& timer = *std::exchange(outermost, outermost->outer);
    timer.keeper = nullptr;
    if (const Ticks begun = std::exchange(timer.begun, 0))
      timer.due = deadline_after(time_of(begun, reading), std::chrono::nanoseconds(timer.due));
    timers_.arm(timer, timer.due);
  }
}

[[gnu::always_inline]] inline bool Worker::give_way() {
  show_wait();
  settle_late();
  if (--turns_left_ <= 0 || chaos::strikes(chaos::Kind::kTurn, 8))
    return switch_to(root_, &requeue_in_batch).take_cancellation();
  Fiber* const next = next_local();
  if (next != nullptr) return switch_to(with_stack(*next), &requeue).take_cancellation();
  if (crowded_) return switch_to(root_, &requeue_in_batch).take_cancellation();
  budget_ = kOperationsPerTurn;
  return take_cancellation();
}

bool Worker::yield() { return give_way(); }

void Worker::yield_or_throw() {
  if (give_way()) [[unlikely]]
    throw Cancelled();
}

// ---- A fiber's first and last instructions.

#if defined(WEFT_TSAN)
[[gnu::noinline]]  // as retire() is
#else
[[gnu::always_inline]]
#endif
inline void
Worker::inherit(Fiber& finished, Fiber& next) noexcept {
  next.stack = std::exchange(finished.stack, nullptr);
  next.sanitizer = finished.sanitizer;
  *errno_ = 0;
  *exceptions_ = {};
  current_.store(&next, std::memory_order_relaxed);
  stats_.turns.add();
  budget_ = kOperationsPerTurn;
  retire(finished);
}

// A stack whose fiber has ended runs the next one that has not started yet by calling it: no
// switch, and the stack is warm. Part of fiber_main: a call that never returns would leave an
// address in the processor's predictor of returns, and whoever runs next would mispredict all of
// its own.
[[gnu::always_inline]] inline void Worker::run_fibers(Fiber& first) {
  Fiber* self = &first;
  for (;;) {
    self->code->run(*self);
    Worker& here = *current_worker();  // it may have moved
    Fiber& next = here.after_end();
    if (next.started() || next.stack_class != self->stack_class) {
      here.switch_to(here.with_stack(next), &bury, /*ends=*/true);
      __builtin_unreachable();
    }
    here.inherit(*self, next);
    self = &next;
  }
}

WEFT_NEVER_RETURNS void Worker::fiber_main(Transfer arrival) {
  // The first frame: there is no caller to unwind into.
#if defined(__x86_64__)
  asm volatile(".cfi_undefined rip");
#elif defined(__aarch64__)
  asm volatile(".cfi_undefined x30");
#endif
  Worker* const here = static_cast<Worker*>(arrival.data);
  sanitizer_after_switch(here->current().sanitizer);
  here->land(arrival.fctx);
  run_fibers(here->current());
}

void Worker::bury(Worker& here, Fiber& previous) {
  Stack* const stack = std::exchange(previous.stack, nullptr);
  if (!here.stacks_.keep(stack)) [[unlikely]]
    return bury_with_care(here, previous, stack);
  here.retire(previous);
}

[[gnu::noinline]] void Worker::bury_with_care(Worker& here, Fiber& previous, Stack* stack) {
  here.stacks_.release(stack);
  here.retire(previous);
}

[[gnu::noinline]] void Worker::free_and_count(Fiber& abandoned) noexcept {
  fibers_.release(&abandoned);
  scheduler_.census().count_end(stats_.fibers);
}

[[gnu::always_inline]] inline Fiber& Worker::set_up(Fiber& fiber, Stack& stack) noexcept {
  fiber.stack = &stack;
  fiber.context = make_context(stack.top(), stack.size, &fiber_main);
#if defined(WEFT_ASAN)
  fiber.sanitizer = {stack.limit, stack.size, nullptr};
#endif
#if defined(WEFT_TSAN)
  if (stack.tsan_fiber == nullptr) stack.tsan_fiber = __tsan_create_fiber(0);
  fiber.sanitizer.context = stack.tsan_fiber;
#endif
  return fiber;
}

Fiber& Worker::give_stack(Fiber& fiber) noexcept {
  Stack* const stack = stacks_.take_hot(fiber.stack_class);
  return stack != nullptr ? set_up(fiber, *stack) : look_for_stack(fiber);
}

[[gnu::noinline]] Fiber& Worker::look_for_stack(Fiber& fiber) noexcept {
  if (Stack* const stack = stacks_.acquire(fiber.stack_class)) return set_up(fiber, *stack);
  starved_.push(fiber);
  return root_;
}

void Worker::learn_own_thread() noexcept {
  errno_ = &errno;
  exceptions_ = reinterpret_cast<ExceptionState*>(__cxxabiv1::__cxa_get_globals());
#if defined(WEFT_ASAN)
  pthread_attr_t attributes;
  void* bottom = nullptr;
  std::size_t size = 0;
  const int failed = pthread_getattr_np(pthread_self(), &attributes);
  WEFT_ASSERT(failed == 0, "a running thread has attributes");
  pthread_attr_getstack(&attributes, &bottom, &size);
  pthread_attr_destroy(&attributes);
  root_.sanitizer = {bottom, size, nullptr};
#endif
#if defined(WEFT_TSAN)
  root_.sanitizer.context = __tsan_get_current_fiber();
#endif
}

void Worker::run_until_root_lands(Fiber& next) { switch_to(next, &nothing); }

}  // namespace weft::detail
