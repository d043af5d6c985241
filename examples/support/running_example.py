"""An example that serves until Ctrl-C, and the tools that talk to it, as a test sees them."""

import concurrent.futures
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

from checks import LIMIT, SKIPPED, timed, wait_until  # noqa: F401

# A shell starts what runs in the background with SIGINT ignored, and children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Server:
    """At the end of the block Ctrl-C must have ended it, or must do so now."""

    def __init__(self, *command):
        self.ended = False
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True)
        watchdog = threading.Timer(LIMIT, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        where = re.fullmatch(r"listening on (?:port )?(.+), Ctrl-C ends\n", line)
        if not where:
            self.process.kill()
            raise AssertionError(f"the first line is {line!r}; {self.log()}")
        self.where = where.group(1)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None and not self.ended:
                self.interrupt()
                self.expect_end()
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            if kind is not None:
                print("the server's log ends with", *self.log()[-20:], sep="\n  ", flush=True)
            self.errors.close()

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def wait_until_closed(self):
        """Until nobody listens any more on its port."""
        def refuses():
            try:
                socket.create_connection(("127.0.0.1", int(self.where)), LIMIT).close()
            except ConnectionError:
                return True
            return False

        wait_until(refuses, "nobody listens any more")

    def expect_end(self):
        self.ended = True
        end = (self.process.wait(LIMIT), self.process.stdout.read())
        assert end == (0, "stopped\n"), (end, self.log())

    def log(self):
        """What it says of its clients, a line each."""
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace").splitlines()


def call(*command, data=None, status=0):
    run = subprocess.run(command, input=data or b"", capture_output=True, timeout=LIMIT)
    assert run.returncode == status, (command, run.returncode, run.stdout[-500:], run.stderr[-2000:])
    return run


def check_usage(program, wrong_calls):
    for arguments in wrong_calls:
        run = subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             timeout=LIMIT)
        assert run.returncode == 2 and run.stderr.startswith("usage: ") and not run.stdout, (arguments, run)


def run(program, checks, meanwhile=()):
    """`checks` by the tools that they need. Each is called with the program; its documentation says what has been
    seen. Those that mostly wait are in `meanwhile`, too."""
    def perform(check):
        with timed(check.__doc__):
            check(program)

    missing = {tool for tools in checks for tool in tools.split() if shutil.which(tool) is None}
    wanted = [check for tools in checks if not missing & set(tools.split()) for check in checks[tools]]
    with concurrent.futures.ThreadPoolExecutor() as waiting:
        begun = [waiting.submit(perform, check) for check in wanted if check in meanwhile]
        for check in wanted:
            if check not in meanwhile:
                perform(check)
        for done in begun:
            done.result()
    if missing:
        print(f"skipped, since not installed: {' '.join(sorted(missing))}")
        sys.exit(SKIPPED)
