#!/usr/bin/env python3
"""Drives 16_run_commands as a service manager would: examples/run_commands_test.py PROGRAM

SIGTERM and Ctrl-C, while one command cleans up when it is asked to end, one just ends, and one does neither.
"""

import signal
import subprocess
import sys
import threading
import time

LIMIT = 20  # seconds, for anything that could hang

COMMANDS = {
    "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done": "stopped, exited with code 7",
    "echo ready; exec sleep 1000": "stopped, killed by SIGTERM",
    "trap '' TERM; echo ready; while :; do sleep 0.05; done": "stopped, killed by SIGKILL",
    "echo ready; exit 4": "exited with code 4",
}


def check(program, number):
    process = subprocess.Popen([program, "1000", *COMMANDS], stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(LIMIT, process.kill)
    watchdog.start()
    try:
        for _ in COMMANDS:
            assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)  # for the last command to end by itself
        process.send_signal(number)
        rest = process.stdout.read()
        code = process.wait()
    finally:
        watchdog.cancel()
        process.kill()
    expected = "stopping\n" + "".join(f"{command}: {end}\n" for command, end in COMMANDS.items())
    assert rest == expected, rest
    assert code == 1, code


def main():
    for number in (signal.SIGTERM, signal.SIGINT):
        check(sys.argv[1], number)
    print("every command ended as it should")


if __name__ == "__main__":
    main()
