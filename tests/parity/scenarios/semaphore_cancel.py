"""Cancelled while it waits for a permit, has just been given one, or has it."""

import asyncio

from cast import block_until, cancel, child, each_ends, passed, timeout
from harness import attempt, call, main, now, scenario, ticks, trace, turns
from lock_cast import at_once, holds, line, release, start_holder, start_taker, takers, takes


# ---- Before, at and after a permit is given.

@scenario
async def cancelled_waiter_is_told_at_once_and_the_others_keep_their_order():
    semaphore = asyncio.Semaphore(0)
    a, b, c = await takers(semaphore, "a", "b", "c")
    cancel(b)
    await each_ends(b)
    for task in (a, c):
        semaphore.release()
        await each_ends(task)


@scenario
async def cancelled_before_the_release_the_next_one_gets_it():
    semaphore = asyncio.Semaphore(0)
    tasks = await takers(semaphore, "a", "b")
    cancel(tasks[0])
    semaphore.release()
    await each_ends(*tasks)
    trace("at once", at_once(semaphore))


@scenario
async def cancelled_after_the_release_passes_it_on():
    semaphore = asyncio.Semaphore(0)
    tasks = await takers(semaphore, "a", "b")
    semaphore.release()
    cancel(tasks[0])
    trace("at once", at_once(semaphore))
    await each_ends(*tasks)
    trace("at once", at_once(semaphore))


@scenario
async def cancelled_after_the_release_leaves_it_free_if_nobody_waits():
    semaphore = asyncio.Semaphore(0)
    tasks = await takers(semaphore, "a")
    semaphore.release()
    cancel(tasks[0])
    trace("at once", at_once(semaphore))
    await each_ends(*tasks)
    trace("at once", at_once(semaphore), at_once(semaphore))


@scenario
async def free_at_once_if_all_who_waited_are_cancelled():
    semaphore = asyncio.Semaphore(0)
    tasks = await takers(semaphore, "a", "b")
    for task in tasks:
        cancel(task)
    semaphore.release()
    trace("at once", at_once(semaphore), at_once(semaphore))
    await each_ends(*tasks)


@scenario
async def one_of_two_who_were_given_one_passes_it_on():
    semaphore = asyncio.Semaphore(0)
    tasks = await takers(semaphore, "a", "b", "c", "d")
    release(semaphore, 2)
    cancel(tasks[0])
    await turns(3)
    trace("done", tasks[2].done(), tasks[3].done())
    semaphore.release()
    await each_ends(*tasks)


@scenario
async def all_who_were_given_one_are_cancelled():
    semaphore = asyncio.Semaphore(0)
    tasks = await takers(semaphore, "a", "b", "c")
    release(semaphore, 2)
    cancel(tasks[0])
    cancel(tasks[1])
    await each_ends(*tasks)
    trace("at once", at_once(semaphore), at_once(semaphore))


@scenario
async def woken_task_cancels_the_next_one_woken():
    semaphore, tasks = asyncio.Semaphore(0), []

    async def cancels_the_next():
        await takes(semaphore, "a")
        cancel(tasks[1])
    tasks.append(asyncio.create_task(cancels_the_next(), name="a"))
    tasks += await takers(semaphore, "b", "c")
    release(semaphore, 2)
    await each_ends(*tasks)


@scenario
async def passed_on_to_who_comes_before_the_cancelled_one_runs():
    semaphore = asyncio.Semaphore(0)
    tasks = await takers(semaphore, "a")
    tasks.append(start_taker(semaphore, "early"))
    semaphore.release()
    cancel(tasks[0])
    tasks.append(start_holder(semaphore, "late", 0))
    await turns(3)
    trace("gives it back")
    semaphore.release()
    await each_ends(*tasks)


@scenario
async def many_come_and_go():
    semaphore = asyncio.Semaphore(3)
    tasks = await line(semaphore, *[str(number) for number in range(16)])
    for number in (15, 1, 4, 8, 7, 10):
        cancel(tasks[number])
        await turns(1)
    await each_ends(*tasks)
    trace("left", [at_once(semaphore) for _ in range(4)])


@scenario
async def bounded_takes_no_more_after_a_permit_was_passed_on():
    semaphore = asyncio.BoundedSemaphore(1)
    await takes(semaphore, "main")
    tasks = await takers(semaphore, "a", "b")
    call("release", semaphore.release)
    cancel(tasks[0])
    await each_ends(*tasks)
    for _ in range(2):
        call("release", semaphore.release)


# ---- Who asks, and what it does then.

@scenario
async def cancelled_holder_gives_it_back_when_it_has_cleaned_up():
    semaphore = asyncio.Semaphore(1)

    async def cleans_up():
        async with semaphore:
            try:
                await ticks(9)
            finally:
                await child("cleanup", 2)
    begin = now()
    holder = asyncio.create_task(cleans_up(), name="holder")
    next_one = start_holder(semaphore, "next", 0)
    await ticks(1)
    cancel(holder)
    await each_ends(next_one, holder)
    trace("ticks", passed(begin))


@scenario
async def request_of_before_is_told_by_the_wait_and_not_by_a_free_permit():
    semaphore = asyncio.Semaphore(1)

    async def cancels_itself():
        trace("cancel", asyncio.current_task().cancel())
        await takes(semaphore, "first")
        await takes(semaphore, "second")
    task = asyncio.create_task(cancels_itself(), name="task")
    await each_ends(task)
    semaphore.release()
    trace("at once", at_once(semaphore), at_once(semaphore))


@scenario
async def who_swallows_the_request_and_comes_again_stands_at_the_end():
    semaphore = asyncio.Semaphore(0)

    async def persists():
        await attempt("first", takes(semaphore, "first"))
        await attempt("second", takes(semaphore, "second"))
    task = asyncio.create_task(persists(), name="task")
    tasks = [*await takers(semaphore, "a", "b"), task]
    semaphore.release()
    cancel(task)
    for _ in range(2):
        await turns(2)
        trace("release")
        semaphore.release()
    await each_ends(*tasks)


@scenario
async def limit_passes_while_it_waits():
    semaphore = asyncio.Semaphore(1)
    begin = now()
    holder = start_holder(semaphore, "holder", 4)

    async def impatient():
        await attempt("limit", timeout(2, holds(semaphore, "impatient", 0)))
        trace("ticks", passed(begin), "cancelling", asyncio.current_task().cancelling())
        await attempt("limit", timeout(9, holds(semaphore, "again", 0)))
    task = asyncio.create_task(impatient(), name="impatient")
    await ticks(1)
    late = start_holder(semaphore, "late", 1)
    await each_ends(task, holder, late)


@scenario
async def limit_that_nobody_has_noticed_does_not_take_the_permit_back():
    semaphore = asyncio.Semaphore(0)

    async def impatient():
        await attempt("limit", timeout(0.4, takes(semaphore, "impatient")))
    task = asyncio.create_task(impatient(), name="impatient")
    await turns(1)
    block_until(now() + 0.42)
    semaphore.release()
    await each_ends(task)
    trace("at once", at_once(semaphore))


if __name__ == "__main__":
    main()
