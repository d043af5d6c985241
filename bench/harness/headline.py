"""The headline figures as a Markdown table, and its place in a document."""

from __future__ import annotations

from .figures import OWN, Figure, short
from .model import BenchError

BEGIN = "<!-- headline figures: begin -->"
END = "<!-- headline figures: end -->"
WORKERS = (1, 2)


def table(figures: list[Figure]) -> str:
    """A column for each runtime that most rows have, and one for the rest: rows stay short."""
    runtimes = dict.fromkeys(runtime for figure in figures for runtime in figure.runtimes)
    common = [
        runtime
        for runtime in runtimes
        if runtime == OWN or 2 * sum(runtime in figure.runtimes for figure in figures) > len(figures)
    ]
    rest = any(runtime not in common for runtime in runtimes)
    titles = ["workload, W = 1 / 2", "unit", *common, *(["others"] if rest else [])]
    titles.append("times as good as the best other")
    lines = ["| " + " | ".join(titles) + " |", "| --- | --- |" + " ---: |" * (len(titles) - 2)]
    for figure in figures:
        cells = [figure.title, figure.unit]
        cells += [_pair(figure, runtime) or "–" for runtime in common]
        if rest:
            others = [name for name in figure.runtimes if name not in common]
            cells.append(", ".join(f"{name} {_pair(figure, name)}" for name in others) or "–")
        cells.append(_leads(figure))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _pair(figure: Figure, runtime: str) -> str:
    """The figures with one worker and with two; empty if there is neither."""
    values = [figure.values.get((runtime, workers)) for workers in WORKERS]
    if not any(values):
        return ""
    return " / ".join(short(value.median) if value else "–" for value in values)


def _leads(figure: Figure) -> str:
    leads = []
    for workers in WORKERS:
        peer = figure.best_peer(workers)
        lead = figure.lead(peer, workers) if peer else None
        leads.append("–" if lead is None else f"{short(lead)}x {peer}")
    return " / ".join(leads)


def placed(document: str, text: str) -> str:
    """The document with the text between its two marks, in the place of what was there."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BenchError(f"no lines {BEGIN} and {END}, between which the table would go")
    return f"{before}{begin}\n{text}\n{end}{after}"
