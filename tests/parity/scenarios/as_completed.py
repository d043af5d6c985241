"""Tasks in the order in which they end."""

import asyncio

from cast import at_last, failing, passed, sleeper, start
from harness import TICK, attempt, differs, main, now, scenario, ticks, trace


def as_completed(tasks, limit):
    return asyncio.as_completed(tasks, timeout=limit and limit * TICK)


async def each(tasks, limit=None):
    """Traces each as it ends."""
    begin = now()
    for coming in as_completed(tasks, limit):
        trace("next", await coming, "ticks", passed(begin))


async def each_slowly(tasks, count, limit=None):
    """The same, with so much to do after each."""
    begin = now()
    for coming in as_completed(tasks, limit):
        trace("next", await coming, "ticks", passed(begin))
        await ticks(count)


async def each_that_may_fail(tasks):
    for coming in as_completed(tasks, None):
        await attempt("next", coming)


@scenario
async def as_they_end():
    await each([start(sleeper, "a", 3), start(sleeper, "b", 1), start(sleeper, "c", 2)])


@scenario
async def none_at_all():
    await attempt("each", each([]))
    await attempt("with a limit", each([], limit=1))


@scenario
async def exception_comes_in_its_turn():
    await each_that_may_fail([start(sleeper, "a", 3), start(failing, "b", 1), start(failing, "c", 2)])


@scenario
async def exception_that_leaves_the_loop_leaves_the_rest_alone():
    a, b, c = start(sleeper, "a", 3), start(sleeper, "b", 1), start(failing, "c", 2)
    await attempt("each", each([a, b, c]))
    await at_last(a, b, c)


@scenario
async def cancelled_task_comes_in_its_turn():
    a, b = start(sleeper, "a", 9), start(sleeper, "b", 2)

    async def stop():
        await ticks(1)
        trace("cancel", a.cancel())
    stopper = asyncio.create_task(stop())
    await each_that_may_fail([a, b])
    trace("cancelling", asyncio.current_task().cancelling())
    await stopper


@scenario
async def break_leaves_the_rest_alone():
    a, b, c = start(sleeper, "a", 3), start(sleeper, "b", 1), start(sleeper, "c", 2)
    for coming in as_completed([a, b, c], None):
        trace("first", await coming)
        break
    trace("done", [task.done() for task in (a, b, c)])
    await at_last(a, b, c)


@scenario
async def slow_loop_gets_them_in_the_order_of_their_ends():
    a, b, c = start(sleeper, "a", 3), start(sleeper, "b", 1), start(sleeper, "c", 2)
    await each_slowly([a, b, c], 5)


@scenario
async def task_given_twice_comes_once():
    a, b = start(sleeper, "a", 2), start(sleeper, "b", 1)
    await each([a, b, a, b])


@scenario
async def task_that_has_ended_comes_first():
    a, b, c = start(sleeper, "a", 4), start(sleeper, "b", 1), start(sleeper, "c", 3)
    await ticks(2)
    await each([a, b, c])


@scenario
async def two_loops_over_the_same_tasks():
    a, b = start(sleeper, "a", 2), start(sleeper, "b", 1)
    first = asyncio.create_task(each_slowly([a, b], 3))
    second = asyncio.create_task(each([a, b]))
    await second
    await first


@scenario
async def limit_after_some():
    a, b, c = start(sleeper, "a", 4), start(sleeper, "b", 1), start(sleeper, "c", 2)
    await attempt("each", each([a, b, c], limit=3))
    await at_last(a)


@scenario
async def limit_that_is_not_reached():
    await each([start(sleeper, "a", 2), start(sleeper, "b", 1)], limit=3)
    await attempt("later", ticks(5))


@scenario
async def limit_of_nothing_gives_those_that_have_ended():
    a, b = start(sleeper, "a", 3), start(sleeper, "b", 1)
    await ticks(2)
    await attempt("each", each([a, b], limit=0))
    await at_last(a)


@scenario
async def slow_loop_gets_those_that_ended_in_time():
    a, b, c = start(sleeper, "a", 9), start(sleeper, "b", 1), start(sleeper, "c", 2)
    await attempt("each", each_slowly([a, b, c], 2, limit=3))
    await at_last(a)


@differs("no timer runs beside the loop: a step that need not wait gives what has ended by then", weft="""
    b ends
    next b ticks 1
    a ends
    next a ticks 6
    each returned none
    at last returned a
    """)
@scenario
async def slow_loop_gets_none_that_ended_after_the_limit():
    a, b = start(sleeper, "a", 4), start(sleeper, "b", 1)
    await attempt("each", each_slowly([a, b], 5, limit=3))
    await at_last(a)


@scenario
async def cancelled_caller_leaves_the_rest_alone():
    a, b, c = start(sleeper, "a", 3), start(sleeper, "b", 1), start(failing, "c", 4)
    caller = asyncio.create_task(each([a, b, c]))
    await ticks(2)
    trace("cancel", caller.cancel())
    await attempt("caller", caller)
    await at_last(a, b, c)


@scenario
async def limit_around_the_loop_leaves_the_rest_alone():
    a, b = start(sleeper, "a", 3), start(sleeper, "b", 1)

    async def limited():
        async with asyncio.timeout(2 * TICK):
            await each([a, b])
    await attempt("limited", limited())
    await at_last(a, b)


if __name__ == "__main__":
    main()
