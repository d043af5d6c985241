"""Cancelling one who waits for many."""

import asyncio

from cast import cancelling, child, failing, passed
from harness import Failure, TICK, attempt, differs, main, now, scenario, ticks, trace, turns


async def slow(name, count):
    """Takes so long to clean up."""
    try:
        await ticks(99)
    except asyncio.CancelledError as error:
        trace(name, "caught", error)
        try:
            await ticks(count)
            trace(name, "has cleaned up")
        except asyncio.CancelledError as again:
            trace(name, "caught again", again)
        raise


async def stubborn(name, count=0):
    """Returns in spite of being cancelled, so much later."""
    try:
        await ticks(99)
    except asyncio.CancelledError as error:
        trace(name, "caught", error)
    if count > 0:
        await ticks(count)
    trace(name, "ends")
    return name


async def clumsy(name, count=0):
    """Fails as it cleans up, so much later."""
    try:
        await ticks(99)
    except asyncio.CancelledError as error:
        trace(name, "caught", error)
        if count > 0:
            await ticks(count)
        trace(name, "fails")
        raise Failure(name)


async def gathers(name, *children):
    await attempt(name, asyncio.gather(*children))


async def cancel_after(count, body):
    """Cancels so much later who runs body(), and says when that has left it."""
    async def caller():
        await attempt("caller", body())
        trace("cancelling", cancelling())
    start = now()
    task = asyncio.create_task(caller())
    await ticks(count)
    trace("cancel", task.cancel())
    await task
    trace("ticks", passed(start))


@scenario
async def all_children_are_cancelled():
    async def body():
        return await asyncio.gather(child("a", 8), child("b", 9))
    await cancel_after(1, body)


@scenario
async def children_that_have_ended_keep_their_results():
    a = asyncio.create_task(child("a", 1))
    b = asyncio.create_task(child("b", 9))

    async def body():
        return await asyncio.gather(a, b)
    await cancel_after(2, body)
    await attempt("a", a)
    await attempt("b", b)


@scenario
async def cancelled_caller_gets_no_outcomes():
    async def body():
        return await asyncio.gather(child("a", 1), child("b", 9), stubborn("c"), return_exceptions=True)
    await cancel_after(2, body)


@scenario
async def children_that_return_all_the_same():
    async def body():
        return await asyncio.gather(stubborn("a"), stubborn("b"))
    await cancel_after(1, body)


@scenario
async def outcomes_wait_for_slow_cleanup():
    async def body():
        return await asyncio.gather(slow("a", 2), child("b", 9), stubborn("c", 3), return_exceptions=True)
    await cancel_after(1, body)


@differs("a cancelled gather leaves only when every child has ended; asyncio's does with the first that has",
         weft="""
         b starts
         cancel true
         a caught Cancelled
         b caught Cancelled
         a has cleaned up
         caller threw Cancelled
         cancelling 1
         ticks 3
         left
         """)
@scenario
async def results_wait_for_slow_cleanup():
    async def body():
        return await asyncio.gather(slow("a", 2), child("b", 9))
    await cancel_after(1, body)
    await ticks(5)
    trace("left")


@scenario
async def cleanup_that_fails_at_once_counts_as_read():
    async def body():
        return await asyncio.gather(child("a", 9), clumsy("b"))
    await cancel_after(1, body)


@scenario
async def cleanup_that_fails_among_outcomes_counts_as_read():
    async def body():
        return await asyncio.gather(clumsy("a", 1), clumsy("b", 2), return_exceptions=True)
    await cancel_after(1, body)


@differs("asyncio throws what the first child to end has thrown; a cancelled gather always throws Cancelled",
         weft="""
         b starts
         cancel true
         a caught Cancelled
         a fails
         b caught Cancelled
         caller threw Cancelled
         cancelling 1
         ticks 1
         """)
@scenario
async def cleanup_that_fails_first():
    async def body():
        return await asyncio.gather(clumsy("a"), child("b", 9))
    await cancel_after(1, body)


@scenario
async def caller_cancelled_twice():
    caller = asyncio.create_task(gathers("caller", slow("a", 8)))
    await ticks(1)
    trace("cancel", caller.cancel())
    await ticks(2)
    trace("cancel", caller.cancel())
    trace("cancelling", caller.cancelling())
    start = now()
    await caller
    trace("ticks", passed(start))


@scenario
async def caller_cancelled_after_the_first_exception():
    async def cleans_up():
        try:
            await asyncio.gather(child("a", 4), failing("b", 1))
        except Failure as error:
            trace("caller caught", error)
            await ticks(8)
    await cancel_after(2, cleans_up)
    await ticks(5)
    trace("left")


@scenario
async def caller_cancelled_between_the_first_exception_and_its_turn():
    gate = asyncio.Event()

    async def fails():
        await gate.wait()
        trace("fails")
        raise Failure("a")
    caller = asyncio.create_task(gathers("caller", fails(), child("b", 3)))
    await ticks(1)
    gate.set()
    await turns(2)  # asyncio's gather hears of it one turn later
    trace("cancel", caller.cancel())
    await caller
    await ticks(5)
    trace("left")


@differs("a cancellation reaches the children when the caller runs next, in asyncio within cancel() itself",
         weft="""
         cancel true
         a starts
         b starts
         a caught Cancelled
         b caught Cancelled
         caller threw Cancelled
         """)
@scenario
async def caller_cancelled_before_its_children_start():
    caller = asyncio.create_task(gathers("caller", child("a", 8), child("b", 9)))
    await turns(1)
    trace("cancel", caller.cancel())
    await caller


@scenario
async def request_that_was_there_before_the_gather():
    a = asyncio.create_task(child("a", 8))
    b = asyncio.create_task(child("b", 9))
    await ticks(1)

    async def caller():
        trace("cancel", asyncio.current_task().cancel())
        await gathers("caller", a, b)
        trace("cancelling", cancelling())
    await asyncio.create_task(caller())
    trace("cancelled", a.cancelled(), b.cancelled())


@scenario
async def request_that_was_there_before_lets_no_child_start():
    async def caller():
        trace("cancel", asyncio.current_task().cancel())
        await gathers("caller", child("a", 8), child("b", 9))
    await asyncio.create_task(caller())


@scenario
async def caller_goes_on_after_its_gather_was_cancelled():
    async def caller():
        await attempt("first", asyncio.gather(child("a", 8), child("b", 9)))
        trace("uncancel", asyncio.current_task().uncancel())
        await attempt("second", asyncio.gather(child("c", 2), child("d", 1)))
    task = asyncio.create_task(caller())
    await ticks(1)
    trace("cancel", task.cancel())
    await task
    trace("cancelled", task.cancelled())


@scenario
async def cancellation_reaches_gathers_in_children():
    async def pair():
        try:
            await asyncio.gather(child("b", 8), child("c", 9))
        except asyncio.CancelledError as error:
            trace("pair caught", error)
            raise

    async def body():
        return await asyncio.gather(child("a", 7), pair(), return_exceptions=True)
    await cancel_after(1, body)


@scenario
async def shared_task_is_cancelled_with_one_of_its_callers():
    shared = asyncio.create_task(child("shared", 9))
    first = asyncio.create_task(gathers("first", shared))
    second = asyncio.create_task(gathers("second", shared, child("a", 3)))
    await ticks(1)
    trace("cancel", first.cancel())
    await first
    await second
    trace("cancelling", first.cancelling(), second.cancelling())
    await ticks(5)


@scenario
async def limit_in_one_child():
    async def limited():
        async with asyncio.timeout(2 * TICK):
            return await child("a", 9)
    await attempt("gather", asyncio.gather(limited(), child("b", 3)))
    await ticks(5)
    trace("left")


if __name__ == "__main__":
    main()
