from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from energy_platform.transfer.concurrency import prefetched, worked


def running() -> int:
    return threading.active_count()


def test_the_results_of_each_stream_come_in_its_order() -> None:
    found = list(worked([iter(range(100)), iter(range(1000, 1100))], lambda number: number * 2))
    assert [number for number in found if number < 1000] == [2 * number for number in range(100)]
    assert [number for number in found if number >= 1000] == [2 * number for number in range(1000, 1100)]


def test_no_stream_gives_nothing() -> None:
    assert list(worked([], lambda item: item)) == []


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_what_a_stream_raises_is_raised_after_what_it_gave(error: BaseException) -> None:
    def stream() -> Iterator[int]:
        yield 1
        raise error

    items = prefetched(stream())
    assert next(items) == 1
    with pytest.raises(type(error)):
        next(items)


def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        list(worked([iter([1, 0])], lambda number: 1 / number))


def test_no_more_than_asked_for_is_made_ready() -> None:
    made: list[int] = []

    def stream() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    items = prefetched(stream(), ahead=3)
    assert next(items) == 0
    time.sleep(0.3)
    # one is used, three wait, one more waits to be put there
    assert len(made) <= 5
    assert list(items) == list(range(1, 100))


def test_threads_end_when_nobody_wants_their_work() -> None:
    before = running()
    closed = threading.Event()

    def stream() -> Iterator[int]:
        try:
            yield from range(1_000_000)
        finally:
            closed.set()

    items = worked([stream()], lambda item: item)
    assert next(items) == 0
    items.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert closed.wait(5)
    assert running() == before
