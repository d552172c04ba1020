"""The checks on tables in PostgreSQL: all rows of the estate's tenants."""

from __future__ import annotations

from energy_platform.domain.quality.outcomes import Outcome
from energy_platform.quality.register import known_codes
from energy_platform.quality.subject import Subject
from energy_platform.quality.suites import Surroundings, validate
from energy_platform.stores.postgres.rows import read_rows


def check_table(subject: Subject, name: str) -> list[Outcome]:
    """All checks on a table; its rows are read once."""
    contract = subject.contract(name)
    codes = known_codes(subject, contract)
    with subject.postgres.connection() as connection:
        rows = read_rows(connection, contract, subject.tenants).drop("estate")
    return validate(contract, rows, Surroundings(subject.now, codes=codes))
