#!/usr/bin/env python3
"""Runs the same sequences of calls with the hooks and without them, and compares what came of each.

    tests/hook/parity.py PLAIN HOOKED HOOKS.so DRIVER...

PLAIN is the program without the hooks, in a plain thread: what it prints is right. HOOKED, which has
them, must print the same in a thread and in a fiber, with every driver and with one and two workers; and
so must PLAIN with HOOKS.so preloaded. Sequences come from a seed, which WEFT_SEED replays. The result is
written as GoogleTest would (GTEST_OUTPUT=json:FILE), a case for each place.
"""

import difflib
import json
import os
import pathlib
import secrets
import subprocess
import sys

SEQUENCES = 200


def sequences(command, environment):
    """What each sequence printed, by its number; the last line of one that did not end says so."""
    # The program ends itself where it hangs.
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, **environment}, errors="replace")
    found, current = {}, []
    for line in done.stdout.splitlines():
        if line.startswith("== "):
            current = found.setdefault(int(line[3:]), [])
        else:
            current.append(line)
    if done.returncode != 0:
        current.append(f"(ended with {done.returncode})")
    return found


def difference(right, other, name):
    """The first sequence that is not the same, up to where it differs; None if all are."""
    for number in sorted(right.keys() | other.keys()):
        expected, got = right.get(number, []), other.get(number, [])
        if expected != got:
            lines = difflib.unified_diff(expected, got, "plain", name, lineterm="", n=99)
            return "\n".join([f"sequence {number}:", *lines])
    return None


def places(plain, hooked, hooks, drivers):
    yield "thread", [hooked, "thread"], {}
    yield "preloaded", [plain, "thread"], {"LD_PRELOAD": hooks}
    for driver in drivers:
        for workers in ("1", "2"):
            yield (f"fiber, {driver}, {workers}", [hooked, "fiber"],
                   {"WEFT_DRIVER": driver, "WEFT_WORKERS": workers})


def write_report(cases):
    where = os.environ.get("GTEST_OUTPUT", "")
    if not where.startswith("json:"):
        return
    report = {"testsuites": [{"testsuite": [
        {"classname": "HookParity", "name": name, "status": "RUN", "result": "COMPLETED",
         **({"failures": [{"failure": why}]} if why else {})} for name, why in cases.items()]}]}
    pathlib.Path(where[len("json:"):]).write_text(json.dumps(report))


def main():
    plain, hooked, hooks, *drivers = sys.argv[1:]
    seed = os.environ.get("WEFT_SEED") or str(secrets.randbelow(2**32))
    print(f"replay with WEFT_SEED={seed}", flush=True)
    which = [seed, "0", str(SEQUENCES)]
    right = sequences([plain, "thread", *which], {})
    calls = sum(len(lines) for lines in right.values())
    last = right[max(right)]
    cases = {}
    if len(right) != SEQUENCES or last[-1].startswith("(ended"):
        cases["plain"] = "it did not run to its end:\n" + "\n".join(last)
    for name, command, environment in places(plain, hooked, hooks, drivers) if not cases else ():
        cases[name] = difference(right, sequences(command + which, environment), name)
    write_report(cases)
    for name, why in cases.items():
        if why:
            print(f"--- {name}\n{why}")
    failed = sum(1 for why in cases.values() if why)
    print(f"== {SEQUENCES} sequences, {calls} calls, {len(cases)} places, {failed} differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
