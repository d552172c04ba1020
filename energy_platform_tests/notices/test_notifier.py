"""Notices reach a real web server and a real mail server; what cannot be sent stands in the log, without secrets."""

from __future__ import annotations

import json
import logging
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, TypeVar, cast

import pytest

from energy_platform.notices.notifier import ATTEMPTS, LONGEST, Notice, notify, without_secrets
from energy_platform.settings import Settings

Served = TypeVar("Served", bound=socketserver.BaseServer)
NOTICE = Notice("the run failed", "2025-05-26 is not proven.\nMend it.", {"job": "migrate", "days": ""})


class Web(HTTPServer):
    """Keeps what was posted; answers with the statuses that are left, then with 200."""

    def __init__(self, statuses: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.statuses = statuses
        self.posted: list[dict[str, Any]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/hook/s3cret-path"


class _Post(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        web = cast(Web, self.server)
        web.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(web.statuses.pop(0) if web.statuses else 200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002


class Mail(socketserver.TCPServer):
    """Takes mail as SMTP has it."""

    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Delivery)
        self.messages: list[Message] = []
        self.to: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Delivery(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        mail = cast(Mail, self.server)
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline().strip():
            verb = line[:4].upper()
            if verb == b"RCPT":
                mail.to.append(line.decode().partition("<")[2].partition(">")[0])
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                mail.messages.append(message_from_bytes(b"".join(lines)))
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            if verb == b"QUIT":
                return


@contextmanager
def serving(server: Served) -> Iterator[Served]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def settings(**values: object) -> Settings:
    return Settings.model_validate(values)


def test_a_webhook_gets_text_and_facts_as_json() -> None:
    with serving(Web([])) as web:
        taken = notify(settings(notify_webhook_url=web.url, environment="staging"), NOTICE)

    assert taken == ["webhook"]
    assert web.posted == [
        {
            "text": "the run failed\n\n2025-05-26 is not proven.\nMend it.\n\njob: migrate",
            "subject": "the run failed",
            "reason": "2025-05-26 is not proven.\nMend it.",
            "environment": "staging",
            "job": "migrate",
            "days": "",
        }
    ]


def test_a_server_that_stumbles_is_tried_again() -> None:
    with serving(Web([503, 500])) as web:
        taken = notify(settings(notify_webhook_url=web.url), NOTICE, pause_seconds=0)

    assert taken == ["webhook"]
    assert len(web.posted) == 3


def test_what_cannot_be_sent_stands_in_the_log_without_the_address(caplog: pytest.LogCaptureFixture) -> None:
    with serving(Web([500] * ATTEMPTS)) as web, caplog.at_level(logging.ERROR):
        taken = notify(settings(notify_webhook_url=web.url), NOTICE, pause_seconds=0)

    assert taken == ["log"]
    assert "not taken by webhook: HTTPError: HTTP Error 500" in caplog.text
    assert "2025-05-26 is not proven." in caplog.text
    assert "s3cret" not in caplog.text


def test_everybody_named_gets_a_mail() -> None:
    with serving(Mail()) as mail:
        taken = notify(
            settings(
                notify_email_to="one@example.org, two@example.org",
                notify_email_from="platform@example.org",
                smtp_host="127.0.0.1",
                smtp_port=mail.port,
                smtp_security="none",
            ),
            Notice("several\nlines", "왜: the reason"),
        )

    assert taken == ["e-mail"]
    assert mail.to == ["one@example.org", "two@example.org"]
    (message,) = mail.messages
    assert (message["Subject"], message["From"]) == ("several lines", "platform@example.org")
    assert cast(bytes, message.get_payload(decode=True)).decode().strip() == "왜: the reason"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"notify_email_to": "one@example.org"}, "ENERGY_SMTP_HOST: There is no mail server to send by."),
        ({"notify_webhook_url": "file:///etc/passwd"}, "ENERGY_NOTIFY_WEBHOOK_URL: This is no address of the web."),
        (
            {"notify_email_to": "one@example.org", "smtp_host": "127.0.0.1", "smtp_port": 1},
            "not taken by e-mail: ConnectionRefusedError",
        ),
    ],
)
def test_a_wrong_setting_is_named(values: dict[str, object], said: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        taken = notify(settings(**values), NOTICE, pause_seconds=0)

    assert taken == ["log"]
    assert said in caplog.text
    assert "the run failed" in caplog.text


def test_without_any_setting_the_log_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert notify(settings(), NOTICE) == ["log"]

    assert NOTICE.text in caplog.text


def test_no_secret_leaves_and_no_notice_is_endless() -> None:
    told = without_secrets(
        Notice(
            "pass-word-1",
            "postgresql://u:pass-word-1@db/energy and redis://:other@cache/0 and token-22 " + "x" * 2 * LONGEST,
            {"at": "https://who:hidden@host/x"},
        ),
        settings(postgres_url="postgresql://u:pass-word-1@db/energy", influx_token="token-22"),
    )

    assert told.subject == "***"
    assert told.reason.startswith("*** and redis://:***@cache/0 and *** x")
    assert len(told.reason) <= LONGEST + 2
    assert told.facts == {"at": "https://who:***@host/x"}
