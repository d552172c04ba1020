"""The verbs `quarantine`, `replay` and `repair`, one after the other, as a person uses them."""

from __future__ import annotations

from pathlib import Path

import pytest

from energy_platform.cli.main import run
from energy_platform.settings import Settings

ESTATE = """\
estate: mending
timezone: Asia/Seoul
first_day: 2025-05-01
last_day: 2025-05-02
tenant: {code: mending, name: Mending}
energy:
  - {csv: power.csv, time: at, building: building, power_kw: kw}
tables:
  users: {csv: users.csv}
"""
#: More than the rows that are refused by enough for a day to be loaded.
FINE = "".join(f"2025-05-0{day} {hour:02}:00:00,B1,{hour}.5\n" for day in (1, 2) for hour in range(24))
ALLOWED = ("--max-error-ratio", "0.6")


@pytest.fixture
def estate(tmp_path: Path, clean_stores: Settings, store_environment: Settings) -> str:
    (tmp_path / "estate.yaml").write_text(ESTATE, encoding="utf-8")
    (tmp_path / "power.csv").write_text(f"at,building,kw\n{FINE}2025-05-02 07:30:00,B1,[b]much[/b]\n", encoding="utf-8")
    users = "user_id,email,role\nu1,ann@example.org,user\n,bob@example.org,user\n"
    (tmp_path / "users.csv").write_text(users, encoding="utf-8")
    return str(tmp_path)


def test_a_row_is_found_mended_taken_back_and_withdrawn(
    estate: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(code: int, *arguments: str) -> str:
        assert run(list(arguments)) == code
        captured = capsys.readouterr()
        return captured.out + captured.err

    said(0, "migrate", estate, *ALLOWED)
    counts = said(0, "quarantine", "list", estate)
    assert "2 rows in quarantine" in counts
    assert "not_a_number" in counts
    assert "Text, or a value of another kind" in counts
    assert "holds no such row" in said(0, "quarantine", "list", estate, "--day", "2025-05-01")
    listed = said(0, "quarantine", "list", estate, "--rows")
    assert "[b]much[/b]" in listed
    assert "bob@example.org" not in listed
    shown = said(0, "quarantine", "show", "power.csv", "49", estate)
    assert "2025-05-02 07:30:00" in shown
    assert "bob@example.org" not in said(0, "quarantine", "show", "users.csv", "2", estate)
    assert "no row '7'" in said(2, "quarantine", "show", "power.csv", "7", estate)

    file = tmp_path.parent / f"{tmp_path.name}.csv"
    assert "2 rows written" in said(0, "quarantine", "export", str(file), estate)
    assert "there already" in said(2, "quarantine", "export", str(file), estate)
    content = file.read_text(encoding="utf-8-sig")
    assert "bob@example.org" in content
    file.write_text(content.replace("[b]much[/b]", "7.25"), encoding="utf-8")

    taken = said(0, "replay", str(file), estate, *ALLOWED)
    assert "1 mended lines taken back, 0 were before, 1 not touched, 0 refused" in taken
    assert "Proved." in taken
    assert "1 rows in quarantine" in said(0, "quarantine", "list", estate)
    history = said(0, "quarantine", "list", estate, "--mended")
    assert "[b]much[/b] → 7.25" in history

    undone = said(1, "replay", "--withdraw", str(file), estate, *ALLOWED)
    assert "1 rows are again what their files hold" in undone
    assert "energy-platform repair" in undone
    assert "nothing was removed" in said(2, "repair", estate, "--remove", "--confirm", "other")
    removed = said(0, "repair", estate, "--remove", "--yes", *ALLOWED)
    assert "1 removed" in removed
    assert "Proved." in removed
    assert "no-go" not in said(0, "verify", estate, "--html", str(tmp_path.parent / "page.html"))
    page = (tmp_path.parent / "page.html").read_text(encoding="utf-8")
    assert "not_a_number" in page
    assert "example.org" not in page
