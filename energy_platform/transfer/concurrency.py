"""Work that overlaps: what comes next is made ready in other threads while the last is being used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: How many streams of one source are read at once, a thread each.
STREAMS: Final = 2
#: How often a waiting thread looks whether anybody still wants its work.
_LOOK_SECONDS = 0.1


def prefetched(items: Iterator[Item], ahead: int = 1) -> Iterator[Item]:
    """The same items in the same order; up to `ahead` are made ready by a thread before they are asked for."""
    return worked([items], lambda item: item, ahead)


def worked(streams: Sequence[Iterator[Item]], work: Callable[[Item], Result], ahead: int = 2) -> Iterator[Result]:
    """The results of `work` on every item of every stream, a thread for each stream.

    The results of one stream come in its order. At most `ahead` results wait for each stream, so that memory stays
    bounded. What a stream or `work` raises is raised here. Threads end when the iterator is closed.
    """
    workers = _Workers(streams, work, ahead)
    try:
        yield from workers.results()
    finally:
        workers.end()


class _Workers(Generic[Item, Result]):
    """A thread for each stream, and the queue that they fill."""

    def __init__(self, streams: Sequence[Iterator[Item]], work: Callable[[Item], Result], ahead: int) -> None:
        self._work = work
        self._ready: queue.Queue[Callable[[], Result] | None] = queue.Queue(ahead * max(1, len(streams)))
        self._unwanted = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(stream,), daemon=True) for stream in streams]

    def results(self) -> Iterator[Result]:
        for thread in self._threads:
            thread.start()
        running = len(self._threads)
        while running:
            result = self._ready.get()
            if result is None:
                running -= 1
            else:
                yield result()

    def end(self) -> None:
        self._unwanted.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _run(self, stream: Iterator[Item]) -> None:
        try:
            for item in stream:
                result = self._work(item)
                if not self._put(lambda result=result: result):
                    break
        except BaseException as error:  # noqa: BLE001  it is raised where the results are asked for
            self._put(lambda error=error: _raise(error))
        finally:
            if isinstance(close := getattr(stream, "close", None), Callable):
                close()
            self._put(None)

    def _put(self, result: Callable[[], Result] | None) -> bool:
        while not self._unwanted.is_set():
            try:
                self._ready.put(result, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return True
        return False


def _raise(error: BaseException) -> Result:  # pyright: ignore[reportInvalidTypeVarUse]
    raise error
