"""Sends a notice to whom the settings name. What cannot be sent stands in the log, with the reason."""

from __future__ import annotations

import json
import logging
import re
import smtplib
import ssl
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from energy_platform.domain.errors import SettingError
from energy_platform.settings import Settings

#: A server that does not answer is tried so often, with pauses between.
ATTEMPTS: Final = 3
PAUSE_SECONDS: Final = 2.0
TIMEOUT_SECONDS: Final = 10.0
#: Characters of a reason, at most: chats and mail servers have their limits.
LONGEST: Final = 3_000

_ANY_PASSWORD = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(?P<after>@)", re.IGNORECASE)
_LOG = logging.getLogger("energy_platform.notices")


@dataclass(frozen=True, slots=True)
class Notice:
    """What people must know.

    Attributes:
        subject: one line.
        reason: why, and what to do.
        facts: further facts by name.
    """

    subject: str
    reason: str
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All of it, as plain text."""
        facts = "\n".join(f"{name}: {value}" for name, value in self.facts.items() if value)
        return "\n\n".join(part for part in (self.subject, self.reason, facts) if part)


def notify(
    settings: Settings, notice: Notice, *, log: logging.Logger = _LOG, pause_seconds: float = PAUSE_SECONDS
) -> list[str]:
    """Send a notice by every way that the settings name; by the log where they name none, or none works.

    Args:
        settings: name the ways.
        notice: is sent without any secret that the settings hold.
        log: gets what was sent nowhere, and why.
        pause_seconds: between two attempts.

    Returns:
        the ways that took it: `webhook`, `e-mail`, `log`.
    """
    notice = without_secrets(notice, settings)
    taken: list[str] = []
    for way, send in _ways(settings).items():
        problem = _attempted(lambda send=send: send(settings, notice), pause_seconds)
        if problem:
            log.error("%s", without_secrets(Notice(f"The notice was not taken by {way}: {problem}", ""), settings).text)
        else:
            taken.append(way)
    if not taken:
        log.error("%s", notice.text)
        taken.append("log")
    return taken


def without_secrets(notice: Notice, settings: Settings) -> Notice:
    """The same without secrets of the settings and passwords in addresses, cut to a length that all ways take."""
    secrets = {value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)}
    secrets |= {urlsplit(secret).password or "" for secret in secrets if "://" in secret}
    # the longest first: one may be a part of another
    hidden = sorted((secret for secret in secrets if len(secret) >= 4), key=len, reverse=True)

    def clean(text: str) -> str:
        for secret in hidden:
            text = text.replace(secret, "***")
        return _ANY_PASSWORD.sub(r"\g<before>***\g<after>", text)

    reason = clean(notice.reason)
    reason = reason if len(reason) <= LONGEST else f"{reason[:LONGEST]} …"
    return Notice(clean(notice.subject), reason, {name: clean(value) for name, value in notice.facts.items()})


def _ways(settings: Settings) -> dict[str, Callable[[Settings, Notice], None]]:
    ways: dict[str, Callable[[Settings, Notice], None]] = {}
    if settings.notify_webhook_url.get_secret_value():
        ways["webhook"] = _post
    if settings.notify_email_to:
        ways["e-mail"] = _mail
    return ways


def _attempted(send: Callable[[], None], pause_seconds: float) -> str:
    """What stood in the way of the last attempt; empty where one went well."""
    problem = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(pause_seconds * attempt)
        try:
            send()
        except SettingError as error:
            return str(error)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            problem = f"{type(error).__name__}: {error}"
        else:
            return ""
    return problem


def _post(settings: Settings, notice: Notice) -> None:
    url = settings.notify_webhook_url.get_secret_value()
    if urlsplit(url).scheme not in {"http", "https"}:
        raise SettingError(
            "This is no address of the web.",
            where="ENERGY_NOTIFY_WEBHOOK_URL",
            remedy="It starts with https:// or http://.",
        )
    body = {
        "text": notice.text,
        "subject": notice.subject,
        "reason": notice.reason,
        "environment": settings.environment,
        **notice.facts,
    }
    request = urllib.request.Request(  # noqa: S310  the scheme was looked at
        url, json.dumps(body, ensure_ascii=False).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310
        pass


def _mail(settings: Settings, notice: Notice) -> None:
    if not settings.smtp_host:
        raise SettingError(
            "There is no mail server to send by.", where="ENERGY_SMTP_HOST", remedy="Name one, e.g. smtp.example.org."
        )
    people = [name.strip() for name in settings.notify_email_to.split(",") if name.strip()]
    message = EmailMessage()
    # a line break in a header would start another one
    message["Subject"] = " ".join(notice.subject.split())
    message["From"] = settings.notify_email_from or people[0]
    message["To"] = ", ".join(people)
    message.set_content("\n\n".join(notice.text.split("\n\n")[1:]) or notice.text)
    with _connected(settings) as server:
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
        server.send_message(message)


def _connected(settings: Settings) -> smtplib.SMTP:
    if settings.smtp_security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_SECONDS, context=context)
    server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_SECONDS)
    if settings.smtp_security == "starttls":
        server.starttls(context=ssl.create_default_context())
    return server
