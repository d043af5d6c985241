#!/usr/bin/env python3
"""Runs the soak of a build directory in the environment that tests/run.py gives to tests, and shows
what it prints while it runs: tests/soak/run_soak.py BUILD_DIR [ARGUMENTS of the program]"""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import run  # noqa: E402

build_dir = pathlib.Path(sys.argv[1]).resolve()
test = next(test for test in run.load_tests(build_dir, ["soak"]))
program = test.command.index(str(build_dir / "tests/soak/soak"))
command = test.command[:program + 1] + sys.argv[2:]
os.execvpe(command[0], command, {**os.environ, **run.SANITIZER_ENV, **test.env})
