"""Points that InfluxDB itself refuses: kept in the quarantine with its words, and left out of what is proven."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from energy_platform.settings import Settings
from energy_platform.stores.postgres import quarantine
from energy_platform.stores.timeseries.influxdb import InfluxTimeSeries
from energy_platform.transfer.assets import load_asset
from energy_platform.transfer.options import LoadOptions
from energy_platform_tests.promises.pipeline import opened, verify
from energy_platform_tests.transfer.test_changes import ASSET, ESTATE

KEPT = timedelta(days=30)


@pytest.fixture
def forgetful(influx: Settings) -> Iterator[Settings]:
    """A bucket that drops what is older than 30 days."""
    headers = {"Authorization": f"Token {influx.influx_token.get_secret_value()}"}
    with httpx.Client(base_url=influx.influx_url, headers=headers) as client:
        (org,) = client.get("/api/v2/orgs", params={"org": influx.influx_org}).raise_for_status().json()["orgs"]
        rules = [{"type": "expire", "everySeconds": int(KEPT.total_seconds()), "shardGroupDurationSeconds": 86_400}]
        wanted = {"name": "forgetful", "orgID": org["id"], "retentionRules": rules}
        bucket = client.post("/api/v2/buckets", json=wanted).raise_for_status().json()
        yield influx.model_copy(update={"influx_bucket": "forgetful"})
        client.delete(f"/api/v2/buckets/{bucket['id']}").raise_for_status()


def test_what_the_store_refuses_is_in_the_quarantine(
    forgetful: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    new, old = today - timedelta(days=10), today - KEPT - timedelta(days=10)
    rows = [
        f"{day + timedelta(minutes=30 * step):%Y-%m-%d %H:%M:%S},B1,{step}" for day in (new, old) for step in range(20)
    ]
    folder = tmp_path / "forgetful"
    folder.mkdir()
    text = ESTATE.format(name="forgetful").replace("Asia/Seoul", "UTC").replace("2025-05-01", "2020-01-01")
    (folder / "estate.yaml").write_text(text, encoding="utf-8")
    (folder / "power.csv").write_text("\n".join(["at,building,kw", *rows, ""]), encoding="utf-8")
    # the bucket's retention was shortened after it was looked at
    monkeypatch.setattr(InfluxTimeSeries, "check_retention", lambda *_: None)

    with opened(forgetful, folder) as platform:
        report = load_asset(platform, ASSET, None, LoadOptions(max_error_ratio=1.0))
        with platform.postgres.connection() as connection:
            refused = quarantine.entries(connection, "forgetful")
        found = [
            points.frame()
            for points in platform.timeseries.read_points(platform.contract("energy_consumption"), ["forgetful"])
        ]  # pyright: ignore[reportArgumentType]

    account = report.accounts["power.csv"]
    assert (account.read, account.loaded, account.quarantined) == (40, 20, 20)
    assert account.reasons == {"refused_by_store": 20}
    assert report.proved
    assert {verdict.partition: verdict.rows for verdict in report.verdicts} == {
        f"{new:%Y-%m-%d}": 20,
        f"{old:%Y-%m-%d}": 0,
    }
    assert sum(frame.height for frame in found) == 20
    assert sorted(refused["row_key"].cast(int).to_list()) == list(range(21, 41))
    assert set(refused["reason"]) == {"refused_by_store"}
    assert all("retention" in detail for detail in refused["detail"])
    contents = {row["row_key"]: json.loads(row["raw"]) for row in refused.iter_rows(named=True)}
    assert contents["21"] == {"at": f"{old:%Y-%m-%d %H:%M:%S}", "building": "B1", "kw": "0"}
    assert any("refused 20 points" in warning for warning in report.warnings)
    assert [finding for finding in verify(forgetful, folder).findings if finding.asset == ASSET] == []
