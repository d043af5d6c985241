#include <weft/detail/solo.h>

#include "base/membarrier.h"
#include "base/spinlock.h"

namespace weft::detail {

// Unless a newcomer has begun to do so.
void Solo::end(std::uint32_t id) noexcept {
  std::uint32_t solo = solo_state(id);
  state_.compare_exchange_strong(solo, kOpen, std::memory_order_acq_rel,
                                 std::memory_order_relaxed);  // [solo-state]
}

void Solo::come(Stay stay) noexcept {
  const std::uint32_t added = stay == Stay::kForGood ? kOneStays : 0;
  for (SpinWait spin;;) {
    std::uint32_t state = state_.load(std::memory_order_seq_cst);  // [solo-state]
    if (state == kChanging) {
      spin.pause();
      continue;
    }
    const bool is_solo = (state & kModeMask) == kSolo;
    if (!is_solo && added == 0) return;
    if (!state_.compare_exchange_strong(state, is_solo ? kChanging : state + added,
                                        std::memory_order_acq_rel, std::memory_order_relaxed)) {
      continue;
    }
    if (is_solo) end_of_solo(kOpen + added);
    return;
  }
}

void Solo::end_of_solo(std::uint32_t next) noexcept {
  over_.store(true, std::memory_order_seq_cst);
  barrier_on_all_threads();
  for (SpinWait swap; busy_.load(std::memory_order_acquire);) swap.pause();  // [solo]
  state_.store(next, std::memory_order_release);                             // [solo-state]
}

void Solo::settle(std::uint32_t id) const noexcept {
  const std::uint32_t state = state_.load(std::memory_order_seq_cst);  // [solo-state]
  if (state != solo_state(id) && (state == kChanging || (state & kModeMask) == kSolo))
    barrier_on_all_threads();
}

void Solo::leave() noexcept { state_.fetch_sub(kOneStays, std::memory_order_acq_rel); }

void Solo::forget_others(bool is_solo, bool stays) noexcept {
  const std::uint32_t state = state_.load(std::memory_order_relaxed);
  if (is_solo && (state & kModeMask) == kSolo) return;
  busy_.store(false, std::memory_order_relaxed);
  over_.store(true, std::memory_order_relaxed);
  state_.store(stays ? kOneStays : kOpen, std::memory_order_relaxed);
}

}  // namespace weft::detail
