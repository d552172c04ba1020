"""The report as one page of HTML that needs nothing beside itself: no script, no style sheet, no picture.

It shows counts, days, names of sources and verdicts; never what a row holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from html import escape
from typing import Any

from energy_platform.domain.contracts import REASONS
from energy_platform.transfer.reports.details import Day, Details

#: Lines of a list before it says how many more there are.
SHOWN = 40
_WIDTH, _HEIGHT, _BAR = 860, 90, 260
_PARTS = (("loaded", "good"), ("duplicates", "twice"), ("quarantined", "bad"))
_PHASES = ("reading", "judging", "preparing", "writing", "proving", "recording")

_STYLE = """
:root { --ink: #1c2733; --soft: #5d6b7a; --line: #d9e0e7; --paper: #ffffff; --shade: #f4f6f8;
  --good: #2e7d5b; --twice: #b9c4cf; --bad: #c2402f; --blue: #3b6ea8; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--shade); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 960px; margin: 0 auto; padding: 32px 24px 64px; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 18px 24px 22px;
  margin-top: 20px; overflow-x: auto; }
h1 { font-size: 26px; margin: 0; } h2 { font-size: 18px; margin: 0 0 4px; }
h3 { font-size: 14px; margin: 18px 0 2px; font-weight: 600; }
p { margin: 4px 0 12px; color: var(--soft); } p.plain { color: var(--ink); }
.verdict { border-left: 8px solid var(--good); } .verdict.no { border-left-color: var(--bad); }
.verdict strong { font-size: 20px; color: var(--good); } .verdict.no strong { color: var(--bad); }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin-top: 14px; }
.tile { background: var(--shade); border-radius: 6px; padding: 10px 14px; min-width: 112px; }
.tile b { display: block; font-size: 21px; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; color: var(--soft); font-weight: 600; } th.n, td.n { text-align: right; }
th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n { font-variant-numeric: tabular-nums; white-space: nowrap; } td.name { overflow-wrap: anywhere; min-width: 230px; }
tr:last-child td { border-bottom: 0; }
code { font: 12.5px ui-monospace, monospace; } .yes { color: var(--good); } .no-go { color: var(--bad); }
svg { display: block; } svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
.good { fill: var(--good); } .twice { fill: var(--twice); } .bad { fill: var(--bad); } .blue { fill: var(--blue); }
.legend span { display: inline-block; margin-right: 16px; font-size: 13px; color: var(--soft); }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 6px; }
details { margin: 6px 0; } summary { cursor: pointer; }
ul { margin: 4px 0; padding-left: 20px; } li { overflow-wrap: anywhere; }
footer { color: var(--soft); margin-top: 20px; font-size: 13px; }
@media print { body { background: none; } section { break-inside: avoid; border-color: #bbb; } }
"""
_COLORS = ("#3b6ea8", "#7aa6c2", "#c9b458", "#2e7d5b", "#8f6bb0", "#9aa5b1")


def page_of(report: Mapping[str, Any], details: Details) -> str:
    """The whole page.

    Args:
        report: see `report.report_of`; `phases`, `findings`, `failures` and `warnings` are shown where they are there.
        details: see there.
    """
    parts = [
        _verdict(report, details),
        _complaints(report),
        _accounts(report, details),
        _proofs(report),
        _days(details),
        _refused(details),
        _phases(report),
        _warnings(report),
    ]
    title = f"{report['estate']}: {'proved' if report['proved'] else 'not proved'}"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # nothing may be fetched, whatever a name in it says
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"{''.join(parts)}"
        "<footer>Counts are of rows. No row's content stands on this page.</footer>\n</main>\n</body>\n</html>\n"
    )


def _verdict(report: Mapping[str, Any], details: Details) -> str:
    proved = bool(report["proved"])
    totals = _totals(report["sources"])
    targets = report["targets"]
    share = totals["quarantined"] / totals["read"] if totals["read"] else 0.0
    said = (
        "Every row of every source is accounted for, and every target gives back exactly what its sources hold."
        if proved
        else "Not everything is proved yet: what is open stands below, with its reason."
    )
    days = {day for by_day in details.days.values() for day in by_day}
    span = f"{min(days)} to {max(days)}, " if days else ""
    made = f"made {details.made_at:%Y-%m-%d %H:%M} UTC" if details.made_at else ""
    tiles = [
        ("rows read", _number(totals["read"])),
        ("loaded", _number(totals["loaded"])),
        ("held twice", _number(totals["duplicates"])),
        ("in quarantine", f"{_number(totals['quarantined'])} ({share:.2%})"),
        ("targets proved", f"{sum(1 for t in targets if t['proved'])} of {len(targets)}"),
        ("seconds", f"{report['seconds']:,.1f}"),
    ]
    shown = "".join(f'<div class="tile"><b>{escape(value)}</b><span>{name}</span></div>' for name, value in tiles)
    return (
        f'<section class="verdict{"" if proved else " no"}"><h1>Estate {escape(report["estate"])}</h1>'
        f"<p>{escape(report['environment'])}, {span}{made}</p>"
        f"<strong>{'Proved' if proved else 'Not proved'}</strong>"
        f'<p class="plain">{said}</p><div class="tiles">{shown}</div></section>\n'
    )


def _complaints(report: Mapping[str, Any]) -> str:
    by_asset: dict[str, dict[str, str]] = {}
    for finding in report.get("findings", []):
        by_asset.setdefault(finding["asset"], {})[finding["partition"]] = finding["reason"]
    for target in report["targets"]:
        for partition, reason in target.get("unproven", {}).items():
            by_asset.setdefault(target["asset"], {}).setdefault(partition, reason)
    lines = []
    for asset, reasons in by_asset.items():
        count = "1 partition" if len(reasons) == 1 else f"{len(reasons):,} partitions"
        told = [f"<b>{escape(partition)}</b>: {escape(reason)}" for partition, reason in sorted(reasons.items())]
        lines.append(f"<details><summary><b>{escape(asset)}</b>: {count}</summary>{_list(told)}</details>")
    # a step that failed for what its partitions say already says it again
    failures = {step: said for step, said in report.get("failures", {}).items() if step not in by_asset}
    if failures:
        lines.append(_list([f"<b>{escape(step)}</b>: {escape(said)}" for step, said in failures.items()]))
    return _section("What is not proved", "Open a line to read why.", "".join(lines)) if lines else ""


def _warnings(report: Mapping[str, Any]) -> str:
    lines = [escape(warning) for warning in report.get("warnings", [])]
    return _section("To be known", "It stops nothing.", _list(lines)) if lines else ""


def _accounts(report: Mapping[str, Any], details: Details) -> str:
    rows = []
    for source in report["sources"]:
        counts = "".join(f'<td class="n">{_number(source[name])}</td>' for name in ("read", "loaded", "duplicates"))
        mended_here = details.mended.get(source["source"], 0)
        note = f"<br><small>{mended_here:,} mended by hand</small>" if mended_here else ""
        rows.append(
            f'<tr><td class="name">{escape(source["source"])}{note}</td>{counts}'
            f'<td class="n">{_number(source["quarantined"])}</td><td>{_shares(source)}</td></tr>'
        )
    legend = (
        '<div class="legend"><span><i style="background:var(--good)"></i>loaded</span>'
        '<span><i style="background:var(--twice)"></i>held twice</span>'
        '<span><i style="background:var(--bad)"></i>in quarantine</span></div>'
    )
    head = '<th>source</th><th class="n">read</th><th class="n">loaded</th><th class="n">twice</th>'
    table = f'<table><tr>{head}<th class="n">quarantine</th><th></th></tr>{"".join(rows)}</table>{legend}'
    return _section("Accounts", "Read = loaded + held twice + in quarantine, for every source.", table)


def _shares(source: Mapping[str, Any]) -> str:
    """One bar: what became of the rows of a source."""
    whole = source["read"] or 1
    left, bars = 0.0, []
    for name, look in _PARTS:
        # what is there is seen, however little
        width = max(_BAR * source[name] / whole, 2.0) if source[name] else 0.0
        bars.append(f'<rect class="{look}" x="{min(left, _BAR - width):.1f}" width="{width:.1f}" height="12"/>')
        left += width
    label = ", ".join(f"{name} {source[name]:,}" for name, _ in _PARTS)
    box = f'width="{_BAR}" height="18" viewBox="0 -4 {_BAR} 18"'
    return f'<svg {box} role="img" aria-label="{label}">{"".join(bars)}</svg>'


def _proofs(report: Mapping[str, Any]) -> str:
    rows = []
    for target in report["targets"]:
        proved = (
            '<span class="yes">&#10003; yes</span>' if target["proved"] else '<span class="no-go">&#10007; no</span>'
        )
        rows.append(
            f'<tr><td class="name">{escape(target["asset"])}</td><td class="n">{_number(target["rows"])}</td>'
            f'<td class="n">{_number(target["partitions"])}</td><td><code>{escape(target["fingerprint"])}</code></td>'
            f"<td>{proved}</td></tr>"
        )
    head = '<th>target</th><th class="n">rows</th><th class="n">partitions</th><th>fingerprint</th><th>proved</th>'
    said = (
        "What each target gave back, compared with its sources: count, sums, extremes and a fingerprint of every row."
    )
    return _section("Proofs", said, f"<table><tr>{head}</tr>{''.join(rows)}</table>")


def _days(details: Details) -> str:
    plots = [_plot(asset, days) for asset, days in sorted(details.days.items()) if len(days) > 1]
    said = "Points that stand (blue) and rows in quarantine (red) by local day; a red mark below: not proved."
    return _section("By day", said, "".join(plots)) if plots else ""


def _plot(asset: str, days: Mapping[date, Day]) -> str:
    first, last = min(days), max(days)
    count = (last - first).days + 1
    highest = max(1, *(day.rows + day.refused for day in days.values()))
    step = _WIDTH / count
    # neighbours touch where there are many days
    width = step - 1 if step > 4 else step
    shapes: list[str] = []
    for look, pick in (("blue", lambda day: day.rows), ("bad", lambda day: day.refused)):
        path = []
        for day, found in sorted(days.items()):
            if not pick(found):
                continue
            x = (day - first).days * step
            height = max(pick(found) / highest * _HEIGHT, 4.0 if look == "bad" else 0.5)
            path.append(f"M{x:.1f} {_HEIGHT}h{width:.2f}v{-height:.1f}h{-width:.2f}z")
        shapes.append(f'<path class="{look}" d="{"".join(path)}"/>' if path else "")
    marks = "".join(
        f'<rect class="bad" x="{(day - first).days * step:.1f}" y="{_HEIGHT + 2}" width="{max(width, 2):.1f}"'
        ' height="4"/>'
        for day, found in sorted(days.items())
        if not found.proven
    )
    total = sum(day.rows for day in days.values())
    label = f"{asset}: {total:,} points from {first} to {last}"
    return (
        f"<h3>{escape(asset)} <small>{total:,} points, at most {highest:,} rows a day</small></h3>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 22}" width="100%" role="img" aria-label="{escape(label)}">'
        f'<line x1="0" y1="{_HEIGHT}" x2="{_WIDTH}" y2="{_HEIGHT}" stroke="#d9e0e7"/>{"".join(shapes)}{marks}'
        f'<text x="0" y="{_HEIGHT + 18}">{first}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT + 18}" text-anchor="end">{last}</text></svg>'
    )


def _refused(details: Details) -> str:
    if not details.refused:
        return _section("Quarantine", "No row was refused.", "")
    most = max(rows for _, _, rows, _ in details.refused)
    lines = []
    for source, reason, rows, first_seen in details.refused:
        width = max(120 * rows / most, 2)
        lines.append(
            f'<tr><td class="name">{escape(source)}</td><td><b>{escape(reason)}</b><br>'
            f"<small>{escape(REASONS.get(reason, ''))}</small></td>"
            f'<td class="n">{_number(rows)}</td><td><svg width="120" height="16" viewBox="0 -4 120 16">'
            f'<rect class="bad" width="{width:.1f}" height="10"/></svg></td>'
            f'<td class="n">{first_seen:%Y-%m-%d}</td></tr>'
        )
    head = '<th>source</th><th>reason</th><th class="n">rows</th><th></th><th class="n">since</th>'
    said = "Rows that are kept, and not loaded: they can be mended and taken back."
    return _section("Quarantine", said, f"<table><tr>{head}</tr>{''.join(lines)}</table>")


def _phases(report: Mapping[str, Any]) -> str:
    phases: Mapping[str, Mapping[str, float]] = report.get("phases", {})
    longest = max((sum(each.values()) for each in phases.values()), default=0.0)
    if longest <= 0:
        return ""
    colors: dict[str, str] = dict(zip(_PHASES, _COLORS, strict=True))
    rows = []
    for asset, seconds in phases.items():
        left, bars = 0.0, []
        for phase, spent in seconds.items():
            width = 420 * spent / longest
            said = f"<title>{escape(phase)} {spent:.2f} s</title>"
            color = colors.get(phase, _COLORS[-1])
            bars.append(f'<rect x="{left:.1f}" width="{width:.1f}" height="12" fill="{color}">{said}</rect>')
            left += width
        rows.append(
            f'<tr><td class="name">{escape(asset)}</td><td class="n">{sum(seconds.values()):.2f} s</td>'
            f'<td><svg width="420" height="18" viewBox="0 -4 420 18">{"".join(bars)}</svg></td></tr>'
        )
    legend = "".join(f'<span><i style="background:{color}"></i>{phase}</span>' for phase, color in colors.items())
    table = f'<table>{"".join(rows)}</table><div class="legend">{legend}</div>'
    return _section("Time", "What each load of this run took, by phase.", table)


def _section(title: str, said: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{f'<p>{said}</p>' if said else ''}{content}</section>\n"


def _list(lines: Sequence[str]) -> str:
    more = f"<li>and {len(lines) - SHOWN:,} more</li>" if len(lines) > SHOWN else ""
    return f"<ul>{''.join(f'<li>{line}</li>' for line in lines[:SHOWN])}{more}</ul>"


def _totals(sources: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    totals: dict[str, int] = dict.fromkeys(("read", "loaded", "duplicates", "quarantined"), 0)
    for source in sources:
        for name in totals:
            totals[name] += source[name]
    return totals


def _number(value: int) -> str:
    return f"{value:,}"
