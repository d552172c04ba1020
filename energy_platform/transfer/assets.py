"""The assets of an estate by name, and how each is loaded."""

from __future__ import annotations

from energy_platform.domain.days import DayRange
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.sources.estate import Estate
from energy_platform.transfer.building_cache import LATEST, NOTIFICATIONS, load_latest, load_notifications
from energy_platform.transfer.context import Platform
from energy_platform.transfer.model_files import ARTIFACTS, load_models
from energy_platform.transfer.options import DEFAULT_OPTIONS, LoadOptions, Log, silent
from energy_platform.transfer.reports.prediction import Prediction
from energy_platform.transfer.reports.verdicts import LoadReport
from energy_platform.transfer.tables.load import load_table, predict_table, tables_of
from energy_platform.transfer.timeseries.load import load_measurement, predict_measurement


def assets_of(estate: Estate) -> list[str]:
    """Names of all assets that the estate feeds, in an order in which they can be loaded."""
    assets = [f"postgres/{name}" for name in tables_of(estate)]
    assets += [f"timeseries/{name}" for name in MEASUREMENTS if estate.sources_of(name)]
    if estate.models_folder is not None:
        assets.append(ARTIFACTS)
    if estate.sources_of("sensor_data"):
        assets.append(LATEST)
    if estate.sources_of("alerts"):
        assets.append(NOTIFICATIONS)
    return assets


def load_asset(
    platform: Platform,
    asset: str,
    days: DayRange | None = None,
    options: LoadOptions = DEFAULT_OPTIONS,
    run_id: str = "",
    log: Log = silent,
) -> LoadReport:
    """Load and prove one asset; for arguments and errors see `load_measurement`. Only time series look at `days`."""
    if asset == ARTIFACTS:
        return load_models(platform, run_id)
    if asset == LATEST:
        return load_latest(platform, run_id)
    if asset == NOTIFICATIONS:
        return load_notifications(platform, run_id)
    place, name = asset.split("/", 1)
    if place == "timeseries":
        return load_measurement(platform, name, days, options, run_id, log)
    return load_table(platform, name, options, run_id, log)


def predict_asset(
    platform: Platform, asset: str, days: DayRange | None = None, options: LoadOptions = DEFAULT_OPTIONS
) -> Prediction | None:
    """What `load_asset` would do; nothing is written. None of an asset that follows from what others load."""
    place, name = asset.split("/", 1)
    if place == "timeseries":
        return predict_measurement(platform, name, days, options)
    return predict_table(platform, name, options) if place == "postgres" else None
