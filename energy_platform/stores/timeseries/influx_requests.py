"""Requests to InfluxDB 2: each has an explicit answer, is asked again while the server is busy, and has an end."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx

from energy_platform.domain.errors import (
    FieldTypeConflictError,
    SettingError,
    StoreAccessError,
    StoreError,
    StoreUnavailableError,
    is_distrust,
)
from energy_platform.failpoints import failpoint, is_set
from energy_platform.settings import Settings

_CONNECT_SECONDS: Final = 5.0
_SHORTEST_TIMEOUT_SECONDS: Final = 0.1
_CHUNK_ROWS: Final = 10_000
#: A body is handed over in pieces of so many bytes.
_PIECE_BYTES: Final = 1 << 20
_TRY_AGAIN: Final = frozenset({429, 502, 503, 504})

#: What the server's words hold of somebody's data, and what stands there instead.
_DATA_IN_REASONS: Final = (
    (re.compile(r"unable to parse '.*': ", re.DOTALL), "unable to parse a line: "),
    (re.compile(r" - oldest point .* dropped because it violates a Retention Policy \w+ Bound at \S+", re.DOTALL), ""),
    (re.compile(r'\bvalue=".*"', re.DOTALL), "value"),
)


class InfluxRequests:
    """Requests with the token of the settings.

    All of them may be repeated (a point written twice is the same point), and are: while the server says that it is
    busy, lets a request time out or breaks the connection, with growing pauses, for as long as
    `influx_patience_seconds`.

    Args:
        settings: those whose names start with `influx_`.

    Raises:
        SettingError: no URL of an InfluxDB.
    """

    def __init__(self, settings: Settings) -> None:
        self.bucket = settings.influx_bucket
        self.org = settings.influx_org
        self.place, local = _place(settings.influx_url, self.bucket)
        # on this machine the network costs less than packing would, in both directions
        self.pack = not local
        self._timeout_seconds = settings.influx_timeout_seconds
        self._patience_seconds = settings.influx_patience_seconds
        self._first_pause_seconds = settings.influx_first_pause_seconds
        self._longest_pause_seconds = settings.influx_longest_pause_seconds
        headers = {"Authorization": f"Token {settings.influx_token.get_secret_value()}"}
        if local:
            headers["Accept-Encoding"] = "identity"
        self._answered = False
        self._client = httpx.Client(
            base_url=settings.influx_url,
            headers=headers,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=2 * settings.influx_connections),
            # a proxy of the environment is for the world outside; authorities that it names are for both
            trust_env=not local,
            # to read the authorities takes a while; without TLS to a server of this machine there is no use for them
            verify=httpx.create_ssl_context() if settings.influx_url.startswith("https:") else not local,
        )

    def close(self) -> None:
        """Let go of all connections."""
        self._client.close()

    def get(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """What a GET answers, as JSON."""
        return parsed(self._sent("GET", path, params=parameters).content, self.place)

    def write(
        self, content: Sequence[memoryview], stopped: threading.Event, passed: Collection[int] = ()
    ) -> httpx.Response:
        """The answer to lines of line protocol in microseconds: 204, or one of `passed`.

        Args:
            content: the lines, in parts that follow each other.
            stopped: set from outside where the answer matters no more: nothing is asked again then.
            passed: status codes that are an answer to the caller.
        """
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if self.pack:
            import gzip

            content = [memoryview(gzip.compress(b"".join(content), compresslevel=1))]
            headers["Content-Encoding"] = "gzip"
        parameters = {"org": self.org, "bucket": self.bucket, "precision": "us"}
        response = self._sent(
            "POST",
            "/api/v2/write",
            stopped=stopped,
            passed=passed,
            params=parameters,
            headers=headers | {"Content-Length": str(sum(map(len, content)))},
            content=_Pieces(content),
        )
        failpoint("after_answer")
        if response.status_code != 204 and response.status_code not in passed:
            raise StoreError(
                f"InfluxDB answered {response.status_code} to a write, and only 204 means that it is kept.",
                where=self.place,
                remedy="See that ENERGY_INFLUX_URL names InfluxDB 2 itself.",
            )
        return response

    def query(self, statement: str) -> list[dict[str, Any]]:
        """The results of InfluxQL statements, one each; for short answers."""
        parameters = {"db": self.bucket, "epoch": "u"}
        response = self._sent("POST", "/query", params=parameters, data={"q": statement})
        return results(parsed(response.content, self.place), self.place)

    def documents(self, statement: str, stopped: threading.Event | None = None) -> Generator[bytes]:
        """What an InfluxQL statement selects, document by document: the answer is never held as a whole.

        Whoever stops before the end closes the generator.
        """
        fields = {"q": statement, "chunked": "true", "chunk_size": str(_CHUNK_ROWS)}
        parameters = {"db": self.bucket, "epoch": "u"}
        response = self._sent("POST", "/query", stream=True, stopped=stopped, params=parameters, data=fields)
        try:
            with self._errors():
                # lines end with \n alone: httpx would also split where a text holds other line ends
                pending: list[bytes] = []
                for piece in response.iter_bytes():
                    *whole, rest = piece.split(b"\n")
                    for line in whole:
                        pending.append(line)
                        if document := b"".join(pending).strip():
                            yield document
                        pending.clear()
                    if rest:
                        pending.append(rest)
                if document := b"".join(pending).strip():
                    yield document
        finally:
            response.close()

    def refusal(self, response: httpx.Response) -> StoreError:
        """The error that an answer other than a good one stands for."""
        reason = reason_of(response)
        status = response.status_code
        if status in {401, 403}:
            return StoreAccessError(
                "InfluxDB refuses the token, or the token lacks a right.",
                where=self.place,
                remedy="Check ENERGY_INFLUX_TOKEN: it must read and write the bucket.",
            )
        if status == 404:
            return StoreError(
                f"InfluxDB knows no such thing: {reason}.",
                where=self.place,
                remedy="Check ENERGY_INFLUX_URL, ENERGY_INFLUX_ORG and ENERGY_INFLUX_BUCKET.",
            )
        if "field type conflict" in reason:
            return FieldTypeConflictError(
                f"InfluxDB refuses points: {reason}.",
                where=self.place,
                remedy="A field keeps one type for ever: give the column another field's name in estate.yaml.",
            )
        return StoreError(
            f"InfluxDB refuses ({status}): {reason}.",
            where=self.place,
            remedy="Mend the cause and run it again: what was written before is overwritten by itself.",
        )

    def _sent(
        self,
        method: str,
        path: str,
        *,
        stream: bool = False,
        stopped: threading.Event | None = None,
        passed: Collection[int] = (),
        **parts: Any,
    ) -> httpx.Response:
        """A good answer, or one of `passed`: asked for again while the server is busy or a connection breaks."""
        stopped = stopped or threading.Event()
        start = time.monotonic()
        attempts = 0
        while True:
            left = self._patience_seconds - (time.monotonic() - start)
            seconds = max(_SHORTEST_TIMEOUT_SECONDS, min(self._timeout_seconds, left))
            timeout = httpx.Timeout(seconds, connect=min(_CONNECT_SECONDS, seconds))
            wait = 0.0
            attempts += 1
            try:
                request = self._client.build_request(method, path, timeout=timeout, **parts)
                response = self._client.send(request, stream=stream)
            except httpx.TransportError as error:
                if is_distrust(error):
                    raise distrusted(self.place) from None
                trouble = f"does not answer ({type(error).__name__})"
                # one that has answered before may be starting anew; one that never has is not there
                absent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) and not self._answered
            else:
                self._answered = True
                if response.is_success or response.status_code in passed:
                    return response
                if response.status_code not in _TRY_AGAIN:
                    raise self.refusal(response)
                trouble = f"is too busy ({response.status_code}: {reason_of(response)})"
                absent = False
                wait = _retry_after(response)
                response.close()
            pause = min(self._first_pause_seconds * 2 ** (attempts - 1), self._longest_pause_seconds)
            wait = max(wait, pause * random.uniform(0.75, 1.25))
            elapsed = time.monotonic() - start
            if absent or elapsed + wait >= self._patience_seconds or stopped.wait(wait):
                tried = f", {attempts} times in {elapsed:.1f} s" if attempts > 1 else ""
                raise StoreUnavailableError(
                    f"InfluxDB {trouble}{tried}.",
                    where=self.place,
                    remedy="Check that it runs and can be reached (energy-platform up) and run it again;"
                    " ENERGY_INFLUX_PATIENCE_SECONDS says for how long it is asked again.",
                )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise StoreUnavailableError(
                f"InfluxDB broke off its answer ({type(error).__name__}).",
                where=self.place,
                remedy="Run it again; look at the server's log.",
            ) from None


class _Pieces:
    """A body in pieces, as often as it is asked for: of a whole one the rest would be copied after each part sent."""

    def __init__(self, content: Sequence[memoryview]) -> None:
        self._content = content
        self._piece_bytes = sum(map(len, content)) // 2 + 1 if is_set("mid_influx_body") else _PIECE_BYTES

    def __iter__(self) -> Iterator[memoryview]:
        is_first = True
        for part in self._content:
            for start in range(0, len(part), self._piece_bytes):
                if not is_first:
                    failpoint("mid_influx_body")
                is_first = False
                yield part[start : start + self._piece_bytes]


def distrusted(place: str) -> StoreAccessError:
    """The error of a server whose certificate is not trusted."""
    return StoreAccessError(
        "InfluxDB's certificate is not trusted, or is for another host.",
        where=place,
        remedy="Check the host in ENERGY_INFLUX_URL; SSL_CERT_FILE names the authorities that are trusted.",
    )


def parsed(document: bytes, place: str) -> dict[str, Any]:
    """A document of the server. Raises StoreError where it is none."""
    try:
        found = json.loads(document)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise StoreError(
            "The answer is none of InfluxDB's.",
            where=place,
            remedy="See that ENERGY_INFLUX_URL names InfluxDB 2 itself, and no page in front of it.",
        )
    return found


def results(document: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
    """The results of an answer. InfluxQL says what is wrong inside of a good answer."""
    found = document.get("results", [])
    for error in [document.get("error"), *(result.get("error") for result in found)]:
        if error:
            raise StoreError(
                f"InfluxDB refuses a query: {str(error)[:300]}.",
                where=place,
                remedy="Check ENERGY_INFLUX_BUCKET and the rights of the token; a local server: energy-platform up",
            )
    return found


def reason_of(response: httpx.Response) -> str:
    """What the server says, without what it quotes: that is somebody's data."""
    try:
        said = str(json.loads(response.read()).get("message") or "")
    except (ValueError, AttributeError, httpx.HTTPError):
        said = ""
    for pattern, instead in _DATA_IN_REASONS:
        said = pattern.sub(instead, said)
    return said.strip().rstrip(".")[:300] or response.reason_phrase or "no reason given"


def _retry_after(response: httpx.Response) -> float:
    """For how many seconds the server wants to be left alone."""
    said = response.headers.get("Retry-After", "0")
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _place(url: str, bucket: str) -> tuple[str, bool]:
    """What may be shown of a URL, and whether it is on this machine."""
    remedy = "Set ENERGY_INFLUX_URL to http://host:8086 or https://host."
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise SettingError("This is no URL.", where="ENERGY_INFLUX_URL", remedy=remedy) from None
    if parts.scheme not in {"http", "https"} or not host:
        raise SettingError("This is no URL of InfluxDB.", where="ENERGY_INFLUX_URL", remedy=remedy)
    shown = urlunsplit((parts.scheme, f"{host}:{port}" if port else host, "", "", ""))
    return f"InfluxDB {shown}, bucket {bucket}", host in {"localhost", "127.0.0.1", "::1"}
