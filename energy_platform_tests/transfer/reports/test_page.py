"""The report as a page: whole, harmless, and without anything from elsewhere."""

from __future__ import annotations

from datetime import UTC, date, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from energy_platform.settings import Settings
from energy_platform.transfer.reports.details import Day, Details, details_of
from energy_platform.transfer.reports.page import page_of
from energy_platform.transfer.reports.report import report_of
from energy_platform_tests.promises.pipeline import load, opened, small_estate

VOID = {"meta", "br", "rect", "path", "line"}
HOSTILE = '<script>alert("1")</script>'


class Page(HTMLParser):
    """Checks that every tag is closed in its order; keeps texts and attributes."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def report(**changes: Any) -> dict[str, Any]:
    counts = {"read": 1818, "loaded": 1810, "duplicates": 3, "quarantined": 5, "undated": 1}
    facts: dict[str, Any] = {
        "estate": "sample",
        "environment": "local",
        "proved": True,
        "seconds": 9.1,
        "sources": [{"source": "readings.db/readings", **counts, "reasons": {"out_of_range": 5}}],
        "targets": [
            {"asset": "timeseries/sensor_data", "rows": 1810, "partitions": 7, "fingerprint": "f00", "proved": True}
        ],
    }
    return facts | changes


def details(**changes: Any) -> Details:
    values: dict[str, Any] = {
        "days": {"timeseries/sensor_data": {date(2025, 5, 1): Day(900, 0, True), date(2025, 5, 3): Day(910, 5, False)}},
        "refused": [("readings.db/readings", "out_of_range", 5, datetime(2025, 5, 4, tzinfo=UTC))],
        "mended": {"readings.db/readings": 2},
        "made_at": datetime(2025, 5, 4, 6, 30, tzinfo=UTC),
    }
    return Details(**(values | changes))


def test_it_says_what_a_manager_asks() -> None:
    page = Page(page_of(report(phases={"timeseries/sensor_data": {"reading": 1.25, "writing": 0.5}}), details()))
    for said in ("Proved", "1,818", "1,810", "5 (0.28%)", "1 of 1", "2025-05-01 to 2025-05-03", "2 mended by hand"):
        assert said in page.text
    assert "outside the physical range" in page.text
    assert "1.75 s" in page.text
    assert "Not proved" not in page.text


def test_what_is_not_proved_stands_there_with_its_reason_once() -> None:
    reason = "the target differs: 9 rows instead of 8"
    target = {"asset": "timeseries/alerts", "rows": 9, "partitions": 1, "fingerprint": "", "proved": False}
    facts = report(
        proved=False,
        targets=[{**target, "unproven": {"2025-05-01": reason}}],
        findings=[{"asset": "timeseries/alerts", "source": "a.db", "partition": "2025-05-01", "reason": reason}],
        failures={"timeseries/alerts": reason, "postgres/users": "The server is gone."},
        warnings=["a.csv is retired"],
    )
    page = Page(page_of(facts, details(days={})))
    assert "Not proved" in page.text
    assert page.text.count(reason) == 1
    assert "The server is gone." in page.text
    assert "a.csv is retired" in page.text


def test_nothing_in_it_runs_or_is_fetched() -> None:
    source = {"source": HOSTILE, "read": 1, "loaded": 1, "duplicates": 0, "quarantined": 0, "undated": 0, "reasons": {}}
    target = {"asset": HOSTILE, "rows": 1, "partitions": 1, "fingerprint": HOSTILE, "proved": False}
    facts = report(
        estate=HOSTILE,
        environment=HOSTILE,
        sources=[source],
        targets=[{**target, "unproven": {HOSTILE: HOSTILE}}],
        findings=[{"asset": HOSTILE, "source": HOSTILE, "partition": HOSTILE, "reason": HOSTILE}],
        failures={HOSTILE + "2": HOSTILE},
        warnings=[HOSTILE],
        phases={HOSTILE: {HOSTILE: 1.0}},
    )
    days = {HOSTILE: {date(2025, 5, 1): Day(1, 0, True), date(2025, 5, 2): Day(1, 1, False)}}
    page = Page(page_of(facts, details(days=days, refused=[(HOSTILE, HOSTILE, 1, datetime(2025, 5, 4, tzinfo=UTC))])))
    assert HOSTILE in page.text
    assert not {"script", "link", "img", "iframe", "object", "a"} & set(page.tags)
    assert not {"src", "href", "onload", "onclick"} & {name for name, _ in page.attributes}


@pytest.mark.parametrize("facts", [{"sources": [], "targets": []}, {"proved": False}])
def test_it_stands_where_there_is_nothing_to_show(facts: dict[str, Any]) -> None:
    Page(page_of(report(**facts), Details()))


def test_details_are_numbers_and_no_persons_data(stores: Settings, tmp_path: Any) -> None:
    folder = small_estate(tmp_path, "page")
    load(stores, folder)
    with opened(stores, folder) as platform:
        found = details_of(platform)
        page = page_of(report_of(platform), found)
    assert len(found.days["timeseries/sensor_data"]) == 6
    assert sum(rows for _, _, rows, _ in found.refused) > 0
    people = [line.split(",") for line in (folder / "users.csv").read_text(encoding="utf-8-sig").splitlines()[1:]]
    assert people
    for person in people:
        assert not [value for value in person if "@" in value and value in page]
    Page(page)
