"""The measurements of the time series: names, tags and fields as all parts of the platform know them."""

from __future__ import annotations

from collections.abc import Mapping

from energy_platform.domain.contracts import Column, Measurement, OwnLimits, Reference, TypedRange
from energy_platform.domain.quantities import QUANTITIES

#: Physical limits per sensor type: what lies outside is a fault of the device or of the export, not weather.
SENSOR_LIMITS: Mapping[str, tuple[float, float]] = {
    quantity.name: (quantity.minimum, quantity.maximum) for quantity in QUANTITIES.values()
}

TENANT = Column("tenant_id", "text", required=True, description="Code of the tenant that owns the row.")
BUILDING = Column("building_id", "text", required=True, description="Code of the building, unique in its tenant.")
TIME = Column("time", "time", required=True, description="Instant of the measurement, UTC.")

IN_BUILDING = Reference("building_id", "buildings")
OF_SENSOR = Reference("sensor_id", "sensors")

SENSOR_DATA = Measurement(
    name="sensor_data",
    columns=(
        TENANT,
        BUILDING,
        Column("sensor_id", "text", required=True, description="Code of the sensor, unique in its tenant."),
        Column("sensor_type", "text", description="What the sensor measures, e.g. temperature."),
        TIME,
        Column("value", "float", description="The reading, in the unit that the sensor register names."),
        Column("state", "text", description="The reading of a sensor that reports words."),
        Column("confidence", "float", minimum=0.0, maximum=1.0, description="How sure the gateway is, 0 to 1."),
        Column(
            "status",
            "text",
            categories=("normal", "ok", "warning", "critical", "error", "fault", "maintenance", "offline"),
            description="State of the sensor when it read, e.g. normal.",
        ),
    ),
    key=("tenant_id", "building_id", "sensor_id", "sensor_type", "time"),
    any_of=("value", "state"),
    typed_ranges=(TypedRange("value", "sensor_type", SENSOR_LIMITS),),
    references=(IN_BUILDING, OF_SENSOR),
    own_limits=OwnLimits(
        "value", "sensors", "sensor_id", (("critical_minimum", "critical_maximum"), ("minimum", "maximum"))
    ),
    description="Readings of single sensors.",
)

ENERGY_CONSUMPTION = Measurement(
    name="energy_consumption",
    columns=(
        TENANT,
        BUILDING,
        Column("meter_id", "text", required=True, description="Code of the meter; `main` where the source names none."),
        TIME,
        Column(
            "power_kw",
            "float",
            unit="kW",
            quantity="power",
            minimum=-100_000.0,
            maximum=100_000.0,
            description="Mean power.",
        ),
        Column(
            "temperature_c",
            "float",
            unit="°C",
            quantity="temperature",
            minimum=-80.0,
            maximum=80.0,
            description="Outdoor temperature.",
        ),
        Column(
            "humidity_pct",
            "float",
            unit="%",
            quantity="humidity",
            minimum=0.0,
            maximum=100.0,
            description="Relative humidity.",
        ),
        Column(
            "occupancy",
            "float",
            quantity="occupancy",
            minimum=0.0,
            maximum=1_000_000.0,
            description="People in the building.",
        ),
    ),
    key=("tenant_id", "building_id", "meter_id", "time"),
    any_of=("power_kw", "temperature_c", "humidity_pct", "occupancy"),
    references=(IN_BUILDING,),
    description="Energy use of buildings and what drives it, by interval.",
)

PREDICTIONS = Measurement(
    name="predictions",
    columns=(
        TENANT,
        BUILDING,
        Column("model", "text", required=True, description="Name of the model that made the forecast."),
        Column("lead_days", "text", description="Whole days between issue and target time."),
        TIME,
        Column("power_kw", "float", unit="kW", required=True, description="Forecast mean power."),
        Column("lower_kw", "float", unit="kW", description="Lower end of the interval."),
        Column("upper_kw", "float", unit="kW", description="Upper end of the interval."),
        Column("issued_at", "text", description="When the forecast was made, ISO 8601, UTC."),
    ),
    key=("tenant_id", "building_id", "model", "lead_days", "time"),
    references=(IN_BUILDING,),
    in_order=(("lower_kw", "power_kw"), ("power_kw", "upper_kw")),
    description="Forecasts of power by building.",
)

ALERTS = Measurement(
    name="alerts",
    columns=(
        TENANT,
        BUILDING,
        Column("sensor_id", "text", description="Sensor that raised the alert."),
        Column(
            "severity",
            "text",
            categories=("info", "low", "medium", "warning", "high", "error", "critical"),
            description="E.g. info, warning, critical.",
        ),
        Column("alert_type", "text", description="Kind of alert."),
        TIME,
        Column("message", "text", required=True, description="What people read."),
        Column("resolved", "boolean", description="Whether somebody has dealt with it."),
    ),
    key=("tenant_id", "building_id", "sensor_id", "severity", "alert_type", "time"),
    references=(IN_BUILDING, OF_SENSOR),
    description="Alerts that sensors or rules raised.",
)

MEASUREMENTS: Mapping[str, Measurement] = {
    measurement.name: measurement for measurement in (SENSOR_DATA, ENERGY_CONSUMPTION, PREDICTIONS, ALERTS)
}
