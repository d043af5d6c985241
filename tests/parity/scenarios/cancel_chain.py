"""Cancelling a task that waits for another one, which passes that on."""

import asyncio

from cast import cancel_after, cancelling, sleeper
from harness import Failure, attempt, differs, main, scenario, ticks, trace, turns


async def stubborn(name, count):
    """Returns in spite of being cancelled."""
    await attempt(name, ticks(99))
    await attempt(name, ticks(count))
    return name


async def slow_to_stop(name, count):
    try:
        await ticks(99)
    except asyncio.CancelledError:
        await attempt(name, ticks(count))
        raise


async def failing_cleanup(name, count):
    try:
        await ticks(99)
    except asyncio.CancelledError:
        await ticks(count)
        raise Failure(name)


async def waits(name, task):
    try:
        return await task
    except BaseException as error:
        trace(name, "caught", error, "cancelling", cancelling())
        raise


def trace_ends(tasks):
    for task in tasks:
        trace("done", task.done(), "cancelled", task.cancelled(), "cancelling", task.cancelling())


@scenario
async def all_of_a_chain_are_cancelled():
    inner = asyncio.create_task(sleeper("inner", 9))
    middle = asyncio.create_task(waits("middle", inner))
    outer = asyncio.create_task(waits("outer", middle))
    await cancel_after(1, outer)
    await attempt("outer", outer)
    trace_ends([inner, middle, outer])


@scenario
async def middle_of_a_chain_is_cancelled():
    inner = asyncio.create_task(sleeper("inner", 9))
    middle = asyncio.create_task(waits("middle", inner))
    outer = asyncio.create_task(waits("outer", middle))
    await cancel_after(1, middle)
    await attempt("outer", outer)
    trace_ends([inner, middle, outer])


@scenario
async def cancelled_task_takes_along_all_who_wait_for_it():
    inner = asyncio.create_task(sleeper("inner", 9))
    tasks = [asyncio.create_task(waits(name, inner)) for name in ("a", "b", "c")]
    await cancel_after(1, inner)
    await attempt("main", inner)
    await turns(2)
    trace_ends(tasks)


@differs("who passes a cancel on waits anew, behind the others; in asyncio it keeps its place",
         weft="""
         cancel true
         inner caught Cancelled
         a caught Cancelled cancelling 0
         c caught Cancelled cancelling 0
         b caught Cancelled cancelling 1
         a threw Cancelled
         done true cancelled true cancelling 0
         done true cancelled true cancelling 1
         done true cancelled true cancelling 0
         """)
@scenario
async def one_who_is_cancelled_takes_along_the_others():
    inner = asyncio.create_task(sleeper("inner", 9))
    tasks = [asyncio.create_task(waits(name, inner)) for name in ("a", "b", "c")]
    await cancel_after(1, tasks[1])
    await attempt("a", tasks[0])
    await turns(2)
    trace_ends(tasks)


@scenario
async def awaited_task_that_swallows_the_cancel_keeps_its_caller():
    inner = asyncio.create_task(stubborn("inner", 2))
    outer = asyncio.create_task(waits("outer", inner))
    await cancel_after(1, outer)
    await attempt("outer", outer)
    trace_ends([inner, outer])


@scenario
async def awaited_task_that_fails_when_it_is_cancelled():
    inner = asyncio.create_task(failing_cleanup("inner", 2))
    outer = asyncio.create_task(waits("outer", inner))
    await cancel_after(1, outer)
    await attempt("outer", outer)
    trace_ends([inner, outer])


@scenario
async def each_request_is_passed_on_while_the_awaited_cleans_up():
    inner = asyncio.create_task(slow_to_stop("inner", 9))
    outer = asyncio.create_task(waits("outer", inner))
    await cancel_after(1, outer)
    await ticks(1)
    trace_ends([inner, outer])
    await cancel_after(1, outer)
    await attempt("outer", outer)
    trace_ends([inner, outer])


@scenario
async def caller_goes_on_to_another_task():
    first, second = asyncio.create_task(sleeper("first", 9)), asyncio.create_task(sleeper("second", 9))

    async def goes_on():
        await attempt("first", first)
        await attempt("second", second)
    outer = asyncio.create_task(goes_on())
    await cancel_after(1, outer)
    await ticks(1)
    trace_ends([first, second])
    await cancel_after(1, outer)
    await outer
    trace_ends([first, second])


@scenario
async def cancel_when_the_awaited_has_just_ended():
    event = asyncio.Event()

    async def ends():
        await event.wait()
        trace("inner ends")
        return "value"
    inner = asyncio.create_task(ends())
    outer = asyncio.create_task(waits("outer", inner))
    await ticks(1)
    event.set()
    await turns(1)
    trace("cancel", outer.cancel())
    await attempt("outer", outer)
    trace_ends([inner, outer])


@scenario
async def request_that_was_there_before_is_passed_on():
    inner = asyncio.create_task(sleeper("inner", 9))
    await ticks(1)

    async def outer():
        trace("cancel", asyncio.current_task().cancel())
        await attempt("outer", inner)
        await attempt("next", ticks(1))
    await asyncio.create_task(outer())
    trace_ends([inner])


@scenario
async def task_that_has_ended_is_no_place_to_be_cancelled():
    inner = asyncio.create_task(sleeper("inner", 1))
    await ticks(2)

    async def outer():
        trace("cancel", asyncio.current_task().cancel())
        await attempt("outer", inner)
        await attempt("next", ticks(1))
    await asyncio.create_task(outer())


@scenario
async def cleanup_stops_a_helper_and_waits_for_it():
    helper = asyncio.create_task(slow_to_stop("helper", 2))

    async def owner():
        try:
            await ticks(99)
        finally:
            trace("cancel helper", helper.cancel())
            await attempt("owner", helper)
    outer = asyncio.create_task(owner())
    await cancel_after(1, outer)
    await attempt("outer", outer)
    trace_ends([helper, outer])


if __name__ == "__main__":
    main()
