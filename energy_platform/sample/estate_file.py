"""The estate.yaml of a sample: every file and column mapped, or ignored with a reason."""

from __future__ import annotations

from energy_platform.sample.options import SampleOptions

_TEMPLATE = """\
# What each file of this folder is. Made by `energy-platform sample`; manifest.json lists what was planted in it.
estate: {estate}
timezone: {timezone}
first_day: {first_day}
last_day: {last_day}
tenant: {{code: {tenant}, name: 예시에너지 주식회사}}

readings:
  - sqlite: sensor_readings.db
    table: sensor_readings
    key: id
    time: timestamp
    building: building_id
    sensor: sensor_id
    type: sensor_type
    value: value
    unit: unit
    confidence: confidence
    status: status
    floor: floor
    room_type: room_type

energy:
  - csv: building_data.csv
    time: timestamp
    building: building_id
    power_kw: power_consumption
    temperature_c: temperature
    humidity_pct: humidity
    occupancy: occupancy
    ignore:
      floor: always 1, where the main meter hangs
      room_type: follows from the use of the building, which buildings.csv names

alerts:
  - sqlite: sensor_readings.db
    table: alerts
    key: id
    time: timestamp
    building: {{from: sensor}}
    sensor: sensor_id
    severity: severity
    type: alert_type
    message: message
    resolved: resolved

tables:
  tenants: {{csv: tenants.csv, tenant: {{column: code}}, name: name}}
  buildings:
    csv: buildings.csv
    building_id: building_id
    name: name
    building_type: building_type
    address: address
    floor_area_m2: floor_area_m2
    floors: floors
    year_built: year_built
    latitude: latitude
    longitude: longitude
  sensors:
    json: sensor_config.json
    at: sensors
    sensor_id: id
    building_id: building_id
    name: name
    sensor_type:
      column: "@group"
      map:
        temperature_sensors: temperature
        humidity_sensors: humidity
        occupancy_sensors: occupancy
        power_sensors: power
    unit: unit
    floor: floor
    room_type: room_type
    mqtt_topic: mqtt_topic
    http_endpoint: http_endpoint
    update_interval_seconds: update_interval
    minimum: thresholds.min
    maximum: thresholds.max
    critical_minimum: thresholds.critical_min
    critical_maximum: thresholds.critical_max
  sensor_status:
    sqlite: sensor_readings.db
    table: sensor_status
    sensor_id: sensor_id
    sensor_type: sensor_type
    status: status
    last_reading: last_reading
    last_update: last_update
  users:
    csv: users.csv
    user_id: user_id
    email: email
    name: name
    role: role
    password_hash: password_hash
    active: active
    created_at: created_at
  subscriptions:
    csv: subscriptions.csv
    subscription_id: subscription_id
    plan: plan
    status: status
    started_on: started_on
    ended_on: ended_on
    monthly_fee: monthly_fee
    currency: currency
  billing:
    csv: billing.csv
    invoice_id: invoice_id
    building_id: building_id
    period_start: period_start
    period_end: period_end
    energy_kwh: energy_kwh
    amount: amount
    currency: currency
    status: status
    issued_on: issued_on
  settings: {{csv: settings.csv, name: name, value: value}}
  model_scores:
    csv: model_performance.csv
    model: ""
    rmse: RMSE
    mae: MAE
    r2: R2
    mape: MAPE
    cv_r2_mean: CV_R2_mean
    cv_r2_std: CV_R2_std
  feature_importances:
    csv: feature_importance.csv
    model: {{const: Gradient_Boosting}}
    feature: feature
    importance: importance

models: {{folder: models}}

ignore:
  manifest.json: says what must become of the planted flaws, for tests
"""


def estate_yaml(options: SampleOptions) -> str:
    """The text of estate.yaml."""
    return _TEMPLATE.format(
        estate=options.estate,
        timezone=options.timezone,
        first_day=options.start.isoformat(),
        last_day=options.end.isoformat(),
        tenant=options.tenant,
    )
