#!/usr/bin/env python3
"""Plants bugs in copies of the runtime's source, one at a time, and runs the model that must find each.

    tests/model/mutants.py [ROOT] [--only TEXT] [--one-in N]

planted_bugs.py lists them. A mutant is a file, the lines to replace, what replaces them, and the
model. The lines must be there exactly once, so that a mutant cannot become a no-op when the source
changes. Every mutant must make its model fail with a report of the explorer; one that survives, or
that does not compile, fails here.
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
    "wait_word": [],
    "inbox": [],
    "idle": ["runtime/sched/idle.cc"],
    "mutex": ["runtime/sync/mutex.cc", "runtime/sync/event.cc", "runtime/sync/wait_queue.cc"],
    "lifo_slot": [],
    "injector": ["runtime/sched/idle.cc"],
    "fd_slot": ["runtime/reactor/epoll.cc", "runtime/reactor/epoll_io.cc", "runtime/reactor/fd_table.cc"],
    "stack_pool": ["runtime/fiber/guard.cc", "runtime/fiber/stack_pool.cc"],
    "census": ["runtime/sched/census.cc"],
}
HELPERS = {"mutex": ["waits.cc"], "fd_slot": ["kernel.cc", "waits.cc"]}
# Folders in which an include is looked for first.
STAND_INS = {"injector": ["stand_in"]}


def compiler():
    return (["ccache"] if shutil.which("ccache") else []) + [os.environ.get("CXX", "g++").split()[-1]]


def compile_command(root, runtime, stand_ins=()):
    return compiler() + [
        "-std=c++20", "-O1", "-DWEFT_ATOMIC_SEAM=\"explorer/atomic.h\"",
        *(f"-I{root}/tests/model/{folder}" for folder in stand_ins), f"-I{root}/tests/model",
        f"-I{runtime}", f"-I{runtime}/include", f"-I{root}/tests"]


def build_explorer(root, folder):
    """No bug is planted in the explorer, so it is compiled once. Returns its object files."""
    sources = sorted((root / "tests/model/explorer").glob("*.cc")) + [root / "runtime/base/assert.cc"]
    command = compile_command(root, root / "runtime")
    for source in sources:
        subprocess.run(command + ["-c", str(source), "-o", f"{folder}/{source.stem}.o"], check=True)
    return [f"{folder}/{source.stem}.o" for source in sources]


def build_and_run(root, mutant, scratch, explorer):
    """Returns None if the mutant was caught, else what happened instead."""
    binary = scratch / "model"
    command = compile_command(root, scratch / "runtime", STAND_INS.get(mutant.model, [])) + [
        f"{root}/tests/model/{mutant.model}_test.cc",
        *(str(scratch / source) for source in SOURCES[mutant.model]),
        *(f"{root}/tests/model/{helper}" for helper in HELPERS.get(mutant.model, [])),
        *explorer, "-o", str(binary), "-lgtest_main", "-lgtest", "-lboost_context", "-pthread"]
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


def examine(root, mutant, explorer):
    text = (root / mutant.file).read_text()
    if text.count(mutant.old) != 1:
        return f"its lines are {text.count(mutant.old)} times in {mutant.file}"
    with tempfile.TemporaryDirectory(prefix="weft-mutant-") as folder:
        scratch = pathlib.Path(folder)
        shutil.copytree(root / "runtime", scratch / "runtime")
        (scratch / mutant.file).write_text(text.replace(mutant.old, mutant.new))
        return build_and_run(root, mutant, scratch, explorer)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", nargs="?", default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--only", default="", help="only mutants whose model or name contains this text")
    parser.add_argument("--one-in", type=int, default=1, metavar="N", help="only every N-th of them")
    args = parser.parse_args()
    root = pathlib.Path(args.root)
    chosen = [mutant for mutant in MUTANTS if args.only in f"{mutant.model} {mutant.name}"][::args.one_in]
    bad = 0
    with tempfile.TemporaryDirectory(prefix="weft-mutant-") as folder, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        explorer = build_explorer(root, folder)
        for mutant, problem in zip(chosen, pool.map(lambda m: examine(root, m, explorer), chosen)):
            print(f"{mutant.model:<10} {mutant.name}: {problem or 'caught'}", flush=True)
            bad += problem is not None
    print(f"{len(chosen) - bad} of {len(chosen)} planted bugs caught")
    return 1 if bad or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
