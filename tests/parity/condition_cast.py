"""Who plays at a condition; in C++ condition_cast.h."""

import asyncio

from harness import trace


async def waits(condition, name):
    """Waits once, and says how that ended and whether it has the lock then."""
    async with condition:
        try:
            await condition.wait()
        except asyncio.CancelledError as error:
            trace(name, "caught", error, "locked", condition.locked())
            raise
        trace(name, "notified", "locked", condition.locked())


def start(condition, name):
    return asyncio.create_task(waits(condition, name), name=name)


async def notify(condition, count):
    async with condition:
        trace("notify", count)
        condition.notify(count)
