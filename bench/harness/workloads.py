"""The list of workloads. A new one: a folder with one file a runtime, and an entry here."""

import platform

from .echo import run_echo, run_idle, run_stall
from .host import grants_uring
from .http import run_http
from .model import Metric, Workload, Yardstick
from .programs import run_micro, run_plain

WEFT = "weft"
BOOST = "boost_fiber"
# Floors have no runtime at all. A floor that is cheap to run and that others are divided by belongs
# to every run; the rest of the others only to a comparison.
ALWAYS = {WEFT, "fcontext"}

BOTH = (1, 2)
EVERY_ONE = {WEFT: BOTH, "go": BOTH, "tokio": BOTH, BOOST: BOTH}
# More workers than most machines that this is run on have CPUs; idle threads of Boost.Fiber look for
# work without pause, so there it would only be their fight for the CPUs.
MANY = 8
CROWDED = tuple((name, MANY, ()) for name in (WEFT, "go", "tokio"))
# Where two threads of Boost.Fiber take several times as long as all the others together.
BUT_BOOST_PAIR = {**EVERY_ONE, BOOST: (1,)}
BOOST_PAIR = ((BOOST, 2, ()),)
# weft with the inline context, where there is one and the switch is a large part of the cost.
INLINE = ["weft_inline"] if platform.machine() in ("x86_64", "aarch64") else []
EVERY_CONTEXT = {WEFT: BOTH, **dict.fromkeys(INLINE, BOTH), **EVERY_ONE}
PEERS = (Yardstick("go"), Yardstick("tokio"))
EPOLL = (Yardstick("epoll"),)
# Where the kernel grants io_uring weft has its files there, and sockets on epoll. So it is also
# measured with sockets there, too, beside the floor of io_uring, and with files by threads.
URING_GRANTED = grants_uring()
URING = {"weft_uring": BOTH, "uring": (1,)} if URING_GRANTED else {}
BY_THREADS = {"weft_epoll": BOTH} if URING_GRANTED else {}
FLOORS = EPOLL + ((Yardstick("uring"),) if URING_GRANTED else ())
WEB = (Yardstick("nginx"), Yardstick("go"))
PEAK = Metric("peak", "MB resident at most")


def floor(switches: int) -> tuple[Yardstick]:
    label = "switch_floor" if switches == 1 else f"{switches} x switch_floor"
    return (Yardstick("fcontext", "switch_floor", "switch", switches, label),)


def connections(*counts: int) -> tuple:
    return tuple((("connections", count),) for count in counts)


def fibers(*counts: int) -> tuple:
    return tuple((("fibers", count),) for count in counts)


WORKLOADS = (
    Workload(
        name="switch_floor",
        about="jump_fcontext, or the inline context, there and back",
        metrics=(Metric("switch", "ns a switch", digits=2),),
        runtimes={"fcontext": (1,), **dict.fromkeys(INLINE, (1,))},
        measure=run_micro,
    ),
    Workload(
        name="yield",
        about="two fibers yield to each other",
        metrics=(Metric("switch", "ns a switch", yardsticks=floor(1)),),
        runtimes=EVERY_CONTEXT,
        measure=run_micro,
    ),
    Workload(
        name="spawn1",
        about="spawn one empty task and join it, again and again",
        metrics=(Metric("task", "ns a task", yardsticks=PEERS),),
        runtimes=EVERY_CONTEXT,
        measure=run_micro,
    ),
    Workload(
        name="spawnb",
        about="spawn 1,000 empty tasks and join them all, again and again",
        metrics=(Metric("task", "ns a task", yardsticks=PEERS),),
        runtimes=EVERY_ONE,
        besides=CROWDED,
        measure=run_micro,
    ),
    Workload(
        name="spawnall",
        about="spawn 1,000,000 empty tasks, then join them all",
        metrics=(Metric("task", "ns a task", yardsticks=PEERS), PEAK),
        runtimes=BUT_BOOST_PAIR,
        besides=BOOST_PAIR,
        measure=run_plain,
    ),
    Workload(
        name="gather10",
        about="gather of ten empty callables",
        metrics=(Metric("child", "ns a child", yardsticks=PEERS),),
        runtimes=EVERY_ONE,
        measure=run_micro,
    ),
    Workload(
        name="skynet",
        about="a tree of 1,111,111 tasks, ten children each, which waits for its children",
        metrics=(Metric("task", "ns a task", yardsticks=PEERS), PEAK),
        runtimes=EVERY_ONE,
        besides=CROWDED,
        measure=run_plain,
    ),
    Workload(
        name="fib",
        about="fib(30), a task for one half of each sum",
        metrics=(Metric("task", "ns a task", yardsticks=PEERS),),
        runtimes=EVERY_ONE,
        measure=run_plain,
    ),
    Workload(
        name="mutex100",
        about="100 fibers share one mutex, 10,000,000 locks in all",
        metrics=(Metric("lock", "ns a lock", yardsticks=PEERS),),
        runtimes=BUT_BOOST_PAIR,
        besides=CROWDED + BOOST_PAIR,
        measure=run_plain,
    ),
    Workload(
        name="mutex4",
        about="4 fibers, 100,000 locks each, a yield under each",
        metrics=(Metric("all", "ms", yardsticks=PEERS),),
        runtimes=EVERY_ONE,
        measure=run_plain,
    ),
    Workload(
        name="pingpong",
        about="two fibers hand a value to each other, by two channels without a buffer",
        metrics=(Metric("round_trip", "ns a round trip", yardsticks=floor(2)),),
        runtimes=EVERY_CONTEXT,
        measure=run_micro,
    ),
    Workload(
        name="chan64",
        about="W producers, W consumers, a channel of 64, 10,000,000 items",
        metrics=(Metric("item", "ns an item", yardsticks=PEERS),),
        runtimes=EVERY_ONE,
        measure=run_plain,
    ),
    Workload(
        name="uncontended",
        about="where nobody waits: a mutex, a receive, a select of two receives",
        metrics=(
            Metric("lock", "ns to lock and unlock", yardsticks=(Yardstick("go"),)),
            Metric("floor", "ns for two locked operations"),
            Metric("receive", "ns to receive", yardsticks=(Yardstick("go"),)),
            Metric("select", "ns to select of two", yardsticks=(Yardstick("go"),)),
            Metric("select_receives", "receives a select takes", digits=2),
        ),
        runtimes={WEFT: (1, 2), "go": (1, 2)},
        lacks={"go": ("floor",)},
        measure=run_plain,
    ),
    Workload(
        name="parked",
        about="fibers of the 64 KiB class wait for one event",
        metrics=(
            Metric("memory", "bytes a fiber", yardsticks=PEERS, digits=0),
            Metric("start", "ns a fiber to start and park"),
            Metric("wake", "ns a fiber to wake and end"),
        ),
        runtimes={WEFT: (1,), "go": (1,), "tokio": (1,)},
        params=fibers(100_000),
        # A million take Boost.Fiber half a minute.
        besides=((BOOST, 1, fibers(100_000)[0]), *((name, 1, fibers(1_000_000)[0]) for name in (WEFT, "go", "tokio"))),
        measure=run_plain,
    ),
    Workload(
        name="timers",
        about="fibers sleep 1 s together; then a timeout around a call that returns at once",
        metrics=(
            Metric("wall", "s wall", digits=3),
            Metric("cpu", "s CPU", yardsticks=PEERS, digits=3),
            Metric("arm", "ns to arm and cancel", yardsticks=PEERS),
        ),
        runtimes={WEFT: BOTH, "go": BOTH, "tokio": BOTH},
        lacks={BOOST: ("arm",)},
        params=fibers(100_000),
        besides=tuple((BOOST, workers, fibers(100_000)[0]) for workers in BOTH),
        measure=run_plain,
    ),
    Workload(
        name="echo",
        about="TCP, 64 bytes, closed loop; W=1: server and load on a CPU each, W=2: unpinned",
        metrics=(
            Metric("requests_per_s", "requests/s", lower_is_better=False, yardsticks=PEERS, digits=0),
            Metric("server_cpu_us", "server CPU us a request", yardsticks=FLOORS, digits=2),
            Metric("p50_us", "p50 us"),
            Metric("p99_us", "p99 us"),
            Metric("p999_us", "p99.9 us"),
            Metric("max_us", "max us"),
            Metric("fairness", "slowest/fastest connection", lower_is_better=False, digits=3),
        ),
        runtimes={WEFT: BOTH, "go": BOTH, "tokio": BOTH, "epoll": (1,), **URING},
        params=connections(1, 100, 1000),
        besides=(
            *((runtime, MANY, connections(100)[0]) for runtime in (WEFT, "go", "tokio")),
            *((*by, some) for some in connections(1, 100, 1000) for by in (("asio", 1), ("asio", 2), ("libuv", 1), ("threads", 1))),
        ),
        measure=run_echo,
    ),
    Workload(
        name="http",
        about="HTTP/1.1, 13 bytes of body, closed loop; W=1: server and load on a CPU each, W=2: unpinned",
        metrics=(
            Metric("requests_per_s", "requests/s", lower_is_better=False, yardsticks=WEB, digits=0),
            Metric("server_cpu_us", "server CPU us a request", yardsticks=WEB + EPOLL, digits=2),
            Metric("p50_us", "p50 us"),
            Metric("p99_us", "p99 us"),
        ),
        runtimes={WEFT: BOTH, "nginx": BOTH, "go": BOTH, "epoll": (1,)},
        params=connections(100),
        measure=run_http,
    ),
    Workload(
        name="file_read",
        about="random blocks of 4 KiB from a file that the kernel does not have in memory",
        metrics=(
            Metric("reads_per_s", "reads/s", lower_is_better=False, yardsticks=(Yardstick("go"),), digits=0),
            Metric("cpu_us", "CPU us a read", yardsticks=(Yardstick("go"),), digits=2),
        ),
        runtimes={WEFT: BOTH, **BY_THREADS, "go": BOTH},
        params=fibers(64),
        measure=run_plain,
    ),
    Workload(
        name="hooked_read",
        about="read(2) of one byte that is there, with the hooks and by libc",
        metrics=(
            Metric("socket_more", "ns more than libc, a socket", digits=0),
            Metric("socket_libc", "ns by libc, a socket", digits=0),
            Metric("pipe_more", "ns more than libc, a pipe", digits=0),
            Metric("pipe_libc", "ns by libc, a pipe", digits=0),
        ),
        runtimes={WEFT: (1,)},
        measure=run_plain,
    ),
    Workload(
        name="idle_connections",
        about="TCP, 64 bytes, 10,000 connections of which 1 % talk, in a closed loop",
        metrics=(
            Metric("idle_bytes", "bytes a connection", yardsticks=(Yardstick("go"),), digits=0),
            Metric("idle_table_bytes", "bytes of page tables a connection", digits=0),
            Metric("server_cpu_us", "server CPU us a request", yardsticks=(Yardstick("go"),), digits=2),
            Metric("requests_per_s", "requests/s", lower_is_better=False, digits=0),
            Metric("p99_us", "p99 us"),
        ),
        runtimes={WEFT: (1,), "go": (1,)},
        params=connections(10_000),
        besides=tuple((name, 2, connections(10_000)[0]) for name in (WEFT, "go")),
        measure=run_idle,
    ),
    Workload(
        name="stall",
        about="echo where 10 requests a second on each connection burn 1 ms of CPU; latency of the others",
        metrics=(
            Metric("requests_per_s", "requests/s", lower_is_better=False, yardsticks=EPOLL, digits=0),
            Metric("p50_us", "p50 us"),
            Metric("p99_us", "p99 us", yardsticks=EPOLL),
            Metric("p999_us", "p99.9 us", yardsticks=EPOLL),
            Metric("burn_p50_us", "p50 us of those that burn"),
            Metric("late_p999_us", "p99.9 us sent late"),
        ),
        runtimes={
            WEFT: (2,), "go": (2,), "tokio": (2,), "asio": (2,), "epoll": (2,)
        },
        params=((("connections", 32), ("rate", 0)), (("connections", 32), ("rate", 200))),
        measure=run_stall,
    ),
    Workload(
        name="wake_remote",
        about="a sleeping worker is woken for a fiber of its own, by another that goes on",
        metrics=(
            Metric("p50", "p50 us to run", yardsticks=(*PEERS, Yardstick("threads"))),
            Metric("p99", "p99 us to run"),
            Metric("waker_p50", "p50 us for the waker", yardsticks=(*PEERS, Yardstick("threads"))),
            Metric("waker_p99", "p99 us for the waker"),
        ),
        runtimes={WEFT: (2,), "go": (2,), "tokio": (2,), "threads": (2,)},
        measure=run_plain,
    ),
)
