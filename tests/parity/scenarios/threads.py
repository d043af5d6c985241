"""Threads beside the tasks: those that work for them, and those that post tasks."""

import asyncio
import threading
import time

from cast import run
from harness import Failure, attempt, call, main, scenario, ticks, trace, turns


@scenario
async def call_in_a_thread_ends():
    def value():
        return "value"

    def failing():
        raise Failure("thread")
    await attempt("value", asyncio.to_thread(value))
    await attempt("failing", asyncio.to_thread(failing))


@scenario
async def others_run_while_a_thread_works():
    released = threading.Event()

    def work():
        released.wait()
        return "released"

    async def other():
        trace("other runs")
        await turns(3)
        trace("other releases it")
        released.set()
    task = asyncio.create_task(other())
    await attempt("thread", asyncio.to_thread(work))
    await task


@scenario
async def cancelled_wait_leaves_the_thread_at_work():
    started, released = threading.Event(), threading.Event()
    effects = []

    def work():
        started.set()
        released.wait()
        effects.append("effect")
    task = asyncio.create_task(asyncio.to_thread(work))
    await turns(1)
    started.wait()
    trace("cancel", task.cancel())
    await attempt("task", task)
    trace("effects", len(effects))
    released.set()
    while not effects:
        await ticks(1)
    trace("effects", len(effects))


@scenario
def run_waits_for_its_threads():
    started = threading.Event()
    effects = []

    def work():
        started.set()
        time.sleep(0.05)
        effects.append("effect")

    async def body():
        asyncio.create_task(asyncio.to_thread(work))
        await turns(1)
        started.wait()
        trace("main ends", len(effects))
    run(body)
    trace("afterwards", len(effects))


@scenario
def thread_waits_for_a_task_that_it_posted():
    async def posted():
        trace("posted starts")
        await ticks(1)
        return "posted"

    async def failing():
        raise Failure("posted")

    async def body():
        loop = asyncio.get_running_loop()

        def thread():
            call("thread", lambda: asyncio.run_coroutine_threadsafe(posted(), loop).result())
            call("thread", lambda: asyncio.run_coroutine_threadsafe(failing(), loop).result())
        await asyncio.to_thread(thread)
    run(body)


@scenario
def thread_cancels_a_task_that_it_posted():
    started = threading.Event()

    async def body():
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        async def posted():
            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                trace("posted caught", error)
            ended.set()

        def thread():
            task = asyncio.run_coroutine_threadsafe(posted(), loop)
            started.wait()
            return task.cancel()
        cancelled = await asyncio.to_thread(thread)
        await ended.wait()
        trace("cancelled", cancelled)
        trace("main ends")
    run(body)


@scenario
def thread_posts_several_in_order():
    async def body():
        loop = asyncio.get_running_loop()
        last = asyncio.Event()

        def thread():
            for number in range(5):
                loop.call_soon_threadsafe(trace, "posted", number)
            loop.call_soon_threadsafe(last.set)
        task = asyncio.create_task(asyncio.to_thread(thread))
        await last.wait()
        trace("main woken")
        await task
    run(body)


@scenario
def spawn_outside_a_run_is_misuse():
    async def body():
        trace("not reached")

    def spawn():
        coroutine = body()
        try:
            asyncio.create_task(coroutine)
        finally:
            coroutine.close()

    async def in_a_thread():
        await asyncio.to_thread(call, "in a thread of the pool", spawn)
    call("in a plain thread", spawn)
    run(in_a_thread)


if __name__ == "__main__":
    main()
