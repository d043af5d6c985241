"""Runs one server under the load generator."""

from __future__ import annotations

import os
import re
import select
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from typing import Iterator

from .model import BenchError, Case, Setting
from .programs import environment_for, run_json

START_LIMIT_S = 10
STOP_LIMIT_S = 5
LOAD = ("echo", "load")  # one load generator for all
BURNS = 10  # a second and connection


def pinned_to(cpu: int | None):
    """A hook for the child, between fork and exec; None leaves the scheduler free."""
    return None if cpu is None else lambda: os.sched_setaffinity(0, {cpu})


@contextmanager
def running_server(case: Case, program: str, cpu: int | None) -> Iterator[tuple[int, int]]:
    """Yields (pid, port). The server ends with its standard input, so with this process too."""
    server = subprocess.Popen(
        [program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment_for(case),
        preexec_fn=pinned_to(cpu),
    )
    try:
        ready, _, _ = select.select([server.stdout], [], [], START_LIMIT_S)
        line = server.stdout.readline().decode() if ready else ""
        found = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", line)
        if not found:
            raise BenchError(f"{case.label}: the server did not say where it listens: {line!r}")
        yield server.pid, int(found[1])
        if server.poll() is not None:
            raise BenchError(f"{case.label}: the server ended by itself ({server.returncode})")
    finally:
        server.stdin.close()
        server.terminate()
        try:
            server.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        server.stdout.close()


def run_echo(case: Case, setting: Setting) -> dict[str, float]:
    return _run_under_load(case, setting, 0.6 if setting.quick else 0.7, [])


def run_stall(case: Case, setting: Setting) -> dict[str, float]:
    return _run_under_load(case, setting, 0.6 if setting.quick else 0.8, [f"--burns={BURNS}"])


def run_idle(case: Case, setting: Setting) -> dict[str, float]:
    """Of all connections one in a hundred talks, in a closed loop; the others have talked before."""
    connections = dict(case.params)["connections"]
    active = connections // 100
    params = (("connections", active), ("idle", connections - active))
    return _run_under_load(replace(case, params=params), setting, 0.6, [])


def _run_under_load(
    case: Case, setting: Setting, seconds: float, options: list[str]
) -> dict[str, float]:
    """With one worker, server and load have a CPU each; with more the kernel places them.

    The load generator reads the server's CPU clock (the sum of utime and stime in
    /proc/PID/stat, but in nanoseconds) as its window opens and closes, so that the time and the
    requests it is divided by belong together.
    """
    pinned = case.workers == 1
    warmup = 0.2
    program = setting.programs(case.workload.name, case.runtime)
    load = setting.programs(*LOAD)
    with running_server(case, program, setting.server_cpu if pinned else None) as (pid, port):
        command = [load, "--json", f"--port={port}", f"--server-pid={pid}"]
        command += [f"--{name}={value}" for name, value in case.params]
        command += [*options, f"--duration={seconds}", f"--warmup={warmup}"]
        return run_json(
            case.label,
            command,
            timeout=seconds + warmup + 60,
            preexec_fn=pinned_to(setting.load_cpu if pinned else None),
        )
