"""Who plays at a lock or a semaphore; in C++ lock_cast.h."""

import asyncio

from harness import ticks, trace, turns


async def holds(lock, name, count):
    """Has the lock, or a permit, for so many ticks."""
    async with lock:
        trace(name, "has it")
        await ticks(count)
        trace(name, "gives it back")


def start_holder(lock, name, count):
    return asyncio.create_task(holds(lock, name, count), name=name)


async def line(lock, *names):
    """Those who come for it one after the other, to give it back a turn after they got it."""
    tasks = [start_holder(lock, name, 0) for name in names]
    await turns(1)
    return tasks


async def takes(semaphore, name):
    """And keeps it."""
    await semaphore.acquire()
    trace(name, "has it")


def start_taker(semaphore, name):
    return asyncio.create_task(takes(semaphore, name), name=name)


async def takers(semaphore, *names):
    """Those who come for it one after the other, to keep it."""
    tasks = [start_taker(semaphore, name) for name in names]
    await turns(1)
    return tasks


def at_once(lock):
    """Takes it if that needs no wait, and says whether it has. asyncio has no such call, but an acquire() that
    need not wait ends in its first step."""
    acquire = lock.acquire()
    try:
        acquire.send(None)
    except StopIteration:
        return True
    acquire.close()
    return False


def release(semaphore, count):
    for _ in range(count):
        semaphore.release()
