"""Asking one task to stop. What it waits for is a task itself in cancel_chain.py."""

import asyncio

from cast import cancelling, sleeper
from harness import Failure, attempt, differs, main, scenario, ticks, trace, turns


async def failing(name, count):
    await ticks(count)
    raise Failure(name)


def cancel_self():
    trace("cancel", asyncio.current_task().cancel())


def uncancel_self():
    return asyncio.current_task().uncancel()


def exception(task):
    """What an ended task threw."""
    try:
        return task.exception()
    except asyncio.CancelledError as error:
        return error


async def wait_for(event):
    await event.wait()


async def cancelled_after(count, body):
    """Cancels a task that runs body(), and traces its end."""
    task = asyncio.create_task(body())
    await ticks(count)
    trace("cancel", task.cancel())
    await attempt("task", task)
    trace("cancelled", task.cancelled(), "cancelling", task.cancelling())


# ---- Where it is told, and what remains.

@scenario
async def cancel_before_start():
    async def starts():
        trace("child starts")
    task = asyncio.create_task(starts())
    trace("cancel", task.cancel())
    await attempt("child", task)
    trace("cancelled", task.cancelled())


@scenario
async def cancel_while_it_sleeps():
    task = asyncio.create_task(sleeper("child", 9))
    await ticks(1)
    trace("cancel", task.cancel(), "done", task.done())
    await attempt("child", task)
    trace("cancelled", task.cancelled(), "again", task.cancel())


@scenario
async def cancel_while_it_lets_others_run():
    async def polite():
        await attempt("first", turns(1))
        await attempt("second", turns(1))
    task = asyncio.create_task(polite())
    await turns(1)
    trace("cancel", task.cancel())
    await task
    trace("cancelled", task.cancelled())


@scenario
async def cancel_while_it_waits_for_an_event():
    event = asyncio.Event()

    async def waits(name):
        await attempt(name, wait_for(event))
    tasks = [asyncio.create_task(waits(name)) for name in ("a", "b", "c")]
    await ticks(1)
    trace("cancel", tasks[1].cancel())
    await turns(2)
    trace("set")
    event.set()
    for task in tasks:
        await task


@scenario
async def cancel_when_the_event_has_just_been_set():
    event = asyncio.Event()

    async def waits():
        await attempt("wait", wait_for(event))
        await attempt("again", wait_for(event))
    task = asyncio.create_task(waits())
    await ticks(1)
    event.set()
    trace("cancel", task.cancel())
    await task
    trace("cancelled", task.cancelled())


@scenario
async def item_that_meets_a_cancel_goes_to_the_next():
    queue = asyncio.Queue()

    async def gets(name):
        await attempt(name, queue.get())
    first, second = asyncio.create_task(gets("first")), asyncio.create_task(gets("second"))
    await ticks(1)
    queue.put_nowait("item")
    trace("cancel", first.cancel())
    await first
    await second
    trace("empty", queue.empty())


@scenario
async def cancel_of_an_ended_task_changes_nothing():
    value, failed = asyncio.create_task(sleeper("value", 1)), asyncio.create_task(failing("failed", 1.5))
    await ticks(2)
    for task in (value, failed):
        trace("cancel", task.cancel(), "cancelling", task.cancelling())
        await attempt("task", task)
        trace("cancelled", task.cancelled())


@scenario
async def cancelled_task_answers_the_same_each_time():
    task = asyncio.create_task(sleeper("child", 9))
    await ticks(1)
    trace("cancel", task.cancel())
    trace("done", task.done(), "cancelled", task.cancelled(), "cancelling", task.cancelling())
    await turns(2)
    trace("done", task.done(), "cancelled", task.cancelled(), "cancelling", task.cancelling())
    trace("exception", exception(task), exception(task))
    await attempt("first", task)
    await attempt("second", task)


@scenario
async def only_a_failure_that_nobody_reads_is_news():
    cancelled, failed = asyncio.create_task(sleeper("child", 9)), asyncio.create_task(failing("failed", 1))
    await ticks(2)
    trace("cancel", cancelled.cancel())
    await turns(2)
    trace("done", cancelled.done(), failed.done())
    del cancelled
    trace("dropped")
    del failed
    trace("left")


# ---- What the task makes of it.

@scenario
async def handler_of_ordinary_exceptions_lets_it_pass():
    async def careless():
        try:
            await ticks(9)
        except Exception as error:
            trace("handled", error)
        trace("goes on")
    await cancelled_after(1, careless)


@scenario
async def cleanup_may_wait():
    async def inner():
        try:
            await ticks(9)
        finally:
            await ticks(2)
            trace("inner cleaned up")

    async def outer():
        try:
            await inner()
        finally:
            await ticks(1)
            trace("outer cleaned up", "cancelling", cancelling())
    await cancelled_after(1, outer)


@scenario
async def cancel_that_is_caught_is_over():
    async def stubborn():
        await attempt("sleep", ticks(9))
        trace("cancelling", cancelling())
        await attempt("next", ticks(1))
        return "all the same"
    await cancelled_after(1, stubborn)


@scenario
async def failure_after_a_caught_cancel():
    async def clumsy():
        try:
            await ticks(9)
        except asyncio.CancelledError as error:
            trace("caught", error)
        await failing("cleanup", 1)
    await cancelled_after(1, clumsy)


@scenario
async def cancelled_while_it_cleans_up_after_a_failure():
    async def unlucky():
        try:
            await failing("first", 1)
        except Failure as error:
            trace("caught", error)
            await sleeper("cleanup", 9)
            raise
    await cancelled_after(2, unlucky)


@scenario
async def cancelled_is_thrown_without_a_request():
    async def gives_up():
        await ticks(1)
        raise asyncio.CancelledError
    task = asyncio.create_task(gives_up())
    await attempt("task", task)
    trace("cancelled", task.cancelled(), "cancelling", task.cancelling(), cancelling())


# ---- Requests are counted.

@scenario
async def two_requests_before_it_runs_are_told_once():
    async def stubborn():
        await attempt("first", ticks(9))
        trace("cancelling", cancelling())
        await attempt("second", ticks(9))
    task = asyncio.create_task(stubborn())
    await ticks(1)
    for _ in range(2):
        trace("cancel", task.cancel())
    trace("cancelling", task.cancelling())
    await attempt("task", task)


@scenario
async def each_request_that_comes_later_is_told():
    async def stubborn():
        for number in range(4):
            await attempt(f"sleep {number}", ticks(9))
            trace("cancelling", cancelling())
        return "at last"
    task = asyncio.create_task(stubborn())
    for _ in range(3):
        await ticks(1)
        trace("cancel", task.cancel())
    await attempt("task", task)


@scenario
async def cancelled_again_while_it_cleans_up():
    async def careful():
        try:
            await ticks(9)
        finally:
            await attempt("cleanup", ticks(9))
            await attempt("more cleanup", ticks(1))
    task = asyncio.create_task(careful())
    for _ in range(2):
        await ticks(1)
        trace("cancel", task.cancel())
    await attempt("task", task)
    trace("cancelling", task.cancelling())


@scenario
async def requests_taken_back_never_fall_below_none():
    async def stubborn():
        await attempt("first", ticks(9))
        await attempt("second", ticks(9))
        for _ in range(3):
            trace("uncancel", uncancel_self())
        await attempt("third", ticks(9))
        trace("cancelling", cancelling())
    task = asyncio.create_task(stubborn())
    for _ in range(3):
        await ticks(1)
        trace("cancel", task.cancel())
    await task


@scenario
async def sleeper_hears_of_a_request_that_was_taken_back():
    task = asyncio.create_task(sleeper("child", 9))
    await ticks(1)
    trace("cancel", task.cancel())
    trace("uncancel", task.uncancel())
    await attempt("task", task)
    trace("cancelled", task.cancelled(), "cancelling", task.cancelling())


@differs("3.13 drops a request that is taken back before it was told, 3.11 tells it all the same",
         weft="""
         cancel true
         cancel true
         uncancel 1
         two less one threw Cancelled
         cancel true
         uncancel 1
         uncancel 0
         none returned none
         """)
@scenario
async def request_taken_back_before_it_is_told():
    async def indecisive():
        cancel_self()
        cancel_self()
        trace("uncancel", uncancel_self())
        await attempt("two less one", ticks(1))
        cancel_self()
        trace("uncancel", uncancel_self())
        trace("uncancel", uncancel_self())
        await attempt("none", ticks(1))
    await asyncio.create_task(indecisive())


# ---- By itself.

@scenario
async def cancels_itself_and_hears_of_it_when_it_waits():
    async def cancels_itself():
        cancel_self()
        trace("goes on", "cancelling", cancelling())
        await attempt("wait", turns(1))
        await attempt("next", turns(1))
    await asyncio.create_task(cancels_itself())


@scenario
async def cancels_itself_and_ends_before_it_waits():
    async def returns():
        cancel_self()
        return "value"

    async def fails():
        cancel_self()
        raise Failure("a")
    for body in (returns, fails):
        task = asyncio.create_task(body())
        await attempt("task", task)
        trace("cancelled", task.cancelled(), "exception", exception(task))


@scenario
async def two_cancel_each_other():
    tasks = []

    async def cancels(name, other):
        try:
            await ticks(9)
        except asyncio.CancelledError:
            trace(name, "cancels", tasks[other].cancel())
            await attempt(name, ticks(1))
            raise
    tasks += [asyncio.create_task(cancels("a", 1)), asyncio.create_task(cancels("b", 0))]
    await ticks(1)
    trace("cancel", tasks[0].cancel())
    for task in tasks:
        await attempt("task", task)
        trace("cancelling", task.cancelling())


if __name__ == "__main__":
    main()
