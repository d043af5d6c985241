"""A lock, which is handed over in the order of arrival. More about it is in lock_cancel.py."""

import asyncio

from cast import each_ends, passed, timeout
from harness import Failure, attempt, main, now, scenario, ticks, trace, turns
from lock_cast import at_once, holds, line, start_holder


@scenario
async def handed_over_in_the_order_of_arrival():
    lock = asyncio.Lock()
    begin = now()
    tasks = [start_holder(lock, name, count) for name, count in (("a", 2), ("b", 0), ("c", 1), ("d", 0))]
    await each_ends(*tasks)
    trace("ticks", passed(begin))


@scenario
async def free_lock_is_had_without_a_turn():
    lock = asyncio.Lock()

    async def other():
        trace("other runs")
    task = asyncio.create_task(other(), name="other")
    for number in range(2):
        async with lock:
            trace("main has it", number)
    await holds(lock, "main", 0)
    await each_ends(task)


@scenario
async def lock_is_not_recursive():
    lock = asyncio.Lock()

    async def twice():
        async with lock:
            trace("once")
            await holds(lock, "twice", 0)
    await attempt("main", timeout(1, twice))
    trace("free", at_once(lock))


@scenario
async def failing_body_gives_it_back():
    lock = asyncio.Lock()

    async def fails():
        async with lock:
            await ticks(1)
            trace("fails")
            raise Failure("a")
    failing = asyncio.create_task(fails(), name="failing")
    next_one = start_holder(lock, "next", 0)
    await each_ends(failing, next_one)


@scenario
async def two_locks_in_opposite_order_are_ended_by_a_limit():
    left, right = asyncio.Lock(), asyncio.Lock()

    async def both(name, first, second):
        async with first:
            trace(name, "has the first")
            await ticks(1)
            await holds(second, name, 1)

    async def impatient():
        await attempt("limit", timeout(3, both("impatient", left, right)))
    tasks = [asyncio.create_task(impatient(), name="impatient"),
             asyncio.create_task(both("patient", right, left), name="patient")]
    await each_ends(*tasks)


# ---- Nobody overtakes.

@scenario
async def who_unlocks_and_locks_again_stands_at_the_end():
    lock = asyncio.Lock()
    await lock.acquire()
    tasks = await line(lock, "a", "b")
    trace("main unlocks")
    lock.release()
    await holds(lock, "main", 0)
    await each_ends(*tasks)


@scenario
async def two_in_a_loop_take_turns():
    lock = asyncio.Lock()

    async def loops(name):
        for number in range(3):
            async with lock:
                trace(name, number)
                await turns(1)
    await each_ends(*[asyncio.create_task(loops(name), name=name) for name in ("a", "b")])


@scenario
async def who_runs_before_the_next_one_does_not_overtake_it():
    lock = asyncio.Lock()
    await lock.acquire()
    tasks = await line(lock, "a")

    async def early():
        trace("early comes")
        await holds(lock, "early", 0)
    tasks.append(asyncio.create_task(early(), name="early"))
    lock.release()
    await each_ends(*tasks)


@scenario
async def who_comes_while_it_is_free_for_a_moment_overtakes_nobody():
    lock = asyncio.Lock()

    async def gives_back_at_once(name):
        async with lock:
            trace(name)
    await lock.acquire()
    tasks = [asyncio.create_task(gives_back_at_once(name), name=name) for name in ("a", "b", "c")]
    await turns(1)
    lock.release()
    tasks.append(asyncio.create_task(gives_back_at_once("late"), name="late"))
    await each_ends(*tasks)


# ---- Without waiting.

@scenario
async def refused_at_once_does_not_stand_in_line():
    lock = asyncio.Lock()
    holder, next_one = start_holder(lock, "holder", 2), start_holder(lock, "next", 1)
    for _ in range(4):
        await ticks(0.9)
        trace("at once", at_once(lock))
    await each_ends(holder, next_one)


@scenario
async def refused_at_once_between_the_hand_over_and_the_next_ones_turn():
    lock = asyncio.Lock()
    await lock.acquire()
    tasks = await line(lock, "a")
    lock.release()
    trace("at once", at_once(lock))
    await turns(1)
    trace("at once", at_once(lock))
    await each_ends(*tasks)
    trace("at once", at_once(lock))


if __name__ == "__main__":
    main()
