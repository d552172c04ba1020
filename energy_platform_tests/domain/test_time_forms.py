"""Times of a form that an estate file names are read as Python's own datetime and zoneinfo read them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from energy_platform.domain import time_texts
from energy_platform.domain.local_times import localize
from energy_platform.domain.time_forms import Ambiguous, EpochUnit, FormatError, TimeForm, pattern_of
from energy_platform.domain.times import parse_dates, parse_times

SEOUL, NEW_YORK = ZoneInfo("Asia/Seoul"), ZoneInfo("America/New_York")
ZONES = st.sampled_from(
    [SEOUL, NEW_YORK, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Atlantic/Azores"), ZoneInfo("UTC")]
)
LOCAL = st.datetimes(datetime(1969, 1, 1), datetime(2068, 12, 31))  # noqa: DTZ001  these are local
FORMATS = st.sampled_from(
    [
        "%d.%m.%Y %H:%M",
        "%d/%m/%y %H:%M:%S",
        "%Y%m%d%H%M%S",
        "%Y%m%d %H%M",
        "%m-%d-%Y %I:%M %p",
        "%d %b %Y, %H:%M:%S.%f",
        "%A %d %B %Y %H.%M",
        "%Y년 %m월 %d일 %H시 %M분",
        "%Y/%j %H:%M:%S,%f",
        "%Y-%m-%dT%H:%M:%S%z",
        "%d.%m.%Y %H:%M:%S %z",
        "%d%m%Y",
        "100%% %Y|%m|%d (%H)",
    ]
)
CHANGE = st.none() | st.tuples(st.integers(0, 30), st.sampled_from("0123456789 -:/.+Zaé"))


def changed(text: str, change: tuple[int, str] | None) -> str:
    return text if change is None else text[: change[0]] + change[1] + text[change[0] + 1 :]


def by_python(text: str | None, form: str, zone: ZoneInfo) -> datetime | None:
    if text is None:
        return None
    if "%f" in form:
        # what is finer than a microsecond is dropped
        text = re.sub(r"([.,][0-9]{6})[0-9]{1,3}(?![0-9])", r"\1", text)
    try:
        stamp = datetime.strptime(text.strip(), form)  # noqa: DTZ007  the zone follows
        return (stamp if stamp.tzinfo else stamp.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@given(
    FORMATS,
    st.lists(st.none() | st.tuples(LOCAL, st.integers(-14 * 60, 14 * 60), CHANGE), max_size=12),
    ZONES,
)
@settings(max_examples=150, deadline=None)
@example("%d%m%Y", [(datetime(2024, 12, 5), 0, (0, " ")), (datetime(2024, 11, 1), 0, (0, " "))], SEOUL)  # noqa: DTZ001
def test_formats_are_those_of_strptime(
    form: str, stamps: list[tuple[datetime, int, tuple[int, str] | None] | None], zone: ZoneInfo
) -> None:
    texts: list[str | None] = []
    for entry in stamps:
        if entry is None:
            texts.append(None)
            continue
        stamp, minutes, change = entry
        if "%z" in form:
            stamp = stamp.replace(tzinfo=timezone(timedelta(minutes=minutes)))
        text = changed(stamp.strftime(form), change)
        instant = by_python(text, form, zone)
        # the zones of polars know no changes of clocks in the centuries to come
        texts.append(text if instant is None or 1900 < instant.year < 2090 else None)
    found = parse_times(pl.Series(texts, dtype=pl.String), zone, TimeForm(format=form))
    assert found.times.to_list() == [by_python(text, form, zone) for text in texts]


@given(st.lists(LOCAL, min_size=1, max_size=12), st.sampled_from(["/", "-", ".", ". "]), st.integers(0, 3), ZONES)
@settings(max_examples=120, deadline=None)
def test_dates_in_a_known_order(stamps: list[datetime], mark: str, clock: int, zone: ZoneInfo) -> None:
    clocks = ("", " %H:%M", " %H:%M:%S", "T%H:%M:%S.%f")[clock]
    day_first = [stamp.strftime(f"%d{mark}%m{mark}%Y{clocks}") for stamp in stamps]
    # without zeroes before, and with two digits of the year
    month_first = [f"{s.month}{mark}{s.day}{mark}{s:%y}{s.strftime(clocks)}" for s in stamps]
    cut = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f")[clock]
    expected = [by_python(stamp.strftime(cut), cut, zone) for stamp in stamps]
    for texts, form in (
        (day_first, TimeForm(order="day_first")),
        (month_first, TimeForm(order="month_first")),
        ([stamp.strftime(cut) for stamp in stamps], TimeForm(order="month_first")),
    ):
        assert parse_times(pl.Series(texts), zone, form).times.to_list() == expected


@pytest.mark.parametrize(
    ("text", "form", "instant"),
    [
        ("2024-01-05 오후 3:30:00", TimeForm(format="%Y-%m-%d %p %I:%M:%S"), datetime(2024, 1, 5, 6, 30, tzinfo=UTC)),
        ("오전 12:00 5.1.2024", TimeForm(format="%p %I:%M %d.%m.%Y"), datetime(2024, 1, 4, 15, tzinfo=UTC)),
        ("1/2/2024 12:05 am", TimeForm(order="month_first"), datetime(2024, 1, 1, 15, 5, tzinfo=UTC)),
        ("1/2/2024 12:05 PM", TimeForm(order="day_first"), datetime(2024, 2, 1, 3, 5, tzinfo=UTC)),
        ("1/2/2024 13:05 PM", TimeForm(order="day_first"), None),
        ("1/2/2024 10:00:00.0012+02:00", TimeForm(order="day_first"), datetime(2024, 2, 1, 8, 0, 0, 1200, tzinfo=UTC)),
        ("31/2/2024", TimeForm(order="day_first"), None),
        ("13/1/2024", TimeForm(order="month_first"), None),
        ("1/2/0000", TimeForm(order="month_first"), None),
        ("2024-01-05 0:0:0.000012999", TimeForm(format="%F %T.%f"), datetime(2024, 1, 4, 15, 0, 0, 12, tzinfo=UTC)),
        ("00:30 PM 05.01.2024", TimeForm(format="%I:%M %p %d.%m.%Y"), None),
        ("2024-01-05", TimeForm(format="%d.%m.%Y"), None),
    ],
)  # fmt: skip
def test_forms(text: str, form: TimeForm, instant: datetime | None) -> None:
    assert parse_times(pl.Series([text]), SEOUL, form).times.to_list() == [instant]
    # one by one is as it is by bytes
    assert parse_times(pl.Series([text, "x", f" {text} "]), SEOUL, form).times.to_list() == [instant, None, instant]


def test_numbers_that_are_written_as_dates() -> None:
    raw = pl.Series([202403051400, 202413051400, None])
    found = parse_times(raw, SEOUL, TimeForm(format="%Y%m%d%H%M")).times
    assert found.to_list() == [datetime(2024, 3, 5, 5, tzinfo=UTC), None, None]


def test_dates_of_a_form() -> None:
    raw = pl.Series(["05.03.2024", "2024-03-05", "31.02.2024", None, "5. 3. 2024."])
    assert parse_dates(raw, TimeForm(order="day_first")).to_list() == [
        date(2024, 3, 5), date(2024, 3, 5), None, None, date(2024, 3, 5),
    ]  # fmt: skip
    assert parse_dates(raw, TimeForm(format="%d.%m.%Y")).to_list() == [date(2024, 3, 5), None, None, None, None]
    assert parse_dates(raw).to_list() == [None, date(2024, 3, 5), None, None, None]


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("%d.%m %H:%M", "no year"),
        ("%Y %H:%M", "no day"),
        ("%Y-%m-%d %I:%M", "go together"),
        ("%Y-%m-%d %H:%M:%S %Q", "%Q is unknown"),
        ("%Y-%m-%d %d", "%d stands twice"),
        ("%Y-%m-%d %b", "say the same"),
        ("%Y-%m-%d %H %S", "%S needs %M"),
        ("%Y-%m-%d %", "is unknown"),
        ("", "no year"),
    ],
)
def test_formats_that_cannot_be_used(form: str, why: str) -> None:
    with pytest.raises(FormatError, match=why):
        pattern_of(TimeForm(format=form))


UNITS = st.sampled_from(["s", "ms", "us", "ns"])
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
START = datetime(1970, 1, 1, tzinfo=UTC)


@given(UNITS, st.lists(st.none() | st.integers(-(2 * 10**15), 5 * 10**15), max_size=12))
@settings(max_examples=120, deadline=None)
def test_epochs_of_a_unit_keep_their_microseconds(unit: EpochUnit, microseconds: list[int | None]) -> None:
    expected = [None if number is None else START + timedelta(microseconds=number) for number in microseconds]
    form = TimeForm(unit=unit)
    digits = {"s": 6, "ms": 3, "us": 0, "ns": -3}[unit]
    texts = [None if n is None else scaled(n, digits) for n in microseconds]
    assert parse_times(pl.Series(texts, dtype=pl.String), SEOUL, form).times.to_list() == expected
    if digits <= 0:
        whole = pl.Series([None if text is None else int(text) for text in texts], dtype=pl.Int64)
        assert parse_times(whole, SEOUL, form).times.to_list() == expected


def scaled(number: int, digits: int) -> str:
    """A number of microseconds in a unit of which one is 10^digits, as exact text."""
    if digits <= 0:
        return str(number * 10**-digits)
    whole, fraction = divmod(abs(number), 10**digits)
    return f"{'-' if number < 0 else ''}{whole}.{fraction:0{digits}}"


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_epochs_beyond_the_calendar_are_no_times(unit: EpochUnit) -> None:
    raw = pl.Series([2**63 - 1, -(2**63), 253402300800 * PER_SECOND[unit], 0])
    assert parse_times(raw, SEOUL, TimeForm(unit=unit)).times.to_list() == [None, None, None, START]
    texts = pl.Series(["9" * 19, "x", "", "1e3", "1.5.2", "nan", "inf"])
    found = parse_times(texts, SEOUL, TimeForm(unit=unit)).times.to_list()
    assert found == [None, None, None, START + timedelta(seconds=1000 / PER_SECOND[unit]), None, None, None]


def test_small_epochs_need_their_unit() -> None:
    raw = pl.Series(["86400000", "0"])
    assert parse_times(raw, SEOUL, TimeForm(unit="ms")).times.to_list() == [START + timedelta(days=1), START]
    assert parse_times(pl.Series([86_400.25]), SEOUL, TimeForm(unit="s")).times.to_list() == [
        START + timedelta(days=1, milliseconds=250)
    ]


@given(
    st.lists(st.none() | LOCAL | st.integers(-300, 300), max_size=20), ZONES, st.sampled_from(["earliest", "latest"])
)
@settings(max_examples=120, deadline=None)
def test_local_times_that_exist_twice_go_by_the_rule(
    stamps: list[datetime | int | None], zone: ZoneInfo, rule: Ambiguous
) -> None:
    fold = datetime(2024, 11, 3, 1)  # noqa: DTZ001  local in New York
    local = [fold + timedelta(minutes=stamp) if isinstance(stamp, int) else stamp for stamp in stamps]
    found = localize(pl.Series(local, dtype=pl.Datetime("us")), zone, rule)
    folds = [
        stamp is not None and exists(stamp, zone)
        and stamp.replace(tzinfo=zone).utcoffset() != stamp.replace(tzinfo=zone, fold=1).utcoffset()
        for stamp in local
    ]  # fmt: skip
    expected = [
        None if stamp is None
        else stamp.replace(tzinfo=zone, fold=1 if rule == "latest" and twice else 0).astimezone(UTC)
        for stamp, twice in zip(local, folds, strict=True)
    ]  # fmt: skip
    assert found.times.to_list() == expected
    assert found.ambiguous == sum(folds)
    assert (found.twice.to_list() if found.twice is not None else [False] * len(local)) == folds
    assert found.nonexistent == sum(stamp is not None and not exists(stamp, zone) for stamp in local)


def exists(stamp: datetime, zone: ZoneInfo) -> bool:
    return stamp.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == stamp


def test_a_fold_and_a_gap_in_numbers() -> None:
    """Every quarter of an hour of a day with 25 hours, and of one with 23."""
    days: list[tuple[datetime, Ambiguous, int, int]] = [
        (datetime(2024, 11, 3), "quarantine", 4, 0),  # noqa: DTZ001
        (datetime(2024, 3, 10), "latest", 0, 4),  # noqa: DTZ001
    ]
    for day, rule, ambiguous, nonexistent in days:
        texts = [f"{day + timedelta(minutes=15 * n):%d.%m.%Y %H:%M}" for n in range(96)]
        for form in (TimeForm(format="%d.%m.%Y %H:%M"), TimeForm(order="day_first")):
            found = parse_times(pl.Series(texts), NEW_YORK, form, rule)
            assert (found.ambiguous, found.nonexistent) == (ambiguous, nonexistent)
            assert (found.twice.arg_true().to_list() if found.twice is not None else []) == [4, 5, 6, 7][:ambiguous]
            assert found.times.null_count() == 0


def test_blocks_are_seamless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_texts, "_BLOCK", 3)
    stamps = [datetime(2024, 11, 1, tzinfo=UTC) + timedelta(minutes=17 * number) for number in range(500)]
    raw = pl.Series([f"{stamp:%d.%m.%y %H:%M}" for stamp in stamps])
    assert parse_times(raw, ZoneInfo("UTC"), TimeForm(format="%d.%m.%y %H:%M")).times.to_list() == stamps


def test_what_is_finer_than_a_microsecond_is_dropped_from_nanoseconds_in_text() -> None:
    """Nineteen digits are more than a double holds."""
    texts = ["1704067200123456789", "1704067200999999999", "1704067200000000001", "9999999999999999999", "+5"]
    start = datetime(2024, 1, 1, tzinfo=UTC)
    expected = [start + timedelta(microseconds=n) for n in (123_456, 999_999, 0)]
    found = parse_times(pl.Series(texts), ZoneInfo("UTC"), TimeForm(unit="ns")).times.to_list()
    assert found == [*expected, None, datetime(1970, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("text", "form", "instant"),
    [
        ("2024-02-29 24", "%Y-%m-%d %k", datetime(2024, 3, 1, tzinfo=UTC)),
        ("2024-02-29 1", "%Y-%m-%d %k", datetime(2024, 2, 29, 1, tzinfo=UTC)),
        ("20231231 24:00", "%Y%m%d %k:%M", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2023-12-31 24:00:00.000", "%Y-%m-%d %k:%M:%S.%f", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2023-12-31 23:59", "%Y-%m-%d %k:%M", datetime(2023, 12, 31, 23, 59, tzinfo=UTC)),
        ("2023-12-31 24:01", "%Y-%m-%d %k:%M", None),
        ("2023-12-31 24:00:00.5", "%Y-%m-%d %k:%M:%S.%f", None),
        ("2023-12-31 25", "%Y-%m-%d %k", None),
        ("9999-12-31 24", "%Y-%m-%d %k", None),
        # an hour of strptime's own code ends at 23, as ever
        ("2023-12-31 24", "%Y-%m-%d %H", None),
    ],
)
@pytest.mark.parametrize("beside", ["2023-12-31 07", "x"])
def test_the_hour_24_is_the_midnight_that_ends_its_day(
    text: str, form: str, instant: datetime | None, beside: str
) -> None:
    read = parse_times(pl.Series([text, beside, text]), ZoneInfo("UTC"), TimeForm(format=form)).times.to_list()
    assert [read[0], read[2]] == [instant, instant]


def test_the_hour_24_is_local() -> None:
    read = parse_times(pl.Series(["2024-05-31 24:00"]), SEOUL, TimeForm(format="%Y-%m-%d %k:%M"))
    assert read.times.to_list() == [datetime(2024, 5, 31, 15, tzinfo=UTC)]


def test_an_hour_stands_once() -> None:
    with pytest.raises(FormatError, match="%H and %k say the same"):
        pattern_of(TimeForm(format="%Y-%m-%d %H %k"))
