"""Cancelled, or out of time, while it waits for an item, for room, or for work to be done."""

import asyncio

from cast import block_until, cancel, each_ends, passed, timeout
from harness import attempt, call, differs, main, now, scenario, ticks, trace, turns
from queue_cast import gets, joins, look, puts, start_get, start_join, start_put, try_get, try_put


def getters(queue, *names):
    return [start_get(queue, name) for name in names]


def putters(queue, *items):
    return [start_put(queue, item) for item in items]


def full(kind=asyncio.Queue):
    """A queue that holds its only item, 0."""
    queue = kind(1)
    queue.put_nowait(0)
    return queue


# ---- Getters.

@scenario
async def cancelled_getter_takes_nothing():
    queue = asyncio.Queue()
    task = start_get(queue, "getter")
    await ticks(1)
    cancel(task)
    await each_ends(task)
    try_put(queue, 1)
    await turns(2)
    look(queue)


@scenario
async def getter_cancelled_right_before_the_put_leaves_it_to_the_next():
    queue = asyncio.Queue()
    tasks = getters(queue, "leaves", "next")
    await ticks(1)
    cancel(tasks[0])
    try_put(queue, 1)
    await each_ends(*tasks)


@scenario
async def getter_cancelled_when_just_woken_passes_the_item_on():
    queue = asyncio.Queue()
    tasks = getters(queue, "leaves", "next", "last")
    await ticks(1)
    try_put(queue, 1)
    cancel(tasks[0])
    await turns(3)
    try_put(queue, 2)
    await each_ends(*tasks)


@scenario
async def getter_cancelled_when_just_woken_leaves_the_item_in_the_queue():
    queue = asyncio.Queue()
    task = start_get(queue, "leaves")
    await ticks(1)
    try_put(queue, 1)
    cancel(task)
    await each_ends(task)
    look(queue)
    await gets(queue, "main")


@scenario
async def two_getters_cancelled_when_just_woken_leave_one_each():
    queue = asyncio.LifoQueue()
    tasks = getters(queue, "a", "b", "c")
    await ticks(1)
    for item in (1, 2):
        try_put(queue, item)
    for task in tasks[:2]:
        cancel(task)
    await each_ends(*tasks)
    look(queue)


@scenario
async def getter_that_swallows_it_waits_anew_behind_the_others():
    queue = asyncio.Queue()

    async def stays():
        await attempt("first", gets(queue, "stays"))
        await gets(queue, "stays")
    tasks = [asyncio.create_task(stays(), name="stays"), start_get(queue, "other")]
    await ticks(1)
    cancel(tasks[0])
    await turns(2)
    for item in (1, 2):
        try_put(queue, item)
    await each_ends(*tasks)


@scenario
async def getter_that_swallows_it_when_just_woken_takes_the_item_itself():
    queue = asyncio.Queue()

    async def stays():
        await attempt("first", gets(queue, "stays"))
        await gets(queue, "stays")
    tasks = [asyncio.create_task(stays(), name="stays"), *getters(queue, "next", "last")]
    await ticks(1)
    try_put(queue, 1)
    cancel(tasks[0])
    await turns(3)
    for item in (2, 3):
        try_put(queue, item)
    await each_ends(*tasks)


@scenario
async def getter_cancelled_once_it_has_its_item():
    queue = asyncio.Queue()

    async def gets_and_sleeps():
        await gets(queue, "getter")
        await attempt("sleep", ticks(9))
    task = asyncio.create_task(gets_and_sleeps(), name="getter")
    await ticks(1)
    try_put(queue, 1)
    await turns(1)
    cancel(task)
    await each_ends(task)
    look(queue)


# ---- Putters.

@scenario
async def cancelled_putter_puts_nothing():
    queue = full()
    task = start_put(queue, 1)
    await ticks(1)
    cancel(task)
    await each_ends(task)
    for _ in range(2):
        try_get(queue)
    await turns(2)
    look(queue)


@scenario
async def putter_cancelled_right_before_the_get_leaves_the_room_to_the_next():
    queue = full()
    tasks = putters(queue, 1, 2)
    await ticks(1)
    cancel(tasks[0])
    try_get(queue)
    await each_ends(*tasks)


@scenario
async def putter_cancelled_when_just_woken_passes_the_room_on():
    queue = full()
    tasks = putters(queue, 1, 2, 3)
    await ticks(1)
    try_get(queue)
    cancel(tasks[0])
    await turns(3)
    try_get(queue)
    await each_ends(*tasks)


@scenario
async def putter_cancelled_when_just_woken_leaves_the_room_free():
    queue = full(asyncio.PriorityQueue)
    task = start_put(queue, 1)
    await ticks(1)
    try_get(queue)
    cancel(task)
    await each_ends(task)
    look(queue)
    try_put(queue, 2)


@scenario
async def what_a_cancelled_producer_has_put_remains():
    queue = asyncio.Queue(2)

    async def produces():
        for item in range(9):
            await puts(queue, item)
    task = asyncio.create_task(produces(), name="producer")
    await turns(2)
    await gets(queue, "main")
    await turns(2)
    cancel(task)
    await each_ends(task)
    for _ in range(3):
        try_get(queue)


# ---- Requests of before, and limits of time.

@scenario
async def request_of_before_is_told_only_by_what_suspends():
    queue = asyncio.Queue(1)

    async def cancels_itself(name, does):
        asyncio.current_task().cancel()
        await attempt(name, does())
        await attempt(name + " sleeps", ticks(1))
    for name, does in (("empty", lambda: gets(queue, "getter")), ("room", lambda: puts(queue, 1)),
                       ("full", lambda: puts(queue, 2)), ("item", lambda: gets(queue, "getter"))):
        await each_ends(asyncio.create_task(cancels_itself(name, does), name="task"))
        look(queue)


@scenario
async def limit_of_time_to_get():
    queue = asyncio.Queue()
    begin = now()
    await attempt("impatient", timeout(2, gets(queue, "impatient")))
    trace("ticks", passed(begin))
    try_put(queue, 1)
    await attempt("again", timeout(2, gets(queue, "again")))


@scenario
async def limit_of_time_to_put():
    queue = full()
    begin = now()
    await attempt("impatient", timeout(2, puts(queue, 1)))
    trace("ticks", passed(begin))
    task = start_get(queue, "getter")
    await attempt("again", timeout(2, puts(queue, 2)))
    await each_ends(task)
    look(queue)


@scenario
async def limit_of_nothing_gets_only_what_is_there():
    queue = asyncio.Queue()
    await attempt("empty", timeout(0, lambda: gets(queue, "main")))
    try_put(queue, 1)
    await attempt("item", timeout(0, lambda: gets(queue, "main")))


@scenario
async def limit_that_passes_leaves_the_next_item_to_the_others():
    queue = asyncio.Queue()

    async def impatient():
        await attempt("impatient", timeout(2, gets(queue, "impatient")))
    tasks = [asyncio.create_task(impatient(), name="impatient"), start_get(queue, "patient")]
    await ticks(3)
    try_put(queue, 1)
    await each_ends(*tasks)


@scenario
async def item_put_before_the_limit_is_noticed_is_got():
    queue = asyncio.Queue()

    async def impatient():
        await attempt("impatient", timeout(0.4, gets(queue, "impatient")))
    task = asyncio.create_task(impatient(), name="task")
    await turns(1)
    block_until(now() + 0.42)
    try_put(queue, 1)
    await each_ends(task)
    look(queue)


@differs("who is cancelled after it was woken wakes the next in any case, who finds nothing and waits anew, behind the others",
         weft="""
         try put 1 true
         try get 1
         cancel leaves true
         leaves caught Cancelled
         try put 2 true
         last got 2 size 0
         try put 3 true
         next got 3 size 0
         leaves threw Cancelled
         next returned none
         last returned none
         """)
@scenario
async def getter_cancelled_when_overtaken_costs_the_next_its_place():
    queue = asyncio.Queue()
    tasks = getters(queue, "leaves", "next", "last")
    await ticks(1)
    try_put(queue, 1)
    try_get(queue)
    cancel(tasks[0])
    await turns(3)
    for item in (2, 3):
        try_put(queue, item)
        await turns(2)
    await each_ends(*tasks)


# ---- Joiners.

@scenario
async def cancelled_joiner_leaves_the_others_waiting():
    queue = full()
    tasks = [start_join(queue, name) for name in ("leaves", "stays")]
    await ticks(1)
    cancel(tasks[0])
    await each_ends(tasks[0])
    trace("stays joined", tasks[1].done())
    call("done", queue.task_done)
    await each_ends(tasks[1])


@scenario
async def joiner_cancelled_when_all_has_just_been_done():
    queue = full()
    tasks = [start_join(queue, name) for name in ("leaves", "stays")]
    await ticks(1)
    call("done", queue.task_done)
    cancel(tasks[0])
    await each_ends(*tasks)


@scenario
async def limit_of_time_to_join():
    queue = full()
    await attempt("impatient", timeout(2, joins(queue, "impatient")))
    call("done", queue.task_done)
    await attempt("again", timeout(2, joins(queue, "again")))


@scenario
async def consumer_that_is_cancelled_at_work_can_still_say_that_it_is_done():
    queue = full()

    async def works():
        await gets(queue, "worker")
        try:
            await ticks(9)
        finally:
            call("done", queue.task_done)
    worker, joiner = asyncio.create_task(works(), name="worker"), start_join(queue, "joiner")
    await ticks(1)
    cancel(worker)
    await each_ends(worker, joiner)


if __name__ == "__main__":
    main()
