"""Queues: order, room, hand-over, and work that is done."""

import asyncio

from cast import cancel, each_ends
from harness import call, differs, main, scenario, ticks, trace, turns
from queue_cast import gets, joins, look, puts, start_get, start_join, start_put, try_get, try_put


async def other():
    trace("other runs")


def start_other():
    return asyncio.create_task(other(), name="other")


async def puts_and_gets(queue, items):
    """All but the last two go in, then one comes out between the others."""
    for item in items[:-2]:
        await puts(queue, item)
    for item in items[-2:]:
        await gets(queue, "main")
        await puts(queue, item)
    while not queue.empty():
        await gets(queue, "main")


# ---- The order of items.

@scenario
async def first_in_first_out():
    await puts_and_gets(asyncio.Queue(), [3, 1, 4, 5, 2])


@scenario
async def last_in_first_out():
    await puts_and_gets(asyncio.LifoQueue(), [3, 1, 4, 5, 2])


@scenario
async def least_first():
    await puts_and_gets(asyncio.PriorityQueue(), [3, 4, 1, 4, 2, 5, 1])


@scenario
async def pairs_come_by_their_first_and_then_their_second():
    await puts_and_gets(asyncio.PriorityQueue(), [(2, "b"), (1, "z"), (2, "a"), (0, "y"), (1, "c")])


# ---- What is seen from outside.

@scenario
async def state_of_one_with_a_limit():
    queue = asyncio.Queue(2)
    trace("maxsize", queue.maxsize)
    look(queue)
    for item in (1, 2):
        await puts(queue, item)
        look(queue)
    for _ in range(2):
        await gets(queue, "main")
        look(queue)


@scenario
async def without_a_limit_it_is_never_full():
    queue = asyncio.LifoQueue()
    trace("maxsize", queue.maxsize)
    for item in range(100):
        queue.put_nowait(item)
    look(queue)
    try_put(queue, 100)
    try_get(queue)


@scenario
async def neither_suspends_when_it_need_not():
    queue, task = asyncio.Queue(1), start_other()
    for item in (1, 2):
        await puts(queue, item)
        await gets(queue, "main")
        queue.task_done()
    await joins(queue, "main")
    await each_ends(task)


@scenario
async def try_says_whether_it_could():
    queue = asyncio.Queue(1)
    try_get(queue)
    try_put(queue, 1)
    try_put(queue, 2)
    try_get(queue)
    try_get(queue)


# ---- Getters and putters that wait.

@scenario
async def getters_are_served_in_the_order_of_arrival():
    queue = asyncio.Queue()
    tasks = [start_get(queue, name) for name in ("a", "b", "c")]
    for item in (1, 2, 3):
        await ticks(1)
        try_put(queue, item)
    await each_ends(*tasks)


@scenario
async def putters_are_served_in_the_order_of_arrival():
    queue = asyncio.Queue(1)
    try_put(queue, 0)
    tasks = [start_put(queue, item) for item in (1, 2, 3)]
    for _ in range(4):
        await ticks(1)
        try_get(queue)
    await each_ends(*tasks)


@scenario
async def getters_of_a_lifo_queue_wait_their_turn_all_the_same():
    queue = asyncio.LifoQueue()
    tasks = [start_get(queue, name) for name in ("a", "b", "c")]
    await turns(1)
    for item in (1, 2, 3):
        try_put(queue, item)
    await each_ends(*tasks)


@scenario
async def putter_of_a_lesser_item_does_not_overtake():
    queue = asyncio.PriorityQueue(1)
    try_put(queue, 5)
    tasks = [start_put(queue, item) for item in (9, 1, 4)]
    for _ in range(4):
        await ticks(1)
        try_get(queue)
    await each_ends(*tasks)


@scenario
async def woken_getter_takes_what_is_least_when_it_runs():
    queue = asyncio.PriorityQueue()
    task = start_get(queue, "getter")
    await ticks(1)
    for item in (5, 1, 3):
        try_put(queue, item)
    await each_ends(task)


@scenario
async def one_put_wakes_one_getter():
    queue = asyncio.Queue()
    tasks = [start_get(queue, name) for name in ("a", "b", "c")]
    await ticks(1)
    try_put(queue, 1)
    try_put(queue, 2)
    await turns(3)
    trace("done", [task.done() for task in tasks])
    cancel(tasks[2])
    await each_ends(*tasks)


@scenario
async def one_get_makes_room_for_one_putter():
    queue = asyncio.Queue(2)
    tasks = [start_put(queue, item) for item in range(5)]
    await ticks(1)
    for count in (1, 2):
        for _ in range(count):
            try_get(queue)
        look(queue)
        await turns(2)
        look(queue)
    await each_ends(*tasks)


@scenario
async def item_stays_in_the_queue_until_the_woken_getter_runs():
    queue = asyncio.Queue()
    task = start_get(queue, "getter")
    await ticks(1)
    try_put(queue, 1)
    look(queue)
    await turns(1)
    look(queue)
    await each_ends(task)


@scenario
async def overtaken_getter_waits_anew_behind_the_others():
    queue = asyncio.Queue()
    tasks = [start_get(queue, name) for name in ("overtaken", "next")]
    await ticks(1)
    try_put(queue, 1)
    await gets(queue, "main")
    await turns(2)
    for item in (2, 3):
        try_put(queue, item)
        await turns(2)
    await each_ends(*tasks)


@scenario
async def overtaken_putter_waits_anew_behind_the_others():
    queue = asyncio.Queue(1)
    try_put(queue, 0)
    tasks = [start_put(queue, item) for item in (1, 2)]
    await ticks(1)
    try_get(queue)
    await puts(queue, 9)
    for _ in range(3):
        await turns(2)
        try_get(queue)
    await each_ends(*tasks)


# ---- Producers and consumers.

@scenario
async def producer_and_consumer_of_a_narrow_queue():
    queue = asyncio.Queue(1)

    async def produces():
        for item in range(4):
            await puts(queue, item)

    async def consumes():
        for _ in range(4):
            await gets(queue, "consumer")
    await each_ends(asyncio.create_task(produces(), name="producer"),
                    asyncio.create_task(consumes(), name="consumer"))


@scenario
async def whoever_is_free_takes_the_next():
    queue = asyncio.Queue(2)

    async def consumes(name, pace):
        for _ in range(3):
            await gets(queue, name)
            await ticks(pace)

    async def produces():
        for item in range(6):
            await puts(queue, item)
    await each_ends(asyncio.create_task(consumes("quick", 1), name="quick"),
                    asyncio.create_task(consumes("slow", 2.5), name="slow"),
                    asyncio.create_task(produces(), name="producer"))


@scenario
async def ball_goes_to_and_fro():
    there, back = asyncio.Queue(), asyncio.Queue()

    async def returns():
        for _ in range(3):
            await there.get()
            await puts(back, "ball")
    task = asyncio.create_task(returns(), name="returner")
    for number in range(3):
        there.put_nowait(number)
        await gets(back, "main")
    await each_ends(task)


# ---- Work that is done.

@scenario
async def join_waits_until_as_many_are_done_as_were_put():
    queue = asyncio.Queue()
    for item in (1, 2):
        try_put(queue, item)
    task = start_join(queue, "joiner")
    await turns(1)
    for _ in range(2):
        try_get(queue)
    await turns(2)
    for _ in range(2):
        trace("joined", task.done())
        call("done", queue.task_done)
        await turns(2)
    await each_ends(task)


@scenario
async def joiners_go_on_in_the_order_of_arrival():
    queue = asyncio.Queue()
    try_put(queue, 1)
    tasks = [start_join(queue, name) for name in ("a", "b", "c")]
    await ticks(1)
    try_get(queue)
    call("done", queue.task_done)
    await each_ends(*tasks)


@scenario
async def done_more_often_than_put_is_misuse():
    queue = asyncio.Queue()
    call("nothing was put", queue.task_done)
    try_put(queue, 1)
    try_get(queue)
    for _ in range(2):
        call("done", queue.task_done)


@scenario
async def done_before_it_was_got_counts():
    queue = asyncio.Queue()
    try_put(queue, 1)
    call("done", queue.task_done)
    await joins(queue, "main")
    look(queue)


@scenario
async def join_again_after_more_was_put():
    queue = asyncio.Queue()
    for item in (1, 2):
        try_put(queue, item)
        task = start_join(queue, f"joiner {item}")
        await turns(2)
        try_get(queue)
        call("done", queue.task_done)
        await each_ends(task)


@differs("join returns when nothing is left to be done, as that of Python's queue for threads; asyncio's also if more "
         "was put since it was woken",
         weft="""
         try put 1 true
         done returned none
         try put 2 true
         joined false
         done returned none
         joiner has joined
         joiner returned none
         """)
@scenario
async def put_before_the_joiner_runs():
    queue = asyncio.Queue()
    try_put(queue, 1)
    task = start_join(queue, "joiner")
    await ticks(1)
    call("done", queue.task_done)
    try_put(queue, 2)
    await turns(3)
    trace("joined", task.done())
    call("done", queue.task_done)
    await each_ends(task)


@scenario
async def workers_are_stopped_when_all_is_done():
    queue = asyncio.Queue()

    async def works(name, pace):
        while True:
            await gets(queue, name)
            await ticks(pace)
            queue.task_done()
    workers = [asyncio.create_task(works(*job), name=job[0]) for job in (("a", 1), ("b", 2.5))]
    for item in range(5):
        await puts(queue, item)
    await joins(queue, "main")
    for worker in workers:
        cancel(worker)
    await each_ends(*workers)


if __name__ == "__main__":
    main()
