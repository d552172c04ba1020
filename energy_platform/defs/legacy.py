"""The files of an estate as assets: never written, and observed with a version, so that Dagster knows what changed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.events import DagsterEvent
from dagster._core.execution.plan.execute_step import (
    _build_data_version_tags,
    _get_code_version,
    _get_input_provenance_data,
)

from energy_platform.defs.names import MODEL_FILES, OWNERS, legacy_key
from energy_platform.domain.errors import SourceError
from energy_platform.sources.estate import Estate, SourceSpec

if TYPE_CHECKING:
    from dagster._core.execution.context.system import StepExecutionContext

#: The tag by which Dagster tells versions of data apart.
DATA_VERSION = "dagster/data_version"

#: Inputs above which days are not told what each was made from: two tags per input and day would take longer than
#: the load. Dagster then goes by time.
MOST_INPUTS = 50


def legacy_assets(
    estate: Estate, group: str, sources: Sequence[SourceSpec], *, models: bool
) -> list[dg.AssetsDefinition]:
    """The external assets of a product, in one step that observes them when somebody asks for that.

    Args:
        estate: what there is.
        group: the product's name.
        sources: the files and tables that feed it.
        models: whether the folder of models is among them.
    """
    known = {legacy_key(source.name): source for source in sources}
    specs = [
        dg.AssetSpec(
            key,
            group_name=group,
            kinds={source.kind},
            owners=OWNERS,
            description=f"`{source.name}` of the estate `{estate.code}`. It is read and never written.",
            metadata={"path": relative_path(estate, source.path)},
        )
        for key, source in known.items()
    ]
    if models:
        specs.append(
            dg.AssetSpec(
                MODEL_FILES,
                group_name=group,
                kinds={"pickle"},
                owners=OWNERS,
                description="Trained models as the prototype left them. They are read statically, never unpickled.",
                metadata={"path": relative_path(estate, estate.models_folder)},
            )
        )
    if not specs:
        return []

    @dg.multi_observable_source_asset(specs=specs, name=f"observe_{group}", can_subset=True)
    def observe(context: dg.AssetExecutionContext) -> Iterator[dg.ObserveResult]:
        for key in sorted(context.selected_asset_keys):
            try:
                version, metadata = look_at_models(estate) if key == MODEL_FILES else (version_of(known[key]), {})
            except SourceError as error:
                context.log.warning(str(error))
                continue
            yield dg.ObserveResult(asset_key=key, data_version=dg.DataVersion(version), metadata=metadata)

    return [observe]


def version_of(source: SourceSpec) -> str:
    """A token that changes when the file was touched. Raises SourceError where it cannot be looked at."""
    from energy_platform.sources.opening import open_source

    return open_source(source).version()


def look_at_models(estate: Estate) -> tuple[str, dict[str, int]]:
    """A token that changes when a model file was touched, came or went; and how many there are.

    Raises:
        SourceMissingError: the folder is gone.
    """
    from energy_platform.transfer.arrivals.files import mark_of, path_states
    from energy_platform.transfer.model_files import model_files

    paths = model_files(estate)
    states = path_states(estate.models_folder, paths) if estate.models_folder is not None else {}
    return mark_of(f"{name} {state.version}" for name, state in sorted(states.items())), {"files": len(paths)}


def observe_now(step: "StepExecutionContext", versions: dict[dg.AssetKey, tuple[str, dict[str, int]]]) -> None:
    """Report what a step is about to read, at once.

    Dagster writes down the versions that a step was made from as it knew them before the step began; those are told
    only now, so that what it knew is forgotten and asked for again.
    """
    for key, (version, metadata) in versions.items():
        DagsterEvent.asset_observation(step, dg.AssetObservation(key, tags={DATA_VERSION: version}, metadata=metadata))
        step.wipe_input_asset_version_info(key)


def made_from(step: "StepExecutionContext", key: dg.AssetKey) -> dict[str, str]:
    """Tags that name the versions of all that an asset is made from, for events that Dagster does not stamp itself.

    Empty where there are too many of them.
    """
    inputs = step.job_def.asset_layer.get(key).parent_keys
    if len(inputs) > MOST_INPUTS:
        return {}
    provenance = _get_input_provenance_data(key, step)
    tags = _build_data_version_tags(
        dg.DataVersion(""), _get_code_version(key, step), provenance, data_version_is_user_provided=True
    )
    return {name: value for name, value in tags.items() if name != DATA_VERSION}


def relative_path(estate: Estate, path: object) -> str:
    """A path as people know it: within the estate's folder."""
    file = Path(str(path))
    return file.relative_to(estate.folder).as_posix() if file.is_relative_to(estate.folder) else file.name
