"""Tasks that end together: what they return, and when the group ends."""

import asyncio

from cast import attempt_group, cancel_after, cancelled, cancelling, child, failing_cleanup, passed
from harness import attempt, main, now, scenario, ticks, trace


def done(tasks):
    return [task.done() for task in tasks]


# ---- All is well.

@scenario
async def nothing_in_the_group():
    other = asyncio.create_task(child("other", 1))

    async def body(group):
        return "result"
    await attempt_group(body)
    await other


@scenario
async def children_start_in_order_and_are_waited_for():
    async def body(group):
        group.create_task(child("a", 3))
        group.create_task(child("b", 1))
        group.create_task(child("c", 2))
        trace("body ends")
        return "result"
    start = now()
    await attempt_group(body)
    trace("ticks", passed(start))


@scenario
async def body_outlasts_its_children():
    tasks = []

    async def body(group):
        for name in ("a", "b", "c"):
            tasks.append(group.create_task(child(name, 1)))
            await ticks(2)
            trace("done", tasks[-1].done())
    start = now()
    await attempt_group(body)
    trace("ticks", passed(start))


@scenario
async def results_are_read_afterwards():
    tasks = []

    async def body(group):
        tasks.append(group.create_task(child("a", 2)))
        tasks.append(group.create_task(child("b", 1)))
        trace("done", done(tasks))
    await attempt_group(body)
    trace("done", done(tasks))
    trace("results", await tasks[0], await tasks[1])


@scenario
async def body_awaits_a_child():
    async def body(group):
        group.create_task(child("a", 2))
        value = await group.create_task(child("b", 1))
        trace("body has", value)
        return value
    await attempt_group(body)


@scenario
async def child_has_the_name_it_was_given():
    async def named():
        trace("inside", asyncio.current_task().get_name())

    async def body(group):
        task = group.create_task(named(), name="worker 7")
        trace("outside", task.get_name())
    await attempt_group(body)


@scenario
async def children_spawn_siblings_while_the_group_closes():
    async def body(group):
        async def spawner(names):
            trace(names[0], "starts")
            await ticks(1)
            if len(names) > 1:
                group.create_task(spawner(names[1:]))
            trace(names[0], "ends")
        group.create_task(spawner("abcd"))
        trace("body ends")
    start = now()
    await attempt_group(body)
    trace("ticks", passed(start))


@scenario
async def task_that_a_child_spawns_alone_is_not_waited_for():
    tasks = []

    async def parent():
        tasks.append(asyncio.create_task(child("stranger", 5)))
        await ticks(1)
        trace("parent ends")

    async def body(group):
        group.create_task(parent())
    await attempt_group(body)
    trace("stranger done", tasks[0].done())
    await attempt("stranger", tasks[0])


@scenario
async def hundred_children_end():
    order = []

    async def body(group):
        async def worker(number):
            await ticks(number * 37 % 100 + 1)
            order.append(number)
        for number in range(100):
            group.create_task(worker(number))
        await ticks(50.5)
        trace("ended in the body", len(order))
    await attempt_group(body)
    trace("ended", len(order), order[:5], order[-5:])


# ---- One child is cancelled.

@scenario
async def child_that_cancels_itself_is_no_error():
    tasks = []

    async def cancels_itself():
        asyncio.current_task().cancel()
        await child("a", 1)

    async def body(group):
        tasks.append(group.create_task(cancels_itself()))
        tasks.append(group.create_task(child("b", 2)))
        return "result"
    await attempt_group(body)
    trace("cancelled", cancelled(tasks))


@scenario
async def child_is_cancelled_by_its_handle():
    tasks = []

    async def body(group):
        tasks.append(group.create_task(child("a", 9)))
        tasks.append(group.create_task(child("b", 2)))
        await ticks(1)
        trace("cancel", tasks[0].cancel())
        return "result"
    await attempt_group(body)
    trace("cancelled", cancelled(tasks))


@scenario
async def child_is_cancelled_before_it_starts():
    async def body(group):
        trace("cancel", group.create_task(child("a", 9)).cancel())
        await child("body", 1)
        return "result"
    await attempt_group(body)


@scenario
async def child_fails_when_cancelled_by_its_handle():
    async def body(group):
        group.create_task(child("a", 9))
        task = group.create_task(failing_cleanup("b", 1))
        await ticks(1)
        trace("cancel", task.cancel())
        await child("body", 9)
    await attempt_group(body)


@scenario
async def body_awaits_a_child_that_is_cancelled():
    async def body(group):
        group.create_task(child("a", 9))
        task = group.create_task(child("b", 9))
        group.create_task(cancel_after(1, task))
        await task
    await attempt_group(body)
    trace("cancelling", cancelling())


@scenario
async def stranger_that_awaits_a_child_is_cancelled():
    async def body(group):
        async def stranger(task):
            await task
        task = group.create_task(child("a", 9))
        waiter = asyncio.create_task(stranger(task))
        await ticks(1)
        trace("cancel", waiter.cancel())
        await attempt("stranger", waiter)
        trace("cancelled", task.cancelled())
        return "result"
    await attempt_group(body)


@scenario
async def first_child_to_end_has_the_others_cancelled():
    async def body(group):
        tasks = [group.create_task(child("a", 3)), group.create_task(child("b", 1))]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        trace("done", len(done), "pending", len(pending))
        for task in pending:
            trace("cancel", task.cancel())
        return "result"
    await attempt_group(body)


if __name__ == "__main__":
    main()
