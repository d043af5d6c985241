"""A flag that tasks wait for."""

import asyncio

from cast import block_until, cancel, each_ends, passed, timeout
from harness import attempt, main, now, scenario, ticks, trace, turns


async def waits(event, name):
    """Once, and says whether the flag is still up then."""
    await event.wait()
    trace(name, "goes on", "set", event.is_set())


def start(event, name):
    return asyncio.create_task(waits(event, name), name=name)


async def line(event, *names):
    """Those who wait for it, one behind the other."""
    tasks = [start(event, name) for name in names]
    await turns(1)
    return tasks


# ---- Setting and clearing.

@scenario
async def wakes_all_in_the_order_of_arrival():
    event = asyncio.Event()
    tasks = await line(event, *[str(number) for number in range(20)])
    trace("set")
    event.set()
    trace("main goes on", event.is_set())
    await each_ends(*tasks)


@scenario
async def flag_that_is_up_is_not_waited_for():
    event = asyncio.Event()
    event.set()
    other = start(event, "other")
    await waits(event, "main")
    event.set()
    await waits(event, "main again")
    await each_ends(other)


@scenario
async def cleared_at_once_wakes_those_who_waited():
    event = asyncio.Event()
    tasks = await line(event, "a", "b")
    event.set()
    event.clear()
    late = start(event, "late")
    await each_ends(*tasks)
    await turns(2)
    trace("late", late.done())
    event.set()
    await each_ends(late)


@scenario
async def first_to_wake_clears_it_and_the_others_wake_all_the_same():
    event = asyncio.Event()

    async def clears(name):
        await waits(event, name)
        event.clear()
        await waits(event, name + " again")
    tasks = [asyncio.create_task(clears(name), name=name) for name in ("a", "b")]
    for _ in range(2):
        await turns(3)
        trace("set", event.is_set())
        event.set()
    await each_ends(*tasks)


@scenario
async def set_cleared_and_set_again_is_up_for_who_waits_again():
    event = asyncio.Event()

    async def twice(name):
        await waits(event, name)
        await waits(event, name + " again")
    tasks = [asyncio.create_task(twice(name), name=name) for name in ("a", "b")]
    await turns(1)
    event.set()
    event.clear()
    event.set()
    await each_ends(*tasks)


@scenario
async def who_finds_it_up_goes_on_before_those_who_are_woken():
    event = asyncio.Event()
    tasks = await line(event, "a")
    tasks.append(start(event, "early"))
    event.set()
    await waits(event, "main")
    await each_ends(*tasks)


@scenario
async def two_flags_pass_the_turn_to_and_fro():
    ping, pong = asyncio.Event(), asyncio.Event()

    async def plays(name, mine, other):
        for number in range(3):
            await mine.wait()
            mine.clear()
            trace(name, number)
            other.set()
    tasks = [asyncio.create_task(plays("ping", ping, pong), name="ping"),
             asyncio.create_task(plays("pong", pong, ping), name="pong")]
    await turns(1)
    trace("set")
    ping.set()
    await each_ends(*tasks)


@scenario
async def woken_task_sets_the_next_flag():
    events = [asyncio.Event() for _ in range(3)]

    async def relays(name, number):
        await waits(events[number], name)
        if number + 1 < len(events):
            events[number + 1].set()
    tasks = [asyncio.create_task(relays(f"{name} {number}", number), name=f"{name} {number}")
             for number in range(3) for name in ("a", "b")]
    await turns(1)
    events[0].set()
    await each_ends(*tasks)


@scenario
async def set_when_a_task_has_ended():
    event = asyncio.Event()
    task = asyncio.create_task(ticks(1), name="task")
    task.add_done_callback(lambda _: event.set())
    await each_ends(*await line(event, "a", "b"), task)


@scenario
async def set_by_a_thread():
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    tasks = await line(event, "a", "b")
    await asyncio.to_thread(loop.call_soon_threadsafe, event.set)
    await each_ends(*tasks)


# ---- Cancelled while it waits.

@scenario
async def cancelled_waiter_is_told_at_once_and_the_others_wait_on():
    event = asyncio.Event()
    a, b, c = await line(event, "a", "b", "c")
    cancel(b)
    await each_ends(b)
    event.set()
    await each_ends(a, c)


@scenario
async def cancelled_before_and_after_it_is_set():
    event = asyncio.Event()
    tasks = await line(event, "a", "b", "c")
    cancel(tasks[0])
    event.set()
    cancel(tasks[1])
    await each_ends(*tasks)


@scenario
async def woken_task_cancels_the_next():
    event = asyncio.Event()
    tasks = []

    async def cancels(name, number):
        await waits(event, name)
        cancel(tasks[number])
    tasks.append(asyncio.create_task(cancels("a", 1), name="a"))
    tasks += await line(event, "b", "c")
    event.set()
    await each_ends(*tasks)


@scenario
async def request_of_before_is_told_by_the_wait_and_not_by_a_flag_that_is_up():
    up, down = asyncio.Event(), asyncio.Event()
    up.set()

    async def cancels_itself():
        trace("cancel", asyncio.current_task().cancel())
        await waits(up, "up")
        await waits(down, "down")
    task = asyncio.create_task(cancels_itself(), name="task")
    await each_ends(task)


@scenario
async def who_swallows_the_request_and_waits_again_is_woken():
    event = asyncio.Event()

    async def persists():
        await attempt("first", waits(event, "first"))
        await attempt("second", waits(event, "second"))
    task = asyncio.create_task(persists(), name="task")
    tasks = [task, *await line(event, "a", "b")]
    cancel(task)
    await turns(1)
    event.set()
    await each_ends(*tasks)


@scenario
async def limit_passes_while_it_waits():
    event = asyncio.Event()
    begin = now()

    async def impatient():
        for limit in (1, 9):
            await attempt("limit", timeout(limit, waits(event, "impatient")))
            trace("ticks", passed(begin))
    task = asyncio.create_task(impatient(), name="impatient")
    await ticks(3)
    event.set()
    await each_ends(task)


@scenario
async def limit_that_nobody_has_noticed_does_not_take_the_wake_up_back():
    event = asyncio.Event()

    async def impatient():
        await attempt("limit", timeout(0.4, waits(event, "impatient")))
    task = asyncio.create_task(impatient(), name="impatient")
    await turns(1)
    block_until(now() + 0.42)
    event.set()
    await each_ends(task)


if __name__ == "__main__":
    main()
