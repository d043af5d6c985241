#!/usr/bin/env python3
"""Drives 05_echo_server as its users would: examples/echo_server_test.py PROGRAM

Clients at the same time, small and large data, one that says nothing, and Ctrl-C at the end.
"""

import concurrent.futures
import re
import signal
import socket
import subprocess
import sys
import time

LIMIT = 20  # seconds, for anything that could hang


def default_sigint():
    """A shell starts what runs in the background with SIGINT ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(program):
    server = subprocess.Popen([program, "0"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                              text=True, preexec_fn=default_sigint)
    line = server.stdout.readline()
    port = re.fullmatch(r"listening on port (\d+), Ctrl-C ends\n", line)
    if not port:
        server.kill()
        sys.exit(f"the first line is {line!r}")
    return server, int(port.group(1))


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=LIMIT)


def receive(client, size):
    received = bytearray()
    while len(received) < size and (part := client.recv(65536)):
        received += part
    return bytes(received)


def exchange(port, data):
    """Sends on a thread of its own: the server stops reading while nobody reads what it returns."""
    with connect(port) as client, concurrent.futures.ThreadPoolExecutor(1) as sender:
        sending = sender.submit(client.sendall, data)
        assert receive(client, len(data)) == data, f"{len(data)} bytes came back different"
        sending.result()
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b"", "the server did not end the connection after the client had"


def check_echo(port):
    messages = [bytes([number]) * size for number, size in enumerate((1, 64, 5000, 3_000_000) * 5)]
    with concurrent.futures.ThreadPoolExecutor(len(messages)) as clients:
        for done in [clients.submit(exchange, port, data) for data in messages]:
            done.result()


def check_interrupt(server, port):
    with connect(port) as silent:
        silent.sendall(b"x")
        assert receive(silent, 1) == b"x"
        begin = time.monotonic()
        server.send_signal(signal.SIGINT)
        assert silent.recv(1) == b"", "the server left a connection open"
        output, _ = server.communicate(timeout=LIMIT)
    assert time.monotonic() - begin < 5, "it took the server long to end"
    assert server.returncode == 0, f"the server ended with {server.returncode}"
    assert output.endswith("stopped\n"), output[-200:]
    try:
        connect(port).close()
    except ConnectionRefusedError:
        return
    raise AssertionError("somebody still listens")


def check_usage(program):
    for arguments in (["no-port"], ["65536"], ["-1"], ["1", "2"], [""]):
        run = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=LIMIT)
        assert run.returncode == 2 and run.stderr.startswith("usage: "), (arguments, run)


def main():
    program = sys.argv[1]
    server, port = start(program)
    try:
        check_echo(port)
        print("every client got back what it sent")
        check_interrupt(server, port)
        print("Ctrl-C ended the server")
    finally:
        server.kill()
    check_usage(program)
    print("wrong arguments are refused")


if __name__ == "__main__":
    main()
