"""A local InfluxDB 2: the influxd that `make influxd` has built, or that PATH has."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from energy_platform.domain.errors import SettingError, StoreError
from energy_platform.local.programs import program_version, reachable_program
from energy_platform.local.server import LocalServer
from energy_platform.settings import Settings

VERSION = "2.7.12"


class InfluxServer(LocalServer):
    """InfluxDB 2 with one organisation, one bucket that keeps everything, and one token."""

    name = "influxdb"
    title = "InfluxDB"
    stop_signals: ClassVar[Sequence[tuple[signal.Signals, float]]] = (
        (signal.SIGTERM, 30.0),
        (signal.SIGKILL, 5.0),
    )

    def url(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> Sequence[str]:
        """Make the folder.

        Raises:
            SettingError: there is no influxd, or the one named does not run.
        """
        program = find_influxd(self.settings)
        version = program_version(program, "version") if program else ""
        if not program or not version:
            raise SettingError(
                "There is no influxd on this machine that runs.",
                where=str(program or ""),
                remedy="Build it: make influxd. Or set ENERGY_INFLUXD to its path.",
            )
        self.home.state.versions[self.name] = version
        program = reachable_program(self.home, program, base=program.parent, parts=(program.name,))
        self.home.make_folder(self.folder)
        return [
            str(program),
            *("--bolt-path", str(self.folder / "influxd.bolt")),
            *("--sqlite-path", str(self.folder / "influxd.sqlite")),
            *("--engine-path", str(self.folder / "engine")),
            *("--http-bind-address", f"127.0.0.1:{self.port}"),
            "--reporting-disabled",
        ]

    def check(self) -> bool:
        """Whether the server answers our token; a server that was never set up is set up first."""
        try:
            status, answer = self._request("GET", "/health")
            if status != 200 or answer.get("status") != "pass":
                return False
            status, answer = self._request("GET", "/api/v2/setup")
            if status == 200 and answer.get("allowed"):
                self._set_up()
            status, _ = self._request("GET", "/api/v2/buckets?limit=1")
        except (OSError, http.client.HTTPException, ValueError):
            return False
        if status == 401:
            raise self.refuses_password()
        return status == 200

    def ensure_bucket(self) -> None:
        """Make the bucket where it is missing.

        Raises:
            StoreError: the server refuses it, or the organisation is not the one that the server was set up with.
        """
        organisation, bucket = self.settings.influx_org, self.settings.influx_bucket
        status, answer = self._request("GET", f"/api/v2/orgs?org={quote(organisation)}")
        if status != 200 or not answer.get("orgs"):
            raise StoreError(
                f"The local InfluxDB has no organisation {organisation}.",
                where="ENERGY_INFLUX_ORG",
                remedy=f"Set it to the one that the server was set up with, or delete {self.folder} to start anew.",
            )
        number = answer["orgs"][0]["id"]
        status, answer = self._request("GET", f"/api/v2/buckets?orgID={number}&name={quote(bucket)}")
        if status == 200 and answer.get("buckets"):
            return
        status, answer = self._request(
            "POST", "/api/v2/buckets", {"orgID": number, "name": bucket, "retentionRules": []}
        )
        if status != 201:
            raise StoreError(
                f"The local InfluxDB cannot make the bucket {bucket}: {answer.get('message', status)}.",
                where="ENERGY_INFLUX_BUCKET",
                remedy="Choose another name.",
            )

    def _set_up(self) -> None:
        status, answer = self._request(
            "POST",
            "/api/v2/setup",
            {
                "username": "energy",
                "password": self.credentials["influxdb_password"],
                "token": self.credentials["influxdb_token"],
                "org": self.settings.influx_org,
                "bucket": self.settings.influx_bucket,
                "retentionPeriodSeconds": 0,
            },
        )
        if status != 201:
            raise StoreError(
                f"The local InfluxDB cannot be set up: {answer.get('message', status)}.",
                where=str(self.folder),
                remedy="Check ENERGY_INFLUX_ORG and ENERGY_INFLUX_BUCKET.",
            )

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """One request straight to the server, whatever proxy the machine uses for the rest of the world."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            headers = {"Authorization": f"Token {self.credentials['influxdb_token']}"}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            content = response.read()
            return response.status, json.loads(content) if content else {}


def find_influxd(settings: Settings) -> Path | None:
    """The influxd to start: the setting's, the one that `make influxd` built, the one on PATH; None where none is."""
    if settings.influxd:
        return settings.influxd.absolute()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    built = cache / "energy-platform" / f"influxd-{VERSION}" / "influxd"
    if os.access(built, os.X_OK):
        return built
    on_path = shutil.which("influxd")
    return Path(on_path).absolute() if on_path else None
