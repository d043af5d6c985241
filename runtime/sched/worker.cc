#include "sched/worker_inline.h"

#include <array>

#include "sched/scheduler.h"

namespace weft::detail {

// Read by assembly alone, of which the compiler knows nothing.
constinit thread_local Worker* t_worker [[gnu::tls_model("initial-exec"), gnu::used]] = nullptr;

namespace {
// The ids given out, in blocks. [ids] publishes nothing.
Atomic<std::uint64_t> g_last_id{0};
constexpr std::uint64_t kIdBlock = 1024;

}  // namespace

std::uint64_t next_outside_id() noexcept {
  return g_last_id.fetch_add(1, std::memory_order_relaxed) + 1;
}

void Worker::take_ids() noexcept {
  next_id_ = g_last_id.fetch_add(kIdBlock, std::memory_order_relaxed);
  last_id_ = next_id_ + kIdBlock;
}

#if !WEFT_READS_THREAD_POINTERS
Worker* current_worker() noexcept {
  asm volatile("" ::: "memory");
  return t_worker;
}
#endif

Worker::Worker(Scheduler& scheduler, unsigned index)
    : scheduler_(scheduler),
      index_(index),
      stacks_(scheduler.stacks()),
      port_(scheduler.injector()),
      rng_(index + 1),
      sightings_(scheduler.worker_count()),
      spin_budget_(scheduler.spin_limit()),
      watched_((index + 1) % scheduler.worker_count()) {
  alone_ = scheduler.worker_count() == 1;
  fifo_ = scheduler.strict_fifo();
}

void Worker::run() {
  t_worker = this;
  chaos::begin_worker(index_);
  learn_own_thread();
  const auto others_sleep = [](const void* idle) noexcept {
    return static_cast<const Idle*>(idle)->awake() == 1;
  };
  party_.begin(scheduler_.may_be_solo(), index_, others_sleep, &scheduler_.idle());
  while (Fiber* const next = find_work()) {
    Fiber& runnable = with_stack(*next);
    if (&runnable != &root_) run_until_root_lands(runnable);
  }
  party_.end();
  t_worker = nullptr;
}

void Worker::unpark() noexcept { parker_.unpark(scheduler_.driver(), index_); }

// ---- Queues.

void Worker::start_among_others(Fiber& fiber) noexcept {
  if (haul_.has_companion(current())) [[unlikely]]
    weigh_haul();
  const bool may_overtake = !fifo_ && fiber.pins == 0 && !chaos::strikes(chaos::Kind::kQueue, 4);
  if (!may_overtake || !spawned_.push(&fiber, &current())) return start_in_order(fiber);
  if (batching_) [[unlikely]] {
    batched_ = true;
  } else {
    offer(birthplace(fiber));
  }
}

[[gnu::noinline]] void Worker::start_in_order(Fiber& fiber) noexcept { enqueue(fiber); }

void Worker::enqueue_pinned(Fiber& fiber) noexcept {
  // Unless it is at home it is sent there.
  if (fiber.home == this) {
    own_.push(fiber);
  } else {
    scheduler_.send_home(fiber);
  }
}

// Who gives way while others wait in the injector waits behind them: back in the ring it would run
// again before they do.
[[gnu::noinline]] void Worker::enqueue_behind_all(Fiber& fiber) noexcept {
  if (fiber.pins > 0) return enqueue_pinned(fiber);
  try {
    Fiber* const one[] = {&fiber};
    scheduler_.injector().push(port_, one, 1);
  } catch (const std::bad_alloc&) {
    return enqueue(fiber);
  }
  if (batching_) {
    batched_ = true;
  } else {
    wake_another();
  }
}

// The ring is full: its older half goes where every worker finds it, and the new fiber with it.
void Worker::spill(Fiber& fiber) noexcept {
  std::array<Fiber*, RunQueue<Fiber>::kHalf> older;
  const std::uint32_t count = ring_.take_half(older);
  try {
    if (count > 0) scheduler_.injector().push(port_, older.data(), count);
  } catch (const std::bad_alloc&) {
    // Out of memory, but nothing is lost: they stay here, in the one queue that needs none.
    for (std::uint32_t i = 0; i < count; ++i) own_.push(*older[i]);
  }
  // Room was made, by this or by thieves.
  const bool pushed = ring_.push(&fiber);
  WEFT_ASSERT(pushed, "only the owner fills its ring");
}

bool Worker::wake_another() noexcept {
  const int sleeper = scheduler_.idle().pick();
  if (sleeper == Idle::kNobody) return false;
  stats_.wakes.add();
  scheduler_.worker(static_cast<unsigned>(sleeper)).unpark();
  return true;
}

[[gnu::noinline]] void Worker::call_for(Offers::Site site) noexcept {
  if (robbed_.load(std::memory_order_relaxed) != 0) learn_of_theft();
  if (wake_another()) offers_.called(site);
}

void Worker::learn_of_theft() noexcept {
  const Offers::Site robbed = robbed_.exchange(0, std::memory_order_relaxed);
  if (robbed == kAllSites) {
    offers_.forget();
  } else if (robbed != 0) {
    offers_.taken(robbed - 1);
  }
}

// Pinned fibers and the others take turns, so that neither starves the other.
Fiber* Worker::next_with_own() noexcept {
  // Not by the count of turns: whoever comes here in every second turn would see the same ever
  // again.
  others_turn_ = !others_turn_;
  if (others_turn_) {
    if (Fiber* const other = next_unpinned()) return other;
  }
  if (Fiber* const pinned = own_.pop()) return pinned;
  return next_unpinned();
}

void Worker::take_inbox() noexcept {
  for (Fiber* fiber = inbox_.take_all(); fiber != nullptr;) {
    Fiber* const next = fiber->next;
    own_.push(*fiber);
    fiber = next;
  }
}

}  // namespace weft::detail
