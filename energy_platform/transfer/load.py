"""Names that have moved."""

from energy_platform.transfer.options import (  # noqa: F401
    DEFAULT_OPTIONS,
    WITHHELD_RATIO,
    WITHHELD_ROWS,
    LoadOptions,
    Log,
    not_loaded,
    silent,
    too_many_refused,
)
from energy_platform.transfer.timeseries.load import (  # noqa: F401
    days_with_data,
    load_measurement,
    measurements_of,
    pending_days,
)
from energy_platform.transfer.timeseries.proof import explain, target_summaries  # noqa: F401
