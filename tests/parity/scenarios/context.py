"""Variables of which each task has a value of its own."""

import asyncio
import contextvars
import threading

from harness import call, differs, main, scenario, ticks, trace, turns

colour = contextvars.ContextVar("colour", default="grey")
shape = contextvars.ContextVar("shape")  # without a default


@scenario
async def default_or_no_value():
    trace("colour", colour.get())
    call("shape", shape.get)
    colour.set("red")
    shape.set("round")
    trace("colour", colour.get(), "shape", shape.get())


@scenario
async def get_with_a_fallback():
    trace(colour.get("pink"), shape.get("square"))
    colour.set("red")
    shape.set("round")
    trace(colour.get("pink"), shape.get("square"))


@scenario
async def set_and_reset():
    first = colour.set("red")
    second = shape.set("round")
    trace("set", colour.get(), shape.get())
    colour.reset(first)
    shape.reset(second)
    trace("reset", colour.get())
    call("shape", shape.get)


@scenario
async def nested_sets_and_resets():
    first = colour.set("red")
    second = colour.set("blue")
    third = colour.set("green")
    trace("set", colour.get())
    colour.reset(third)
    trace("once", colour.get())
    colour.reset(second)
    trace("twice", colour.get())
    colour.reset(first)
    trace("three times", colour.get())


@scenario
async def resets_out_of_order():
    first = colour.set("red")
    second = colour.set("blue")
    colour.reset(first)
    trace("first", colour.get())
    colour.reset(second)
    trace("second", colour.get())


@scenario
async def token_used_twice():
    colour.set("red")
    token = colour.set("blue")
    colour.reset(token)
    colour.set("green")
    call("again", lambda: colour.reset(token))
    trace(colour.get())


@scenario
async def token_of_another_variable():
    shape.set("round")
    token = colour.set("red")
    call("shape", lambda: shape.reset(token))
    trace(colour.get(), shape.get())
    call("colour", lambda: colour.reset(token))
    trace(colour.get(), shape.get())


@scenario
async def token_of_another_task():
    token = colour.set("red")

    async def child():
        call("child", lambda: colour.reset(token))
        trace("child", colour.get())
    await asyncio.create_task(child())
    call("parent", lambda: colour.reset(token))
    trace("parent", colour.get())


@scenario
async def child_inherits_what_was_set_when_it_was_spawned():
    async def child():
        trace("child", colour.get())
        await ticks(2)
        trace("child later", colour.get())
    colour.set("red")
    task = asyncio.create_task(child())
    colour.set("blue")
    await ticks(1)
    colour.set("green")
    await task
    trace("parent", colour.get())


@scenario
async def changes_of_a_child_stay_with_it():
    async def child():
        colour.set("blue")
        shape.set("round")
        await ticks(2)
        trace("child", colour.get(), shape.get())
    colour.set("red")
    task = asyncio.create_task(child())
    await ticks(1)
    trace("parent", colour.get())
    await task
    trace("parent", colour.get())
    call("shape", shape.get)


@scenario
async def grandchild_inherits_what_its_parent_changed():
    async def grandchild():
        trace("grandchild", colour.get(), shape.get())
        shape.set("flat")

    async def child():
        shape.set("round")
        await asyncio.create_task(grandchild())
        trace("child", colour.get(), shape.get())
    colour.set("red")
    shape.set("square")
    await asyncio.create_task(child())
    trace("parent", colour.get(), shape.get())


@scenario
async def values_are_kept_across_suspensions():
    async def child(name):
        token = colour.set(name)
        for _ in range(2):
            await turns(1)
            trace(name, "sees", colour.get())
        colour.reset(token)
        await turns(1)
        trace(name, "sees", colour.get())
    colour.set("white")
    await asyncio.gather(child("red"), child("green"), child("blue"))


@scenario
async def called_function_shares_the_values_of_its_caller():
    async def function():
        trace("function", colour.get())
        colour.set("blue")
        await ticks(1)
    colour.set("red")
    await function()
    trace("caller", colour.get())


@scenario
async def children_of_gather_have_values_of_their_own():
    async def child(value):
        trace("child", colour.get())
        colour.set(value)
        await ticks(1)
        return colour.get()
    colour.set("red")
    trace(await asyncio.gather(child("green"), child("blue")))
    trace("parent", colour.get())


@scenario
async def children_of_a_task_group_inherit_one_by_one():
    async def child():
        trace("child", colour.get())
        colour.set("black")
    async with asyncio.TaskGroup() as group:
        for value in ("red", "green", "blue"):
            colour.set(value)
            group.create_task(child())
        colour.set("white")
    trace("parent", colour.get())


@scenario
async def thread_of_the_pool_sees_the_values_and_keeps_its_changes():
    def work():
        trace("thread", colour.get())
        colour.set("blue")
        trace("thread", colour.get())
    colour.set("red")
    await asyncio.to_thread(work)
    trace("task", colour.get())

    def next_work():
        trace("next", colour.get())
    await asyncio.create_task(asyncio.to_thread(next_work))


@scenario
async def done_callback_sees_the_values_at_the_time_it_was_added():
    async def child():
        await ticks(1)
        colour.set("blue")

    def callback(_):
        trace("callback", colour.get())
        colour.set("black")
    colour.set("red")
    task = asyncio.create_task(child())
    task.add_done_callback(callback)
    colour.set("green")
    task.add_done_callback(callback)
    colour.set("white")
    await ticks(2)
    trace("parent", colour.get())


@scenario
def run_inherits_from_the_thread_and_leaks_nothing():
    async def work():
        trace("main", colour.get())
        colour.set("blue")
        trace("main", colour.get())
    token = colour.set("red")
    asyncio.run(work())
    trace("thread", colour.get())
    colour.reset(token)
    asyncio.run(work())


@scenario
def posted_task_inherits_from_the_thread_that_posts():
    async def posted():
        trace("posted", colour.get())
        colour.set("black")

    async def work():
        loop = asyncio.get_running_loop()

        def thread():
            trace("thread", colour.get())
            colour.set("blue")
            asyncio.run_coroutine_threadsafe(posted(), loop).result()
            trace("thread", colour.get())
        colour.set("red")
        plain = threading.Thread(target=thread)
        plain.start()
        await asyncio.to_thread(plain.join)
        trace("main", colour.get())
    asyncio.run(work())


@differs("Each run inherits from the thread that calls it; a Runner has one context for all its runs.",
         weft="""first red
                 second red""")
@scenario
def second_run_on_the_same_runtime():
    async def work(name):
        trace(name, colour.get())
        colour.set("blue")
    token = colour.set("red")
    with asyncio.Runner() as runner:
        runner.run(work("first"))
        runner.run(work("second"))
    colour.reset(token)


if __name__ == "__main__":
    main()
