"""Who puts into queues and gets from them; in C++ queue_cast.h."""

import asyncio

from harness import trace


async def puts(queue, item):
    """Puts one, and says how that ended and what the queue holds then."""
    try:
        await queue.put(item)
    except asyncio.CancelledError as error:
        trace("put", item, "caught", error)
        raise
    trace("put", item, "size", queue.qsize())


async def gets(queue, name):
    try:
        item = await queue.get()
    except asyncio.CancelledError as error:
        trace(name, "caught", error)
        raise
    trace(name, "got", item, "size", queue.qsize())


async def joins(queue, name):
    try:
        await queue.join()
    except asyncio.CancelledError as error:
        trace(name, "caught", error)
        raise
    trace(name, "has joined")


def try_put(queue, item):
    try:
        queue.put_nowait(item)
    except asyncio.QueueFull:
        trace("try put", item, False)
    else:
        trace("try put", item, True)


def try_get(queue):
    try:
        item = queue.get_nowait()
    except asyncio.QueueEmpty:
        item = None
    trace("try get", item)


def start_put(queue, item):
    return asyncio.create_task(puts(queue, item), name=f"put {item}")


def start_get(queue, name):
    return asyncio.create_task(gets(queue, name), name=name)


def start_join(queue, name):
    return asyncio.create_task(joins(queue, name), name=name)


def look(queue):
    trace("size", queue.qsize(), "empty", queue.empty(), "full", queue.full())
