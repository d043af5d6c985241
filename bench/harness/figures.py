"""Picks, from the results as they are in the JSON, the figures that a table or a picture shows first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

OWN = "weft"
FLOORS = ("fcontext", "epoll", "uring")  # no runtimes: what they lack costs time, too
VARIANTS = ("weft_inline", "weft_epoll", "weft_uring")  # weft itself, with the other context or driver

# The first metric with the first parameters stands for a workload that is not named here.
CHOSEN: dict[str, tuple[tuple[str, dict[str, int]], ...]] = {
    "parked": (("memory", {"fibers": 100_000}),),
    "timers": (("cpu", {"fibers": 100_000}), ("arm", {"fibers": 100_000})),
    "echo": (("server_cpu_us", {"connections": 100}), ("requests_per_s", {"connections": 100})),
    "http": (("server_cpu_us", {"connections": 100}), ("requests_per_s", {"connections": 100})),
}


@dataclass(frozen=True)
class Value:
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Figure:
    """One metric of a workload, of every runtime that was measured."""

    workload: str
    params: dict[str, int]
    unit: str
    lower_is_better: bool
    values: dict[tuple[str, int], Value]  # (runtime, workers) -> its figure

    @property
    def title(self) -> str:
        params = "".join(f", {value:,} {name}" for name, value in self.params.items())
        return self.workload + params

    @property
    def runtimes(self) -> list[str]:
        return list(dict.fromkeys(runtime for runtime, _ in self.values))

    def lead(self, peer: str, workers: int) -> float | None:
        """How many times weft's figure is better than the peer's; below 1 the peer is ahead."""
        own, other = self.values.get((OWN, workers)), self.values.get((peer, workers))
        if own is None or other is None or own.median <= 0 or other.median <= 0:
            return None
        ratio = other.median / own.median
        return ratio if self.lower_is_better else 1 / ratio

    def best_peer(self, workers: int) -> str | None:
        """The one that weft leads by least, floors aside."""
        peers = [name for name in self.runtimes if name not in (OWN, *VARIANTS, *FLOORS)]
        leads = {name: self.lead(name, workers) for name in peers}
        known = {name: lead for name, lead in leads.items() if lead is not None}
        return min(known, key=lambda name: known[name]) if known else None


def headline_figures(results: Iterable[dict]) -> list[Figure]:
    """In the order of the results; a workload that weft has no figure for is left out."""
    by_workload: dict[str, list[dict]] = {}
    for row in results:
        by_workload.setdefault(row["workload"], []).append(row)
    figures = []
    for workload, rows in by_workload.items():
        first = (rows[0]["metric"], rows[0]["params"])
        for metric, params in CHOSEN.get(workload, (first,)):
            figure = _figure(rows, metric, params)
            if figure and OWN in figure.runtimes:
                figures.append(figure)
    return figures


def _figure(rows: list[dict], metric: str, params: dict[str, int]) -> Figure | None:
    chosen = [row for row in rows if row["metric"] == metric and row["params"] == params]
    if not chosen:
        return None
    values = {
        (row["runtime"], row["workers"]): Value(row["median"], row["min"], row["max"])
        for row in chosen
    }
    first = chosen[0]
    return Figure(first["workload"], params, first["unit"], first["lower_is_better"], values)


def short(value: float) -> str:
    """Three digits, and no more: that is what a median of a few runs is worth."""
    if value >= 1e6:
        return f"{value / 1e6:.3g}M"
    if value >= 9_999.5:
        return f"{value / 1e3:.3g}k"
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.3g}"
