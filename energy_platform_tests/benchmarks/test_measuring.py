import math

import pytest

from benchmarks.lines.series import best, faster_than_peers, own
from benchmarks.measuring import (
    Contender,
    Line,
    Ratio,
    Result,
    Sample,
    WrongResultError,
    measure,
    one_line,
    quotient,
)


def silent(_text: str) -> None:
    pass


def result(name: str, kind: str, rows: int, *seconds: float) -> Result:
    return Result(name, kind, [Sample(each, rows) for each in seconds])  # pyright: ignore[reportArgumentType]


def test_contenders_take_turns() -> None:
    order: list[str] = []

    def contender(name: str) -> Contender:
        def run() -> Sample:
            order.append(name)
            return Sample(1.0, 10)

        return Contender(name, "peer", run)

    results = measure([contender("a"), contender("b"), contender("c")], 3, silent)
    assert order == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]
    assert [len(one.samples) for one in results] == [3, 3, 3]


def test_a_contender_that_fails_once_has_no_figure_and_stops_nobody() -> None:
    answers = iter([Sample(1.0, 10)])

    def fail() -> Sample:
        try:
            return next(answers)
        except StopIteration:
            raise WrongResultError("9 rows stand in the target instead of 10") from None

    results = measure([Contender("bad", "peer", fail), Contender("good", "ours", lambda: Sample(2.0, 10))], 3, silent)
    assert results[0].missing == "9 rows stand in the target instead of 10"
    assert not results[0].samples
    assert len(results[1].samples) == 3


def test_the_fastest_round_counts() -> None:
    samples = [Sample(3.0, 12, {"proving": 1.5, "peak": 5}), Sample(2.0, 12, {"proving": 1.7, "peak": 9})]
    found = Result("ours", "ours", samples)
    assert (found.seconds, found.slowest, found.rows_per_second) == (2.0, 3.0, 6.0)
    assert (found.best("proving"), found.most("peak")) == (1.5, 9)
    assert math.isnan(found.best("nothing"))
    assert math.isnan(Result("none", "peer").rows_per_second)


@pytest.mark.parametrize(
    ("ratio", "met", "mark"),
    [
        (Ratio("", 1.4, 1.4), True, "met"),
        (Ratio("", 1.41, 1.4), False, "MISSED"),
        (Ratio("", 50.0, 50, at_least=True), True, "met"),
        (Ratio("", 49.9, 50, at_least=True), False, "MISSED"),
        (Ratio("", 1.0, 1.0, at_least=True, above=True), False, "MISSED"),
        (Ratio("", 1.01, 1.0, at_least=True, above=True), True, "met"),
        (Ratio("", math.nan, 1.4), None, "not measured"),
        (Ratio("", math.nan, 50, at_least=True), None, "not measured"),
    ],
)
def test_marks(ratio: Ratio, met: bool | None, mark: str) -> None:
    assert ratio.met is met
    assert ratio.mark == mark


def test_peers_are_compared_by_rows_a_second() -> None:
    slow, fast = result("slow", "peer", 100, 10.0), result("fast", "peer", 1_000, 20.0, 25.0)
    line = Line("x", [result("floor", "floor", 1_000, 2.0), result("ours", "ours", 1_000, 5.0), slow, fast])
    assert own(line).name == "ours"
    assert best(line, "peer").name == "fast"
    assert line.best_peer() == 50
    assert line.floor() == 500
    assert faster_than_peers("", line, 4.0, 2.0).value == pytest.approx(5.0)


def test_nothing_to_compare_with_is_not_measured() -> None:
    line = Line("x", [result("ours", "ours", 10, 1.0), Result("peer", "peer", missing="it is not there")])
    assert faster_than_peers("", line, 1.0, 2.0).met is None
    assert Ratio("", quotient(1.0, best(line, "floor").seconds), 1.4).met is None
    assert math.isnan(quotient(1.0, 0.0))


def test_long_complaints_are_cut() -> None:
    assert one_line(ValueError("a\n  b")) == "a b"
    assert one_line(ValueError()) == "ValueError"
    assert len(one_line(ValueError("x" * 1_000))) == 300
