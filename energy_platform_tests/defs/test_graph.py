"""The graph without any store: it loads, it is complete, it is what was reviewed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from pydantic import SecretStr

from energy_platform.definitions import build_definitions
from energy_platform.defs.clocks import clocks_run
from energy_platform.defs.names import assets_of, key_of, legacy_key, name_of
from energy_platform.defs.partitions import daily_partitions, last_complete_day
from energy_platform.domain.errors import EstateError
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.domain.tables import TABLES
from energy_platform.settings import Settings
from energy_platform.sources.estate import read_estate
from energy_platform_tests.defs.snapshots import FOLDER, SAMPLE_ESTATE, as_text, sample_definitions, snapshots

ROOT = Path(__file__).resolve().parents[2]
SLOW_TO_IMPORT = (
    *("polars", "pyarrow", "numpy", "pandas", "psycopg", "httpx", "matplotlib", "redis", "alembic"),
    "great_expectations",
)


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return sample_definitions()


@pytest.fixture(scope="module")
def materializable(definitions: dg.Definitions) -> list[dg.AssetSpec]:
    keys = definitions.get_repository_def().asset_graph.materializable_asset_keys
    return [spec for spec in definitions.resolve_all_asset_specs() if spec.key in keys]


def test_is_loadable(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


@pytest.mark.parametrize("name", ["keys", "deps", "jobs", "schedules", "sensors"])
def test_is_what_was_reviewed(definitions: dg.Definitions, name: str) -> None:
    reviewed = (FOLDER / f"{name}.json").read_text(encoding="utf-8")

    assert as_text(snapshots(definitions)[name]) == reviewed, (
        "where the change is meant: python -m energy_platform_tests.defs.snapshots"
    )


def test_every_asset_says_what_it_is(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert spec.description, spec.key
        assert spec.group_name not in (None, "default"), spec.key
        assert spec.kinds, spec.key
        assert list(spec.owners) == ["team:data-engineering"], spec.key


def test_every_load_proves_itself_and_blocks_what_lies_below(
    definitions: dg.Definitions, materializable: list[dg.AssetSpec]
) -> None:
    graph = definitions.get_repository_def().asset_graph
    for spec in materializable:
        checks = [graph.get_check_spec(key) for key in graph.get(spec.key).check_keys]
        assert spec.code_version, spec.key
        if not name_of(spec.key).startswith("maintenance/"):
            # the checks of quality warn, and stop nothing
            assert [check.name for check in checks if check.blocking] == ["proof"], spec.key
            assert graph.get(spec.key).pools, spec.key


def test_every_partitioned_asset_shares_days_and_takes_a_range_in_one_run(definitions: dg.Definitions) -> None:
    graph = definitions.get_repository_def().asset_graph
    partitioned = [graph.get(key) for key in graph.materializable_asset_keys if graph.get(key).is_partitioned]

    assert {name_of(node.key) for node in partitioned} == {
        "timeseries/sensor_data",
        "timeseries/energy_consumption",
        "timeseries/alerts",
    }
    assert len({node.partitions_def for node in partitioned}) == 1
    assert {node.backfill_policy for node in partitioned} == {dg.BackfillPolicy.single_run()}


def test_columns_have_the_names_and_words_of_the_contracts(materializable: list[dg.AssetSpec]) -> None:
    contracts = {f"timeseries/{n}": c for n, c in MEASUREMENTS.items()} | {
        f"postgres/{n}": c for n, c in TABLES.items()
    }
    described = 0
    for spec in materializable:
        contract = contracts.get(name_of(spec.key))
        if contract is None:
            continue
        schema = spec.metadata["dagster/column_schema"]
        assert [column.name for column in schema.columns] == list(contract.column_names)
        assert all(column.description for column in schema.columns), spec.key
        described += 1
    assert described == 14


def test_lineage_leads_from_a_column_to_the_column_it_comes_from(materializable: list[dg.AssetSpec]) -> None:
    (spec,) = [spec for spec in materializable if name_of(spec.key) == "timeseries/energy_consumption"]

    assert list(spec.metadata["dagster/column_lineage"].deps_by_column["power_kw"]) == [
        dg.TableColumnDep(legacy_key("building_data.csv"), "power_consumption")
    ]


def test_assets_are_those_that_the_transfer_fills() -> None:
    from energy_platform.transfer import assets as transfer

    estate = read_estate(SAMPLE_ESTATE)

    assert sorted(assets_of(estate)) == sorted(transfer.assets_of(estate))


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("sensor_readings.db/sensor_readings", "legacy/sensor_readings_db/sensor_readings"),
        ("building_data.csv", "legacy/building_data_csv"),
        ("sensor_config.json/sensors", "legacy/sensor_config_json/sensors"),
    ],
)
def test_keys_of_sources_can_be_read(source: str, key: str) -> None:
    assert legacy_key(source).to_user_string() == key


def test_sources_whose_names_differ_in_lost_letters_keep_keys_of_their_own() -> None:
    names = ["a-b.csv", "a b.csv", "a_b.csv", "전력.csv", "온도.csv"]

    assert len({legacy_key(name) for name in names}) == len(names)


def test_a_fresh_process_loads_it_without_stores_and_slow_libraries_in_twice_the_time_of_dagster() -> None:
    program = (
        "import json, sys, time; a = time.perf_counter(); import dagster; b = time.perf_counter();"
        "from energy_platform.definitions import definitions; definitions(); c = time.perf_counter();"
        f"print(json.dumps([b - a, c - b, [n for n in {SLOW_TO_IMPORT!r} if n in sys.modules]]))"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, check=True)
    dagster, ours, slow = json.loads(done.stdout)

    assert slow == []
    assert ours <= dagster
    assert done.stderr == b""


def test_a_missing_estate_is_named(tmp_path: Path) -> None:
    with pytest.raises(EstateError, match="nowhere"):
        build_definitions(Settings(estate=tmp_path / "nowhere"))


def test_partitions_end_with_the_last_day_or_with_the_open_one(tmp_path: Path) -> None:
    closed = read_estate(SAMPLE_ESTATE)
    file = tmp_path / "estate.yaml"
    text = closed.file.read_text(encoding="utf-8")
    file.write_text(text.replace("last_day: 2025-05-29", "last_day: open"), encoding="utf-8")
    opened = read_estate(SAMPLE_ESTATE, file)
    seoul = ZoneInfo("Asia/Seoul")

    closed_keys = daily_partitions(closed).get_partition_keys(current_time=datetime(2025, 6, 10, tzinfo=seoul))
    open_keys = daily_partitions(opened).get_partition_keys(current_time=datetime(2025, 6, 10, 1, tzinfo=seoul))

    assert (closed_keys[0], closed_keys[-1], len(closed_keys)) == ("2025-03-01", "2025-05-29", 90)
    assert (open_keys[0], open_keys[-1]) == ("2025-03-01", "2025-06-10")
    assert last_complete_day(closed, datetime(2025, 6, 10, tzinfo=seoul)) == date(2025, 5, 29)
    assert last_complete_day(opened, datetime(2025, 6, 10, 2, 30, tzinfo=seoul)) == date(2025, 6, 9)


def test_what_is_due_every_morning_is_asked_for_only_while_the_estate_is_open(
    definitions: dg.Definitions, tmp_path: Path
) -> None:
    file = tmp_path / "estate.yaml"
    text = (SAMPLE_ESTATE / "estate.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace("last_day: 2025-05-29", "last_day: open"), encoding="utf-8")
    opened = build_definitions(Settings(estate=SAMPLE_ESTATE, estate_file=file))

    assert [s for s in definitions.resolve_all_asset_specs() if s.freshness_policy] == []
    assert {name_of(s.key) for s in opened.resolve_all_asset_specs() if s.freshness_policy} == {
        "timeseries/sensor_data",
        "timeseries/energy_consumption",
    }
    assert key_of("timeseries/alerts") in {s.key for s in opened.resolve_all_asset_specs()}


@pytest.mark.parametrize(
    ("settings", "runs"),
    [
        ({}, True),
        ({"postgres_url": SecretStr("postgresql://u:p@127.0.0.1:5432/energy")}, True),
        ({"postgres_url": SecretStr("postgresql://u:p@db.example.org/energy")}, False),
        ({"influx_url": "http://influx.example.org:8086"}, False),
        ({"environment": "production", "redis_url": SecretStr("redis://cache.example.org")}, True),
    ],
)
def test_clocks_of_a_local_ui_stand_still_over_stores_elsewhere(settings: dict[str, object], runs: bool) -> None:
    assert clocks_run(Settings.model_validate({"estate": SAMPLE_ESTATE, **settings})) is runs


def test_the_environment_stands_at_the_code_location_and_at_every_asset(definitions: dg.Definitions) -> None:
    shown = {name: value.value for name, value in definitions.metadata.items()}

    assert shown == {"environment": "local", "estate": "sample"}
    assert {spec.metadata["environment"] for spec in definitions.resolve_all_asset_specs()} == {"local"}
