"""Passwords and tokens of the local stores: made up once, kept in the home folder, readable by its owner only."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from energy_platform.local.files import write_private

POSTGRES_ROLES = ("energy_owner", "energy_loader", "energy_backup", "energy_app")
_NAMES = ("postgres", *POSTGRES_ROLES, "redis", "influxdb_password", "influxdb_token")


def load_credentials(home: Path) -> dict[str, str]:
    """What was made up before, by name; empty where nothing was."""
    try:
        return json.loads((home / "credentials.json").read_text())
    except FileNotFoundError:
        return {}


def ensure_credentials(home: Path) -> dict[str, str]:
    """All passwords and tokens, made up where missing. Their characters need no quoting in a URL."""
    known = load_credentials(home)
    missing = [name for name in _NAMES if name not in known]
    if missing:
        known |= {name: secrets.token_urlsafe(24) for name in missing}
        write_private(home / "credentials.json", json.dumps(known, indent=1))
    return known
