"""What the tests of examples share, whatever they drive: how long to wait, and what they say."""

import contextlib
import os
import time

LIMIT = 20  # seconds, for anything that could hang
SKIPPED = 1 if os.environ.get("CI") == "true" else 77  # what is missing there is a failure


def wait_until(condition, what, limit=LIMIT):
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {limit} s"
        time.sleep(0.02)


@contextlib.contextmanager
def timed(what):
    begin = time.monotonic()
    yield
    print(f"{what} ({time.monotonic() - begin:.1f} s)", flush=True)
