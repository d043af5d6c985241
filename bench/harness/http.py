"""Runs one HTTP server under wrk, after a look at what it answers."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from .echo import pinned_to, running_server
from .model import BenchError, Case, Setting
from .programs import BENCH

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST_REQUEST = b"GET / HTTP/1.1\r\nhOsT: localhost\r\nConnection: close\r\n\r\n"
BAD_REQUESTS = {
    "nonsense": b"nonsense\r\n\r\n",
    "no Host field": b"GET / HTTP/1.1\r\nHostile: localhost\r\n\r\n",
    "a version to come": b"GET / HTTP/3.7\r\nHost: localhost\r\n\r\n",
    "a length that is none": REQUEST[:-2] + b"Content-Length: many\r\n\r\n",
    "a head without end": REQUEST[:-2] + b"Field: " + b"x" * 40_000,
}
REFUSALS = (b"400", b"431", b"505")
ANSWER_LIMIT_S = 5
DATE_SLACK_S = 5


def expected_answer(connection: str) -> bytes:
    """Its fields in alphabetical order; `*` is the name of the server and the date."""
    return (
        b"HTTP/1.1 200 OK\r\n"
        b"Connection: %s\r\nContent-Length: 13\r\nContent-Type: text/plain\r\nDate: *\r\nServer: *\r\n"
        b"\r\nHello, world!"
    ) % connection.encode()


def comparable(answer: bytes, now: float) -> bytes:
    """Sorts the fields, and puts a star for the server's name and for a date that is right."""
    head, end, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.split(b"\r\n")
    for i, field in enumerate(fields):
        name, _, value = field.partition(b": ")
        if name == b"Server" and value:
            fields[i] = b"Server: *"
        if name == b"Date" and _is_date_about(value.decode("latin-1"), now):
            fields[i] = b"Date: *"
    return b"\r\n".join((status, *sorted(fields))) + end + body


def _is_date_about(text: str, now: float) -> bool:
    if not re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", text):
        return False
    try:
        return abs(parsedate_to_datetime(text).timestamp() - now) < DATE_SLACK_S
    except ValueError:
        return False


class Peer:
    """A client that sends what it is told to, and reads one answer at a time."""

    def __init__(self, port: int):
        self._socket = socket.create_connection(("127.0.0.1", port), ANSWER_LIMIT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self._socket.makefile("rb")

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_) -> None:
        self._stream.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self) -> bytes:
        """Empty at the end of the stream."""
        lines = []
        while (line := self._stream.readline()) not in (b"", b"\r\n"):
            lines.append(line)
        head = b"".join(lines)
        length = re.search(rb"^Content-Length: (\d+)\r$", head, re.MULTILINE)
        # An answer without a length ends with its connection.
        return head + line + self._stream.read(int(length[1]) if length else -1)


def check_server(port: int) -> int:
    """Raises BenchError for the first wrong answer; returns the length of a right one."""
    with Peer(port) as peer:
        peer.send(REQUEST)
        length = _check_answer(peer, "a request", "keep-alive")
        for i in range(len(REQUEST)):
            peer.send(REQUEST[i : i + 1])
            time.sleep(0.0005)
        _check_answer(peer, "a request byte by byte", "keep-alive")
        peer.send(REQUEST + REQUEST + LAST_REQUEST)
        _check_answer(peer, "the first of three requests at once", "keep-alive")
        _check_answer(peer, "the second of three requests at once", "keep-alive")
        _check_answer(peer, "a last request", "close")
        if rest := peer.answer():
            raise BenchError(f"after its last answer the server sent {rest[:200]!r}")
    for what, request in BAD_REQUESTS.items():
        with Peer(port) as peer:
            peer.send(request)
            answer = peer.answer()
            if answer.split(b" ")[1:2] not in ([code] for code in REFUSALS) or peer.answer():
                raise BenchError(f"to a request with {what} the server answered {answer[:200]!r}")
    return length


def _check_answer(peer: Peer, what: str, connection: str) -> int:
    answer = peer.answer()
    found, expected = comparable(answer, time.time()), expected_answer(connection)
    if found != expected:
        raise BenchError(f"the answer to {what} is {found!r}, it should be {expected!r}")
    return len(answer)


def server_cpu_s(pid: int) -> float:
    """The CPU time of a process and of its descendants, in more detail than /proc tells it."""
    processes = [pid]
    for process in processes:
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            processes += map(int, children.read_text().split())
    return sum(time.clock_gettime(~process << 3 | 2) for process in processes)  # CPUCLOCK_SCHED


@dataclass(frozen=True)
class Run:
    """What wrk says, and the server's CPU time meanwhile."""

    wrk: dict
    cpu_s: float

    def figures(self, answer_length: int, connections: int) -> dict[str, float]:
        """Raises BenchError unless every request was answered, and rightly as far as lengths tell."""
        wrk = self.wrk
        if wrk["requests"] == 0 or wrk["broken"] or wrk["refused"] or wrk["late"]:
            raise BenchError(f"wrk saw failures: {wrk}")
        # Each connection may have got a part of one more answer when the time was over.
        surplus = wrk["bytes"] - wrk["requests"] * answer_length
        if not 0 <= surplus <= connections * answer_length:
            raise BenchError(f"answers differ in length from {answer_length} bytes: {wrk}")
        return {
            "requests_per_s": wrk["requests"] / wrk["us"] * 1e6,
            "server_cpu_us": self.cpu_s / wrk["requests"] * 1e6,
            "p50_us": wrk["p50_us"],
            "p99_us": wrk["p99_us"],
        }


def require_wrk() -> str:
    wrk = shutil.which("wrk")
    if wrk is None:
        raise BenchError("the http workload needs wrk (Debian: wrk)")
    return wrk


def _load(pid: int, port: int, connections: int, seconds: int, cpu: int | None) -> Run:
    command = [require_wrk(), "--threads=1", f"--connections={connections}", f"--duration={seconds}s"]
    command += [f"--script={BENCH / 'http/figures.lua'}", f"http://127.0.0.1:{port}/"]
    before = server_cpu_s(pid)
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds + 30, preexec_fn=pinned_to(cpu)
    )
    cpu_s = server_cpu_s(pid) - before
    try:
        return Run(json.loads(done.stdout.splitlines()[-1]), cpu_s)
    except (IndexError, json.JSONDecodeError) as error:
        raise BenchError(f"wrk ended with status {done.returncode}: {done.stdout}{done.stderr}") from error


def run_http(case: Case, setting: Setting) -> dict[str, float]:
    """With one worker, server and load have a CPU each; with more the kernel places them.

    wrk keeps no warm-up apart from the rest, so that is a run of its own. The server's CPU time and
    the requests are those of the whole run, connecting included.
    """
    pinned = case.workers == 1
    connections = dict(case.params)["connections"]
    load_cpu = setting.load_cpu if pinned else None
    program = setting.programs(case.workload.name, case.runtime)
    with running_server(case, program, setting.server_cpu if pinned else None) as (pid, port):
        try:
            length = check_server(port)
            for _ in ("warm-up", "run"):
                run = _load(pid, port, connections, 1, load_cpu)
                figures = run.figures(length, connections)
        except (BenchError, OSError, subprocess.TimeoutExpired) as error:
            raise BenchError(f"{case.label}: {error}") from error
    return figures
