"""Waiting for some or all of several tasks."""

import asyncio
from asyncio import ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION

from cast import at_last, failing, passed, sleeper, start
from harness import Failure, TICK, attempt, differs, main, now, scenario, ticks, trace


def names(tasks):
    return sorted(task.get_name() for task in tasks)


async def trace_wait(tasks, when=ALL_COMPLETED, limit=None):
    """Waits, so many ticks at most, and says how it stands then."""
    begin = now()
    done, pending = await asyncio.wait(tasks, return_when=when, timeout=limit and limit * TICK)
    trace("done", names(done), "pending", names(pending), "ticks", passed(begin))


@scenario
async def for_all():
    a, b, c = start(sleeper, "a", 3), start(sleeper, "b", 1), start(sleeper, "c", 2)
    await trace_wait([a, b, c])
    await at_last(a, b, c)


@scenario
async def for_the_first_to_end():
    a, b, c = start(sleeper, "a", 3), start(sleeper, "b", 1), start(sleeper, "c", 2)
    await trace_wait([a, b, c], FIRST_COMPLETED)
    await at_last(a, b, c)


@scenario
async def for_the_first_to_end_if_it_fails():
    a, b = start(sleeper, "a", 3), start(failing, "b", 1)
    await trace_wait([a, b], FIRST_COMPLETED)
    await at_last(a, b)


@scenario
async def two_that_end_together_are_both_done():
    gate = asyncio.Event()

    async def opens():
        await ticks(1)
        gate.set()

    async def passes(name, count):
        await gate.wait()
        await ticks(count)
        return name
    a, b, c = start(passes, "a", 0), start(passes, "b", 0), start(passes, "c", 2)
    opener = asyncio.create_task(opens())
    await trace_wait([a, b, c], FIRST_COMPLETED)
    await at_last(opener, c)


@scenario
async def for_the_first_exception():
    a, b, c = start(failing, "a", 2), start(sleeper, "b", 1), start(sleeper, "c", 4)
    await trace_wait([a, b, c], FIRST_EXCEPTION)
    await at_last(a, b, c)


@scenario
async def for_an_exception_that_never_comes():
    a, b = start(sleeper, "a", 1), start(sleeper, "b", 2)
    await trace_wait([a, b], FIRST_EXCEPTION)


@scenario
async def cancelled_task_is_no_exception():
    a, b = start(sleeper, "a", 9), start(sleeper, "b", 3)

    async def stop():
        await ticks(1)
        trace("cancel", a.cancel())
    stopper = asyncio.create_task(stop())
    await trace_wait([a, b], FIRST_EXCEPTION)
    trace("cancelled", a.cancelled(), b.cancelled())
    await at_last(stopper)


@scenario
async def cancelled_task_has_ended():
    a, b = start(sleeper, "a", 9), start(sleeper, "b", 3)

    async def stop():
        await ticks(1)
        trace("cancel", a.cancel())
    stopper = asyncio.create_task(stop())
    await trace_wait([a, b], FIRST_COMPLETED)
    trace("cancelling", asyncio.current_task().cancelling())
    await at_last(stopper, a, b)


# ---- So long at most.

@scenario
async def limit_before_any_has_ended():
    a, b = start(sleeper, "a", 3), start(failing, "b", 4)
    await trace_wait([a, b], limit=2)
    await at_last(a, b)


@scenario
async def limit_when_some_have_ended():
    a, b, c = start(sleeper, "a", 3), start(sleeper, "b", 1), start(failing, "c", 5)
    await trace_wait([a, b, c], limit=2)
    await trace_wait([a, b, c], FIRST_EXCEPTION, limit=2)
    await at_last(a, b, c)


@scenario
async def limit_before_the_first():
    a, b = start(sleeper, "a", 3), start(sleeper, "b", 5)
    await trace_wait([a, b], FIRST_COMPLETED, limit=2)
    await trace_wait([a, b], FIRST_COMPLETED, limit=2)
    await at_last(a, b)


@scenario
async def limit_that_is_not_reached():
    a, b = start(sleeper, "a", 3), start(sleeper, "b", 1)
    await trace_wait([a, b], limit=9)
    await attempt("later", ticks(9))


@scenario
async def limit_of_nothing_lets_others_run_once():
    async def quick(name, count):
        trace(name, "runs")
        return name
    a, b = start(quick, "a", 0), start(sleeper, "b", 3)
    await trace_wait([a, b], limit=0)
    await trace_wait([a, b], limit=-1)
    await at_last(a, b)


# ---- Which tasks.

@scenario
async def nothing_to_wait_for_is_misuse():
    await attempt("all", trace_wait([]))
    await attempt("first", trace_wait([], FIRST_COMPLETED, limit=1))


@scenario
async def task_given_twice_counts_once():
    a, b = start(sleeper, "a", 2), start(sleeper, "b", 1)
    await trace_wait([a, b, a], FIRST_COMPLETED)
    await trace_wait([a, a, b, b])


@scenario
async def tasks_that_have_ended():
    a, b, c = start(sleeper, "a", 1), start(failing, "b", 2), start(sleeper, "c", 5)
    await ticks(3)
    await trace_wait([a, b])
    await trace_wait([a, c], FIRST_COMPLETED)
    await trace_wait([b, c], FIRST_EXCEPTION)
    await trace_wait([a, c], FIRST_EXCEPTION)
    await at_last(a, b, c)


@scenario
async def two_wait_for_the_same_tasks():
    a, b = start(sleeper, "a", 1), start(sleeper, "b", 2)
    first = asyncio.create_task(trace_wait([a, b], FIRST_COMPLETED))
    both = asyncio.create_task(trace_wait([a, b]))
    await first
    await both


@scenario
async def again_and_again_until_none_is_pending():
    pending = [start(sleeper, "a", 3), start(failing, "b", 1), start(sleeper, "c", 2)]
    while pending:
        done, pending = await asyncio.wait(pending, return_when=FIRST_COMPLETED)
        for task in done:
            trace(task.get_name(), "failed with", task.exception(), "left", names(pending))


# ---- What they throw, and the caller's end.

@scenario
async def exceptions_stay_with_their_tasks():
    a, b = start(failing, "a", 1), start(failing, "b", 2)
    await trace_wait([a, b])
    trace("a", a.exception())
    trace("dropped")
    del a, b
    trace("left")


@differs("asyncio's wait itself reads the exceptions to learn whether there are any; weft's reads none",
         weft="""
         a fails
         done [a] pending [b] ticks 1
         dropped
         unread Failure(a)
         b ends
         at last returned b
         """)
@scenario
async def first_exception_stays_with_its_task():
    a, b = start(failing, "a", 1), start(sleeper, "b", 2)
    await trace_wait([a, b], FIRST_EXCEPTION)
    trace("dropped")
    del a
    await at_last(b)


@scenario
async def cancelled_caller_leaves_the_tasks_alone():
    a, b = start(sleeper, "a", 3), start(sleeper, "b", 1)
    caller = asyncio.create_task(trace_wait([a, b]))
    await ticks(2)
    trace("cancel", caller.cancel())
    await attempt("caller", caller)
    await at_last(a, b)


@scenario
async def limit_around_a_wait_leaves_the_tasks_alone():
    a, b = start(sleeper, "a", 3), start(sleeper, "b", 1)

    async def limited():
        async with asyncio.timeout(2 * TICK):
            await trace_wait([a, b])
    await attempt("limited", limited())
    await at_last(a, b)


@scenario
async def caller_cancels_those_that_are_pending():
    a, b, c = start(sleeper, "a", 8), start(sleeper, "b", 1), start(sleeper, "c", 9)
    await trace_wait([a, b, c], FIRST_COMPLETED)
    for task in (a, b, c):
        trace(task.get_name(), "cancel", task.cancel())
    await trace_wait([a, b, c])
    trace("cancelled", [task.cancelled() for task in (a, b, c)])


if __name__ == "__main__":
    main()
