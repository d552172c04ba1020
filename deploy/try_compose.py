"""Tries docker-compose.yml for real where a Docker daemon can be had, even on a machine that cannot pull images.

    .venv/bin/python deploy/try_compose.py

It makes a base image of Debian's own packages, builds the platform's image from wheels that pip downloads here, starts
empty stores on this machine (the project's local ones), and brings the profile `managed` up against them on the host's
network: secrets-check, init twice, a migration of the sample, code location, webserver, daemon, one asset materialized
through the webserver, the code location killed in the middle of a run, `verify`. Daemon, images, containers and stores
live in one folder and are gone at the end.

Needs Linux, root, dockerd and debootstrap (Debian: docker.io, debootstrap), and Debian's and Python's package indexes.
Says what is missing, and exits with 2, where it cannot be tried; exits with 1 where something failed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# by which pip itself reads the conditions of a lock
from pip._vendor.packaging.markers import Marker

from energy_platform.local.credentials import ensure_credentials
from energy_platform.local.home import Home
from energy_platform.local.influxdb import InfluxServer, find_influxd
from energy_platform.local.ports import choose_port, is_free
from energy_platform.local.postgres import SUPERUSER, PostgresServer
from energy_platform.local.redis import RedisServer
from energy_platform.local.stores import remove_stores
from energy_platform.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
BASE, BUILD_BASE = "energy-platform-try/base:1", "energy-platform-try/build:1"
DEBIAN = "bookworm"
PACKAGES = "python3,python3-venv,ca-certificates"
LOCKS = ("requirements-production.lock", "requirements-build.lock")
#: Of docker-compose.yml and deploy/dagster/workspace.yaml: on the host's network no other may use it.
CODE_LOCATION_PORT = 4000
#: An asset without partitions, and what comes before it is there after a migration.
ASSET = ("postgres", "buildings")
RUN_SECONDS = 300

LAUNCH = """
mutation Launch($executionParams: ExecutionParams!) {
  launchPipelineExecution(executionParams: $executionParams) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
STATUS = "query Status($runId: ID!) { runOrError(runId: $runId) { ... on Run { status tags { key value } } } }"


class Refused(Exception):  # noqa: N818  not a failure: the machine cannot
    """This machine cannot try it."""


def say(sentence: str) -> None:
    """One line of progress, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {sentence}", flush=True)


def main() -> int:
    """Try it all; returns the exit code."""
    parser = argparse.ArgumentParser(description="Try docker-compose.yml where a Docker daemon can be had.")
    parser.add_argument("--pause", action="store_true", help="wait for Enter before everything is removed")
    pause = parser.parse_args().pause
    # whoever ends it wants everything removed too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        check_machine()
        # a folder that the stores' unprivileged user can enter
        work = Path(tempfile.mkdtemp(prefix="energy-platform-compose-"))
        work.chmod(0o755)
        try:
            with contextlib.ExitStack() as stack:
                try:
                    try_everything(work, stack)
                finally:
                    if pause:
                        say(f"Look at it with DOCKER_HOST=unix://{work}/docker.sock; Enter removes it all.")
                        sys.stdin.readline()
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except Refused as reason:
        say(f"Cannot be tried here: {reason}")
        return 2
    except (subprocess.CalledProcessError, TimeoutError, RuntimeError) as error:
        say(f"Failed: {error}")
        return 1
    say("All of it works.")
    return 0


def check_machine() -> None:
    """Say what is missing before anything is made."""
    if platform.system() != "Linux":
        raise Refused("a Docker daemon of its own needs Linux.")
    if os.geteuid() != 0:
        raise Refused("a Docker daemon of its own, and debootstrap, need root.")
    missing = [name for name in ("dockerd", "docker", "debootstrap") if shutil.which(name) is None]
    if missing:
        raise Refused(f"{', '.join(missing)} missing. On Debian: apt-get install docker.io debootstrap")
    if find_influxd(Settings()) is None:
        raise Refused("no influxd is here. Build it: make influxd")
    if not is_free(CODE_LOCATION_PORT):
        raise Refused(f"something listens on port {CODE_LOCATION_PORT} of this machine.")


def try_everything(work: Path, stack: contextlib.ExitStack) -> None:
    """The whole trial; what was started goes onto the stack."""
    docker = {**os.environ, "DOCKER_HOST": f"unix://{work}/docker.sock", "DOCKER_CONFIG": str(work / "docker")}
    install_compose_plugin(work / "docker")
    stack.enter_context(daemon(work, docker))
    make_base_images(work, docker)
    addresses = stack.enter_context(empty_stores(work / "stores"))
    ui_port = choose_port()
    environment = write_settings(work, addresses, readable_estate(work))
    override = write_override(work, ui_port)

    def compose(*arguments: str, check: bool = True) -> str:
        command = ["docker", "compose", "--project-directory", str(ROOT), "--env-file", str(environment)]
        command += ["-f", str(ROOT / "docker-compose.yml"), "-f", str(override), "--profile", "managed", *arguments]
        done = subprocess.run(command, env=docker, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise RuntimeError(f"docker compose {' '.join(arguments)}:\n{done.stdout[-6000:]}{done.stderr[-6000:]}")
        return done.stdout + done.stderr

    stack.callback(compose, "--profile", "command", "down", "--volumes", "--timeout", "20", check=False)
    began = time.monotonic()
    compose("build")
    size = run(docker, "docker", "image", "inspect", "--format", "{{.Size}}", "energy-platform:0.1.0").strip()
    say(f"The image is built: {time.monotonic() - began:.0f} s, {int(size) / 1e6:.0f} MB with its base.")
    check_image(docker)
    refuses_example_secrets(work, environment, compose)
    say("init, the first time:\n" + compose("run", "--rm", "init"))
    say("init, the second time:\n" + compose("run", "--rm", "init"))
    began = time.monotonic()
    say("migrate:\n" + compose("run", "--rm", "-T", "energy-platform", "migrate"))
    say(f"The sample is migrated and proven: {time.monotonic() - began:.0f} s.")
    began = time.monotonic()
    compose("up", "--detach", "--wait", "--wait-timeout", "300")
    say(f"Everything is up and healthy: {time.monotonic() - began:.0f} s.\n" + compose("ps", "--all"))
    webserver = f"http://127.0.0.1:{ui_port}/graphql"
    materialize(webserver)
    survive_a_kill(webserver, "energy-platform-code-location-1", docker)
    say("verify:\n" + compose("run", "--rm", "-T", "energy-platform", "verify"))
    say("Memory:\n" + run(docker, "docker", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}"))


def install_compose_plugin(configuration: Path) -> None:
    """The compose program of tools/compose as Docker's plugin."""
    program = run(os.environ, "sh", str(ROOT / "tools/compose/fetch.sh")).strip().splitlines()[-1]
    plugin = configuration / "cli-plugins" / "docker-compose"
    plugin.parent.mkdir(parents=True)
    plugin.symlink_to(program)


@contextlib.contextmanager
def daemon(work: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """A Docker daemon of our own, which touches no network of the machine, in one folder."""
    command = ["dockerd", "--data-root", str(work / "images"), "--exec-root", str(work / "run")]
    command += ["-H", environment["DOCKER_HOST"], "--pidfile", str(work / "docker.pid")]
    command += ["--iptables=false", "--ip6tables=false", "--bridge=none", "--ip-forward=false"]
    with (work / "docker.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(["docker", "info"], env=environment, capture_output=True, check=False).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                lines = (work / "docker.log").read_text().splitlines()[-5:]
                raise Refused("dockerd does not start:\n" + "\n".join(lines))
            time.sleep(0.3)
        yield
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for mount in _mounts_below(work):
            subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)


def _mounts_below(work: Path) -> list[str]:
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return sorted((mount for mount in mounts if mount.startswith(f"{work}/")), reverse=True)


def make_base_images(work: Path, environment: Mapping[str, str]) -> None:
    """Two images from Debian's packages: Python alone, and the same with the wheels that the locks name."""
    system = work / "debian"
    run(os.environ, "debootstrap", "--variant=minbase", f"--include={PACKAGES}", DEBIAN, str(system))
    for left in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(system / left)
    _import_image(system, BASE, environment)
    say("The base image is made of Debian's packages.")
    version = run(os.environ, "chroot", str(system), "python3", "-c", "import platform as p; print(p.python_version())")
    for name in LOCKS:
        wanted = work / name
        wanted.write_text(lock_for((ROOT / name).read_text(), version.strip()))
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary", ":all:", "--python-version", version.strip(), "--require-hashes"]
        run(os.environ, *command, "--requirement", str(wanted), "--dest", str(system / "wheels"))
    (system / "etc/pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    _import_image(system, BUILD_BASE, environment)
    shutil.rmtree(system)
    say("The image that builds has the locked wheels.")


def lock_for(lock: str, version: str) -> str:
    """What a lock asks of that version of Python, without conditions: pip asks them of the Python that runs it."""
    asked = {"python_full_version": version, "python_version": ".".join(version.split(".")[:2])}
    lines: list[str] = []
    wanted = True
    for line in lock.splitlines():
        if line and not line.startswith((" ", "#")):
            requirement, marked, condition = line.removesuffix("\\").partition(" ; ")
            wanted = not marked or Marker(condition.strip()).evaluate(asked)
            line = f"{requirement.strip()} \\"  # noqa: PLW2901
        if wanted:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _import_image(folder: Path, name: str, environment: Mapping[str, str]) -> None:
    with subprocess.Popen(["tar", "-C", str(folder), "-c", "."], stdout=subprocess.PIPE) as archive:
        subprocess.run(
            ["docker", "import", "-", name], stdin=archive.stdout, env=environment, capture_output=True, check=True
        )


@contextlib.contextmanager
def empty_stores(folder: Path) -> Iterator[dict[str, str]]:
    """PostgreSQL, InfluxDB and Redis of this machine with an administrator each, and nothing in them."""
    settings = Settings(home=folder, estate=ROOT / "data", timeseries="influxdb")
    home = Home(folder, say)
    credentials = ensure_credentials_in(folder)
    try:
        with home.lock():
            servers = [kind(home, settings, credentials) for kind in (InfluxServer, RedisServer, PostgresServer)]
            for server in servers:
                server.begin()
            for server in servers:
                server.finish()
            home.save()
        influx, redis, postgres = servers
        say(f"Empty stores: PostgreSQL {postgres.version}, {redis.version}, InfluxDB {influx.version}.")
        yield {
            "superuser": f"postgresql://{SUPERUSER}:{credentials[SUPERUSER]}@127.0.0.1:{postgres.port}/postgres",
            "postgres": f"127.0.0.1:{postgres.port}",
            "influx": f"http://127.0.0.1:{influx.port}",
            "operator_token": credentials["influxdb_token"],
            "redis": f"redis://:{credentials['redis']}@127.0.0.1:{redis.port}/0",
        }
    finally:
        remove_stores(settings)


def ensure_credentials_in(folder: Path) -> dict[str, str]:
    """Passwords for the stores' administrators."""
    folder.mkdir(mode=0o711)
    return ensure_credentials(folder)


def readable_estate(work: Path) -> Path:
    """A copy of the sample that the containers' user may read, whatever the umask of the checkout was."""
    estate = shutil.copytree(ROOT / "data", work / "estate")
    run(os.environ, "chmod", "-R", "a+rX", str(estate))
    return estate


def write_settings(work: Path, addresses: Mapping[str, str], estate: Path) -> Path:
    """An env file as `make compose-env` writes it, with the addresses of this machine's stores."""
    example = (ROOT / "compose.env.example").read_text()
    lines = [f"{line}{secrets.token_hex(20)}" if line.endswith("PASSWORD=") and not line.startswith("#") else line
             for line in example.splitlines()]  # fmt: skip
    values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    place = addresses["postgres"]

    def url(role: str, name: str, database: str = "energy") -> str:
        return f"postgresql://energy_{role}:{values[f'POSTGRES_{name}_PASSWORD']}@{place}/{database}"

    values |= {
        "INFLUXDB_OPERATOR_TOKEN": addresses["operator_token"],
        "ENERGY_ENVIRONMENT": "staging",
        "ENERGY_POSTGRES_URL": url("loader", "LOADER"),
        "ENERGY_POSTGRES_ADMIN_URL": url("owner", "OWNER"),
        "ENERGY_POSTGRES_APP_URL": url("app", "APP"),
        "ENERGY_POSTGRES_BACKUP_URL": url("backup", "BACKUP"),
        "ENERGY_DAGSTER_POSTGRES_URL": url("dagster", "DAGSTER", "dagster_sample"),
        "ENERGY_INFLUX_URL": addresses["influx"],
        "ENERGY_REDIS_URL": addresses["redis"],
        "ENERGY_PROVISION_POSTGRES_URL": addresses["superuser"],
        "BASE": BASE,
        "BUILD_BASE": BUILD_BASE,
        "ESTATE_FOLDER": str(estate),
    }
    path = work / "compose.env"
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return path


def write_override(work: Path, ui_port: int) -> Path:
    """What differs here: the host's network, since the daemon has none, and a base image with wheels."""
    here = {"network_mode": "host", "extra_hosts": ["code-location:127.0.0.1"]}
    services: dict[str, Any] = {name: dict(here) for name in ("init", "code-location", "webserver", "daemon")}
    services["energy-platform"] = dict(here)
    services["secrets-check"] = {"build": {"network": "none"}}
    services["code-location"]["command"] = (
        f"dagster code-server start --host=127.0.0.1 --port={CODE_LOCATION_PORT}"
        " --module-name=energy_platform.definitions"
    )
    services["webserver"] |= {
        "command": f"dagster-webserver --host=127.0.0.1 --port={ui_port} --workspace=/opt/dagster/workspace.yaml",
        "healthcheck": {
            "test": [
                "CMD", "python3", "-c",
                f'from urllib.request import urlopen; urlopen("http://127.0.0.1:{ui_port}/server_info", timeout=5)',
            ]
        },
    }  # fmt: skip
    text = ["services:"]
    for name, changes in services.items():
        text.append(f"  {name}:")
        text += [f"    {key}: {json.dumps(value)}" for key, value in changes.items()]
        if "network_mode" in changes:
            text.append("    networks: !reset null")
        if name == "webserver":
            text.append("    ports: !reset []")
    path = work / "override.yml"
    path.write_text("\n".join(text) + "\n")
    return path


def check_image(environment: Mapping[str, str]) -> None:
    """No compiler, no pip, no root, and a file system that nobody may write to."""
    script = (
        "for tool in gcc cc make pip pip3; do if command -v $tool; then exit 1; fi; done; "
        "test ! -e /wheels && test ! -e /root/.cache && test $(id -u) = 10001 && "
        "! touch /opt/energy-platform/x 2>/dev/null && ! find / -xdev -name '*.env' 2>/dev/null | grep ."
    )
    run(environment, "docker", "run", "--rm", "--network=none", "energy-platform:0.1.0", "sh", "-c", script)
    say("The image has no compiler, no pip, no cache, no secret, and runs as user 10001.")


def refuses_example_secrets(work: Path, environment: Path, compose: Any) -> None:
    """An example secret stops everything before a server sees it."""
    good = environment.read_text()
    environment.write_text(good.replace("ENERGY_REDIS_URL=", "ENERGY_REDIS_URL=redis://:changeme@127.0.0.1:1/0\n#"))
    try:
        answer = compose("run", "--rm", "secrets-check", check=False)
    finally:
        environment.write_text(good)
    if "ENERGY_REDIS_URL" not in answer:
        raise RuntimeError(f"secrets-check did not refuse an example secret:\n{answer}")
    say("secrets-check refuses an example secret:\n" + answer)
    say("secrets-check with random ones:\n" + compose("run", "--rm", "secrets-check"))


def materialize(url: str) -> None:
    """Launch a run through the webserver, and wait for its end."""
    began = time.monotonic()
    status = wait_for_end(url, launch(url))
    say(f"A run launched through the webserver: {status} after {time.monotonic() - began:.0f} s.")
    if status != "SUCCESS":
        raise RuntimeError("It did not succeed.")


def survive_a_kill(url: str, container: str, environment: Mapping[str, str]) -> None:
    """Kill the code location in the middle of a run: it starts again, and the run is noticed and tried again."""
    run_id = launch(url)
    wait_for(url, run_id, {"STARTED"})
    process = run(environment, "docker", "inspect", "--format", "{{.State.Pid}}", container)
    os.kill(int(process), signal.SIGKILL)
    began = time.monotonic()
    if wait_for_end(url, run_id) != "FAILURE":
        raise RuntimeError("A run whose process was killed did not fail.")
    noticed = time.monotonic() - began
    again = ""
    while not again:
        if time.monotonic() - began > RUN_SECONDS:
            raise TimeoutError("The killed run was not tried again.")
        time.sleep(1)
        tags = {tag["key"]: tag["value"] for tag in ask(url, STATUS, {"runId": run_id})["runOrError"]["tags"]}
        again = tags.get("dagster/auto_retry_run_id", "")
    if wait_for_end(url, again) != "SUCCESS":
        raise RuntimeError("The killed run was tried again without success.")
    say(
        f"The code location was killed in the middle of a run: noticed after {noticed:.0f} s, "
        f"done by another run after {time.monotonic() - began:.0f} s."
    )


def launch(url: str) -> str:
    """Launch a run of one asset; its number."""
    selector = {
        "repositoryLocationName": "energy_platform",
        "repositoryName": "__repository__",
        "jobName": "__ASSET_JOB",
        "assetSelection": [{"path": list(ASSET)}],
    }
    launched = ask(url, LAUNCH, {"executionParams": {"selector": selector, "runConfigData": {}}})
    answer = launched["launchPipelineExecution"]
    if answer["__typename"] != "LaunchRunSuccess":
        raise RuntimeError(f"The webserver launches no run: {json.dumps(answer)[:3000]}")
    return answer["run"]["runId"]


def wait_for_end(url: str, run_id: str) -> str:
    """The status with which a run ends."""
    return wait_for(url, run_id, {"SUCCESS", "FAILURE", "CANCELED"})


def wait_for(url: str, run_id: str, wanted: set[str]) -> str:
    """The first of these statuses that a run has."""
    deadline = time.monotonic() + RUN_SECONDS
    status = ""
    while status not in wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"The run is {status} after {RUN_SECONDS} s.")
        time.sleep(0.2)
        status = ask(url, STATUS, {"runId": run_id})["runOrError"]["status"]
    return status


def ask(url: str, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """One question to the webserver."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        answer = json.load(response)
    if answer.get("errors"):
        raise RuntimeError(str(answer["errors"])[:3000])
    return answer["data"]


def run(environment: Mapping[str, str], *command: str) -> str:
    """Run a command; what it printed, or a RuntimeError with it."""
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
