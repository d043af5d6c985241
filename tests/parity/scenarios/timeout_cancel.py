"""Limits of time that are not alone: beside a cancel from outside, and one within another."""

import asyncio

from cast import block_until, cancelling, overlong, passed, timeout, timeout_at
from harness import attempt, main, now, scenario, ticks, trace, turns


async def slow_to_clean_up():
    try:
        await ticks(99)
    except asyncio.CancelledError:
        trace("cleaning up", cancelling())
        try:
            await ticks(9)
        except asyncio.CancelledError as error:
            trace("cleanup caught", error, cancelling())
            raise
        raise


async def just_before(moment):
    """Sleeps until the moment is so near that it can be waited for awake."""
    await ticks(moment - 0.02 - now())


async def asked_to_stop(task):
    """Waits until the task has been asked to stop, and has not run since."""
    while task.cancelling() == 0:
        await turns(1)


@scenario
async def cancelled_before_the_limit():
    task = asyncio.create_task(timeout(5, overlong))
    await ticks(1)
    trace("cancel", task.cancel())
    await attempt("task", task)
    trace("cancelled", task.cancelled())


@scenario
async def cancelled_while_cleaning_up_after_the_limit():
    task = asyncio.create_task(timeout(2, slow_to_clean_up))
    await ticks(4)
    trace("cancel", task.cancel())
    await attempt("task", task)


@scenario
async def limit_reached_while_cleaning_up_after_a_cancel():
    task = asyncio.create_task(timeout(4, slow_to_clean_up))
    await ticks(2)
    trace("cancel", task.cancel())
    await attempt("task", task)


@scenario
async def cancelled_and_then_expired_before_it_runs():
    limit = now() + 5

    async def work():
        await attempt("timeout", timeout_at(limit, overlong))
        trace("cancelling", cancelling())
    task = asyncio.create_task(work())
    await just_before(limit)
    trace("cancel", task.cancel())
    block_until(limit + 0.001)
    await task


@scenario
async def expired_and_then_cancelled_before_it_runs():
    async def body(scope):
        try:
            await overlong()
        finally:
            trace("expired", scope.expired(), "cancelling", cancelling())
    limit = now() + 5

    async def work():
        await attempt("timeout", timeout_at(limit, body))
        trace("cancelling", cancelling())
        await attempt("later", ticks(1))
    task = asyncio.create_task(work())
    await just_before(limit)
    await asked_to_stop(task)
    trace("cancel", task.cancel())
    await task


@scenario
async def what_it_waits_for_comes_after_expiry():
    event = asyncio.Event()

    async def body():
        await event.wait()
        return "set"
    limit = now() + 5
    task = asyncio.create_task(timeout_at(limit, body))
    await just_before(limit)
    await asked_to_stop(task)
    event.set()
    await attempt("task", task)


@scenario
async def cancelled_after_the_limit_is_over_and_done_with():
    async def work():
        await attempt("timeout", timeout(2, overlong))
        await attempt("afterwards", ticks(99))
        trace("cancelling", cancelling())
    task = asyncio.create_task(work())
    await ticks(4)
    trace("cancel", task.cancel())
    await task


@scenario
async def limit_in_a_task_that_has_just_cancelled_itself():
    async def work():
        asyncio.current_task().cancel()
        await attempt("timeout", timeout(5, overlong))
        trace("cancelling", cancelling())
    await asyncio.create_task(work())


@scenario
async def limit_in_a_task_whose_cancel_was_taken_back():
    async def work():
        await attempt("sleep", ticks(99))
        trace("uncancel", asyncio.current_task().uncancel())
        await attempt("timeout", timeout(2, overlong))
        trace("cancelling", cancelling())
    task = asyncio.create_task(work())
    await ticks(1)
    trace("cancel", task.cancel())
    await task


# ---- One within another.

async def tell_how_it_ends(inner, outer):
    """The body of an outer limit, with an inner one."""
    try:
        return await inner
    except BaseException as error:
        trace("inner threw", error, "outer expired", outer.expired())
        raise


async def noting_expiry(scope):
    try:
        await overlong()
    finally:
        trace("inner expired", scope.expired())


@scenario
async def inner_limit_is_reached_first():
    async def body(outer):
        return await tell_how_it_ends(timeout(2, noting_expiry), outer)
    start = now()
    await attempt("outer", timeout(5, body))
    trace("ticks", passed(start))


@scenario
async def outer_limit_is_reached_first():
    async def body(outer):
        return await tell_how_it_ends(timeout(5, noting_expiry), outer)
    start = now()
    await attempt("outer", timeout(2, body))
    trace("ticks", passed(start))


@scenario
async def outer_limit_is_reached_while_the_inner_body_cleans_up():
    async def body(outer):
        return await tell_how_it_ends(timeout(2, slow_to_clean_up), outer)
    start = now()
    await attempt("outer", timeout(5, body))
    trace("ticks", passed(start), "cancelling", cancelling())


@scenario
async def inner_limit_is_reached_while_its_body_cleans_up_after_the_outer():
    async def body(outer):
        return await tell_how_it_ends(timeout(5, slow_to_clean_up), outer)
    start = now()
    await attempt("outer", timeout(2, body))
    trace("ticks", passed(start), "cancelling", cancelling())


@scenario
async def both_limits_are_reached_before_it_runs():
    limit = now() + 5

    async def body(outer):
        return await tell_how_it_ends(timeout_at(limit + 0.002, noting_expiry), outer)
    task = asyncio.create_task(timeout_at(limit, body))
    await just_before(limit)
    block_until(limit + 0.004)
    await attempt("outer", task)


@scenario
async def inner_timeout_is_caught_and_the_outer_limit_still_holds():
    async def body():
        await attempt("inner", timeout(2, overlong))
        trace("cancelling", cancelling())
        await overlong()
    start = now()
    await attempt("outer", timeout(5, body))
    trace("ticks", passed(start))


@scenario
async def outer_limit_lifted_from_within_the_inner_one():
    async def body(outer):
        async def inner():
            outer.reschedule(None)
            await ticks(4)
            return "free"
        return await tell_how_it_ends(timeout(9, inner), outer)
    await attempt("outer", timeout(2, body))


@scenario
async def body_swallows_the_expiry_of_the_outer_limit():
    async def body(outer):
        async def inner(scope):
            try:
                await ticks(99)
            except asyncio.CancelledError:
                trace("swallowed", outer.expired(), scope.expired())
            await overlong()
        await attempt("inner", timeout(5, inner))
        await ticks(3)
        return "late"
    start = now()
    await attempt("outer", timeout(2, body))
    trace("ticks", passed(start), "cancelling", cancelling())


@scenario
async def cancelled_within_two_limits():
    async def body(outer):
        return await tell_how_it_ends(timeout(5, overlong), outer)
    task = asyncio.create_task(timeout(9, body))
    await ticks(2)
    trace("cancel", task.cancel())
    await attempt("task", task)


if __name__ == "__main__":
    main()
