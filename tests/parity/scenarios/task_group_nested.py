"""Task groups within one another, and within other ways of waiting."""

import asyncio

from cast import cancelling, child, failing, failing_cleanup, slow_to_stop, task_group, timeout
from harness import Failure, attempt, main, scenario, ticks, trace


async def attempt_group(what, body):
    await attempt(what, task_group(body))


async def tell_how_it_ends(what, body):
    """A group, whose end is somebody else's business."""
    try:
        await task_group(body)
    except BaseException as error:
        trace(what, "threw", error)
        raise


# ---- Groups in groups.

@scenario
async def inner_group_fails_and_its_group_is_in_the_outer():
    async def inner(group):
        group.create_task(failing("b", 1))
        await child("inner body", 99)

    async def outer(group):
        group.create_task(child("a", 9))
        await tell_how_it_ends("inner", inner)
    await attempt_group("outer", outer)
    trace("cancelling", cancelling())


@scenario
async def inner_failure_caught_leaves_the_outer_unharmed():
    async def inner(group):
        group.create_task(failing("b", 1))
        await child("inner body", 99)

    async def outer(group):
        group.create_task(child("a", 3))
        await attempt_group("inner", inner)
        trace("cancelling", cancelling())
        await child("outer body", 1)
        return "result"
    await attempt_group("outer", outer)


@scenario
async def outer_child_fails_while_the_inner_body_waits():
    async def inner(group):
        group.create_task(child("b", 9))
        await child("inner body", 99)

    async def outer(group):
        group.create_task(failing("a", 1))
        await tell_how_it_ends("inner", inner)
    await attempt_group("outer", outer)
    trace("cancelling", cancelling())


@scenario
async def outer_child_fails_while_the_inner_group_closes():
    async def inner(group):
        group.create_task(child("b", 9))

    async def outer(group):
        group.create_task(failing("a", 1))
        await tell_how_it_ends("inner", inner)
    await attempt_group("outer", outer)
    trace("cancelling", cancelling())


@scenario
async def outer_child_fails_and_the_inner_one_while_it_stops():
    async def inner(group):
        group.create_task(failing_cleanup("b", 2))
        await child("inner body", 99)

    async def outer(group):
        group.create_task(failing("a", 1))
        await tell_how_it_ends("inner", inner)
    await attempt_group("outer", outer)
    trace("cancelling", cancelling())


@scenario
async def inner_and_outer_child_fail_in_the_same_turn():
    event = asyncio.Event()

    async def fails_when_set(name):
        await event.wait()
        raise Failure(name)

    async def outer(outer_group):
        async def inner(group):
            group.create_task(fails_when_set("inner"))
            outer_group.create_task(fails_when_set("outer"))
            await ticks(1)
            event.set()
            await child("inner body", 99)
        await attempt_group("inner", inner)
        trace("cancelling", cancelling())
    await attempt_group("outer", outer)
    trace("cancelling", cancelling())
    await attempt("later", ticks(1))


@scenario
async def inner_group_is_in_a_child_of_the_outer():
    async def inner(group):
        group.create_task(failing("c", 1))
        group.create_task(child("b", 9))

    async def outer(group):
        group.create_task(child("a", 9))
        group.create_task(tell_how_it_ends("inner", inner))
        await child("outer body", 99)
    await attempt_group("outer", outer)


@scenario
async def inner_group_in_a_child_is_stopped():
    async def inner(group):
        group.create_task(failing_cleanup("b", 2))

    async def outer(group):
        group.create_task(tell_how_it_ends("inner", inner))
        group.create_task(failing("a", 1))
    await attempt_group("outer", outer)


@scenario
async def inner_child_spawns_into_the_outer_group():
    async def outer(outer_group):
        async def inner(group):
            async def spawner():
                await ticks(1)
                outer_group.create_task(child("a", 3))
                trace("spawner ends")
            group.create_task(spawner())
        await tell_how_it_ends("inner", inner)
        trace("outer body ends")
    await attempt_group("outer", outer)


@scenario
async def two_inner_groups_in_children_both_fail():
    async def first(group):
        group.create_task(failing("a", 1))

    async def second(group):
        group.create_task(failing_cleanup("b", 2))
        await failing_cleanup("body", 1)

    async def outer(group):
        group.create_task(tell_how_it_ends("first", first))
        group.create_task(tell_how_it_ends("second", second))
    await attempt_group("outer", outer)


# ---- Beside time limits, gather and shield.

@scenario
async def limit_is_reached_while_a_failed_group_stops():
    async def body(group):
        group.create_task(slow_to_stop("cleanup", 3))
        group.create_task(failing("b", 1))
        await child("body", 99)
    await attempt("timeout", timeout(2, task_group(body)))
    trace("cancelling", cancelling())
    await attempt("later", ticks(1))


@scenario
async def child_fails_while_the_body_has_a_limit():
    async def body(group):
        group.create_task(failing("a", 1))
        await attempt("timeout", timeout(5, child("body", 99)))
        return "result"
    await attempt_group("group", body)
    trace("cancelling", cancelling())


@scenario
async def limit_within_the_body_is_reached():
    async def body(group):
        group.create_task(child("a", 3))
        await attempt("timeout", timeout(1, child("body", 99)))
        return "result"
    await attempt_group("group", body)


@scenario
async def gather_of_groups():
    async def first(group):
        group.create_task(child("a", 9))
        group.create_task(failing("b", 1))

    async def second(group):
        group.create_task(child("c", 3))
    await attempt("gather", asyncio.gather(tell_how_it_ends("first", first),
                                           tell_how_it_ends("second", second)))
    await ticks(5)


@scenario
async def gather_in_a_group_is_stopped():
    async def body(group):
        group.create_task(failing("a", 1))
        await attempt("gather", asyncio.gather(child("b", 9), child("c", 9)))
    await attempt_group("group", body)
    trace("cancelling", cancelling())


@scenario
async def shielded_task_outlives_the_group():
    task = asyncio.create_task(child("shielded", 3))

    async def body(group):
        group.create_task(failing("a", 1))
        await attempt("body", asyncio.shield(task))
    await attempt_group("group", body)
    trace("done", task.done())
    await attempt("task", task)


if __name__ == "__main__":
    main()
