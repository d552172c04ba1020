"""Promise 2: whatever is killed, whenever, the next run ends in the state of a run that nobody killed, bit by bit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from energy_platform.local.influxdb import find_influxd
from energy_platform.settings import Settings
from energy_platform_tests import oracle
from energy_platform_tests.conftest import skip_without
from energy_platform_tests.promises import target as store
from energy_platform_tests.promises.pipeline import verify
from energy_platform_tests.soak.ground import Ground
from energy_platform_tests.soak.kills import LOADER, RANDOM, Kill, happens
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
