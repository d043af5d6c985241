#!/usr/bin/env python3
"""18_http_server with more peers than it has room for, and at its end: examples/http_crowd_test.py PROGRAM"""

import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "http"))
from running_server import HELLO, LIMIT, Server, run, wait_until  # noqa: E402

CROWD = 10_000
SPARE = 200  # descriptors for everything else
HOST = "Host: me\r\n"
GET = "GET / HTTP/1.1\r\n" + HOST + "\r\n"


def room_for_crowd():
    """How many connections the limit of descriptors permits, here and in the server, which inherits it."""
    wanted = CROWD + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    size = most - SPARE
    if size < CROWD:
        lacking = f"only {most} descriptors are permitted (ulimit -Hn), so {size} connections and not {CROWD}"
        assert os.environ.get("CI") != "true", lacking
        print(lacking)
    return size


def come_and_go(server, size):
    clients = []
    for _ in range(size):
        clients.append(server.client())
        if len(clients) % 1000 == 0:  # no more than fit into the backlog
            wait_until(lambda: server.descriptors() >= len(clients), "connections are accepted")
    for client in clients:
        client.send(GET)
    for client in clients:
        assert client.response().body == HELLO
    for number, client in enumerate(clients):
        if number % 3 == 0:
            client.send("GET / HT")
        if number % 2 == 0:
            client.reset()
        else:
            client.socket.close()
    wait_until(lambda: server.descriptors() < 50, "the descriptors are given back")
    server.check_alive()


def check_crowd(program):
    """thousands of connections come, are served and go, and memory is given back"""
    size = room_for_crowd()
    with Server(program, f"--connections={size}", "--idle=60") as server:
        come_and_go(server, size)
        resident = server.rss_kb()
        print(f"{size} connections at a time, {resident} kB afterwards")
        assert resident < 5_000 + 32 * size, resident
        # What a crowd has used is kept for the next, and given back when none comes.
        wait_until(lambda: server.rss_kb() < resident - 3_000, "memory is given back")


def check_leaks(program):
    """connections that have gone leave nothing behind"""
    # More than come at a time: some of the last round may not have been seen off.
    with Server(program, "--idle=60", "--connections=1100") as server:
        resident = []
        for _ in range(15):
            come_and_go(server, 1000)
            resident.append(server.rss_kb())
        print(f"1000 connections at a time, {resident} kB afterwards")
        # Now and then one uses a page more of its stack than any before it, until all have. A buffer that each left
        # behind would be 48 MB.
        grown = resident[-1] - resident[2]
        assert grown < 24_000, f"12,000 connections have left {grown} kB behind"


def check_exhaustion(program):
    """without descriptors the server waits, and serves again when there are some"""
    descriptors = 60
    with Server(program, "--idle=60", descriptors=descriptors) as server:
        before = server.descriptors()
        server.check_alive()
        wait_until(lambda: server.descriptors() == before, "the first client has gone")
        clients = [server.client() for _ in range(descriptors + 40)]
        for client in clients:
            client.send(GET)
        served = []
        wait_until(lambda: server.descriptors() >= descriptors, "all descriptors are taken")
        for client in clients:
            client.socket.settimeout(0.05)
            try:
                served.append((client, client.response().body == HELLO))
            except socket.timeout:
                break  # accepted in order, so those behind it wait as well
        assert descriptors // 2 < len(served) < descriptors and all(well for _, well in served), len(served)
        complaints, cpu = server.log(), cpu_seconds(server)
        time.sleep(0.5)
        assert cpu_seconds(server) - cpu < 0.25, "it burns CPU while it waits for descriptors"
        assert len(complaints) == 1 and "Too many open files" in complaints[0], complaints
        assert server.log() == complaints, "it says the same again"
        assert served[0][0].get().body == HELLO, "who is connected is not served"
        for client, _ in served:
            client.socket.close()
        for client in clients[len(served):]:
            client.socket.settimeout(LIMIT)
            assert client.response().body == HELLO
            client.socket.close()
        server.check_alive()
        wait_until(lambda: server.descriptors() <= before, "the descriptors are given back")


def cpu_seconds(server):
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # user and system


def refuses(server):
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it was in the backlog when the listener was closed
        pass
    return False


def check_drain(program):
    """SIGTERM and SIGINT: what has begun is answered, with Connection: close, and nothing else begins"""
    for number in (signal.SIGTERM, signal.SIGINT):
        server = Server(program)
        with server:
            idle, kept, slow, upload, half, stream = [server.client() for _ in range(6)]
            assert kept.get().body == HELLO
            slow.send("GET /slow/700 HTTP/1.1\r\n" + HOST + "\r\n" + GET)
            upload.send("POST /echo HTTP/1.1\r\n" + HOST + "Content-Length: 10\r\n\r\nfirst")
            half.send("GET / HTTP/1.1\r\n")
            stream.send("GET /chunks/8000 HTTP/1.1\r\n" + HOST + "\r\n")
            time.sleep(0.2)
            begin = time.monotonic()
            server.process.send_signal(number)
            assert server.process.stdout.readline() == "stopping\n"
            assert idle.rest() == kept.rest() == b"", "a connection that waits for nothing is not closed"
            wait_until(lambda: refuses(server), "nobody listens any more")
            assert time.monotonic() - begin < 0.5, "it waited although there was nothing to wait for"
            for client, rest, body in ((upload, "-last", b"first-last"), (half, HOST + "\r\n", HELLO),
                                       (slow, "", b"done\n")):
                answer = client.send(rest).response()
                assert answer.body == body and answer.fields["connection"] == "close", answer
                assert client.rest() == b"", "something follows the last answer"
                client.socket.close()
            assert stream.response().body.count(b"\n") == 8000
            assert stream.rest() == b""
            stream.socket.close()
            assert server.process.wait(LIMIT) == 0
            assert time.monotonic() - begin < 2
            assert server.process.stdout.read() == "stopped\n"
            assert not server.log(), server.log()
            idle.socket.close()
            kept.socket.close()
            server.stop = lambda: None


def check_drain_limit(program):
    """what takes too long is cut off at the end of the time for that; a second signal ends it at once"""
    for second in (False, True):
        server = Server(program, "--drain=1", "--request=60")
        with server, server.client() as endless, server.client(receive_buffer=4096) as stuck:
            endless.send("GET /slow/60000 HTTP/1.1\r\n" + HOST + "\r\n")
            stuck.send("GET /chunks/1000000000 HTTP/1.1\r\n" + HOST + "\r\n")
            time.sleep(0.2)
            begin = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert server.process.stdout.readline() == "stopping\n"
            if second:
                server.process.send_signal(signal.SIGTERM)
            code = server.process.wait(LIMIT)
            took = time.monotonic() - begin
            if second:
                assert took < 0.8 and code == -signal.SIGINT, (took, code)
            else:
                assert 0.9 < took < 5 and code == 0, (took, code)
                assert endless.rest() == b"" and stuck.is_reset()
            server.stop = lambda: None


def check_wrong_calls(program):
    """wrong calls are refused"""
    for wrong in (["--port=x"], ["--port=65536"], ["--head=0"], ["--connections=0"], ["--colour"], ["8080"],
                  ["--body-bytes=-1"], ["--idle"]):
        call = subprocess.run([program, *wrong], capture_output=True, text=True, timeout=LIMIT)
        assert call.returncode == 2 and "usage: " in call.stderr and not call.stdout, (wrong, call)
    with Server(program) as server:
        call = subprocess.run([program, f"--port={server.port}"], capture_output=True, text=True, timeout=LIMIT)
        assert call.returncode == 1 and "Address already in use" in call.stderr, call


def main():
    run(sys.argv[1], [check_drain, check_drain_limit, check_exhaustion, check_crowd, check_leaks, check_wrong_calls])


if __name__ == "__main__":
    main()
