"""Models: PKL files, read statically, and tables of scores → object store and PostgreSQL → proof → every night."""

from __future__ import annotations

import dagster as dg

from energy_platform.defs.factory import Target, product
from energy_platform.sources.estate import Estate


def definitions(estate: Estate) -> dg.Definitions:
    """The prototype's models: their files, what is in them, how they scored, and what they look at."""
    return product(
        estate,
        "models",
        Target("models/artifacts", description="Files of trained models, kept under the hash of their content."),
        Target("postgres/models", after=("postgres/tenants", "models/artifacts")),
        Target("postgres/model_scores", after=("postgres/tenants",)),
        Target("postgres/feature_importances", after=("postgres/tenants",)),
    )
