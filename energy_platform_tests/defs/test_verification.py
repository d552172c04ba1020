"""The job `verify`: go, or no-go with the findings in its metadata."""

from __future__ import annotations

import psycopg

from energy_platform.settings import Settings
from energy_platform_tests.defs.runs import Runs, failures

VERIFICATION = "maintenance/verification"


def test_it_passes_what_was_migrated_and_fails_what_was_changed_behind_its_back(
    runs: Runs, store_environment: Settings
) -> None:
    assert failures(runs.migrate()) == {}

    go = runs.verify()
    assert failures(go) == {}
    assert runs.events(VERIFICATION) == {None: 1}
    verdict = runs.check(VERIFICATION)
    assert verdict is not None
    assert verdict.passed

    with psycopg.connect(store_environment.postgres_url.get_secret_value()) as connection:
        changed = connection.execute("UPDATE energy.settings SET value = value || 'x'").rowcount
    assert changed > 0

    no_go = runs.verify()
    assert "postgres/settings" in failures(no_go)[VERIFICATION]
    assert runs.events(VERIFICATION) == {None: 1}
    verdict = runs.check(VERIFICATION)
    assert verdict is not None
    assert not verdict.passed
    found = verdict.metadata["differences"].records  # pyright: ignore[reportAttributeAccessIssue]
    assert {(record.data["asset"], record.data["partition"]) for record in found} == {("postgres/settings", "all")}

    # what verification doubts is loaded and proven again
    assert failures(runs.migrate()) == {}
    assert failures(runs.verify()) == {}
