#include "task/task_end.h"

namespace weft::detail {

bool TaskEnd::add_locked(CompletionHook& hook) noexcept {
  for (SpinWait spin;; spin.pause()) {
    const std::uint32_t word = word_.load(std::memory_order_acquire);  // [outcome]
    if (outcome_of(word) != TaskOutcome::kPending) return false;
    if ((word & kLocked) == 0 && try_lock(word)) break;
  }
  hooks_.push_back(hook);
  return true;
}

bool TaskEnd::add(CompletionHook& hook) noexcept {
  if (!add_locked(hook)) return false;
  unlock();
  return true;
}

bool TaskEnd::remove(CompletionHook& hook) noexcept {
  lock();
  const bool linked = hook.linked();
  if (linked) hook.unlink();
  unlock();
  return linked;
}

void TaskEnd::lock() noexcept {
  for (SpinWait spin;; spin.pause()) {
    const std::uint32_t word = word_.load(std::memory_order_relaxed);
    if ((word & kLocked) == 0 && try_lock(word)) return;
  }
}

}  // namespace weft::detail
