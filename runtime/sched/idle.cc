#include "sched/idle.h"

#include <algorithm>
#include <mutex>

#include "base/assert.h"
#include "base/chaos.h"

namespace weft::detail {

Idle::Idle(unsigned workers)
    : state_(workers * kOneAwake), workers_(workers), entries_(workers, Entry::kAwake) {
  sleepers_.reserve(workers);
}

bool Idle::begin_search() noexcept {
  const std::uint64_t state = state_.load(std::memory_order_relaxed);
  // A limit, not a rule: two that pass it together do no harm.
  if (2 * searching(state) >= awake(state) || chaos::strikes(chaos::Kind::kSteal, 8)) return false;
  state_.fetch_add(kOneSearching, std::memory_order_seq_cst);
  return true;
}

bool Idle::end_search() noexcept {
  const std::uint64_t before = state_.fetch_sub(kOneSearching, std::memory_order_seq_cst);
  WEFT_ASSERT(searching(before) > 0, "every end of a search had its beginning");
  return searching(before) == 1;
}

bool Idle::announce(unsigned worker, bool was_searching, bool watches_driver) noexcept {
  std::lock_guard lock(lock_);
  WEFT_ASSERT(entries_[worker] == Entry::kAwake, "a worker announces itself once");
  entries_[worker] = Entry::kAsleep;
  sleepers_.insert(watches_driver ? sleepers_.begin() : sleepers_.end(), worker);
  const std::uint64_t leaving = kOneAwake + (was_searching ? kOneSearching : 0);
  // The announcement. The caller's second look comes after it. [wake]
  const std::uint64_t before = state_.fetch_sub(leaving, std::memory_order_seq_cst);
  return searching(before - leaving) == 0;
}

Idle::Left Idle::leave(unsigned worker) noexcept {
  std::lock_guard lock(lock_);
  const Entry entry = entries_[worker];
  entries_[worker] = Entry::kAwake;
  if (entry == Entry::kPickedToSearch) return Left::kToSearch;
  if (entry == Entry::kPickedForInbox) return Left::kForInbox;
  WEFT_ASSERT(entry == Entry::kAsleep, "only who announced itself leaves");
  remove(worker);
  state_.fetch_add(kOneAwake, std::memory_order_seq_cst);
  return Left::kByItself;
}

bool Idle::pick(unsigned worker) noexcept {
  // Relaxed would miss an announcement that precedes it in the order of invariant 1. [wake]
  if (awake(state_.load(std::memory_order_seq_cst)) == workers_) return false;
  std::lock_guard lock(lock_);
  if (entries_[worker] != Entry::kAsleep)
    return false;  // awake, or picked: it will look at its inbox
  entries_[worker] = Entry::kPickedForInbox;
  remove(worker);
  state_.fetch_add(kOneAwake, std::memory_order_seq_cst);
  return true;
}

int Idle::pick_any() noexcept {
  std::lock_guard lock(lock_);
  return take_sleeper();
}

int Idle::pick_slowly() noexcept {
  std::lock_guard lock(lock_);
  // Another producer may have been here meanwhile, and one searcher is enough for both.
  if (searching(state_.load(std::memory_order_seq_cst)) != 0) return kNobody;
  return take_sleeper();
}

int Idle::take_sleeper() noexcept {
  if (sleepers_.empty()) return kNobody;
  const unsigned worker = sleepers_.back();
  sleepers_.pop_back();
  entries_[worker] = Entry::kPickedToSearch;
  state_.fetch_add(kOneAwake + kOneSearching, std::memory_order_seq_cst);
  return static_cast<int>(worker);
}

void Idle::remove(unsigned worker) noexcept {
  sleepers_.erase(std::find(sleepers_.begin(), sleepers_.end(), worker));
}

}  // namespace weft::detail
