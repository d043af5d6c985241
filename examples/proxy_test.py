#!/usr/bin/env python3
"""Drives 15_proxy between clients and servers that know nothing of it: examples/proxy_test.py PROGRAM

curl, ab and socat on the one side, servers in Python on the other: what passes must be what was sent, ends included.
"""

import contextlib
import hashlib
import http.server
import pathlib
import random
import re
import socket
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "support"))
import running_example  # noqa: E402
from running_example import LIMIT, Server, call, wait_until  # noqa: E402

LARGE = random.Random(1).randbytes(20_000_000)
HELLO = b"hello, world\n"


def digest(data):
    return hashlib.sha256(data).hexdigest().encode()


class Proxy(Server):
    def __init__(self, program, port):
        super().__init__(program, "0", "127.0.0.1", str(port))
        self.url = f"http://127.0.0.1:{self.where}"
        self.address = f"TCP:127.0.0.1:{self.where}"

    def rss_kb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1))

    def client(self, receive_buffer=None):
        client = socket.socket()
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(LIMIT)
        client.connect(("127.0.0.1", int(self.where)))
        return client


class Pages(http.server.BaseHTTPRequestHandler):
    """/ and /large; what is posted is answered by its digest."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer({"/": HELLO, "/large": LARGE}[self.path])

    def do_POST(self):
        self.answer(digest(self.rfile.read(int(self.headers["Content-Length"]))))

    def answer(self, page):
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        if self.close_connection:
            self.send_header("Connection", "close")
        elif self.request_version == "HTTP/1.0":
            self.send_header("Connection", "keep-alive")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass


class Site(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextlib.contextmanager
def proxy_to_site(program):
    with Site(("127.0.0.1", 0), Pages) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        try:
            with Proxy(program, site.server_port) as proxy:
                yield proxy
                assert not proxy.log(), proxy.log()
        finally:
            site.shutdown()


class Upstream:
    """Each connection is given to `serve`, in a thread of its own."""

    def __init__(self, serve, listener=None):
        self.serve = serve
        self.listener = listener or socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            connection.settimeout(LIMIT)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            self.serve(connection)


def rest(connection):
    """What comes until the other side ends the connection."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def wait_for_end(connection):
    """In whatever way it comes."""
    with contextlib.suppress(ConnectionResetError):
        rest(connection)


def tell_digest(connection):
    """Needs to be told of the end, before it says anything."""
    connection.sendall(digest(rest(connection)))


def check_curl(program):
    """curl: pages and uploads, small and large"""
    def curl(*arguments):
        return call("curl", "-sS", "--max-time", str(LIMIT), *arguments).stdout

    with proxy_to_site(program) as proxy, tempfile.NamedTemporaryFile() as body:
        body.write(LARGE)
        body.flush()
        assert curl(proxy.url) == HELLO
        assert curl("-0", proxy.url) == HELLO
        assert curl(*[proxy.url] * 20) == HELLO * 20
        assert digest(curl(f"{proxy.url}/large")) == digest(LARGE)
        assert curl("-d", "some", proxy.url) == digest(b"some")
        assert curl("--data-binary", f"@{body.name}", proxy.url) == digest(LARGE)
        at_once = curl("--parallel", "--parallel-immediate", f"{proxy.url}/large", *[proxy.url] * 10)
        assert len(at_once) == len(LARGE) + 10 * len(HELLO)


def check_ab(program):
    """ab: no failed request, whether connections are kept or not"""
    with proxy_to_site(program) as proxy:
        for options in ([], ["-k"]):
            report = call("ab", "-q", "-n", "300", "-c", "20", *options, f"{proxy.url}/").stdout.decode()
            assert "Complete requests:      300\n" in report, report
            assert "Failed requests:        0\n" in report and "Non-2xx" not in report, report
            assert f"HTML transferred:       {300 * len(HELLO)} bytes\n" in report, report


def check_socat(program):
    """socat: a client that has ended its half gets its answer"""
    with Proxy(program, Upstream(tell_digest).port) as proxy:
        for data in (b"", b"some", LARGE):
            assert call("socat", f"-t{LIMIT}", "-", proxy.address, data=data).stdout == digest(data), len(data)
        assert not proxy.log(), proxy.log()


def check_other_half(program):
    """a server that has ended its half hears the client out"""
    received = []

    def greet(connection):
        connection.sendall(HELLO)
        connection.shutdown(socket.SHUT_WR)
        received.append(rest(connection))

    with Proxy(program, Upstream(greet).port) as proxy, proxy.client() as client:
        assert rest(client) == HELLO
        client.sendall(b"you were ")
        client.sendall(b"fast")
        client.close()
        wait_until(lambda: received, "the server hears the end")
        assert received == [b"you were fast"], received


def check_refused(program):
    """a server that is not there costs the client its connection, and the next one nothing"""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # nobody else will listen there
        with Proxy(program, listener.getsockname()[1]) as proxy:
            for number in (1, 2, 3):
                with proxy.client() as client:
                    assert rest(client) == b""
                wait_until(lambda: len(proxy.log()) >= number, "the proxy tells of it")
                assert len(proxy.log()) == number and "Connection refused" in proxy.log()[-1], proxy.log()
            listener.listen()
            Upstream(tell_digest, listener)
            with proxy.client() as client:
                client.sendall(b"at last")
                client.shutdown(socket.SHUT_WR)
                assert rest(client) == digest(b"at last")


def check_resets(program):
    """who breaks off has broken off for the other side, too"""
    ends = []

    def send_little(connection):
        connection.sendall(HELLO)
        wait_for_end(connection)
        ends.append("heard")

    def send_for_ever(connection):
        try:
            while True:
                connection.sendall(bytes(65536))
        finally:
            ends.append("met")

    for serve in (send_little, send_for_ever):
        ends.clear()
        with Proxy(program, Upstream(serve).port) as proxy:
            for number in range(1, 6):
                client = proxy.client()
                assert client.recv(len(HELLO))
                reset(client)
                wait_until(lambda: len(ends) == number, f"{serve.__name__} hears the end")
    for before in (b"", HELLO, LARGE[:3_000_000]):
        def break_off(connection):
            connection.recv(1)
            connection.sendall(before)
            reset(connection)

        with Proxy(program, Upstream(break_off).port) as proxy:
            for _ in range(3):
                with proxy.client() as client:
                    client.sendall(b"x")
                    wait_for_end(client)

def check_flow(program):
    """what the client does not take yet the proxy does not keep, and nothing of it is lost"""
    sent = [0]

    def send_large(connection):
        for begin in [*range(0, len(LARGE), 50_000)] * 2:
            connection.sendall(LARGE[begin:begin + 50_000])
            sent[0] += 50_000

    def stands_still():
        before = sent[0]
        time.sleep(0.3)
        return sent[0] == before

    with Proxy(program, Upstream(send_large).port) as proxy, proxy.client(receive_buffer=65536) as client:
        before = proxy.rss_kb()
        assert client.recv(1) == LARGE[:1]
        wait_until(stands_still, "all that there is room for has been sent")  # the kernel may have room for much
        grown = proxy.rss_kb() - before
        assert grown < 5_000, f"the proxy keeps {grown} KB"
        assert digest(LARGE[:1] + rest(client)) == digest(LARGE * 2)
        assert not proxy.log(), proxy.log()


def check_interrupt(program):
    """Ctrl-C takes no more clients, lets those that are there finish, and ends"""
    with proxy_to_site(program) as proxy, proxy.client(receive_buffer=65536) as client:
        client.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        assert client.recv(1) == b"H"
        proxy.interrupt()
        proxy.wait_until_closed()
        assert rest(client).endswith(b"\r\n\r\n" + LARGE)
        client.close()
        proxy.expect_end()


def check_usage(program):
    """wrong arguments are refused"""
    running_example.check_usage(program, (["0"], ["0", "localhost"], ["x", "localhost", "80"], ["0", "localhost", "0"],
                                          ["65536", "localhost", "80"], ["0", "localhost", "80", "81"], [""]))


def main():
    running_example.run(sys.argv[1], {
        "curl": [check_curl], "ab": [check_ab], "socat": [check_socat],
        "": [check_other_half, check_refused, check_resets, check_flow, check_interrupt, check_usage]})


if __name__ == "__main__":
    main()
