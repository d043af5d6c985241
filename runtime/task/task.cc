// A task's birth, life and end. See task_state.h for who owns what.

#include <weft/task.h>

#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "fiber/fiber_pool.h"
#include "fiber/identity.h"
#include "sched/mask_scope.h"
#include "sched/scheduler.h"
#include "sched/worker_inline.h"
#include "task/context_map.h"
#include "task/lost_exception.h"
#include "task/task_state.h"

namespace weft::detail {

namespace {

// ---- The end.

void drop_context(TaskState& state) noexcept {
  if (ContextMap* const map = std::exchange(state.context, nullptr)) map->release();
}

void free_state(Fiber& fiber, TaskState& state) noexcept {
  delete[] state.heap;
  if (fiber.name.load(std::memory_order_relaxed) != nullptr) free_name(fiber);
  drop_context(state);
  state.~TaskState();
}

[[gnu::noinline]] void destroy_with_care(Fiber& fiber, TaskState& state) noexcept {
  const bool lost = state.end.outcome() == TaskOutcome::kFailed &&
                    !state.error_read.load(std::memory_order_relaxed);
  if (lost || (state.upkeep & Upkeep::kResult) != 0) {
    const MaskScope mask;  // for the handler of lost exceptions, too, which is the user's
    if (lost) report_lost_exception(fiber, state.error);
    state.body->~Body();
  }
  free_state(fiber, state);
}

// A value without a destructor, and nothing besides: most tasks leave nothing to do.
inline bool leaves_nothing(const TaskState& state) noexcept {
  return state.end.outcome() == TaskOutcome::kValue &&
         (state.upkeep & (Upkeep::kResult | Upkeep::kExtras | Upkeep::kContext)) == 0;
}

// By whoever is left alone with it.
inline void destroy_body(Fiber& fiber, TaskState& state) noexcept {
  if (!leaves_nothing(state)) destroy_with_care(fiber, state);
}

inline void free_descriptor(Fiber& fiber) noexcept {
  Worker* const here = current_worker();
  if (here != nullptr) [[likely]] {
    here->fibers().release(&fiber);
  } else {
    FiberPool::instance().give(&fiber, &fiber);
  }
}

[[gnu::noinline]] void put_aside(Fiber& fiber) noexcept {
  if (Worker* const here = current_worker()) {
    here->fibers().put_aside(&fiber);
  } else {
    FiberPool::instance().put_aside(&fiber);
  }
}

inline bool is_retired(const Fiber& fiber) noexcept {
  return fiber.life.load(std::memory_order_acquire) == Life::kRetired;  // [life]
}

// By who has dropped the last handle. The descriptor follows the body, unless its fiber is still on
// its way off the stack, which whoever needs a descriptor next looks at again.
[[gnu::noinline]] void detach(Fiber& fiber, TaskState& state) noexcept {
  if (!state.end.detach()) return;
  destroy_body(fiber, state);
  if (is_retired(fiber)) {
    free_descriptor(fiber);
  } else {
    put_aside(fiber);
  }
}

// Nobody else knows the fiber any more; it is freed when it has left its stack.
[[gnu::noinline]] void abandon(Fiber& fiber, TaskState& state) noexcept {
  destroy_body(fiber, state);
  fiber.life.store(Life::kAbandoned, std::memory_order_relaxed);
}

// By the task itself, at its end.
inline void complete(Fiber& fiber, TaskState& state, TaskOutcome outcome) noexcept {
  fiber.life.store(Life::kEnded, std::memory_order_relaxed);
  const bool detached =
      state.end.finish(outcome, [](const WakeToken& token) noexcept { wake_joiner(token); });
  if (detached) [[unlikely]]
    abandon(fiber, state);
}

// ---- Life.

// Out of line, so that who runs a task saves no registers for them.
[[gnu::noinline, gnu::cold]] TaskOutcome cancelled(TaskState& state) noexcept {
  state.error = std::make_exception_ptr(Cancelled());
  return TaskOutcome::kCancelled;
}
[[gnu::noinline, gnu::cold]] TaskOutcome thrown(TaskState& state, TaskOutcome outcome) noexcept {
  state.error = std::current_exception();
  return outcome;
}

inline TaskOutcome run_body(Fiber& fiber, TaskState& state) noexcept {
  try {
    state.body->run();
    // As in asyncio: asked to stop, and ended before it could be told.
    return fiber.word.take_pending() ? cancelled(state) : TaskOutcome::kValue;
  } catch (const Cancelled&) {
    return thrown(state, TaskOutcome::kCancelled);
  } catch (...) {
    return thrown(state, TaskOutcome::kFailed);
  }
}

// What most tasks have none of.
[[gnu::noinline]] void clear_up(TaskState& state) noexcept {
  if ((state.upkeep & Upkeep::kCallable) != 0) state.body->discard();
  drop_context(state);
}

inline void end_task(Fiber& fiber, TaskState& state, TaskOutcome outcome) noexcept {
  // From here on only destructors run, out of which nothing may be thrown.
  fiber.masks = 1;
  if ((state.upkeep & (Upkeep::kCallable | Upkeep::kContext)) != 0) clear_up(state);
  complete(fiber, state, outcome);
}

void run_task(Fiber& fiber) noexcept {
  TaskState& state = state_of(fiber);
  const bool stopped = fiber.word.take_pending();
  end_task(fiber, state, stopped ? cancelled(state) : run_body(fiber, state));
}

// Of a task that began its life asleep: it runs in any case. Whoever asked it to stop meant others,
// such as all that are left when the runtime ends.
void run_woken(Fiber& fiber) noexcept {
  fiber.life.store(Life::kInUse, std::memory_order_relaxed);
  fiber.masks = 1;
  fiber.word.take_pending();
  TaskState& state = state_of(fiber);
  end_task(fiber, state, run_body(fiber, state));
}

// On a worker's own stack, the one case in which user code, the callable's destructor, runs there.
void fail_without_stack(Fiber& fiber) noexcept {
  TaskState& state = state_of(fiber);
  state.error = std::make_exception_ptr(StackAllocationError());
  state.body->discard();
  drop_context(state);
  complete(fiber, state, TaskOutcome::kFailed);
}

constexpr FiberCode kTaskCode{&run_task, &fail_without_stack};
constexpr FiberCode kAsleepCode{&run_woken, &fail_without_stack};

// ---- Birth.

[[noreturn, gnu::cold]] Scheduler* no_scheduler() {
  throw std::logic_error(
      "weft::spawn: called outside a runtime; call it from within weft::run, or use Runtime::post");
}

std::uint8_t class_for(std::size_t stack_size) {
  if (stack_size < kMinStackSize || stack_size > kMaxStackSize) {
    throw std::invalid_argument("weft::spawn: stack_size is " + std::to_string(stack_size) +
                                " bytes; it must be from " + std::to_string(kMinStackSize) +
                                " to " + std::to_string(kMaxStackSize));
  }
  return size_class_for(stack_size);
}

// What few tasks have: a name, and a body that does not fit into the descriptor.
struct Extras {
  std::unique_ptr<char[]> name;
  std::unique_ptr<std::byte[]> heap;
};

Extras make_extras(std::string_view name, std::size_t heap_size) {
  Extras extras;
  if (!name.empty()) {
    extras.name = std::make_unique<char[]>(name.size() + 1);
    std::memcpy(extras.name.get(), name.data(), name.size());
  }
  if (heap_size > 0) extras.heap = std::make_unique_for_overwrite<std::byte[]>(heap_size);
  return extras;
}

// A descriptor from the pool becomes a task without options.
inline void prepare(Fiber& fiber, Worker& home, std::uint64_t id, const SpawnSite& site) noexcept {
  fiber.context = nullptr;
  fiber.exceptions = {};
  fiber.saved_errno = 0;
  fiber.masks = 0;
  fiber.pins = 0;
  fiber.word.reset();
  fiber.code = &kTaskCode;
  fiber.home = &home;
  fiber.life.store(Life::kInUse, std::memory_order_relaxed);
  fiber.stack_class = home.scheduler().options().stack_class;
  fiber.id.store(id, std::memory_order_relaxed);
  fiber.file.store(site.file, std::memory_order_relaxed);
  fiber.function.store(site.function, std::memory_order_relaxed);
  fiber.line.store(site.line, std::memory_order_relaxed);
  fiber.name.store(nullptr, std::memory_order_relaxed);
  ::new (static_cast<void*>(fiber.local)) TaskState;
}

inline void inherit_context(TaskState& state, ContextMap* map) noexcept {
  if (map == nullptr) [[likely]]
    return;
  map->retain();
  state.context = map;
  state.upkeep |= Upkeep::kContext;
}

void* aligned(void* room, std::size_t alignment) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(room);
  return reinterpret_cast<void*>((address + alignment - 1) & ~(alignment - 1));
}

}  // namespace

NewTask::Made NewTask::make(const SpawnSite& site) {
  Worker* const here = current_worker();
  if (here == nullptr) [[unlikely]]
    no_scheduler();
  Fiber& fiber = *here->fibers().acquire();
  prepare(fiber, *here, here->next_id(), site);
  if (here->runs_fiber()) inherit_context(state_of(fiber), state_of(here->current()).context);
  return {&fiber, fiber.local + kBodyOffset};
}

NewTask::Made NewTask::make(Scheduler* scheduler, const SpawnOptions& options,
                            const SpawnSite& site, std::size_t body_size,
                            std::size_t body_alignment) {
  Worker* const here = current_worker();
  if (scheduler == nullptr && here == nullptr) no_scheduler();
  if (scheduler == nullptr) scheduler = &here->scheduler();
  const std::uint8_t stack_class =
      options.stack_size == 0 ? scheduler->options().stack_class : class_for(options.stack_size);
  const bool inlined = fits(body_size, body_alignment);
  Extras extras = make_extras(options.name, inlined ? 0 : body_size + body_alignment);

  const bool at_home = here != nullptr && &here->scheduler() == scheduler;
  Fiber& fiber = here != nullptr ? *here->fibers().acquire() : *FiberPool::instance().take(1);
  prepare(fiber, at_home ? *here : scheduler->worker(0),
          here != nullptr ? here->next_id() : next_outside_id(), site);
  fiber.stack_class = stack_class;
  fiber.pins = options.pinned ? 1 : 0;
  TaskState& state = state_of(fiber);
  if (here == nullptr) state.end.open();
  if (extras.name != nullptr || extras.heap != nullptr) state.upkeep = Upkeep::kExtras;
  inherit_context(state, current_context());
  fiber.name.store(extras.name.release(), std::memory_order_release);
  state.heap = extras.heap.release();
  return {&fiber, inlined ? fiber.local + kBodyOffset : aligned(state.heap, body_alignment)};
}

void NewTask::drop(Fiber& fiber) noexcept {
  free_state(fiber, state_of(fiber));
  free_descriptor(fiber);
}

TaskRef NewTask::another_handle(Fiber& fiber) noexcept {
  state_of(fiber).handles.fetch_add(1, std::memory_order_relaxed);
  return TaskRef(&fiber);
}

void NewTask::start(Fiber& fiber, Body& body, std::uint8_t upkeep) noexcept {
  TaskState& state = state_of(fiber);
  state.body = &body;
  state.upkeep |= upkeep;
  Worker* const here = current_worker();
  if (here == fiber.home) [[likely]] {
    here->start(fiber);
  } else {
    fiber.home->scheduler().start(fiber);
  }
}

void NewTask::start_asleep(Fiber& fiber, Body& body, std::uint8_t upkeep) noexcept {
  TaskState& state = state_of(fiber);
  state.body = &body;
  state.upkeep |= upkeep;
  fiber.code = &kAsleepCode;
  fiber.life.store(Life::kAsleep, std::memory_order_relaxed);
  fiber.word.publish(Cancellable::kNo);
  fiber.home->scheduler().start_asleep(fiber);
}

// ---- Handles.

TaskRef::TaskRef(const TaskRef& other) noexcept : fiber_(other.fiber_) {
  if (fiber_ != nullptr) state_of(*fiber_).handles.fetch_add(1, std::memory_order_relaxed);
}

void TaskRef::release() noexcept {
  Fiber& fiber = *fiber_;
  TaskState& state = state_of(fiber);
  // Nobody else can copy from the only handle, so who finds that it holds the last one need not
  // count. [handles]
  if (state.handles.load(std::memory_order_acquire) != 1 &&
      state.handles.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  // Mostly that is all.
  if (leaves_nothing(state) && is_retired(fiber)) return free_descriptor(fiber);
  detach(fiber, state);
}

Body& TaskRef::body() const noexcept { return *state_of(*fiber_).body; }

TaskOutcome TaskRef::outcome() const noexcept { return state_of(*fiber_).end.outcome(); }

void TaskRef::mark_read() const noexcept {
  state_of(*fiber_).error_read.store(true, std::memory_order_relaxed);
}

std::exception_ptr TaskRef::error() const noexcept {
  if (outcome() == TaskOutcome::kPending) return nullptr;
  mark_read();
  return state_of(*fiber_).error;
}

void TaskRef::rethrow() const {
  if (outcome() == TaskOutcome::kValue) return;
  mark_read();
  std::rethrow_exception(state_of(*fiber_).error);
}

bool TaskRef::cancel() const noexcept {
  if (outcome() != TaskOutcome::kPending) return false;
  request_cancel(*fiber_);
  return true;
}

unsigned TaskRef::uncancel() const noexcept { return fiber_->word.uncancel(); }
unsigned TaskRef::cancelling() const noexcept { return fiber_->word.requests(); }
std::uint64_t TaskRef::id() const noexcept { return fiber_->id.load(std::memory_order_relaxed); }

std::string_view TaskRef::name() const noexcept {
  const char* const name = fiber_->name.load(std::memory_order_relaxed);
  return name != nullptr ? std::string_view(name) : std::string_view();
}

}  // namespace weft::detail
