"""Draws the headline figures: a panel of bars for each, weft first."""

from __future__ import annotations

import textwrap
from pathlib import Path

from .figures import FLOORS, OWN, Figure, short
from .model import BenchError
from .workloads import WORKLOADS

ABOUT = {workload.name: workload.about for workload in WORKLOADS}

FORMATS = (".svg", ".png", ".pdf")

COLUMNS = 3
WIDTH_IN = 13.5
BAR_IN = 0.17  # with the space around it
GAP = 0.7  # between runtimes, in bars
PANEL_IN = 0.85  # a panel's title, and the gap to the next
ABOUT_IN = 0.15  # a line of what the workload does
HEAD_IN, FOOT_IN = 0.85, 0.45

OWN_SHADES = ("#0b6e4f", "#7cc4a4", "#c4e5d6")  # one worker, two, more
PEER_SHADES = ("#4a5a6a", "#a9b6c3", "#d8dfe6")
INK, FAINT, WARNING = "#1d252c", "#6b7680", "#a3440f"

# Longer bars are cut, lest the slowest one makes a hair of every other.
MOST_TIMES_OWN = 8


def draw(figures: list[Figure], header: dict, path: Path) -> None:
    """Writes the picture in the format that the file's name ends with, SVG or PNG for example."""
    if not figures:
        raise BenchError("there is no figure of weft to draw")
    pyplot = _pyplot()
    rows = [figures[i : i + COLUMNS] for i in range(0, len(figures), COLUMNS)]
    abouts = [max(len(_about(figure)) for figure in row) for row in rows]
    heads = [PANEL_IN + ABOUT_IN * lines for lines in abouts]
    heights = [head + BAR_IN * max(map(_lines, row)) for head, row in zip(heads, rows)]
    height = HEAD_IN + sum(heights) + FOOT_IN
    canvas = pyplot.figure(figsize=(WIDTH_IN, height))
    canvas.patch.set_facecolor("white")  # a dark page would swallow the ink
    top = height - HEAD_IN
    for row, head, row_height, about_lines in zip(rows, heads, heights, abouts):
        for column, figure in enumerate(row):
            own_height = BAR_IN * _lines(figure)
            left = (column + 0.24) / COLUMNS
            bottom = (top - head + 0.2 - own_height) / height
            axes = canvas.add_axes((left, bottom, 0.74 / COLUMNS, own_height / height))
            _bars(axes, figure)
            _title(axes, figure, about_lines)
        top -= row_height
    workers = sorted({workers for figure in figures for _, workers in figure.values})
    _heading(canvas, height, workers)
    canvas.text(0.015, 0.2 / height, _provenance(header), fontsize=8, color=FAINT, va="center")
    canvas.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(canvas)


def check_drawable() -> None:
    """To be told before the first round, not after the last."""
    _pyplot()


def _pyplot():
    try:
        import matplotlib
    except ImportError as error:
        raise BenchError("a picture needs Matplotlib (Debian: python3-matplotlib, for /usr/bin/python3)") from error
    matplotlib.use("svg")  # no display is looked for
    # Letters are drawn as shapes: whoever looks at the file may lack the font.
    matplotlib.rcParams.update({"svg.fonttype": "path", "svg.hashsalt": "weft", "hatch.linewidth": 0.6})
    from matplotlib import pyplot

    return pyplot


def _lines(figure: Figure) -> float:
    """The height of a panel, in bars: those of a runtime touch, and runtimes keep a distance."""
    return len(figure.values) + GAP * (len(figure.runtimes) - 1)


def axis_end(figure: Figure) -> float:
    longest = max(value.median for value in figure.values.values())
    own = max(value.median for (name, _), value in figure.values.items() if name == OWN)
    if longest <= 0:
        return 1.0  # for the numbers alone: what is below nothing has no bar
    if not figure.lower_is_better or own <= 0:
        return longest
    return min(longest, own * MOST_TIMES_OWN)


def _bars(axes, figure: Figure) -> None:
    end = axis_end(figure)
    runtimes = sorted(figure.runtimes, key=lambda name: (name != OWN, name in FLOORS))
    y, ticks = 0.0, []
    for runtime in runtimes:
        workers = sorted(count for name, count in figure.values if name == runtime)
        ticks.append(y + (len(workers) - 1) / 2)
        for count in workers:
            _bar(axes, y, runtime, count, figure.values[runtime, count], end)
            y += 1
        y += GAP
    axes.set_xlim(0, end * 1.3)  # the numbers stand right of the bars
    axes.set_ylim(y - GAP - 0.5, -0.5)
    axes.set_yticks(ticks, [f"{name} (floor)" if name in FLOORS else name for name in runtimes])
    for label, name in zip(axes.get_yticklabels(), runtimes):
        label.set(fontsize=9.5, color=INK, fontweight="bold" if name == OWN else "normal")
    axes.tick_params(length=0, pad=4)
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.spines["left"].set(color=FAINT, linewidth=0.8)


def _about(figure: Figure) -> list[str]:
    return textwrap.wrap(ABOUT.get(figure.workload, ""), 54)[:2]


def _title(axes, figure: Figure, about_lines: int) -> None:
    """The name is as high as its neighbours', whose workloads may take more lines to tell."""

    def write(text: str, up: float, **style) -> None:
        axes.annotate(text, (0, 1), (0, up), xycoords="axes fraction",
                      textcoords="offset points", va="baseline", **style)

    top = 20 + 11 * about_lines
    write(figure.title, top, fontsize=12, fontweight="bold", color=INK)
    for number, line in enumerate(_about(figure)):
        write(line, top - 12 - 11 * number, fontsize=8.5, color=FAINT)
    if figure.lower_is_better:
        write(figure.unit, 5, fontsize=9, color=INK, fontstyle="italic")
    else:
        write(f"{figure.unit}, LONGER is better", 5, fontsize=9, color=WARNING, fontweight="bold")


def _bar(axes, y: float, runtime: str, workers: int, value, end: float) -> None:
    shade = (OWN_SHADES if runtime == OWN else PEER_SHADES)[min(workers, 3) - 1]
    length = max(0.0, min(value.median, end))
    floor = runtime in FLOORS
    axes.barh(y, length, height=0.9, color="white" if floor else shade,
              edgecolor=shade, linewidth=0.8 if floor else 0, hatch="////" if floor else None)
    if value.median > end * 1.001:
        _cut(axes, y, end)
    text = short(value.median)
    axes.annotate(text, (length, y), (4, 0), textcoords="offset points", va="center_baseline",
                  fontsize=8.5, color=INK, fontweight="bold" if runtime == OWN else "normal")


def _cut(axes, y: float, end: float) -> None:
    """Two slanted strokes: the bar goes on."""
    for x in (0.93, 0.95):
        axes.plot([end * (x - 0.008), end * (x + 0.008)], [y + 0.47, y - 0.47], color="white",
                  linewidth=1.6, solid_capstyle="butt")


def _heading(canvas, height: float, workers: list[int]) -> None:
    from matplotlib.patches import Patch

    canvas.text(0.015, (height - 0.32) / height, "weft beside other runtimes", fontsize=17,
                fontweight="bold", color=INK, va="center")
    canvas.text(0.015, (height - 0.68) / height,
                "SHORTER is better, unless a panel says otherwise. Medians; every panel has a scale "
                f"of its own, from zero; a bar with a cut is longer than {MOST_TIMES_OWN} times weft's.",
                fontsize=9.5, color=FAINT, va="center")
    handles = []
    for name, shades in (("weft", OWN_SHADES), ("others", PEER_SHADES)):
        for count in workers:
            plural = "" if count == 1 else "s"
            handles.append(Patch(color=shades[min(count, 3) - 1], label=f"{name}, {count} worker{plural}"))
    canvas.legend(handles=handles, loc="center right", ncol=len(handles), frameon=False, fontsize=9.5,
                  bbox_to_anchor=(0.99, (height - 0.32) / height), handlelength=1.2, columnspacing=1.2)


def _provenance(header: dict) -> str:
    parts = [header.get("cpu"), f"{header['cores']} cores" if "cores" in header else None]
    parts += [header.get("kernel"), header.get("compiler"), header.get("driver")]
    parts += [f"commit {header['commit']}" if "commit" in header else None, header.get("date", "")[:10]]
    if header.get("other_load", 0) > 0.05:
        parts.append(f"others used {header['other_load']:.0%} of the machine meanwhile")
    return "   ·   ".join(part for part in parts if part)
