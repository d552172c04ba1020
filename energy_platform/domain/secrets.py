"""What makes a password or token none: it is empty, an example, easily guessed, or the same as another's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

SHORTEST: Final = 12

#: Words of examples and placeholders; a secret that holds one is none.
_PLACEHOLDERS: Final = ("change-me", "changeme", "change_me", "example", "placeholder", "replace", "password", "<", ">")
#: Of a secret made of very few characters, such as `xxxxxxxxxxxx` or `121212121212`.
_FEWEST_CHARACTERS: Final = 5


class Secret(NamedTuple):
    """A password or token.

    Attributes:
        setting: where it stands.
        of: whose it is; one secret may stand in several settings of the same owner.
        text: the secret itself, which no message repeats.
    """

    setting: str
    of: str
    text: str


class Fault(NamedTuple):
    """What is wrong with a setting, as facts for an error."""

    setting: str
    what: str
    remedy: str


def judge_secrets(secrets: Iterable[Secret]) -> list[Fault]:
    """What is wrong with these secrets; nothing where all are proper ones."""
    faults: list[Fault] = []
    seen: dict[str, Secret] = {}
    for secret in secrets:
        what = _weakness(secret)
        other = seen.setdefault(secret.text, secret)
        if not what and other.of != secret.of:
            what = f"The secret of {secret.of} is that of {other.of} too ({other.setting})."
        if what:
            faults.append(Fault(secret.setting, what, "Give it one of its own, e.g. from: openssl rand -hex 24"))
    return faults


def _weakness(secret: Secret) -> str:
    text = secret.text.strip()
    if not text:
        return f"The secret of {secret.of} is empty."
    lowered = text.lower()
    if any(word in lowered for word in _PLACEHOLDERS) or lowered == secret.of.lower():
        return f"The secret of {secret.of} is an example's."
    if len(text) < SHORTEST or len(set(text)) < _FEWEST_CHARACTERS:
        return f"The secret of {secret.of} is easily guessed: it has fewer than {SHORTEST} characters, or few others."
    return ""
