"""What a figure cannot be read without: the machine, the compiler, the commit."""

from __future__ import annotations

import ctypes
import datetime
import json
import os
import platform
import resource
import subprocess
import time
from pathlib import Path

from .model import BenchError
from .programs import BENCH, run_json


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Processor", "cpu model"):
            return value.strip()
    return platform.machine()


def grants_uring() -> bool:
    """Whether the kernel, and whatever filters are before it, let this process have an io_uring."""
    io_uring_setup, parameters = 425, ctypes.create_string_buffer(120)
    fd = ctypes.CDLL(None, use_errno=True).syscall(io_uring_setup, 1, parameters)
    if fd >= 0:
        os.close(fd)
    return fd >= 0


def compiler(build: Path) -> str:
    """The first line that the build directory's own compiler says of itself."""
    try:
        targets = json.loads((build / "meson-info/intro-targets.json").read_text())
        command = targets[0]["target_sources"][0]["compiler"]
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    except (OSError, LookupError, ValueError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.partition("\n")[0]


def build_type(build: Path) -> str:
    try:
        options = json.loads((build / "meson-info/intro-buildoptions.json").read_text())
    except (OSError, ValueError):
        return "unknown"
    chosen = {option["name"]: option["value"] for option in options}
    sanitizers = chosen.get("b_sanitize", "none")
    return chosen.get("buildtype", "unknown") + ("" if sanitizers == "none" else f" {sanitizers}")


def commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(BENCH), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        name = git("rev-parse", "--short=12", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no")
    except OSError:
        return "unknown"
    return (name or "unknown") + (" with changes" if changed else "")


def driver(build: Path) -> str:
    """What weft itself says it waits with on this machine; unknown if it is not built."""
    try:
        return run_json("driver", [str(build / "bench/weft-driver")], timeout=10)["driver"]
    except (OSError, BenchError):
        return "unknown"


def header(build: Path) -> dict:
    return {
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "compiler": compiler(build),
        "build": build_type(build),
        "driver": driver(build),
        "commit": commit(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


class OtherLoad:
    """The share of the machine's CPU time that neither this process nor its children used."""

    def __init__(self) -> None:
        self._start = self._now()

    @staticmethod
    def _now() -> tuple[float, float, float]:
        fields = Path("/proc/stat").read_text().split(None, 9)
        user, nice, system, _idle, _wait, irq, softirq, steal = map(int, fields[1:9])
        busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        own = 0.0
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            usage = resource.getrusage(who)
            own += usage.ru_utime + usage.ru_stime
        return time.monotonic(), busy, own

    def share(self) -> float:
        wall, busy, own = (now - then for now, then in zip(self._now(), self._start))
        return max(busy - own, 0.0) / (wall * (os.cpu_count() or 1))
