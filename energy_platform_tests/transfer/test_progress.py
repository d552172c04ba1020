"""Progress: rates, time left, when a log is told, and who listens."""

from __future__ import annotations

import pytest

from energy_platform.transfer.progress import (
    Pace,
    Phase,
    ProgressLog,
    Step,
    announce,
    duration,
    listening,
    logged,
)

ASSET = "timeseries/sensor_data"


def step(rows: int, total: int | None = None, *, phase: Phase = "reading", name: str = "weather.csv") -> Step:
    return Step(ASSET, phase, name, rows, total)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def log(clock: Clock, lines: list[str]) -> ProgressLog:
    return ProgressLog(lines.append, every=5.0, clock=clock)


def test_a_pace_knows_its_rate_and_how_long_the_rest_will_take() -> None:
    pace = Pace(0.0)
    for second in range(1, 4):
        pace.add(step(100_000, 1_000_000), float(second))

    assert (pace.rows, pace.total, pace.seconds) == (300_000, 1_000_000, 3.0)
    assert pace.rate == 100_000
    assert pace.seconds_left == 7.0
    assert pace.text == "300,000 of 1,000,000 rows, 100,000 rows/s, 7 s left"


def test_the_rate_is_that_of_the_last_half_minute_and_the_mean_that_of_all() -> None:
    pace = Pace(0.0)
    for second in range(1, 61):
        pace.add(step(1_000), float(second))
    for second in range(61, 121):
        pace.add(step(10), float(second))

    assert pace.rate == 10
    assert pace.mean_rate == pytest.approx(60_600 / 120)


def test_nothing_is_said_of_a_rate_before_time_has_passed() -> None:
    pace = Pace(5.0)
    pace.add(step(10, 20), 5.0)

    assert pace.rate is None
    assert pace.mean_rate is None
    assert pace.seconds_left is None
    assert pace.text == "10 of 20 rows"


def test_an_estimate_that_is_passed_grows_and_no_time_is_left() -> None:
    pace = Pace(0.0)
    pace.add(step(150, 100), 1.0)

    assert pace.total == 150
    assert pace.text == "150 rows, 150 rows/s"
    assert pace.seconds_left == 0


def test_a_log_is_told_every_few_seconds_and_at_the_end(log: ProgressLog, clock: Clock, lines: list[str]) -> None:
    for _ in range(24):
        clock.now += 0.5
        log(step(50_000, 2_400_000))
    assert lines == [
        "reading weather.csv: 500,000 of 2,400,000 rows, 100,000 rows/s, 19 s left",
        "reading weather.csv: 1,000,000 of 2,400,000 rows, 100,000 rows/s, 14 s left",
    ]

    log.finish()
    log.finish()

    assert lines[2:] == ["reading weather.csv: 1,200,000 rows in 12.0 s, 100,000 rows/s"]
    assert log.rows_of("reading") == 1_200_000
    assert log.rows_of("writing") is None


def test_a_source_ends_when_the_next_begins_and_writing_only_with_the_load(
    log: ProgressLog, clock: Clock, lines: list[str]
) -> None:
    plan: list[tuple[int, Phase, str]] = [
        (10, "reading", "a.csv"),
        (20, "reading", "b.csv"),
        (15, "writing", ASSET),
        (15, "proving", ASSET),
        (15, "writing", ASSET),
        (15, "proving", ASSET),
    ]
    for rows, phase, name in plan:
        clock.now += 1
        log(step(rows, phase=phase, name=name))
    assert lines == ["reading a.csv: 10 rows in 1.0 s, 10 rows/s", "reading b.csv: 20 rows in 1.0 s, 20 rows/s"]

    log.finish()

    assert lines[2:] == [
        f"writing {ASSET}: 30 rows in 3.0 s, 10 rows/s",
        f"proving {ASSET}: 30 rows in 3.0 s, 10 rows/s",
    ]
    assert log.rows_of("reading") == 30


def test_who_listens_is_told_until_the_block_ends() -> None:
    heard: list[Step] = []
    with listening(heard.append):
        announce(step(1))
    announce(step(2))

    assert [told.rows for told in heard] == [1]


def test_a_load_that_fails_still_says_how_far_it_came(lines: list[str]) -> None:
    def load() -> None:
        with logged(lines.append):
            announce(step(7))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        load()

    assert len(lines) == 1
    assert lines[0].startswith("reading weather.csv: 7 rows in ")
    announce(step(8))
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        pytest.param(0.4, "0 s", id="at once"),
        pytest.param(59.4, "59 s", id="seconds"),
        pytest.param(59.6, "1 min 0 s", id="a minute"),
        pytest.param(200, "3 min 20 s", id="minutes"),
        pytest.param(7_530, "2 h 5 min", id="hours"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said
