"""Cancelled while it waits for a lock, has just been handed it, or has it."""

import asyncio

from cast import block_until, cancel, child, each_ends, passed, timeout
from harness import attempt, differs, main, now, scenario, ticks, trace, turns
from lock_cast import at_once, holds, line, start_holder


# ---- Before, at and after the hand-over.

@scenario
async def cancelled_waiter_is_told_at_once_and_the_others_keep_their_order():
    lock = asyncio.Lock()
    holder = start_holder(lock, "holder", 3)
    a, b, c = await line(lock, "a", "b", "c")
    await ticks(1)
    cancel(b)
    await each_ends(b)
    await each_ends(holder, a, c)


@scenario
async def cancelled_before_the_hand_over_the_next_one_gets_it():
    lock = asyncio.Lock()
    await lock.acquire()
    tasks = await line(lock, "a", "b")
    cancel(tasks[0])
    lock.release()
    await each_ends(*tasks)


@scenario
async def cancelled_after_the_hand_over_passes_it_on():
    lock = asyncio.Lock()
    await lock.acquire()
    tasks = await line(lock, "a", "b")
    lock.release()
    cancel(tasks[0])
    trace("at once", at_once(lock))
    await each_ends(*tasks)


@scenario
async def cancelled_after_the_hand_over_leaves_it_free_if_nobody_waits():
    lock = asyncio.Lock()
    await lock.acquire()
    tasks = await line(lock, "a")
    lock.release()
    cancel(tasks[0])
    trace("at once", at_once(lock))
    await each_ends(*tasks)
    trace("at once", at_once(lock))


@scenario
async def cancelled_on_both_sides_of_the_hand_over():
    lock = asyncio.Lock()
    await lock.acquire()
    tasks = await line(lock, "a", "b", "c", "d")
    cancel(tasks[0])
    lock.release()
    cancel(tasks[1])
    cancel(tasks[2])
    await each_ends(*tasks)


@scenario
async def free_at_once_if_all_who_waited_are_cancelled():
    lock = asyncio.Lock()
    await lock.acquire()
    tasks = await line(lock, "a", "b")
    for task in tasks:
        cancel(task)
    lock.release()
    trace("at once", at_once(lock))
    await each_ends(*tasks)


@scenario
async def passed_on_to_who_comes_before_the_cancelled_one_runs():
    lock = asyncio.Lock()
    await lock.acquire()
    tasks = await line(lock, "a")
    tasks.append(start_holder(lock, "early", 0))
    lock.release()
    cancel(tasks[0])
    tasks.append(start_holder(lock, "late", 0))
    await each_ends(*tasks)


@scenario
async def passed_on_by_one_after_the_other():
    lock = asyncio.Lock()
    await lock.acquire()
    tasks = await line(lock, "a", "b", "c")

    async def cancels_the_next(number):
        await turns(1)
        cancel(tasks[number])
    helper = asyncio.create_task(cancels_the_next(1), name="helper")
    await turns(1)
    lock.release()
    cancel(tasks[0])
    await each_ends(helper, *tasks)


@scenario
async def many_of_those_in_line_are_cancelled():
    lock = asyncio.Lock()
    await lock.acquire()
    tasks = await line(lock, *[str(number) for number in range(12)])
    for number in range(0, 12, 3):
        cancel(tasks[number])
    await turns(1)
    lock.release()
    for number in range(1, 12, 3):
        await turns(1)
        cancel(tasks[number])
    await each_ends(*tasks)


@differs("weft hands the lock over at once, asyncio when a cancelled waiter at the head has run",
         weft="""
         cancel a true
         b has it
         other runs
         a threw Cancelled
         b gives it back
         b returned none
         other returned none
         """)
@scenario
async def cancelled_head_of_the_line_does_not_delay_the_hand_over():
    lock = asyncio.Lock()

    async def other():
        trace("other runs")
    await lock.acquire()
    tasks = await line(lock, "a", "b")
    cancel(tasks[0])
    lock.release()
    tasks.append(asyncio.create_task(other(), name="other"))
    await each_ends(*tasks)


# ---- Who asks, and what it does then.

@scenario
async def cancelled_holder_gives_it_back_when_it_has_cleaned_up():
    lock = asyncio.Lock()

    async def cleans_up():
        async with lock:
            try:
                await ticks(9)
            finally:
                await child("cleanup", 2)
    begin = now()
    holder = asyncio.create_task(cleans_up(), name="holder")
    next_one = start_holder(lock, "next", 0)
    await ticks(1)
    cancel(holder)
    await each_ends(next_one, holder)
    trace("ticks", passed(begin))


@scenario
async def request_of_before_is_told_by_the_wait_and_not_by_a_free_lock():
    free, held = asyncio.Lock(), asyncio.Lock()
    holder = start_holder(held, "holder", 2)

    async def cancels_itself():
        await turns(1)
        trace("cancel", asyncio.current_task().cancel())
        async with free:
            trace("has the free one")
            await holds(held, "task", 0)
    task = asyncio.create_task(cancels_itself(), name="task")
    await each_ends(task, holder)
    trace("at once", at_once(free), at_once(held))


@scenario
async def who_swallows_the_request_and_locks_again_stands_at_the_end():
    lock = asyncio.Lock()
    await lock.acquire()

    async def persists():
        await attempt("first", holds(lock, "first", 0))
        await attempt("second", holds(lock, "second", 0))
    task = asyncio.create_task(persists(), name="task")
    tasks = await line(lock, "a", "b")
    cancel(task)
    await turns(1)
    lock.release()
    await each_ends(task, *tasks)
    trace("cancelling", task.cancelling())


@scenario
async def requests_in_one_turn_are_told_once():
    lock = asyncio.Lock()
    await lock.acquire()

    async def waits_and_sleeps():
        await attempt("lock", holds(lock, "task", 0))
        await attempt("sleep", ticks(1))
    task = asyncio.create_task(waits_and_sleeps(), name="task")
    await turns(1)
    for _ in range(3):
        cancel(task)
    lock.release()
    await each_ends(task)
    trace("cancelling", task.cancelling())


@scenario
async def limit_passes_while_it_waits():
    lock = asyncio.Lock()
    begin = now()
    holder = start_holder(lock, "holder", 4)

    async def impatient():
        await attempt("limit", timeout(2, holds(lock, "impatient", 0)))
        trace("ticks", passed(begin), "cancelling", asyncio.current_task().cancelling())
        await holds(lock, "again", 0)
    task = asyncio.create_task(impatient(), name="impatient")
    await ticks(1)
    late = start_holder(lock, "late", 1)
    await each_ends(task, holder, late)


@scenario
async def limit_that_nobody_has_noticed_does_not_take_the_hand_over_back():
    lock = asyncio.Lock()
    await lock.acquire()

    async def takes_it():
        async with lock:
            trace("has it")

    async def impatient():
        await attempt("limit", timeout(0.4, takes_it))
    task = asyncio.create_task(impatient(), name="impatient")
    await turns(1)
    block_until(now() + 0.42)
    lock.release()
    await each_ends(task)
    trace("at once", at_once(lock))


if __name__ == "__main__":
    main()
