"""The small files: the sensor register, the tables of tenants, people and money, model scores, and model files."""

from __future__ import annotations

import base64
import csv
import json
import pickle
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from energy_platform.sample.buildings import (
    ROOM_TYPES,
    SENSOR_TYPES,
    SENSOR_UNITS,
    USES,
    Buildings,
)
from energy_platform.sample.options import SampleOptions
from energy_platform.sample.randomness import random_of
from energy_platform.sample.weather import Floats

if TYPE_CHECKING:
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

_USE_NAMES = dict(zip(USES, ("오피스", "학교", "상가", "아파트", "공장"), strict=True))
_SENSOR_NAMES = dict(zip(SENSOR_TYPES, ("온도센서", "습도센서", "인원센서", "전력센서"), strict=True))
_PRICE_PER_KWH = 152.3

MODEL_NAMES = (
    "Linear_Regression", "Ridge_Regression", "Lasso_Regression", "Random_Forest", "Gradient_Boosting", "Seasonal_Naive",
)  # fmt: skip

FEATURES = (
    "occupancy", "hour", "temperature", "is_weekend", "power_lag_24h", "power_lag_168h", "is_holiday", "humidity",
    "cooling_degree_days", "heating_degree_days", "day_of_week", "month",
)  # fmt: skip

BUILDING_COLUMNS = (
    "building_id", "name", "building_type", "address", "floor_area_m2", "floors", "year_built", "latitude", "longitude",
)  # fmt: skip

BILLING_COLUMNS = (
    "invoice_id", "building_id", "period_start", "period_end", "energy_kwh", "amount", "currency", "status",
    "issued_on",
)  # fmt: skip


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Writes a small CSV file; the answer is its number of rows."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def write_sensor_config(path: Path, options: SampleOptions, buildings: Buildings, thresholds: Floats) -> int:
    """Writes the sensor register: an object of arrays by kind, one sensor a line. The answer is how many sensors."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write('{\n  "sensors": {')
        for kind, sensor_type in enumerate(SENSOR_TYPES):
            stream.write(f'{"," if kind else ""}\n    "{sensor_type}_sensors": [')
            for index in range(len(buildings)):
                entry = _sensor(options, buildings, thresholds, index, kind)
                stream.write(f"{',' if index else ''}\n      {json.dumps(entry, ensure_ascii=False)}")
                count += 1
            stream.write("\n    ]")
        stream.write("\n  }\n}\n")
    return count


def _sensor(options: SampleOptions, buildings: Buildings, thresholds: Floats, index: int, kind: int) -> dict[str, Any]:
    building, code = buildings.codes[index], buildings.sensor_codes[index, kind]
    sensor_type = SENSOR_TYPES[kind]
    floor = int(buildings.sensor_floor[index, kind])
    room = ROOM_TYPES[int(buildings.sensor_room[index, kind])]
    low, high, critical_low, critical_high = (float(limit) for limit in thresholds[index, kind])
    return {
        "id": code,
        "name": f"{floor}층 {_SENSOR_NAMES[sensor_type]}",
        "building_id": building,
        "floor": floor,
        "room_type": room,
        "mqtt_topic": f"building/{building}/floor{floor}/{room}/{sensor_type}",
        "http_endpoint": f"http://sensor-gateway.example.com:8080/api/sensors/{code}",
        "update_interval": options.interval_minutes * 60 * (1 if kind >= 2 else 2),
        "unit": SENSOR_UNITS[kind],
        "thresholds": {"min": low, "max": high, "critical_min": critical_low, "critical_max": critical_high},
    }


def write_tables(folder: Path, options: SampleOptions, buildings: Buildings, monthly_kwh: Floats) -> dict[str, int]:
    """Writes the tables of the business as CSV; `monthly_kwh` has shape (buildings, months). Rows by file name."""
    random = random_of(options.seed, "registers", 1)
    people = max(4, min(200, 2 + len(buildings)))
    return {
        "tenants.csv": write_csv(folder / "tenants.csv", ("code", "name"), [(options.tenant, "예시에너지 주식회사")]),
        "buildings.csv": write_csv(
            folder / "buildings.csv",
            BUILDING_COLUMNS,
            _buildings(buildings, random),
        ),
        "users.csv": write_csv(
            folder / "users.csv",
            ("user_id", "email", "name", "role", "password_hash", "active", "created_at"),
            _users(options, people, random),
        ),
        "subscriptions.csv": write_csv(
            folder / "subscriptions.csv",
            ("subscription_id", "plan", "status", "started_on", "ended_on", "monthly_fee", "currency"),
            _subscriptions(options, len(buildings)),
        ),
        "billing.csv": write_csv(
            folder / "billing.csv",
            BILLING_COLUMNS,
            _billing(options, buildings, monthly_kwh),
        ),
        "settings.csv": write_csv(
            folder / "settings.csv",
            ("name", "value"),
            [
                ("alert_language", "ko"),
                ("comfort_band_celsius", "18-27"),
                ("currency", "KRW"),
                ("forecast_horizon_days", "7"),
                ("price_per_kwh", str(_PRICE_PER_KWH)),
                ("report_recipients", "user001@example.com"),
            ],
        ),
    }


def _buildings(buildings: Buildings, random: np.random.Generator) -> Iterator[Sequence[Any]]:
    for index, code in enumerate(buildings.codes.tolist()):
        use = USES[int(buildings.use[index])]
        yield (
            code,
            f"예시 {_USE_NAMES[use]} {index + 1}호",
            use,
            f"서울특별시 예시구 가상로 {index + 1}",
            float(buildings.floor_area[index]),
            int(buildings.floors[index]),
            int(random.integers(1985, 2023)),
            round(37.55 + 0.1 * float(random.uniform(-1, 1)), 5),
            round(126.98 + 0.15 * float(random.uniform(-1, 1)), 5),
        )


def _users(options: SampleOptions, people: int, random: np.random.Generator) -> Iterator[Sequence[Any]]:
    def encoded(size: int) -> str:
        return base64.b64encode(random.bytes(size)).decode().rstrip("=")

    for number in range(1, people + 1):
        role = "admin" if number == 1 else "operator" if number <= 1 + people // 3 else "viewer"
        created = options.start - timedelta(days=int(random.integers(1, 400)))
        second = int(random.integers(9 * 3600, 18 * 3600))
        # looks like argon2id, but is random: no password has this hash
        password_hash = f"$argon2id$v=19$m=65536,t=3,p=4${encoded(16)}${encoded(32)}"
        yield (
            f"U{number:03d}",
            f"user{number:03d}@example.com",
            f"사용자 {number}",
            role,
            password_hash,
            "false" if number % 7 == 0 else "true",
            f"{created.isoformat()}T{second // 3600:02d}:{second % 3600 // 60:02d}:{second % 60:02d}",
        )


def _subscriptions(options: SampleOptions, buildings: int) -> Iterator[Sequence[Any]]:
    trial_end = options.start - timedelta(days=1)
    trial_start = trial_end - timedelta(days=29)
    yield ("S001", "trial", "ended", trial_start.isoformat(), trial_end.isoformat(), 0, "KRW")
    yield ("S002", "professional", "active", options.start.isoformat(), None, 90_000 * buildings, "KRW")


def months_of(options: SampleOptions) -> list[tuple[date, date]]:
    """First and last day of every calendar month of the sample, cut at its ends."""
    months: list[tuple[date, date]] = []
    first = options.start
    while first <= options.end:
        next_month = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        months.append((first, min(next_month - timedelta(days=1), options.end)))
        first = next_month
    return months


def _billing(options: SampleOptions, buildings: Buildings, monthly_kwh: Floats) -> Iterator[Sequence[Any]]:
    months = months_of(options)
    for month, (first, last) in enumerate(months):
        for index, code in enumerate(buildings.codes.tolist()):
            energy = round(float(monthly_kwh[index, month]), 2)
            yield (
                f"INV-{first:%Y-%m}-{code}",
                code,
                first.isoformat(),
                last.isoformat(),
                energy,
                float(round(energy * _PRICE_PER_KWH)),
                "KRW",
                "open" if month == len(months) - 1 else "paid",
                (last + timedelta(days=5)).isoformat(),
            )


def write_model_scores(folder: Path, options: SampleOptions) -> dict[str, int]:
    """Writes scores and feature importances: the first column of the scores has no name, and MAPE may be infinite."""
    random = random_of(options.seed, "registers", 2)
    scores: list[Sequence[Any]] = []
    for number, name in enumerate(MODEL_NAMES):
        rmse = 14.0 / (1 + number) + float(random.uniform(0.5, 1.5))
        r2 = 1 - (rmse / 22.0) ** 2
        # hours of zero consumption make the percentage error of these infinite
        mape = "inf" if number % 3 != 2 else repr(round(float(random.uniform(3, 12)), 6))
        scores.append(
            (
                name,
                round(rmse, 9),
                round(rmse * float(random.uniform(0.4, 0.8)), 9),
                round(r2, 9),
                mape,
                round(r2 - float(random.uniform(0.01, 0.1)), 9),
                round(float(random.uniform(0.01, 0.1)), 9),
            )
        )
    shares = np.sort(random.dirichlet(np.full(len(FEATURES), 0.6)))[::-1]
    importances = [(name, round(float(share), 8)) for name, share in zip(FEATURES, shares.tolist(), strict=True)]
    return {
        "model_performance.csv": write_csv(
            folder / "model_performance.csv", ("", "RMSE", "MAE", "R2", "MAPE", "CV_R2_mean", "CV_R2_std"), scores
        ),
        "feature_importance.csv": write_csv(folder / "feature_importance.csv", ("feature", "importance"), importances),
    }


def write_models(folder: Path, options: SampleOptions, weekly_profile_kw: Floats) -> int:
    """Writes three PKL files: a dictionary with an array, and a scaler and a regression that scikit-learn has fitted.

    The same options give the same bytes: what was fitted is rounded, since its last digits differ between processors.

    Args:
        folder: is made where it is missing.
        options: of the sample.
        weekly_profile_kw: 168 hours from Monday 0 h.

    Returns:
        how many files.
    """
    folder.mkdir(exist_ok=True)
    scaler, regression = _fitted_models(random_of(options.seed, "registers", 3), weekly_profile_kw)
    models = {
        "Seasonal_Naive.pkl": {
            "kind": "seasonal-naive",
            "version": 1,
            "weekly_profile_kw": np.round(weekly_profile_kw, 3),
        },
        "Ridge_Regression.pkl": regression,
        "scaler.pkl": scaler,
    }
    for name, model in models.items():
        (folder / name).write_bytes(pickle.dumps(model, protocol=4))
    return len(models)


def _fitted_models(random: np.random.Generator, weekly_profile_kw: Floats) -> tuple[StandardScaler, Ridge]:
    """A scaler of the features, and a regression of the power on what it gives, fitted to the hours of a week."""
    # imported here, since it takes a second
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    centres, spreads = random.uniform(0.0, 30.0, len(FEATURES)), random.uniform(0.5, 9.0, len(FEATURES))
    features = random.normal(centres, spreads, (len(weekly_profile_kw), len(FEATURES)))
    scaler = StandardScaler().fit(features)
    for fitted in ("mean_", "var_", "scale_"):
        setattr(scaler, fitted, np.round(getattr(scaler, fitted), 6))
    regression = Ridge(alpha=1.0).fit(scaler.transform(features), weekly_profile_kw)
    regression.coef_ = np.round(regression.coef_, 6)
    regression.intercept_ = round(float(regression.intercept_), 6)
    for model in (scaler, regression):
        vars(model)["feature_names_in_"] = np.array(FEATURES, dtype=object)
    return scaler, regression
