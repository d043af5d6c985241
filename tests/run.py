#!/usr/bin/env python3
"""Runs the tests of one or more Meson build directories and adds up their cases.

    tests/run.py [-j N] [--filter TEXT] [--seeds N | FIRST-LAST] BUILD_DIR[+memcheck][:SUITE,...] ...

Meson's own runner counts binaries; a reader of the result wants to know about cases. So the list of
tests, their limits and environments come from `meson introspect --tests`, and GoogleTest's cases are
counted through its JSON report. Every other test counts as one. In a chaos build every test runs once
for each seed, which is in WEFT_CHAOS_SEED. Lines that a test begins with == are figures, and shown. The
last line of the output is always

    N passed, N failed, N skipped

and the exit code is 1 when a case failed or when no case ran at all.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SKIP_EXIT_CODE = 77  # what Meson and Automake call a skipped test
SHOWN_OUTPUT = 60_000  # characters of a failing test's output that are printed

# Instrumented code is slower by about this much, and so are its time limits.
TIMEOUT_FACTOR = {"none": 1, "address,undefined": 4, "thread": 8}

# Threads that spin need the fair scheduler, since Valgrind runs one at a time. What is still reachable at
# the end is no leak: descriptors of fibers are kept for ever, and so are the C library's tables.
MEMCHECK = ["valgrind", "--quiet", "--tool=memcheck", "--error-exitcode=99", "--leak-check=full",
            "--show-leak-kinds=definite,indirect,possible",
            "--errors-for-leak-kinds=definite,indirect,possible", "--fair-sched=yes",
            "--num-callers=30",
            f"--suppressions={pathlib.Path(__file__).resolve().parent / 'memcheck.supp'}"]
MEMCHECK_TIMEOUT_FACTOR = 10

SANITIZER_ENV = {
    # Fake stacks and fibers do not mix well enough to have them on: a fiber's locals would live in
    # memory that belongs to the thread which happened to run it first.
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=0:check_initialization_order=1"
    ":strict_string_checks=1:halt_on_error=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:history_size=4:suppressions="
    + str(pathlib.Path(__file__).resolve().parent / "tsan.supp"),
}


@dataclasses.dataclass
class Test:
    config: str
    suite: str
    name: str
    command: list
    env: dict
    workdir: str
    timeout: float
    is_gtest: bool
    parallel: bool


@dataclasses.dataclass
class Result:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    notes: list = dataclasses.field(default_factory=list)
    output: str = ""

    def count_text(self):
        parts = [f"{n} {what}" for n, what in
                 ((self.passed, "passed"), (self.failed, "FAILED"), (self.skipped, "skipped")) if n]
        return ", ".join(parts) or "nothing ran"


def introspect(build_dir, what):
    answer = subprocess.run(["meson", "introspect", what, str(build_dir)], check=True,
                            stdout=subprocess.PIPE, text=True)
    return json.loads(answer.stdout)


def load_tests(build_dir, suites, seeds=(None,), memcheck=False):
    options = {o["name"]: o["value"] for o in introspect(build_dir, "--buildoptions")}
    sanitizer = options.get("b_sanitize", "none")
    if not options.get("chaos", False):
        seeds = [None]
    wrapper = MEMCHECK if memcheck else fixed_addresses() if sanitizer == "thread" else []
    factor = MEMCHECK_TIMEOUT_FACTOR if memcheck else TIMEOUT_FACTOR.get(sanitizer, 8)
    tests = []
    for entry in introspect(build_dir, "--tests"):
        names = [name.split(":")[-1] for name in entry["suite"]]  # "weft:unit"
        suite = next((name for name in names if not suites or name in suites), None)
        if suite is None:
            continue
        tests.append(Test(
            config="memcheck" if memcheck else build_dir.name,
            suite=suite,
            name=entry["name"],
            command=wrapper + entry["cmd"],
            env=entry["env"],
            workdir=entry["workdir"] or str(build_dir),
            timeout=entry["timeout"] * factor,
            is_gtest=entry["protocol"] == "gtest",
            parallel=entry["is_parallel"],
        ))
    if suites:
        tests.sort(key=lambda test: suites.index(test.suite))
    return [with_seed(test, seed) for seed in seeds for test in tests]


def with_seed(test, seed):
    if seed is None:
        return test
    return dataclasses.replace(test, config=f"{test.config} seed {seed}",
                               env={**test.env, "WEFT_CHAOS_SEED": str(seed)})


def seed_range(text):
    first, _, last = text.rpartition("-")
    seeds = range(int(first or 1), int(last) + 1)
    if not seeds:
        raise argparse.ArgumentTypeError(f"no seeds in {text}")
    return seeds


def fixed_addresses():
    """Clang 14's TSan aborts at start-up when the kernel randomises more than 28 bits of mmap."""
    wrapper = ["setarch", "-R"]
    if shutil.which("setarch") is None:
        return []
    probe = subprocess.run(wrapper + ["true"], stderr=subprocess.DEVNULL)
    return wrapper if probe.returncode == 0 else []


def run_bounded(command, env, workdir, timeout):
    """Runs to the end or to the limit, takes the whole process group down, returns code and output."""
    with tempfile.TemporaryFile() as out:  # a file, since a grandchild may keep a pipe open
        process = subprocess.Popen(command, env=env, cwd=workdir, stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        out.seek(0)
        return code, out.read().decode(errors="replace")


def run_test(test):
    result = Result()
    with tempfile.TemporaryDirectory(prefix="weft-test-") as scratch:
        report = pathlib.Path(scratch) / "report.json"
        env = {**os.environ, **SANITIZER_ENV, **test.env}
        if test.is_gtest:
            env["GTEST_OUTPUT"] = f"json:{report}"
            env["GTEST_COLOR"] = "no"
        start = time.monotonic()
        try:
            code, result.output = run_bounded(test.command, env, test.workdir, test.timeout)
        except OSError as error:
            result.failed, result.output = 1, f"cannot start {test.command[0]}: {error}\n"
            return result
        result.seconds = time.monotonic() - start
        if test.is_gtest:
            count_gtest(result, code, report, test)
        else:
            count_plain(result, code, test)
    return result


def end_text(code, test):
    if code is None:
        return f"killed after its limit of {test.timeout:g} s"
    if code < 0:
        return f"killed by signal {-code} ({signal.strsignal(-code)})"
    return f"exit code {code}"


def count_plain(result, code, test):
    if code == 0:
        result.passed = 1
    elif code == SKIP_EXIT_CODE:
        result.skipped = 1
    else:
        result.failed = 1
        result.notes.append(end_text(code, test))


def count_gtest(result, code, report, test):
    try:
        suites = json.loads(report.read_text())["testsuites"]
    except (OSError, ValueError, KeyError):
        count_broken_gtest(result, code, test)
        return
    for case in (case for suite in suites for case in suite["testsuite"]):
        name = f"{case['classname']}.{case['name']}"
        if case.get("failures"):
            result.failed += 1
            result.notes.append(name)
        elif case["status"] == "NOTRUN" or case.get("result") == "SKIPPED":
            result.skipped += 1
        else:
            result.passed += 1
    if code != 0 and result.failed == 0:  # a sanitizer's report at exit, a failing environment
        result.failed += 1
        result.notes.append(f"all cases passed, yet {end_text(code, test)}")
    if result.passed + result.failed + result.skipped == 0:
        result.failed += 1
        result.notes.append("the binary contains no test case")


def count_broken_gtest(result, code, test):
    """No report was written: the binary died half way. What it printed says how far it came."""
    result.passed = len(re.findall(r"^\[       OK \] ", result.output, re.M))
    result.skipped = len(re.findall(r"^\[  SKIPPED \] .* \(\d+ ms\)$", result.output, re.M))
    failed = re.findall(r"^\[  FAILED  \] (\S+?),? .*\(\d+ ms\)$", result.output, re.M)
    started = re.findall(r"^\[ RUN      \] (\S+)", result.output, re.M)
    ended = result.passed + result.skipped + len(failed)
    culprit = started[-1] if len(started) > ended else "the binary"
    result.failed = len(failed) + 1
    result.notes += failed + [f"{culprit}: {end_text(code, test)}"]


class Reporter:
    def __init__(self, total):
        self.total = total
        self.every = max(1, total // 1000)  # of those that pass, so many are counted and not shown
        self.done = 0
        self.sum = Result()
        self.failures = []

    def add(self, test, result):
        self.done += 1
        self.sum.passed += result.passed
        self.sum.failed += result.failed
        self.sum.skipped += result.skipped
        label = f"{test.config} {test.suite} {test.name}"
        if result.failed or self.done % self.every == 0:
            print(f"[{self.done:3}/{self.total}] {label:<58} {result.count_text()}"
                  f"  ({result.seconds:.1f} s)", flush=True)
            for figure in re.findall(r"^== (.*)", result.output, re.M):
                print(f"          {figure}")
        if result.failed:
            self.failures += [f"{label}: {note}" for note in result.notes]
            print(f"--- output of {label}")
            if len(result.output) > SHOWN_OUTPUT:
                print(f"(the last {SHOWN_OUTPUT} characters)")
            print(result.output[-SHOWN_OUTPUT:].rstrip())
            print("---", flush=True)

    def finish(self):
        print()
        for failure in self.failures:
            print(f"FAILED {failure}")
        if self.sum.passed + self.sum.failed == 0:
            print("no test ran")
        print(f"{self.sum.passed} passed, {self.sum.failed} failed, {self.sum.skipped} skipped",
              flush=True)
        return 0 if self.sum.passed and not self.sum.failed else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-j", "--jobs", type=int, default=1,
                        help="binaries at a time; more than one disturbs the timing-sensitive tests")
    parser.add_argument("--filter", default="", help="only tests whose name contains this text")
    parser.add_argument("--seeds", type=seed_range, default=seed_range("1"), metavar="N|FIRST-LAST",
                        help="of a chaos build: seeds 1 to N, or FIRST to LAST")
    parser.add_argument("builds", nargs="+", metavar="BUILD_DIR[+memcheck][:SUITE,...]")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the running test is ended too

    tests = []
    for build in args.builds:
        directory, _, suites = build.partition(":")
        chosen = list(filter(None, suites.split(",")))
        directory, _, memcheck = directory.partition("+")
        if memcheck not in ("", "memcheck"):
            parser.error(f"+{memcheck} in {build}: only +memcheck is known")
        tests += load_tests(pathlib.Path(directory).resolve(), chosen, args.seeds, bool(memcheck))
    tests = [test for test in tests if args.filter in test.name]

    reporter = Reporter(len(tests))
    alone = [test for test in tests if args.jobs == 1 or not test.parallel]
    together = [test for test in tests if args.jobs > 1 and test.parallel]
    with concurrent.futures.ThreadPoolExecutor(max(args.jobs, 1)) as pool:
        running = {pool.submit(run_test, test): test for test in together}
        try:
            for future in concurrent.futures.as_completed(running):
                reporter.add(running[future], future.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)  # or the rest would be run all the same
            raise
    for test in alone:
        reporter.add(test, run_test(test))
    return reporter.finish()


if __name__ == "__main__":
    sys.exit(main())
