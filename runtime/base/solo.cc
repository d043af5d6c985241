#include <weft/detail/solo.h>

#include "base/membarrier.h"
#include "base/spinlock.h"

namespace weft::detail {

bool Solo::begin() noexcept {
  State nobody = State::kNobody;
  return state_.compare_exchange_strong(nobody, State::kSolo, std::memory_order_acq_rel,
                                        std::memory_order_relaxed);  // [solo-state]
}

// Unless a newcomer has begun to do so.
void Solo::end() noexcept {
  State solo = State::kSolo;
  state_.compare_exchange_strong(solo, State::kNobody, std::memory_order_acq_rel,
                                 std::memory_order_relaxed);  // [solo-state]
}

void Solo::end_for_all() noexcept {
  for (SpinWait spin;;) {
    State state = state_.load(std::memory_order_acquire);  // [solo-state]
    if (state == State::kMany) return;
    if (state == State::kEnding) {
      spin.pause();
      continue;
    }
    const State next = state == State::kSolo ? State::kEnding : State::kMany;
    if (!state_.compare_exchange_strong(state, next, std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
      continue;
    }
    if (next == State::kMany) return;
    over_.store(true, std::memory_order_seq_cst);
    barrier_on_all_threads();
    for (SpinWait swap; busy_.load(std::memory_order_acquire);) swap.pause();  // [solo]
    state_.store(State::kMany, std::memory_order_release);                     // [solo-state]
    return;
  }
}

void Solo::forget_others(bool is_solo) noexcept {
  const State state = state_.load(std::memory_order_relaxed);
  if (state == State::kMany || (state == State::kSolo && is_solo)) return;
  busy_.store(false, std::memory_order_relaxed);
  over_.store(state == State::kEnding, std::memory_order_relaxed);
  state_.store(state == State::kEnding ? State::kMany : State::kNobody, std::memory_order_relaxed);
}

}  // namespace weft::detail
