"""Stands between a store and the real server, and does to requests what networks and busy servers do."""

from __future__ import annotations

import http.client
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """Answers itself; the real server hears of nothing."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""


@dataclass(frozen=True)
class Stall:
    """Takes the request and never answers."""


@dataclass(frozen=True)
class Slow:
    """Takes the body at so many bytes a second, then passes it on."""

    bytes_per_second: int


@dataclass(frozen=True)
class ResetWithin:
    """Breaks the connection after so many bytes of the body; the real server hears of nothing."""

    after_bytes: int


@dataclass(frozen=True)
class ResetBehind:
    """Breaks the connection once the real server has taken everything; nobody hears of its answer."""


@dataclass(frozen=True)
class CutAnswer:
    """Passes on a part of the real answer's content.

    Attributes:
        keep: the share of it.
        whole_lines: end behind a line, and say that this was all; else the connection just ends.
        instead: what comes then.
    """

    keep: float
    whole_lines: bool = False
    instead: bytes = b""


Fault = Answer | Stall | Slow | ResetWithin | ResetBehind | CutAnswer


class Proxy(socketserver.ThreadingTCPServer):
    """Does `faults` to the requests whose path holds `only`, one each and then no more; passes on all others.

    Attributes:
        always: what is done to each of these requests after `faults`; None to pass it on.
        largest_body: a longer one is answered with 413; 0 for none.
        asked: how many of these requests there were.
        taken: how many of them the real server has answered with success.
        most_at_once, most_bytes: of these requests, those that were under way at one time.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target: str, only: str) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        parts = urlsplit(target)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.only = only
        self.faults: list[Fault] = []
        self.always: Fault | None = None
        self.largest_body = 0
        self.asked = self.taken = self.most_at_once = self.most_bytes = 0
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._at_once = self._bytes = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @contextmanager
    def under_way(self, path: str, size: int) -> Iterator[Fault | None]:
        if self.only not in path:
            yield None
            return
        with self._lock:
            self.asked += 1
            fault = self.faults.pop(0) if self.faults else self.always
            if self.largest_body and size > self.largest_body:
                fault = Answer(413)
            self._at_once += 1
            self._bytes += size
            self.most_at_once = max(self.most_at_once, self._at_once)
            self.most_bytes = max(self.most_bytes, self._bytes)
        try:
            yield fault
        finally:
            with self._lock:
                self._at_once -= 1
                self._bytes -= size

    def was_taken(self, path: str) -> None:
        with self._lock:
            self.taken += self.only in path

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that are gone are part of the game."""


class _Connection(socketserver.StreamRequestHandler):
    server: Proxy  # pyright: ignore[reportIncompatibleVariableOverride]

    def handle(self) -> None:
        while line := self.rfile.readline():
            method, path, _ = line.decode().split()
            headers = http.client.parse_headers(self.rfile)
            size = int(headers.get("Content-Length", "0"))
            with self.server.under_way(path, size) as fault:
                if not self._answer(fault, method, path, headers, size):
                    return

    def _answer(self, fault: Fault | None, method: str, path: str, headers: http.client.HTTPMessage, size: int) -> bool:
        if isinstance(fault, ResetWithin):
            self.rfile.read(min(size, fault.after_bytes))
            return self._reset()
        content = self._slowly(size, fault.bytes_per_second) if isinstance(fault, Slow) else self.rfile.read(size)
        if isinstance(fault, Stall):
            self.server.stopped.wait()
            return False
        if isinstance(fault, Answer):
            self._send(fault.status, fault.headers, fault.content)
            return True
        upstream = http.client.HTTPConnection(self.server.host, self.server.port, timeout=60)
        try:
            kept = {name: value for name, value in headers.items() if name.lower() not in {"host", "content-length"}}
            upstream.request(method, path, content, kept)
            response = upstream.getresponse()
            found = response.read()
        finally:
            upstream.close()
        if response.status < 300:
            self.server.was_taken(path)
        if isinstance(fault, ResetBehind):
            return self._reset()
        told = {name: value for name, value in response.getheaders() if name in {"Content-Type", "Retry-After"}}
        if isinstance(fault, CutAnswer):
            end = int(len(found) * fault.keep)
            if not fault.whole_lines:
                self._send(response.status, told, found[:end], length=len(found))
                return False
            found = found[: found.rfind(b"\n", 0, end) + 1] + fault.instead
        self._send(response.status, told, found)
        return True

    def _slowly(self, size: int, bytes_per_second: int) -> bytes:
        pieces = []
        while size:
            pieces.append(self.rfile.read(min(size, max(1, bytes_per_second // 50))))
            size -= len(pieces[-1])
            time.sleep(len(pieces[-1]) / bytes_per_second)
        return b"".join(pieces)

    def _send(self, status: int, headers: Mapping[str, str], content: bytes, length: int | None = None) -> None:
        lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, '')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if status != 204:
            lines.append(f"Content-Length: {len(content) if length is None else length}")
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + content)

    def _reset(self) -> bool:
        # without lingering, closing sends a reset and not an end
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        return False


@contextmanager
def proxy(target: str, only: str) -> Iterator[Proxy]:
    """A proxy before the server at `target`, until the end of the block."""
    with Proxy(target, only) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stopped.set()
            server.shutdown()
            thread.join()
