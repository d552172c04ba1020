"""docker-compose.yml as Docker's own program reads it: what each container may do, waits for, and is told."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from energy_platform.settings import Settings
from energy_platform_tests.conftest import skip_without

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "compose.env.example"
COMPOSE = ROOT / "docker-compose.yml"
STORES = {"postgres", "influxdb", "redis"}
ONE_SHOT = {"secrets-check", "init"}
PLATFORM = {"secrets-check", "init", "code-location", "webserver", "daemon"}
COMMAND = {"secrets-check", "init", "energy-platform"}
#: What `up` starts with each profile; the command's is whole too, and started by nobody but `run`.
PROFILES = {"mvp": STORES | PLATFORM, "managed": PLATFORM}
SECRETS = tuple(re.findall(r"^([A-Z][A-Z_]*)=$", EXAMPLE.read_text(), flags=re.MULTILINE))
#: Who is told which secret, and nobody else.
TOLD = {
    "POSTGRES_SUPERUSER_PASSWORD": {"secrets-check", "init", "postgres"},
    "POSTGRES_OWNER_PASSWORD": {"secrets-check", "init"},
    "POSTGRES_APP_PASSWORD": {"secrets-check", "init"},
    "POSTGRES_BACKUP_PASSWORD": {"secrets-check", "init"},
    "POSTGRES_LOADER_PASSWORD": {"secrets-check", "init", "code-location", "energy-platform"},
    "POSTGRES_DAGSTER_PASSWORD": {*PLATFORM, "energy-platform"},
    "INFLUXDB_OPERATOR_TOKEN": {"secrets-check", "init", "influxdb"},
    "INFLUXDB_ADMIN_PASSWORD": {"secrets-check", "influxdb"},
    "REDIS_PASSWORD": {"secrets-check", "init", "code-location", "energy-platform", "redis"},
}
#: Variables of the platform's containers that are Dagster's or another program's.
NOT_OURS = ("DAGSTER_", "POSTGRES_", "DOCKER_INFLUXDB_INIT_", "INFLUXD_", "REDIS_PASSWORD", "SSL_CERT_FILE")

Config = Mapping[str, Any]


@pytest.fixture(scope="module")
def compose() -> str:
    """Docker's compose program."""
    done = subprocess.run(
        ["sh", str(ROOT / "tools/compose/fetch.sh")],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode == 0:
        return done.stdout.strip().splitlines()[-1]
    found = shutil.which("docker-compose")
    if found is None:
        skip_without("Docker's compose program (tools/compose/fetch.sh)")
    return found or ""


@pytest.fixture(scope="module")
def values() -> dict[str, str]:
    """Random secrets, as `make compose-env` makes them."""
    return {name: secrets.token_hex(20) for name in SECRETS}


def read(compose: str, values: Mapping[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What compose makes of the file with these values, and nothing of this machine's own environment."""
    env_file = folder / "compose.env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return subprocess.run(
        [compose, "--project-directory", str(ROOT), "--file", str(COMPOSE), "--env-file", str(env_file), *arguments],
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def configured(compose: str, values: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Config]:
    """The file as compose understands it, for one profile or several."""

    def configure(*profiles: str, **more: str) -> Config:
        chosen = [argument for profile in profiles for argument in ("--profile", profile)]
        folder = tmp_path_factory.mktemp("compose")
        done = read(compose, values | more, folder, *chosen, "config", "--format", "json")
        assert done.returncode == 0, done.stderr
        assert not done.stderr, "it must not warn either"
        return json.loads(done.stdout)

    return configure


@pytest.fixture(scope="module")
def everything(configured: Callable[..., Config]) -> dict[str, Config]:
    """All services of all profiles."""
    return configured(*PROFILES, "command")["services"]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_has_its_services(configured: Callable[..., Config], profile: str):
    assert set(configured(profile)["services"]) == PROFILES[profile]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_command_is_there_beside_a_profile_and_never_started_by_it(configured: Callable[..., Config], profile: str):
    assert set(configured(profile, "command")["services"]) == PROFILES[profile] | {"energy-platform"}


def test_each_profile_of_the_file_is_whole_by_itself(compose: str, values: dict[str, str], tmp_path: Path):
    named = read(compose, values, tmp_path, "config", "--profiles").stdout.split()
    assert sorted(named) == ["command", "managed", "mvp"]
    for profile in named:
        done = read(compose, values, tmp_path, "--profile", profile, "config", "--services")
        assert (done.returncode, done.stderr) == (0, "")
        assert set(done.stdout.split()) == {"command": COMMAND, **PROFILES}[profile]


def test_without_a_profile_nothing_starts(configured: Callable[..., Config]):
    assert configured()["services"] == {}


def test_images_are_pinned_to_a_whole_version(everything: dict[str, Config]):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = {name: service["image"] for name, service in everything.items()}
    assert {images[name] for name in (*PLATFORM, "energy-platform")} == {f"energy-platform:{version}"}
    for name in STORES:
        assert re.fullmatch(rf"{name}:\d+\.\d+(\.\d+)?(-bookworm)?", images[name])
    assert images["influxdb"] == "influxdb:2.7.12"
    assert images["postgres"].startswith("postgres:16.")
    assert re.match(r"redis:7\.\d+\.\d+", images["redis"])


def test_one_service_builds_the_image_that_all_use(everything: dict[str, Config]):
    built = {name: service["build"] for name, service in everything.items() if "build" in service}
    assert set(built) == {"secrets-check"}
    base = base_of(ROOT / "Dockerfile")
    assert built["secrets-check"]["args"] == {"BASE": base, "BUILD_BASE": base}


def test_every_container_is_locked_down(everything: dict[str, Config]):
    for name, service in everything.items():
        user, _, group = service["user"].partition(":")
        assert int(user) > 0, name
        assert int(group) > 0, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["init"] is True, name
        assert "privileged" not in service, name
        assert "/tmp" in service["tmpfs"], name


def test_every_container_has_limits_and_rotated_logs(everything: dict[str, Config]):
    for name, service in everything.items():
        assert int(service["mem_limit"]) >= 512 * 2**20, name
        assert 0 < service["cpus"] <= 2, name
        assert 0 < service["pids_limit"] <= 1024, name
        assert service["logging"]["driver"] == "json-file", name
        assert service["logging"]["options"].keys() >= {"max-size", "max-file"}, name


def test_servers_start_again_have_health_checks_and_time_to_end(everything: dict[str, Config]):
    for name, service in everything.items():
        if name in ONE_SHOT | {"energy-platform"}:
            assert service["restart"] == "no", name
            assert "healthcheck" not in service, name
        else:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}, name
            assert service["healthcheck"].keys() >= {"interval", "timeout", "retries", "start_period"}, name
            assert "stop_grace_period" in service, name


def test_health_is_what_each_server_says_of_itself(everything: dict[str, Config]):
    tests = {
        name: " ".join(service["healthcheck"]["test"])
        for name, service in everything.items()
        if "healthcheck" in service
    }
    assert "pg_isready" in tests["postgres"]
    assert "influx ping" in tests["influxdb"]
    assert "redis-cli ping" in tests["redis"]
    assert "dagster api grpc-health-check --port=4000" in tests["code-location"]
    assert "/server_info" in tests["webserver"]
    assert "dagster-daemon liveness-check" in tests["daemon"]


def test_nothing_starts_before_what_it_needs(everything: dict[str, Config]):
    done, healthy = "service_completed_successfully", "service_healthy"
    stores = dict.fromkeys(STORES, (healthy, False))
    # (condition, required): a store that no profile starts is elsewhere
    expected = {
        "secrets-check": {},
        "postgres": {"secrets-check": (done, True)},
        "influxdb": {"secrets-check": (done, True)},
        "redis": {"secrets-check": (done, True)},
        "init": stores | {"secrets-check": (done, True)},
        "code-location": stores | {"init": (done, True)},
        "webserver": {"postgres": (healthy, False), "init": (done, True), "code-location": (healthy, True)},
        "daemon": {"postgres": (healthy, False), "init": (done, True), "code-location": (healthy, True)},
        "energy-platform": stores | {"init": (done, True)},
    }
    found = {
        name: {other: (need["condition"], need["required"]) for other, need in service.get("depends_on", {}).items()}
        for name, service in everything.items()
    }
    assert found == expected


def test_only_the_webserver_is_published_and_only_on_loopback(configured: Callable[..., Config]):
    services = configured(*PROFILES)["services"]
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"webserver"}
    (port,) = published["webserver"]
    assert (port["host_ip"], port["published"], port["target"]) == ("127.0.0.1", "3000", 3000)


def test_address_and_port_of_the_webserver_are_settings(configured: Callable[..., Config]):
    services = configured("mvp", UI_ADDRESS="192.0.2.7", UI_PORT="8080")["services"]
    (port,) = services["webserver"]["ports"]
    assert (port["host_ip"], port["published"]) == ("192.0.2.7", "8080")


def test_stores_stand_in_a_network_without_a_way_out(configured: Callable[..., Config]):
    config = configured(*PROFILES)
    assert config["networks"]["stores"]["internal"] is True
    for name in STORES:
        assert set(config["services"][name]["networks"]) == {"stores"}
    assert config["services"]["secrets-check"]["network_mode"] == "none"
    assert not any(service.get("network_mode") == "host" for service in config["services"].values())


def test_what_lasts_stands_in_named_volumes(configured: Callable[..., Config]):
    config = configured(*PROFILES)
    assert set(config["volumes"]) == {"postgres", "influxdb", "redis", "platform", "secrets", "staging"}
    for name in STORES:
        (mount,) = config["services"][name]["volumes"]
        assert (mount["type"], mount["source"]) == ("volume", name)


def test_the_estate_and_the_secrets_are_read_only_where_work_is_done(everything: dict[str, Config]):
    for name in ("code-location", "energy-platform"):
        mounts = {mount["target"]: mount for mount in everything[name]["volumes"]}
        assert mounts["/estate"]["type"] == "bind"
        assert mounts["/estate"]["read_only"] is True
        assert not mounts["/estate"]["bind"].get("create_host_path")
        assert mounts["/run/energy-secrets"]["read_only"] is True
    others = {
        name
        for name, service in everything.items()
        if any(
            mount["target"] == "/run/energy-secrets" and not mount.get("read_only")
            for mount in service.get("volumes", [])
        )
    }
    assert others == {"init"}


def test_every_container_that_reaches_a_server_elsewhere_knows_its_authorities(everything: dict[str, Config]):
    for name in (PLATFORM | {"energy-platform"}) - {"secrets-check"}:
        mounts = {mount["target"]: mount for mount in everything[name]["volumes"]}
        assert mounts["/certificates"]["source"] == str(ROOT / "deploy/certificates")
        assert mounts["/certificates"]["read_only"] is True


def test_a_folder_of_staged_days_is_never_shared(everything: dict[str, Config]):
    users = [
        name
        for name, service in everything.items()
        if any(mount.get("source") == "staging" for mount in service.get("volumes", []))
    ]
    assert users == ["code-location"]


def test_a_secret_is_told_to_those_who_need_it_and_stands_nowhere_else(
    everything: dict[str, Config], values: dict[str, str]
):
    assert set(TOLD) == set(SECRETS)
    for secret, users in TOLD.items():
        told = {name for name, service in everything.items() if values[secret] in json.dumps(service)}
        assert told == users, secret
    for name, service in everything.items():
        rest = json.dumps({key: value for key, value in service.items() if key != "environment"})
        assert not any(value in rest for value in values.values()), f"{name}: a command line is seen by everybody"


def test_no_secret_stands_in_a_file():
    text = COMPOSE.read_text() + (ROOT / "Dockerfile").read_text()
    assert not re.search(r"(?i)(password|token)\S*[:=]\s*[\"']?[0-9a-z]{8,}", text)
    # the part of an address between colon and @ is always a variable
    assert re.findall(r"://[a-z_]*:(?!\$\{)[^@\s]*@", text) == []


@pytest.mark.parametrize("secret", SECRETS)
def test_an_empty_secret_is_refused_by_name(compose: str, values: dict[str, str], tmp_path: Path, secret: str):
    done = read(compose, values | {secret: ""}, tmp_path, "--profile", "mvp", "config", "--quiet")
    assert done.returncode != 0
    assert f"required variable {secret} is missing a value" in done.stderr
    assert "make compose-env" in done.stderr


def test_the_example_itself_is_refused(compose: str):
    done = subprocess.run(
        [compose, "--file", str(COMPOSE), "--env-file", str(EXAMPLE), "--profile", "mvp", "config", "--quiet"],
        check=False,
        env={"PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "is empty in compose.env" in done.stderr


def judged(service: Config) -> subprocess.CompletedProcess[str]:
    """What secrets-check says of the environment that compose gives it."""
    program, *arguments = service["command"]
    assert program == "energy-platform"
    given = {name: value for name, value in service["environment"].items() if value is not None}
    return subprocess.run(
        [sys.executable, "-m", "energy_platform.cli.main", *arguments],
        check=False,
        env={"PATH": os.environ["PATH"], **given},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def test_random_secrets_pass_the_check(everything: dict[str, Config]):
    done = judged(everything["secrets-check"])
    assert done.returncode == 0, done.stderr


def test_each_example_secret_is_refused_by_the_setting_it_becomes(configured: Callable[..., Config]):
    settings = {
        "POSTGRES_SUPERUSER_PASSWORD": "ENERGY_PROVISION_POSTGRES_URL",
        "POSTGRES_OWNER_PASSWORD": "ENERGY_POSTGRES_ADMIN_URL",
        "POSTGRES_LOADER_PASSWORD": "ENERGY_POSTGRES_URL",
        "POSTGRES_APP_PASSWORD": "ENERGY_POSTGRES_APP_URL",
        "POSTGRES_BACKUP_PASSWORD": "ENERGY_POSTGRES_BACKUP_URL",
        "POSTGRES_DAGSTER_PASSWORD": "ENERGY_DAGSTER_POSTGRES_URL",
        "INFLUXDB_OPERATOR_TOKEN": "ENERGY_PROVISION_INFLUX_TOKEN",
        "INFLUXDB_ADMIN_PASSWORD": "ENERGY_PROVISION_INFLUX_PASSWORD",
        "REDIS_PASSWORD": "ENERGY_REDIS_URL",
    }
    assert set(settings) == set(SECRETS)
    examples = {name: f"change-me-{place}-abcdefgh" for place, name in enumerate(SECRETS)}
    done = judged(configured("mvp", **examples)["services"]["secrets-check"])
    assert done.returncode != 0
    for setting in settings.values():
        assert f"{setting}: " in done.stderr
    assert not any(example in done.stderr for example in examples.values())


def test_one_secret_for_two_is_refused(configured: Callable[..., Config]):
    same = "0123456789abcdef0123"
    services = configured("mvp", POSTGRES_APP_PASSWORD=same, POSTGRES_LOADER_PASSWORD=same)["services"]
    done = judged(services["secrets-check"])
    assert done.returncode != 0
    assert "ENERGY_POSTGRES_APP_URL" in done.stderr


def test_every_variable_is_explained_in_the_example_and_used():
    text = COMPOSE.read_text()
    asked = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", text))
    # a variable without a value is handed through as compose.env has it
    asked |= set(re.findall(r"^ +([A-Z_]+):$", text, flags=re.MULTILINE))
    explained = set(re.findall(r"^#?([A-Z][A-Z_]*)=", EXAMPLE.read_text(), flags=re.MULTILINE))
    assert asked | {"COMPOSE_PROJECT_NAME"} == explained


def test_what_holds_without_a_variable_is_what_the_example_says():
    text = COMPOSE.read_text()
    defaults = dict(re.findall(r"\$\{([A-Z_]+):-([^$}]*)\}", text))
    shown = dict(re.findall(r"^#([A-Z][A-Z_]*)=(.+)$", EXAMPLE.read_text(), flags=re.MULTILINE))
    for name, value in defaults.items():
        if not name.endswith("_URL"):
            assert shown[name] == value, name
    for name, field in Settings.model_fields.items():
        variable = f"ENERGY_{name.upper()}"
        if variable in shown and variable not in defaults and not variable.endswith("_URL"):
            assert shown[variable] == f"{field.default:g}" if isinstance(field.default, float) else str(field.default)


def test_every_setting_that_is_handed_over_exists(everything: dict[str, Config]):
    known = {f"ENERGY_{name.upper()}" for name in Settings.model_fields} | {"ENERGY_SECRETS_DIR"}
    for name, service in everything.items():
        for variable in service.get("environment", {}):
            assert variable in known or variable.startswith(NOT_OURS), f"{name}: {variable}"


#: Settings of which compose.env says nothing, and why.
NOT_FOR_CONTAINERS = {
    "home": "a folder of the image, the volume `platform`",
    "estate": "a folder of the image, where ESTATE_FOLDER is mounted",
    "secrets_dir": "a folder of the image, the volume `secrets`",
    "provision_influx_password": "it is INFLUXDB_ADMIN_PASSWORD",
    "timeseries": "there is always an InfluxDB",
    "influxd": "no container of the platform starts a server",
    "postgres_bin": "no container of the platform starts a server",
    "redis_server": "no container of the platform starts a server",
}
#: Settings of the preparation alone.
OF_INIT = {
    *("postgres_admin_url", "postgres_app_url", "postgres_backup_url", "migration_lock_seconds"),
    *("provision_postgres_url", "provision_influx_token"),
}


def test_every_setting_in_compose_env_reaches_whoever_works_by_it_and_is_judged_first(
    configured: Callable[..., Config],
):
    known = Settings.model_fields.keys() - NOT_FOR_CONTAINERS.keys()
    given = {f"ENERGY_{name.upper()}": str(place) for place, name in enumerate(sorted(known), 100)}
    of_init = {f"ENERGY_{name.upper()}" for name in OF_INIT}
    services = configured("mvp", "command", **given)["services"]
    for name, wanted in {
        "secrets-check": given.keys(),
        "init": of_init,
        "code-location": given.keys() - of_init,
        "energy-platform": given.keys() - of_init,
    }.items():
        told = services[name]["environment"]
        assert {variable: told.get(variable) for variable in wanted} == {
            variable: given[variable] for variable in wanted
        }, name


def test_a_setting_that_is_wrong_is_said_before_anything_starts(configured: Callable[..., Config]):
    done = judged(configured("mvp", ENERGY_BATCH_ROWS="many", ENERGY_SMTP_PORT="")["services"]["secrets-check"])
    assert done.returncode == 2
    assert "ENERGY_BATCH_ROWS: Input should be a valid integer" in done.stderr
    assert "ENERGY_SMTP_PORT: " in done.stderr


def test_how_long_a_look_at_the_files_may_take_is_said_to_who_waits_for_it(configured: Callable[..., Config]):
    services = configured("mvp", DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS="300")["services"]
    assert services["daemon"]["environment"]["DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS"] == "300"


def test_addresses_may_be_given_as_a_whole(configured: Callable[..., Config]):
    given = {
        "ENERGY_POSTGRES_URL": "postgresql://energy_loader:abc@db.example:5432/energy?sslmode=verify-full",
        "ENERGY_REDIS_URL": "rediss://:def@cache.example:6379/0",
        "ENERGY_INFLUX_URL": "https://influx.example",
        "ENERGY_PROVISION_POSTGRES_URL": "",
        "ENERGY_PROVISION_INFLUX_TOKEN": "",
    }
    services = configured("managed", **given)["services"]
    assert services["init"]["environment"].items() >= given.items()
    work = services["code-location"]["environment"]
    assert work["ENERGY_POSTGRES_URL"] == given["ENERGY_POSTGRES_URL"]
    assert not any(name.startswith("ENERGY_PROVISION") for name in work)


def test_redis_loses_nothing_silently(everything: dict[str, Config]):
    command = " ".join(everything["redis"]["command"])
    for option in ("--appendonly yes", "--appendfsync everysec", "--maxmemory-policy noeviction", "requirepass"):
        assert option in command


def test_webserver_and_daemon_know_the_code_location_by_the_name_that_state_hangs_on():
    deployed = yaml.safe_load((ROOT / "deploy/dagster/workspace.yaml").read_text())["load_from"][0]["grpc_server"]
    local = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"][0]["python_module"]
    assert deployed == {"host": "code-location", "port": 4000, "location_name": local["location_name"]}


def base_of(dockerfile: Path) -> str:
    """The base image that a Dockerfile takes where none is named."""
    found = re.search(r"^ARG BASE=(\S+)$", dockerfile.read_text(), flags=re.MULTILINE)
    assert found is not None
    return found.group(1)
