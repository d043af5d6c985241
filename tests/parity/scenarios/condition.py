"""Waiting for a change of what a lock protects."""

import asyncio

from cast import cancel, each_ends, passed, timeout
from condition_cast import notify, start, waits
from harness import Failure, attempt, call, differs, main, now, scenario, ticks, trace, turns


async def holds(condition, name, count):
    """Has the lock for so many ticks."""
    async with condition:
        trace(name, "has the lock")
        await ticks(count)
        trace(name, "gives it back")


async def notify_all(condition):
    async with condition:
        trace("notify all")
        condition.notify_all()


# ---- Notifying.

@scenario
async def one_at_a_time_in_the_order_of_arrival():
    condition = asyncio.Condition()
    tasks = [start(condition, name) for name in ("a", "b", "c")]
    for _ in tasks:
        await ticks(1)
        await notify(condition, 1)
    await each_ends(*tasks)


@scenario
async def notifies_as_many_as_it_is_told():
    condition = asyncio.Condition()
    tasks = [start(condition, name) for name in ("a", "b", "c")]
    for count in (0, 2, 9):
        await ticks(1)
        await notify(condition, count)
    await each_ends(*tasks)


@scenario
async def notifies_all():
    condition = asyncio.Condition()
    tasks = [start(condition, str(number)) for number in range(20)]
    await ticks(1)
    await notify_all(condition)
    await each_ends(*tasks)


@scenario
async def who_comes_later_is_not_notified():
    condition = asyncio.Condition()
    await notify(condition, 1)
    await notify_all(condition)
    await attempt("main", timeout(1, waits(condition, "late")))


@scenario
async def who_waits_again_at_once_is_not_notified_twice():
    condition = asyncio.Condition()

    async def twice(name):
        await waits(condition, name)
        await waits(condition, name + " again")
    tasks = [asyncio.create_task(twice(name), name=name) for name in ("a", "b")]
    for _ in range(2):
        await ticks(1)
        await notify_all(condition)
        await turns(4)
    await each_ends(*tasks)


@differs("a condition variable may be notified by whoever does not have the lock, as in the C++ library",
         weft="""
         notify returned none
         a notified locked true
         a returned none
         """)
@scenario
async def notify_without_the_lock():
    condition = asyncio.Condition()
    task = start(condition, "a")
    await ticks(1)
    call("notify", condition.notify)
    await turns(2)
    if not task.done():
        await notify(condition, 1)
    await each_ends(task)


@scenario
async def wait_without_the_lock_is_misuse():
    condition = asyncio.Condition()
    await attempt("wait", condition.wait())
    await attempt("wait until", condition.wait_for(lambda: False))


# ---- The lock meanwhile.

@scenario
async def wait_gives_the_lock_to_who_waits_for_it():
    condition = asyncio.Condition()
    waiter = start(condition, "waiter")
    holder = asyncio.create_task(holds(condition, "holder", 2), name="holder")
    await ticks(1)
    await notify(condition, 1)
    await each_ends(waiter, holder)


@scenario
async def notified_waits_until_the_notifier_gives_the_lock_back():
    condition = asyncio.Condition()
    begin = now()
    waiter = start(condition, "waiter")
    await ticks(1)
    async with condition:
        trace("notify")
        condition.notify()
        await ticks(2)
        trace("gives it back", "waiter done", waiter.done())
    await each_ends(waiter)
    trace("ticks", passed(begin))


@scenario
async def notified_stands_behind_those_who_want_the_lock_already():
    condition = asyncio.Condition()
    waiter = start(condition, "waiter")
    await ticks(1)
    await condition.acquire()
    holder = asyncio.create_task(holds(condition, "holder", 1), name="holder")
    await ticks(1)
    condition.notify()
    await turns(2)
    late = asyncio.create_task(holds(condition, "late", 1), name="late")
    await turns(2)
    condition.release()
    await each_ends(waiter, holder, late)


@scenario
async def two_conditions_share_a_lock():
    lock = asyncio.Lock()
    item, room, items = asyncio.Condition(lock), asyncio.Condition(lock), []

    async def puts():
        for number in range(4):
            async with lock:
                await room.wait_for(lambda: len(items) < 2)
                items.append(number)
                trace("put", number, "of", len(items))
                item.notify()

    async def gets():
        for _ in range(4):
            async with lock:
                await item.wait_for(lambda: items)
                trace("got", items.pop(0), "of", len(items) + 1)
                room.notify()
            await ticks(1)
    tasks = [asyncio.create_task(gets(), name="gets"), asyncio.create_task(puts(), name="puts")]
    await each_ends(*tasks)


# ---- Until something holds.

@scenario
async def waits_until_it_holds():
    condition, state = asyncio.Condition(), {"level": 0}

    async def climbs(name, least):
        def holds_now():
            trace(name, "looks", state["level"], "locked", condition.locked())
            return state["level"] >= least
        async with condition:
            await condition.wait_for(holds_now)
            trace(name, "goes on")
    tasks = [asyncio.create_task(climbs(name, least), name=name)
             for name, least in (("high", 3), ("low", 1), ("middle", 2))]
    for _ in range(3):
        await ticks(1)
        async with condition:
            state["level"] += 1
            condition.notify_all()
    await each_ends(*tasks)


@scenario
async def what_holds_already_is_not_waited_for():
    condition = asyncio.Condition()

    async def other():
        trace("other runs")

    async def waits_until(holds_now):
        async with condition:
            await condition.wait_for(holds_now)
    task = asyncio.create_task(other(), name="task")
    await attempt("main", waits_until(lambda: True))
    await each_ends(task)


@scenario
async def predicate_that_fails_leaves_with_the_lock_held():
    condition, looks = asyncio.Condition(), []

    def fails():
        looks.append(len(looks))
        if len(looks) == 2:
            raise Failure("a")
        return False

    async def waits_until():
        async with condition:
            try:
                await condition.wait_for(fails)
            finally:
                trace("looks", looks, "locked", condition.locked())
    task = asyncio.create_task(waits_until(), name="task")
    await ticks(1)
    await notify(condition, 1)
    await each_ends(task)
    await attempt("main", timeout(1, holds(condition, "main", 0.5)))


@scenario
async def cancelled_between_two_looks():
    condition, looks = asyncio.Condition(), []

    def never():
        looks.append(len(looks))
        return False

    async def waits_until():
        async with condition:
            await condition.wait_for(never)
    task = asyncio.create_task(waits_until(), name="task")
    await ticks(1)
    await notify(condition, 1)
    await ticks(1)
    cancel(task)
    await each_ends(task)
    trace("looks", looks)


# ---- Cancelled while it waits. More is in condition_cancel.py.

@scenario
async def cancelled_has_the_lock_again_when_it_is_told():
    condition = asyncio.Condition()
    tasks = [start(condition, name) for name in ("a", "b", "c")]
    await ticks(1)
    cancel(tasks[1])
    await each_ends(tasks[1])
    await notify(condition, 2)
    await each_ends(tasks[0], tasks[2])


@scenario
async def cancelled_is_told_only_when_the_lock_is_free():
    condition = asyncio.Condition()
    begin = now()
    waiter = start(condition, "waiter")
    await ticks(1)
    holder = asyncio.create_task(holds(condition, "holder", 3), name="holder")
    await ticks(1)
    cancel(waiter)
    await each_ends(waiter)
    trace("ticks", passed(begin))
    await each_ends(holder)


if __name__ == "__main__":
    main()
