"""Asking one task to stop."""

import asyncio

from harness import attempt, main, scenario, ticks, trace, turns


@scenario
async def cancel_before_start():
    async def child():
        trace("child starts")
    task = asyncio.create_task(child())
    trace("cancel", task.cancel())
    await attempt("child", task)
    trace("cancelled", task.cancelled())


@scenario
async def cancel_while_it_sleeps():
    async def child():
        trace("child starts")
        try:
            await ticks(9)
        except asyncio.CancelledError as error:
            trace("child caught", error)
            raise
    task = asyncio.create_task(child())
    await ticks(1)
    trace("cancel", task.cancel(), task.done())
    await attempt("child", task)
    trace("cancelled", task.cancelled(), "again", task.cancel())


if __name__ == "__main__":
    main()
