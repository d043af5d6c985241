"""Waiting for many at once. What becomes of that when the caller is cancelled is in gather_cancel.py."""

import asyncio

from cast import cancelling, child, failing, passed
from harness import Failure, OtherFailure, attempt, main, now, scenario, ticks, trace


async def throwing(error, count):
    await ticks(count)
    raise error


@scenario
async def results_in_the_order_of_the_arguments():
    await attempt("gather", asyncio.gather(child("a", 3), child("b", 1), child("c", 2)))


@scenario
async def nothing_to_gather_is_nothing_at_once():
    other = asyncio.create_task(child("other", 1))
    await attempt("results", asyncio.gather())
    await attempt("outcomes", asyncio.gather(return_exceptions=True))
    await attempt("range", asyncio.gather(*[]))
    await other


@scenario
async def only_one_child():
    await attempt("value", asyncio.gather(child("a", 1)))
    await attempt("exception", asyncio.gather(failing("b", 1)))
    await attempt("outcome", asyncio.gather(failing("c", 1), return_exceptions=True))


@scenario
async def tasks_started_before_keep_their_results():
    a = asyncio.create_task(child("a", 3))
    b = asyncio.create_task(child("b", 2))
    await ticks(1)
    start = now()
    await attempt("gather", asyncio.gather(b, a))
    trace("ticks", passed(start))
    await attempt("a again", a)
    await attempt("gather again", asyncio.gather(a, b))


@scenario
async def tasks_and_callables_together():
    c = asyncio.create_task(child("c", 1))
    await attempt("gather", asyncio.gather(child("a", 3), c, child("b", 2)))


@scenario
async def children_start_in_order_behind_those_that_are_ready():
    before = asyncio.create_task(child("before", 9))

    async def gathers():
        await asyncio.gather(child("a", 3), child("b", 1), child("c", 2))
    task = asyncio.create_task(gathers())
    after = asyncio.create_task(child("after", 8))
    await task
    await after
    await before


@scenario
async def same_task_twice_runs_once():
    a = asyncio.create_task(child("a", 2))
    await attempt("results", asyncio.gather(a, child("b", 1), a))
    c = asyncio.create_task(failing("c", 1))
    await attempt("outcomes", asyncio.gather(c, c, return_exceptions=True))


@scenario
async def children_without_results():
    order = []

    async def notes(name, count):
        await ticks(count)
        order.append(name)
    await attempt("gather", asyncio.gather(notes("a", 2), notes("b", 1)))
    trace("order", order)


@scenario
async def any_number_of_children():
    await attempt("results", asyncio.gather(*[child(f"n{i}", 5 - i) for i in range(5)]))
    tasks = [asyncio.create_task(child(f"t{i}", 3 - i)) for i in range(3)]
    await attempt("of tasks", asyncio.gather(*tasks))


@scenario
async def range_with_a_failure():
    tasks = [asyncio.create_task(failing(f"f{i}", 4 - i)) for i in range(3)]
    await attempt("results", asyncio.gather(*tasks))
    await attempt("outcomes", asyncio.gather(*tasks, return_exceptions=True))


@scenario
async def tasks_that_have_ended():
    a = asyncio.create_task(child("a", 1))
    b = asyncio.create_task(failing("b", 2))
    c = asyncio.create_task(child("c", 9))
    await ticks(3)
    trace("cancel", c.cancel())
    await ticks(1)
    start = now()
    await attempt("a", asyncio.gather(a, a))
    await attempt("outcomes", asyncio.gather(c, b, a, return_exceptions=True))
    trace("ticks", passed(start))


@scenario
async def gathers_in_children():
    async def pair():
        return await asyncio.gather(child("a", 3), child("b", 1))

    async def both():
        return await asyncio.gather(pair(), child("c", 2))
    await attempt("gather", asyncio.gather(both(), child("d", 4)))


# ---- Exceptions.

@scenario
async def first_exception_at_once_while_siblings_go_on():
    start = now()
    await attempt("gather", asyncio.gather(child("a", 3), failing("b", 1), child("c", 2)))
    trace("ticks", passed(start))
    await ticks(5)
    trace("left")


@scenario
async def first_exception_is_the_first_in_time():
    a = asyncio.create_task(failing("a", 3))
    b = asyncio.create_task(failing("b", 2))
    await attempt("gather", asyncio.gather(a, b, child("c", 1)))
    trace("done", a.done(), b.done())
    await ticks(3)
    await attempt("a", a)
    await attempt("b", b)


@scenario
async def later_exceptions_count_as_read():
    other = asyncio.create_task(failing("other", 2))
    await attempt("gather", asyncio.gather(failing("a", 4), failing("b", 1), failing("c", 3)))
    await ticks(5)
    trace("other is")
    del other
    trace("left")


@scenario
async def exception_of_a_task_that_had_failed_before():
    failed = asyncio.create_task(failing("failed", 1))
    sibling = asyncio.create_task(child("sibling", 4))
    await ticks(2)
    start = now()
    await attempt("gather", asyncio.gather(sibling, failed))
    trace("ticks", passed(start), "sibling done", sibling.done())
    await attempt("sibling", sibling)


@scenario
async def exceptions_keep_their_types():
    await attempt("a", asyncio.gather(throwing(OtherFailure("a"), 1), child("b", 2)))
    await ticks(3)
    await attempt("all", asyncio.gather(
        throwing(Failure("c"), 1), throwing(TimeoutError(), 3), throwing(ValueError(), 2),
        throwing(asyncio.CancelledError(), 4), return_exceptions=True))


@scenario
async def outcomes_come_when_all_have_ended():
    start = now()
    await attempt("gather", asyncio.gather(failing("a", 1), child("b", 3), failing("c", 2),
                                           return_exceptions=True))
    trace("ticks", passed(start))


@scenario
async def outcomes_count_as_read():
    a = asyncio.create_task(failing("a", 1))
    await asyncio.gather(a, failing("b", 2), return_exceptions=True)
    trace("a is")
    del a
    trace("left")


@scenario
async def exception_passes_through_gathers_in_children():
    async def pair():
        try:
            return await asyncio.gather(child("a", 2), failing("b", 1))
        except Failure as error:
            trace("pair caught", error)
            raise
    await attempt("gather", asyncio.gather(child("c", 3), pair()))
    await ticks(4)
    trace("left")


@scenario
async def failure_caught_in_a_child_stays_there():
    async def pair():
        try:
            await asyncio.gather(child("a", 2), failing("b", 1))
        except Failure as error:
            trace("pair caught", error)
        return "instead"
    await attempt("gather", asyncio.gather(child("c", 3), pair()))


# ---- A child is cancelled, not the caller.

@scenario
async def cancelled_child_looks_like_a_raised_cancelled():
    a = asyncio.create_task(child("a", 9))

    async def stop():
        await ticks(1)
        trace("cancel", a.cancel())
    await attempt("gather", asyncio.gather(a, stop(), child("b", 2)))
    trace("cancelling", cancelling())
    await ticks(3)
    trace("left")


@scenario
async def cancelled_child_among_outcomes():
    a = asyncio.create_task(child("a", 9))

    async def stop():
        await ticks(1)
        trace("cancel", a.cancel())
        return "stopped"
    await attempt("gather", asyncio.gather(a, stop(), child("b", 2), return_exceptions=True))
    trace("cancelling", cancelling())


@scenario
async def child_that_throws_cancelled_itself():
    await attempt("gather", asyncio.gather(child("a", 3), throwing(asyncio.CancelledError(), 1)))
    trace("cancelling", cancelling())
    await ticks(4)


@scenario
async def cancelled_child_that_returns_all_the_same():
    async def stubborn():
        try:
            await ticks(9)
        except asyncio.CancelledError as error:
            trace("stubborn caught", error)
        return "all the same"
    task = asyncio.create_task(stubborn())

    async def stop():
        await ticks(1)
        trace("cancel", task.cancel())
        return "stopped"
    await attempt("gather", asyncio.gather(task, stop()))
    trace("cancelled", task.cancelled())


@scenario
async def child_cancelled_before_it_starts():
    a = asyncio.create_task(child("a", 1))
    trace("cancel", a.cancel())
    await attempt("gather", asyncio.gather(a, child("b", 2), return_exceptions=True))


if __name__ == "__main__":
    main()
