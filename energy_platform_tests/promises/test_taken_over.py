"""Files that are gone because their rows stand in others now: renamed, cut, joined, exported anew, or left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from energy_platform.settings import Settings
from energy_platform.transfer.repair import remove, unaccounted
from energy_platform_tests.promises.pipeline import kind_of, load, opened, verify
from energy_platform_tests.promises.target import delete_points, execute, ledger_of, points_in, quarantine_of, rows_in

ESTATE = """
estate: {name}
timezone: Asia/Seoul
first_day: 2024-01-01
last_day: open
tenant: {{code: {name}, name: Ours}}
energy:
  - {{csv: "meters/*.csv", time: when, building: building, power_kw: kw}}
tables:
  users: {{csv: "people/*.csv"}}
"""
POWER = "timeseries/energy_consumption"
WHEN, PEOPLE = "when,building,kw\n", "user_id,email\n"
FIRST, SECOND = "2025-01-01 00:00,B1,1\n2025-01-01 01:00,B2,2\n", "2025-01-02 00:00,B1,3\n"
BAD, SOON = "2025-01-01 02:00,B1,much\n", "soon,B1,4\n"
ONE, TWO = "1,one@here.example\n", "2,two@here.example\n"


@pytest.fixture
def folder(request: pytest.FixtureRequest, target: Settings, tmp_path: Path) -> Path:
    name = f"taken_{kind_of(target)}_{request.node.originalname[-14:]}".rstrip("_")
    folder = tmp_path / name
    for kind in ("meters", "people"):
        (folder / kind).mkdir(parents=True)
    (folder / "estate.yaml").write_text(ESTATE.format(name=name))
    return folder


def write(folder: Path, meters: dict[str, str], people: dict[str, str]) -> None:
    """Make these the files of the estate, and no others."""
    for kind, header, files in (("meters", WHEN, meters), ("people", PEOPLE, people)):
        for path in (folder / kind).iterdir():
            if path.stem not in files:
                path.unlink()
        for name, rows in files.items():
            path = folder / kind / f"{name}.csv"
            if not path.exists() or path.read_text() != header + rows:
                path.write_text(header + rows)


def loaded(settings: Settings, folder: Path) -> list[str]:
    """Load all; what is not proven."""
    reports = load(settings, folder, max_error_ratio=1.0)
    return [f"{asset} {item.partition}" for asset, report in reports.items() for item in report.unproven]


def sources_in(settings: Settings, folder: Path) -> dict[str, int]:
    """How many rows the ledger counts as loaded by each source."""
    found: dict[str, int] = {}
    for entry in ledger_of(settings, folder.name).values():
        for name, account in entry["facts"].get("accounts", {}).items():
            found[name] = found.get(name, 0) + account["loaded"]
    return found


@pytest.mark.parametrize(
    ("meters", "people"),
    [
        ({"b": FIRST + SECOND}, {"b": ONE + TWO}),
        ({"b": FIRST, "c": SECOND}, {"b": ONE, "c": TWO}),
        ({"b": FIRST + SECOND + "2025-01-02 05:00,B2,5\n"}, {"b": ONE + TWO + "3,three@here.example\n"}),
        ({"b": FIRST.replace(",2\n", ",2.5\n") + SECOND}, {"b": ONE.replace("one", "uno") + TWO}),
    ],
    ids=["renamed", "cut", "renamed and grown", "exported anew with other values"],
)
def test_rows_that_stand_in_other_files_now_are_counted_once(
    target: Settings, folder: Path, meters: dict[str, str], people: dict[str, str], request: pytest.FixtureRequest
) -> None:
    code = f"{folder.name}_{len(request.node.callspec.id)}"
    (folder / "estate.yaml").write_text(ESTATE.format(name=code))
    write(folder, {"a": FIRST + SECOND}, {"a": ONE + TWO})
    assert loaded(target, folder) == []
    write(folder, meters, people)
    assert loaded(target, folder) == []
    report = verify(target, folder)
    assert (report.findings, report.warnings) == ([], [])
    rows = "".join(meters.values()).count("\n")
    points = points_in(target, code)["energy_consumption"]
    assert sorted(fields["power_kw"] for fields in points.values()) == sorted(
        float(line.rsplit(",", 1)[1]) for line in "".join(meters.values()).splitlines()
    )
    assert {row["email"] for row in rows_in(target, "users", code).values()} == {
        line.split(",")[1] for line in "".join(people.values()).splitlines()
    }
    with opened(target, folder) as platform:
        assert "a.csv" not in "".join(spec.name for spec in platform.estate.sources)
    entries = ledger_of(target, code)
    assert sum(entry["rows"] for (asset, _), entry in entries.items() if asset == POWER) == rows


def test_files_that_were_joined_are_counted_once(target: Settings, folder: Path) -> None:
    write(folder, {"a": FIRST, "b": SECOND}, {"a": ONE, "b": TWO})
    assert loaded(target, folder) == []
    write(folder, {"ab": FIRST + SECOND}, {"ab": ONE + TWO})
    assert loaded(target, folder) == []
    assert verify(target, folder).findings == []
    assert sources_in(target, folder) == {"meters/ab.csv": 3, "people/ab.csv": 2}


def test_what_a_gone_file_held_stands_while_others_grow(target: Settings, folder: Path) -> None:
    write(folder, {"a": FIRST, "b": SECOND}, {"a": ONE, "b": TWO})
    assert loaded(target, folder) == []
    # as many rows as were in the file that is gone, on its day, but not in place of them
    grown = SECOND + "2025-01-01 00:30,B1,7\n2025-01-01 01:30,B2,8\n"
    write(folder, {"b": grown}, {"b": TWO + "3,three@here.example\n"})
    assert loaded(target, folder) == []
    assert verify(target, folder).findings == []
    assert len(points_in(target, folder.name)["energy_consumption"]) == 5
    assert set(rows_in(target, "users", folder.name)) == {(folder.name, number) for number in "123"}
    assert sources_in(target, folder) == {
        "meters/a.csv": 2,
        "meters/b.csv": 3,
        "people/a.csv": 1,
        "people/b.csv": 2,
    }


def test_rows_of_a_gone_file_that_somebody_removes_are_missed(target: Settings, folder: Path) -> None:
    write(folder, {"a": FIRST, "b": SECOND}, {"a": ONE, "b": TWO})
    assert loaded(target, folder) == []
    write(folder, {"b": SECOND}, {"b": TWO})
    assert loaded(target, folder) == []
    execute(target, "DELETE FROM energy.users WHERE tenant_id = %s AND user_id = '1'", folder.name)
    if target.influx_url:
        predicate = f'tenant_id="{folder.name}" AND building_id="B2"'
        delete_points(target, "2024-01-01T00:00:00Z", "2026-01-01T00:00:00Z", predicate)
    else:
        removal = "DELETE FROM timeseries.energy_consumption WHERE tenant_id = %s AND building_id = 'B2'"
        execute(target, removal, folder.name)
    found = [("postgres/users", "all"), (POWER, "2025-01-01")]
    for _ in range(2):
        assert [(each.asset, each.partition) for each in verify(target, folder).findings] == found
        assert loaded(target, folder) == ["postgres/users all", f"{POWER} 2025-01-01"]


def test_refused_rows_of_a_gone_file_stay_in_the_quarantine(target: Settings, folder: Path) -> None:
    write(folder, {"a": FIRST + BAD + SOON, "b": SECOND}, {"a": ONE + ",nobody@here.example\n", "b": TWO})
    assert loaded(target, folder) == []
    refused = {
        ("meters/a.csv", "3", "not_a_number"),
        ("meters/a.csv", "4", "unreadable_time"),
        ("people/a.csv", "2", "missing_key"),
    }
    assert quarantine_of(target, folder.name) == refused
    later = SECOND + "2025-01-01 05:00,B2,much\n"
    write(folder, {"b": later}, {"b": TWO + ",somebody@here.example\n"})
    assert loaded(target, folder) == []
    assert quarantine_of(target, folder.name) == refused | {
        ("meters/b.csv", "2", "not_a_number"),
        ("people/b.csv", "2", "missing_key"),
    }
    assert verify(target, folder).findings == []


def test_a_gone_file_of_which_others_hold_a_part_is_left_out_by_name(target: Settings, folder: Path) -> None:
    write(folder, {"a": FIRST, "b": SECOND}, {"a": ONE, "b": TWO})
    assert loaded(target, folder) == []
    write(folder, {"b": SECOND, "c": FIRST.splitlines(keepends=True)[0]}, {"b": TWO, "c": ONE})
    assert loaded(target, folder) == [f"{POWER} 2025-01-01"]
    (reason,) = [finding.reason for finding in verify(target, folder).findings]
    assert "meters/a.csv" in reason
    assert "`ignore:`" in reason
    text = (folder / "estate.yaml").read_text()
    (folder / "estate.yaml").write_text(f"{text}ignore: {{meters/a.csv: the rest of it is thrown away}}\n")
    assert loaded(target, folder) == ["postgres/buildings all", f"{POWER} 2025-01-01"]
    with opened(target, folder) as platform:
        items = unaccounted(platform)
        assert [(item.asset, item.points.height) for item in items] == [("postgres/buildings", 1), (POWER, 1)]
        assert remove(platform, items) == 2
    assert loaded(target, folder) == []
    assert verify(target, folder).findings == []
    assert len(points_in(target, folder.name)["energy_consumption"]) == 2
