"""Limits of time around what waits for tasks: asyncio.wait_for, gather, groups, shields, events."""

import asyncio

from cast import passed, timeout
from harness import Failure, TICK, attempt, main, now, scenario, ticks, trace


def wait_for(count, awaitable):
    return asyncio.wait_for(awaitable, count * TICK)


async def child(name, cleanup):
    try:
        await ticks(99)
    except asyncio.CancelledError as error:
        await ticks(cleanup)
        trace(name, "cleaned up after", error)
        raise


async def failing():
    try:
        await ticks(99)
    finally:
        raise Failure("cleanup")


@scenario
async def wait_for_a_task_that_ends_in_time():
    async def work():
        await ticks(1)
        return "done"
    task = asyncio.create_task(work())
    await attempt("wait", wait_for(2, task))
    await attempt("later", ticks(5))
    trace("cancelled", task.cancelled())


@scenario
async def wait_for_cancels_the_task_and_waits_for_it():
    task = asyncio.create_task(child("a", 4))
    start = now()
    await attempt("wait", wait_for(2, task))
    trace("ticks", passed(start), "cancelled", task.cancelled())


@scenario
async def wait_for_a_task_that_swallows_its_cancel():
    async def work():
        try:
            await ticks(99)
        except asyncio.CancelledError:
            trace("swallowed")
        await ticks(1)
        return "all the same"
    task = asyncio.create_task(work())
    await attempt("wait", wait_for(2, task))
    trace("cancelled", task.cancelled())
    await attempt("later", ticks(1))


@scenario
async def wait_for_a_task_that_fails_when_it_is_cancelled():
    task = asyncio.create_task(failing())
    await attempt("wait", wait_for(2, task))
    trace("cancelled", task.cancelled())


@scenario
async def wait_for_a_task_that_has_ended():
    async def work():
        return "done"
    task = asyncio.create_task(work())
    await task
    await attempt("no time", wait_for(0, task))
    await attempt("less than none", wait_for(-1, task))


@scenario
async def wait_for_no_time_cancels_a_task_that_runs():
    task = asyncio.create_task(child("a", 3))
    await ticks(1)
    start = now()
    await attempt("wait", wait_for(0, task))
    trace("ticks", passed(start), "cancelled", task.cancelled())


@scenario
async def wait_for_no_time_cancels_a_task_that_has_not_started():
    async def work():
        trace("work starts")
    task = asyncio.create_task(work())
    await attempt("wait", wait_for(0, task))
    trace("cancelled", task.cancelled())


@scenario
async def wait_for_a_task_that_somebody_else_cancels():
    task = asyncio.create_task(child("a", 1))

    async def other():
        await ticks(1)
        trace("cancel", task.cancel())
    canceller = asyncio.create_task(other())
    await attempt("wait", wait_for(5, task))
    await canceller


@scenario
async def wait_for_is_cancelled_and_cancels_the_task():
    task = asyncio.create_task(child("a", 2))
    waiter = asyncio.create_task(wait_for(9, task))
    await ticks(1)
    trace("cancel", waiter.cancel())
    await attempt("waiter", waiter)
    trace("cancelled", waiter.cancelled(), task.cancelled())


@scenario
async def wait_for_a_shielded_task_leaves_it_running():
    async def work():
        await ticks(5)
        return "done"
    task = asyncio.create_task(work())
    await attempt("wait", wait_for(2, asyncio.shield(task)))
    trace("done", task.done())
    await attempt("task", task)


@scenario
async def two_wait_for_the_same_task():
    task = asyncio.create_task(child("a", 2))
    start = now()
    second = asyncio.create_task(wait_for(50, task))
    await attempt("first", wait_for(3, task))
    trace("ticks", passed(start))
    await attempt("second", second)
    trace("ticks", passed(start))


@scenario
async def limit_around_gather():
    async def quick():
        await ticks(1)
        trace("quick ends")

    async def body():
        await asyncio.gather(child("a", 3), quick())
    start = now()
    await attempt("timeout", timeout(2, body()))
    trace("ticks", passed(start))


@scenario
async def limit_around_gather_whose_child_fails_when_it_is_cancelled():
    returned = False

    async def body():
        nonlocal returned
        await asyncio.gather(child("a", 3), failing(), return_exceptions=True)
        returned = True
    await attempt("timeout", timeout(2, body()))
    trace("returned", returned)


@scenario
async def limit_within_a_child_of_gather():
    async def limited():
        await timeout(2, child("a", 1))

    async def other():
        await ticks(5)
        return "b"
    trace(await asyncio.gather(limited(), other(), return_exceptions=True))


@scenario
async def limit_around_a_task_group():
    async def body():
        async with asyncio.TaskGroup() as group:
            group.create_task(child("a", 3))
            group.create_task(child("b", 1))
    start = now()
    await attempt("timeout", timeout(2, body()))
    trace("ticks", passed(start))


@scenario
async def limit_around_a_task_group_with_a_failure():
    async def body():
        async with asyncio.TaskGroup() as group:
            group.create_task(child("a", 3))
            group.create_task(failing())
    await attempt("timeout", timeout(2, body()))
    trace("cancelling", asyncio.current_task().cancelling())
    await attempt("later", ticks(1))


@scenario
async def limit_within_a_task_group():
    async def limited():
        await timeout(2, child("a", 1))

    async def body():
        async with asyncio.TaskGroup() as group:
            group.create_task(limited())
            group.create_task(child("b", 1))
    await attempt("group", body())


@scenario
async def limit_around_an_event_that_is_waited_for_again():
    event = asyncio.Event()

    async def setter():
        await ticks(5)
        event.set()

    async def body():
        await event.wait()
        return "set"
    task = asyncio.create_task(setter())
    await attempt("first", timeout(2, body()))
    await attempt("second", timeout(9, body()))
    await task


if __name__ == "__main__":
    main()
