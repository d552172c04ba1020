"""Promise 3: what is changed behind the platform's back, `verify` finds, and names source, target and partition."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import redis

from energy_platform.domain.points import SeriesPoints
from energy_platform.settings import Settings
from energy_platform.transfer.timeseries import load as loading
from energy_platform.transfer.timeseries.staging import Staging
from energy_platform_tests import oracle
from energy_platform_tests.promises import target as store
from energy_platform_tests.promises.pipeline import command, kind_of, load, small_estate, verify

READINGS, ENERGY = "sensor_readings.db/sensor_readings", "building_data.csv"
DAY = "2025-05-26"
NOON = 1_748_228_400_000_000  # 2025-05-26 12:00 in Seoul
LONG_AGO = 1_400_000_000_000_000
ADDED = "timeseries.sensor_data (tenant_id, building_id, sensor_id, sensor_type, time, value)"


@dataclass(frozen=True)
class Migrated:
    """A migrated estate that a test may damage, and that is whole again for the next."""

    settings: Settings
    folder: Path
    name: str

    def energy_point(self) -> int:
        """Microseconds of an hour of building B001 that stands in the target."""
        points = store.points_in(self.settings, self.name)["energy_consumption"]
        return min(point[-1] for point in points if point[1] == "B001" and point[-1] >= NOON)


@pytest.fixture(scope="module")
def migrated(target: Settings, estates: Path) -> Migrated:
    name = f"proof_{kind_of(target)}"
    folder = small_estate(estates, name)
    load(target, folder)
    assert verify(target, folder).findings == []
    return Migrated(target, folder, name)


def change_point(estate: Migrated) -> None:
    at = estate.energy_point()
    if estate.settings.influx_url:
        tags = f"tenant_id={estate.name},building_id=B001,meter_id=main"
        store.write_line(estate.settings, f"energy_consumption,{tags} power_kw=0.123 {at}")
    else:
        assert (
            store.execute(
                estate.settings,
                "UPDATE timeseries.energy_consumption SET power_kw = 0.123"
                " WHERE tenant_id = %s AND building_id = 'B001' AND time = to_timestamp(%s)",
                estate.name,
                at // 1_000_000,
            )
            == 1
        )


def add_point(estate: Migrated, building: str, at: int) -> None:
    if estate.settings.influx_url:
        tags = f"tenant_id={estate.name},building_id={building},sensor_id=ghost,sensor_type=temperature"
        store.write_line(estate.settings, f"sensor_data,{tags} value=21.5 {at}")
    else:
        store.execute(
            estate.settings,
            f"INSERT INTO {ADDED} VALUES (%s, %s, 'ghost', 'temperature', to_timestamp(%s), 21.5)",
            estate.name,
            building,
            at / 1e6,
        )


def remove_point(estate: Migrated) -> None:
    at = estate.energy_point()
    if estate.settings.influx_url:
        moment = (oracle.EPOCH + oracle.timedelta(microseconds=at)).isoformat().replace("+00:00", "Z")
        predicate = f'_measurement="energy_consumption" AND tenant_id="{estate.name}" AND building_id="B001"'
        store.delete_points(estate.settings, moment, moment, predicate)
    else:
        assert (
            store.execute(
                estate.settings,
                "DELETE FROM timeseries.energy_consumption WHERE tenant_id = %s AND building_id = 'B001'"
                " AND time = to_timestamp(%s)",
                estate.name,
                at // 1_000_000,
            )
            == 1
        )


def restored(estate: Migrated) -> None:
    """Take away what is too many, load what is missing; then everything must be proven again."""
    if estate.settings.influx_url:
        predicate = f'_measurement="sensor_data" AND tenant_id="{estate.name}" AND sensor_id="ghost"'
        store.delete_points(estate.settings, "1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z", predicate)
    else:
        statement = "DELETE FROM timeseries.sensor_data WHERE tenant_id = %s AND sensor_id = 'ghost'"
        store.execute(estate.settings, statement, estate.name)
    load(estate.settings, estate.folder)
    assert verify(estate.settings, estate.folder).findings == []


@pytest.mark.parametrize(
    ("damage", "asset", "source", "partition"),
    [
        (change_point, "timeseries/energy_consumption", ENERGY, DAY),
        (remove_point, "timeseries/energy_consumption", ENERGY, DAY),
        (lambda e: add_point(e, "B001", NOON), "timeseries/sensor_data", READINGS, DAY),
        (lambda e: add_point(e, "B001", LONG_AGO), "timeseries/sensor_data", READINGS, "2014-05-14"),
        (lambda e: add_point(e, "Z999", NOON), "timeseries/sensor_data", READINGS, DAY),
    ],
    ids=["changed", "removed", "added", "another-year", "another-building"],
)
def test_a_point(
    migrated: Migrated, damage: Callable[[Migrated], None], asset: str, source: str, partition: str
) -> None:
    damage(migrated)
    try:
        # what Redis keeps is derived from the points: a strange sensor is missing there
        found = [f for f in verify(migrated.settings, migrated.folder).findings if not f.asset.startswith("redis/")]
        assert [(finding.asset, finding.source, finding.partition) for finding in found] == [(asset, source, partition)]
    finally:
        restored(migrated)


def test_a_field_that_no_source_feeds(migrated: Migrated) -> None:
    at = migrated.energy_point()
    if migrated.settings.influx_url:
        tags = f"tenant_id={migrated.name},building_id=B001,meter_id=main"
        store.write_line(migrated.settings, f"energy_consumption,{tags} smuggled=1.5 {at}")
    else:
        owner = migrated.settings.model_copy(update={"postgres_url": migrated.settings.postgres_admin_url})
        store.execute(owner, "ALTER TABLE timeseries.energy_consumption ADD COLUMN smuggled double precision")
        store.execute(
            migrated.settings,
            "UPDATE timeseries.energy_consumption SET smuggled = 1.5 WHERE tenant_id = %s AND building_id = 'B001'"
            " AND time = to_timestamp(%s)",
            migrated.name,
            at // 1_000_000,
        )
    try:
        (finding,) = verify(migrated.settings, migrated.folder).findings
        assert (finding.asset, finding.source, finding.partition) == ("timeseries/energy_consumption", ENERGY, DAY)
        assert "smuggled" in finding.reason
    finally:
        if migrated.settings.influx_url:
            remove_point(migrated)
        else:
            store.execute(owner, "ALTER TABLE timeseries.energy_consumption DROP COLUMN smuggled")
        restored(migrated)


@pytest.mark.parametrize(
    ("statement", "table", "source"),
    [
        ("UPDATE energy.users SET role = 'owner' WHERE user_id = 'U001' AND tenant_id = %s", "users", "users.csv"),
        ("UPDATE energy.billing SET amount = amount + 1 WHERE tenant_id = %s", "billing", "billing.csv"),
        ("DELETE FROM energy.settings WHERE tenant_id = %s AND name = 'alert_language'", "settings", "settings.csv"),
        (
            "INSERT INTO energy.settings (tenant_id, name, value, estate) VALUES (%s, 'ghost', '1', 'nobody')",
            "settings",
            "settings.csv",
        ),
        (
            "UPDATE energy.model_scores SET mape = NULL WHERE mape = 'Infinity' AND tenant_id = %s",
            "model_scores",
            "model_performance.csv",
        ),
        (
            "UPDATE energy.sensors SET attributes = '{\"a\": 1}' WHERE tenant_id = %s",
            "sensors",
            "sensor_config.json/sensors",
        ),
    ],
)
def test_a_row_of_a_table(stores: Settings, damaged: Migrated, statement: str, table: str, source: str) -> None:
    assert store.execute(stores, statement, damaged.name) >= 1
    try:
        (finding,) = verify(stores, damaged.folder).findings
        assert (finding.asset, finding.source, finding.partition) == (f"postgres/{table}", source, "all")
    finally:
        store.execute(stores, "DELETE FROM energy.settings WHERE tenant_id = %s AND name = 'ghost'", damaged.name)
        restored(damaged)


@pytest.fixture(scope="module")
def damaged(stores: Settings, estates: Path) -> Migrated:
    """An estate with time series in PostgreSQL, for damage in the other stores."""
    folder = small_estate(estates, "damaged")
    load(stores, folder)
    return Migrated(stores, folder, "damaged")


@pytest.mark.parametrize("asset", ["redis/latest", "redis/notifications"])
@pytest.mark.parametrize("damage", ["content", "no time to live", "another building", "no JSON"])
def test_a_key(stores: Settings, damaged: Migrated, asset: str, damage: str) -> None:
    prefix = f"{asset.removeprefix('redis/')}:building"
    with redis.Redis.from_url(stores.redis_url.get_secret_value()) as client:
        key = sorted(client.scan_iter(match=f"{prefix}:{{damaged:*}}", count=1000))[0]
        strange = f"{prefix}:{{damaged:Z999}}"
        content = client.get(key)
        if damage == "content":
            changed = json.loads(content)
            (changed if isinstance(changed, list) else [*changed.values()])[0]["time"] = "2001-01-01T00:00:00Z"
            client.set(key, json.dumps(changed), ex=1000)
        elif damage == "no time to live":
            client.persist(key)
        elif damage == "another building":
            client.set(strange, content, ex=1000)
        else:
            client.set(key, b"{", ex=1000)
        try:
            (finding,) = verify(stores, damaged.folder).findings
            assert (finding.asset, finding.partition) == (asset, "all")
            named = strange if damage == "another building" else key.decode()
            assert named in finding.reason
        finally:
            client.delete(strange)
            restored(damaged)


def test_a_key_that_is_missing_is_no_failure(stores: Settings, damaged: Migrated) -> None:
    with redis.Redis.from_url(stores.redis_url.get_secret_value()) as client:
        for key in client.scan_iter(match="*{damaged:*}", count=1000):
            client.delete(key)
    assert verify(stores, damaged.folder).findings == []
    restored(damaged)


@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_a_model_file_in_the_object_store(stores: Settings, damaged: Migrated, damage: str) -> None:
    model = damaged.folder / "models" / "scaler.pkl"
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    (stored,) = Path(stores.home).rglob(f"*{sha256}*")
    if damage == "changed":
        stored.chmod(0o600)
        stored.write_bytes(stored.read_bytes()[:-1] + b"?")
    else:
        stored.unlink()
    try:
        (finding,) = verify(stores, damaged.folder).findings
        assert (finding.asset, finding.partition) == ("models/artifacts", "all")
        assert "scaler.pkl" in finding.reason
    finally:
        restored(damaged)


def test_rows_that_left_the_quarantine(stores: Settings, damaged: Migrated) -> None:
    removed = "DELETE FROM energy.quarantine WHERE estate = 'damaged' AND source = %s"
    assert store.execute(stores, removed, READINGS) > 0
    (finding,) = verify(stores, damaged.folder).findings
    assert (finding.asset, finding.source) == ("postgres/quarantine", READINGS)
    load(stores, damaged.folder, only="timeseries/sensor_data", force=True)
    assert verify(stores, damaged.folder).findings == []


def test_a_row_that_left_its_source_is_a_deletion(stores: Settings, estates: Path) -> None:
    folder = small_estate(estates, "shrunk", flaws=False)
    load(stores, folder)
    lines = (folder / "building_data.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "building_data.csv").write_text("".join([*lines[:-1]]), encoding="utf-8")
    findings = verify(stores, folder).findings
    assert {(finding.asset, finding.partition) for finding in findings} == {
        ("timeseries/energy_consumption", "2025-05-29")
    }
    report = load(stores, folder, only="timeseries/energy_consumption")["timeseries/energy_consumption"]
    assert [verdict.partition for verdict in report.unproven] == ["2025-05-29"]
    assert "energy-platform repair" in report.unproven[0].reason


def test_a_correction_in_a_source_is_loaded(target: Settings, estates: Path) -> None:
    name = f"corrected_{kind_of(target)}"
    folder = small_estate(estates, name, flaws=False)
    load(target, folder)
    path = folder / "building_data.csv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    cells = lines[10].split(",")
    cells[2] = "99.75"
    lines[10] = ",".join(cells)
    path.write_text("".join(lines), encoding="utf-8")
    report = load(target, folder, only="timeseries/energy")["timeseries/energy_consumption"]
    assert report.proved
    assert [verdict.partition for verdict in report.verdicts if not verdict.skipped] == ["2025-05-24"]
    expected = oracle.expected_of(folder, oracle.sample_of(folder)).points["energy_consumption"]
    found = store.points_in(target, name)["energy_consumption"]
    assert oracle.point_differences({"e": expected}, {"e": found}) == []


def test_the_command_says_no(migrated: Migrated) -> None:
    good = command(migrated.settings, migrated.folder, "verify", str(migrated.folder), report=True)
    assert good.code == 0, good.output
    assert good.report is not None
    assert good.report["proved"] is True
    change_point(migrated)
    try:
        bad = command(migrated.settings, migrated.folder, "verify", str(migrated.folder), report=True)
        assert bad.code == 1
        for fact in ("building_data.csv", "timeseries/energy_consumption", DAY):
            assert fact in bad.output
        assert bad.report is not None
        assert bad.report["proved"] is False
    finally:
        restored(migrated)


# -- mutations of the pipeline -----------------------------------------------------------------------------------------


def loaded_by_a_broken_pipeline(settings: Settings, folder: Path, name: str) -> tuple[bool, list[str]]:
    """Whether the load proved itself, and what the oracle finds wrong."""
    reports = load(settings, folder, only="timeseries/")
    expected = oracle.expected_of(folder, oracle.sample_of(folder))
    found = store.points_in(settings, name)
    return all(report.proved for report in reports.values()), oracle.point_differences(expected.points, found)


def write_with(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, change: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    """Let the store write something else than it was given."""
    from energy_platform.stores.timeseries.opening import open_timeseries

    opened = open_timeseries(settings)
    kind = type(opened)
    opened.close()
    write_points = kind.write_points

    def broken(self: Any, measurement: Any, points: SeriesPoints) -> pl.DataFrame:
        return write_points(self, measurement, SeriesPoints.of(change(points.frame()), measurement))

    monkeypatch.setattr(kind, "write_points", broken)


WRITES: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "an hour off": lambda points: points.with_columns(pl.col("time").dt.offset_by("1h")),
    "a microsecond dropped": lambda points: points.with_columns(pl.col("time").dt.offset_by("-1us")),
    "the last row lost": lambda points: points.head(points.height - 1),
    "a row doubled a second later": lambda points: pl.concat(
        [points, points.head(1).with_columns(pl.col("time").dt.offset_by("1s"))]
    ),
    "swapped columns": lambda points: (
        points.rename({"power_kw": "temperature_c", "temperature_c": "power_kw"})
        if "power_kw" in points.columns
        else points.with_columns(pl.lit(0.5).alias("confidence"))
        if "confidence" in points.columns
        else points.with_columns(pl.lit("?").alias("message"))
    ),
}


@pytest.mark.parametrize("mutation", WRITES)
def test_a_broken_write_turns_the_load_red(
    stores: Settings, estates: Path, monkeypatch: pytest.MonkeyPatch, mutation: str
) -> None:
    name = "w" + mutation.replace(" ", "")[:12]
    folder = small_estate(estates, name, days=2)
    write_with(monkeypatch, stores, WRITES[mutation])
    proved, differences = loaded_by_a_broken_pipeline(stores, folder, name)
    assert not proved
    assert differences
    monkeypatch.undo()
    assert {finding.asset for finding in verify(stores, folder).findings} >= {"timeseries/energy_consumption"}


def map_with(monkeypatch: pytest.MonkeyPatch, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Let the mapping understand something else than the source says: both sides of the proof are wrong alike."""
    split = Staging._split

    def broken(self: Staging, batch: pl.DataFrame, *found: Any) -> None:
        split(self, change(batch), *found)

    monkeypatch.setattr(Staging, "_split", broken)


MAPPINGS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "an hour off": lambda batch: batch.with_columns(pl.col("time").dt.offset_by("1h")),
    "a microsecond dropped": lambda batch: batch.with_columns(pl.col("time").dt.truncate("1s").dt.offset_by("1us")),
    "a row lost": lambda batch: batch.head(batch.height - 1),
    "swapped columns": lambda batch: (
        batch.with_columns(pl.col("temperature_c").alias("humidity_pct"), pl.col("humidity_pct").alias("temperature_c"))
        if "humidity_pct" in batch.columns
        else batch
    ),
    "a row doubled": lambda batch: pl.concat([batch, batch.head(1).with_columns(pl.col("time").dt.offset_by("1s"))]),
}


@pytest.mark.parametrize("mutation", MAPPINGS)
def test_a_broken_mapping_turns_the_oracle_red(
    stores: Settings, estates: Path, monkeypatch: pytest.MonkeyPatch, mutation: str
) -> None:
    name = "m" + mutation.replace(" ", "")[:12]
    folder = small_estate(estates, name, days=2)
    map_with(monkeypatch, MAPPINGS[mutation])
    _, differences = loaded_by_a_broken_pipeline(stores, folder, name)
    assert differences


def test_a_zone_that_is_an_hour_off_turns_the_oracle_red(stores: Settings, estates: Path) -> None:
    folder = small_estate(estates, "wrong_zone", days=2)
    path = folder / "estate.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("Asia/Seoul", "Asia/Shanghai"), encoding="utf-8")
    _, differences = loaded_by_a_broken_pipeline(stores, folder, "wrong_zone")
    assert any("missing" in difference for difference in differences)


def test_a_proof_that_does_not_read_back_is_noticed(
    stores: Settings, estates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutations above are red because of what the target gives back: without that, they are green."""
    folder = small_estate(estates, "believed", days=2)
    write_with(monkeypatch, stores, WRITES["the last row lost"])
    monkeypatch.setattr(loading, "explain", lambda *_: "")
    proved, differences = loaded_by_a_broken_pipeline(stores, folder, "believed")
    assert proved
    assert differences, "the oracle still sees it"
    shutil.rmtree(folder)


def test_a_measurement_that_no_source_feeds(stores: Settings, damaged: Migrated) -> None:
    point = "timeseries.predictions (tenant_id, building_id, model, lead_days, time, power_kw)"
    store.execute(
        stores, f"INSERT INTO {point} VALUES ('damaged', 'B001', 'ghost', '1', to_timestamp({NOON // 1_000_000}), 1.0)"
    )
    (finding,) = verify(stores, damaged.folder).findings
    assert (finding.asset, finding.partition) == ("timeseries/predictions", DAY)
    assert store.execute(stores, "DELETE FROM timeseries.predictions WHERE tenant_id = 'damaged'") == 1
    assert verify(stores, damaged.folder).findings == []


def test_a_day_that_was_being_written_over_is_not_proven(
    stores: Settings, estates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load that dies after its write, over a change that is then taken back, must not leave the old proof."""
    folder = small_estate(estates, "taken_back", flaws=False)
    load(stores, folder)
    path = folder / "building_data.csv"
    before = path.read_text(encoding="utf-8")
    lines = before.splitlines(keepends=True)
    cells = lines[10].split(",")
    cells[2] = "99.75"
    path.write_text("".join([*lines[:10], ",".join(cells), *lines[11:]]), encoding="utf-8")
    with monkeypatch.context() as killed:

        def die(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        killed.setattr(loading, "target_summaries", die)
        with pytest.raises(KeyboardInterrupt):
            load(stores, folder, only="timeseries/energy_consumption")
    path.write_text(before, encoding="utf-8")
    report = load(stores, folder, only="timeseries/energy_consumption")["timeseries/energy_consumption"]
    assert [verdict.partition for verdict in report.verdicts if not verdict.skipped] == ["2025-05-24"]
    assert verify(stores, folder).findings == []
