"""`python -m energy_platform_tests.soak`: kills for as long as it is told to; a seed gives the same kills again.

Exits 0 where every load that was killed and finished left the state of one that nobody killed, else 1.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from energy_platform.domain.errors import EnergyPlatformError
from energy_platform.local.influxdb import find_influxd
from energy_platform.local.stores import remove_stores, start_stores
from energy_platform.settings import Settings
from energy_platform_tests.soak.ground import Ground
from energy_platform_tests.soak.kills import UnreadableEndError, chosen, happens, loading
from energy_platform_tests.soak.tally import Tally

KILLS_OF_A_CHAIN = 5
SHOWN = 10


def main() -> int:
    """Soak; see the module."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="decides all kills")
    parser.add_argument("--hours", type=float, default=0.0)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--chains", type=int, default=0, help="at most so many chains of kills")
    given = parser.parse_args()
    for name in list(os.environ):
        if name.startswith("ENERGY_") and name not in {"ENERGY_INFLUXD", "ENERGY_POSTGRES_BIN", "ENERGY_REDIS_SERVER"}:
            del os.environ[name]
    Settings.model_config["env_file"] = None
    seconds = given.hours * 3600 + given.minutes * 60 or (float("inf") if given.chains else 600.0)
    influx = find_influxd(Settings()) is not None
    print(f"seed {given.seed}, {'for ever' if seconds == float('inf') else f'{seconds / 60:.0f} minutes'}", flush=True)
    with tempfile.TemporaryDirectory(prefix="energy-platform-soak-") as base:
        Path(base).chmod(0o711)
        wanted = Settings(home=Path(base) / "home", timeseries="influxdb" if influx else "postgres")
        try:
            return _soak(start_stores(wanted), Path(base), given.seed, seconds, given.chains, influx=influx)
        finally:
            remove_stores(wanted)


def _soak(servers: Settings, base: Path, seed: int, seconds: float, chains: int, *, influx: bool) -> int:
    inside = servers.model_copy(update={"influx_url": "", "timeseries": "postgres"})
    grounds = [Ground.prepared(settings, servers, base) for settings in ([servers, inside] if influx else [inside])]
    typical = [_seconds_of_a_load(ground) for ground in grounds]
    tally, began, number, failed = Tally(), time.monotonic(), 0, 0
    while time.monotonic() - began < seconds and (not chains or number < chains):
        number += 1
        # each chain by its own number: it is the same whatever came before it
        moments = random.Random(f"{seed}/{number}")
        place = number % len(grounds)
        ground = grounds[place]
        ground.empty()
        for folder in ground.folders:
            done = []
            found: list[str] = []
            try:
                for _ in range(moments.randint(1, KILLS_OF_A_CHAIN)):
                    kill = chosen(moments, typical[place], influx=bool(ground.settings.influx_url))
                    done.append((kill, happens(ground, folder, kill)))
                found = ground.finish(folder)
            except (EnergyPlatformError, UnreadableEndError) as error:
                found = [*found, f"{type(error).__name__}: {error}"]
            tally.note(done, same=not found)
            words = "the same" if not found else f"NOT THE SAME ({len(found)})"
            print(f"{number}: {folder.name}: {'; '.join(str(kill) for kill, _ in done)}: {words}", flush=True)
            for line in found[:SHOWN]:
                print(f"    {line[:2000]}", flush=True)
            if found:
                failed += 1
                break
    print(f"\n{tally}\nseed {seed}, {number} chains in {(time.monotonic() - began) / 60:.1f} minutes, {failed} failed")
    return 1 if failed else 0


def _seconds_of_a_load(ground: Ground) -> float:
    ground.empty()
    began = time.monotonic()
    with loading(ground, ground.folders[0], {}) as (process, _):
        process.wait(300)
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
