"""Every reason code is explained to users, with an example and a remedy each."""

from __future__ import annotations

from pathlib import Path

from energy_platform.domain.contracts import REASONS

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "quarantine.md"


def test_every_reason_has_an_example_and_a_remedy_and_no_other_is_explained() -> None:
    lines = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    rows = {cells[1].strip().strip("`"): cells for line in lines if (cells := line.split("|"))}
    assert list(rows) == list(REASONS)
    for code, cells in rows.items():
        example, remedy = cells[2].strip(), "|".join(cells[3:-1]).strip()
        assert len(example) > 3, code
        assert remedy.endswith("."), code
