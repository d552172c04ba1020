"""Encrypted connections to real servers: a trusted certificate is taken, another refused in words."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from pydantic import SecretStr

from energy_platform.defs.instance import migrate_instance
from energy_platform.domain.errors import StoreAccessError
from energy_platform.local.influxdb import find_influxd
from energy_platform.provisioning.postgres import provision_postgres
from energy_platform.settings import Settings
from energy_platform.stores.cache.redis import BuildingCache
from energy_platform.stores.timeseries.influxdb import InfluxTimeSeries
from energy_platform.stores.timeseries.provisioning import InfluxAdministration
from energy_platform_tests.conftest import DEBIAN_REDIS, skip_without
from energy_platform_tests.provisioning.conftest import BareServer


class Authority:
    """A certificate authority of our own, and a certificate for `localhost` that it has signed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.certificate, self.server_certificate = folder / "ca.pem", folder / "server.pem"
        self.key, self.server_key = folder / "ca.key", folder / "server.key"
        elliptic = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        request, names = folder / "server.csr", folder / "names"
        names.write_text("subjectAltName=DNS:localhost\n")
        self._openssl(
            *("req", "-x509", *elliptic, "-keyout", self.key, "-out", self.certificate, "-days", "2"),
            *("-subj", f"/CN=Authority of {folder.name}"),
        )
        self._openssl("req", *elliptic, "-keyout", self.server_key, "-out", request, "-subj", "/CN=localhost")
        self._openssl(
            *("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial"),
            *("-out", self.server_certificate, "-days", "2", "-extfile", names),
        )

    @staticmethod
    def _openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        skip_without("openssl")
    return Authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def stranger(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another authority, which has signed nothing of ours."""
    return Authority(tmp_path_factory.mktemp("tls") / "theirs")


@pytest.fixture
def encrypted(older_bare: BareServer, authority: Authority) -> Iterator[BareServer]:
    """A PostgreSQL that speaks TLS as well."""
    folder = older_bare.data_folder
    owner = folder.stat()
    for source, name in ((authority.server_certificate, "server.crt"), (authority.server_key, "server.key")):
        shutil.copyfile(source, folder / name)
        (folder / name).chmod(0o600)
        os.chown(folder / name, owner.st_uid, owner.st_gid)
    older_bare.run("ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()")
    deadline = time.monotonic() + 60
    while older_bare.run("SHOW ssl") != [("on",)] and time.monotonic() < deadline:
        time.sleep(0.02)
    yield older_bare
    older_bare.run("ALTER SYSTEM RESET ssl", "SELECT pg_reload_conf()")


def over_tls(server: BareServer, certificate: Path, *, host: str = "localhost", mode: str = "verify-full") -> Settings:
    settings = server.superusers_settings()
    query = f"?sslmode={mode}&sslrootcert={quote(str(certificate))}"

    def encrypted(url: SecretStr) -> SecretStr:
        return SecretStr(url.get_secret_value().replace("@127.0.0.1:", f"@{host}:") + query)

    names = [name for name in settings.model_fields_set if "postgres_url" in name or name.startswith("postgres_")]
    return settings.model_copy(update={name: encrypted(getattr(settings, name)) for name in names})


def test_postgres_is_made_ready_over_proven_connections(
    encrypted: BareServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    settings = over_tls(encrypted, authority.certificate)
    said: list[str] = []
    provision_postgres(settings, said.append)
    assert "the schema was brought to" in said[1]
    migrate_instance(settings)
    with psycopg.connect(settings.postgres_url.get_secret_value()) as connection:
        ssl = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert connection.execute(ssl).fetchone() == (True,)


def test_a_postgres_that_is_not_the_one_meant_is_refused_in_words(
    encrypted: BareServer, authority: Authority, stranger: Authority
) -> None:
    for settings, what in (
        (over_tls(encrypted, stranger.certificate), "certificate is not signed by an authority that is trusted"),
        (over_tls(encrypted, authority.certificate, host="127.0.0.1"), "certificate is for another host"),
        (over_tls(encrypted, authority.certificate.with_name("none")), "file of trusted authorities cannot be read"),
    ):
        with pytest.raises(StoreAccessError, match=what) as caught:
            provision_postgres(settings, lambda sentence: None)
        assert "sslrootcert" in caught.value.remedy
    assert encrypted.run("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'energy%'") == [(0,)]


def test_a_postgres_without_encryption_is_said_to_have_none(newer_bare: BareServer, authority: Authority) -> None:
    with pytest.raises(StoreAccessError, match="PostgreSQL offers no encryption"):
        provision_postgres(over_tls(newer_bare, authority.certificate), lambda sentence: None)


@pytest.fixture
def redis_port(authority: Authority, tmp_path: Path) -> Iterator[int]:
    """A Redis that speaks TLS alone."""
    if not DEBIAN_REDIS.exists():
        skip_without("Debian's Redis 7")
    port = free_port()
    command = [
        *(DEBIAN_REDIS, "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", tmp_path),
        *("--tls-cert-file", authority.server_certificate, "--tls-key-file", authority.server_key),
        *("--tls-ca-cert-file", authority.certificate, "--tls-auth-clients", "no", "--requirepass", "redis-0a1b2c3d"),
    ]
    yield from started(command, port)


def test_redis_over_tls(redis_port: int, authority: Authority, stranger: Authority) -> None:
    url = f"rediss://:redis-0a1b2c3d@{{}}:{redis_port}/0?ssl_ca_certs={{}}"
    with BuildingCache(url.format("localhost", authority.certificate)) as cache:
        cache.ping()
    for host, certificate in (("localhost", stranger.certificate), ("127.0.0.1", authority.certificate)):
        with (
            pytest.raises(StoreAccessError, match="Redis' certificate is not trusted") as caught,
            BuildingCache(url.format(host, certificate)) as cache,
        ):
            cache.ping()
        assert "0a1b2c3d" not in str(caught.value)


@pytest.fixture
def influx_port(authority: Authority, tmp_path: Path) -> Iterator[int]:
    """An InfluxDB that speaks TLS alone, and was never set up."""
    program = find_influxd(Settings())
    if program is None:
        skip_without("influxd (make influxd builds it)")
    port = free_port()
    command = [
        *(str(program), "--bolt-path", tmp_path / "bolt", "--sqlite-path", tmp_path / "sqlite"),
        *("--engine-path", tmp_path / "engine", "--http-bind-address", f"127.0.0.1:{port}", "--reporting-disabled"),
        *("--tls-cert", authority.server_certificate, "--tls-key", authority.server_key),
    ]
    yield from started(command, port)


def test_influxdb_over_tls(
    influx_port: int, authority: Authority, stranger: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx

    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    url, token = f"https://localhost:{influx_port}", "operator-0a1b2c3d"
    user = {"username": "u", "password": "password1", "org": "energy", "bucket": "energy", "token": token}
    assert httpx.post(f"{url}/api/v2/setup", json=user).status_code == 201
    settings = Settings(influx_url=url, influx_token=SecretStr(token), influx_patience_seconds=0.1)
    administrator = InfluxAdministration(url, token, organisation="energy", bucket="energy")
    assert administrator.ensure_bucket() == []
    InfluxTimeSeries(settings).ping()
    monkeypatch.setenv("SSL_CERT_FILE", str(stranger.certificate))
    with pytest.raises(StoreAccessError, match="InfluxDB's certificate is not trusted"):
        administrator.ensure_bucket()
    with pytest.raises(StoreAccessError, match="InfluxDB's certificate is not trusted"):
        InfluxTimeSeries(settings).ping()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def started(command: list[str | Path], port: int) -> Iterator[int]:
    """Run a server until its test is over; gives its port once it listens."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            except OSError:
                time.sleep(0.02)
        try:
            yield port
        finally:
            process.terminate()
