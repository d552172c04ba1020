"""Promise 2: whatever is killed, whenever, the next run ends in the state of a run that nobody killed, bit by bit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from pydantic import SecretStr

from energy_platform.local.influxdb import find_influxd
from energy_platform.settings import Settings
from energy_platform_tests import oracle
from energy_platform_tests.conftest import skip_without
from energy_platform_tests.promises import target as store
from energy_platform_tests.promises.pipeline import verify
from energy_platform_tests.soak.ground import Ground
from energy_platform_tests.soak.kills import LOADER, RANDOM, Kill, happens, held, kill_server, loading
from energy_platform_tests.soak.relay import relay
from energy_platform_tests.soak.state import differences, size_of, state_of

#: Done one after the other, each to the load that goes on where the last one was killed.
KILLS_WITH_INFLUXDB = (
    (
        Kill(LOADER, "mid_copy", 3),
        Kill("postgres", "mid_table_swap", 4),
        Kill(LOADER, "data_before_ledger", 5),
        Kill(LOADER, "mid_spill", 2),
        Kill(LOADER, "mid_influx_body", 4),
        Kill("timeseries", "mid_influx_body", 9),
        Kill(LOADER, RANDOM, seconds=1.2),
    ),
    (
        Kill(LOADER, "mid_table_swap", 2),
        Kill("timeseries", "data_before_ledger", 7),
        Kill(LOADER, "data_before_ledger", 5),
        Kill("redis", "mid_cache"),
    ),
)
KILLS_WITH_POSTGRES = (
    (
        Kill(LOADER, "before_commit", 6),
        Kill("postgres", "data_before_ledger", 12),
        Kill(LOADER, "mid_copy", 4),
        Kill("postgres", "mid_copy", 5),
        Kill(LOADER, "mid_cache"),
    ),
    (
        Kill(LOADER, "after_answer", 20),
        Kill(LOADER, "mid_copy", 9, force=True),
        Kill("postgres", "after_answer", 31, force=True),
        Kill(LOADER, "mid_object", force=True),
    ),
)
KILLS = {"influxdb": KILLS_WITH_INFLUXDB, "postgres": KILLS_WITH_POSTGRES}


@pytest.fixture(scope="module")
def grounds(start_once: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ground]:
    """An estate in stores of its own, with time series in InfluxDB and in PostgreSQL."""
    if find_influxd(Settings()) is None:
        skip_without("influxd (make influxd builds it)")
    servers = start_once("killed", timeseries="influxdb")
    inside = servers.model_copy(update={"influx_url": "", "timeseries": "postgres"})
    base = tmp_path_factory.mktemp("killed")
    return {
        "influxdb": Ground.prepared(servers, servers, base),
        "postgres": Ground.prepared(inside, servers, base),
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", KILLS)
def test_killed_again_and_again_is_never_killed(grounds: dict[str, Ground], kind: str) -> None:
    ground = grounds[kind]
    ground.empty()
    for folder, one_by_one in zip(ground.folders, KILLS[kind], strict=True):
        before = ground.expected[ground.folders[0]] if folder != ground.folders[0] else {}
        late = [kill for kill in one_by_one if not happens(ground, folder, kill)]
        assert len(late) <= 1, f"the load was over before: {'; '.join(map(str, late))}"
        ground.start_again()
        assert differences(before, state_of(ground.settings)) != [], "nothing was written before the kills"
        assert ground.finish(folder) == []
    assert verify(ground.settings, ground.folders[1]).findings == []


def test_the_states_that_are_compared_hold_all_that_the_sources_say(grounds: dict[str, Ground]) -> None:
    for ground in grounds.values():
        first, second = (ground.expected[folder] for folder in ground.folders)
        assert size_of(first) > 1_500
        assert {"energy.load_ledger", "energy.quarantine", "energy.claims", "energy.billing"} <= first.keys()
        changed = {line.split(":")[0] for line in differences(first, second)}
        points = {"influxdb"} if ground.settings.influx_url else {"timeseries.sensor_data"}
        assert {"energy.billing", "energy.users", "energy.load_ledger", "redis", *points} <= changed


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["influxdb", "postgres"])
def test_killed_between_data_and_ledger_the_ledger_claims_no_more_than_stands(
    grounds: dict[str, Ground], kind: str
) -> None:
    ground = grounds[kind]
    ground.empty()
    folder = ground.folders[0]
    name = folder.name
    # after all tables; in InfluxDB days come one by one
    assert happens(ground, folder, Kill(LOADER, "data_before_ledger", 12 if kind == "postgres" else 13))
    held = store.points_in(ground.settings, name)["sensor_data"]
    assert held, "no point was written before the kill"
    counts: dict[str, int] = {}
    for point in held:
        local = (oracle.EPOCH + oracle.timedelta(microseconds=point[-1])).astimezone(oracle.ZoneInfo("Asia/Seoul"))
        counts[local.date().isoformat()] = counts.get(local.date().isoformat(), 0) + 1
    entries = store.ledger_of(ground.settings, name)
    proven = {day for (asset, day), it in entries.items() if asset == "timeseries/sensor_data" and it["proven"]}
    assert proven - {"undated"} < counts.keys()
    for day in proven - {"undated"}:
        assert counts[day] == entries["timeseries/sensor_data", day]["rows"]
    assert ground.finish(folder) == []


@pytest.mark.parametrize("way", ["terminated", "reset"])
def test_a_connection_cut_in_the_middle_of_a_copy(grounds: dict[str, Ground], way: str) -> None:
    ground = grounds["postgres"]
    ground.empty()
    folder = ground.folders[0]
    url = urlsplit(ground.settings.postgres_url.get_secret_value())
    assert url.hostname
    assert url.port
    with relay(url.hostname, url.port) as line:
        place = url.netloc.replace(str(url.port), str(line.port))
        settings = ground.settings.model_copy(
            update={"postgres_url": SecretStr(urlunsplit(url._replace(netloc=place)))}
        )
        with held(ground, folder, "mid_copy", 5, settings=settings) as load:
            if way == "reset":
                assert line.cut() >= 1
            else:
                with psycopg.connect(ground.settings.postgres_url.get_secret_value()) as connection:
                    ended = connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%%'"
                        " AND pid <> pg_backend_pid() AND usename = %s",
                        [url.username],
                    ).fetchall()
                    assert ended == [(True,)]
    assert load.is_readable, load.output
    assert "StoreUnavailableError" in load.output
    assert ground.finish(folder) == []


def test_influxdb_that_starts_anew_during_a_load_is_only_a_pause(grounds: dict[str, Ground]) -> None:
    ground = grounds["influxdb"]
    ground.empty()
    folder = ground.folders[0]
    # the digests of a source with mixed types hang on its batches: as many rows as in the load that is compared
    changed = {"ENERGY_INFLUX_PATIENCE_SECONDS": "100", "ENERGY_BATCH_ROWS": "50000"}
    with held(ground, folder, "mid_influx_body", 5, **changed) as load:
        kill_server(ground, "timeseries")
        ground.start_again()
    assert load.code == 0, load.output
    assert differences(ground.expected[folder], state_of(ground.settings)) == []


@pytest.mark.parametrize("server", ["postgres", "redis"])
def test_a_server_that_starts_anew_during_a_load(grounds: dict[str, Ground], server: str) -> None:
    ground = grounds["influxdb"]
    ground.empty()
    folder = ground.folders[0]
    with held(ground, folder, "data_before_ledger", 13) as load:
        kill_server(ground, server)
        ground.start_again()
    # nobody talks to Redis before the end; PostgreSQL has taken the locks with it
    assert load.code == 0 if server == "redis" else load.is_readable, load.output
    assert ground.finish(folder) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of some pages."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_for_temporary_files_ends_a_load_in_words(grounds: dict[str, Ground], small_disk: Path) -> None:
    ground = grounds["postgres"]
    ground.empty()
    folder = ground.folders[0]
    variables = {"TMPDIR": str(small_disk), "ENERGY_BATCH_ROWS": "150", "ENERGY_SPILL_ROWS": "400"}
    with loading(ground, folder, variables) as (process, output):
        code = process.wait(120)
    said = "".join(output)
    assert code == 1
    assert f"StoreError: {small_disk}" in said, said
    assert "TMPDIR" in said
    assert list(small_disk.iterdir()) == []
    assert ground.finish(folder) == []
