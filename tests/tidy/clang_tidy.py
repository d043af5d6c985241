#!/usr/bin/env python3
"""Runs clang-tidy on files of a build folder, several at a time.

A file that was clean is not looked at again until something changes that clang-tidy sees: the file
and all that it includes, comments too, the checks, or clang-tidy itself. What was clean is noted in
BUILD/clang-tidy/.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def commands_of(build):
    """The compiler's arguments for each source, without what names its outputs, and without precompiled
    headers: Clang cannot read GCC's, and a file that forgets an include is to be found."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        arguments = shlex.split(entry["command"])
        for option in ("-o", "-MF", "-MQ", "-MT", "-include", "-include-pch"):
            while option in arguments:
                at = arguments.index(option)
                del arguments[at : at + 2]
        found.setdefault(source, (entry["directory"], [a for a in arguments if a not in ("-c", "-MD")]))
    return found


def write_database(folder, commands):
    (folder / "compile_commands.json").write_text(json.dumps([
        {"directory": directory, "file": str(source), "arguments": arguments}
        for source, (directory, arguments) in commands.items()
    ]))


def digest(source, directory, arguments, common):
    """None where the preprocessor fails: then clang-tidy shall say why."""
    seen = subprocess.run([*arguments, "-E", "-C"], cwd=directory, capture_output=True)
    if seen.returncode != 0:
        return None
    return hashlib.sha256(common + " ".join(arguments).encode() + seen.stdout).hexdigest()


def examine(build, source, commands, common):
    """What clang-tidy said, or None if all is well."""
    key = digest(source, *commands[source], common) if source in commands else None
    note = build / "clang-tidy" / str(key)
    if key is not None and note.exists():
        return None
    run = subprocess.run(
        ["clang-tidy", "--quiet", "-p", str(build / "clang-tidy"), str(source)], capture_output=True, text=True
    )
    if run.returncode != 0 or run.stdout.strip():
        return run.stdout + run.stderr
    if key is not None:
        note.touch()
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    (build / "clang-tidy").mkdir(exist_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
    common = version + b"".join(path.read_bytes() for path in sorted(ROOT.glob("**/.clang-tidy")))
    commands = commands_of(build)
    write_database(build / "clang-tidy", commands)

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(
            lambda file: examine(build, file.resolve(), commands, common), arguments.files
        )
        for file, result in zip(arguments.files, results):
            if result is not None:
                failed += 1
                print(f"-- {file}\n{result}", flush=True)
    print(f"clang-tidy: {len(arguments.files) - failed} of {len(arguments.files)} files are clean")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
