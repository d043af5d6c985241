"""Parties that wait for each other, round after round."""

import asyncio

from cast import cancel, each_ends, passed, timeout
from harness import attempt, call, main, now, scenario, ticks, trace, turns


async def waits(barrier, name):
    """Waits once, and says how that ended."""
    try:
        place = await barrier.wait()
    except asyncio.BrokenBarrierError:
        trace(name, "finds it broken")
    except asyncio.CancelledError as error:
        trace(name, "caught", error)
        raise
    else:
        trace(name, "passes as", place)


def start(barrier, name):
    return asyncio.create_task(waits(barrier, name), name=name)


async def waits_with_a_partner(barrier):
    partner = start(barrier, "partner")
    await waits(barrier, "main")
    await each_ends(partner)


async def cancels(task):
    cancel(task)


def look(barrier):
    trace("waiting", barrier.n_waiting, "broken", barrier.broken)


# ---- Rounds.

@scenario
async def all_pass_when_the_last_has_come():
    barrier, tasks = asyncio.Barrier(3), []
    look(barrier)
    for name in ("a", "b", "c"):
        await ticks(1)
        trace(name, "comes")
        tasks.append(start(barrier, name))
        await turns(1)
        look(barrier)
    await each_ends(*tasks)


@scenario
async def parties_are_as_many_as_it_was_made_for():
    call("parties", lambda: asyncio.Barrier(3).parties)
    call("none", lambda: asyncio.Barrier(0).parties)


@scenario
async def the_last_to_come_goes_on_without_suspending():
    async def other():
        trace("other runs")
    alone, pair = asyncio.Barrier(1), asyncio.Barrier(2)
    waiter = start(pair, "waiter")
    await ticks(1)
    task = asyncio.create_task(other(), name="task")
    await waits(alone, "alone")
    await waits(alone, "alone again")
    await waits(pair, "last")
    await each_ends(task, waiter)


@scenario
async def each_round_has_an_order_of_its_own():
    barrier = asyncio.Barrier(3)
    begin = now()

    async def works(name, *counts):
        for count in counts:
            await ticks(count)
            trace(name, "at", passed(begin))
            await waits(barrier, name)
    tasks = [asyncio.create_task(works(*job), name=job[0])
             for job in (("a", 1, 5, 3), ("b", 4, 1, 2), ("c", 2, 3, 4))]
    await each_ends(*tasks)


@scenario
async def rounds_without_a_pause_do_not_mix():
    barrier = asyncio.Barrier(3)

    async def works(name):
        for number in range(4):
            await waits(barrier, f"{name}{number}")
    tasks = [asyncio.create_task(works(name), name=name) for name in ("a", "b", "c")]
    await each_ends(*tasks)
    look(barrier)


@scenario
async def who_comes_while_it_drains_waits_for_the_next_round():
    barrier = asyncio.Barrier(2)
    tasks = [start(barrier, "a")]
    await ticks(1)
    tasks += [start(barrier, name) for name in ("b", "early", "too", "left over")]
    await turns(1)
    look(barrier)
    await turns(4)
    look(barrier)
    cancel(tasks[-1])
    await each_ends(*tasks)


# ---- Cancelled.

@scenario
async def the_last_to_have_come_is_cancelled_and_its_place_taken():
    barrier = asyncio.Barrier(3)
    first, leaves = start(barrier, "first"), start(barrier, "leaves")
    await ticks(1)
    look(barrier)
    cancel(leaves)
    await each_ends(leaves)
    look(barrier)
    await each_ends(first, *(start(barrier, name) for name in ("next", "last")))


@scenario
async def places_are_counts_of_those_inside_when_an_earlier_one_was_cancelled():
    barrier = asyncio.Barrier(3)
    leaves, stays = start(barrier, "leaves"), start(barrier, "stays")
    await ticks(1)
    cancel(leaves)
    await each_ends(leaves)
    await each_ends(stays, *(start(barrier, name) for name in ("next", "last")))


@scenario
async def cancelled_still_counts_for_who_comes_in_the_same_turn():
    barrier = asyncio.Barrier(2)
    leaves = start(barrier, "leaves")
    await ticks(1)
    cancel(leaves)
    look(barrier)
    await waits(barrier, "main")
    await each_ends(leaves)
    look(barrier)


@scenario
async def cancelled_while_it_drains_lets_the_others_through():
    barrier = asyncio.Barrier(3)
    leaves, stays = start(barrier, "leaves"), start(barrier, "stays")
    await ticks(1)
    await waits(barrier, "main")
    cancel(leaves)
    await each_ends(leaves, stays)
    await each_ends(*(start(barrier, name) for name in ("a", "b", "c")))


@scenario
async def cancelled_as_the_last_to_leave_lets_the_next_round_begin():
    barrier = asyncio.Barrier(2)
    tasks = [start(barrier, "leaves")]
    await ticks(1)
    tasks += [start(barrier, name) for name in ("releases", "early", "too")]
    canceller = asyncio.create_task(cancels(tasks[0]), name="canceller")
    await each_ends(*tasks, canceller)


@scenario
async def early_comer_is_cancelled_while_it_drains():
    barrier = asyncio.Barrier(2)
    tasks = [start(barrier, "waiter")]
    await ticks(1)
    tasks += [start(barrier, name) for name in ("releases", "early", "too")]
    canceller = asyncio.create_task(cancels(tasks[2]), name="canceller")
    await turns(4)
    look(barrier)
    cancel(tasks[3])
    await each_ends(*tasks, canceller)


@scenario
async def request_of_before_is_told_by_a_wait_that_suspends():
    barrier = asyncio.Barrier(2)

    async def cancels_itself(name):
        trace("cancel", asyncio.current_task().cancel())
        await attempt(name, waits(barrier, name))
        await attempt(name + " sleeps", ticks(1))
    alone = asyncio.create_task(cancels_itself("alone"), name="alone")
    await each_ends(alone)
    look(barrier)
    waiter = start(barrier, "waiter")
    await ticks(1)
    last = asyncio.create_task(cancels_itself("last"), name="last")
    await each_ends(waiter, last)


@scenario
async def limit_of_time_takes_one_back():
    barrier = asyncio.Barrier(2)
    begin = now()
    await attempt("impatient", timeout(2, waits(barrier, "impatient")))
    trace("ticks", passed(begin))
    look(barrier)
    waiter = start(barrier, "waiter")
    await ticks(1)
    await attempt("in time", timeout(2, waits(barrier, "in time")))
    await each_ends(waiter)


# ---- Abort and reset.

@scenario
async def abort_tells_those_inside_and_those_who_come():
    barrier = asyncio.Barrier(3)
    tasks = [start(barrier, name) for name in ("a", "b")]
    await ticks(1)
    await barrier.abort()
    trace("aborted")
    look(barrier)
    await waits(barrier, "main")
    await each_ends(*tasks, start(barrier, "late"))
    look(barrier)


@scenario
async def abort_does_not_suspend():
    barrier = asyncio.Barrier(2)
    task = start(barrier, "task")
    await ticks(1)
    await barrier.abort()
    await barrier.abort()
    trace("goes on")
    await each_ends(task)


@scenario
async def abort_while_it_drains_reaches_those_still_inside():
    barrier = asyncio.Barrier(3)
    tasks = [start(barrier, name) for name in ("a", "b")]
    await ticks(1)
    await waits(barrier, "main")
    tasks.append(start(barrier, "early"))
    await barrier.abort()
    look(barrier)
    await each_ends(*tasks)
    look(barrier)


@scenario
async def who_is_cancelled_and_aborted_is_cancelled():
    barrier = asyncio.Barrier(3)
    tasks = [start(barrier, name) for name in ("a", "b")]
    await ticks(1)
    cancel(tasks[0])
    await barrier.abort()
    cancel(tasks[1])
    await each_ends(*tasks)


@scenario
async def reset_mends_what_was_broken():
    barrier = asyncio.Barrier(2)
    await barrier.abort()
    await waits(barrier, "too soon")
    await barrier.reset()
    look(barrier)
    await each_ends(*(start(barrier, name) for name in ("a", "b")))


@scenario
async def reset_with_nobody_inside_changes_nothing():
    barrier = asyncio.Barrier(2)
    await barrier.reset()
    await each_ends(*(start(barrier, name) for name in ("a", "b")))
    await barrier.reset()
    look(barrier)


@scenario
async def reset_turns_out_those_inside_and_starts_anew():
    barrier = asyncio.Barrier(3)
    tasks = [start(barrier, name) for name in ("a", "b")]
    await ticks(1)
    await barrier.reset()
    look(barrier)
    await barrier.reset()
    tasks += [start(barrier, name) for name in ("c", "d", "e")]
    await each_ends(*tasks)
    look(barrier)


@scenario
async def who_comes_right_after_a_reset_waits_until_the_others_have_left():
    barrier = asyncio.Barrier(2)
    task = start(barrier, "task")
    await ticks(1)
    await barrier.reset()
    await waits_with_a_partner(barrier)
    await each_ends(task)


@scenario
async def reset_while_it_drains_reaches_those_still_inside():
    barrier = asyncio.Barrier(3)
    tasks = [start(barrier, name) for name in ("a", "b")]
    await ticks(1)
    await waits(barrier, "main")
    await barrier.reset()
    tasks += [start(barrier, name) for name in ("c", "d", "e")]
    await each_ends(*tasks)


@scenario
async def reset_right_after_abort_leaves_it_whole():
    barrier = asyncio.Barrier(2)
    task = start(barrier, "task")
    await ticks(1)
    await barrier.abort()
    await barrier.reset()
    look(barrier)
    await waits_with_a_partner(barrier)
    await each_ends(task)


@scenario
async def abort_right_after_reset_leaves_it_broken():
    barrier = asyncio.Barrier(2)
    task = start(barrier, "task")
    await ticks(1)
    await barrier.reset()
    await barrier.abort()
    await each_ends(task)
    look(barrier)


if __name__ == "__main__":
    main()
