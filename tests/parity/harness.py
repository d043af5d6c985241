"""What the Python half of every scenario is written with, and what runs them.

A scenario says what happens by trace(...), in the words that the C++ half uses (see harness.h). Time is
virtual: a sleep takes no time, and moves the clock on.
"""

import asyncio
import selectors
import signal
import sys
import time

TICK = 1.0  # seconds, none of which pass
REAL_WAIT = 0.005  # what a thread or a signal gets before the clock moves on


class Failure(Exception):
    """A scenario's own exception."""


class OtherFailure(Exception):
    """Another."""


# ---- The clock.

_moved_on = 0.0


class VirtualSelector(selectors.DefaultSelector):
    def select(self, timeout=None):
        global _moved_on
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        events = super().select(min(timeout, REAL_WAIT))
        if not events:
            _moved_on += max(0.0, timeout - REAL_WAIT)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        super().__init__(VirtualSelector())

    def time(self):
        return time.monotonic() + _moved_on


class VirtualPolicy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self):
        return VirtualLoop()


async def ticks(count):
    await asyncio.sleep(count * TICK)


def now():
    """In ticks, for deadlines."""
    return asyncio.get_running_loop().time() / TICK


async def turns(count):
    """Lets all that is ready run, so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


# ---- The trace.

def text(value):
    if value is None:
        return "none"
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, BaseException):
        return exception_text(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(text, value)) + "]"
    return str(value)


def exception_text(error):
    if isinstance(error, asyncio.CancelledError):
        return "Cancelled"
    if isinstance(error, TimeoutError):
        return "TimeoutError"
    if isinstance(error, BaseExceptionGroup):
        return "ExceptionGroup" + text(list(error.exceptions))
    if isinstance(error, (Failure, OtherFailure)):
        return f"{type(error).__name__}({error})"
    if isinstance(error, (RuntimeError, ValueError, LookupError, TypeError, asyncio.InvalidStateError)):
        return "Misuse"
    return f"{type(error).__name__}({error})"


def trace(*values):
    sys.stdout.write(" ".join(map(text, values)) + "\n")  # at once, if a thread does, too
    sys.stdout.flush()


async def attempt(what, awaitable):
    """Traces how the awaitable ends, and goes on, whatever that was."""
    try:
        result = await awaitable
    except BaseException as error:
        trace(what, "threw", error)
    else:
        trace(what, "returned", result)


def call(what, function):
    """The same for a plain call."""
    try:
        result = function()
    except BaseException as error:
        trace(what, "threw", error)
    else:
        trace(what, "returned", result)


# ---- Scenarios.

SCENARIOS = {}
DIFFERENCES = {}  # name: (reason, weft's trace)


def scenario(function):
    """An async function runs as the main task of an event loop of its own, another by itself."""
    SCENARIOS[function.__name__] = function
    return function


def differs(reason, weft):
    """Marks a scenario of which weft's trace is another, on purpose."""
    def mark(function):
        DIFFERENCES[function.__name__] = (reason, [line.strip() for line in weft.strip().splitlines()])
        return function
    return mark


def note_unread(_loop, context):
    """An exception that nobody has retrieved."""
    if context.get("exception") is not None:
        trace("unread", context["exception"])


async def in_loop(function):
    asyncio.get_running_loop().set_exception_handler(note_unread)
    return await function()


def run(function):
    signal.alarm(20)
    try:
        if asyncio.iscoroutinefunction(function):
            asyncio.run(in_loop(function))
        else:
            function()
    except BaseException as error:
        trace("left by", error)


def main():
    """Runs the scenarios named, or all of them: a line `== NAME`, and the trace."""
    asyncio.set_event_loop_policy(VirtualPolicy())
    for name in sys.argv[1:] or SCENARIOS:
        print("==", name, flush=True)
        run(SCENARIOS[name])
