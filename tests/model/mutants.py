#!/usr/bin/env python3
"""Plants bugs in copies of the runtime's source, one at a time, and runs the model that must find each.

    tests/model/mutants.py [ROOT] [--only TEXT]

A mutant is a file, the lines to replace, what replaces them, and the model. The lines must be there
exactly once, so that a mutant cannot become a no-op when the source changes. Every mutant must make
its model fail with a report of the explorer; one that survives, or that does not compile, fails here.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile


@dataclasses.dataclass
class Mutant:
    name: str
    model: str
    file: str
    old: str
    new: str


RING = "runtime/sched/run_queue.h"
WORD = "runtime/fiber/wait_word.h"
IDLE = "runtime/sched/idle.cc"
PARKER = "runtime/sched/parker.h"
MUTEX = "runtime/sync/mutex.cc"
QUEUE = "runtime/sync/wait_queue.cc"

MUTANTS = [
    Mutant("the tail is only released, not seq_cst", "run_queue", RING,
           "    tail_.store(tail + 1, std::memory_order_seq_cst);",
           "    tail_.store(tail + 1, std::memory_order_release);"),
    Mutant("the tail is stored before the slot", "run_queue", RING,
           "    slot(tail).store(item, std::memory_order_relaxed);\n"
           "    tail_.store(tail + 1, std::memory_order_seq_cst);",
           "    tail_.store(tail + 1, std::memory_order_seq_cst);\n"
           "    slot(tail).store(item, std::memory_order_relaxed);"),
    Mutant("the tail is relaxed", "run_queue", RING,
           "    tail_.store(tail + 1, std::memory_order_seq_cst);",
           "    tail_.store(tail + 1, std::memory_order_relaxed);"),
    Mutant("pop moves the head by a store", "run_queue", RING,
           "      if (head_.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel,  // [rq-head]\n"
           "                                      std::memory_order_relaxed)) {\n"
           "        return item;\n"
           "      }",
           "      head_.store(head + 1, std::memory_order_release);\n"
           "      return item;"),
    Mutant("a thief reads the first slot after its swap", "run_queue", RING,
           "    if (count > 1) tail_.store(tail + count - 1, std::memory_order_seq_cst);  // [rq-tail], [wake]\n"
           "    return first;",
           "    if (count > 1) tail_.store(tail + count - 1, std::memory_order_seq_cst);  // [rq-tail], [wake]\n"
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
    Mutant("a wake does not look at the epoch", "wait_word", WORD,
           "      if ((word >> kEpochShift) != (epoch & kEpochMask) || (word & kStateMask) == kRunning)\n"
           "        return false;",
           "      if ((word & kStateMask) == kRunning) return false;"),
    Mutant("a wake ends a wait that has not begun", "wait_word", WORD,
           "      if ((word >> kEpochShift) != (epoch & kEpochMask) || (word & kStateMask) == kRunning)\n"
           "        return false;",
           "      if ((word >> kEpochShift) != (epoch & kEpochMask)) return false;"),
    Mutant("a pending request does not end the wait", "wait_word", WORD,
           "      const bool cancelled = state == kWaiting && (word & kPending) != 0;",
           "      const bool cancelled = false;"),
    Mutant("publish overwrites what came meanwhile", "wait_word", WORD,
           "      if (word_.compare_exchange_weak(word, next, std::memory_order_acq_rel,\n"
           "                                      std::memory_order_relaxed)) {\n"
           "        return !cancelled;\n"
           "      }",
           "      word_.store(next, std::memory_order_release);\n"
           "      return !cancelled;"),
    Mutant("a masked wait is cancelled", "wait_word", WORD,
           "      const bool wakes = (word & kStateMask) == kWaiting;",
           "      const bool wakes = (word & kStateMask) != kRunning;"),
    Mutant("a wait does not count its epoch", "wait_word", WORD,
           "    return word + (std::uint64_t{1} << kEpochShift);",
           "    return word;"),
    Mutant("the next user of a descriptor begins at the same epoch", "wait_word", WORD,
           "    const Epoch next = epoch() + 1;",
           "    const Epoch next = epoch();"),
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
    Mutant("a waiter is not marked in the word", "mutex", MUTEX,
           "queue.wait(waiter, state | kWaiters);",
           "queue.wait(waiter, state);"),
    Mutant("an unlock forgets who waits behind the one it wakes", "mutex", MUTEX,
           "      queue.unlock((queue.empty() ? 0 : kWaiters) | (granted ? kHeld : 0));",
           "      queue.unlock(granted ? kHeld : 0);"),
    Mutant("a mutex that is handed over looks free", "mutex", MUTEX,
           "      queue.unlock((queue.empty() ? 0 : kWaiters) | (granted ? kHeld : 0));",
           "      queue.unlock(queue.empty() ? 0 : kWaiters);"),
    Mutant("an unlock gives up when its waiter was cancelled", "mutex", MUTEX,
           "    // Too late for it: it was cancelled. The next one, then.\n  }",
           "    break;\n  }"),
    Mutant("a waiter that was woken leaves without trying again", "mutex", MUTEX,
           "    if (waiter.granted) return;",
           "    return;"),
    Mutant("set wakes before it has let go of the event", "mutex", QUEUE,
           "  unlock(state);\n  for (std::size_t i = 0; i < count; ++i) wake(last[i]);",
           "  for (std::size_t i = 0; i < count; ++i) wake(last[i]);\n  unlock(state);"),
]

SOURCES = {
    "run_queue": [],
    "wait_word": [],
    "idle": ["runtime/sched/idle.cc"],
    "mutex": ["runtime/sync/mutex.cc", "runtime/sync/event.cc", "runtime/sync/wait_queue.cc"],
}
# Of the models themselves, not of the runtime.
HELPERS = {"mutex": ["waits.cc"]}


def compiler():
    return (["ccache"] if shutil.which("ccache") else []) + [os.environ.get("CXX", "g++").split()[-1]]


def build_and_run(root, mutant, scratch):
    """Returns None if the mutant was caught, else what happened instead."""
    binary = scratch / "model"
    command = compiler() + [
        "-std=c++20", "-O1", "-DWEFT_ATOMIC_SEAM=\"explorer/atomic.h\"", f"-I{root}/tests/model",
        f"-I{scratch}/runtime", f"-I{scratch}/runtime/include", f"-I{root}/tests",
        f"{root}/tests/model/{mutant.model}_test.cc",
        *(str(scratch / source) for source in SOURCES[mutant.model]),
        *(f"{root}/tests/model/{helper}" for helper in HELPERS.get(mutant.model, [])),
        str(scratch / "runtime/base/assert.cc"),
        *map(str, sorted((root / "tests/model/explorer").glob("*.cc"))),
        "-o", str(binary), "-lgtest_main", "-lgtest", "-lboost_context", "-pthread"]
    built = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if built.returncode != 0:
        return "does not compile:\n" + built.stdout[-3000:]
    try:
        ran = subprocess.run([str(binary), "--gtest_fail_fast"], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, errors="replace", timeout=300)
    except subprocess.TimeoutExpired:
        return "ran for 300 s"
    if ran.returncode == 0:
        return "SURVIVED"
    caught = "repeat it with WEFT_SEED=" in ran.stdout or "weft: broken invariant" in ran.stdout
    return None if caught else "failed without a report:\n" + ran.stdout[-3000:]


def examine(root, mutant):
    text = (root / mutant.file).read_text()
    if text.count(mutant.old) != 1:
        return f"its lines are {text.count(mutant.old)} times in {mutant.file}"
    with tempfile.TemporaryDirectory(prefix="weft-mutant-") as folder:
        scratch = pathlib.Path(folder)
        shutil.copytree(root / "runtime", scratch / "runtime")
        (scratch / mutant.file).write_text(text.replace(mutant.old, mutant.new))
        return build_and_run(root, mutant, scratch)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", nargs="?", default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--only", default="", help="only mutants whose name contains this text")
    args = parser.parse_args()
    root = pathlib.Path(args.root)
    chosen = [mutant for mutant in MUTANTS if args.only in mutant.name]
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, problem in zip(chosen, pool.map(lambda m: examine(root, m), chosen)):
            print(f"{mutant.model:<10} {mutant.name}: {problem or 'caught'}", flush=True)
            bad += problem is not None
    print(f"{len(chosen) - bad} of {len(chosen)} planted bugs caught")
    return 1 if bad or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
