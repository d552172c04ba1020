"""Bars of long work: what they show on a terminal, and that nothing is drawn where there is none."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from energy_platform.cli.terminal import bars
from energy_platform.transfer.progress import Phase, Step

ASSET = "timeseries/sensor_data"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def step(rows: int, total: int | None = None, phase: Phase = "reading", name: str = "a.db/readings") -> Step:
    return Step(ASSET, phase, name, rows, total)


def on_terminal(monkeypatch: pytest.MonkeyPatch, width: int = 160, **environment: str) -> Console:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_INTERACTIVE", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Console(force_terminal=True, file=io.StringIO(), width=width)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return _CONTROL.sub("", console.file.getvalue())


def test_each_source_and_each_target_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    console, now = on_terminal(monkeypatch), [0.0]
    with bars(console, clock=lambda: now[0]) as shown:
        for rows in (400_000, 250_000, 250_000):
            now[0] += 1
            shown(step(rows, 1_000_000))
        shown(step(250_000, phase="writing", name=ASSET))
        shown(step(100_000, 900_000, phase="proving", name=ASSET))

    said = text_of(console)
    assert "reading a.db/readings" in said
    # it has ended: it has as many rows as were read, whatever was estimated
    assert "900,000 rows, 300,000 rows/s" in said
    assert f"writing {ASSET}" in said
    assert "250,000 rows" in said
    assert "100,000 of 900,000 rows" in said


def test_rows_of_an_unknown_total_are_counted_and_an_estimate_that_is_passed_grows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    console = on_terminal(monkeypatch)
    with bars(console) as shown:
        shown(step(7_000, 5_000))
        shown(step(3_000, phase="writing", name=ASSET))

    said = text_of(console)
    assert "7,000 rows" in said
    assert "of 5,000 rows" not in said
    assert "3,000 rows" in said


def test_the_bars_of_one_asset_go_when_the_next_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    console = on_terminal(monkeypatch)
    with bars(console) as shown:
        shown(step(1))
        shown(Step("timeseries/alerts", "reading", "alerts.csv", 1))
        assert isinstance(console.file, io.StringIO)
        console.file.truncate(0)

    said = text_of(console)
    assert "alerts.csv" in said
    assert "a.db/readings" not in said


def test_on_a_narrow_terminal_the_bar_gives_way_to_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    console, now = on_terminal(monkeypatch, width=100), [0.0]
    with bars(console, clock=lambda: now[0]) as shown:
        now[0] += 1
        shown(step(250_000, 1_000_000, name="sensor_readings.db/sensor_readings"))

    drawn = text_of(console)
    assert "reading sensor_readings.db/sensor_readings" in drawn
    assert "250,000 of 1,000,000 rows, 250,000 rows/s, 3 s left" in drawn


def test_work_without_rows_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    console = on_terminal(monkeypatch)
    with bars(console) as shown, shown.working("looking for what has changed"):
        pass

    assert "looking for what has changed" in text_of(console)


def test_without_a_terminal_nothing_is_drawn() -> None:
    console = Console(force_terminal=False, file=io.StringIO())
    with bars(console) as shown, shown.working("looking"):
        shown(step(400_000, 1_000_000))
        shown(step(250_000, phase="writing", name=ASSET))

    assert text_of(console) == ""


@pytest.mark.parametrize("kind", ["dumb", "unknown"])
def test_on_a_terminal_that_cannot_move_its_cursor_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    console = on_terminal(monkeypatch, TERM=kind)
    with bars(console) as shown:
        shown(step(400_000, 1_000_000))

    assert text_of(console) == ""


def test_without_colours_the_bars_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    console = on_terminal(monkeypatch, NO_COLOR="1")
    with bars(console) as shown:
        shown(step(400_000, 1_000_000))

    assert isinstance(console.file, io.StringIO)
    assert "400,000 of 1,000,000 rows" in text_of(console)
    assert not re.search(r"\x1b\[(3[0-9]|38;)", console.file.getvalue())
