#include "time/timer_queue.h"

#include <algorithm>
#include <utility>

namespace weft::detail {
namespace {

constexpr std::size_t kArity = 4;
constexpr std::size_t kFirstCapacity = 64;
// Long enough to make the lock's cost small, short enough for a canceller that spins meanwhile.
constexpr std::size_t kBatch = 8;
// About a microsecond: the lock's cache line goes to the other core and back, sched_yield()
// returns.
constexpr int kPausesForWaiters = 64;

}  // namespace

inline void TimerQueue::place(std::size_t index, const Entry& entry) noexcept {
  heap_[index] = entry;
  entry.timer->index_.store(static_cast<std::uint32_t>(index), std::memory_order_relaxed);
}

inline void TimerQueue::sift_up(std::size_t hole, const Entry& entry) noexcept {
  while (hole > 0) {
    const std::size_t parent = (hole - 1) / kArity;
    if (!entry.before(heap_[parent])) break;
    place(hole, heap_[parent]);
    hole = parent;
  }
  place(hole, entry);
}

inline void TimerQueue::sift_down(std::size_t hole, const Entry& entry) noexcept {
  const std::size_t size = size_.load(std::memory_order_relaxed);
  for (std::size_t child = kArity * hole + 1; child < size; child = kArity * hole + 1) {
    const std::size_t end = std::min(child + kArity, size);
    std::size_t first = child;
    for (++child; child < end; ++child) {
      if (heap_[child].before(heap_[first])) first = child;
    }
    if (!heap_[first].before(entry)) break;
    place(hole, heap_[first]);
    hole = first;
  }
  place(hole, entry);
}

inline void TimerQueue::remove(std::size_t index) noexcept {
  heap_[index].timer->index_.store(Timer::kIdle, std::memory_order_relaxed);
  const std::size_t end = size() - 1;
  size_.store(end, std::memory_order_relaxed);
  if (index == end) return;
  const Entry last = heap_[end];
  if (index > 0 && last.before(heap_[(index - 1) / kArity])) {
    sift_up(index, last);
  } else {
    sift_down(index, last);
  }
}

TimerQueue::~TimerQueue() {
  WEFT_ASSERT(size() == 0, "timers are cancelled before their worker ends");
}

void TimerQueue::insert(Timer& timer, Nanos deadline) noexcept {
  WEFT_ASSERT(!timer.armed(), "a wait arms its timer once");
  timer.queue_ = this;
  timer.deadline_ = deadline;
  const std::size_t last = size();
  size_.store(last + 1, std::memory_order_relaxed);
  sift_up(last, Entry{deadline, next_order_++, &timer});
  publish_next_deadline();
}

bool TimerQueue::cancel(Timer& timer) noexcept {
  TimerQueue* const queue = timer.queue_;
  if (queue == nullptr) return false;  // Never armed.
  queue->lock();
  std::lock_guard guard(queue->lock_, std::adopt_lock);
  const std::uint32_t index = timer.index_.load(std::memory_order_relaxed);
  if (index == Timer::kIdle) return false;
  queue->remove(index);
  queue->publish_next_deadline();
  return true;
}

std::size_t TimerQueue::expire(Nanos now, std::size_t limit) noexcept {
  if (next_deadline() > now) return 0;
  now = std::min(now, kNever - 1);  // Not even at the end of time does kNever come.
  std::size_t fired = 0;
  while (fired < limit) {
    const std::size_t batch = std::min(limit - fired, kBatch);
    const std::size_t count = expire_batch(now, batch);
    fired += count;
    if (count < batch) break;
    let_waiters_in();
  }
  return fired;
}

void TimerQueue::lock_contended() noexcept {
  waiters_.fetch_add(1, std::memory_order_relaxed);
  lock_.lock();
  waiters_.fetch_sub(1, std::memory_order_relaxed);
}

// The lock is not fair: the expiring thread holds its cache line, and would take it again before a
// thread on another core has even seen it free. Without this pause a canceller waits for all that
// is due, and not for a batch.
void TimerQueue::let_waiters_in() noexcept {
  for (int i = 0; i < kPausesForWaiters; ++i) {
    if (waiters_.load(std::memory_order_relaxed) == 0) return;
    cpu_relax();
  }
}

std::size_t TimerQueue::expire_batch(Nanos now, std::size_t limit) noexcept {
  std::lock_guard guard(lock_);
  std::size_t fired = 0;
  while (fired < limit && size() > 0 && heap_[0].deadline <= now) {
    Timer& timer = *heap_[0].timer;
    remove(0);
    timer.fire_(timer);  // The timer may be gone from here on.
    ++fired;
  }
  publish_next_deadline();
  return fired;
}

// Allocates, and touches the new pages, before it takes the lock: a canceller that spins waits for
// the copying only.
void TimerQueue::grow() {
  const std::size_t capacity = std::max(kFirstCapacity, 2 * capacity_);
  WEFT_ASSERT(capacity < Timer::kIdle, "so many timers do not fit into memory");
  auto heap = std::make_unique<Entry[]>(capacity);
  {
    lock();
    std::lock_guard guard(lock_, std::adopt_lock);
    std::copy_n(heap_.get(), size(), heap.get());
    heap_.swap(heap);
  }
  capacity_ = capacity;
}

void TimerQueue::publish_next_deadline() noexcept {
  const Nanos next = size() == 0 ? kNever : heap_[0].deadline;
  if (next != next_deadline()) next_deadline_.store(next, std::memory_order_relaxed);
}

}  // namespace weft::detail
