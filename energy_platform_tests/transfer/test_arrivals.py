"""What is asked for, decided without any store: files, cursors, spans, and what is asked for again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.domain.days import DayRange
from energy_platform.transfer.arrivals.asking import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    LOST_SECONDS,
    Asked,
    Cursor,
    RunState,
    Touched,
)
from energy_platform.transfer.arrivals.days import MOST_RUNS, spans
from energy_platform.transfer.arrivals.files import FileState, group_marks, still_written
from energy_platform.transfer.arrivals.looking import Comparison, Look, RunWanted, Stretch, look

FIRST = date(2025, 1, 1)
ALL = {FIRST + timedelta(days=number) for number in range(730)}


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


@dataclass
class Folder:
    """Files whose content is a row per day, and the ledger of what was loaded of them."""

    name: str = "folder"
    content: dict[str, dict[str, str]] = field(default_factory=dict)
    loaded: dict[str, dict[str, str]] = field(default_factory=dict)
    verdicts: int = 0
    broken: set[str] = field(default_factory=set)
    changed_at: dict[str, float] = field(default_factory=dict)
    states: dict[str, RunState] = field(default_factory=dict)
    cursor: str | None = None
    looked_into: list[str] = field(default_factory=list)

    def meaning(self) -> str:
        return "one"

    def files(self) -> dict[str, FileState]:
        return {
            name: FileState(name, repr(sorted(rows.items())), self.changed_at.get(name, 1.0))
            for name, rows in self.content.items()
        }

    def acknowledged(self, states: Mapping[str, FileState]) -> set[str]:
        return set()

    def compare(self, states: Mapping[str, FileState], names: Collection[str]) -> Comparison:
        self.looked_into += names
        read = [name for name in names if name not in self.broken]
        touched: dict[str, Touched] = {}
        for partition in sorted({p for name in read for p in {**self.content[name], **self.loaded.get(name, {})}}):
            differing = [n for n in read if self.content[n].get(partition) != self.loaded.get(n, {}).get(partition)]
            if differing:
                content = repr([(name, self.content[name].get(partition)) for name in differing])
                touched[partition] = Touched(content, str(self.verdicts), frozenset(differing))
        return Comparison(touched, set(read), {name: "it is torn" for name in names if name in self.broken})

    def stretches(self, partitions: Collection[str]) -> list[Stretch]:
        found = spans(sorted(date.fromisoformat(partition) for partition in partitions), ALL)
        return [Stretch(((each.first.isoformat(), each.last.isoformat()),), each) for each in found]

    def look(self, now: float = 1000.0, settle_seconds: float = 10.0) -> Look:
        found = look(
            self, self.cursor, lambda key: self.states.get(key, "unknown"), settle_seconds=settle_seconds, now=now
        )
        self.cursor = found.cursor
        return found

    def run(self, wanted: RunWanted, *, fails: bool = False) -> None:
        """What a run does: it loads its days of all files."""
        self.states[wanted.key] = "ended"
        if fails:
            return
        self.verdicts += 1
        assert wanted.days is not None
        for name, rows in self.content.items():
            for each in wanted.days:
                self.loaded.setdefault(name, {}).pop(each.isoformat(), None)
                if each.isoformat() in rows:
                    self.loaded[name][each.isoformat()] = rows[each.isoformat()]


def test_each_file_is_looked_into_once_for_a_version() -> None:
    folder = Folder(content={"a": {"2025-01-01": "1"}, "b": {"2025-01-02": "1", "2025-03-01": "1"}})
    first = folder.look()
    for run in first.runs:
        folder.run(run)
    folder.look()
    folder.looked_into.clear()
    quiet = folder.look()
    folder.content["b"]["2025-03-01"] = "2"
    later = folder.look()

    assert [run.days for run in first.runs] == [DayRange(day(0), day(1)), DayRange(day(59), day(59))]
    assert quiet.runs == []
    assert quiet.summary == "2 files; lag 0 s"
    assert [run.days for run in later.runs] == [DayRange(day(59), day(59))]
    assert folder.looked_into == ["b"]
    assert later.lag_seconds == 999.0


def test_nothing_is_asked_for_while_a_file_is_written_and_then_all_of_it() -> None:
    folder = Folder(content={"a": {"2025-01-01": "half"}}, changed_at={"a": 995.0})
    waiting = folder.look(now=1000.0)
    folder.content["a"]["2025-01-01"] = "whole"
    folder.changed_at["a"] = 1001.0
    still = folder.look(now=1006.0)
    done = folder.look(now=1012.0)

    assert (waiting.runs, waiting.waiting, waiting.lag_seconds) == ([], ["a"], 5.0)
    assert (still.runs, still.waiting) == ([], ["a"])
    assert folder.looked_into == ["a"]
    assert len(done.runs) == 1


def test_a_file_whose_clock_runs_ahead_is_taken_once_it_was_seen_unchanged() -> None:
    folder = Folder(content={"a": {"2025-01-01": "1"}}, changed_at={"a": 5000.0})

    assert folder.look(now=1000.0).waiting == ["a"]
    assert folder.look(now=1005.0).waiting == ["a"]
    assert len(folder.look(now=1011.0).runs) == 1


def test_a_database_is_never_waited_for() -> None:
    whole = FileState("a.db", "1", 999.0, whole=True)

    assert still_written([whole, replace(whole, name="a.csv", whole=False)], {}, 10.0, 1000.0) == {
        "a.csv": ("1", 1000.0)
    }


def test_a_file_that_cannot_be_read_stays_to_be_looked_into_and_the_others_go_on() -> None:
    folder = Folder(content={"a": {"2025-01-01": "1"}, "b": {"2025-02-01": "1"}}, broken={"a"})
    first = folder.look()
    for run in first.runs:
        folder.run(run)
    second = folder.look()
    folder.broken.clear()
    third = folder.look()

    assert [run.days for run in first.runs] == [DayRange(day(31), day(31))]
    assert first.problems == second.problems == {"a": "it is torn"}
    assert second.runs == []
    assert [run.days for run in third.runs] == [DayRange(day(0), day(0))]


def test_a_run_under_way_is_waited_for_even_if_more_comes() -> None:
    folder = Folder(content={"a": {"2025-01-01": "1"}})
    (run,) = folder.look().runs
    folder.states[run.key] = "under way"
    folder.content["a"]["2025-01-01"] = "2"
    meanwhile = folder.look()
    folder.run(run)
    folder.loaded["a"]["2025-01-01"] = "1"
    (after,) = folder.look().runs

    assert (meanwhile.runs, meanwhile.under_way) == ([], 1)
    assert after.key != run.key


def test_what_fails_is_asked_for_again_after_pauses_that_grow() -> None:
    folder = Folder(content={"a": {"2025-01-01": "1"}})
    now, pauses = 1000.0, []
    (run,) = folder.look(now).runs
    for _ in range(9):
        asked_at = now
        folder.run(run, fails=True)
        while not (runs := folder.look(now).runs):
            now += 50.0
        pauses.append(now - asked_at)
        assert runs[0].key != run.key
        (run,) = runs

    assert pauses == [min(FIRST_PAUSE_SECONDS * 2**number, LONGEST_PAUSE_SECONDS) for number in range(9)]


def test_a_mended_file_is_asked_for_at_once_though_the_run_before_failed() -> None:
    folder = Folder(content={"a": {"2025-01-01": "bad"}})
    (run,) = folder.look().runs
    folder.run(run, fails=True)
    assert folder.look().runs == []
    folder.content["a"]["2025-01-01"] = "good"

    assert len(folder.look().runs) == 1


def test_a_run_that_nobody_knows_is_asked_for_again_with_its_key() -> None:
    folder = Folder(content={"a": {"2025-01-01": "1"}})
    (run,) = folder.look(1000.0).runs

    assert folder.look(1000.0 + LOST_SECONDS - 1).runs == []
    assert [again.key for again in folder.look(1000.0 + LOST_SECONDS).runs] == [run.key]


@pytest.mark.parametrize("text", [None, "", "no JSON", "[]", '{"asked": [1]}', '{"seen": 7}', "null"])
def test_a_cursor_that_cannot_be_understood_is_a_fresh_start(text: str | None) -> None:
    assert Cursor.from_text(text) == Cursor()


def test_a_cursor_comes_back_as_it_was() -> None:
    cursor = Cursor(
        "x", {"0a": "1"}, (Asked("k", (("a", "b"), ("undated", "undated")), "c", 2, 3.5),), {"f": ("v", 1.5)}
    )

    assert Cursor.from_text(cursor.to_text()) == cursor


def test_the_cursor_of_ten_thousand_files_stays_small() -> None:
    marks = group_marks({f"meters/{number:05}.csv": f"{number}-1-2" for number in range(10_000)})

    assert len(Cursor("x", marks).to_text()) < 8_000


def test_one_file_of_ten_thousand_moves_one_mark() -> None:
    versions = {f"meters/{number:05}.csv": "1" for number in range(10_000)}
    before = group_marks(versions)
    after = group_marks({**versions, "meters/04711.csv": "2"})

    assert sum(before[group] != after[group] for group in before) == 1


def test_days_without_any_data_do_not_part_a_stretch_and_those_with_data_do() -> None:
    assert spans([day(0), day(3)], {day(0), day(3)}) == [DayRange(day(0), day(3))]
    assert spans([day(0), day(3)], ALL) == [DayRange(day(0), day(0)), DayRange(day(3), day(3))]
    assert spans([day(0), day(60)], {day(0), day(60)}) == [DayRange(day(0), day(0)), DayRange(day(60), day(60))]


def test_one_late_row_in_two_years_is_one_day() -> None:
    assert spans([day(400)], ALL) == [DayRange(day(400), day(400))]


@given(st.sets(st.integers(0, 729), max_size=120))
def test_runs_cover_every_touched_day_once_and_are_never_too_many(numbers: set[int]) -> None:
    touched = sorted(day(number) for number in numbers)
    found = spans(touched, ALL)

    covered = [each for span in found for each in span]
    assert set(touched) <= set(covered)
    assert len(covered) == len(set(covered))
    assert len(found) <= MOST_RUNS
    if len(found) < MOST_RUNS:
        assert covered == touched


steps = st.lists(
    st.tuples(
        st.sampled_from(["write", "delete", "look", "run", "fail", "under way"]),
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 5),
        st.integers(0, 3),
    ),
    max_size=40,
)


@given(steps)
def test_whatever_happens_every_row_is_loaded_in_the_end(happened: list[tuple[str, str, int, int]]) -> None:
    folder = Folder(content={name: {} for name in "abc"})
    asked: list[RunWanted] = []
    now = 1000.0
    for what, name, number, value in happened:
        now += 40.0
        if what == "write":
            folder.content[name][day(number).isoformat()] = str(value)
        elif what == "delete":
            folder.content[name].pop(day(number).isoformat(), None)
        elif what == "look":
            asked += folder.look(now).runs
        elif asked:
            wanted = asked[0]
            if what == "under way":
                folder.states[wanted.key] = "under way"
            else:
                folder.run(asked.pop(0), fails=what == "fail")
    for _ in range(4):
        for wanted in asked:
            folder.run(wanted)
        now += LONGEST_PAUSE_SECONDS
        asked = folder.look(now).runs

    loaded = {name: folder.loaded.get(name, {}) for name in folder.content}
    assert loaded == folder.content
    assert asked == []
    assert Cursor.from_text(folder.cursor).asked == ()
