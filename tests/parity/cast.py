"""Who plays in the scenarios: tasks that sleep, fail, and stop in ways of their own, and who watches them. The
C++ half has the same in cast.h."""

import asyncio

from harness import Failure, TICK, attempt, in_loop, now, ticks, trace


# ---- Tasks.

async def child(name, count):
    trace(name, "starts")
    return await sleeper(name, count)


async def sleeper(name, count):
    """A child that does not say when it starts."""
    try:
        await ticks(count)
    except asyncio.CancelledError as error:
        trace(name, "caught", error)
        raise
    trace(name, "ends")
    return name


async def failing(name, count):
    await ticks(count)
    trace(name, "fails")
    raise Failure(name)


async def slow_to_stop(name, count):
    try:
        await ticks(99)
    except asyncio.CancelledError:
        await child(name, count)
        raise


async def failing_cleanup(name, count):
    try:
        await ticks(99)
    except asyncio.CancelledError:
        await failing(name, count)


async def overlong():
    try:
        await ticks(99)
    except asyncio.CancelledError as error:
        trace("body caught", error)
        raise


def block_until(moment):
    while now() < moment:
        pass


# ---- What weft has in one call.

def run(body):
    return asyncio.run(in_loop(body))


async def task_group(body):
    """Runs body(group), and returns its value, as weft::task_group does."""
    async with asyncio.TaskGroup() as group:
        return await body(group)


async def within(limit, what):
    """Awaits what(scope), what(), or what there is to await."""
    async with limit as scope:
        if callable(what):
            what = what(scope) if what.__code__.co_argcount == 1 else what()
        return await what


async def timeout(count, what):
    """With a limit in ticks."""
    return await within(asyncio.timeout(count * TICK), what)


async def timeout_at(moment, what):
    return await within(asyncio.timeout_at(moment * TICK), what)


# ---- Those who watch.

def start(body, name, count):
    return asyncio.create_task(body(name, count), name=name)


async def attempt_group(body):
    await attempt("group", task_group(body))


async def at_last(*tasks):
    for task in tasks:
        await attempt("at last", task)


async def each_ends(*tasks):
    for task in tasks:
        await attempt(task.get_name(), task)


def cancel(task):
    trace("cancel", task.get_name(), task.cancel())


async def cancel_after(count, task):
    await ticks(count)
    trace("cancel", task.cancel())


def cancelling():
    return asyncio.current_task().cancelling()


def cancelled(tasks):
    return [task.cancelled() for task in tasks]


def passed(since):
    """Ticks, of which none counts by half."""
    return round(now() - since)
