"""18_http_server as a test sees it: started on a free port, asked through sockets, and looked at from outside."""

import pathlib
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from checks import LIMIT, SKIPPED, timed, wait_until  # noqa: E402, F401

HELLO = b"hello, world\n"


class Response:
    def __init__(self, head, body):
        line, *fields = head.decode("latin-1").split("\r\n")
        self.version, status, self.reason = line.split(" ", 2)
        self.status = int(status)
        self.fields = {name.lower(): value.strip() for name, _, value in (f.partition(":") for f in fields)}
        self.body = body

    def __repr__(self):
        return f"<{self.status} {self.reason} {self.fields} {self.body[:80]!r}>"


class Client:
    """A connection that says exactly what it is told to."""

    def __init__(self, port, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(LIMIT)
        self.socket.connect(("127.0.0.1", port))
        self.received = bytearray()  # whose front goes cheaply

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
        return self

    def end(self):
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _more(self):
        part = self.socket.recv(65536)
        if not part:
            raise EOFError(f"the connection ended after {bytes(self.received[-200:])!r}")
        self.received += part

    def _until(self, end):
        while end not in self.received:
            self._more()
        text = self._exactly(self.received.index(end))
        del self.received[:len(end)]
        return text

    def _exactly(self, size):
        while len(self.received) < size:
            self._more()
        text = bytes(self.received[:size])
        del self.received[:size]
        return text

    def response(self, to_head=False):
        """The next answer; raises EOFError if the connection ends before it does."""
        answer = Response(self._until(b"\r\n\r\n"), b"")
        if to_head or answer.status < 200:
            return answer
        if answer.fields.get("transfer-encoding") == "chunked":
            parts = []
            while size := int(self._until(b"\r\n"), 16):
                parts.append(self._exactly(size))
                assert self._exactly(2) == b"\r\n", "no end of line behind a chunk"
            assert self._exactly(2) == b"\r\n", "no end of line behind the last chunk"
            answer.body = b"".join(parts)
        elif "content-length" in answer.fields:
            answer.body = self._exactly(int(answer.fields["content-length"]))
        else:
            answer.body = self.rest()
        return answer

    def get(self, path="/"):
        return self.send(f"GET {path} HTTP/1.1\r\nHost: me\r\n\r\n").response()

    def rest(self):
        """What comes until the server ends the connection."""
        while part := self.socket.recv(65536):
            self.received += part
        return self._exactly(len(self.received))

    def is_reset(self):
        """Whether the server breaks the connection off, rather than to end it."""
        try:
            self.rest()
        except ConnectionResetError:
            return True
        return False


class Server:
    def __init__(self, program, *options, descriptors=None):
        def prepare():
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        self.program = program
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [program, "--host=127.0.0.1", "--port=0", "--log", *options], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=self.errors, text=True, preexec_fn=prepare)
        line = self.process.stdout.readline()
        port = re.fullmatch(r"listening on port (\d+), SIGTERM or Ctrl-C ends\n", line)
        if not port:
            self.process.kill()
            sys.exit(f"the first line is {line!r}; {self.log()}")
        self.port = int(port.group(1))
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        """What was well until here must end well: a server that has died, or cannot stop, has failed."""
        try:
            if kind is None:
                self.stop()
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            if kind is not None:
                print("the server's log ends with", *self.log()[-20:], sep="\n  ", flush=True)
            self.errors.close()

    def log(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace").splitlines()

    def client(self, **options):
        return Client(self.port, **options)

    def check_alive(self):
        """That somebody else is served, and soon."""
        begin = time.monotonic()
        with self.client() as client:
            assert client.get().body == HELLO
        took = time.monotonic() - begin
        assert took < 5, f"an ordinary client waited for {took:.1f} s"

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(LIMIT)
        assert code == 0, f"the server ended with {code}"
        assert self.process.stdout.read().endswith("stopped\n")

    def rss_kb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1))

    def descriptors(self):
        return len(list(pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir()))


def run(program, checks):
    """Each check is called with the program; its first line of documentation says what has been seen."""
    for check in checks:
        with timed(check.__doc__.splitlines()[0]):
            check(program)
