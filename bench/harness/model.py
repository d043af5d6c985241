"""What a workload is: who runs it, with which parameters, and which figures come out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Mapping


class BenchError(Exception):
    """Something the user has to know, said in one message; no traceback is of use."""


@dataclass(frozen=True)
class Yardstick:
    """What a figure is divided by: the same metric of another runtime, or of another workload.

    A yardstick of another workload has one figure, whatever the workers and the parameters.
    """

    runtime: str
    workload: str = ""
    metric: str = ""
    factor: float = 1.0
    label: str = ""

    def is_case(self, case: Case) -> bool:
        return self.runtime == case.runtime and self.workload in ("", case.workload.name)


@dataclass(frozen=True)
class Metric:
    name: str
    unit: str
    lower_is_better: bool = True
    yardsticks: tuple[Yardstick, ...] = ()
    digits: int = 1


@dataclass(frozen=True)
class Case:
    """One cell of the table: run once a round."""

    workload: Workload
    runtime: str
    workers: int
    params: tuple[tuple[str, int], ...] = ()
    aside: bool = False  # not in every round

    @property
    def label(self) -> str:
        params = "".join(f" {name}={value}" for name, value in self.params)
        return f"{self.workload.name} {self.runtime} W={self.workers}{params}"

    @property
    def place(self) -> tuple:
        """Sorts the cases of a workload: what a ratio is formed of is run one after the other."""
        yardsticks = {yardstick.runtime for metric in self.metrics for yardstick in metric.yardsticks}
        compared = self.runtime == "weft" or self.runtime in yardsticks
        return (self.params, self.workers, not compared)

    @property
    def metrics(self) -> list[Metric]:
        lacking = self.workload.lacks.get(self.runtime, ())
        return [metric for metric in self.workload.metrics if metric.name not in lacking]


@dataclass(frozen=True)
class Workload:
    name: str
    about: str
    metrics: tuple[Metric, ...]
    # runtime -> the worker counts it is run with
    runtimes: Mapping[str, tuple[int, ...]]
    measure: Callable[[Case, "Setting"], dict[str, float]]
    params: tuple[tuple[tuple[str, int], ...], ...] = ((),)
    # (runtime, workers, parameters) that are run besides, where not everything goes with everything;
    # in the first rounds only, since they are there for their size, or take long
    besides: tuple[tuple[str, int, tuple[tuple[str, int], ...]], ...] = ()
    # runtime -> the metrics that it has no equivalent of; the first one every runtime has
    lacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    # Workloads are few and made once: identity is equality, and makes a Case hashable.
    __hash__ = object.__hash__

    def known(self) -> set[str]:
        """The names of all that run it."""
        return {*self.runtimes, *(runtime for runtime, _, _ in self.besides)}

    def cases(self, runtimes: set[str]) -> list[Case]:
        return [
            Case(self, runtime, workers, params)
            for params in self.params
            for runtime, worker_counts in self.runtimes.items()
            for workers in worker_counts
            if runtime in runtimes
        ] + [Case(self, *case, aside=True) for case in self.besides if case[0] in runtimes]

    def metric(self, name: str) -> Metric:
        return next(metric for metric in self.metrics if metric.name == name)


@dataclass
class Setting:
    """Where the programs are and how long they run."""

    programs: Callable[[str, str], str]  # (workload, runtime) -> path of its program
    quick: bool = False
    server_cpu: int | None = None  # None: too few CPUs to give server and load one each
    load_cpu: int | None = None


@dataclass
class Samples:
    """The figures of one case, one a round."""

    case: Case
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, figures: Mapping[str, float]) -> None:
        for metric in self.case.metrics:
            if metric.name not in figures:
                raise BenchError(f"{self.case.label}: the program reported no {metric.name!r}")
            self.values.setdefault(metric.name, []).append(figures[metric.name])
