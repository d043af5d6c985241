"""The bugs that mutants.py plants; those of sync/, task/ and the words below both are in files of their own."""

import planted_bugs_sync
import planted_bugs_task
import planted_bugs_words
from mutant import Mutant

RING = "runtime/sched/run_queue.h"
DEQUE = "runtime/sched/spawn_deque.h"
OWNER = "runtime/base/owner_lock.h"
IDLE = "runtime/sched/idle.cc"
PARKER = "runtime/sched/parker.h"
SLOT = "runtime/sched/lifo_slot.h"
CENSUS = "runtime/sched/census.h"
CENSUS_CC = "runtime/sched/census.cc"
STATS = "runtime/sched/stats.h"
INJECTOR = "runtime/sched/injector.h"
FD_TABLE = "runtime/reactor/fd_table.cc"
FOREIGN = "runtime/reactor/foreign_waits.cc"
OPERATIONS = "runtime/reactor/operations.cc"
STACKS = "runtime/fiber/stack_pool.cc"
INBOX = "runtime/sched/inbox.h"
SPINLOCK = "runtime/base/spinlock.h"

MUTANTS = [
    Mutant("the tail is only released, not seq_cst", "run_queue", RING,
           "    tail_.publish(tail + 1);",
           "    tail_.store(tail + 1, std::memory_order_release);"),
    Mutant("the tail is stored before the slot", "run_queue", RING,
           "    slot(tail).store(item, std::memory_order_relaxed);\n"
           "    tail_.publish(tail + 1);",
           "    tail_.publish(tail + 1);\n"
           "    slot(tail).store(item, std::memory_order_relaxed);"),
    Mutant("the tail is relaxed", "run_queue", RING,
           "    tail_.publish(tail + 1);",
           "    tail_.store(tail + 1, std::memory_order_relaxed);"),
    Mutant("pop moves the head by a store", "run_queue", RING,
           "      if (head_.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel,  // [rq-head]\n"
           "                                      std::memory_order_relaxed)) {\n"
           "        return item;\n"
           "      }",
           "      head_.store(head + 1, std::memory_order_release);\n"
           "      return item;"),
    Mutant("a thief reads the first slot after its swap", "run_queue", RING,
           "    if (count > 1) tail_.publish(tail + count - 1);  // [rq-tail], [wake]\n"
           "    return first;",
           "    if (count > 1) tail_.publish(tail + count - 1);  // [rq-tail], [wake]\n"
           "    return victim.slot(head).load(std::memory_order_relaxed);"),
    Mutant("the overflow forgets to check its swap", "run_queue", RING,
           "               ? kHalf\n               : 0;",
           "               ? kHalf\n               : kHalf;"),
    Mutant("a thief takes one more than it moves", "run_queue", RING,
           "    if (!victim.head_.compare_exchange_strong(head, head + count,",
           "    if (!victim.head_.compare_exchange_strong(head, head + count - (count > 1),"),
    Mutant("a full ring is not noticed", "run_queue", RING,
           "    if (tail - head_.load(std::memory_order_acquire) == kCapacity) return false;",
           "    if (tail - head_.load(std::memory_order_acquire) == kCapacity + 1) return false;"),
    Mutant("the owner of a lock does not say that it is inside", "spawn_deque", OWNER,
           "      inside_.store(true, std::memory_order_relaxed);\n", ""),
    Mutant("the owner of a lock does without a barrier that nobody else has", "spawn_deque", OWNER,
           "      inside_.store(true, std::memory_order_seq_cst);  // [owner]",
           "      inside_.store(true, std::memory_order_release);"),
    Mutant("who seizes a lock does without a barrier", "spawn_deque", OWNER,
           "    if (quick_.load(std::memory_order_seq_cst)) barrier_on_all_threads();", ""),
    Mutant("who seizes a lock does not wait for its owner to leave", "spawn_deque", OWNER,
           "    for (SpinWait owner; inside_.load(std::memory_order_seq_cst);) owner.pause();", ""),
    Mutant("the owner goes into a lock that is seized", "spawn_deque", OWNER,
           "      if (word != kSeized) return word > kGiven ? word - kGiven : 0;",
           "      return word > kGiven ? word - kGiven : 0;"),
    Mutant("who seizes a lock does not look whether it has been answered", "spawn_deque", OWNER,
           "    if (!word_.compare_exchange_strong(asked, kSeized, std::memory_order_seq_cst,\n"
           "                                       std::memory_order_acquire)) {  // [owner], [given]\n"
           "      return false;\n    }\n",
           "    word_.store(kSeized, std::memory_order_seq_cst);\n    static_cast<void>(asked);\n"),
    Mutant("two ask for a lock at once", "spawn_deque", OWNER,
           "           word_.compare_exchange_strong(quiet, kGiven + amount, std::memory_order_seq_cst,\n"
           "                                         std::memory_order_relaxed);  // [owner]",
           "           (word_.store(kGiven + amount, std::memory_order_seq_cst), true);"),
    Mutant("the owner leaves its lock without a release", "spawn_deque", OWNER,
           "    inside_.store(false, std::memory_order_release);  // [owner]",
           "    inside_.store(false, std::memory_order_relaxed);"),
    Mutant("who has seized a lock leaves it without a release", "spawn_deque", OWNER,
           "  void done() noexcept { word_.store(kQuiet, std::memory_order_release); }",
           "  void done() noexcept { word_.store(kQuiet, std::memory_order_relaxed); }"),
    Mutant("an owner says in no order that it does without a barrier", "spawn_deque", OWNER,
           "      quick_.store(quick, std::memory_order_seq_cst);  // [owner]",
           "      quick_.store(quick, std::memory_order_release);"),
    Mutant("what was asked for is given without a release", "spawn_deque", OWNER,
           "    return word_.compare_exchange_strong(asked, kGiven, std::memory_order_seq_cst,",
           "    return word_.compare_exchange_strong(asked, kGiven, std::memory_order_relaxed,"),
    Mutant("who has been given something withdraws all the same", "spawn_deque", OWNER,
           "    return word_.compare_exchange_strong(asked, kQuiet, std::memory_order_release,\n"
           "                                         std::memory_order_acquire);  // [given]",
           "    word_.store(kQuiet, std::memory_order_release);\n"
           "    return asked != 0;"),
    Mutant("what was given stays in the deque", "spawn_deque", DEQUE,
           "      if (given > 0) drop_oldest(given);\n", "      static_cast<void>(given);\n"),
    Mutant("what nobody asks for any more leaves the deque", "spawn_deque", DEQUE,
           "      if (!lock_.give(asked)) continue;\n      if (given > 0) drop_oldest(given);\n",
           "      if (given > 0) drop_oldest(given);\n      if (!lock_.give(asked)) continue;\n"),
    Mutant("who was given something is done before it has taken it", "spawn_deque", DEQUE,
           "    const std::uint32_t given = given_;\n    for (std::uint32_t i = 0; i < given; ++i) out[i]",
           "    const std::uint32_t given = given_;\n    lock_.done();\n"
           "    for (std::uint32_t i = 0; i < given; ++i) out[i]"),
    Mutant("a group is turned around where thieves have been", "spawn_deque", DEQUE,
           "    return above(group_, head) > 0 ? group_ : head;", "    return group_;"),
    Mutant("a thief forgets what it has taken by force", "spawn_deque", DEQUE,
           "    if (taken > 0) drop_oldest(taken);\n    lock_.done();",
           "    lock_.done();\n    if (taken > 0) drop_oldest(taken);"),
    Mutant("the last searcher is not told to look again", "idle", IDLE,
           "  return searching(before - leaving) == 0;",
           "  return false;"),
    Mutant("a producer relies on a searcher that has stopped", "idle", IDLE,
           "  const std::uint64_t leaving = kOneAwake + (was_searching ? kOneSearching : 0);",
           "  const std::uint64_t leaving = kOneAwake;"),
    Mutant("whoever is picked does not count as a searcher", "idle", IDLE,
           "  state_.fetch_add(kOneAwake + kOneSearching, std::memory_order_seq_cst);\n"
           "  return static_cast<int>(worker);",
           "  state_.fetch_add(kOneAwake, std::memory_order_seq_cst);\n"
           "  return static_cast<int>(worker);"),
    Mutant("a sleeper is picked for its inbox only while it is awake", "idle", IDLE,
           "  if (entries_[worker] != Entry::kAsleep)\n",
           "  if (entries_[worker] == Entry::kAsleep)\n"),
    Mutant("who leaves by itself stays among the sleepers", "idle", IDLE,
           "  WEFT_ASSERT(entry == Entry::kAsleep, \"only who announced itself leaves\");\n"
           "  remove(worker);\n",
           "  WEFT_ASSERT(entry == Entry::kAsleep, \"only who announced itself leaves\");\n"),
    Mutant("an unpark before the park is lost", "idle", PARKER,
           "    if (state_.compare_exchange_strong(expected, kInFutex, std::memory_order_seq_cst)) {\n",
           "    state_.store(kInFutex);\n    {\n"),
    Mutant("an unpark does not wake the futex", "idle", PARKER,
           "      case kInFutex:\n        futex_wake(state_, 1);\n        break;",
           "      case kInFutex:\n        break;"),
    Mutant("an unpark does not interrupt the driver", "idle", PARKER,
           "      case kInDriver:\n        driver.interrupt(worker);\n        break;",
           "      case kInDriver:\n        break;"),
    Mutant("a worker that was told already sleeps in the driver", "idle", PARKER,
           "    driver.poll(worker, sleeps ? deadline : 0, ready);",
           "    driver.poll(worker, sleeps ? deadline : deadline, ready);"),
    Mutant("the owner puts as if it were alone", "lifo_slot", SLOT,
           "T* put(T* item, bool alone) noexcept { return replace(item, alone); }",
           "T* put(T* item, bool) noexcept { return replace(item, true); }"),
    Mutant("the owner takes as if it were alone", "lifo_slot", SLOT,
           "T* take(bool alone) noexcept { return replace(nullptr, alone); }",
           "T* take(bool) noexcept { return replace(nullptr, true); }"),
    Mutant("a thief looks and then clears the slot", "lifo_slot", SLOT,
           "return waits() ? replace(nullptr, false) : nullptr;",
           "return waits() ? replace(nullptr, true) : nullptr;"),
    Mutant("what is put is not released", "lifo_slot", SLOT,
           "return item_.exchange(item, std::memory_order_acq_rel);",
           "return item_.exchange(item, std::memory_order_acquire);"),
    Mutant("a thief takes nothing but says what was there", "lifo_slot", SLOT,
           "return waits() ? replace(nullptr, false) : nullptr;",
           "return item_.load();"),
    Mutant("starts are added up before ends", "census", CENSUS_CC,
           "  for (const FiberTally* const worker : workers_) sums.ended += worker->ended.read();\n"
           "  sums.started = started_outside_.load(std::memory_order_seq_cst);\n"
           "  for (const FiberTally* const worker : workers_) sums.started += worker->started.read();\n",
           "  sums.started = started_outside_.load(std::memory_order_seq_cst);\n"
           "  for (const FiberTally* const worker : workers_) sums.started += worker->started.read();\n"
           "  for (const FiberTally* const worker : workers_) sums.ended += worker->ended.read();\n"),
    Mutant("ends and starts are added up worker by worker", "census", CENSUS_CC,
           "  for (const FiberTally* const worker : workers_) sums.ended += worker->ended.read();\n"
           "  sums.started = started_outside_.load(std::memory_order_seq_cst);\n"
           "  for (const FiberTally* const worker : workers_) sums.started += worker->started.read();\n",
           "  sums.started = started_outside_.load(std::memory_order_seq_cst);\n"
           "  for (const FiberTally* const worker : workers_) {\n"
           "    sums.ended += worker->ended.read();\n"
           "    sums.started += worker->started.read();\n"
           "  }\n"),
    Mutant("who closes spares itself the barrier", "census", CENSUS_CC,
           "  barrier_on_all_threads();\n", ""),
    Mutant("the barrier comes before the write", "census", CENSUS_CC,
           "  closing_.store(true, std::memory_order_seq_cst);\n  barrier_on_all_threads();\n",
           "  barrier_on_all_threads();\n  closing_.store(true, std::memory_order_seq_cst);\n"),
    Mutant("a worker looks whether anybody waits before it counts", "census", CENSUS,
           "    own.ended.add();\n    if (closing_.load(std::memory_order_relaxed)) tell_of_end();",
           "    const bool closing = closing_.load(std::memory_order_relaxed);\n"
           "    own.ended.add();\n    if (closing) tell_of_end();"),
    Mutant("an end is told before it is counted", "census", CENSUS,
           "    own.ended.add();\n    if (closing_.load(std::memory_order_relaxed)) tell_of_end();",
           "    if (closing_.load(std::memory_order_relaxed)) tell_of_end();\n    own.ended.add();"),
    Mutant("the turn is read after the counts", "census", CENSUS_CC,
           "  const std::uint32_t turn = turn_.load(std::memory_order_seq_cst);\n"
           "  const Counts sums = counts();\n",
           "  const Counts sums = counts();\n"
           "  const std::uint32_t turn = turn_.load(std::memory_order_seq_cst);\n"),
    Mutant("an end changes the turn and wakes nobody", "census", CENSUS_CC,
           "  futex_wake(turn_, 1);\n", ""),
    Mutant("an end wakes without changing the turn", "census", CENSUS_CC,
           "  turn_.fetch_add(1, std::memory_order_seq_cst);\n", ""),
    Mutant("a count does not release what came before it", "census", STATS,
           "value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_release);",
           "value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);"),
    Mutant("nobody waits for calls from outside", "census", CENSUS_CC,
           "  while (outside_calls_.load(std::memory_order_acquire) != 0) ::sched_yield();\n", ""),
    Mutant("a call from outside is over when it begins", "census", CENSUS,
           "      census_.outside_calls_.fetch_add(1, std::memory_order_acq_rel);",
           "      census_.outside_calls_.fetch_add(0, std::memory_order_acq_rel);"),
    Mutant("an injected item is counted once it is there", "injector", INJECTOR,
           "    count_.fetch_add(1, std::memory_order_seq_cst);  // [wake]\n"
           "    std::lock_guard lock(outside_lock_);\n"
           "    if (!queue_.enqueue(outside_, item)) failed(1);\n",
           "    std::lock_guard lock(outside_lock_);\n"
           "    if (!queue_.enqueue(outside_, item)) failed(1);\n"
           "    count_.fetch_add(1, std::memory_order_seq_cst);\n"),
    Mutant("what overflows is counted once it is there", "injector", INJECTOR,
           "    count_.fetch_add(static_cast<std::int64_t>(count), std::memory_order_seq_cst);  // [wake]\n"
           "    if (!queue_.enqueue_bulk(port.producer_, items, count)) failed(count);\n",
           "    if (!queue_.enqueue_bulk(port.producer_, items, count)) failed(count);\n"
           "    count_.fetch_add(static_cast<std::int64_t>(count), std::memory_order_seq_cst);\n"),
    Mutant("the injector is taken for empty when a dequeue finds nothing", "injector", INJECTOR,
           "    return got;\n", "    if (got == 0) count_.store(0);\n    return got;\n"),
    Mutant("the count is lowered before the dequeue", "injector", INJECTOR,
           "    const std::size_t got = queue_.try_dequeue_bulk(port.consumer_, out, most);\n"
           "    if (got > 0) count_.fetch_sub(static_cast<std::int64_t>(got), std::memory_order_seq_cst);\n"
           "    return got;\n",
           "    count_.fetch_sub(1, std::memory_order_seq_cst);\n"
           "    const std::size_t got = queue_.try_dequeue_bulk(port.consumer_, out, most);\n"
           "    count_.fetch_add(1 - static_cast<std::int64_t>(got), std::memory_order_seq_cst);\n"
           "    return got;\n"),
    Mutant("the count is lowered by what was asked for", "injector", INJECTOR,
           "count_.fetch_sub(static_cast<std::int64_t>(got), std::memory_order_seq_cst);\n    return got;",
           "count_.fetch_sub(static_cast<std::int64_t>(most), std::memory_order_seq_cst);\n    return got;"),
    Mutant("the count is lowered by load and store", "injector", INJECTOR,
           "    if (got > 0) count_.fetch_sub(static_cast<std::int64_t>(got), std::memory_order_seq_cst);\n",
           "    if (got > 0) count_.store(count_.load() - static_cast<std::int64_t>(got));\n"),
    Mutant("threads from outside share a producer without its lock", "injector", INJECTOR,
           "    std::lock_guard lock(outside_lock_);\n", ""),
    Mutant("trim shows a chain before its memory is gone", "stack_pool", STACKS,
           "    lock.unlock();  // the chain is ours alone meanwhile\n"
           "    discard_memory(chain);\n"
           "    lock.lock();\n"
           "    c.cold.push(chain);\n",
           "    c.cold.push(chain);\n"
           "    lock.unlock();\n"
           "    discard_memory(chain);\n"),
    Mutant("trim leaves the chain where others take it", "stack_pool", STACKS,
           "    discard_memory(chain);\n    lock.lock();\n    c.cold.push(chain);\n",
           "    lock.lock();\n    c.warm.push(chain);\n    lock.unlock();\n    discard_memory(chain);\n"),
    Mutant("stacks are counted without the lock", "stack_pool", STACKS,
           "  const std::lock_guard lock(mutex_);\n  StackStats result = stats_;\n",
           "  StackStats result = stats_;\n"),
    Mutant("more free stacks are counted than there are", "stack_pool", STACKS,
           "  result.in_use = result.carved - std::min(idle, result.carved);",
           "  result.in_use = result.carved - idle;"),
    Mutant("a cache that ends stays in the list", "stack_pool", STACKS,
           "  *link = cache.next_cache_;\n", ""),
    Mutant("slabs are claimed without the lock", "stack_pool", STACKS,
           "StackDepot::Claim StackDepot::claim(std::uint8_t size_class) noexcept {\n"
           "  const std::lock_guard lock(mutex_);\n",
           "StackDepot::Claim StackDepot::claim(std::uint8_t size_class) noexcept {\n"),
    Mutant("a chain that becomes hot stays the spare one", "stack_pool", STACKS,
           "  bin.spare = nullptr;\n  bin.set_spare_count(0);\n  bin.hot = chain.head;\n",
           "  bin.hot = chain.head;\n"),
    Mutant("a full cache forgets its spare chain", "stack_pool", STACKS,
           "  give_spare(size_class);\n  bin.spare = bin.hot;\n", "  bin.spare = bin.hot;\n"),
    Mutant("an event that came meanwhile is overwritten", "fd_slot", FD_TABLE,
           "  std::uint64_t expected = seen.value_;\n"
           "  readiness_[index(direction)].compare_exchange_strong(expected, seen.value_ & ~Readiness::kReady,\n"
           "                                                       std::memory_order_acq_rel,\n"
           "                                                       std::memory_order_relaxed);  // [fd-ready]\n",
           "  readiness_[index(direction)].store(seen.value_ & ~Readiness::kReady);\n"),
    Mutant("an event does not change the tick", "fd_slot", FD_TABLE,
           "(value + Readiness::kOneTick) | bits", "value | bits"),
    Mutant("the note is made over what is read after the call", "fd_slot", OPERATIONS,
           "      entry.note_unready(direction, seen);\n    }\n    const",
           "      entry.note_unready(direction, entry.readiness(direction));\n    }\n    const"),
    Mutant("a short read is noted over what is read after it", "fd_slot", OPERATIONS,
           "          entry.note_unready(direction, seen);\n        }",
           "          entry.note_unready(direction, entry.readiness(direction));\n        }"),
    Mutant("who waits does not look again under the lock", "fd_slot", FD_TABLE,
           "  } else if (readiness(direction).ready()) {", "  } else if (false) {"),
    Mutant("who waits does not see that it is closed", "fd_slot", FD_TABLE,
           "  if (!is_open(generation)) {\n    at_once = Wake::kClosed;\n  } else if",
           "  if (false) {\n    at_once = Wake::kClosed;\n  } else if"),
    Mutant("an event is noted but not told", "fd_slot", FD_TABLE,
           "    take_waiters(Direction::kRead, woken);\n", ""),
    Mutant("an event of another generation is told", "fd_slot", FD_TABLE,
           "  if (!is_open(generation)) return;\n  if (event.readable)", "  if (event.readable)"),
    Mutant("who closes does not count as an operation", "fd_slot", FD_TABLE,
           "  wake_all(Wake::kClosed);\n  leave(generation);\n  return true;",
           "  leave(generation);\n  wake_all(Wake::kClosed);\n  return true;"),
    Mutant("the number is closed while an operation is inside", "fd_slot", FD_TABLE,
           "  wake_all(Wake::kClosed);\n  leave(generation);\n  return true;",
           "  wake_all(Wake::kClosed);\n  finish_close();\n  return true;"),
    Mutant("an operation enters what is being closed", "fd_slot", FD_TABLE,
           "    if (!is_open(state, generation)) return false;\n"
           "  } while (!state_.compare_exchange_weak(state, state + kOneOperation,",
           "    if (generation_of(state) != generation) return false;\n"
           "  } while (!state_.compare_exchange_weak(state, state + kOneOperation,"),
    Mutant("an operation enters whatever file has the number", "fd_slot", FD_TABLE,
           "    if (!is_open(state, generation)) return false;\n"
           "  } while (!state_.compare_exchange_weak(state, state + kOneOperation,",
           "    if ((state & kClosing) != 0) return false;\n"
           "  } while (!state_.compare_exchange_weak(state, state + kOneOperation,"),
    Mutant("the last to leave does not close", "fd_slot", FD_TABLE,
           "  if ((next & (kClosing | kOperationMask)) == kClosing) finish_close();\n", ""),
    Mutant("who was refused wakes nobody", "fd_slot", FD_TABLE,
           "  wake_all(Wake::kNormal, WakeWhom::kUnwatched);\n", ""),
    Mutant("who was refused also wakes those for whom another watches", "fd_slot", FD_TABLE,
           "  wake_all(Wake::kNormal, WakeWhom::kUnwatched);\n", "  wake_all(Wake::kNormal);\n"),
    Mutant("a number is armed before its waiter is linked", "foreign_waits", FOREIGN,
           "  const int error = arm(entry);\n",
           "  node.unlink();\n  const int error = arm(entry);\n  entry.waiters.push_back(node);\n"),
    Mutant("who links takes no notice of a close on its way", "foreign_waits", FOREIGN,
           "  return error == 0 ? !ends : ", "  return error == 0 ? !ends || ends : "),
    Mutant("a number is armed before the closes are counted", "foreign_waits", FOREIGN,
           "  const bool ends = g_closings[number % kCounts].load(std::memory_order_seq_cst) != 0;  // [closing]\n"
           "  const int error = arm(entry);\n",
           "  const int error = arm(entry);\n"
           "  const bool ends = g_closings[number % kCounts].load(std::memory_order_seq_cst) != 0;\n"),
    Mutant("a close is counted in after the waiters were told", "foreign_waits", FOREIGN,
           "  g_closings[first_ % kCounts].fetch_add(1, std::memory_order_seq_cst);  // [closing]\n"
           "  if (Entry* const entry = table().find(fd)) tell_closed(*entry);\n",
           "  if (Entry* const entry = table().find(fd)) tell_closed(*entry);\n"
           "  g_closings[first_ % kCounts].fetch_add(1, std::memory_order_seq_cst);  // [closing]\n"),
    Mutant("an event disarms for those whom it does not concern", "foreign_waits", FOREIGN,
           "  if (!others || arm(*entry) == 0) return;\n", "  return;\n"),
    Mutant("an event between arming and sleeping is lost", "foreign_waits", FOREIGN,
           "  if (wait.over) {", "  if (false) {"),
]

# What one thread hands to another without the acquire and the release that order it.
MUTANTS += [
    Mutant("the inbox is emptied without an acquire", "inbox", INBOX,
           "head_.exchange(nullptr, std::memory_order_acquire)",
           "head_.exchange(nullptr, std::memory_order_relaxed)"),
    Mutant("a fiber is sent without a release", "inbox", INBOX,
           "&fiber, std::memory_order_seq_cst,",
           "&fiber, std::memory_order_relaxed,"),
    Mutant("the inbox is emptied by a load and a store", "inbox", INBOX,
           "    Fiber* newest = head_.exchange(nullptr, std::memory_order_acquire);  // [inbox]",
           "    Fiber* newest = head_.load(std::memory_order_acquire);\n"
           "    head_.store(nullptr, std::memory_order_relaxed);"),
    Mutant("the inbox is not turned round", "inbox", INBOX,
           "    Fiber* oldest = nullptr;\n    while (newest != nullptr) {",
           "    Fiber* oldest = newest;\n    while (false) {"),
    Mutant("a thief reads the tail without an acquire", "run_queue", RING,
           "victim.tail_.load(std::memory_order_acquire) - head;",
           "victim.tail_.load(std::memory_order_relaxed) - head;"),
    Mutant("a spinlock is taken without an acquire", "wait_word", SPINLOCK,
           "    while (locked_.exchange(true, std::memory_order_acquire)) wait();",
           "    while (locked_.exchange(true, std::memory_order_relaxed)) wait();"),
    Mutant("a spinlock is left without a release", "wait_word", SPINLOCK,
           "locked_.store(false, std::memory_order_release);",
           "locked_.store(false, std::memory_order_relaxed);"),
    Mutant("an unpark hands nothing over", "idle", PARKER,
           "switch (state_.exchange(kNotified, std::memory_order_seq_cst)) {",
           "switch (state_.exchange(kNotified, std::memory_order_relaxed)) {"),
]

MUTANTS += planted_bugs_words.MUTANTS + planted_bugs_sync.MUTANTS + planted_bugs_task.MUTANTS
