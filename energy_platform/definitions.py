"""What Dagster loads: collects the data products of defs/, and stamps what holds for all of them. Nothing else.

Loading opens no store and no data file: it reads estate.yaml alone.
"""

from __future__ import annotations

import warnings

import dagster as dg

# a policy for ranges is beta in name only; the notice would stand in every log
warnings.filterwarnings("ignore", category=dg.BetaWarning)

from energy_platform.defs.accounts import assets as accounts  # noqa: E402
from energy_platform.defs.accounts import sensors as accounts_sensors  # noqa: E402
from energy_platform.defs.alerts import assets as alerts  # noqa: E402
from energy_platform.defs.alerts import sensors as alerts_sensors  # noqa: E402
from energy_platform.defs.buildings import assets as buildings  # noqa: E402
from energy_platform.defs.buildings import sensors as buildings_sensors  # noqa: E402
from energy_platform.defs.caches import assets as caches  # noqa: E402
from energy_platform.defs.energy import assets as energy  # noqa: E402
from energy_platform.defs.energy import sensors as energy_sensors  # noqa: E402
from energy_platform.defs.forecasts import assets as forecasts  # noqa: E402
from energy_platform.defs.forecasts import sensors as forecasts_sensors  # noqa: E402
from energy_platform.defs.maintenance import assets as maintenance  # noqa: E402
from energy_platform.defs.models import assets as models  # noqa: E402
from energy_platform.defs.models import sensors as models_sensors  # noqa: E402
from energy_platform.defs.quality import checks as quality  # noqa: E402
from energy_platform.defs.readings import assets as readings  # noqa: E402
from energy_platform.defs.readings import sensors as readings_sensors  # noqa: E402
from energy_platform.defs.resources import LoadLimits, PlatformResource  # noqa: E402
from energy_platform.settings import Settings, get_settings  # noqa: E402
from energy_platform.sources.estate import read_estate  # noqa: E402

#: The sensors of new data, beside the products that they are for.
CLOCKS = (
    readings_sensors,
    energy_sensors,
    alerts_sensors,
    forecasts_sensors,
    buildings_sensors,
    accounts_sensors,
    models_sensors,
)


def build_definitions(settings: Settings) -> dg.Definitions:
    """Everything that Dagster knows of the estate that the settings name.

    Raises:
        EstateError: its estate file is missing or wrong.
    """
    estate = read_estate(settings.estate, settings.estate_file)
    platform = PlatformResource(estate=str(settings.estate), estate_file=str(settings.estate_file or ""))
    products = dg.Definitions.merge(
        buildings.definitions(estate),
        readings.definitions(estate),
        energy.definitions(estate),
        accounts.definitions(estate),
        alerts.definitions(estate),
        models.definitions(estate),
        forecasts.definitions(estate),
        caches.definitions(estate, settings),
        maintenance.definitions(estate, settings),
        quality.definitions(estate, settings),
        dg.Definitions(sensors=[sensor for clock in CLOCKS for sensor in clock.sensors(estate, settings)]),
    )
    products = products.permissive_map_resolved_asset_specs(
        func=lambda spec: spec.merge_attributes(metadata={"environment": settings.environment}), selection=None
    )
    policy = dg.Definitions(
        resources={"platform": platform, "limits": LoadLimits.configure_at_launch()},
        # a step takes less time than a process to run it in
        executor=dg.in_process_executor,
        metadata={"environment": settings.environment, "estate": estate.code},
    )
    return dg.Definitions.merge(products, policy)


@dg.definitions
def definitions() -> dg.Definitions:
    """The code location."""
    return build_definitions(get_settings())
