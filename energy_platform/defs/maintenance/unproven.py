"""The standing list of partitions that are not proven, with the reason, since when, and what to do."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from energy_platform.defs.facts import SHOWN
from energy_platform.defs.loading import PROOF, readable_failures
from energy_platform.defs.names import OWNERS
from energy_platform.defs.resources import PlatformResource

if TYPE_CHECKING:
    from energy_platform.transfer.reports.unproven import UnprovenPartition

GROUP = "maintenance"
UNPROVEN = dg.AssetKey(["maintenance", "unproven"])


def unproven_asset() -> dg.AssetsDefinition:
    """All that is not proven; its check is red while there is any, and stops nothing."""

    @dg.asset(
        key=UNPROVEN,
        group_name=GROUP,
        kinds={"postgres"},
        owners=OWNERS,
        description="Every partition that is not proven: why, since when, and what to do about it.",
        code_version="1",
        check_specs=[dg.AssetCheckSpec(PROOF, asset=UNPROVEN, description="Every partition of the estate is proven.")],
    )
    def unproven(platform: PlatformResource) -> dg.MaterializeResult:
        from energy_platform.transfer.reports.unproven import unproven_partitions

        with readable_failures():
            opened = platform.opened()
            found = unproven_partitions(opened.postgres, opened.estate.code)
        metadata = unproven_metadata(found)
        verdict = dg.AssetCheckResult(check_name=PROOF, passed=not found, metadata=metadata)
        return dg.MaterializeResult(metadata=metadata, check_results=[verdict])

    return unproven


def unproven_metadata(found: "list[UnprovenPartition]") -> dict[str, Any]:
    """How many there are, and a table of the first ones."""
    metadata: dict[str, Any] = {"unproven": len(found)}
    if found:
        names = ("asset", "partition", "reason", "since", "remedy")
        schema = dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in names])
        records = [
            dg.TableRecord(
                {
                    "asset": each.asset,
                    "partition": each.partition,
                    "reason": each.reason,
                    "since": each.since.isoformat(timespec="seconds"),
                    "remedy": each.remedy,
                }
            )
            for each in found[:SHOWN]
        ]
        metadata["partitions"] = dg.MetadataValue.table(records, schema)
    return metadata
