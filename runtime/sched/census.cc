#include "sched/census.h"

#include <sched.h>

#include "base/futex.h"
#include "base/membarrier.h"

namespace weft::detail {

void Census::tell_of_end() noexcept {
  turn_.fetch_add(1, std::memory_order_seq_cst);
  futex_wake(turn_, 1);
}

void Census::close() noexcept {
  closing_.store(true, std::memory_order_seq_cst);
  barrier_on_all_threads();
}

Census::Look Census::look() const noexcept {
  const std::uint32_t turn = turn_.load(std::memory_order_seq_cst);
  const Counts sums = counts();
  return {sums.started == sums.ended, turn};
}

Census::Counts Census::counts() const noexcept {
  Counts sums;
  for (const FiberTally* const worker : workers_) sums.ended += worker->ended.read();
  sums.started = started_outside_.load(std::memory_order_seq_cst);
  for (const FiberTally* const worker : workers_) sums.started += worker->started.read();
  return sums;
}

void Census::wait(const Look& last, Nanos deadline) noexcept {
  futex_wait(turn_, last.turn, deadline);
}

void Census::wait_for_outside_calls() const noexcept {
  while (outside_calls_.load(std::memory_order_acquire) != 0) ::sched_yield();
}

}  // namespace weft::detail
