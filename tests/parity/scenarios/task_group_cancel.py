"""Task groups in a task that is cancelled."""

import asyncio

from cast import cancel_after, cancelling, child, failing, failing_cleanup, passed, slow_to_stop, task_group
from harness import Failure, OtherFailure, attempt, differs, main, now, scenario, ticks, trace


async def attempt_group(body):
    await attempt("group", task_group(body))
    trace("cancelling", cancelling())


async def join(task):
    await asyncio.wait([task])


async def cancelled_after(count, body):
    """Cancels a task that is in a group."""
    task = asyncio.create_task(attempt_group(body))
    await cancel_after(count, task)
    await join(task)


# ---- The group ends by it.

@scenario
async def cancelled_while_the_body_waits():
    tasks = []

    async def body(group):
        tasks.append(group.create_task(child("a", 9)))
        await child("body", 99)
    task = asyncio.create_task(task_group(body))
    await cancel_after(1, task)
    await attempt("task", task)
    trace("cancelled", task.cancelled(), tasks[0].cancelled())


@scenario
async def cancelled_while_the_group_closes():
    async def body(group):
        group.create_task(child("a", 9))
        return "result"
    await cancelled_after(1, body)


@scenario
async def cancelled_again_while_a_child_takes_its_time():
    async def body(group):
        group.create_task(slow_to_stop("cleanup", 3))
        await child("body", 99)
    start = now()
    task = asyncio.create_task(attempt_group(body))
    await cancel_after(1, task)
    await cancel_after(1, task)
    await join(task)
    trace("ticks", passed(start))


@scenario
async def last_child_cancels_the_owner_and_ends():
    async def body(group):
        group.create_task(cancel_after(1, owner))
    owner = asyncio.create_task(attempt_group(body))
    await join(owner)


@scenario
async def group_in_the_cleanup_of_a_cancelled_task():
    async def body(group):
        group.create_task(child("a", 2))
        return await group.create_task(child("b", 1))

    async def work():
        try:
            await ticks(99)
        except asyncio.CancelledError:
            await attempt_group(body)
            raise
    task = asyncio.create_task(work())
    await cancel_after(1, task)
    await attempt("task", task)


@scenario
async def empty_group_in_a_task_that_has_cancelled_itself():
    async def body(group):
        return "result"

    async def work():
        asyncio.current_task().cancel()
        await attempt_group(body)
        await attempt("later", ticks(1))
    await asyncio.create_task(work())


# ---- The body has its own mind.

@scenario
async def body_swallows_the_cancel():
    async def body(group):
        group.create_task(child("a", 3))
        await attempt("body", ticks(99))
        return "result"
    await cancelled_after(1, body)


@scenario
async def body_swallows_the_cancel_and_the_next_one_comes_while_closing():
    async def body(group):
        group.create_task(child("a", 9))
        await attempt("body", ticks(99))
        return "result"
    task = asyncio.create_task(attempt_group(body))
    await cancel_after(1, task)
    await cancel_after(1, task)
    await join(task)


@scenario
async def body_takes_the_cancel_back():
    async def body(group):
        group.create_task(child("a", 3))
        await attempt("body", ticks(99))
        trace("uncancel", asyncio.current_task().uncancel())
        await child("body", 1)
    await cancelled_after(1, body)


@scenario
async def body_throws_something_else_when_cancelled():
    async def body(group):
        group.create_task(child("a", 9))
        try:
            await ticks(99)
        except asyncio.CancelledError:
            raise OtherFailure("body")
    await cancelled_after(1, body)


# ---- There are errors, too.

@scenario
async def cancelled_and_a_child_fails_at_that():
    async def body(group):
        group.create_task(failing_cleanup("a", 2))
        await child("body", 99)
    await cancelled_after(1, body)


@scenario
async def cancelled_when_a_child_has_failed():
    async def body(group):
        group.create_task(slow_to_stop("cleanup", 3))
        group.create_task(failing("b", 1))
        await child("body", 99)
    await cancelled_after(2, body)


@scenario
async def child_fails_while_the_cancelled_body_cleans_up():
    async def body(group):
        group.create_task(failing("a", 2))
        await slow_to_stop("cleanup", 5)
    start = now()
    await cancelled_after(1, body)
    trace("ticks", passed(start))


@scenario
async def last_child_cancels_the_owner_and_fails():
    async def last():
        await cancel_after(1, owner)
        raise Failure("a")

    async def body(group):
        group.create_task(last())
    owner = asyncio.create_task(attempt_group(body))
    await join(owner)


PENDING = "3.13 keeps a cancel that the group's errors hide for the next suspension point, 3.11 drops it"


@differs(PENDING, weft="""
    cancel true
    a fails
    group threw ExceptionGroup[Failure(a)]
    cancelling 1
    later threw Cancelled
    afterwards returned none
    """)
@scenario
async def cancel_that_errors_hide_is_heard_later():
    async def body(group):
        group.create_task(failing_cleanup("a", 2))

    async def work():
        await attempt_group(body)
        await attempt("later", ticks(1))
        await attempt("afterwards", ticks(1))
    task = asyncio.create_task(work())
    await cancel_after(1, task)
    await task


@differs(PENDING, weft="""
    cancel true
    a starts
    b fails
    a caught Cancelled
    group threw ExceptionGroup[Failure(b)]
    cancelling 1
    later threw Cancelled
    afterwards returned none
    """)
@scenario
async def group_fails_in_the_cleanup_of_a_cancelled_task():
    async def body(group):
        group.create_task(child("a", 9))
        await failing("b", 1)

    async def work():
        try:
            await ticks(99)
        except asyncio.CancelledError:
            await attempt_group(body)
            await attempt("later", ticks(1))
            await attempt("afterwards", ticks(1))
    task = asyncio.create_task(work())
    await cancel_after(1, task)
    await task


if __name__ == "__main__":
    main()
