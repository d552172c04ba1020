"""What a load does when sources have changed since: it looks at all of them, and touches what is new alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from energy_platform.domain.days import DayRange
from energy_platform.domain.errors import TooManySeriesError
from energy_platform.settings import Settings
from energy_platform.stores.postgres import claims
from energy_platform.transfer.assets import load_asset
from energy_platform.transfer.options import LoadOptions
from energy_platform.transfer.reports.verdicts import LoadReport
from energy_platform_tests.promises.pipeline import kind_of, opened, verify

ASSET = "timeseries/energy_consumption"
ESTATE = """\
estate: {name}
timezone: Asia/Seoul
first_day: 2025-05-01
last_day: open
tenant: {{code: {name}, name: Changing}}
energy:
  - {{csv: power.csv, time: at, building: building, power_kw: kw}}
"""


def estate(folder: Path, name: str, rows: list[str]) -> Path:
    """Ten days of two buildings by the hour, or these rows."""
    folder = folder / name
    folder.mkdir(exist_ok=True)
    (folder / "estate.yaml").write_text(ESTATE.format(name=name), encoding="utf-8")
    (folder / "power.csv").write_text("\n".join(["at,building,kw", *rows, ""]), encoding="utf-8")
    return folder


def ten_days() -> list[str]:
    return [
        f"2025-05-{day:02} {hour:02}:00:00,B{building},{day + hour / 10}"
        for day in range(1, 11)
        for hour in range(24)
        for building in (1, 2)
    ]


def load(settings: Settings, folder: Path, **options: object) -> LoadReport:
    with opened(settings, folder) as platform:
        return load_asset(platform, ASSET, None, LoadOptions(max_error_ratio=0.5, **options))  # pyright: ignore[reportArgumentType]


def loaded_anew(report: LoadReport) -> list[str]:
    return [verdict.partition for verdict in report.verdicts if not verdict.skipped]


CHANGES: dict[str, tuple[Callable[[list[str]], list[str]], list[str], int]] = {
    "nothing": (lambda rows: rows, [], 0),
    "one value": (lambda rows: [row.replace("2025-05-04 07:00:00,B1,4.7", "2025-05-04 07:00:00,B1,99") for row in rows],
                  ["2025-05-04"], 48),
    "another order": (lambda rows: rows[::-1], [], 0),
    "a row more at the end": (lambda rows: [*rows, "2025-05-11 00:00:00,B1,1"], ["2025-05-11"], 1),
    "a late row": (lambda rows: [*rows, "2025-05-02 00:30:00,B1,1"], ["2025-05-02"], 49),
    "a row that is refused": (lambda rows: [*rows, "2025-05-03 00:30:00,B1,much"], [], 0),
    "a row without a time": (lambda rows: [*rows, "soon,B1,1"], [], 0),
    "a row twice": (lambda rows: [*rows, rows[0]], [], 0),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_only_the_days_that_have_changed_are_loaded(timeseries_settings: Settings, tmp_path: Path, change: str) -> None:
    name = f"changes_{kind_of(timeseries_settings)}_" + change.replace(" ", "_")
    rows = ten_days()
    folder = estate(tmp_path, name, rows)
    first = load(timeseries_settings, folder)
    assert first.proved
    assert first.rows_written == 480

    changed, days, written = CHANGES[change]
    estate(tmp_path, name, changed(rows))
    report = load(timeseries_settings, folder)
    assert report.proved
    assert loaded_anew(report) == days
    assert report.rows_written == written
    assert len(report.verdicts) == (11 if "2025-05-11" in days else 10)
    account = report.accounts["power.csv"]
    assert account.read == len(changed(rows))
    assert account.balanced

    again = load(timeseries_settings, folder)
    assert loaded_anew(again) == []
    assert again.rows_written == 0
    assert again.accounts == report.accounts
    assert [finding.reason for finding in verify(timeseries_settings, folder).findings if finding.asset == ASSET] == []


@pytest.mark.parametrize("spill_rows", [1, 30, 100])
def test_a_load_in_many_pieces_proves_every_day(timeseries_settings: Settings, tmp_path: Path, spill_rows: int) -> None:
    rows = ten_days()
    folder = estate(tmp_path, f"changes_{kind_of(timeseries_settings)}_pieces_{spill_rows}", rows)
    small = timeseries_settings.model_copy(update={"spill_rows": spill_rows})
    report = load(small, folder)
    assert report.proved
    assert {verdict.partition: verdict.rows for verdict in report.verdicts} == {
        f"2025-05-{day:02}": 48 for day in range(1, 11)
    }
    assert report.rows_written == 480
    assert [finding.reason for finding in verify(small, folder).findings if finding.asset == ASSET] == []
    estate(
        tmp_path, folder.name, [row.replace("2025-05-04 07:00:00,B1,4.7", "2025-05-04 07:00:00,B1,47") for row in rows]
    )
    again = load(small, folder)
    assert again.proved
    assert loaded_anew(again) == ["2025-05-04"]


def test_a_row_that_is_gone_leaves_a_point_that_its_day_is_not_proven_with(stores: Settings, tmp_path: Path) -> None:
    rows = ten_days()
    folder = estate(tmp_path, "changes_gone", rows)
    load(stores, folder)
    estate(tmp_path, "changes_gone", [row for row in rows if not row.startswith("2025-05-04 07:00:00,B1")])
    report = load(stores, folder)
    (unproven,) = report.unproven
    assert unproven.partition == "2025-05-04"
    assert "48 rows instead of 47" in unproven.reason


def test_another_meaning_of_the_same_file_loads_all_days(stores: Settings, tmp_path: Path) -> None:
    folder = estate(tmp_path, "changes_meaning", ten_days())
    load(stores, folder)
    path = folder / "estate.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("power_kw: kw", "occupancy: kw"), encoding="utf-8")
    report = load(stores, folder)
    assert len(loaded_anew(report)) == 10
    # the old field still holds its values: what no source says any more is told, and not passed over
    assert not report.proved


def test_another_store_has_nothing_of_what_this_one_has_proven(
    stores: Settings, influx: Settings, tmp_path: Path
) -> None:
    folder = estate(tmp_path, "changes_store", ten_days())
    for settings in (stores, influx, stores):
        report = load(settings, folder)
        assert report.proved
        assert len(loaded_anew(report)) == 10


def test_refused_rows_of_days_that_stand_count_in_the_ratio(stores: Settings, tmp_path: Path) -> None:
    rows = [*ten_days(), *(f"2025-05-01 {hour:02}:30:00,B1,1" for hour in range(20))]
    folder = estate(tmp_path, "changes_ratio", [*rows, "soon,B1,1", "later,B1,1"])
    with opened(stores, folder) as platform:
        assert load_asset(platform, ASSET, None, LoadOptions(max_error_ratio=0.01)).proved
    estate(tmp_path, "changes_ratio", [*rows, "2025-05-11 00:00:00,B1,1", "soon,B1,1", "later,B1,1"])
    with opened(stores, folder) as platform:
        report = load_asset(platform, ASSET, None, LoadOptions(max_error_ratio=0.01))
    assert report.proved
    assert loaded_anew(report) == ["2025-05-11"]


def test_a_bad_row_of_a_late_day_is_few_of_its_source(stores: Settings, tmp_path: Path) -> None:
    rows = ten_days()
    folder = estate(tmp_path, "changes_late", rows)
    with opened(stores, folder) as platform:
        assert load_asset(platform, ASSET, None, LoadOptions(max_error_ratio=0.01)).proved
    late = [f"2025-05-11 {hour:02}:00:00,B1,{'?' if hour == 3 else hour}" for hour in range(24)]
    estate(tmp_path, "changes_late", [*rows, *late])
    day = DayRange(date(2025, 5, 11), date(2025, 5, 11))
    with opened(stores, folder) as platform:
        # one of 24 rows, and one of 504
        report = load_asset(platform, ASSET, day, LoadOptions(max_error_ratio=0.01))
    assert report.proved
    assert [(verdict.partition, verdict.rows) for verdict in report.verdicts] == [("2025-05-11", 23)]


def test_a_load_of_too_many_series_stops_before_its_first_write(timeseries_settings: Settings, tmp_path: Path) -> None:
    name = f"changes_{kind_of(timeseries_settings)}_series"
    rows = [f"2025-05-01 00:00:00,B{building},1" for building in range(6)]
    folder = estate(tmp_path, name, rows[:3])
    assert load(timeseries_settings, folder).proved
    with opened(timeseries_settings, folder) as platform, platform.postgres.connection() as connection:
        there = claims.series_count(connection, "energy_consumption", claims_of_nobody())
    estate(tmp_path, name, [*rows, "2025-05-02 00:00:00,B1,1"])
    with pytest.raises(TooManySeriesError, match=r"building_id alone has 6 values") as raised:
        load(timeseries_settings, folder, max_series=there + 2)
    assert f"{there + 3:,} series" in str(raised.value)
    with opened(timeseries_settings, folder) as platform:
        measurement = platform.contract("energy_consumption")
        held = [points.frame() for points in platform.timeseries.read_points(measurement, [name])]  # pyright: ignore[reportArgumentType]
    assert sum(frame.height for frame in held) == 3
    assert load(timeseries_settings, folder, max_series=there + 3).proved


def claims_of_nobody() -> object:
    import polars as pl

    return pl.DataFrame(schema=dict.fromkeys(["tenant_id", "series"], pl.String))
