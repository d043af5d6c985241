#!/usr/bin/env python3
"""Drives 17_tls_echo with the clients that others have written: examples/tls_echo_test.py PROGRAM

openssl s_client, gnutls-cli and socat get back what they send, over TLS 1.2 and 1.3; what does not shake hands
loses its connection, and nobody else notices.
"""

import functools
import pathlib
import random
import re
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "support"))
import running_example  # noqa: E402
from running_example import LIMIT, Server, call, wait_until  # noqa: E402

HANDSHAKE = 5  # seconds, within which the server wants it done
VERSIONS = ("1.2", "1.3")
LARGE = random.Random(1).randbytes(5_000_000)


def make_certificate(folder, name="localhost"):
    """The files of a certificate and of its key; nobody but itself vouches for it."""
    files = [str(pathlib.Path(folder, f"{name}-{part}.pem")) for part in ("certificate", "key")]
    call("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
         f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", "2", "-out", files[0], "-keyout", files[1])
    return files


def ask(client, what):
    client.sendall(what)
    assert client.recv(100) == what


class EchoServer(Server):
    def __init__(self, program, folder):
        self.folder = folder
        self.certificate, key = make_certificate(folder)
        super().__init__(program, "0", self.certificate, key)
        self.port = int(self.where)
        self.seen = 0  # lines of the log

    def tcp(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT)

    def tls(self):
        trusting = ssl.create_default_context(cafile=self.certificate)
        return trusting.wrap_socket(self.tcp(), server_hostname="localhost")

    def check_alive(self):
        with self.tls() as client:
            ask(client, b"still there?")
            client.unwrap().close()

    def expect_log(self, *patterns):
        """Since it was last called; the server needs a moment to find out."""
        wait_until(lambda: len(self.log()) >= self.seen + len(patterns), f"the server tells of {patterns}")
        lines = self.log()[self.seen:]
        assert len(lines) == len(patterns), lines
        for line, pattern in zip(lines, patterns):
            assert re.match(rf"weft: connection from \S+: .*{pattern}", line), (line, pattern)
        self.seen += len(lines)


def with_server(check):
    @functools.wraps(check)
    def check_one(program):
        with tempfile.TemporaryDirectory(prefix="weft-tls-") as folder, EchoServer(program, folder) as server:
            check(server)
    return check_one


class Typist:
    """Somebody at a terminal, who sends a line and waits until it is back."""

    def __init__(self, *command, errors=subprocess.STDOUT):
        self.command = command
        self.client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, bufsize=0)
        self.watchdog = threading.Timer(LIMIT, self.client.kill)
        self.watchdog.start()
        self.shown = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watchdog.cancel()
        self.client.kill()
        self.client.wait()
        self.client.stdout.close()
        self.client.stdin.close()

    def type(self, line):
        self.client.stdin.write(line + b"\n")

    def see(self, line):
        shown = b""
        while shown != line + b"\n":
            shown = self.client.stdout.readline()
            assert shown, (self.command, self.shown)
            self.shown += shown

    def end(self):
        self.client.stdin.close()
        self.shown += self.client.stdout.read()
        code = self.client.wait(LIMIT)
        assert code == 0, (self.command, code, self.shown)
        return self.shown.decode(errors="replace")


def converse(*command):
    with Typist(*command) as typist:
        for line in (b"hello through the tunnel", b"x" * 3000, b"and again"):
            typist.type(line)
            typist.see(line)
        return typist.end()


def s_client(port, certificate, *options):
    return ["openssl", "s_client", "-connect", f"localhost:{port}", "-CAfile", certificate, "-verify_return_error",
            "-verify_hostname", "localhost", *options]


@with_server
def check_openssl(server):
    """openssl s_client: lines, ALPN, new keys, and clients that the server or that the server's certificate fails"""
    client = s_client(server.port, server.certificate)
    for version in VERSIONS:
        exactly = f"-tls{version.replace('.', '_')}"
        shown = converse(*client, exactly, "-alpn", "other,echo")
        for expected in ("ALPN protocol: echo\n", "Verify return code: 0 (ok)\n", f"New, TLSv{version}, Cipher is "):
            assert expected in shown, (expected, shown)
        assert "No ALPN negotiated" in converse(*client, exactly)
        server.expect_log()
        assert b"no application protocol" in call(*client, exactly, "-alpn", "other", status=1).stderr
        server.expect_log("TLS handshake .*: no application protocol")
        # It knows nobody who vouches for the server.
        other = s_client(server.port, make_certificate(server.folder, "other")[0], exactly)
        assert b"certificate verify failed" in call(*other, status=1).stderr
        server.expect_log("TLS handshake .*alert")
    with Typist(*client, "-tls1_3") as typist:
        for command in (b"k", b"K", b"k"):  # s_client's own: new keys for itself, and for both
            for line in (b"hello again", command):
                typist.type(line)
                typist.see(b"KEYUPDATE" if line == command else line)
        typist.type(b"with new keys")
        typist.see(b"with new keys")
        typist.end()
    assert call(*client, "-tls1_1", status=1)
    server.expect_log("TLS handshake")


@with_server
def check_gnutls(server):
    """gnutls-cli: lines, ALPN, and a session that is taken up again"""
    for version in VERSIONS:
        client = ["gnutls-cli", "--x509cafile", server.certificate, "--port", str(server.port), "--alpn", "echo",
                  "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{version}"]
        shown = converse(*client, "localhost")
        for expected in ("- Status: The certificate is trusted.", f"(TLS{version}", "- Application protocol: echo"):
            assert expected in shown, (expected, shown)
        shown = converse(*client, "--resume", "--waitresumption", "localhost")
        assert "*** This is a resumed session" in shown, shown
    server.expect_log()


@with_server
def check_sessions(server):
    """openssl s_client: a session that is taken up again"""
    for version in VERSIONS:
        client = s_client(server.port, server.certificate, f"-tls{version.replace('.', '_')}")
        session = f"{server.folder}/session-{version}"
        assert f"New, TLSv{version}" in converse(*client, "-sess_out", session)
        assert f"Reused, TLSv{version}" in converse(*client, "-sess_in", session)
    server.expect_log()


@with_server
def check_large(server):
    """openssl s_client: more than the kernel keeps on the way"""
    for version in VERSIONS:
        client = s_client(server.port, server.certificate, "-quiet", "-no_ign_eof", "-nocommands", "-nbio",
                          f"-tls{version.replace('.', '_')}")
        with Typist(*client, errors=subprocess.DEVNULL) as typist:
            sender = threading.Thread(target=typist.client.stdin.write, args=(LARGE,))
            sender.start()
            received = bytearray()
            while len(received) < len(LARGE) and (part := typist.client.stdout.read(65536)):
                received += part
            assert received == LARGE, len(received)
            sender.join(LIMIT)
            typist.end()
    server.expect_log()


@with_server
def check_socat(server):
    """socat: data that is back after the client has ended its half"""
    address = f"OPENSSL:localhost:{server.port},cafile={server.certificate}"
    for data in (b"", b"some", LARGE[:200_000]):
        assert call("socat", f"-t{LIMIT}", "-", address, data=data).stdout == data, len(data)


def client_hello():
    outgoing = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def rest(client):
    """What comes until the server ends the connection, in whatever way."""
    received = b""
    try:
        while part := client.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received


@with_server
def check_strangers(server):
    """what is no TLS, or breaks off, loses its connection alone"""
    hello = client_hello()
    bystander = server.tls()
    for data, expected in ((b"GET / HTTP/1.0\r\n\r\n", "http request"), (b"what is your name?\n", ""),
                           (random.Random(2).randbytes(5000), ""), (bytes(5000), ""),
                           (hello[:5] + random.Random(3).randbytes(5000), "")):
        with server.tcp() as client:
            client.sendall(data)
            assert len(rest(client)) < 100, "more than an alert"
        server.expect_log("TLS handshake .*" + expected)
        server.check_alive()
    for data in (b"", hello[:1], hello[:len(hello) // 2], hello):
        for how in ("ends", "resets"):
            with server.tcp() as client:
                client.sendall(data)
                if data == hello:
                    assert client.recv(1) == b"\x16", "no answer to a client's first words"
                if how == "resets":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.check_alive()
    # A reset is nothing to tell of, and an end is one where words are left unread.
    server.expect_log(*["TLS handshake .*without TLS's end"] * 3)
    # After the handshake: an end that was not declared, a reset, and a record that is none.
    with server.tls() as client:
        ask(client, b"I am about to leave")
    server.expect_log("TLS read .*without TLS's end")
    with socket.socket(fileno=server.tls().detach()) as below:
        below.settimeout(LIMIT)
        below.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
        rest(below)
    server.expect_log("bad record")
    with bystander:
        ask(bystander, b"what was that?")
        bystander.unwrap().close()


@with_server
def check_silent(server):
    """who does not shake hands in time is left, and nobody waits for that"""
    hello = client_hello()
    with server.tls() as quiet, server.tcp() as silent, server.tcp() as stuck, server.tcp() as slow:
        begin = time.monotonic()
        stuck.sendall(hello[:100])
        slow.sendall(hello)
        server.check_alive()
        assert time.monotonic() - begin < HANDSHAKE - 1, "somebody had to wait"
        assert rest(silent) == rest(stuck) == b""
        rest(slow)
        took = time.monotonic() - begin
        assert HANDSHAKE - 0.5 < took < HANDSHAKE + 5, took
        server.expect_log(*["the time allowed is over"] * 3)
        ask(quiet, b"I have said little")
        quiet.unwrap().close()


def check_own_certificate(program):
    """without files it has a certificate of its own"""
    with Server(program, "0") as server, tempfile.NamedTemporaryFile("w") as shown:
        run = call("openssl", "s_client", "-connect", f"localhost:{server.where}")
        shown.write(re.search("-----BEGIN CERTIFICATE-----.*-----END CERTIFICATE-----\n", run.stdout.decode(),
                              re.DOTALL).group(0))
        shown.flush()
        converse(*s_client(server.where, shown.name))


@with_server
def check_interrupt(server):
    """Ctrl-C ends it, whoever is there"""
    with server.tls() as client, server.tcp() as silent:
        ask(client, b"x")
        begin = time.monotonic()
        server.interrupt()
        server.wait_until_closed()
        ask(client, b"some time is given")
        rest(silent)
        server.expect_end()
        assert time.monotonic() - begin < 4, "it took the server long to end"


def check_usage(program):
    """wrong arguments are refused, and files that do not fit"""
    running_example.check_usage(program, (["no-port"], ["65536"], ["0", "certificate"], ["0", "a", "b", "c"], [""]))
    with tempfile.TemporaryDirectory(prefix="weft-tls-") as folder:
        certificate, key = make_certificate(folder)
        other, _ = make_certificate(folder, "other")
        for files in ((f"{folder}/none", key), (certificate, f"{folder}/none"), (other, key), (key, certificate)):
            run = call(program, "0", *files, status=1)
            assert run.stderr.count(b"\n") == 1 and not run.stdout, run


def main():
    running_example.run(sys.argv[1], {
        "openssl": [check_silent, check_openssl, check_sessions, check_large, check_strangers, check_own_certificate,
                    check_interrupt, check_usage],
        "openssl gnutls-cli": [check_gnutls], "openssl socat": [check_socat]}, meanwhile=[check_silent])


if __name__ == "__main__":
    main()
