"""The graph of the sample estate as plain JSON: what a change of the definitions changes is seen in its review.

`python -m energy_platform_tests.defs.snapshots` writes the files anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg

from energy_platform.definitions import build_definitions
from energy_platform.settings import Settings

FOLDER = Path(__file__).parent / "snapshots"
SAMPLE_ESTATE = Path(__file__).resolve().parents[2] / "data"


def sample_definitions() -> dg.Definitions:
    return build_definitions(Settings(_env_file=None, estate=SAMPLE_ESTATE))  # pyright: ignore[reportCallIssue]


def snapshots(definitions: dg.Definitions) -> dict[str, Any]:
    """What is compared, by the name of its file."""
    repository = definitions.get_repository_def()
    graph = repository.asset_graph
    specs = sorted(definitions.resolve_all_asset_specs(), key=lambda spec: spec.key)
    keys = {
        spec.key.to_user_string(): {
            "group": spec.group_name,
            "kinds": sorted(spec.kinds),
            "owners": list(spec.owners),
            "partitions": str(spec.partitions_def) if spec.partitions_def else None,
            "pools": sorted(graph.get(spec.key).pools or []),
            "automatic": spec.automation_condition is not None,
            "freshness": type(spec.freshness_policy).__name__ if spec.freshness_policy else None,
            "code_version": spec.code_version,
            "checks": sorted(
                f"{check.name}{' (blocking)' if check.blocking else ''}"
                for check in (graph.get_check_spec(key) for key in graph.get(spec.key).check_keys)
            ),
        }
        for spec in specs
    }
    return {
        "keys": keys,
        "deps": {s.key.to_user_string(): sorted(d.asset_key.to_user_string() for d in s.deps) for s in specs if s.deps},
        "jobs": {
            job.name: sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys)
            for job in repository.get_all_jobs()
            if not job.name.startswith("__")
        },
        "schedules": {
            schedule.name: {
                "cron": schedule.cron_schedule,
                "timezone": schedule.execution_timezone,
                "job": schedule.job_name,
                "status": schedule.default_status.value,
            }
            for schedule in repository.schedule_defs
        },
        "sensors": {
            sensor.name: {"type": sensor.sensor_type.value, "status": sensor.default_status.value}
            for sensor in repository.sensor_defs
        },
    }


def as_text(content: Any) -> str:
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, content in snapshots(sample_definitions()).items():
        (FOLDER / f"{name}.json").write_text(as_text(content), encoding="utf-8")
