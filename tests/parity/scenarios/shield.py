"""Waiting for a task, which the caller's cancellation does not reach."""

import asyncio

from cast import child, failing
from harness import TICK, attempt, main, scenario, ticks, trace


async def shields(name, inner):
    await attempt(name, asyncio.shield(inner))
    trace("cancelling", asyncio.current_task().cancelling())


@scenario
async def nothing_happens():
    await attempt("callable", asyncio.shield(child("a", 1)))
    task = asyncio.create_task(child("b", 1))
    await attempt("task", asyncio.shield(task))
    await attempt("task again", task)


@scenario
async def cancelled_caller_leaves_the_inner_running():
    inner = asyncio.create_task(child("inner", 3))
    caller = asyncio.create_task(shields("caller", inner))
    await ticks(1)
    trace("cancel", caller.cancel())
    await caller
    trace("inner", inner.done(), inner.cancelling())
    await attempt("inner", inner)


@scenario
async def cancelled_caller_leaves_a_callable_running():
    caller = asyncio.create_task(shields("caller", child("inner", 3)))
    await ticks(1)
    trace("cancel", caller.cancel())
    await caller
    await ticks(4)
    trace("left")


@scenario
async def cancelled_caller_waits_for_the_inner_after_all():
    inner = asyncio.create_task(child("inner", 3))

    async def patient():
        try:
            await asyncio.shield(inner)
        except asyncio.CancelledError as error:
            trace("caught", error)
            await attempt("inner", asyncio.shield(inner))
            raise
    caller = asyncio.create_task(patient())
    await ticks(1)
    trace("cancel", caller.cancel())
    await attempt("caller", caller)


@scenario
async def inner_that_is_cancelled_shows():
    inner = asyncio.create_task(child("inner", 3))
    caller = asyncio.create_task(shields("caller", inner))
    await ticks(1)
    trace("cancel", inner.cancel())
    await caller
    trace("cancelled", caller.cancelled())


@scenario
async def inner_that_fails_shows():
    inner = asyncio.create_task(failing("inner", 1))
    await attempt("task", asyncio.shield(inner))
    await attempt("callable", asyncio.shield(failing("other", 1)))
    trace("dropped")
    del inner
    trace("left")


@scenario
async def inner_that_fails_after_the_caller_has_gone():
    inner = asyncio.create_task(failing("inner", 3))
    caller = asyncio.create_task(shields("caller", inner))
    await ticks(1)
    trace("cancel", caller.cancel())
    await caller
    await ticks(3)
    trace("dropped")
    del inner
    trace("left")


@scenario
async def ended_inner_is_there_at_once():
    value = asyncio.create_task(child("value", 1))
    failed = asyncio.create_task(failing("failed", 2))
    await ticks(3)
    other = asyncio.create_task(child("other", 1))
    await attempt("value", asyncio.shield(value))
    await attempt("failed", asyncio.shield(failed))
    await other


@scenario
async def ended_inner_is_no_place_to_be_cancelled():
    inner = asyncio.create_task(child("inner", 1))
    await ticks(2)

    async def caller():
        trace("cancel", asyncio.current_task().cancel())
        await shields("shield", inner)
        await attempt("next", ticks(1))
    await asyncio.create_task(caller())


@scenario
async def request_that_was_there_before_the_shield():
    inner = asyncio.create_task(child("inner", 3))
    await ticks(1)

    async def caller():
        trace("cancel", asyncio.current_task().cancel())
        await shields("shield", inner)
        await attempt("next", ticks(1))
    await asyncio.create_task(caller())
    await attempt("inner", inner)


@scenario
async def two_shields_of_one_task():
    inner = asyncio.create_task(child("inner", 3))
    first = asyncio.create_task(shields("first", inner))
    second = asyncio.create_task(shields("second", inner))
    await ticks(1)
    trace("cancel", first.cancel())
    await first
    await second


@scenario
async def shield_in_a_gather_that_is_cancelled():
    inner = asyncio.create_task(child("inner", 3))

    async def shielded():
        return await asyncio.shield(inner)

    async def gathers():
        await attempt("gather", asyncio.gather(child("a", 9), shielded()))
    caller = asyncio.create_task(gathers())
    await ticks(1)
    trace("cancel", caller.cancel())
    await caller
    await attempt("inner", inner)


@scenario
async def shielded_gather_goes_on():
    async def both():
        return await asyncio.gather(child("a", 3), child("b", 2))
    inner = asyncio.create_task(both())
    caller = asyncio.create_task(shields("caller", inner))
    await ticks(1)
    trace("cancel", caller.cancel())
    await caller
    await attempt("inner", inner)


@scenario
async def limit_around_a_shield():
    inner = asyncio.create_task(child("inner", 3))

    async def limited():
        async with asyncio.timeout(2 * TICK):
            return await asyncio.shield(inner)
    await attempt("limited", limited())
    trace("inner", inner.done())
    await attempt("limited", limited())


@scenario
async def end_of_the_run_cancels_what_was_shielded():
    caller = asyncio.create_task(shields("caller", child("inner", 9)))
    await ticks(1)
    trace("cancel", caller.cancel())
    await caller
    trace("main ends")


if __name__ == "__main__":
    main()
