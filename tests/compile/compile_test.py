#!/usr/bin/env python3
"""Goal: a wrong use of the library does not compile, and what the compiler says first names the rule.

Method: each snippet of WRONG is compiled alone. It must fail, with the error that is written beside it.
Each of RIGHT, which is nearly the same, must compile, so that no snippet fails for another reason.

    tests/compile/compile_test.py --include DIR -- COMPILER...
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

NO_ARGUMENTS = "is called without arguments, and this cannot be: bind what it needs in a lambda"

WRONG = [
    ("weft::spawn([](int) {});", "weft::spawn: a task's callable " + NO_ARGUMENTS),
    ("weft::spawn({.name = \"n\"}, [](int) {});", "weft::spawn: a task's callable " + NO_ARGUMENTS),
    ("weft::spawn(3).join();", "weft::spawn: a task's callable " + NO_ARGUMENTS),
    ("auto f = [p = std::make_unique<int>(1)] {}; weft::spawn(f);",
     "this one cannot be copied: move it, as in weft::spawn(std::move(f))"),
    ("int i = 0; weft::spawn([&]() -> int& { return i; });",
     "a task returns a value: what a reference means may be gone by then"),
    ("weft::run([](int) {});", "weft::run: `main` " + NO_ARGUMENTS),
    ("weft::run(weft::Options{}, 3);", "weft::run: `main` " + NO_ARGUMENTS),
    ("weft::Runtime().run([](int) {});", "weft::Runtime::run: `main` " + NO_ARGUMENTS),
    ("weft::Runtime().post([](int) {}).join();", "weft::Runtime::post: a task's callable " + NO_ARGUMENTS),
    ("auto [a, b] = weft::gather([] {}, 3);", "weft::gather: it takes callables"),
    ("std::vector<weft::Task<int>> v; weft::gather(v, v);", "or one range of either"),
    ("weft::gather([p = std::make_unique<int>(1)](int) {});", "weft::gather: it takes callables"),
    ("weft::task_group([] {});", "weft::task_group: the body is called with the group"),
    ("weft::task_group([](weft::TaskGroup& g) { g.spawn([](int) {}); });",
     "weft::TaskGroup::spawn: a task's callable " + NO_ARGUMENTS),
    ("int i = 0; weft::task_group([&](weft::TaskGroup&) -> int& { return i; });",
     "weft::task_group: the body returns a value, or nothing"),
    ("weft::timeout(std::chrono::seconds(1), [](int) {});",
     "weft::timeout: the body is called without arguments, or with the scope"),
    ("weft::shield(3);", "weft::shield: it takes a weft::Task, or a callable"),
    ("weft::to_thread([](int) {});", "weft::to_thread: the callable " + NO_ARGUMENTS),
    ("auto [done, pending] = weft::wait(3);", "weft::wait: it takes a range of weft::Task<T>"),
    ("std::vector<int> v; for (auto& t : weft::as_completed(v)) t.get();",
     "weft::as_completed: it takes a range of weft::Task<T>"),
    ("weft::Task<int> t; t.add_done_callback([] {});", "weft::Task::add_done_callback: the callback is called"),
    ("weft::Promise<int&> p;", "weft::Promise: a promise is of a value, or of void"),
    ("weft::Channel<int> c; weft::select(c);", "weft::select: it takes cases: receive_from, send_to"),
    ("weft::Channel<int> c; weft::receive_from(c, [](int&) {});",
     "weft::receive_from: the handler takes a std::optional<T>"),
    ("weft::Channel<int> c; weft::send_to(c, 1, [](int) {});", "weft::send_to: the handler takes no arguments"),
    ("weft::select(weft::otherwise(), weft::after(std::chrono::seconds(1)));",
     "weft::select: with otherwise() it never waits"),
    ("weft::Channel<int> c; auto one = weft::receive_from(c); weft::select(one);",
     "weft::select: its cases are made in the call"),
]

MOST_ERRORS = 2  # Clang goes on a little

RIGHT = [
    "int x = 1; weft::spawn([=] { return x; }); weft::spawn({.name = \"n\"}, [] {});",
    "auto f = [p = std::make_unique<int>(1)] {}; weft::spawn(std::move(f));",
    "weft::run([] {}); weft::run(weft::Options{}, [] {}); weft::Runtime().run([] {});",
    "auto [a, b] = weft::gather([] {}, weft::spawn([] { return 3; }));",
    "std::vector<weft::Task<int>> v; weft::gather(v); auto [done, pending] = weft::wait(v);",
    "std::vector<weft::Task<int>> v; for (auto& t : weft::as_completed(v)) t.get();",
    "weft::task_group([](weft::TaskGroup& g) { g.spawn([] {}); });",
    "weft::timeout(std::chrono::seconds(1), [](weft::TimeoutScope&) {});",
    "weft::Task<int> t; weft::shield(t); const auto u = t; weft::shield(u); weft::shield(std::move(t));",
    "weft::shield([] {}); weft::to_thread([] {}); weft::Promise<int> p;",
    "weft::Task<int> t; t.add_done_callback([](const weft::Task<int>&) {});",
    "weft::Channel<int> c; weft::select(weft::receive_from(c, [](std::optional<int>) {}), weft::send_to(c, 1, [] {}));",
    "weft::Channel<int> c; weft::select(weft::receive_from(c).when(true), weft::after(std::chrono::seconds(1)));",
]

NO_EXCEPTIONS = "compile without -fno-exceptions"


class Compiler:
    def __init__(self, command, include, folder):
        self.folder = folder
        self.without_exceptions = [*command, "-std=c++20", "-fsyntax-only", "-fno-exceptions", "-I", include]
        self.command = [*command, "-std=c++20", "-fsyntax-only", "-I", include]
        # The headers once, and not for each snippet.
        header = folder / "all.h"
        header.write_text("#include <weft/weft.h>\n#include <memory>\n#include <vector>\n")
        compiled = folder / ("all.h.gch" if "clang" not in command[-1] else "all.h.pch")
        subprocess.run([*command, "-std=c++20", "-I", include, "-x", "c++-header", header, "-o", compiled],
                       check=True)
        self.command += ["-include", header] if compiled.suffix == ".gch" else ["-include-pch", compiled]

    def errors(self, snippet):
        return self.errors_of(self.command, f"void use() {{ {snippet} }}\n")

    def errors_of(self, command, text):
        source = self.folder / "snippet.cc"
        source.write_text(text)
        done = subprocess.run([*command, source], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        errors = re.findall(r"error: (.*)", done.stdout)
        return errors or (["it failed without an error"] if done.returncode else [])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--include", required=True)
    parser.add_argument("compiler", nargs="+")
    args = parser.parse_args()
    failures = []
    with tempfile.TemporaryDirectory(prefix="weft-compile-") as folder:
        compiler = Compiler(args.compiler, args.include, pathlib.Path(folder))
        for snippet, rule in WRONG:
            errors = compiler.errors(snippet) or ["none"]
            if rule not in errors[0] or len(errors) > MOST_ERRORS:
                failures.append((snippet, f"expected at most {MOST_ERRORS} errors, the first with: {rule}",
                                 errors))
        for snippet in RIGHT:
            errors = compiler.errors(snippet)
            if errors:
                failures.append((snippet, "expected no error", errors))
        for header in ("weft.h", "task.h", "runtime.h"):
            text = f"#include <weft/{header}>\n"
            errors = compiler.errors_of(compiler.without_exceptions, text) or ["none"]
            if NO_EXCEPTIONS not in errors[0]:
                failures.append((text.strip(), f"expected the first error with: {NO_EXCEPTIONS}", errors))
    for snippet, expected, errors in failures:
        print(f"{snippet}\n  {expected}\n  got {len(errors)}:", *errors, sep="\n    ")
    print(f"== {len(WRONG)} wrong uses and {len(RIGHT)} right ones, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
