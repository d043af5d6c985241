"""Medians, ratios, the table and the JSON."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Iterable

from .model import Case, Metric, Samples, Yardstick


@dataclass(frozen=True)
class Ratio:
    to: str
    value: float


class Report:
    def __init__(self, samples: Iterable[Samples]):
        self.samples = {sample.case: sample for sample in samples}

    def ratios(self, case: Case, metric: Metric) -> list[Ratio]:
        """One for each yardstick that was measured, too, and is not this case itself."""
        found = (self._ratio(case, metric, yardstick) for yardstick in metric.yardsticks)
        return [ratio for ratio in found if ratio]

    def _ratio(self, case: Case, metric: Metric, yardstick: Yardstick) -> Ratio | None:
        """Divides round by round and then takes the median: a slow minute slows both sides."""
        if yardstick.is_case(case):
            return None
        base = self._yardstick_values(case, metric, yardstick)
        if base is None:
            return None
        own = self.samples[case].values[metric.name]
        pairs = [a / (b * yardstick.factor) for a, b in zip(own, base) if b > 0]
        return Ratio(yardstick.label or yardstick.runtime, median(pairs)) if pairs else None

    def _yardstick_values(self, case: Case, metric: Metric, yardstick: Yardstick):
        for other, samples in self.samples.items():
            if other.runtime != yardstick.runtime:
                continue
            if yardstick.workload:
                if other.workload.name == yardstick.workload:
                    return samples.values[yardstick.metric]
            elif (other.workload, other.workers, other.params) == (
                case.workload,
                case.workers,
                case.params,
            ):
                return samples.values.get(metric.name)
        return None

    def results(self) -> list[dict]:
        rows = []
        for case, sample in self.samples.items():
            for metric in case.metrics:
                values = sample.values[metric.name]
                row = {
                    "workload": case.workload.name,
                    "runtime": case.runtime,
                    "workers": case.workers,
                    "params": dict(case.params),
                    "metric": metric.name,
                    "median": median(values),
                    "min": min(values),
                    "max": max(values),
                    "runs": len(values),
                    "unit": metric.unit,
                    "lower_is_better": metric.lower_is_better,
                }
                if ratios := self.ratios(case, metric):
                    row["ratios"] = [{"to": ratio.to, "value": ratio.value} for ratio in ratios]
                rows.append(row)
        return rows

    def markdown(self, header: dict) -> str:
        lines = ["# Benchmarks", ""]
        lines += [f"- {name}: {value}" for name, value in header.items()]
        lines += ["", "Medians (lowest to highest), and how many times a yardstick of the same round"]
        lines += ["that is.", ""]
        workloads = dict.fromkeys(case.workload for case in self.samples)
        for workload in workloads:
            lines += [f"## {workload.name}: {workload.about}", ""]
            lines += self._table([case for case in self.samples if case.workload is workload])
            lines.append("")
        return "\n".join(lines)

    def _table(self, cases: list[Case]) -> list[str]:
        workload = cases[0].workload
        params = [name for name, _ in cases[0].params]
        titles = ["runtime", "W", *params, *(metric.unit for metric in workload.metrics)]
        lines = ["| " + " | ".join(titles) + " |"]
        lines.append("| --- |" + " ---: |" * (len(titles) - 1))
        for case in cases:
            cells = [case.runtime, str(case.workers)]
            cells += [f"{value:,}" for _, value in case.params]
            cells += [self._cell(case, metric) for metric in workload.metrics]
            lines.append("| " + " | ".join(cells) + " |")
        return lines

    def _cell(self, case: Case, metric: Metric) -> str:
        if metric not in case.metrics:
            return "-"
        values = self.samples[case].values[metric.name]

        def show(value: float) -> str:
            return f"{value:,.{metric.digits}f}"

        text = show(median(values))
        if len(values) > 1:
            text += f" ({show(min(values))} to {show(max(values))})"
        ratios = self.ratios(case, metric)
        return text + "".join(f", {ratio.value:.2f}x {ratio.to}" for ratio in ratios)
