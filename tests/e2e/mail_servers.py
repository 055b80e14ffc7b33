"""Mail services on loopback for the deployed functions to send through, and what has arrived there."""

from __future__ import annotations

import contextlib
import email
import email.policy
import json
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope

from scripts.local_cloud.mailbox import Mail

LOOPBACK = "127.0.0.1"
SMTP_USERNAME = "rotation-mailer"
SMTP_PASSWORD = "not-a-real-password"
MAILGUN_KEY = "not-a-real-api-key"


class SmtpServer(Controller):
    """An SMTP server that speaks TLS from the first byte and takes mail after a login."""

    def __init__(self, authority: trustme.CA) -> None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(LOOPBACK).configure_cert(tls)
        self.mails: list[Mail] = []
        self._listener = socket.create_server((LOOPBACK, 0))
        super().__init__(
            self,
            hostname=LOOPBACK,
            port=self._listener.getsockname()[1],
            ssl_context=tls,
            server_hostname=LOOPBACK,  # else it asks DNS
            authenticator=_authenticate,
            auth_required=True,
            auth_require_tls=False,  # it does not count TLS from the first byte as TLS
        )

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        text, html = (message.get_body([kind]) for kind in ("plain", "html"))
        assert text is not None
        assert html is not None
        self.mails.append(
            Mail(
                to=envelope.rcpt_tos[0],
                subject=message["Subject"],
                text=text.get_content(),
                html=html.get_content(),
                headers=dict(message.items()),
                calendar=next((file.get_content() for file in message.iter_attachments()), None),
            )
        )
        return "250 OK"

    def _create_server(self) -> Any:
        return self.loop.create_server(self._factory_invoker, sock=self._listener, ssl=self.ssl_context)


def _authenticate(_server: Any, _session: Any, _envelope: Envelope, _mechanism: str, login: Any) -> AuthResult:
    known = (login.login, login.password) == (SMTP_USERNAME.encode(), SMTP_PASSWORD.encode())
    return AuthResult(success=known, handled=False)


class MailgunServer(ThreadingHTTPServer):
    """An HTTP server that queues messages as Mailgun does, for whoever presents the API key."""

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _MailgunHandler)
        self.mails: list[Mail] = []

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_port}/v3/mail.example.com/messages"


def _fields(content_type: str, body: bytes) -> dict[str, str]:
    """Read a form, whether or not a file goes along with it."""
    if not content_type.startswith("multipart/"):
        return {name: values[0] for name, values in parse_qs(body.decode()).items()}
    form = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    fields = {
        part.get_param("name", header="Content-Disposition"): part.get_payload(decode=True) for part in form.walk()
    }
    return {str(name): content.decode() for name, content in fields.items() if isinstance(content, bytes)}


class _MailgunHandler(BaseHTTPRequestHandler):
    server: MailgunServer

    def do_POST(self) -> None:
        form = _fields(self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Basic {b64encode(f'api:{MAILGUN_KEY}'.encode()).decode()}":
            self._answer(401, "Forbidden")
            return
        self.server.mails.append(
            Mail(
                to=form["to"],
                subject=form["subject"],
                text=form["text"],
                html=form["html"],
                headers={name.removeprefix("h:"): value for name, value in form.items() if name.startswith("h:")},
                calendar=form.get("attachment"),
            ),
        )
        self._answer(200, "Queued. Thank you.")

    def _answer(self, status: int, message: str) -> None:
        body = json.dumps({"id": "<1@mail.example.com>", "message": message}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@contextlib.contextmanager
def smtp_server(authority: trustme.CA) -> Iterator[SmtpServer]:
    """Run an SMTP server."""
    server = SmtpServer(authority)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def mailgun_server() -> Iterator[MailgunServer]:
    """Run a Mailgun."""
    with MailgunServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
