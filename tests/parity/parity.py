#!/usr/bin/env python3
"""Runs the scenarios of one group in asyncio and in weft, and compares their traces.

    tests/parity/parity.py GROUP.py PROGRAM [SCENARIO...]
    tests/parity/parity.py --differences GROUP.py...

Every scenario must be there twice, and leave the same trace, but for those that the Python half marks with
@differs: there weft's trace must be the one written down, and asyncio's another. The result is written as
GoogleTest would (GTEST_OUTPUT=json:FILE), a case for each scenario. --differences prints the table of them.
"""

import difflib
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
LIMIT = 120  # seconds for all scenarios of a group


def load(path):
    sys.path.insert(0, str(FOLDER))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def traces(command):
    """What each scenario printed, and whatever else is to be said of it."""
    environment = {**os.environ, "PYTHONPATH": str(FOLDER), "PYTHONDONTWRITEBYTECODE": "1",
                   "PYTHONSAFEPATH": "1"}
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=LIMIT, env=environment, errors="replace")
        end = "" if done.returncode == 0 else f"{command[-1]} ended with {done.returncode}"
        out, err = done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        end = f"not done after {LIMIT} s"
        out, err = ((text or b"").decode(errors="replace") for text in (late.stdout, late.stderr))
    found, current = {}, None
    for line in out.splitlines():
        if line.startswith("== "):
            current = found.setdefault(line[3:], [])
        elif current is not None:
            current.append(line)
    if end and current is not None:
        current.append(f"({end})")
    return found, end, err


def judge(name, asyncio_trace, weft_trace, differences):
    """Why the scenario fails; None if it does not."""
    if asyncio_trace is None or weft_trace is None:
        return "only asyncio has it" if weft_trace is None else "only weft has it"
    if name in differences:
        _, expected = differences[name]
        if asyncio_trace == weft_trace:
            return "marked as different, but it is not"
        return diff(expected, weft_trace, "as written down", "weft")
    return diff(asyncio_trace, weft_trace, "asyncio", "weft")


def diff(left, right, left_name, right_name):
    if left == right:
        return None
    return "\n".join(difflib.unified_diff(left, right, left_name, right_name, lineterm="", n=99))


def write_report(cases):
    where = os.environ.get("GTEST_OUTPUT", "")
    if not where.startswith("json:"):
        return
    report = {"testsuites": [{"testsuite": [
        {"classname": "Parity", "name": name, "status": "RUN", "result": "COMPLETED",
         **({"failures": [{"failure": why}]} if why else {})} for name, why in cases.items()]}]}
    pathlib.Path(where[len("json:"):]).write_text(json.dumps(report))


def print_differences(groups):
    import harness
    print("| scenario | weft | why |\n| --- | --- | --- |")
    for group in groups:
        load(group)
    for name, (reason, trace) in harness.DIFFERENCES.items():
        print(f"| {name} | {'; '.join(trace)} | {reason} |")


def main():
    sys.path.insert(0, str(FOLDER))
    if sys.argv[1] == "--differences":
        print_differences([pathlib.Path(path).resolve() for path in sys.argv[2:]])
        return 0
    import harness
    group, program, chosen = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3:]
    load(group)
    in_asyncio, asyncio_end, asyncio_err = traces([sys.executable, str(group), *chosen])
    in_weft, weft_end, weft_err = traces([program, *chosen])
    cases = {name: judge(name, in_asyncio.get(name), in_weft.get(name), harness.DIFFERENCES)
             for name in dict.fromkeys([*in_asyncio, *in_weft])}
    write_report(cases)
    failed = {name: why for name, why in cases.items() if why}
    for name, why in failed.items():
        print(f"--- {name}\n{why}")
    for err in filter(None, (asyncio_err, weft_err)):
        print(err, end="")
    print(f"== {len(cases)} scenarios, {len(failed)} differ")
    return 1 if failed or not cases or asyncio_end or weft_end else 0


if __name__ == "__main__":
    sys.exit(main())
