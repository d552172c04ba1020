"""The standing list: what is not proven, why, since when, and what to do."""

from __future__ import annotations

import dagster as dg
import pytest

from energy_platform.defs.maintenance.unproven import UNPROVEN
from energy_platform.transfer.reports.unproven import UnprovenPartition, remedy_of, unproven_lines
from energy_platform_tests.defs.runs import Runs

READINGS = "timeseries/sensor_data"
BREAK = "UPDATE sensor_readings SET value = 1e9 WHERE timestamp LIKE '2025-05-26%'"
MEND = "UPDATE sensor_readings SET value = 20.0 WHERE timestamp LIKE '2025-05-26%'"


def listed(runs: Runs) -> tuple[dict[str, dg.MetadataValue], bool]:
    result = runs.definitions.resolve_job_def("list_unproven").execute_in_process(
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}, instance=runs.instance
    )
    (event,) = result.asset_materializations_for_node("maintenance__unproven")
    (check,) = result.get_asset_check_evaluations()
    assert check.asset_key == UNPROVEN
    return dict(event.metadata), check.passed


def test_what_is_not_proven_stands_in_the_list_until_it_is(runs: Runs) -> None:
    needed = ["postgres/tenants", "postgres/buildings", "postgres/sensors", READINGS]
    runs.sql(BREAK)
    runs.migrate(assets=needed)
    metadata, passed = listed(runs)
    runs.sql(MEND)
    runs.migrate(assets=needed)
    mended, then = listed(runs)

    assert metadata["unproven"].value == 1
    table = metadata["partitions"]
    assert isinstance(table, dg.TableMetadataValue)
    (record,) = [dict(record.data) for record in table.records]
    assert (record["asset"], record["partition"]) == (READINGS, "2025-05-26")
    assert str(record["reason"]).startswith("withheld: ")
    assert "quarantine list" in str(record["remedy"])
    assert str(record["since"]).endswith("+00:00")
    assert not passed
    assert mended["unproven"].value == 0
    assert then


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("withheld: 9 of 10 rows were refused", "mend the rows at their source"),
        ("a load of this day has not ended: run it again", "Nothing needs mending"),
        ("5 of 100 rows of a.csv were refused; nothing was loaded", "raise the limit"),
        ("count: expected 3, found 2", "energy-platform repair"),
    ],
)
def test_each_reason_has_a_remedy(reason: str, remedy: str) -> None:
    assert remedy in remedy_of(reason)


def test_a_terminal_shows_the_first_ones() -> None:
    from datetime import UTC, datetime

    def at(asset: str, partition: str) -> UnprovenPartition:
        return UnprovenPartition(asset, partition, "why", datetime(2025, 1, 1, tzinfo=UTC), "do it")

    found = [at("postgres/users", "all"), at(READINGS, "undated"), at(READINGS, "2025-01-01")]

    assert unproven_lines([]) == ["No partition that was loaded is unproven."]
    assert unproven_lines(found, shown=2) == [
        "3 partitions are not proven:",
        "  postgres/users: why",
        "    do it",
        "  timeseries/sensor_data undated (rows that fall on no day): why",
        "    do it",
        "  and 1 more, in the asset maintenance/unproven",
    ]
