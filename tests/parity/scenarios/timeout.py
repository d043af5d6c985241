"""Limits of time, and moving them. More about them is in timeout_cancel.py and wait_for.py."""

import asyncio

from cast import block_until, cancelling, overlong, passed, timeout, timeout_at
from harness import Failure, TICK, attempt, call, differs, main, now, scenario, ticks, trace


async def sleep_until(moment):
    await ticks(moment - now())


def left(scope):
    """Ticks to the limit; none if there is none."""
    return None if scope.when() is None else round(scope.when() / TICK - now())


@scenario
async def limit_not_reached():
    async def body():
        await ticks(1)
        return "done"
    await attempt("timeout", timeout(2, body))
    await attempt("later", ticks(5))


@scenario
async def limit_reached():
    start = now()
    await attempt("timeout", timeout(2, overlong))
    trace("ticks", passed(start))
    await attempt("later", ticks(5))


@scenario
async def expiry_is_a_request_that_is_taken_back():
    async def body():
        trace("before", cancelling())
        try:
            await ticks(99)
        except asyncio.CancelledError:
            trace("in the body", cancelling())
            raise
    try:
        await timeout(2, body)
    except TimeoutError:
        trace("afterwards", cancelling())


@scenario
async def value_returned_in_spite_of_the_expiry():
    async def body(scope):
        try:
            await ticks(99)
        except asyncio.CancelledError:
            trace("swallowed", scope.expired())
        return "all the same"
    await attempt("timeout", timeout(2, body))
    trace("cancelling", cancelling())
    await attempt("later", ticks(5))


@scenario
async def body_swallows_the_expiry_and_suspends_again():
    async def body():
        try:
            await ticks(99)
        except asyncio.CancelledError:
            trace("swallowed")
        await attempt("again", ticks(7))
        return "late"
    start = now()
    await attempt("timeout", timeout(2, body))
    trace("ticks", passed(start))


@scenario
async def body_fails_before_the_limit():
    async def body():
        await ticks(1)
        raise Failure("a")
    await attempt("timeout", timeout(2, body))
    await attempt("later", ticks(5))


@scenario
async def cleanup_fails_after_the_limit():
    async def body():
        try:
            await ticks(99)
        finally:
            await ticks(1)
            raise Failure("cleanup")
    await attempt("timeout", timeout(2, body))
    trace("cancelling", cancelling())


@scenario
async def cleanup_takes_longer_than_the_limit():
    async def body():
        try:
            await ticks(99)
        except asyncio.CancelledError:
            await ticks(6)
            trace("cleaned up")
            raise
    start = now()
    await attempt("timeout", timeout(2, body))
    trace("ticks", passed(start))


@scenario
async def body_throws_timeout_error_itself():
    async def body(scope):
        await ticks(1)
        trace("expired", scope.expired())
        raise TimeoutError
    start = now()
    await attempt("timeout", timeout(5, body))
    trace("ticks", passed(start), "cancelling", cancelling())


@scenario
async def body_throws_cancelled_itself():
    async def early():
        await ticks(1)
        raise asyncio.CancelledError
    await attempt("before the limit", timeout(5, early))

    async def late():
        try:
            await ticks(99)
        except asyncio.CancelledError:
            trace("swallowed")
        raise asyncio.CancelledError
    await attempt("after it", timeout(5, late))


@scenario
async def limit_of_nothing_stops_the_body_where_it_first_suspends():
    async def body():
        trace("body starts")
        await overlong()
    for count in (0, -3):
        start = now()
        await attempt("timeout", timeout(count, body))
        trace("ticks", passed(start))
    await attempt("later", ticks(1))


@scenario
async def limit_of_nothing_around_a_body_that_never_suspends():
    async def body():
        return "quick"
    await attempt("timeout", timeout(0, body))
    trace("cancelling", cancelling())
    await attempt("later", ticks(1))


@scenario
async def body_that_blocks_past_its_limit_returns():
    async def body():
        block_until(now() + 0.02)
        return "blocked"
    await attempt("timeout", timeout(0.01, body))
    trace("cancelling", cancelling())
    await attempt("later", ticks(1))


@scenario
async def limit_is_a_moment():
    start = now()
    limit = start + 3

    async def first():
        await ticks(2)
        return "in time"
    await attempt("first", timeout_at(limit, first))
    await attempt("second", timeout_at(limit, overlong))
    trace("ticks", passed(start))


@scenario
async def limit_is_a_moment_that_has_passed():
    async def body():
        trace("body starts")
        await overlong()
    start = now()
    await attempt("timeout", timeout_at(start - 3, body))
    trace("ticks", passed(start))


@scenario
async def each_task_has_its_own_limit():
    async def limited(name, limit, count):
        async def body():
            await ticks(count)
            return name
        await attempt(name, timeout(limit, body))
    await asyncio.gather(limited("a", 5, 9), limited("b", 3, 2), limited("c", 1, 9), limited("d", 9, 7))


@scenario
async def retries_each_with_a_limit():
    for number in range(1, 5):
        async def body():
            await ticks(4 - number)
            return "reached"
        try:
            trace(await timeout(1.5, body))
            break
        except TimeoutError as error:
            trace("try", number, error)
    trace("tries", number)


@scenario
async def sleep_until_a_moment():
    start = now()
    for number in (1, 2, 3):
        await sleep_until(start + 3 * number)
        trace("ticks", passed(start))
        await ticks(number)

    async def other():
        trace("other runs")
    task = asyncio.create_task(other())
    await sleep_until(start)
    trace("back at once", passed(start))
    await task


# ---- Looking at the limit, and moving it.

@scenario
async def when_and_expired():
    async def body(scope):
        trace("left", left(scope), scope.expired())
        await ticks(2)
        trace("left", left(scope), scope.expired())
        try:
            await overlong()
        finally:
            await ticks(1)
            trace("left", left(scope), scope.expired())
    await attempt("timeout", timeout(5, body))


@scenario
async def when_of_a_limit_that_had_passed():
    start = now()

    async def body(scope):
        trace("left", left(scope))
        return "quick"
    await attempt("timeout", timeout_at(start - 3, body))

    async def moved(scope):
        scope.reschedule(start - 4)
        trace("left", left(scope))
        return "quick"
    await attempt("timeout", timeout(5, moved))


@scenario
async def limit_moved_to_later():
    async def body(scope):
        await ticks(1)
        scope.reschedule((now() + 5) * TICK)
        await overlong()
    start = now()
    await attempt("timeout", timeout(2, body))
    trace("ticks", passed(start))


@scenario
async def limit_moved_to_sooner():
    async def body(scope):
        await ticks(1)
        scope.reschedule((now() + 2) * TICK)
        await overlong()
    start = now()
    await attempt("timeout", timeout(50, body))
    trace("ticks", passed(start))


@scenario
async def limit_moved_to_the_past():
    async def body(scope):
        await ticks(1)
        scope.reschedule((now() - 1) * TICK)
        trace("goes on until it suspends")
        await overlong()
    start = now()
    await attempt("timeout", timeout(50, body))
    trace("ticks", passed(start))


@differs("A limit that has passed expires at once in weft; asyncio leaves that to its loop's next turn.",
         weft="""expired true cancelling 1
                 reschedule threw Misuse
                 timeout threw TimeoutError""")
@scenario
async def limit_of_nothing_moved_before_the_body_suspends():
    async def body(scope):
        trace("expired", scope.expired(), "cancelling", cancelling())
        call("reschedule", lambda: scope.reschedule((now() + 5) * TICK))
        await ticks(1)
        return "in time"
    await attempt("timeout", timeout(0, body))


@scenario
async def limit_lifted():
    async def body(scope):
        scope.reschedule(None)
        trace("left", left(scope))
        await ticks(7)
        trace("expired", scope.expired())
        return "free"
    await attempt("timeout", timeout(2, body))


@scenario
async def limit_lifted_and_set_again():
    async def body(scope):
        scope.reschedule(None)
        await ticks(4)
        scope.reschedule((now() + 1) * TICK)
        await overlong()
    start = now()
    await attempt("timeout", timeout(2, body))
    trace("ticks", passed(start))


@scenario
async def limit_moved_after_expiry_is_misuse():
    async def body(scope):
        try:
            await overlong()
        finally:
            call("later", lambda: scope.reschedule((now() + 5) * TICK))
            call("none", lambda: scope.reschedule(None))
            trace("expired", scope.expired())
    await attempt("timeout", timeout(2, body))


if __name__ == "__main__":
    main()
