"""What is called when a task has ended."""

import asyncio

from cast import failing, sleeper, start
from harness import Failure, attempt, main, scenario, ticks, trace, turns


def how_it_ended(task):
    try:
        return task.result()
    except BaseException as error:
        return error


def tells(name):
    """A callback that says how the task has ended."""
    return lambda task: trace(name, "of", task.get_name(), "sees", how_it_ended(task))


def add(task, callback):
    """Returns what removes it again."""
    task.add_done_callback(callback)
    return lambda: task.remove_done_callback(callback) > 0


# ---- When.

@scenario
async def called_once_when_the_task_has_ended():
    task = start(sleeper, "task", 2)
    add(task, tells("callback"))
    await ticks(1)
    trace("not yet", task.done())
    await ticks(2)
    trace("done", task.done())
    await attempt("task", task)


@scenario
async def called_in_the_order_in_which_they_were_added():
    task = start(sleeper, "task", 2)
    again = tells("a")
    add(task, again)
    add(task, tells("b"))
    await ticks(1)
    add(task, again)
    add(task, tells("c"))
    await task
    await turns(2)


@scenario
async def added_after_the_end_is_called_soon():
    task = start(sleeper, "task", 1)
    await ticks(2)
    add(task, tells("a"))
    add(task, tells("b"))
    trace("added")
    await turns(2)
    trace("left")


@scenario
async def callbacks_and_waiters_in_the_order_in_which_they_came():
    task = start(sleeper, "task", 5)

    async def waits(name, count):
        await ticks(count)
        await attempt(name, task)
    waiters = [start(waits, "first", 1), start(waits, "second", 3)]
    await ticks(2)
    add(task, tells("a"))
    await ticks(2)
    add(task, tells("b"))
    for waiter in waiters:
        await waiter


@scenario
async def task_left_at_the_end_of_the_run():
    add(start(sleeper, "task", 9), tells("callback"))
    await ticks(1)
    trace("main ends")


# ---- What they see.

@scenario
async def callbacks_see_how_it_ended():
    tasks = [start(sleeper, "value", 1), start(failing, "failed", 2), start(sleeper, "cancelled", 9)]
    for task in tasks:
        add(task, tells("callback"))
    await ticks(3)
    trace("cancel", tasks[-1].cancel())
    await turns(3)
    trace("left")


@scenario
async def callback_of_a_task_that_never_ran():
    task = start(sleeper, "task", 1)
    add(task, tells("callback"))
    trace("cancel", task.cancel())
    await attempt("task", task)
    await turns(2)


@scenario
async def only_a_failure_that_no_callback_reads_is_news():
    read, unread = start(failing, "read", 1), start(failing, "unread", 2)
    add(read, tells("callback"))
    add(unread, lambda task: trace("callback of", task.get_name()))
    await ticks(3)
    del read
    trace("dropped")
    del unread
    trace("left")


# ---- What they may do.

@scenario
async def failure_in_a_callback_stops_no_other():
    task = start(sleeper, "task", 1)

    def fails(_):
        raise Failure("callback")
    add(task, tells("a"))
    add(task, fails)
    add(task, tells("b"))
    await attempt("task", task)
    await turns(3)


@scenario
async def callback_adds_another():
    task = start(sleeper, "task", 1)

    def adds(ended):
        trace("adds")
        add(ended, tells("late"))
        trace("added")
    add(task, adds)
    add(task, tells("other"))
    await task
    await turns(3)


@scenario
async def callback_starts_a_task():
    task = start(sleeper, "task", 1)

    def starts(_):
        asyncio.create_task(sleeper("follower", 1))
        trace("started")
    add(task, starts)
    await ticks(3)


@scenario
async def first_to_end_cancels_the_other():
    a, b = start(sleeper, "a", 3), start(sleeper, "b", 2)
    add(a, lambda _: trace("cancel b", b.cancel()))
    add(b, lambda _: trace("cancel a", a.cancel()))
    for task in (a, b):
        await attempt("task", task)
    await turns(2)


@scenario
async def callback_sets_what_somebody_waits_for():
    ended = asyncio.Event()
    running = [start(sleeper, "a", 3), start(sleeper, "b", 1), start(sleeper, "c", 2)]
    left = [task.get_name() for task in running]

    def counts(task):
        left.remove(task.get_name())
        trace("left", left)
        if not left:
            ended.set()
    for task in running:
        add(task, counts)
    await ended.wait()
    trace("all have ended")


# ---- Taking one back.

@scenario
async def removed_callback_is_not_called():
    task = start(sleeper, "task", 1)
    remove_a = add(task, tells("a"))
    remove_b = add(task, tells("b"))
    add(task, tells("c"))
    trace("remove b", remove_b())
    trace("again", remove_b())
    await task
    await turns(2)
    trace("remove a", remove_a())


@scenario
async def callback_removes_the_next_too_late():
    task = start(sleeper, "task", 1)

    def removes(_):
        trace("remove", remove_next())
    add(task, removes)
    remove_next = add(task, tells("next"))
    await task
    await turns(2)


if __name__ == "__main__":
    main()
