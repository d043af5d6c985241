"""Finds, builds and runs the programs of the workloads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from .model import BenchError, Case, Setting

BENCH = Path(__file__).resolve().parent.parent
MICRO_LIMIT_S = 300
# Runtimes that are another's program with these in its environment.
VARIANTS = {
    "weft_epoll": ("weft", {"WEFT_DRIVER": "epoll"}),
    "weft_uring": ("weft", {"WEFT_DRIVER": "uring"}),
}


def program_path(build: Path, workload: str, runtime: str) -> Path:
    runtime = VARIANTS.get(runtime, (runtime, {}))[0]
    return build / "bench" / f"{workload}-{runtime}"


def build_go(build: Path, workload: str) -> None:
    """Compiles BENCH/WORKLOAD/go with the standard library alone; nothing is fetched."""
    source = BENCH / workload / "go"
    target = program_path(build, workload, "go")
    if shutil.which("go") is None:
        raise BenchError("the Go peers need the Go compiler (Debian: golang-go)")
    target.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GO111MODULE": "off", "GOFLAGS": "", "GOPROXY": "off"}
    environment.setdefault("GOCACHE", str(build.resolve() / "go-cache"))
    command = ["go", "build", "-o", str(target.resolve()), "main.go"]
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"go build of {workload} failed:\n{done.stderr.strip()}")


def require_program(build: Path, workload: str, runtime: str) -> str:
    path = program_path(build, workload, runtime)
    if not path.is_file():
        raise BenchError(
            f"no program for {workload} in {runtime}: {path} is missing; `./dev compare` builds all, "
            f"by hand: meson configure {build} -Dbench=true -Dpeers=true && ninja -C {build}"
        )
    return str(path)


def environment_for(case: Case) -> dict[str, str]:
    """Each runtime's own way to be told its number of workers, and what makes it a variant."""
    workers = {"WEFT_WORKERS": str(case.workers), "GOMAXPROCS": str(case.workers)}
    return {**os.environ, **workers, **VARIANTS.get(case.runtime, ("", {}))[1]}


def run_json(label: str, command: list[str], **options) -> dict:
    """Runs a program that prints one JSON object; a failure is reported with its stderr."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    except subprocess.TimeoutExpired as expired:
        raise BenchError(f"{label}: no result after {expired.timeout:.0f} s") from expired
    said = done.stderr.strip()[-2000:]
    if done.returncode != 0:
        raise BenchError(f"{label}: {command[0]} ended with status {done.returncode}:\n{said}")
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise BenchError(f"{label}: the result is not JSON ({error}):\n{said}") from error


def run_micro(case: Case, setting: Setting) -> dict[str, float]:
    """A Google Benchmark program with one benchmark: its metric is the time of an item, in ns."""
    program = setting.programs(case.workload.name, case.runtime)
    command = [program, "--benchmark_format=json", "--benchmark_min_time=0.2"]
    result = run_json(
        case.label, command, timeout=MICRO_LIMIT_S, env=environment_for(case)
    )
    if "benchmarks" not in result:  # a peer without Google Benchmark names its figures itself
        return result
    benchmark = result["benchmarks"][0]
    if benchmark.get("error_occurred"):
        raise BenchError(f"{case.label}: {benchmark.get('error_message')}")
    return {case.workload.metrics[0].name: 1e9 / benchmark["items_per_second"]}


def run_plain(case: Case, setting: Setting) -> dict[str, float]:
    """A program that takes the values of the parameters and prints its metrics by name."""
    program = setting.programs(case.workload.name, case.runtime)
    command = [program, *(str(value) for _, value in case.params)]
    return run_json(case.label, command, timeout=MICRO_LIMIT_S, env=environment_for(case))
