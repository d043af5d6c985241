#!/usr/bin/env python3
"""Goal: the layout checks cannot pass by looking at nothing.

Method: a small sound tree, which must give no violation, and one planted fault at a time, which the
named check must report at the named place.
"""

import pathlib
import sys
import tempfile

import checks
import cxx
import tidy

SOUND = {
    "LICENSE": "MIT\n",
    "meson.build": "project('weft', 'cpp')\n",
    "runtime/meson.build": "weft_sources = files('runtime.cc', 'sched/worker.cc', 'base/clock.cc')\n",
    "runtime/runtime.cc": '#include "sched/worker.h"\n#include <weft/task.h>\nint answer() { return 42; }\n',
    "runtime/sched/worker.h": '#pragma once\n#include "base/clock.h"\n'
    "class Worker {\n public:\n  void park();\n};\nconstexpr int kSpinBudget = 1'000;\n",
    "runtime/sched/worker.cc": '#include "sched/worker.h"\nvoid Worker::park() {}\n',
    "runtime/base/clock.h": "#pragma once\nlong now();\n",
    # A name that only a comment mentions does not exist.
    "runtime/base/clock.cc": '#include "base/clock.h"\n// It was OldClock.\nlong now() { return 0; }\n',
    "runtime/include/weft/task.h": "#pragma once\n#include <utility>\nnamespace weft {\n"
    "template <class T>\nclass Task {};\nint spawn(int);\n}\n",
    "runtime/DESIGN.md": "`Worker::park` in `sched/worker.h` reads `kSpinBudget`; `weft::Task<T>`, `spawn(fn)`,\n"
    "`<weft/task.h>`, `std::mutex`, `MADV_FREE`, `epoll` and `runtime/sched/` too.\n",
    "tests/unit/meson.build": "unit_tests = ['sched/worker']\n",
    "tests/unit/sched/worker_test.cc": "TEST(Worker, Parks) { }\n",
    "examples/meson.build": "examples = {'01_hello': []}\n",
    "examples/01_hello.cc": "#include <weft/task.h>\nint main() {}\n",
}

LONG_BODY = "  step();\n" * checks.MAX_FUNCTION_LINES
A_NOTE = "// TO" + "DO: later\n"

# (check, file, its planted text or None to remove it, where the violation is, a piece of its message)
PLANTED = [
    ("layers", "runtime/base/clock.cc", '#include "sched/worker.h"\n', "runtime/base/clock.cc:1", "a layer above"),
    ("layers", "runtime/io/tcp.cc", '#include "task/run.h"\n', "runtime/io/tcp.cc:1", "stranger"),
    ("layers", "runtime/fiber/fiber.h", '#pragma once\n#include "time/timer.h"\n', "runtime/fiber/fiber.h:2", "stranger"),
    ("layers", "runtime/debug/dump.cc", '#include "hook/libc.h"\n', "runtime/debug/dump.cc:1", "stranger"),
    ("layers", "runtime/include/weft/bad.h", '#pragma once\n#include "base/clock.h"\n',
     "runtime/include/weft/bad.h:2", "public header includes the internal"),
    ("layers", "runtime/sched/worker.cc", '#include "worker.h"\n', "runtime/sched/worker.cc:1", "does not name a layer"),
    ("layers", "runtime/sched/worker.cc", '#include "weft/task.h"\n', "runtime/sched/worker.cc:1", "write <weft/task.h>"),
    ("layers", "runtime/misc/util.cc", "int x;\n", "runtime/misc/util.cc", "is no layer"),
    ("layers", "examples/01_hello.cc", '#include "base/clock.h"\n', "examples/01_hello.cc:1", "public headers only"),
    ("sizes", "bench/long.cc", "int x;\n" * (checks.MAX_FILE_LINES + 1), "bench/long.cc", "401 lines"),
    ("sizes", "runtime/runtime.cc", f"namespace weft {{\n\nvoid long_one() {{\n{LONG_BODY}}}\n}}\n",
     "runtime/runtime.cc:3", "long_one has 72 lines"),
    ("sizes", "runtime/runtime.cc", f"struct A {{\n  A() : a_{{1}}, b_{{2}} {{\n{LONG_BODY}  }}\n}};\n",
     "runtime/runtime.cc:2", "A has 72 lines"),
    ("sizes", "tests/unit/sched/worker_test.cc", f'TEST(Worker, Parks) {{\n  f("}}", \'}}\');  // }}\n{LONG_BODY}}}\n',
     "tests/unit/sched/worker_test.cc:1", "Worker.Parks has 73 lines"),
    ("words", "runtime/base/clock.cc", A_NOTE, "runtime/base/clock.cc:1", "a note to oneself"),
    ("words", "README.md", "see /wo" + "rk/main/README.md\n", "README.md:1", "a path of one machine"),
    ("words", "dev", "cat /tmp/bash" + "_jobs/1\n", "dev:1", "a path of one machine"),
    ("headers", "runtime/base/clock.h", "long now();\n", "runtime/base/clock.h", "no #pragma once"),
    ("headers", "runtime/include/weft/task.h", "#pragma once\nstd::string f();\n",
     "runtime/include/weft/task.h", "does not compile on its own"),
    ("headers", "runtime/include/weft/task.h", "#pragma once\n#include <weft/gone.h>\n",
     "runtime/include/weft/task.h", "does not compile on its own"),
    ("lists", "runtime/sched/forgotten.cc", "int x;\n", "runtime/sched/forgotten.cc", "not listed in runtime/meson.build"),
    ("lists", "tests/unit/base/clock_test.cc", "int x;\n", "tests/unit/base/clock_test.cc", "not listed"),
    ("lists", "tests/stress/wake_test.cc", "int x;\n", "tests/stress/wake_test.cc", "not listed"),
    ("lists", "examples/02_more.cc", "int main() {}\n", "examples/02_more.cc", "not listed"),
    ("lists", "tests/unit/sched/dream_test.cc", "int x;\n", "tests/unit/sched/dream_test.cc", "mirrors no"),
    ("design", "runtime/DESIGN.md", None, "runtime/DESIGN.md", "is missing"),
    ("design", "runtime/DESIGN.md", "one\n`Worker::fly` two\n", "runtime/DESIGN.md:2", "names nothing"),
    ("design", "runtime/DESIGN.md", "`TimerQueue`\n", "runtime/DESIGN.md:1", "names nothing"),
    ("design", "runtime/DESIGN.md", "`kGone`\n", "runtime/DESIGN.md:1", "names nothing"),
    ("design", "runtime/DESIGN.md", "`suspend()`\n", "runtime/DESIGN.md:1", "is called suspend()"),
    ("design", "runtime/DESIGN.md", "`weft::gone<T>`\n", "runtime/DESIGN.md:1", "names nothing"),
    ("design", "runtime/DESIGN.md", "`WEFT_GONE`\n", "runtime/DESIGN.md:1", "names nothing"),
    ("design", "runtime/DESIGN.md", "`sched/gone.cc`\n", "runtime/DESIGN.md:1", "no file or folder"),
    ("design", "runtime/DESIGN.md", "`<weft/gone.h>`\n", "runtime/DESIGN.md:1", "no file or folder"),
    ("design", "runtime/DESIGN.md", "`OldClock`\n", "runtime/DESIGN.md:1", "names nothing"),
]

# Code whose braces mislead a careless reader: none of it is one long function.
SHORT_FUNCTIONS = """
class WEFT_CAPABILITY("mutex") Spinlock : public Base<decltype(f())> {
 private:
  struct alignas(64) Slot {
    int a{0};
  };
  void lock() noexcept { while (true) { spin(); } }
#if A
  void first() {
#else
  void second() {
#endif
  }
  static constexpr char kBrace = '{';
  const char* text = R"x(}}}{{)x";
%s
};
template <class F, class = decltype(f())>
struct Deep {
};
""" % ("  int member;\n" * 100)


def write(root, files):
    for name, text in files.items():
        path = pathlib.Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def violations(files, check):
    with tempfile.TemporaryDirectory(prefix="weft-tidy-") as root:
        write(root, files)
        return list(tidy.CHECKS[check](checks.Tree(root)))


def main():
    failures = []
    for check in tidy.CHECKS:
        if found := violations(SOUND, check):
            failures.append(f"{check}: the sound tree gives {found}")
        if not any(planted[0] == check for planted in PLANTED):
            failures.append(f"{check}: nothing is planted for it")
    for check, name, text, place, message in PLANTED:
        files = {**SOUND, name: text}
        if text is None:
            del files[name]
        found = violations(files, check)
        if not any(where == place and message in what for where, what in found):
            failures.append(f"{check}: planted {name}, expected '{message}' at {place}, found {found}")
    longest = max(last - first + 1 for _, first, last in cxx.functions(SHORT_FUNCTIONS))
    if longest > 5:
        failures.append(f"sizes: found {cxx.functions(SHORT_FUNCTIONS)} in code without a long function")

    print("\n".join(failures) or f"{len(PLANTED)} planted violations were all found")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
