"""The bugs that mutants.py plants in the words of waits, and in how one thread changes them alone."""

from mutant import Mutant

WORD = "runtime/fiber/wait_word.h"
SOLO = "runtime/include/weft/detail/solo.h"
SOLO_CC = "runtime/base/solo.cc"
PARTY_CC = "runtime/base/worker_party.cc"

MUTANTS = [
    Mutant("a wake does not look at the epoch", "wait_word", WORD,
           "    return (word >> kEpochShift) == (epoch & kEpochMask) && (word & kStateMask) != kRunning;",
           "    return epoch != ~Epoch{0} && (word & kStateMask) != kRunning;"),
    Mutant("a wake ends a wait that has not begun", "wait_word", WORD,
           "    return (word >> kEpochShift) == (epoch & kEpochMask) && (word & kStateMask) != kRunning;",
           "    return (word >> kEpochShift) == (epoch & kEpochMask);"),
    Mutant("the first attempt to publish does not look for a request", "wait_word", WORD,
           "    if ((word & (kStateMask | kPending)) == 0 &&", "    if ((word & kStateMask) == 0 &&"),
    Mutant("the first attempt to wake is no swap", "wait_word", WORD,
           "    if (word_.try_once(word, ended(word, reason), std::memory_order_acq_rel)) [[likely]]\n"
           "      return true;\n",
           "    word_.store(ended(word, reason), std::memory_order_release);\n    return true;\n"),
    Mutant("a pending request does not end the wait", "wait_word", WORD,
           "      const bool cancelled = state == kWaiting && (word & kPending) != 0;",
           "      const bool cancelled = false;"),
    Mutant("publish overwrites what came meanwhile", "wait_word", WORD,
           "    if ((word & (kStateMask | kPending)) == 0 &&\n"
           "        word_.try_once(word, next, std::memory_order_acq_rel)) [[likely]] {\n",
           "    if ((word & (kStateMask | kPending)) == 0) {\n"
           "      word_.store(next, std::memory_order_release);\n"),
    Mutant("a request is taken back in one step and its delivery in another", "wait_word", WORD,
           "      if ((next & kRequestMask) == 0 || (!again && drop(requests_of(next)))) next &= ~kDelivery;\n"
           "      if (word_.compare_exchange_weak(word, next, std::memory_order_acq_rel,\n"
           "                                      std::memory_order_relaxed)) {\n",
           "      if (word_.compare_exchange_weak(word, next, std::memory_order_acq_rel,\n"
           "                                      std::memory_order_relaxed)) {\n"
           "        if (requests_of(next) == 0 || (!again && drop(requests_of(next)))) take_pending();\n"),
    Mutant("a masked wait is cancelled", "wait_word", WORD,
           "      const bool wakes = (word & kStateMask) == kWaiting;",
           "      const bool wakes = (word & kStateMask) != kRunning;"),
    Mutant("a wait does not count its epoch", "wait_word", WORD,
           "    return word + (std::uint64_t{1} << kEpochShift);",
           "    return word;"),
    Mutant("the next user of a descriptor begins at the same epoch", "wait_word", WORD,
           "    const Epoch next = epoch() + 1;",
           "    const Epoch next = epoch();"),
    Mutant("the solo thread does not say that it is at a word", "solo", SOLO,
           "    busy_.store(true, std::memory_order_relaxed);", ""),
    Mutant("the solo thread looks for others before it says so", "solo", SOLO,
           "    busy_.store(true, std::memory_order_relaxed);\n"
           "    std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler's part; [solo]\n"
           "    const bool over = over_.load(std::memory_order_relaxed);\n",
           "    const bool over = over_.load(std::memory_order_relaxed);\n"
           "    busy_.store(true, std::memory_order_relaxed);\n"),
    Mutant("the solo thread does not look for others", "solo", SOLO,
           "    const bool over = over_.load(std::memory_order_relaxed);", "    const bool over = false;"),
    Mutant("the solo thread is done before it has stored", "solo", SOLO,
           "    if (!over) [[likely]]\n      change();\n    busy_.store(false, std::memory_order_release);  // [solo]\n",
           "    busy_.store(false, std::memory_order_release);  // [solo]\n    if (!over) change();\n"),
    Mutant("the solo thread stores without a release", "solo", SOLO,
           "        word.store(desired, std::memory_order_release);",
           "        word.store(desired, std::memory_order_relaxed);"),
    Mutant("a newcomer spares itself the barrier", "solo", SOLO_CC,
           "  over_.store(true, std::memory_order_seq_cst);\n  barrier_on_all_threads();\n",
           "  over_.store(true, std::memory_order_seq_cst);\n"),
    Mutant("a newcomer's barrier comes before its write", "solo", SOLO_CC,
           "  over_.store(true, std::memory_order_seq_cst);\n  barrier_on_all_threads();\n",
           "  barrier_on_all_threads();\n  over_.store(true, std::memory_order_seq_cst);\n"),
    Mutant("a newcomer does not wait for the swap under way", "solo", SOLO_CC,
           "  for (SpinWait swap; busy_.load(std::memory_order_acquire);) swap.pause();  // [solo]\n", ""),
    Mutant("a second newcomer does not wait for the first", "solo", SOLO_CC,
           "    if (state == kChanging) {\n      spin.pause();\n      continue;\n    }\n",
           "    if (state == kChanging) return;\n"),
    Mutant("a worker is solo beside one that has come for good", "solo", SOLO,
           "    std::uint32_t nobody = kOpen;\n",
           "    std::uint32_t nobody = state_.load(std::memory_order_relaxed) & ~kModeMask;\n"),
    Mutant("a worker is solo although another is awake", "solo", SOLO,
           "    const bool alone = others_sleep();", "    const bool alone = true;"),
    Mutant("a worker looks who is awake before it changes the state", "solo", SOLO,
           "        !state_.compare_exchange_strong(nobody, kChanging, std::memory_order_seq_cst,\n"
           "                                        std::memory_order_relaxed)) {  // [solo-state]\n"
           "      return false;\n    }\n    const bool alone = others_sleep();\n",
           "        !others_sleep() ||\n"
           "        !state_.compare_exchange_strong(nobody, kChanging, std::memory_order_seq_cst,\n"
           "                                        std::memory_order_relaxed)) {\n"
           "      return false;\n    }\n    const bool alone = true;\n"),
    Mutant("a worker that wakes takes itself for the solo thread that it was", "solo", PARTY_CC,
           "  if (may_ && !(seems_solo() && solo_of_process().is(id_))) begin_as_newcomer();",
           "  if (may_ && !seems_solo()) begin_as_newcomer();"),
    Mutant("a worker that wakes takes itself for one of many", "solo", PARTY_CC,
           "  if (may_ && !(seems_solo() && solo_of_process().is(id_))) begin_as_newcomer();",
           "  if (may_ && seems_solo() && !solo_of_process().is(id_)) begin_as_newcomer();"),
    Mutant("who falls asleep has no barrier with the solo thread", "solo", SOLO_CC,
           "    barrier_on_all_threads();\n}\n\nvoid Solo::leave", "    return;\n}\n\nvoid Solo::leave"),
    Mutant("who has found work does not arrive before it looks for more", "solo", PARTY_CC,
           "  if (party() == Party::kNewcomer) become_one_of_many();", ""),
    Mutant("whoever ends a wait does not acquire", "wait_word", WORD,
           "    if (word_.try_once(word, ended(word, reason), std::memory_order_acq_rel)) [[likely]]",
           "    if (word_.try_once(word, ended(word, reason), std::memory_order_release)) [[likely]]"),
    Mutant("a wait is published without a release", "wait_word", WORD,
           "        word_.try_once(word, next, std::memory_order_acq_rel)) [[likely]] {",
           "        word_.try_once(word, next, std::memory_order_acquire)) [[likely]] {"),
]
