"""Permits, which are served in the order of arrival. More about them is in semaphore_cancel.py."""

import asyncio

from cast import each_ends, passed, timeout
from harness import Failure, attempt, call, differs, main, now, scenario, ticks, trace, turns
from lock_cast import at_once, holds, line, release, start_holder, start_taker, takers, takes


@scenario
async def no_more_at_a_time_than_there_are_permits():
    semaphore = asyncio.Semaphore(2)
    begin = now()
    tasks = [start_holder(semaphore, name, count)
             for name, count in (("a", 3), ("b", 1), ("c", 1), ("d", 4), ("e", 0))]
    await each_ends(*tasks)
    trace("ticks", passed(begin))


@scenario
async def free_permit_is_had_without_a_turn():
    semaphore = asyncio.Semaphore(2)
    other = start_taker(semaphore, "other")
    await takes(semaphore, "main")
    semaphore.release()
    await takes(semaphore, "main")
    await each_ends(other)


@scenario
async def failing_body_gives_it_back():
    semaphore = asyncio.Semaphore(1)

    async def fails():
        async with semaphore:
            await ticks(1)
            trace("fails")
            raise Failure("a")
    failing = asyncio.create_task(fails(), name="failing")
    next_one = start_holder(semaphore, "next", 0)
    await each_ends(failing, next_one)


@scenario
async def none_at_the_beginning_is_a_signal():
    semaphore = asyncio.Semaphore(0)
    tasks = await takers(semaphore, "a", "b")
    for _ in tasks:
        await ticks(1)
        trace("release", at_once(semaphore))
        semaphore.release()
    await each_ends(*tasks)


@scenario
async def permits_are_kept_until_somebody_comes():
    semaphore = asyncio.Semaphore(0)
    release(semaphore, 3)
    trace("locked", semaphore.locked())
    tasks = await takers(semaphore, "a", "b", "c", "d")
    trace("locked", semaphore.locked())
    semaphore.release()
    await each_ends(*tasks)


@scenario
async def given_back_by_another_task():
    semaphore = asyncio.Semaphore(1)
    taker, next_one = await takers(semaphore, "taker", "next")

    async def gives_back():
        trace("gives it back")
        semaphore.release()
    await each_ends(taker)
    await each_ends(asyncio.create_task(gives_back(), name="other"), next_one)


@scenario
async def given_back_when_a_task_has_ended():
    semaphore = asyncio.Semaphore(1)
    task = asyncio.create_task(takes(semaphore, "task"), name="task")
    task.add_done_callback(lambda _: semaphore.release())
    await each_ends(task, *await line(semaphore, "a", "b"))


@scenario
async def given_back_by_a_thread():
    semaphore = asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()
    tasks = await takers(semaphore, "a", "b")
    await asyncio.to_thread(loop.call_soon_threadsafe, release, semaphore, 2)
    await each_ends(*tasks)


@scenario
async def two_semaphores_bound_a_buffer():
    room, items, buffer = asyncio.Semaphore(2), asyncio.Semaphore(0), []

    async def puts():
        for number in range(4):
            await room.acquire()
            buffer.append(number)
            trace("put", number, "of", len(buffer))
            items.release()

    async def gets():
        for _ in range(4):
            await items.acquire()
            trace("got", buffer.pop(0), "of", len(buffer) + 1)
            room.release()
            await ticks(1)
    await each_ends(asyncio.create_task(gets(), name="gets"), asyncio.create_task(puts(), name="puts"))


# ---- In the order of arrival.

@scenario
async def several_released_in_one_turn_wake_as_many():
    semaphore = asyncio.Semaphore(0)
    tasks = await takers(semaphore, "a", "b", "c", "d", "e")
    for count in (2, 0, 1):
        trace("release", count)
        release(semaphore, count)
        await turns(2)
    release(semaphore, 9)
    await each_ends(*tasks)
    trace("left", [at_once(semaphore) for _ in range(8)])


@scenario
async def who_gives_one_back_and_takes_one_again_stands_at_the_end():
    semaphore = asyncio.Semaphore(1)
    await takes(semaphore, "main")
    tasks = await line(semaphore, "a", "b")
    semaphore.release()
    await takes(semaphore, "main again")
    await each_ends(*tasks)


@scenario
async def who_runs_before_the_next_one_does_not_overtake_it():
    semaphore = asyncio.Semaphore(0)
    tasks = await line(semaphore, "a")

    async def early():
        trace("early comes")
        await takes(semaphore, "early")
    tasks.append(asyncio.create_task(early(), name="early"))
    semaphore.release()
    await each_ends(*tasks)


@scenario
async def who_wants_two_takes_them_one_by_one():
    semaphore = asyncio.Semaphore(2)

    async def wants_two():
        await takes(semaphore, "first of two")
        await takes(semaphore, "second of two")
    tasks = [start_holder(semaphore, "a", 2), asyncio.create_task(wants_two(), name="two")]
    await turns(1)
    tasks.append(start_taker(semaphore, "late"))
    await ticks(3)
    semaphore.release()
    await each_ends(*tasks)


@scenario
async def two_who_want_two_of_two_are_ended_by_a_limit():
    semaphore = asyncio.Semaphore(2)

    async def wants_two(name):
        async with semaphore:
            trace(name, "has one")
            await ticks(1)
            await holds(semaphore, name, 1)

    async def impatient():
        await attempt("limit", timeout(3, wants_two("impatient")))
    tasks = [asyncio.create_task(impatient(), name="impatient"),
             asyncio.create_task(wants_two("patient"), name="patient")]
    await each_ends(*tasks)


@differs("asyncio keeps a free permit from a newcomer until those who were given theirs have run",
         weft="""
         at once true
         a has it
         a returned none
         """)
@scenario
async def permit_that_is_left_over_is_free_at_once():
    semaphore = asyncio.Semaphore(0)
    tasks = await takers(semaphore, "a")
    release(semaphore, 2)
    trace("at once", at_once(semaphore))
    await each_ends(*tasks)


@scenario
async def refused_at_once_while_others_wait_or_are_about_to_have_it():
    semaphore = asyncio.Semaphore(1)
    await takes(semaphore, "main")
    tasks = await line(semaphore, "a")
    trace("at once", at_once(semaphore), "locked", semaphore.locked())
    semaphore.release()
    trace("at once", at_once(semaphore), "locked", semaphore.locked())
    await turns(1)
    trace("at once", at_once(semaphore), "locked", semaphore.locked())
    await each_ends(*tasks)
    trace("locked", semaphore.locked(), "at once", at_once(semaphore))


# ---- Bounded, and misuse.

@scenario
async def bounded_refuses_one_too_many_and_is_as_before():
    semaphore = asyncio.BoundedSemaphore(2)
    call("release", semaphore.release)
    await takes(semaphore, "main")
    call("release", semaphore.release)
    call("release", semaphore.release)
    tasks = await takers(semaphore, "a", "b", "c")
    call("release", semaphore.release)
    await each_ends(*tasks)


@scenario
async def bounded_of_none_refuses_all():
    semaphore = asyncio.BoundedSemaphore(0)
    trace("locked", semaphore.locked(), "at once", at_once(semaphore))
    call("release", semaphore.release)
    await attempt("main", timeout(1, takes(semaphore, "main")))


@scenario
async def bounded_counts_a_permit_that_is_handed_over_as_taken():
    semaphore = asyncio.BoundedSemaphore(1)
    await takes(semaphore, "main")
    tasks = await takers(semaphore, "a")
    for name in ("release", "release again", "and again"):
        call(name, semaphore.release)
    await each_ends(*tasks)
    trace("at once", at_once(semaphore), at_once(semaphore))


@scenario
async def body_that_gave_its_bounded_permit_back_is_left_by_misuse():
    semaphore = asyncio.BoundedSemaphore(1)

    async def gives_it_back_itself():
        await semaphore.acquire()
        try:
            semaphore.release()
        finally:
            semaphore.release()
    await attempt("main", gives_it_back_itself())
    trace("at once", at_once(semaphore), at_once(semaphore))


@scenario
async def impossible_number_of_permits_is_misuse():
    call("semaphore", lambda: asyncio.Semaphore(-1))
    call("bounded", lambda: asyncio.BoundedSemaphore(-1))


if __name__ == "__main__":
    main()
