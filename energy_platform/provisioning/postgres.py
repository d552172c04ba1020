"""PostgreSQL made ready: roles and databases by an administrator, the schema by its owner; or looked at, and judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from energy_platform.domain.errors import StoreAccessError, StoreError
from energy_platform.provisioning.judging import POSTGRES_ROLES, Address, address_of
from energy_platform.settings import Settings
from energy_platform.stores.postgres.bootstrap import (
    AT_ONCE,
    ROLES,
    Databases,
    administrator_sql,
    ensure_roles,
    holds_at_once,
)
from energy_platform.stores.postgres.connection import connect, place_of, store_errors
from energy_platform.stores.postgres.migrations import head, upgrade

#: What follows where a role does not bypass row-level security.
_GUARDED: Final = "Row-level security holds for who loads or backs up, so that pg_dump wants --enable-row-security."
_NOT_OURS: Final = {"provision_postgres_url", "dagster_postgres_url"}


def provision_postgres(settings: Settings, say: Callable[[str], None]) -> None:
    """Make roles, databases and rights where the settings name an administrator, and bring the schema up to date.

    Args:
        settings: judged before.
        say: is told, in a sentence, what was made or found.

    Raises:
        StoreAccessError: something is missing that the administrator may not make; the remedy holds the SQL for it.
        StoreError: a server does not answer, or refuses.
    """
    owner_url = settings.postgres_admin_url.get_secret_value()
    administrator = settings.provision_postgres_url.get_secret_value()
    databases = databases_of(settings)
    missing: list[str] = []
    desirable: list[str] = []
    where = place_of(administrator or owner_url)
    if administrator:
        outcome = ensure_roles(administrator, databases, passwords_of(settings))
        missing, desirable = outcome.missing, outcome.desirable
        made = f"made {', '.join(outcome.made)}" if outcome.made else "roles, databases and rights are there"
        say(f"{where}: {made}.")
    else:
        say(f"{where}: ENERGY_PROVISION_POSTGRES_URL is empty, so roles and databases are taken as they are.")
    try:
        missing += [statement for statement in _wrong_attributes(owner_url) if statement not in missing]
        for setting in POSTGRES_ROLES:
            _let_in(getattr(settings, setting).get_secret_value())
        changed = upgrade(owner_url, lock_seconds=settings.migration_lock_seconds)
        desirable += [statement for statement in _desirable(owner_url) if statement not in desirable]
        say(f"{place_of(owner_url)}: the schema {'was brought to' if changed else 'is at'} revision {head()}.")
    except StoreAccessError as error:
        if missing:
            raise _incomplete(where, missing) from None
        if administrator:
            raise
        raise _with_script(error, databases) from None
    if missing:
        raise _incomplete(where, missing)
    if desirable:
        guarded = f" {_GUARDED}" if any("BYPASSRLS" in statement for statement in desirable) else ""
        say(f"{where}: loads are faster where somebody may run: {' '.join(desirable)}{guarded}")


def databases_of(settings: Settings) -> Databases:
    """The databases that the settings name; without Dagster's where that is on another server."""
    owner = _address(settings.postgres_admin_url.get_secret_value())
    dagster = _address(settings.dagster_postgres_url.get_secret_value())
    together = (owner.hosts, owner.port or "5432") == (dagster.hosts, dagster.port or "5432")
    return Databases(dagster=dagster.path if together else "", dagster_owner=dagster.user, energy=owner.path)


def passwords_of(settings: Settings) -> dict[str, str]:
    """Passwords by role: Dagster's first, so that the owner's own URL says the owner's."""
    addresses = [
        _address(url)
        for setting in ("dagster_postgres_url", *(set(POSTGRES_ROLES) - _NOT_OURS))
        if (url := getattr(settings, setting).get_secret_value())
    ]
    return {address.user: address.password for address in addresses}


def _address(url: str) -> Address:
    address = address_of(url)
    if address is None:  # settings are judged before
        raise ValueError("A URL of PostgreSQL cannot be read.")
    return address


def _let_in(url: str) -> None:
    if url:
        connect(url, autocommit=True).close()


def _wrong_attributes(url: str) -> list[str]:
    """What an administrator must run so that no role has more than it needs."""
    statements = []
    for role, is_superuser, bypasses in _attributes(url):
        if is_superuser:
            statements.append(f'ALTER ROLE "{role}" NOSUPERUSER;')
        if bypasses and not ROLES[role]:
            statements.append(f'ALTER ROLE "{role}" NOBYPASSRLS;')
    return statements


def _desirable(url: str) -> list[str]:
    """What an administrator may run so that row-level security and references do not hold up loads."""
    guarded = [
        f'ALTER ROLE "{role}" BYPASSRLS;' for role, _, bypasses in _attributes(url) if ROLES[role] and not bypasses
    ]
    with connect(url, autocommit=True) as connection, store_errors(url):
        return guarded if holds_at_once(connection) else [*guarded, f"{AT_ONCE};"]


def _attributes(url: str) -> list[tuple[str, bool, bool]]:
    """Our roles, whether each is a superuser, and whether it bypasses row-level security."""
    with connect(url, autocommit=True) as connection, store_errors(url):
        return connection.execute(
            "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = ANY(%s) ORDER BY rolname",
            [list(ROLES)],
        ).fetchall()


def _incomplete(where: str, missing: list[str]) -> StoreAccessError:
    return StoreAccessError(
        "What the platform needs is not complete, and this role may not complete it.",
        where=where,
        remedy="Somebody who may runs this, and then run it again:\n\n" + "\n".join(missing) + "\n",
    )


def _with_script(error: StoreError, databases: Databases) -> StoreAccessError:
    return StoreAccessError(
        error.what,
        where=error.where,
        remedy=f"{error.remedy} Where roles or databases are missing, set ENERGY_PROVISION_POSTGRES_URL, or have an"
        f" administrator run:\n\n{administrator_sql(databases)}",
    )
