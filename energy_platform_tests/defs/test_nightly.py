"""Which days a night has to load."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from energy_platform.definitions import build_definitions
from energy_platform.defs.maintenance.assets import RANGE_END, RANGE_START, days_due
from energy_platform.defs.resources import PlatformResource
from energy_platform.domain.days import DayRange
from energy_platform.sample.generate import make_sample
from energy_platform.sample.options import SampleOptions
from energy_platform.settings import Settings
from energy_platform.stores.postgres.ledger import LedgerEntry
from energy_platform_tests.defs.runs import FIRST as FIRST_DAY
from energy_platform_tests.defs.runs import LAST as LAST_DAY
from energy_platform_tests.defs.runs import Runs

NIGHT = datetime(2025, 6, 1, 2, 30, tzinfo=ZoneInfo("Asia/Seoul"))
FIRST, YESTERDAY = date(2025, 5, 1), date(2025, 5, 20)


def entry(partition: str, *, proven: bool = True, is_open: bool = False) -> LedgerEntry:
    return LedgerEntry(
        "sample", "timeseries/sensor_data", partition, proven, is_open, "", 1, "00", {}, "run", 0.1, None
    )


@pytest.mark.parametrize(
    ("entries", "due"),
    [
        pytest.param([], ("2025-05-01", "2025-05-20"), id="nothing was loaded"),
        pytest.param([entry("2025-05-19")], ("2025-05-20", "2025-05-20"), id="the day that has just ended"),
        pytest.param([entry("2025-05-17")], ("2025-05-18", "2025-05-20"), id="nights were missed"),
        pytest.param([entry("2025-05-20")], ("2025-05-20", "2025-05-20"), id="loaded by hand already: looked at again"),
        pytest.param(
            [entry("2025-05-03", proven=False), entry("2025-05-19")], ("2025-05-03", "2025-05-20"), id="a bad day"
        ),
        pytest.param(
            [entry("2025-05-19"), entry("2025-05-20", is_open=True)], ("2025-05-20", "2025-05-20"), id="was open"
        ),
        pytest.param([entry("undated"), entry("2025-05-19")], ("2025-05-20", "2025-05-20"), id="undated is no day"),
    ],
)
def test_days_that_are_due_while_the_estate_is_open(entries: list[LedgerEntry], due: tuple[str, str]) -> None:
    first, last = (date.fromisoformat(day) for day in due)

    assert days_due(entries, FIRST, YESTERDAY, closed=False) == DayRange(first, last)


def test_nothing_is_due_once_a_closed_estate_is_proven() -> None:
    assert days_due([entry("2025-05-01"), entry("2025-05-20")], FIRST, YESTERDAY, closed=True) is None


def test_a_closed_estate_still_owes_what_is_not_proven() -> None:
    entries = [entry("2025-05-03", proven=False), entry("2025-05-20")]

    assert days_due(entries, FIRST, YESTERDAY, closed=True) == DayRange(date(2025, 5, 3), YESTERDAY)


def test_a_bad_day_of_one_measurement_is_not_hidden_by_another_whose_day_is_good() -> None:
    entries = [entry("2025-05-03", proven=False), entry("2025-05-20"), entry("2025-05-03")]

    assert days_due(entries, FIRST, YESTERDAY, closed=True) == DayRange(date(2025, 5, 3), YESTERDAY)


def test_a_day_that_has_changed_since_is_due() -> None:
    touched = {date(2025, 5, 7), date(2025, 5, 21)}

    assert days_due([entry("2025-05-20")], FIRST, YESTERDAY, closed=True, touched=touched) == DayRange(
        date(2025, 5, 7), YESTERDAY
    )


def test_nothing_is_due_before_the_first_day_is_over() -> None:
    assert days_due([], FIRST, date(2025, 4, 30), closed=False) is None


def test_the_schedule_of_a_closed_and_proven_estate_skips(runs: Runs) -> None:
    schedule = runs.definitions.resolve_schedule_def("nightly_load")
    before = tick(runs)
    runs.migrate()
    after = tick(runs)

    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert isinstance(before, dg.RunRequest)
    assert (before.tags[RANGE_START], before.tags[RANGE_END]) == (FIRST_DAY, LAST_DAY)
    assert isinstance(after, dg.SkipReason)


def test_the_schedule_asks_for_the_day_that_has_just_ended(runs: Runs) -> None:
    file = runs.folder / "estate.yaml"
    file.write_text(
        file.read_text(encoding="utf-8").replace(f"last_day: {LAST_DAY}", "last_day: open"), encoding="utf-8"
    )
    runs.definitions = build_definitions(Settings(estate=runs.folder))
    runs.migrate()

    request = tick(runs)

    assert isinstance(request, dg.RunRequest)
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("2025-05-30", "2025-05-31")


def test_after_ten_days_off_one_run_proves_ten_days(runs: Runs, tmp_path: Path) -> None:
    ten = ["timeseries/sensor_data", "timeseries/energy_consumption"]
    alerts = "timeseries/alerts"
    registers = ["postgres/tenants", "postgres/buildings", "postgres/sensors"]
    runs.folder = tmp_path / "twelve"
    make_sample(runs.folder, SampleOptions(buildings=1, days=12, flaws=False, interval_minutes=60))
    file = runs.folder / "estate.yaml"
    file.write_text(
        file.read_text(encoding="utf-8").replace(f"last_day: {LAST_DAY}", "last_day: open"), encoding="utf-8"
    )
    runs.definitions = build_definitions(Settings(estate=runs.folder))
    runs.migrate("2025-05-18", "2025-05-19", assets=[*registers, *ten, alerts])

    request = tick(runs, datetime(2025, 5, 30, 2, 30, tzinfo=ZoneInfo("Asia/Seoul")))
    assert isinstance(request, dg.RunRequest)
    runs.migrate(request.tags[RANGE_START], request.tags[RANGE_END], assets=[*registers, *ten, alerts])

    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("2025-05-20", "2025-05-29")
    for asset in ten:
        assert runs.materialized(asset) == {f"2025-05-{day}" for day in range(18, 30)}
        check = runs.check(asset)
        assert check is not None
        assert check.passed


def tick(runs: Runs, night: datetime = NIGHT) -> object:
    """What the schedule asks for at that moment."""
    platform = PlatformResource(estate=str(runs.folder))
    with dg.build_schedule_context(
        instance=runs.instance, scheduled_execution_time=night, resources={"platform": platform}
    ) as context:
        return runs.definitions.resolve_schedule_def("nightly_load")(context)
