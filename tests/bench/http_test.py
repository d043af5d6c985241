#!/usr/bin/env python3
"""Goal: a server that answers wrongly gets no figures, and neither does a run in which one was lost.

Method: a small sound server, which must pass, and one planted fault at a time, which must be named.
"""

import email.utils
import pathlib
import re
import socketserver
import sys
import threading
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

from harness import http
from harness.model import BenchError


class Sound(socketserver.BaseRequestHandler):
    body = b"Hello, world!"
    fields = (b"Server: test", b"Content-Type: text/plain", b"Content-Length: 13")

    def handle(self):
        received = b""
        while self.serves(received):
            while b"\r\n\r\n" not in received and len(received) < 30_000:
                if not (more := self.request.recv(4096)):
                    return
                received += more
            head, _, received = received.partition(b"\r\n\r\n")
            if not self.is_sound(head):
                self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nno")
                self.request.shutdown(1)
                while self.request.recv(4096):
                    pass
                return
            last = b"Connection: close" in head
            self.request.sendall(self.answer(last))
            if last:
                return

    def serves(self, _received):
        return True

    def is_sound(self, head):
        line, *fields = head.split(b"\r\n")
        return (line == b"GET / HTTP/1.1" and any(f.lower().startswith(b"host:") for f in fields)
                and not re.search(rb"Content-Length: \D", head) and len(head) < 20_000)

    def date(self):
        return email.utils.formatdate(usegmt=True)

    def answer(self, last):
        fields = (*self.fields, b"Date: " + self.date().encode(),
                  b"Connection: " + (b"close" if last else b"keep-alive"))
        return b"\r\n".join((b"HTTP/1.1 200 OK", *fields, b"", self.body))


class WrongBody(Sound):
    body = b"Hello, World!"


class MissingField(Sound):
    fields = Sound.fields[::2]


class OldDate(Sound):
    def date(self):
        return "Sun, 06 Nov 1994 08:49:37 GMT"


class NoDate(Sound):
    def date(self):
        return "today"


class ForgetsWhatCameWithTheFirst(Sound):
    def serves(self, received):
        return not received


class StaysOpen(Sound):
    def answer(self, last):
        return super().answer(last) + (super().answer(last) if last else b"")


class TakesAnything(Sound):
    def is_sound(self, head):
        return True


class NeedsNoHost(Sound):
    def is_sound(self, head):
        return super().is_sound(head + b"\r\nHost: x")


PLANTED = {
    WrongBody: "the answer to a request is",
    MissingField: "the answer to a request is",
    OldDate: "the answer to a request is",
    NoDate: "the answer to a request is",
    ForgetsWhatCameWithTheFirst: "the answer to the second of three",
    StaysOpen: "after its last answer",
    TakesAnything: "a request with nonsense",
    NeedsNoHost: "a request with no Host field",
}


def check(handler):
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            return http.check_server(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


class Answers(unittest.TestCase):
    def test_sound_server_passes_with_the_length_of_its_answer(self):
        answer = (
            b"HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n"
            b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: keep-alive\r\n\r\nHello, world!"
        )
        self.assertEqual(check(Sound), len(answer))

    def test_planted_faults_are_named(self):
        for handler, message in PLANTED.items():
            with self.subTest(handler.__name__), self.assertRaisesRegex(BenchError, message):
                check(handler)


SOUND_RUN = {"requests": 1000, "bytes": 1000 * 150, "us": 2_000_000, "p50_us": 3, "p99_us": 9,
             "broken": 0, "refused": 0, "late": 0}


class Figures(unittest.TestCase):
    def test_figures_are_per_second_and_per_request(self):
        figures = http.Run(SOUND_RUN, cpu_s=0.5).figures(150, 100)
        self.assertEqual(figures, {"requests_per_s": 500, "server_cpu_us": 500, "p50_us": 3, "p99_us": 9})

    def test_parts_of_answers_at_the_end_are_no_fault(self):
        http.Run({**SOUND_RUN, "bytes": 1000 * 150 + 99 * 149}, 0.5).figures(150, 100)

    def test_any_failure_is_one(self):
        for fault in ({"requests": 0, "bytes": 0}, {"broken": 1}, {"refused": 1}, {"late": 1},
                      {"bytes": 1000 * 150 - 1}, {"bytes": 1000 * 151 + 100 * 150}):
            with self.subTest(fault), self.assertRaises(BenchError):
                http.Run({**SOUND_RUN, **fault}, 0.5).figures(150, 100)


if __name__ == "__main__":
    unittest.main()
