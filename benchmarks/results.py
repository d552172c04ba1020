"""The results as a page, a table for the terminal, and a plot."""

from __future__ import annotations

import math
import os
import platform
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.bench import Options
from benchmarks.measuring import Line, Ratio, Result

PLOT = "results.png"
_KINDS = {"ours": "ours", "floor": "floor", "peer": "peer"}
_COLOURS = {"ours": "#1f77b4", "floor": "#7f7f7f", "peer": "#ff9d4d"}
_PACKAGES = ("dagster", "polars", "pyarrow", "numpy", "psycopg", "httpx")
_MARKS = {True: "green", False: "red", None: "yellow"}


@dataclass(frozen=True, slots=True)
class Run:
    """What a reader must know of the run as a whole.

    Attributes:
        options: what was asked for.
        command: that was given.
        started: when, as text.
        minutes: it took.
        servers: name and version.
        peers: name and version.
        load: of the machine before anything was started: how busy others kept it.
    """

    options: Options
    command: str
    started: str
    minutes: float
    servers: Mapping[str, str]
    peers: Mapping[str, str]
    load: float


def write_page(target: Path, lines: Sequence[Line], run: Run) -> None:
    """Write the page, and the plot beside it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    drawn = draw(lines, target.with_name(PLOT))
    target.write_text(page(lines, run, has_plot=drawn), encoding="utf-8")


def page(lines: Sequence[Line], run: Run, *, has_plot: bool) -> str:
    """The page as Markdown."""
    judged = [ratio for line in lines for ratio in line.ratios]
    met = sum(ratio.met is True for ratio in judged)
    missed = sum(ratio.met is False for ratio in judged)
    unknown = sum(ratio.met is None for ratio in judged) + sum(bool(line.failure) for line in lines)
    parts = [
        "# Benchmark results",
        (
            f"Written by `{run.command}`, started {run.started}, {run.minutes:.0f} minutes. "
            f"Of {len(judged)} targets {met} are met and {missed} are missed; {unknown} could not be measured."
        ),
        "## How to read it",
        _HOW_TO_READ.format(rounds=run.options.rounds, peer_rows=run.options.peer_rows),
        "## Targets",
        _markdown(
            ("line", "figure", "measured", "target", ""), [_ratio_cells(line, r) for line, r in ratios_of(lines)]
        ),
    ]
    if has_plot:
        parts.append(f"![Rows a second of ours, floors and peers]({PLOT})")
    parts += ["## Measurements", _markdown(_RESULT_HEAD, [cells for line in lines for cells in result_cells(line)])]
    notes = [f"- {line.title}: {note}." for line in lines for note in line.notes]
    if notes:
        parts += ["## Notes", "\n".join(notes)]
    parts += ["## Machine and versions", _markdown(("what", "which"), list(machine(run).items()))]
    return "\n\n".join(parts) + "\n"


_HOW_TO_READ = """\
- **Floor**: the same rows made ready before the clock starts, given to the same server in the best order and settings
  that were found. Nothing that reads a source, checks and converts it can be expected to be faster.
- **Peer**: another tool that does the same job, in an environment of its own, given the same source and the same target
  table, or what it makes of it. It neither checks the rows nor proves them. What is known to be slow gets at most
  {peer_rows:,} rows; then rows a second are compared.
- **Seconds** are those of the fastest round; rounds: {rounds} (memory and series: 1). In each round every contender
  runs once, in turns, on servers that were emptied and have written down everything. Servers, their settings and their
  durability are the same for all. The time to start Python and import modules is left out, for us and for peers alike;
  that of programs (psql, influx, ingestr) is in it.
- Afterwards the rows in the target are counted; a wrong count is shown as a failure, and never as a figure.
- **Proof excluded** is our time less that of the phase, told by the load's own report, that reads the target back and
  compares it with the sources."""

_RESULT_HEAD = ("line", "contender", "kind", "rows", "seconds", "slowest", "rows/s", "to the floor", "remarks")


def ratios_of(lines: Sequence[Line]) -> list[tuple[Line, Ratio]]:
    """Every ratio, with its line."""
    return [(line, ratio) for line in lines for ratio in line.ratios]


def result_cells(line: Line) -> list[tuple[str, ...]]:
    """A row of the table for each contender of a line; one with the reason where it failed as a whole."""
    rows = [] if not line.failure else [(line.title, "", "", "", "", "", "", "", f"not measured: {line.failure}")]
    floor = line.floor()
    for result in line.results:
        if result.missing or not result.samples:
            remark = f"not measured: {result.missing}" if result.missing else "not measured"
            rows.append((line.title, result.name, _KINDS[result.kind], "", "", "", "", "", remark))
            continue
        speed = result.rows_per_second
        rows.append(
            (
                line.title,
                result.name,
                _KINDS[result.kind],
                f"{result.rows:,}" if result.rows else "",
                f"{result.seconds:.2f}",
                f"{result.slowest:.2f}",
                "" if math.isnan(speed) else f"{speed:,.0f}",
                "" if math.isnan(speed) or math.isnan(floor) else f"{floor / speed:.2f}x",
                remarks(result),
            )
        )
    return rows


def remarks(result: Result) -> str:
    """The note of a result and its further figures."""
    names = dict.fromkeys(name for sample in result.samples for name in sample.facts)
    said = [result.note] if result.note else []
    for name in names:
        value = result.most(name) if name in _LARGEST else result.best(name)
        if name == "peak":
            said.append(f"peak memory {value / 1024**2:.0f} MiB")
        elif name in _COUNTS or name.endswith("MiB"):
            said.append(f"{name} {value:,.0f}")
        else:
            said.append(f"{name.replace('_', ' ')} {value:.2f} s")
    return ", ".join(said)


_COUNTS = {"written", "partitions", "events", "days", "rows changed"}
_LARGEST = {"peak", "events", "load MiB", "verify MiB"}


def figure(ratio: Ratio) -> str:
    """The measured value, as the table shows it."""
    if math.isnan(ratio.value):
        return ""
    digits = 0 if ratio.unit == "MiB" else 3 if abs(ratio.value) < 0.1 else 2
    return f"{ratio.value:,.{digits}f}{_unit(ratio)}"


def wanted(ratio: Ratio) -> str:
    """The target, as the table shows it."""
    sign = "more than" if ratio.above else "at least" if ratio.at_least else "at most"
    return f"{sign} {ratio.limit:,g}{_unit(ratio)}"


def _unit(ratio: Ratio) -> str:
    return "x" if ratio.unit == "x" else f" {ratio.unit}".rstrip()


def _ratio_cells(line: Line, ratio: Ratio) -> tuple[str, ...]:
    mark = {True: "met", False: "**missed**", None: "not measured"}[ratio.met]
    return (line.title, ratio.name, figure(ratio), wanted(ratio), mark)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def machine(run: Run) -> dict[str, str]:
    """What it was measured on, without any name or place of it."""
    facts = {
        "processor": f"{_processor()}, {os.cpu_count()} logical cores",
        "memory": f"{_memory_gib():.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "load average before": f"{run.load:.2f}",
    }
    facts |= {name: version(name) for name in _PACKAGES}
    facts |= {f"server: {name}": which for name, which in run.servers.items()}
    facts |= {f"peer: {name}": which for name, which in run.peers.items()}
    return facts


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3


def print_tables(console: Console, lines: Sequence[Line]) -> None:
    """Both tables, for a terminal."""
    table = Table(title="Measurements", title_justify="left")
    for name in _RESULT_HEAD:
        table.add_column(name, justify="right" if name in _RESULT_HEAD[3:8] else "left", overflow="fold")
    before = ""
    for line in lines:
        for cells in result_cells(line):
            table.add_row("" if cells[0] == before else cells[0], *cells[1:])
            before = cells[0]
        table.add_section()
    console.print(table)
    table = Table(title="Targets", title_justify="left")
    for name in ("line", "figure", "measured", "target", ""):
        table.add_column(name, overflow="fold")
    for line, ratio in ratios_of(lines):
        mark = f"[{_MARKS[ratio.met]}]{ratio.mark}[/]"
        table.add_row(line.title, ratio.name, figure(ratio), wanted(ratio), mark)
    console.print(table)


def draw(lines: Sequence[Line], target: Path) -> bool:
    """A bar of rows a second for each contender; returns whether there was anything to draw."""
    shown = [
        (line, [result for result in line.results if not math.isnan(result.rows_per_second)])
        for line in lines
        # a line without anything to compare with is no picture
        if len({result.kind for result in line.results if not math.isnan(result.rows_per_second)}) > 1
    ]
    if not shown:
        return False
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot
    from matplotlib.patches import Patch

    heights = [len(results) for _, results in shown]
    size = (10, 0.28 * sum(heights) + 0.55 * len(shown) + 0.8)
    chart, every = pyplot.subplots(
        len(shown), 1, figsize=size, squeeze=False, height_ratios=heights, layout="constrained"
    )
    for axes, (line, found) in zip(every[:, 0], shown, strict=True):
        results = sorted(found, key=lambda result: result.rows_per_second)
        speeds = [result.rows_per_second for result in results]
        bars = axes.barh(
            [result.name for result in results], speeds, color=[_COLOURS[result.kind] for result in results]
        )
        axes.bar_label(bars, labels=[f"{speed:,.0f}" for speed in speeds], padding=3, fontsize=7)
        axes.set_title("\n".join(textwrap.wrap(line.title, 90)), fontsize=9, loc="left")
        axes.tick_params(labelsize=7)
        axes.set_xlim(0, max(speeds) * 1.15)
        axes.xaxis.set_visible(False)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
    chart.legend(
        handles=[Patch(color=_COLOURS[kind], label=name) for kind, name in _KINDS.items()],
        loc="outside upper right",
        ncols=3,
        fontsize=7,
        frameon=False,
    )
    chart.suptitle("Rows a second (longer is better)", x=0.01, ha="left", fontsize=10)
    chart.savefig(target, dpi=110)
    pyplot.close(chart)
    return True
