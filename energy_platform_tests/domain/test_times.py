"""Quick ways of reading times give what the general ones give."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_platform.domain import local_times, time_texts, times
from energy_platform.domain.times import ParsedTimes, parse_times

ZONES = st.sampled_from(["Asia/Seoul", "America/New_York", "Europe/Dublin", "Pacific/Apia", "UTC"]).map(ZoneInfo)
PLAIN = st.sampled_from(
    [
        "2024-12-31 15:00:00",
        "2023-02-29 23:59:59",
        "2024-03-10 02:30:00",
        "2024-11-03 01:30:00",
        "2011-12-30T12:00:00",
        "0001-01-01 00:00:00",
        "9999-12-31 23:59:59",
        "2024-12-31T15:00:00Z",
        "2024-12-31T15:00:00.123456+09:00",
        "2024/12/31 15:00:00.1234567",
        "2024-01-02t03:04:05-05:30",
        "1735657200",
    ]
)
CHANGED = st.tuples(PLAIN, st.integers(0, 40), st.sampled_from("0123456789-+:/. TtZzé\n")).map(
    lambda change: change[0][: change[1]] + change[2] + change[0][change[1] + 1 :]
)
LOCAL = st.datetimes(datetime(1950, 1, 1), datetime(2060, 1, 1))  # noqa: DTZ001  these are local
NEAR = st.integers(-200, 200).map(lambda minutes: datetime(2024, 11, 3, 1) + timedelta(minutes=minutes))  # noqa: DTZ001


def assert_same(found: ParsedTimes, expected: ParsedTimes) -> None:
    assert found.times.to_physical().to_list() == expected.times.to_physical().to_list()
    assert found.times.dtype == pl.Datetime("us", "UTC")
    assert (found.ambiguous, found.nonexistent) == (expected.ambiguous, expected.nonexistent)


@given(st.lists(st.none() | PLAIN | CHANGED, min_size=1, max_size=20), ZONES)
@settings(max_examples=300, deadline=None)
def test_plain_texts_are_read_like_any_other(texts: list[str | None], zone: ZoneInfo) -> None:
    raw = pl.Series("raw", texts, dtype=pl.String)
    assert_same(parse_times(raw, zone), times._parse_others(raw, zone))


@given(st.lists(st.none() | LOCAL | NEAR, max_size=20), ZONES)
@settings(max_examples=300, deadline=None)
def test_offsets_away_from_changes_are_those_of_the_zone(stamps: list[datetime | None], zone: ZoneInfo) -> None:
    naive = pl.Series("naive", stamps, dtype=pl.Datetime("us"))
    assert_same(local_times.localize(naive, zone), local_times.localize_one_by_one(naive, zone))


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2025-03-01 12:00:00", datetime(2025, 3, 1, 3, tzinfo=UTC)),
        ("2025/03/01T12:00:00.5", datetime(2025, 3, 1, 3, 0, 0, 500_000, tzinfo=UTC)),
        ("2025-03-01T12:00:00.1234567Z", datetime(2025, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)),
        ("2025-03-01 12:00:00-05:30", datetime(2025, 3, 1, 17, 30, tzinfo=UTC)),
        ("2025-02-29 12:00:00", None),
        ("2025-03-01 24:00:00", None),
        ("2025-03/01 12:00:00", None),
    ],
)
def test_plain_texts(text: str, instant: datetime | None) -> None:
    assert parse_times(pl.Series([text]), ZoneInfo("Asia/Seoul")).times.to_list() == [instant]


def test_blocks_are_seamless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_texts, "_BLOCK", 3)
    stamps = [datetime(2024, 11, 1, tzinfo=UTC) + timedelta(minutes=17 * number) for number in range(500)]
    raw = pl.Series([f"{stamp:%Y-%m-%d %H:%M:%S}" for stamp in stamps])
    assert parse_times(raw, ZoneInfo("UTC")).times.to_list() == stamps
    zone = ZoneInfo("America/New_York")
    assert_same(parse_times(raw, zone), times._parse_others(raw, zone))
    assert parse_times(raw, zone).ambiguous > 0
