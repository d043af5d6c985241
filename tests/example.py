#!/usr/bin/env python3
"""Runs one example as a test: tests/example.py EXPECTED_FILE PROGRAM [ARGUMENTS...]

The program must end with 0. If EXPECTED_FILE exists, its lines must be the program's lines, where a
`*` stands for any text (times, counts, thread numbers). An example that prints nothing fails: it
would teach nothing, and its end alone proves little.
"""

import pathlib
import re
import subprocess
import sys


def matches(expected, line):
    return re.fullmatch(".*".join(map(re.escape, expected.split("*"))), line) is not None


def first_difference(expected, lines):
    for number, (want, got) in enumerate(zip(expected, lines), 1):
        if not matches(want, got):
            return f"line {number} is\n    {got}\nbut the expected file says\n    {want}"
    if len(expected) != len(lines):
        return f"{len(lines)} lines were printed, {len(expected)} are expected"
    return None


def main():
    expected_file, *command = sys.argv[1:]
    run = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    print(run.stdout, end="", flush=True)
    if run.returncode != 0:
        sys.exit(f"the example ended with {run.returncode}")
    lines = [line.rstrip() for line in run.stdout.splitlines()]
    if not lines:
        sys.exit("the example printed nothing")
    path = pathlib.Path(expected_file)
    if path.exists():
        expected = [line.rstrip() for line in path.read_text().splitlines()]
        if problem := first_difference(expected, lines):
            sys.exit(f"{path.name}: {problem}")


if __name__ == "__main__":
    main()
