"""What can be asked of the exceptions that leave a task group."""

import asyncio

from cast import failing, task_group
from harness import Failure, OtherFailure, attempt, call, main, scenario, ticks, trace


def tree():
    inner = ExceptionGroup("inner", [Failure("b"), OtherFailure("c"), Failure("d")])
    last = ExceptionGroup("last", [Failure("e")])
    return ExceptionGroup("outer", [Failure("a"), inner, last, OtherFailure("f")])


def leaves(group):
    found = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, ExceptionGroup) else [error]
    return found


def contains(group, kind):
    return group.subgroup(kind) is not None


async def caught_from(error):
    """The group that leaves a task group whose child throws the error."""
    async def throwing():
        raise error

    async def body(group):
        group.create_task(throwing())
    try:
        await task_group(body)
    except ExceptionGroup as group:
        return group


@scenario
async def split_by_type_keeps_the_shape():
    matching, rest = tree().split(Failure)
    trace("matching", matching)
    trace("rest", rest)


@scenario
async def split_by_a_type_that_none_or_all_are():
    for kind in (TimeoutError, Exception):
        matching, rest = tree().split(kind)
        trace("matching", matching)
        trace("rest", rest)


@scenario
async def condition_is_asked_from_the_group_down():
    def condition(error):
        trace("asked of", error)
        return isinstance(error, ExceptionGroup) and len(error.exceptions) == 3
    matching, rest = tree().split(condition)
    trace("matching", matching)
    trace("rest", rest)


@scenario
async def leaves_of_a_tree():
    trace("leaves", leaves(tree()))


@scenario
async def group_thrown_by_a_child_stays_a_group():
    group = await caught_from(tree())
    trace("caught", group)
    trace("contains", contains(group, OtherFailure), contains(group, TimeoutError))
    trace("leaves", len(leaves(group)))


@scenario
async def each_type_has_a_handler_and_the_rest_goes_on():
    async def body(group):
        group.create_task(failing("a", 1))
        try:
            await ticks(99)
        except asyncio.CancelledError:
            raise OtherFailure("body")

    async def work():
        try:
            await task_group(body)
        except* Failure as failures:
            trace("handled", failures)
    await attempt("work", work())


@scenario
async def group_needs_an_exception():
    call("group", lambda: ExceptionGroup("none", []))


if __name__ == "__main__":
    main()
