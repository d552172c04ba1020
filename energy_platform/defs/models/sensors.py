"""The clock of models: a PKL file, or a table of scores, that has come or changed → what it feeds."""

from __future__ import annotations

import dagster as dg

from energy_platform.defs.arrivals import new_models, new_tables
from energy_platform.settings import Settings
from energy_platform.sources.estate import Estate


def sensors(estate: Estate, settings: Settings) -> list[dg.SensorDefinition]:
    """PKL files and tables of scores that have come or changed."""
    scores = ["postgres/model_scores", "postgres/feature_importances"]
    return [*new_models(estate, settings), *new_tables(estate, settings, "scores", scores)]
