"""The bugs that mutants.py plants in the end of a task."""

from mutant import Mutant

END_H = "runtime/task/task_end.h"
END = "runtime/task/task_end.cc"

MUTANTS = [
    Mutant("an outcome is published without a release", "task_end", END_H,
           "      if (swap(word, next, std::memory_order_acq_rel)) break;",
           "      if (swap(word, next, std::memory_order_relaxed)) break;"),
    Mutant("an outcome is read without an acquire", "task_end", END_H,
           "    return outcome_of(word_.load(std::memory_order_acquire));  // [outcome]",
           "    return outcome_of(word_.load(std::memory_order_relaxed));"),
    Mutant("the last is woken before the lock is left", "task_end", END_H,
           "    unlock();\n    if (last.fiber != nullptr) wake(last);",
           "    if (last.fiber != nullptr) wake(last);\n    unlock();"),
    Mutant("who detaches does not look whether the task has ended meanwhile", "task_end", END_H,
           "      if (outcome_of(word) != TaskOutcome::kPending) return true;\n", ""),
    Mutant("who detaches has not seen what the task did", "task_end", END_H,
           "      std::uint32_t word = word_.load(std::memory_order_acquire);  // [outcome]",
           "      std::uint32_t word = word_.load(std::memory_order_relaxed);"),
    Mutant("a task does not look whether it was detached", "task_end", END_H,
           "    return (next & kDetached) != 0;",
           "    return false;"),
    Mutant("hooks are told without the lock", "task_end", END_H,
           "      if ((word & kHooked) != 0) next |= kLocked;\n", ""),
    Mutant("a task ends while a waiter has the lock", "task_end", END_H,
           "      if ((word & kLocked) != 0) {",
           "      if (false) {"),
    Mutant("the lock is left without a mark that there are hooks", "task_end", END_H,
           "rest | (hooks_.empty() ? 0 : kHooked)",
           "rest"),
    Mutant("the lock is left without a release", "task_end", END_H,
           "kHooked), std::memory_order_release);",
           "kHooked), std::memory_order_relaxed);"),
    Mutant("who comes too late waits all the same", "task_end", END,
           "    if (outcome_of(word) != TaskOutcome::kPending) return false;\n", ""),
    Mutant("a cancelled waiter does not wait until its hook has been told", "task_end", END,
           "bool TaskEnd::remove(CompletionHook& hook) noexcept {\n",
           "bool TaskEnd::remove(CompletionHook& hook) noexcept {\n  if (ended()) return false;\n"),
    Mutant("a cancelled waiter leaves its hook", "task_end", END,
           "  if (linked) hook.unlink();\n", ""),
]
