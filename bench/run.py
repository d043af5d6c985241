#!/usr/bin/env python3
"""Runs the workloads, interleaved and several times, and prints medians and ratios as Markdown."""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import os
import resource
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True  # the source tree stays as it was

from harness.cargo import build_tokio
from harness.echo import LOAD
from harness.figures import headline_figures
from harness.host import OtherLoad, header
from harness.http import require_wrk
from harness.model import BenchError, Case, Samples, Setting, Workload
from harness.picture import FORMATS, check_drawable, draw
from harness.programs import build_go, require_program
from harness.report import Report
from harness.workloads import ALWAYS, WORKLOADS

REPOSITORY = Path(__file__).resolve().parent.parent
BUSY_SHARE = 0.05
ROUNDS_ASIDE = 3


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def parse_arguments() -> argparse.Namespace:
    names = ", ".join(workload.name for workload in WORKLOADS)
    parser = argparse.ArgumentParser(description=__doc__, epilog=f"Workloads: {names}")
    parser.add_argument("names", nargs="*", metavar="NAME", help="workloads to run (all)")
    parser.add_argument("--peers", action="store_true", help="run the other runtimes, too")
    parser.add_argument("--runtimes", metavar="A,B", help="run only these runtimes")
    parser.add_argument("--quick", action="store_true", help="one round instead of 7, and shorter")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds, each runs every case once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    parser.add_argument("--picture", type=Path, metavar="FILE",
                        help="draw the results there; with --peers always")
    parser.add_argument("--check", action="store_true", help="only look at the arguments")
    parser.add_argument("--build-dir", type=Path, default=REPOSITORY / "build/release")
    arguments = parser.parse_args()
    known = {workload.name for workload in WORKLOADS}
    for name in arguments.names:
        if name not in known:
            parser.error(f"no workload '{name}'; there are: {names}")
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error("--rounds: at least 1")
    for option, file in (("--json", arguments.json), ("--picture", arguments.picture)):
        if file and not os.access(file.resolve().parent, os.W_OK):
            parser.error(f"{option}: cannot write {file}")  # now, not after the last round
    if arguments.picture and arguments.picture.suffix not in FORMATS:
        parser.error(f"--picture: the name ends with none of {', '.join(FORMATS)}")
    return arguments


def picture_file(arguments: argparse.Namespace) -> Path | None:
    """Where to draw; asked before the first round. Who did not ask for a picture may do without."""
    if not arguments.picture and not arguments.peers:
        return None
    try:
        check_drawable()
    except BenchError as error:
        if arguments.picture:
            raise
        say(f"there will be no picture: {error}")
        return None
    return arguments.picture or arguments.build_dir / "bench/comparison.svg"


def chosen_runtimes(arguments: argparse.Namespace) -> set[str]:
    known = {runtime for workload in WORKLOADS for runtime in workload.known()}
    if arguments.runtimes is None:
        return known if arguments.peers else ALWAYS
    runtimes = set(arguments.runtimes.split(","))
    if unknown := runtimes - known:
        raise BenchError(f"no runtime '{min(unknown)}'; there are: {', '.join(sorted(known))}")
    return runtimes


def chosen_cases(names: list[str], runtimes: set[str]) -> list[Case]:
    """The cases asked for, and those of the workloads that they are divided by."""
    wanted = set(names) or {workload.name for workload in WORKLOADS}
    for workload in WORKLOADS:
        if workload.name in wanted:
            for metric in workload.metrics:
                wanted |= {yardstick.workload for yardstick in metric.yardsticks}
    workloads: list[Workload] = [w for w in WORKLOADS if w.name in wanted]
    cases = [case for workload in workloads for case in workload.cases(runtimes)]
    if not cases:
        raise BenchError("none of these runtimes has a program for these workloads")
    return cases


def prepare(cases: list[Case], arguments: argparse.Namespace) -> Setting:
    """Builds and looks for every program before the first one runs."""
    build = arguments.build_dir
    programs = dict.fromkeys((case.workload.name, case.runtime) for case in cases)
    if of_tokio := [workload for workload, runtime in programs if runtime == "tokio"]:
        say(f"building {', '.join(of_tokio)} of tokio")
        build_tokio(build, of_tokio)  # at once, for what they share
    for workload, runtime in programs:
        if runtime == "go":
            say(f"building {workload}-go")
            build_go(build, workload)
        require_program(build, workload, runtime)
        if workload in ("echo", "stall", "idle_connections"):
            require_program(build, *LOAD)
        if workload == "http":
            require_wrk()
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        say("only one CPU: servers and load share it, so the echo figures mean little")
    # A thousand connections are too many for the usual soft limit; children inherit this one.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return Setting(
        programs=lambda workload, runtime: require_program(build, workload, runtime),
        quick=arguments.quick,
        server_cpu=cpus[0] if len(cpus) > 1 else None,
        load_cpu=cpus[1] if len(cpus) > 1 else None,
    )


def measure(cases: list[Case], rounds: int, setting: Setting) -> list[Samples]:
    """Round by round, every case once: what disturbs the machine for a while hits all alike. Within
    a workload, those that are compared with each other come one after the other."""
    samples = [Samples(case) for case in cases]
    took: collections.Counter[str] = collections.Counter()
    of_workloads = itertools.groupby(samples, key=lambda sample: sample.case.workload)
    in_turn = [s for _, group in of_workloads for s in sorted(group, key=lambda s: s.case.place)]
    turns = [[s for s in in_turn if i < ROUNDS_ASIDE or not s.case.aside] for i in range(rounds)]
    done, total = 0, sum(map(len, turns))
    for turn in turns:
        for sample in turn:
            done += 1
            case = sample.case
            begin = time.monotonic()
            sample.add(case.workload.measure(case, setting))
            took[case.workload.name] += time.monotonic() - begin
            metric = case.workload.metrics[0]
            value = sample.values[metric.name][-1]
            say(f"[{done}/{total}] {case.label}: {value:,.{metric.digits}f} {metric.unit}")
    shares = ", ".join(f"{name} {seconds:.0f}" for name, seconds in took.most_common())
    say(f"{took.total():.0f} s in all: {shares}")
    return samples


def main() -> int:
    arguments = parse_arguments()
    if arguments.check:
        return 0
    picture = picture_file(arguments)
    cases = chosen_cases(arguments.names, chosen_runtimes(arguments))
    setting = prepare(cases, arguments)
    head = header(arguments.build_dir)
    rounds = arguments.rounds or (1 if arguments.quick else 7)
    others = OtherLoad()
    report = Report(measure(cases, rounds, setting))
    head["other_load"] = round(others.share(), 3)
    if head["other_load"] > BUSY_SHARE:
        say(f"others used {head['other_load']:.0%} of the machine meanwhile: take the figures with care")
    print(report.markdown(head))
    results = report.results()
    if arguments.json:
        document = {"header": head, "results": results}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    if picture and (figures := headline_figures(results)):
        draw(figures, head, picture)
        say(f"the picture is {picture}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        say(f"bench: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("bench: interrupted")
        sys.exit(130)
