"""Task groups that fail: who is stopped, who is waited for, and which errors leave."""

import asyncio

from cast import attempt_group, cancelled, cancelling, child, failing, failing_cleanup, passed, slow_to_stop
from harness import Failure, OtherFailure, attempt, call, differs, main, now, scenario, ticks, trace


async def failing_at_once(name):
    trace(name, "fails")
    raise Failure(name)


async def overlong(name):
    await child(name, 99)


def spawn_refused(who, group):
    late = child("late", 1)
    call(f"{who} spawns:", lambda: group.create_task(late))
    late.close()


# ---- A child fails.

@scenario
async def child_that_fails_stops_sibling_and_body():
    tasks = []

    async def body(group):
        tasks.append(group.create_task(child("a", 9)))
        tasks.append(group.create_task(failing("b", 1)))
        await overlong("body")
    start = now()
    await attempt_group(body)
    trace("ticks", passed(start), "cancelling", cancelling())
    trace("cancelled", cancelled(tasks))
    trace("exception", tasks[1].exception())
    await attempt("later", ticks(1))


@scenario
async def child_fails_when_the_body_has_ended():
    async def body(group):
        group.create_task(child("a", 9))
        group.create_task(failing("b", 1))
        trace("body ends")
        return "result"
    start = now()
    await attempt_group(body)
    trace("ticks", passed(start))


@differs("3.13 takes the group's own request back after it has waited for the children, 3.11 before", weft="""
    a fails
    group threw ExceptionGroup[Failure(a)]
    cancelling 0
    """)
@scenario
async def nothing_is_left_of_a_failure_while_closing():
    async def body(group):
        group.create_task(failing("a", 1))
    await attempt_group(body)
    trace("cancelling", cancelling())


@scenario
async def child_fails_as_soon_as_it_starts():
    async def body(group):
        group.create_task(child("a", 9))
        group.create_task(failing_at_once("b"))
        trace("spawned")
        await overlong("body")
    await attempt_group(body)


@differs("a failure stops the siblings at once, in asyncio in the loop's next turn", weft="""
    body starts
    a fails
    body caught Cancelled
    group threw ExceptionGroup[Failure(a)]
    """)
@scenario
async def sibling_that_has_not_started_when_a_child_fails():
    async def body(group):
        group.create_task(failing_at_once("a"))
        group.create_task(child("b", 9))
        await overlong("body")
    await attempt_group(body)


@scenario
async def errors_of_children_in_the_order_of_time():
    async def body(group):
        group.create_task(failing_cleanup("a", 4))
        group.create_task(failing_cleanup("b", 2))
        group.create_task(failing("c", 1))
    start = now()
    await attempt_group(body)
    trace("ticks", passed(start))


@differs("a child's failure reaches the group at once, not a turn of the loop later", weft="""
    body starts
    body caught Cancelled
    group threw ExceptionGroup[Failure(a)]
    cancelling 0
    """)
@scenario
async def children_that_fail_in_the_same_turn():
    event = asyncio.Event()

    async def body(group):
        async def fails_when_set(name):
            await event.wait()
            raise Failure(name)
        for name in ("a", "b", "c"):
            group.create_task(fails_when_set(name))
        await ticks(1)
        event.set()
        await overlong("body")
    await attempt_group(body)
    trace("cancelling", cancelling())


@scenario
async def sibling_takes_its_time_to_stop():
    async def body(group):
        group.create_task(slow_to_stop("cleanup", 5))
        group.create_task(failing("b", 1))
    start = now()
    await attempt_group(body)
    trace("ticks", passed(start))


@scenario
async def sibling_that_does_not_stop_is_waited_for():
    tasks = []

    async def stubborn():
        await attempt("sleep", ticks(99))
        return await child("stubborn", 3)

    async def body(group):
        tasks.append(group.create_task(stubborn()))
        tasks.append(group.create_task(failing("b", 1)))
    start = now()
    await attempt_group(body)
    trace("ticks", passed(start))
    await attempt("stubborn", tasks[0])


@scenario
async def failing_child_that_the_body_awaits():
    async def body(group):
        task = group.create_task(failing("a", 1))
        await attempt("body", task)
    await attempt_group(body)
    trace("cancelling", cancelling())


@scenario
async def failing_child_that_a_sibling_awaits():
    tasks = []

    async def body(group):
        async def sibling():
            await tasks[0]
        tasks.append(group.create_task(failing("a", 1)))
        tasks.append(group.create_task(sibling()))
    await attempt_group(body)
    trace("sibling cancelled", tasks[1].cancelled())


@scenario
async def spawn_is_refused_when_the_group_stops():
    async def body(group):
        async def spawner():
            try:
                await ticks(9)
            finally:
                spawn_refused("child", group)
        group.create_task(spawner())
        group.create_task(failing("b", 1))
        try:
            await ticks(9)
        finally:
            spawn_refused("body", group)
    await attempt_group(body)


@scenario
async def children_that_multiply_until_one_fails():
    started, stopped = [], []

    async def hydra(group):
        started.append(1)
        try:
            await ticks(1)
        except asyncio.CancelledError:
            stopped.append(1)
            raise
        group.create_task(hydra(group))
        group.create_task(hydra(group))

    async def body(group):
        group.create_task(hydra(group))
        group.create_task(failing("hero", 3.5))
    await attempt_group(body)
    trace("started", len(started), "stopped", len(stopped))


# ---- The body fails, or does not stop.

@scenario
async def body_fails_alone():
    async def body(group):
        raise Failure("body")
    await attempt_group(body)
    trace("cancelling", cancelling())


@scenario
async def body_fails_and_a_child_is_stopped():
    async def body(group):
        group.create_task(child("a", 9))
        await failing("body", 1)
    start = now()
    await attempt_group(body)
    trace("ticks", passed(start))


@scenario
async def body_fails_before_its_child_has_started():
    tasks = []

    async def body(group):
        tasks.append(group.create_task(child("a", 9)))
        raise Failure("body")
    await attempt_group(body)
    trace("cancelled", tasks[0].cancelled())


@scenario
async def error_of_the_body_comes_last():
    async def body(group):
        group.create_task(failing_cleanup("a", 3))
        await ticks(1)
        trace("body fails")
        raise OtherFailure("body")
    await attempt_group(body)


@scenario
async def body_throws_something_else_when_a_child_failed():
    async def body(group):
        group.create_task(failing("a", 1))
        await failing_cleanup("body", 1)
    await attempt_group(body)
    trace("cancelling", cancelling())


@scenario
async def body_goes_on_waiting_when_a_child_failed():
    async def body(group):
        group.create_task(failing("a", 1))
        await attempt("body", ticks(99))
        trace("cancelling", cancelling())
        return await child("body", 3)
    start = now()
    await attempt_group(body)
    trace("ticks", passed(start), "cancelling", cancelling())
    await attempt("later", ticks(1))


@scenario
async def body_takes_back_what_the_group_asked_for():
    async def body(group):
        group.create_task(failing("a", 1))
        await attempt("body", ticks(99))
        trace("uncancel", asyncio.current_task().uncancel())
        await child("body", 1)
    await attempt_group(body)
    trace("cancelling", cancelling())


if __name__ == "__main__":
    main()
