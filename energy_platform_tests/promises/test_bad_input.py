"""Bad input: an exit code, a message with file, row or key, reason and what to do, and nothing half loaded."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from energy_platform.cli import main as cli
from energy_platform.settings import Settings
from energy_platform_tests.promises import target as store
from energy_platform_tests.promises.pipeline import command, small_estate

Damage = Callable[[Path], None]


def edit(old: str, new: str, file: str = "estate.yaml") -> Damage:
    """Replace a text in a file."""

    def change(folder: Path) -> None:
        path = folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def write(file: str, content: bytes) -> Damage:
    """Put other content into a file."""

    def change(folder: Path) -> None:
        (folder / file).write_bytes(content)

    return change


def remove(file: str) -> Damage:
    """Take a file away."""
    return lambda folder: (folder / file).unlink()


def sql(statement: str) -> Damage:
    """Change the database."""

    def change(folder: Path) -> None:
        with closing(sqlite3.connect(folder / "sensor_readings.db")) as database, database:
            database.execute(statement)

    return change


def corrupt(folder: Path) -> None:
    """Overwrite pages in the middle of the database."""
    path = folder / "sensor_readings.db"
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 40_000] = b"\xa5" * 40_000
    path.write_bytes(content)


def append(file: str, content: bytes) -> Damage:
    """Add to the end of a file."""

    def change(folder: Path) -> None:
        with (folder / file).open("ab") as stream:
            stream.write(content)

    return change


@dataclass(frozen=True)
class Case:
    """What is wrong, and what the command must say of it."""

    damage: Damage
    code: int
    facts: tuple[str, ...]


EARLY = {
    "missing folder": Case(shutil.rmtree, 2, ("bad",)),
    "no estate file": Case(remove("estate.yaml"), 2, ("estate.yaml",)),
    "no YAML": Case(write("estate.yaml", b"estate: [sample\n"), 2, ("estate.yaml", "line")),
    "unknown key": Case(edit("power_kw:", "power_kv:"), 2, ("power_kv", "power_kw")),
    "unknown top-level key": Case(edit("timezone:", "timezome:"), 2, ("timezome", "timezone")),
    "wrong type": Case(edit("first_day: ", "first_day: soon # "), 2, ("first_day", "soon")),
    "unknown zone": Case(edit("Asia/Seoul", "Asia/Soul"), 2, ("Asia/Soul", "Asia/Seoul")),
    "missing table": Case(edit("table: sensor_readings", "table: readings"), 2, ("'readings'", "sensor_readings")),
    "missing column": Case(edit("power_consumption", "power_usage"), 2, ("power_usage", "power_consumption")),
    "new column": Case(
        edit("building_id,timestamp", "building_id,co2,timestamp", "building_data.csv"), 2, ("co2", "building_data.csv")
    ),
    "new file": Case(write("notes.txt", b"hello"), 2, ("notes.txt", "ignore")),
    "new table": Case(sql("CREATE TABLE extra (a)"), 2, ("extra", "sensor_readings.db")),
    "empty database": Case(write("sensor_readings.db", b""), 1, ("sensor_readings.db", "empty")),
    "no SQLite": Case(write("sensor_readings.db", b"PK\x03\x04 not a database" * 99), 1, ("no SQLite",)),
    "empty CSV": Case(write("building_data.csv", b""), 1, ("building_data.csv",)),
    "other encoding": Case(append("building_data.csv", b"\xff\xfe\xfa\x80,\x81\n"), 1, ("building_data.csv",)),
    "no JSON": Case(write("sensor_config.json", b'{"sensors": ['), 1, ("sensor_config.json", "line 1")),
}
LATE = {
    # the ledger has to be asked whether a file that is not there is retired
    "missing file": Case(remove("building_data.csv"), 1, ("building_data.csv", "no file")),
    "missing database": Case(remove("sensor_readings.db"), 1, ("sensor_readings.db", "no file")),
    "ragged CSV": Case(
        append("building_data.csv", b"B001,2025-05-26 12:00:00,1\n"), 1, ("building_data.csv", "columns", "ow ")
    ),
    "corrupt database": Case(corrupt, 1, ("sensor_readings.db", "corrupt")),
    "unreadable times": Case(
        sql("UPDATE sensor_readings SET timestamp = 'soon' WHERE id % 3 = 0"),
        1,
        ("sensor_readings.db/sensor_readings", "unreadable_time", "--max-error-ratio", "energy-platform quarantine"),
    ),
    "no numbers": Case(
        sql("UPDATE sensor_readings SET value = 'much' WHERE id % 3 = 0"),
        1,
        ("sensor_readings.db/sensor_readings", "not_a_number", "--max-error-ratio"),
    ),
}


@pytest.mark.parametrize("what", EARLY)
def test_what_is_noticed_before_anything_is_started(
    tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small_estate(tmp_path, "bad", days=2)
    EARLY[what].damage(folder)
    monkeypatch.setattr(
        "energy_platform.local.stores.start_stores", lambda *_, **__: pytest.fail("stores were started")
    )
    monkeypatch.setenv("ENERGY_HOME", str(tmp_path / "home"))
    code = cli.run(["migrate", str(folder)])
    said = capsys.readouterr()
    check(EARLY[what], code, said.err + said.out)
    assert not (tmp_path / "home").exists()


def check(case: Case, code: int, said: str) -> None:
    """The exit code and the facts, and no traceback."""
    assert code == case.code, said
    for fact in case.facts:
        assert fact in said
    assert "Traceback" not in said
    assert "Unexpected" not in said


@pytest.mark.parametrize("what", LATE)
def test_what_is_noticed_while_reading(stores: Settings, tmp_path: Path, what: str) -> None:
    name = f"late_{what.replace(' ', '_').lower()}"
    folder = small_estate(tmp_path, name, days=2)
    LATE[what].damage(folder)
    called = command(stores, folder, "migrate", str(folder), "--max-error-ratio", "0.05")
    check(LATE[what], called.code, called.output)
    found = store.points_in(stores, name)
    assert found["energy_consumption" if "CSV" in what else "sensor_data"] == {}
    if "missing" in what or "CSV" in what or "corrupt" in what:
        assert not any(found.values()), "nothing is half loaded"


def test_a_locked_database(stores: Settings, tmp_path: Path) -> None:
    folder = small_estate(tmp_path, "locked", days=2)
    with closing(sqlite3.connect(folder / "sensor_readings.db", isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        called = command(stores, folder, "migrate", str(folder))
    check(Case(corrupt, 1, ("sensor_readings.db", "locked")), called.code, called.output)


def test_other_encodings_and_separators_are_read(stores: Settings, tmp_path: Path) -> None:
    from energy_platform_tests import oracle
    from energy_platform_tests.promises.pipeline import load

    folder = small_estate(tmp_path, "encodings", days=2)
    expected = oracle.expected_of(folder, oracle.sample_of(folder))
    changed = {"buildings.csv": "cp949", "tenants.csv": "utf-16", "users.csv": "utf-8-sig"}
    for file, encoding in changed.items():
        path = folder / file
        path.write_bytes(path.read_text(encoding="utf-8").replace("\n", "\r\n").encode(encoding))
    path = folder / "building_data.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r"))
    load(stores, folder)
    for table in ("buildings", "tenants", "users"):
        assert oracle.row_differences(expected.rows[table], store.rows_in(stores, table, "encodings")) == []
    assert oracle.point_differences(expected.points, store.points_in(stores, "encodings")) == []


# -- stores ------------------------------------------------------------------------------------------------------------


@contextmanager
def without_a_secret(settings: Settings) -> Iterator[list[str]]:
    """Texts in which no secret of the settings may stand; what stores are called with is added by the caller."""
    texts: list[str] = []
    yield texts
    for secret in secrets_of(settings):
        assert not any(secret in text for text in texts), "a secret was shown"


def secrets_of(settings: Settings) -> set[str]:
    """Passwords and tokens in use."""
    from urllib.parse import unquote, urlsplit

    urls = (settings.postgres_url, settings.postgres_admin_url, settings.postgres_app_url, settings.redis_url)
    found = {unquote(urlsplit(url.get_secret_value()).password or "") for url in urls}
    return {*found, settings.influx_token.get_secret_value()} - {""}


def moved(url: str, *, port: int | None = None, password: str | None = None) -> str:
    """A URL with another port or password."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    user = f"{parts.username or ''}:{password or parts.password}@"
    return parts._replace(netloc=f"{user}{parts.hostname}:{port or parts.port}").geturl()


@pytest.mark.parametrize("store_name", ["POSTGRES", "REDIS", "INFLUX"])
@pytest.mark.parametrize("fault", ["down", "wrong password"])
def test_a_store_that_is_down_or_refuses_the_password(
    request: pytest.FixtureRequest, tmp_path: Path, store_name: str, fault: str
) -> None:
    settings: Settings = request.getfixturevalue("influx" if store_name == "INFLUX" else "stores")
    folder = small_estate(tmp_path, f"{store_name}_{fault}".replace(" ", "_").lower(), days=2)
    wrong = "not-the-password-123"
    changed: dict[str, str] = {}
    if store_name == "INFLUX":
        changed = {"ENERGY_INFLUX_URL": "http://127.0.0.1:1"} if fault == "down" else {"ENERGY_INFLUX_TOKEN": wrong}
        if fault != "down":
            changed["ENERGY_INFLUX_URL"] = settings.influx_url.replace("127.0.0.1", "localhost")
    elif store_name == "REDIS":
        url = settings.redis_url.get_secret_value()
        changed = {"ENERGY_REDIS_URL": moved(url, port=1) if fault == "down" else moved(url, password=wrong)}
    else:
        for name in ("postgres_url", "postgres_admin_url", "postgres_app_url"):
            url = getattr(settings, name).get_secret_value()
            changed[f"ENERGY_{name.upper()}"] = moved(url, port=1) if fault == "down" else moved(url, password=wrong)
    # a home of its own: what is given counts as a server elsewhere
    changed["ENERGY_HOME"] = str(tmp_path / "home")
    with without_a_secret(settings) as texts:
        called = command(settings, folder, "migrate", str(folder), **changed)
        texts.append(called.output)
    assert called.code == 1, called.output
    assert "Traceback" not in called.output
    assert wrong not in called.output
    words = {"down": ("answer", "reach", "refused"), "wrong password": ("password", "token", "refuse")}[fault]
    assert any(word in called.output for word in words), called.output
    assert {"POSTGRES": "postgres", "REDIS": "redis", "INFLUX": "influx"}[store_name] in called.output.lower()
