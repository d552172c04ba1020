"""Builds the assets of a data product from one line per target: what is common to all loads stands here, once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import dagster as dg

from energy_platform.defs.legacy import legacy_assets
from energy_platform.defs.loading import PROOF, LoadEvent, Plot, load_asset
from energy_platform.defs.names import MADE_FROM_MODELS, MODEL_FILES, OWNERS, assets_of, key_of, legacy_key, unique
from energy_platform.defs.partitions import daily_partitions
from energy_platform.defs.resources import LoadLimits, PlatformResource
from energy_platform.defs.tables import TARGET_CONTRACTS, definition_metadata
from energy_platform.domain.registers import CORRECTIONS_TABLE
from energy_platform.sources.estate import Estate, SourceSpec

#: Change it when a load would give other rows for the same sources: Dagster then shows what is out of date.
CODE_VERSION = "1"

#: How each place is called in the catalogue, and which pool bounds the steps that write to it.
_POOLS = {"postgres": "postgres", "timeseries": "timeseries", "redis": "redis", "models": "objects"}
_KINDS = {"postgres": "postgres", "timeseries": "timeseries", "redis": "redis", "models": "file"}


@dataclass(frozen=True, slots=True)
class Target:
    """One asset that a load fills.

    Attributes:
        asset: its name in the ledger, `place/noun`.
        after: names of the assets that must be proven before it is loaded.
        description: what it is; by default the contract's own words.
        derived_from: names of measurements whose sources it is derived from, where no table names its rows.
        eager: loaded by itself when what it depends on changes, once that is proven.
        daily: something new is expected every day while the estate is open.
        plot: draws what a person would like to see of it after a load, as a PNG; None where nothing is there to see.
    """

    asset: str
    after: tuple[str, ...] = ()
    description: str = ""
    derived_from: tuple[str, ...] = ()
    eager: bool = False
    daily: bool = False
    plot: Plot | None = None

    @property
    def place(self) -> str:
        """The store."""
        return self.asset.partition("/")[0]

    @property
    def noun(self) -> str:
        """The measurement or table."""
        return self.asset.partition("/")[2]


def product(estate: Estate, group: str, *targets: Target) -> dg.Definitions:
    """The assets of one data product, with the sources that feed them, as far as this estate has them.

    Args:
        estate: what there is.
        group: the product's name.
        targets: its assets.
    """
    present = set(assets_of(estate))
    wanted = [target for target in targets if target.asset in present]
    feeding = [source for target in wanted if target.place != "redis" for source in estate.sources_of(target.noun)]
    models = any(target.asset == "models/artifacts" for target in wanted)
    assets = legacy_assets(estate, group, feeding, models=models)
    assets += [build_asset(estate, group, target, present) for target in wanted]
    return dg.Definitions(assets=assets)


def sources_of(estate: Estate, target: Target) -> list[SourceSpec]:
    """The sources that a target is made from: its own, and those it is derived from."""
    if target.place == "redis":
        return []
    if target.noun == CORRECTIONS_TABLE:
        return list(estate.register_sources())
    own = list(estate.sources_of(target.noun))
    return own + [source for measurement in target.derived_from for source in estate.sources_of(measurement)]


def build_asset(estate: Estate, group: str, target: Target, present: set[str]) -> dg.AssetsDefinition:
    """The asset that loads a target, proves it, and shows the ledger's verdict."""
    sources = sources_of(estate, target)
    after = tuple(asset for asset in target.after if asset in present)
    legacy = [legacy_key(source.name) for source in sources]
    if estate.models_folder is not None and target.asset in MADE_FROM_MODELS:
        legacy.append(MODEL_FILES)
    key = key_of(target.asset)
    partitioned = target.place == "timeseries"

    @dg.asset(
        key=key,
        deps=unique([*legacy, *(key_of(asset) for asset in after)]),
        group_name=group,
        kinds={_KINDS[target.place]},
        owners=OWNERS,
        tags={"place": target.place},
        description=_description(target),
        metadata=definition_metadata(estate, target.asset, sources),
        code_version=CODE_VERSION,
        pool=_POOLS[target.place],
        partitions_def=daily_partitions(estate) if partitioned else None,
        backfill_policy=dg.BackfillPolicy.single_run() if partitioned else None,
        automation_condition=_when_proven_upstream() if target.eager else None,
        freshness_policy=_fresh_every_morning(estate) if target.daily and estate.last_day is None else None,
        check_specs=[
            dg.AssetCheckSpec(
                PROOF,
                asset=key,
                blocking=True,
                description="Every partition in the ledger is proven: the store gives back what the sources hold.",
            )
        ],
    )
    def load(context: dg.AssetExecutionContext, platform: PlatformResource, limits: LoadLimits) -> Iterator[LoadEvent]:
        yield from load_asset(
            context, platform, limits, asset=target.asset, after=after, sources=sources, plot=target.plot
        )

    return load


def _description(target: Target) -> str:
    if target.description:
        return target.description
    return TARGET_CONTRACTS[target.asset].description


def _when_proven_upstream() -> dg.AutomationCondition:
    """As soon as something above it changes, and only when all that blocks above it has passed.

    Days without data are never materialized, so that "a partition above is missing" says nothing here.
    """
    eager = dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing())
    return eager & dg.AutomationCondition.all_deps_blocking_checks_passed()


def _fresh_every_morning(estate: Estate) -> dg.FreshnessPolicy:
    """The nightly run has loaded something by six in the morning."""
    return dg.FreshnessPolicy.cron(
        deadline_cron="0 6 * * *", lower_bound_delta=timedelta(hours=5), timezone=str(estate.zone)
    )
