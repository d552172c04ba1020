from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.bench import Options
from benchmarks.estates import Readings, make_billing
from benchmarks.floors import ReadyLines, Setting, check_rows, line_protocol, make_ready_table
from benchmarks.measuring import Line, Ratio, Result, Sample, WrongResultError
from benchmarks.peering import last_words
from benchmarks.results import Run, draw, figure, page, result_cells, wanted, write_page

LINE = Line(
    "SQLite → store",
    [
        Result("ready", "floor", [Sample(1.0, 1_000)], note="2 connections"),
        Result("Energy Platform", "ours", [Sample(2.5, 1_000, {"proving": 0.5, "peak": 3 * 1024**2})]),
        Result("a|b", "peer", [Sample(1.0, 100)]),
        Result("absent", "peer", missing="there is no go here"),
    ],
    [Ratio("to the floor", 2.5, 1.4), Ratio("memory", 900.4, 1024, unit="MiB"), Ratio("times", 2.5, 2, at_least=True)],
    notes=["busy"],
)
FAILED = Line("other", failure="it went wrong")
RUN = Run(Options(rows=1_000), "python -m benchmarks", "2025-03-01 10:00 UTC", 1.2, {"redis": "x"}, {"dlt": "1"}, 0.5)


def test_cells_tell_what_was_measured_and_what_was_not() -> None:
    cells = result_cells(LINE)
    assert cells[0] == ("SQLite → store", "ready", "floor", "1,000", "1.00", "1.00", "1,000", "1.00x", "2 connections")
    assert cells[1][3:] == ("1,000", "2.50", "2.50", "400", "2.50x", "proving 0.50 s, peak memory 3 MiB")
    assert cells[2][3:8] == ("100", "1.00", "1.00", "100", "10.00x")
    assert cells[3][8] == "not measured: there is no go here"
    assert result_cells(FAILED) == [("other", *[""] * 7, "not measured: it went wrong")]


def test_figures_and_targets() -> None:
    assert [figure(ratio) for ratio in LINE.ratios] == ["2.50x", "900 MiB", "2.50x"]
    assert [wanted(ratio) for ratio in LINE.ratios] == ["at most 1.4x", "at most 1,024 MiB", "at least 2x"]
    assert figure(Ratio("", float("nan"), 1)) == ""
    assert figure(Ratio("", 0.0123, 0.05)) == "0.012x"
    assert wanted(Ratio("", 1, 1, at_least=True, above=True)) == "more than 1x"
    assert wanted(Ratio("", 1, 6, unit="")) == "at most 6"


def test_the_page_counts_what_is_met() -> None:
    text = page([LINE, FAILED], RUN, has_plot=False)
    assert "Of 3 targets 2 are met and 1 are missed; 1 could not be measured." in text
    assert "| SQLite → store | to the floor | 2.50x | at most 1.4x | **missed** |" in text
    assert r"| a\|b |" in text
    assert "- SQLite → store: busy." in text
    assert "results.png" not in text


def test_page_and_plot_are_written(tmp_path: Path) -> None:
    target = tmp_path / "new" / "results.md"
    write_page(target, [LINE, FAILED], RUN)
    assert "(results.png)" in target.read_text(encoding="utf-8")
    assert (tmp_path / "new" / "results.png").read_bytes().startswith(b"\x89PNG")
    assert not draw([FAILED], tmp_path / "none.png")


def test_ready_lines_are_the_rows_in_whole_pieces(tmp_path: Path) -> None:
    readings = Readings(12_345)
    ready = ReadyLines(tmp_path / "lines", readings, "building")
    data = ready.path.read_bytes()
    for lines in (5_000, 20_000):
        bodies = [data[start : start + length] for start, length in ready.bodies(lines)]
        assert b"".join(bodies) == data
        assert all(body.endswith(b"\n") for body in bodies)
        assert [body.count(b"\n") for body in bodies] == ([5_000, 5_000, 2_345] if lines == 5_000 else [12_345])


def test_lines_hold_all_of_a_point() -> None:
    points = Readings(400).points(np.array([0]))
    tags = "building_id=B0000,sensor_id=S0000,sensor_type=temperature,tenant_id=bench"
    value, confidence, status = points.row(0)[5], points.row(0)[7], points.row(0)[8]
    fields = f'value={value},confidence={confidence},status="{status}"'
    assert line_protocol(points) == [f"sensor_data,{tags} {fields} 1740754800000000"]


def test_the_ready_table_is_the_source_and_two_columns(tmp_path: Path) -> None:
    estate = make_billing(tmp_path / "estate", 50)
    ready = pl.read_csv(make_ready_table(estate, tmp_path / "ready.csv"), infer_schema=False)
    source = pl.read_csv(estate / "billing.csv", infer_schema=False)
    assert ready.drop("tenant_id", "estate").equals(source)
    assert set(ready["tenant_id"]) == set(ready["estate"]) == {"bench"}


def test_wrong_counts_are_refused() -> None:
    check_rows(10, 10)
    with pytest.raises(WrongResultError, match="9 rows stand in the target instead of 10"):
        check_rows(9, 10)


def test_settings_are_readable() -> None:
    assert str(Setting("building", 2, 20_000)) == "by series, 2 connections, 20,000 lines a request"


def test_a_complaint_is_its_last_error() -> None:
    assert last_words("Traceback\n  File x\nValueError: no\n(Background on this error at: y)") == "ValueError: no"
    assert last_words("one\n│ two │\n\n") == "two"
    assert last_words("") == ""
