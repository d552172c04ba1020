"""What the soak kills is decided by its seed alone, and covers every place."""

from __future__ import annotations

import random

from energy_platform.failpoints import FAILPOINTS
from energy_platform_tests.soak.kills import COMMAND, LOADER, RANDOM, Kill, chosen
from energy_platform_tests.soak.tally import Tally


def kills(seed: str, count: int, *, influx: bool) -> list[Kill]:
    moments = random.Random(seed)
    return [chosen(moments, 2.0, influx=influx) for _ in range(count)]


def test_a_seed_gives_the_same_kills_again_and_another_one_others() -> None:
    assert kills("77/1", 20, influx=True) == kills("77/1", 20, influx=True)
    assert kills("77/1", 20, influx=True) != kills("77/2", 20, influx=True)


def test_everything_is_killed_everywhere() -> None:
    found = kills("all", 3_000, influx=True)
    assert {kill.place for kill in found} == {*FAILPOINTS, RANDOM}
    assert {kill.victim for kill in found} == {LOADER, COMMAND, "postgres", "redis", "timeseries"}
    inside = kills("all", 3_000, influx=False)
    assert {kill.place for kill in inside} == {*FAILPOINTS, RANDOM} - {"mid_influx_body"}
    assert {kill.victim for kill in inside} == {LOADER, COMMAND, "postgres", "redis"}
    assert all(kill.victim == COMMAND for kill in found if kill.place == "ledger_before_event")


def test_the_table_counts_kills_that_came_in_time_and_what_survived_them() -> None:
    tally = Tally()
    early, late = Kill(LOADER, "mid_copy", 1), Kill(LOADER, "mid_copy", 40)
    tally.note([(early, True), (late, False)], same=True)
    tally.note([(early, True)], same=False)
    assert (tally.killed, tally.survived) == (2, 1)
    head, row, total = str(tally).splitlines()
    assert head.split() == ["place", "killed", "kills", "survived", "too", "late"]
    assert row.split() == ["mid_copy", "loader", "2", "1", "1"]
    assert total.split() == ["all", "2", "1", "1"]
