"""Running a main task, what happens at its end, and who is there meanwhile."""

import asyncio
import os
import signal

from cast import run
from harness import Failure, attempt, call, differs, main, scenario, ticks, trace, turns


kept = []  # so that nobody who waits is collected


async def forever():
    """Without a deadline: the clock is not to move on to it while a run comes to its end."""
    future = asyncio.get_running_loop().create_future()
    kept.append(future)
    await future


async def overlong(name, cleanup):
    try:
        await forever()
    except asyncio.CancelledError as error:
        trace(name, "caught", error)
        await ticks(cleanup)
        trace(name, "cleaned up")
        raise


def names():
    """Of all tasks, in order."""
    return sorted(task.get_name() for task in asyncio.all_tasks())


# ---- Main.

@scenario
def result_of_main():
    async def body():
        await ticks(1)
        return "done"

    async def nothing():
        await ticks(1)
    call("run", lambda: run(body))
    call("run", lambda: run(nothing))


@scenario
def exception_of_main():
    async def body():
        await ticks(1)
        raise Failure("a")
    call("run", lambda: run(body))


@scenario
def main_cancels_itself():
    async def body():
        asyncio.current_task().cancel()
        trace("cancelled itself")
        await ticks(1)
        trace("not reached")
    call("run", lambda: run(body))


@scenario
def main_is_cancelled_by_a_task():
    async def body():
        this = asyncio.current_task()

        async def canceller():
            trace("cancel", this.cancel())
        task = asyncio.create_task(canceller())
        try:
            await ticks(99)
        except asyncio.CancelledError as error:
            trace("main caught", error, "done", task.done())
            raise
    call("run", lambda: run(body))


@scenario
def run_within_a_run_is_misuse():
    async def body():
        call("nested", nested)
        await ticks(1)
        return "done"

    async def other():
        trace("not reached")

    def nested():
        coroutine = other()
        try:
            asyncio.run(coroutine)
        finally:
            coroutine.close()
    call("run", lambda: run(body))


# ---- The end.

@scenario
def what_is_left_is_cancelled_and_waited_for():
    async def body():
        asyncio.create_task(overlong("left", 3))
        await ticks(1)
        trace("main ends")
        return "done"
    call("run", lambda: run(body))


@scenario
def exception_of_main_leaves_after_the_others_have_ended():
    async def body():
        asyncio.create_task(overlong("left", 3))
        await ticks(1)
        raise Failure("main")
    call("run", lambda: run(body))


@scenario
def left_over_swallows_its_cancel():
    async def left():
        try:
            await forever()
        except asyncio.CancelledError:
            trace("swallowed")
        await attempt("left sleeps", ticks(5))
        trace("left ends")

    async def body():
        asyncio.create_task(left())
        await ticks(1)
        return "done"
    call("run", lambda: run(body))


@scenario
def left_over_fails_when_it_is_cancelled():
    async def left():
        try:
            await forever()
        finally:
            raise Failure("left")

    async def body():
        asyncio.create_task(left())
        await ticks(1)
        return "done"
    call("run", lambda: run(body))


@scenario
def left_overs_wait_for_each_other():
    async def waiting(name, awaited, ended):
        try:
            await forever()
        except asyncio.CancelledError:
            await awaited.wait()
            trace(name, "cleaned up")
            ended.set()

    async def body():
        first, second, third = asyncio.Event(), asyncio.Event(), asyncio.Event()
        asyncio.create_task(waiting("a", second, third))
        asyncio.create_task(waiting("b", first, second))
        asyncio.create_task(waiting("c", third, asyncio.Event()))
        await ticks(1)
        trace("main ends")
        first.set()
    call("run", lambda: run(body))


@scenario
def left_over_starts_another_task_and_waits_for_it():
    async def helper():
        await ticks(1)
        return "helped"

    async def left():
        try:
            await forever()
        except asyncio.CancelledError:
            await attempt("helper", asyncio.create_task(helper()))
            raise

    async def body():
        asyncio.create_task(left())
        await ticks(1)
        return "done"
    call("run", lambda: run(body))


@differs("weft waits for all tasks; asyncio drops those that are started while it shuts down.",
         weft="""late starts
                 late caught Cancelled
                 late cleaned up
                 run returned done""")
@scenario
def left_over_starts_another_task_and_ends():
    async def late():
        trace("late starts")
        await overlong("late", 2)

    async def left():
        try:
            await forever()
        except asyncio.CancelledError:
            asyncio.create_task(late())
            await turns(1)
            raise

    async def body():
        asyncio.create_task(left())
        await ticks(1)
        return "done"
    call("run", lambda: run(body))


# ---- Several runs.

@scenario
def runs_in_a_row_know_nothing_of_each_other():
    async def body():
        asyncio.current_task().set_name("main")
        trace(names())
        asyncio.create_task(overlong("left", 1), name="left")
        await ticks(1)
        trace(names())
    for number in (1, 2):
        call(f"run {number}", lambda: run(body))


@scenario
def task_survives_between_two_runs():
    event = asyncio.Event()

    async def survivor():
        await event.wait()
        return "survived"

    async def first():
        return asyncio.create_task(survivor())

    async def second():
        event.set()
        return await task
    with asyncio.Runner() as runner:
        task = runner.run(first())
        trace("between", task.done())
        call("second", lambda: runner.run(second()))
        trace("afterwards", task.done())


@scenario
def task_left_by_two_runs_is_cancelled_at_the_end():
    async def first():
        asyncio.create_task(overlong("left", 3))
        await ticks(1)
        raise Failure("first")

    async def second():
        await ticks(1)
        return "second"
    with asyncio.Runner() as runner:
        call("run", lambda: runner.run(first()))
        call("run", lambda: runner.run(second()))
        trace("closing")
    trace("closed")


# ---- Interrupted.

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


@differs("asyncio.run turns its Cancelled into Python's own KeyboardInterrupt, which C++ has not.",
         weft="""main caught Cancelled
                 main cleaned up
                 left caught Cancelled
                 left cleaned up
                 run threw Cancelled""")
@scenario
def interrupt_cancels_main():
    async def body():
        asyncio.create_task(overlong("left", 1))
        await turns(1)
        try:
            interrupt()
            await forever()
        except asyncio.CancelledError as error:
            trace("main caught", error)
            await ticks(2)
            trace("main cleaned up")
            raise
    signal.signal(signal.SIGINT, signal.default_int_handler)
    call("run", lambda: run(body))


@scenario
def main_swallows_the_cancel_of_an_interrupt():
    async def body():
        try:
            interrupt()
            await forever()
        except asyncio.CancelledError:
            trace("main swallowed", asyncio.current_task().cancelling())
        await attempt("main sleeps", ticks(1))
        return "ended in order"
    signal.signal(signal.SIGINT, signal.default_int_handler)
    call("run", lambda: run(body))


@scenario
def interrupt_concerns_only_the_run_in_which_it_came():
    async def interrupted():
        try:
            interrupt()
            await forever()
        except asyncio.CancelledError as error:
            trace("main caught", error)

    async def next_one():
        await ticks(1)
        return asyncio.current_task().cancelling()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with asyncio.Runner() as runner:
        call("first", lambda: runner.run(interrupted()))
        call("second", lambda: runner.run(next_one()))
        call("third", lambda: runner.run(interrupted()))


# ---- Who is there.

@scenario
async def all_tasks_are_those_that_have_not_ended():
    async def child(count):
        await ticks(count)
    asyncio.current_task().set_name("main")
    task = asyncio.create_task(child(3), name="a")
    trace(names())
    asyncio.create_task(child(1), name="b")
    asyncio.create_task(overlong("c", 2), name="c").cancel()
    trace(names())
    await ticks(2)
    trace(names())
    await task
    trace(names())


@scenario
async def task_found_among_all_is_cancelled():
    task = asyncio.create_task(overlong("a", 1), name="a")
    await turns(1)
    for found in asyncio.all_tasks():
        if found.get_name() == "a":
            trace("found", found is task, "cancel", found.cancel(), "done", found.done())
    await attempt("task", task)


@scenario
async def task_knows_itself():
    tasks = []

    async def child():
        this = asyncio.current_task()
        trace("child", this.get_name(), this is tasks[0])
        await ticks(1)
        this = asyncio.current_task()
        trace("child", this.get_name(), this is tasks[0])
    tasks.append(asyncio.create_task(child(), name="a"))
    await turns(1)
    trace("parent is another", asyncio.current_task() is not tasks[0])
    await tasks[0]


if __name__ == "__main__":
    main()
