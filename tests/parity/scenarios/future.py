"""Values and exceptions that somebody sets, and others wait for."""

import asyncio

from cast import cancel_after
from harness import Failure, OtherFailure, TICK, attempt, call, main, scenario, ticks, trace, turns


def new_future():
    return asyncio.get_running_loop().create_future()


def exception(future):
    """What it was set to, if that is an exception."""
    try:
        return future.exception()
    except asyncio.CancelledError as error:
        return error


def trace_state(what, future):
    trace(what, "done", future.done(), "cancelled", future.cancelled())


async def waits(name, future):
    await attempt(name, future)
    trace("cancelling", asyncio.current_task().cancelling())


def try_to_set(promise):
    call("set value", lambda: promise.set_result("late"))
    call("set exception", lambda: promise.set_exception(OtherFailure("late")))


# ---- Setting, and waiting.

@scenario
async def value_that_is_there_is_returned_at_once():
    async def other():
        trace("other runs")
    task = asyncio.create_task(other())
    promise = future = new_future()
    promise.set_result("value")
    await attempt("first", future)
    await attempt("second", future)
    await task


@scenario
async def who_sets_goes_on_before_who_waits():
    promise = future = new_future()
    waiter = asyncio.create_task(waits("waiter", future))
    await ticks(1)
    trace_state("before", future)
    promise.set_result("value")
    trace_state("after", future)
    await waiter


@scenario
async def waiters_go_on_in_the_order_in_which_they_came():
    promise = future = new_future()

    async def comes(name, count):
        await ticks(count)
        trace(name, "waits")
        await attempt(name, future)
    tasks = [asyncio.create_task(comes(name, count)) for name, count in (("a", 3), ("b", 1), ("c", 2))]
    await ticks(4)
    promise.set_result(None)
    for task in tasks:
        await task


@scenario
async def exception_reaches_all_who_wait():
    promise = future = new_future()
    tasks = [asyncio.create_task(waits(name, future)) for name in ("a", "b")]
    await ticks(1)
    promise.set_exception(Failure("set"))
    trace("exception", future.exception())
    for task in tasks:
        await task
    await attempt("later", future)


@scenario
async def value_is_handed_along_a_row():
    promises = futures = [new_future() for _ in range(4)]

    async def hands_on(number):
        value = await futures[number]
        trace(number, "has", value)
        promises[number + 1].set_result(value + "!")
        trace(number, "ends")
    tasks = [asyncio.create_task(hands_on(number)) for number in (2, 0, 1)]
    await ticks(1)
    promises[0].set_result("value")
    await attempt("last", futures[3])
    for task in tasks:
        await task


# ---- Only once.

@scenario
async def set_a_second_time_is_misuse():
    promise = future = new_future()
    promise.set_result("first")
    try_to_set(promise)
    trace("cancel", promise.cancel())
    await attempt("value", future)
    other_promise = other = new_future()
    other_promise.set_exception(Failure("first"))
    try_to_set(other_promise)
    trace("cancel", other_promise.cancel())
    await attempt("exception", other)


@scenario
async def nothing_can_be_set_when_it_was_cancelled():
    promise = future = new_future()
    trace("cancel", future.cancel())
    trace("again", promise.cancel())
    try_to_set(promise)
    trace_state("promise", promise)
    trace("exception", exception(future))
    await attempt("future", future)


# ---- Cancelling.

@scenario
async def cancelled_future_cancels_who_waits():
    promise = future = new_future()
    tasks = [asyncio.create_task(waits(name, future)) for name in ("a", "b")]
    await ticks(1)
    trace("cancel", promise.cancel())
    trace_state("future", future)
    for task in tasks:
        await task


@scenario
async def cancelled_waiter_cancels_the_future_of_all():
    promise = future = new_future()
    tasks = [asyncio.create_task(waits(name, future)) for name in ("a", "b", "c")]
    await cancel_after(1, tasks[0])
    for task in tasks:
        await task
    trace_state("promise", promise)
    try_to_set(promise)


@scenario
async def waiter_cancelled_when_the_value_has_just_come():
    promise = future = new_future()
    waiter = asyncio.create_task(waits("waiter", future))
    await ticks(1)
    promise.set_result("value")
    trace("cancel", waiter.cancel())
    await waiter
    trace_state("future", future)
    await attempt("main", future)


@scenario
async def request_that_was_there_before_cancels_the_future():
    future = new_future()

    async def cancels_itself():
        trace("cancel", asyncio.current_task().cancel())
        await attempt("wait", future)
        await attempt("next", ticks(1))
    await asyncio.create_task(cancels_itself())
    trace_state("future", future)


@scenario
async def cancelled_join_leaves_the_future_alone():
    promise = future = new_future()

    async def joins():
        await asyncio.wait([future])
    task = asyncio.create_task(joins())
    await cancel_after(1, task)
    await attempt("join", task)
    trace_state("future", future)
    promise.set_result("value")
    await attempt("main", future)


@scenario
async def limit_around_a_future_cancels_it():
    promise = future = new_future()

    async def limited():
        async with asyncio.timeout(2 * TICK):
            return await future
    await attempt("limited", limited())
    trace_state("promise", promise)
    trace("cancelling", asyncio.current_task().cancelling())


# ---- What becomes of it in the end.

@scenario
async def exception_that_nobody_reads_is_news():
    def fails_and_is_dropped(read):
        promise = future = new_future()
        promise.set_exception(Failure("set"))
        if read:
            trace("read", future.exception())
        trace("dropped")
    fails_and_is_dropped(True)
    fails_and_is_dropped(False)
    trace("left")


@scenario
async def end_of_the_run_cancels_who_waits():
    async def forgotten():
        future = new_future()
        try:
            await future
        finally:
            trace_state("future", future)
    asyncio.create_task(forgotten())
    await turns(1)
    trace("main ends")


if __name__ == "__main__":
    main()
