#!/usr/bin/env python3
"""Drives 14_chat from several terminals, over TCP and over a Unix socket: examples/chat_test.py PROGRAM

Each member is a socat that a person could have started. They come and go, are killed, fall asleep, say too much.
"""

import concurrent.futures
import contextlib
import errno
import functools
import pathlib
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "support"))
import running_example  # noqa: E402
from running_example import LIMIT, Server, call, wait_until  # noqa: E402


class Member:
    def __init__(self, address, name=None):
        self.name = name
        self.process = subprocess.Popen(["socat", "-t0.1", "-", address], bufsize=0, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.heard = queue.SimpleQueue()  # "" stands for the end
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        self.expect("your name?")
        if name is not None:
            self.say(name)

    def _listen(self):
        with self.process.stdout as output:
            for line in iter(output.readline, b""):
                self.heard.put(line.decode().removesuffix("\n"))
        self.heard.put("")

    def say(self, text, end="\n"):
        self.process.stdin.write((text + end).encode())

    def hear(self):
        try:
            return self.heard.get(timeout=LIMIT)
        except queue.Empty:
            raise AssertionError(f"{self.name} has heard nothing for {LIMIT} s") from None

    def expect(self, *lines):
        for line in lines:
            heard = self.hear()
            assert heard == line, f"{self.name} hears {heard!r} instead of {line!r}"

    def leave(self):
        self.process.stdin.close()
        self.expect_end()

    def expect_end(self, *lines):
        self.expect(*lines, "")
        code = self.process.wait(LIMIT)
        assert code == 0, f"{self.name}: socat ended with {code}"

    def gone(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.listener.join(LIMIT)


class Room:
    """A server, over TCP or a Unix socket, and who has come to it."""

    def __init__(self, program, kind, folder):
        self.exits = contextlib.ExitStack()
        self.server = Server(program, kind, "0" if kind == "tcp" else f"{folder}/room")
        self.address = f"TCP:127.0.0.1:{self.server.where}" if kind == "tcp" else f"UNIX-CONNECT:{self.server.where}"

    def __enter__(self):
        self.exits.enter_context(self.server)  # so that it ends last
        return self

    def __exit__(self, *what):
        return self.exits.__exit__(*what)

    def stranger(self, name=None):
        member = Member(self.address, name)
        self.exits.callback(member.gone)
        return member

    def enter(self, name, others=()):
        member = self.stranger(name)
        member.expect("welcome")
        for other in others:
            other.expect(f"* {name} came")
        return member


def over(*kinds):
    """The check is called with a room of each kind, at the same time."""
    def decorate(check):
        def check_one(program, kind):
            with tempfile.TemporaryDirectory(prefix="weft-chat-") as folder, Room(program, kind, folder) as room:
                check(room)

        @functools.wraps(check)
        def check_each(program):
            with concurrent.futures.ThreadPoolExecutor() as threads:
                for done in [threads.submit(check_one, program, kind) for kind in kinds]:
                    done.result()

        return check_each
    return decorate


@over("tcp", "unix")
def check_talk(room):
    """what one says the others hear, and who came and left"""
    anna = room.enter("anna")
    ben = room.enter("ben", [anna])
    carl = room.enter("carl", [anna, ben])
    anna.say("hello")
    ben.expect("anna: hello")
    carl.expect("anna: hello")
    carl.say("grüß dich: anna")
    anna.expect("carl: grüß dich: anna")
    ben.expect("carl: grüß dich: anna")
    ben.say("")
    anna.expect("ben: ")
    carl.expect("ben: ")
    for text in ("in ", "pieces", "\n", "and two\nat ", "once\n"):
        anna.say(text, end="")
        time.sleep(0.02)
    carl.expect("anna: in pieces", "anna: and two", "anna: at once")
    room.stranger("ben").expect_end("that name is taken")
    room.stranger("").expect_end()
    room.stranger().leave()
    carl.say("no end of li", end="")
    carl.leave()
    anna.expect("carl: no end of li", "* carl left")
    # A name is free again once its bearer has left.
    carl = room.enter("carl", [anna])
    carl.leave()
    anna.expect("* carl left")
    assert not room.server.log(), room.server.log()


@over("tcp", "unix")
def check_killed(room):
    """a member that is killed has left"""
    anna, ben = room.enter("anna"), room.enter("ben")
    anna.expect("* ben came")
    for unheard in (False, True):
        carl = room.enter("carl", [anna, ben])
        if unheard:  # then its end is a reset
            carl.process.send_signal(signal.SIGSTOP)
            anna.say("are you there?")
            ben.expect("anna: are you there?")
        carl.process.kill()
        for other in (anna, ben):
            other.expect("* carl left")
        carl.process.wait(LIMIT)
        anna.say("poor carl")
        ben.expect("anna: poor carl")


@over("tcp", "unix")
def check_long_lines(room):
    """a line that is too long ends the member that says it, and no other"""
    anna, ben = room.enter("anna"), room.enter("ben")
    anna.expect("* ben came")
    for number, (line, end) in enumerate((("x" * 1000, "\n"), ("x" * 5000, ""), ("x" * 3000 + "\nand more", "\n")), 1):
        carl = room.enter("carl", [anna, ben])
        carl.say("y" * 999)
        carl.say(line, end)
        for other in (anna, ben):
            other.expect("carl: " + "y" * 999, "* carl left")
        carl.expect("")
        anna.say("how much!")
        ben.expect("anna: how much!")
        told = [line for line in room.server.log() if "no delimiter within 1000 bytes" in line]
        assert len(told) == number, room.server.log()
    room.stranger("n" * 100).expect("")
    room.enter("m" * 99, [anna, ben]).leave()


@over("tcp", "unix")
def check_crowd(room):
    """everybody hears everybody, in the order in which each has spoken"""
    names = [f"member{number}" for number in range(8)]
    members = []
    for name in names:
        members.append(room.enter(name, members))
    for member in members:
        member.say("".join(f"{number}\n" for number in range(8)), end="")
    for member in members:
        heard = [member.hear().split(": ") for _ in range(8 * 7)]
        for name in names:
            said = [what for who, what in heard if who == name]
            assert said == ([] if name == member.name else [str(number) for number in range(8)]), (member.name, heard)


@over("unix")  # where the kernel keeps less
def check_sleeper(room):
    """a member that does not listen is shown out, and holds up nobody"""
    anna, ben = room.enter("anna"), room.enter("ben")
    anna.expect("* ben came")
    sleeper = room.enter("sleeper", [anna, ben])
    sleeper.process.send_signal(signal.SIGSTOP)
    begin = time.monotonic()
    lines, slowest, is_there = 0, 0, True
    while is_there:
        asked = time.monotonic()
        assert asked - begin < LIMIT, f"the sleeper is still in the room after {lines} lines"
        anna.say("\n".join(["x" * 990] * 30))  # no more at once than ben's outbox has room for
        lines += 30
        for _ in range(30):
            while (heard := ben.hear()) == "* sleeper left":
                is_there = False
            assert heard == "anna: " + "x" * 990, heard
        slowest = max(slowest, time.monotonic() - asked)
        if lines > 1000:  # more than the kernel keeps; the rest is a matter of time
            time.sleep(0.1)
    anna.expect("* sleeper left")
    assert slowest < 2, f"ben had to wait for {slowest:.1f} s"
    sleeper.process.send_signal(signal.SIGCONT)
    while sleeper.hear():
        pass


@over("tcp")
def check_interrupt(room):
    """Ctrl-C takes no more members, gives those in the room a while, and ends"""
    anna, ben = room.enter("anna"), room.enter("ben")
    anna.expect("* ben came")
    begin = time.monotonic()
    room.server.interrupt()
    room.server.wait_until_closed()
    anna.say("good night")
    ben.expect("anna: good night")
    ben.leave()
    anna.expect("* ben left")
    anna.expect_end()
    room.server.expect_end()
    took = time.monotonic() - begin
    assert took < 10, f"the last member was there for {took:.1f} s"


def refuses(path):
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == errno.ECONNREFUSED


def check_files(program):
    """a Unix socket that a dead server has left is replaced, and nothing else is"""
    with tempfile.TemporaryDirectory(prefix="weft-chat-") as folder:
        path = pathlib.Path(folder, "room")
        killed = Server(program, "unix", str(path))
        killed.process.kill()
        killed.process.wait(LIMIT)
        killed.process.stdout.close()
        assert path.is_socket(), "it leaves no file, so there is nothing to be seen here"
        # The kernel takes a while to undo an io_uring, and what that waited for listens until then.
        wait_until(lambda: refuses(str(path)), "nobody listens any more")
        with Room(program, "unix", folder) as room:
            anna = room.enter("anna")
            run = call(program, "unix", str(path), status=1)
            assert b"Address already in use" in run.stderr and not run.stdout, run
            room.enter("ben", [anna]).leave()
            anna.expect("* ben left")
        assert not path.exists(), "it leaves its file behind"
        path.write_text("a text")
        run = call(program, "unix", str(path), status=1)
        assert b"Address already in use" in run.stderr and path.read_text() == "a text", run


def check_usage(program):
    """wrong arguments are refused"""
    running_example.check_usage(program, (["udp"], ["unix"], ["tcp", "no-port"], ["tcp", "65536"], ["tcp", "1", "2"],
                                          ["unix", "a", "b"], [""]))
    run = call(program, "unix", "/dev/null/room", status=1)
    assert b"Not a directory" in run.stderr, run


def main():
    running_example.run(sys.argv[1], {
        "socat": [check_sleeper, check_interrupt, check_talk, check_killed, check_long_lines, check_crowd, check_files],
        "": [check_usage]}, meanwhile=(check_sleeper, check_interrupt))


if __name__ == "__main__":
    main()
