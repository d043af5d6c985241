#!/usr/bin/env python3
"""Runs programs with the hooks preloaded: tests/hook/preload_test.py HOOKS.so PROGRAM

PROGRAM uses weft's shared library, and its fibers block in libc; the others do not know weft and must do
what they always do.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

STRANGERS = {
    "cat": (["cat"], b"some text\n" * 1000),
    "head ends a pipe": (["sh", "-c", "yes | head -n 1000 | wc -l"], b""),
    "python": (["python3", "-c", """
import hashlib, select, socket, subprocess, threading, time
a, b = socket.socketpair()
threading.Thread(target=lambda: (time.sleep(0.01), b.sendall(b"x" * 100000), b.close())).start()
size = 0
while data := a.recv(4096): size += len(data)
print(size, select.select([a], [], [], 0)[0] == [a])
print(subprocess.run(["sh", "-c", "cat; echo done"], input=b"in", capture_output=True).stdout)
a.settimeout(0.01)
print(socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM))
"""], b""),
    "openssl": (["openssl", "dgst", "-sha256"], b"text"),
    "a program that is not there": (["sh", "-c", "exec /nonexistent/program"], b""),
}


def run(command, text, environment):
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=30, env={**os.environ, **environment})
    return done.returncode, done.stdout, done.stderr


def main():
    hooks, program = sys.argv[1:]
    preload = {"LD_PRELOAD": hooks}
    cases = {"fibers": None}
    came = run([program], b"", preload)
    if came != (0, b"b\n", b""):
        cases["fibers"] = f"it said {came}"
    for name, (command, text) in STRANGERS.items():
        if shutil.which(command[0]) is None:
            print(f"no {command[0]} here, so it is left out")
            continue
        plain, hooked = run(command, text, {}), run(command, text, preload)
        cases[name] = None if plain == hooked else f"{plain}\nwithout the hooks, with them\n{hooked}"
    where = os.environ.get("GTEST_OUTPUT", "")
    if where.startswith("json:"):
        report = {"testsuites": [{"testsuite": [
            {"classname": "Preload", "name": name, "status": "RUN", "result": "COMPLETED",
             **({"failures": [{"failure": why}]} if why else {})} for name, why in cases.items()]}]}
        pathlib.Path(where[len("json:"):]).write_text(json.dumps(report))
    for name, why in cases.items():
        print(f"{name}: {why or 'as it should be'}")
    return 1 if any(cases.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
