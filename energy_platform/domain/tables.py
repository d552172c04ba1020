"""The tables in PostgreSQL that an estate feeds: columns, keys and limits.

Every table is owned by a tenant (`tenant_id` first in its key). What a source knows beyond these columns goes, under
the names that estate.yaml gives it, into `attributes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from energy_platform.domain.contracts import Column, Contract, Reference
from energy_platform.domain.measurements import BUILDING, IN_BUILDING, OF_SENSOR, TENANT, TIME
from energy_platform.domain.registers import CORRECTIONS_TABLE, KINDS

ATTRIBUTES = Column("attributes", "json", description="What the source knows beyond the columns, as a JSON object.")


#: ISO 4217 codes of the money that estates have named so far, and of the large currencies.
CURRENCIES = ("KRW", "EUR", "USD", "GBP", "JPY", "CNY", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "CAD", "AUD", "INR")


def _table(
    name: str,
    key: tuple[str, ...],
    *columns: Column,
    description: str,
    references: tuple[Reference, ...] = (),
    in_order: tuple[tuple[str, str], ...] = (),
) -> Contract:
    return Contract(
        name,
        (TENANT, *columns, ATTRIBUTES),
        ("tenant_id", *key),
        references=references,
        in_order=in_order,
        description=description,
    )


TENANTS = _table(
    "tenants", (), Column("name", "text", required=True, description="Name of the tenant."), description="Who pays."
)

BUILDINGS = _table(
    "buildings",
    ("building_id",),
    BUILDING,
    Column("name", "text", description="Name of the building."),
    Column("building_type", "text", description="Use, e.g. office."),
    Column("address", "text", description="Postal address."),
    Column("timezone", "text", description="IANA zone, where it is not the estate's."),
    Column("floor_area_m2", "float", unit="m²", minimum=0.0, description="Heated floor area."),
    Column("floors", "integer", description="Number of floors."),
    Column("year_built", "integer", description="Year of construction."),
    Column("latitude", "float", unit="°", minimum=-90.0, maximum=90.0, description="WGS 84."),
    Column("longitude", "float", unit="°", minimum=-180.0, maximum=180.0, description="WGS 84."),
    description="Buildings, from the register or derived from the data.",
)

SENSORS = _table(
    "sensors",
    ("sensor_id",),
    Column("sensor_id", "text", required=True, description="Code of the sensor."),
    Column("building_id", "text", description="Building it stands in."),
    Column("name", "text", description="Name of the sensor."),
    Column("sensor_type", "text", description="What it measures."),
    Column("unit", "text", description="Unit of its readings."),
    Column("floor", "integer", description="Floor it stands on."),
    Column("room_type", "text", description="Kind of room."),
    Column("mqtt_topic", "text", description="Topic it publishes to."),
    Column("http_endpoint", "text", description="Address it can be asked at."),
    Column("update_interval_seconds", "float", unit="s", minimum=0.0, description="Expected interval of readings."),
    Column("minimum", "float", description="Lower comfort limit."),
    Column("maximum", "float", description="Upper comfort limit."),
    Column("critical_minimum", "float", description="Lower alarm limit."),
    Column("critical_maximum", "float", description="Upper alarm limit."),
    references=(IN_BUILDING,),
    in_order=(
        ("minimum", "maximum"),
        ("critical_minimum", "critical_maximum"),
        ("critical_minimum", "minimum"),
        ("maximum", "critical_maximum"),
    ),
    description="Sensors, from the register or derived from the data.",
)

SENSOR_STATUS = _table(
    "sensor_status",
    ("sensor_id",),
    Column("sensor_id", "text", required=True, description="Code of the sensor."),
    Column("sensor_type", "text", description="What it measures."),
    Column(
        "status",
        "text",
        categories=("online", "offline", "active", "inactive", "normal", "warning", "error", "maintenance"),
        description="Last known state, e.g. online.",
    ),
    Column("last_reading", "float", description="Last value the gateway saw."),
    Column("last_update", "time", past=True, description="When the gateway saw it, UTC."),
    references=(OF_SENSOR,),
    description="Last known state of each sensor.",
)

USERS = _table(
    "users",
    ("user_id",),
    Column("user_id", "text", required=True, description="Identity of the user."),
    Column("email", "text", personal=True, description="E-mail address."),
    Column("name", "text", personal=True, description="Name of the person."),
    Column("role", "text", description="What the user may do."),
    Column("password_hash", "text", personal=True, description="Hash of the password."),
    Column("active", "boolean", description="Whether the user may sign in."),
    Column("created_at", "time", past=True, description="When the account was made, UTC."),
    description="People who use the product.",
)

SUBSCRIPTIONS = _table(
    "subscriptions",
    ("subscription_id",),
    Column("subscription_id", "text", required=True, description="Identity of the subscription."),
    Column("plan", "text", description="Plan that was bought."),
    Column(
        "status",
        "text",
        categories=("active", "trial", "paused", "suspended", "cancelled", "canceled", "ended", "expired"),
        description="E.g. active, cancelled.",
    ),
    Column("started_on", "date", description="First day."),
    Column("ended_on", "date", description="Last day, where there is one."),
    Column("monthly_fee", "float", description="Price a month, in `currency`."),
    Column("currency", "text", categories=CURRENCIES, description="ISO 4217 code."),
    in_order=(("started_on", "ended_on"),),
    description="What each tenant has bought.",
)

BILLING = _table(
    "billing",
    ("invoice_id",),
    Column("invoice_id", "text", required=True, description="Identity of the invoice."),
    Column("building_id", "text", description="Building it concerns, where it concerns one."),
    Column("period_start", "date", description="First day billed."),
    Column("period_end", "date", description="Last day billed."),
    Column("energy_kwh", "float", unit="kWh", description="Energy billed."),
    Column("amount", "float", description="Sum, in `currency`."),
    Column("currency", "text", categories=CURRENCIES, description="ISO 4217 code."),
    Column(
        "status",
        "text",
        categories=("draft", "open", "issued", "pending", "paid", "overdue", "cancelled", "canceled", "refunded"),
        description="E.g. open, paid.",
    ),
    Column("issued_on", "date", past=True, description="Day of the invoice."),
    references=(IN_BUILDING,),
    in_order=(("period_start", "period_end"),),
    description="Invoices.",
)

SETTINGS = _table(
    "settings",
    ("name",),
    Column("name", "text", required=True, description="Name of the setting."),
    Column("value", "text", description="Its value."),
    description="Settings that tenants made.",
)

MODELS = _table(
    "models",
    ("name",),
    Column("name", "text", required=True, description="File name without its ending."),
    Column("file_name", "text", required=True, description="File name."),
    Column("size_bytes", "integer", required=True, unit="B", description="Size of the file."),
    Column("sha256", "text", required=True, description="SHA-256 of the file, and its key in the object store."),
    Column("format", "text", description="How it was written, e.g. pickle, joblib."),
    Column("framework", "text", description="Library of the model, found statically."),
    Column("class_name", "text", description="Class of the model, found statically."),
    Column("library_version", "text", description="Version of the library that wrote it, where it can be found."),
    Column("problem", "text", description="Why the file could not be read to its end; empty where it could."),
    Column("references", "json", description="Every module and name that unpickling would import."),
    description="Trained models, read statically: nothing was unpickled.",
)

MODEL_SCORES = _table(
    "model_scores",
    ("model",),
    Column("model", "text", required=True, description="Name of the model."),
    Column("rmse", "float", finite=False, unit="kW", description="Root mean squared error."),
    Column("mae", "float", finite=False, unit="kW", description="Mean absolute error."),
    Column("r2", "float", finite=False, description="Coefficient of determination."),
    Column("mape", "float", finite=False, unit="%", description="Mean absolute percentage error; may be infinite."),
    Column("cv_r2_mean", "float", finite=False, description="Mean R² over the folds."),
    Column("cv_r2_std", "float", finite=False, description="Standard deviation of R² over the folds."),
    description="Scores of the prototype's models.",
)

FEATURE_IMPORTANCES = _table(
    "feature_importances",
    ("model", "feature"),
    Column("model", "text", description="Name of the model; empty where the source names none."),
    Column("feature", "text", required=True, description="Name of the feature."),
    Column("importance", "float", description="Share of the model's gain."),
    description="What the prototype's models look at.",
)

REGISTER_CORRECTIONS = _table(
    CORRECTIONS_TABLE,
    ("building_id", "meter_id", "time"),
    BUILDING,
    Column("meter_id", "text", required=True, description="Code of the meter."),
    replace(TIME, description="Instant of the first reading that is corrected, UTC."),
    Column("kind", "text", required=True, categories=KINDS, description="What happened to the register."),
    Column("before_kwh", "float", unit="kWh", description="Register at the reading before."),
    Column("after_kwh", "float", unit="kWh", description="Register at this reading."),
    Column("added_kwh", "float", unit="kWh", description="To be added from here on, so that the register runs on."),
    Column("source", "text", required=True, description="Source of the readings."),
    references=(IN_BUILDING,),
    description="Every correction of a meter's register, from which the register as it was read can be restored.",
)

TABLES: Mapping[str, Contract] = {
    table.name: table
    for table in (
        TENANTS,
        BUILDINGS,
        SENSORS,
        SENSOR_STATUS,
        USERS,
        SUBSCRIPTIONS,
        BILLING,
        SETTINGS,
        MODELS,
        MODEL_SCORES,
        FEATURE_IMPORTANCES,
        REGISTER_CORRECTIONS,
    )
}
