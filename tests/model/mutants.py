#!/usr/bin/env python3
"""Plants bugs in copies of the runtime's source, one at a time, and runs the model that must find each.

    tests/model/mutants.py [ROOT] [--only TEXT] [--one-in N] [--table]

planted_bugs.py and those beside it list them. A mutant is a file, the lines to replace, what
replaces them, and the model. The lines must be there exactly once, so that a mutant cannot become a
no-op when the source changes. Every mutant must make its model fail with a report of the explorer;
one that survives, or that does not compile, fails here, and so does one that the table in README.md
does not name.
"""

import argparse
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from planted_bugs import MUTANTS

# Beside the model's test: files of the runtime, and of tests/model.
SOURCES = {
    "run_queue": [],
    "spawn_deque": [],
    "wait_word": [],
    "solo": ["runtime/base/solo.cc", "runtime/base/worker_party.cc"],
    "inbox": [],
    "idle": ["runtime/sched/idle.cc"],
    "channel": ["runtime/sync/channel.cc", "runtime/sync/wait_queue.cc"],
    "select": ["runtime/sync/channel.cc", "runtime/sync/select.cc", "runtime/sync/wait_queue.cc"],
    "mutex": ["runtime/sync/mutex.cc", "runtime/sync/event.cc", "runtime/sync/wait_queue.cc"],
    "permits": [f"runtime/sync/{name}.cc" for name in (
        "condition_variable", "fair_mutex", "mutex", "semaphore", "shared_mutex", "wait_queue")],
    "task_end": ["runtime/task/task_end.cc"],
    "lifo_slot": [],
    "injector": ["runtime/sched/idle.cc"],
    "fd_slot": ["runtime/reactor/epoll.cc", "runtime/reactor/operations.cc", "runtime/reactor/fd_table.cc",
                "runtime/reactor/quiet_write.cc", "runtime/reactor/foreign_waits.cc"],
    "foreign_waits": ["runtime/reactor/foreign_waits.cc"],
    "stack_pool": ["runtime/fiber/guard.cc", "runtime/fiber/stack_pool.cc"],
    "census": ["runtime/sched/census.cc"],
}
HELPERS = {
    "channel": ["waits.cc"],
    "select": ["waits.cc"],
    "mutex": ["waits.cc"],
    "permits": ["waits.cc"],
    "task_end": ["waits.cc"],
    "fd_slot": ["kernel.cc", "waits.cc"],
    "solo": ["parties.cc"],
    "foreign_waits": ["waits.cc"],
}
# Folders in which an include is looked for first.
STAND_INS = {"injector": ["stand_in"]}


EXPLORER = [f"tests/model/explorer/{name}.cc" for name in ("causality", "explorer", "run", "trace")] + \
    ["runtime/base/assert.cc"]


def sources_of(model):
    return ([f"tests/model/{model}_test.cc"] + [f"tests/model/{helper}" for helper in HELPERS.get(model, [])] +
            SOURCES[model])


def compiler():
    return os.environ.get("CXX", "g++").split()[-1]


def run_logged(command):
    """What went wrong, or None."""
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return None if ran.returncode == 0 else "does not compile:\n" + ran.stdout[-3000:]


def compile_source(root, model, source, runtime, target):
    """`source` against the headers in `runtime`."""
    ccache = ["ccache"] if shutil.which("ccache") else []
    return run_logged(ccache + [
        compiler(), "-std=c++20", "-O1", "-DWEFT_ATOMIC_SEAM=\"explorer/atomic.h\"",
        *(f"-I{root}/tests/model/{folder}" for folder in STAND_INS.get(model, [])), f"-I{root}/tests/model",
        f"-I{runtime}", f"-I{runtime}/include", f"-I{root}/tests", "-c", str(source), "-o", str(target)])


class Objects:
    """What mutants have in common, compiled once: the explorer, and all that is not planted in."""

    def __init__(self, root, folder, models, pool):
        self.folder = pathlib.Path(folder)
        jobs = [("", source) for source in EXPLORER]
        jobs += [(model, source) for model in sorted(models) for source in sources_of(model)]
        problems = pool.map(lambda job: compile_source(root, job[0], root / job[1], root / "runtime",
                                                       self.path(*job)), jobs)
        self.problems = [problem for problem in problems if problem]

    def path(self, model, source):
        return self.folder / f"{model}-{source.replace('/', '-')}.o"

    def of(self, model, source):
        return self.path("" if source in EXPLORER else model, source)


def build_and_run(root, mutant, scratch, objects):
    """Returns None if the mutant was caught, else what happened instead."""
    in_header = mutant.file.endswith(".h")
    parts = []
    for source in EXPLORER + sources_of(mutant.model):
        if source == mutant.file or (in_header and source not in EXPLORER):
            place = scratch / source if source.startswith("runtime/") else root / source
            parts.append(scratch / f"{len(parts)}.o")
            if problem := compile_source(root, mutant.model, place, scratch / "runtime", parts[-1]):
                return problem
        else:
            parts.append(objects.of(mutant.model, source))
    binary = scratch / "model"
    if problem := run_logged([compiler(), *map(str, parts), "-o", str(binary), "-lgtest_main",
                              "-lgtest", "-lboost_context", "-pthread"]):
        return problem
    try:
        ran = subprocess.run([str(binary), "--gtest_fail_fast"], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, errors="replace", timeout=300)
    except subprocess.TimeoutExpired:
        return "ran for 300 s"
    if ran.returncode == 0:
        return "SURVIVED"
    caught = "repeat it with WEFT_SEED=" in ran.stdout or "weft: broken invariant" in ran.stdout
    return None if caught else "failed without a report:\n" + ran.stdout[-3000:]


def examine(root, mutant, objects):
    text = (root / mutant.file).read_text()
    if text.count(mutant.old) != 1:
        return f"its lines are {text.count(mutant.old)} times in {mutant.file}"
    with tempfile.TemporaryDirectory(prefix="weft-mutant-") as folder:
        scratch = pathlib.Path(folder)
        shutil.copytree(root / "runtime", scratch / "runtime")
        (scratch / mutant.file).write_text(text.replace(mutant.old, mutant.new))
        return build_and_run(root, mutant, scratch, objects)


def table():
    return "| planted bug | in | found by |\n| --- | --- | --- |\n" + "".join(
        f"| {mutant.name} | `{mutant.file}` | `{mutant.model}_test.cc` |\n" for mutant in MUTANTS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", nargs="?", default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--only", default="", help="only mutants whose model or name contains this text")
    parser.add_argument("--one-in", type=int, default=1, metavar="N", help="only every N-th of them")
    parser.add_argument("--table", action="store_true", help="print the table for README.md")
    args = parser.parse_args()
    if args.table:
        print(table(), end="")
        return 0
    root = pathlib.Path(args.root).resolve()
    chosen = [mutant for mutant in MUTANTS if args.only in f"{mutant.model} {mutant.name}"][::args.one_in]
    bad = caught = 0
    if table() not in (root / "tests/model/README.md").read_text():
        print("the table in tests/model/README.md is an older one: --table prints it")
        bad += 1
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool, \
            tempfile.TemporaryDirectory(prefix="weft-mutants-") as folder:
        objects = Objects(root, folder, {mutant.model for mutant in chosen}, pool)
        if objects.problems:
            print("\n".join(objects.problems))
            return 1
        for mutant, problem in zip(chosen, pool.map(lambda m: examine(root, m, objects), chosen)):
            print(f"{mutant.model:<10} {mutant.name}: {problem or 'caught'}", flush=True)
            bad += problem is not None
            caught += problem is None
    print(f"== {caught} of {len(chosen)} planted bugs caught")
    return 1 if bad or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
