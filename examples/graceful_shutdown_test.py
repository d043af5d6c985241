#!/usr/bin/env python3
"""Drives 09_graceful_shutdown as a service manager would: examples/graceful_shutdown_test.py PROGRAM

A client that waits for nothing, one whose answer is on its way, and one whose answer would never come, when
the server is told to stop; by SIGTERM and by Ctrl-C; and a second signal, for a server that takes too long.
"""

import re
import signal
import socket
import subprocess
import sys
import threading
import time

LIMIT = 20  # seconds, for anything that could hang
GRACE = 2  # what the server gives to requests under way


def ignored_sigint():
    """As a shell starts what runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Server:
    def __init__(self, program):
        self.process = subprocess.Popen([program, "0"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                        text=True, preexec_fn=ignored_sigint)
        # So that whoever reads what it prints does not wait for ever.
        self.watchdog = threading.Timer(LIMIT, self.process.kill)
        self.watchdog.start()
        line = self.process.stdout.readline()
        port = re.fullmatch(r"listening on port (\d+), SIGTERM or Ctrl-C ends\n", line)
        if not port:
            self.__exit__()
            sys.exit(f"the first line is {line!r}")
        self.port = int(port.group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watchdog.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def client(self):
        """One that is being served."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT)
        assert ask(client, 0) == "done\n"
        return client

    def stop(self, number):
        """Returns when the server has heard of it."""
        self.process.send_signal(number)
        line = self.process.stdout.readline()
        assert line == "stopping\n", line

    def refuses(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT).close()
        except ConnectionRefusedError:
            return True
        return False

    def expect_end(self, output, status=0):
        # Not communicate(), which overlooks what readline() has read ahead.
        end = (self.process.wait(timeout=LIMIT), self.process.stdout.read())
        assert end == (status, output), end


def send(client, milliseconds):
    client.sendall(f"{milliseconds}\n".encode())


def line_from(client):
    """Up to the end of a line, or of the connection."""
    line = b""
    while not line.endswith(b"\n") and (part := client.recv(1)):
        line += part
    return line.decode()


def ask(client, milliseconds):
    send(client, milliseconds)
    return line_from(client)


def wait_until(condition):
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "somebody still listens"
        time.sleep(0.01)


def check_end(program, number):
    with Server(program) as server:
        with server.client() as idle, server.client() as busy, server.client() as endless:
            send(endless, 3_600_000)
            send(busy, 1000)
            begin = time.monotonic()
            server.stop(number)
            assert line_from(idle) == "", "an idle connection was not closed"
            wait_until(server.refuses)  # as soon as the server's task has left accept()
            assert line_from(busy) == "done\n", "an answer was lost"
            assert line_from(busy) == "", "the server left a connection open"
            assert line_from(endless) == ""
            took = time.monotonic() - begin
            assert GRACE - 0.1 < took < GRACE + 5, f"the endless request was cut off after {took} s"
        server.expect_end("1 answered meanwhile, 1 cut off\n")


def check_end_without_requests(program):
    with Server(program) as server:
        begin = time.monotonic()
        with server.client() as idle, server.client() as half:
            half.sendall(b"50")  # no request yet
            server.stop(signal.SIGTERM)
            assert line_from(idle) == line_from(half) == ""
        server.expect_end("0 answered meanwhile, 0 cut off\n")
        assert time.monotonic() - begin < GRACE, "the server waited for nothing"


def check_second_signal(program):
    with Server(program) as server, server.client() as endless:
        send(endless, 3_600_000)
        server.stop(signal.SIGTERM)
        server.process.send_signal(signal.SIGTERM)
        server.expect_end("", -signal.SIGINT)


def check_usage(program):
    for arguments in (["no-port"], ["65536"], ["-1"], ["1", "2"], [""]):
        run = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=LIMIT)
        assert run.returncode == 2 and run.stderr.startswith("usage: "), (arguments, run)


def main():
    program = sys.argv[1]
    for number in (signal.SIGTERM, signal.SIGINT):
        check_end(program, number)
        print(f"{number.name}: requests are answered or cut off in time, and nobody else is taken")
    check_end_without_requests(program)
    print("without requests the server ends at once")
    check_second_signal(program)
    print("a second signal ends it in any case")
    check_usage(program)
    print("wrong arguments are refused")


if __name__ == "__main__":
    main()
