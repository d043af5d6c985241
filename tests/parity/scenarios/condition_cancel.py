"""Cancelled while it waits for a change, has just been told of one, or locks again."""

import asyncio

from cast import cancel, each_ends, passed, timeout
from condition_cast import notify, start, waits
from harness import attempt, differs, main, now, scenario, ticks, trace, turns


async def waits_and_sleeps(condition, name):
    """And says how the next wait of all ends, without the lock."""
    await attempt(name, waits(condition, name))
    await attempt(name + " sleeps", ticks(1))


@scenario
async def told_when_it_has_locked_again():
    condition = asyncio.Condition()
    task = start(condition, "task")
    await ticks(1)
    async with condition:
        condition.notify()
        await ticks(1)
        cancel(task)
        await ticks(1)
        trace("done", task.done())
    await each_ends(task)
    trace("cancelling", task.cancelling())


@scenario
async def requests_while_it_locks_again_are_told_once():
    condition = asyncio.Condition()
    task = asyncio.create_task(waits_and_sleeps(condition, "task"), name="task")
    await ticks(1)
    async with condition:
        condition.notify()
        for _ in range(3):
            await ticks(1)
            cancel(task)
    await each_ends(task)
    trace("cancelling", task.cancelling())


@scenario
async def request_that_follows_a_first_while_it_locks_again_is_not_told_anew():
    condition = asyncio.Condition()
    task = asyncio.create_task(waits_and_sleeps(condition, "task"), name="task")
    await ticks(1)
    async with condition:
        for _ in range(2):
            cancel(task)
            await ticks(1)
    await each_ends(task)
    trace("cancelling", task.cancelling())


@scenario
async def cancelled_first_leaves_the_notification_to_the_next():
    condition = asyncio.Condition()
    first, second = start(condition, "first"), start(condition, "second")
    await ticks(1)
    cancel(first)
    await notify(condition, 1)
    await each_ends(first, second)


@differs("3.11 loses the notification of a waiter that is cancelled before it runs, 3.13 passes it on",
         weft="""
         notify 1
         cancel first true
         first caught Cancelled locked true
         second notified locked true
         first threw Cancelled
         second returned none
         """)
@scenario
async def cancelled_when_just_notified_passes_it_on():
    condition = asyncio.Condition()
    first, second = start(condition, "first"), start(condition, "second")
    await ticks(1)
    await notify(condition, 1)
    cancel(first)
    await turns(4)
    if not second.done():
        cancel(second)
    await each_ends(first, second)


@differs("3.11 loses the notification of a waiter that is cancelled while it locks again, 3.13 passes it on",
         weft="""
         cancel first true
         first caught Cancelled locked true
         second notified locked true
         first threw Cancelled
         second returned none
         """)
@scenario
async def cancelled_while_it_locks_again_passes_it_on():
    condition = asyncio.Condition()
    first, second = start(condition, "first"), start(condition, "second")
    await ticks(1)
    async with condition:
        condition.notify()
        await ticks(1)
        cancel(first)
    await turns(4)
    if not second.done():
        cancel(second)
    await each_ends(first, second)


@scenario
async def cancelled_when_all_are_notified_leaves_the_others_theirs():
    condition = asyncio.Condition()
    tasks = [start(condition, name) for name in ("a", "b", "c")]
    await ticks(1)
    async with condition:
        condition.notify_all()
    cancel(tasks[0])
    await turns(4)
    await each_ends(*tasks)


@scenario
async def request_of_before_is_told_by_the_wait():
    condition = asyncio.Condition()

    async def cancels_itself():
        async with condition:
            trace("cancel", asyncio.current_task().cancel())
            try:
                await condition.wait()
            finally:
                trace("locked", condition.locked())
    task = asyncio.create_task(cancels_itself(), name="task")
    await each_ends(task)


@scenario
async def limit_passes_while_it_waits_and_another_has_the_lock():
    condition = asyncio.Condition()
    begin = now()

    async def impatient():
        await attempt("impatient", timeout(2, waits(condition, "impatient")))
        trace("ticks", passed(begin))
    task = asyncio.create_task(impatient(), name="task")
    await ticks(1)
    async with condition:
        await ticks(3)
    await each_ends(task)


@scenario
async def limit_passes_while_it_locks_again():
    condition = asyncio.Condition()
    begin = now()

    async def impatient():
        await attempt("impatient", timeout(2, waits(condition, "impatient")))
        trace("ticks", passed(begin), "cancelling", asyncio.current_task().cancelling())
        await attempt("sleep", ticks(1))
    task = asyncio.create_task(impatient(), name="task")
    await ticks(1)
    async with condition:
        condition.notify()
        await ticks(3)
    await each_ends(task)



if __name__ == "__main__":
    main()
