"""Mails to send, and real servers on loopback to send them to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope

from functions.mail.message import Message

LOOPBACK = "127.0.0.1"
USERNAME = "mailer"
PASSWORD = "not-a-real-password"


@pytest.fixture
def message() -> Message:
    return Message(
        to="alice@example.com",
        subject="New AWS access key for alice in acme",
        text="The secret is not-a-real-secret, grüße\n",
        html="<p>The secret is not-a-real-secret, grüße</p>\n",
        tags={"ikr-notice": "new_key", "ikr-user": "AIDAFAKE000000000001"},
        thread="AKIAFAKE00000000OLD1",
    )


@pytest.fixture
def deadline(message: Message) -> Message:
    """A mail with all that a mail can have."""
    calendar = "BEGIN:VCALENDAR\r\nSUMMARY:not for everybody\r\nEND:VCALENDAR\r\n"
    return replace(message, reply_to="cloud-help@example.com", calendar=calendar)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port on which connections are taken and never answered."""
    with closing(socket.create_server((LOOPBACK, 0))) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens."""
    with closing(socket.create_server((LOOPBACK, 0))) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Who signs the certificates of the servers here."""
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """What a client uses that trusts the authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@dataclass(frozen=True)
class Dripping:
    """A server that drips. ``tired`` says that nobody hung up on it before it gave in, after long."""

    port: int
    tired: threading.Event
    patience: float = 5.0


StartDripping = Callable[..., Dripping]


@pytest.fixture
def start_dripping(authority: trustme.CA) -> Iterator[StartDripping]:
    """Start a server on a port that says something, and then one byte more every 20 ms for as long as anyone listens.

    No byte is waited for long, so that only a deadline for the whole helps. With ``tls``, it speaks TLS from the start.
    """
    with ExitStack() as running:

        def start(says: bytes = b"", byte: bytes = b"2", *, tls: bool = False) -> Dripping:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            authority.issue_cert(LOOPBACK).configure_cert(context)
            listener = running.enter_context(closing(socket.create_server((LOOPBACK, 0))))

            def drip() -> None:
                accepted, _ = listener.accept()
                with contextlib.suppress(OSError), closing(accepted):
                    connection = context.wrap_socket(accepted, server_side=True) if tls else accepted
                    with closing(connection):
                        connection.sendall(says)
                        while not (ended.is_set() or server.tired.wait(0.02)):
                            connection.sendall(byte)

            server = Dripping(port=listener.getsockname()[1], tired=threading.Event())
            ended = threading.Event()
            thread = threading.Thread(target=drip)
            thread.start()
            running.callback(thread.join)
            running.callback(ended.set)
            limit = threading.Timer(server.patience, server.tired.set)
            limit.start()
            running.callback(limit.cancel)
            return server

        yield start


@dataclass
class Inbox:
    """A mail server's mind: it keeps the mails that it accepts, and may be told to answer a verb in another way.

    Where the answer to a verb is to be empty, it hangs up instead. DATA is answered twice: by 354, which may be empty
    as well, and once the mail has arrived.

    Attributes:
        answers: what it answers, by verb.
        delays: how many seconds it thinks before it does, by verb.
        mails: what it has accepted.
    """

    answers: dict[str, str] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)
    mails: list[Envelope] = field(default_factory=list)
    port: int = 0

    async def _answer(self, verb: str, server: SMTP, usual: str = "250 OK") -> str:
        await asyncio.sleep(self.delays.get(verb, 0))
        answer = self.answers.get(verb, usual)
        if not answer and isinstance(server.transport, asyncio.WriteTransport):
            server.transport.abort()
        return answer

    async def handle_MAIL(  # noqa: N802 # aiosmtpd finds its hooks by these names
        self, server: SMTP, _session: Any, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return await self._answer("MAIL", server)

    async def handle_RCPT(  # noqa: N802 # as above
        self, server: SMTP, _session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return await self._answer("RCPT", server)

    async def handle_DATA(self, server: SMTP, _session: Any, envelope: Envelope) -> str:  # noqa: N802 # as above
        answer = await self._answer("DATA", server)
        if answer.startswith("250"):
            self.mails.append(envelope)
        return answer

    async def handle_QUIT(self, server: SMTP, _session: Any, _envelope: Envelope) -> str:  # noqa: N802 # as above
        return await self._answer("QUIT", server, "221 Bye")


class _Server(SMTP):
    """A server whose inbox may hang up where the mail would begin."""

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 # aiosmtpd finds its commands by these names
        if self.event_handler.answers.get("354") == "" and isinstance(self.transport, asyncio.WriteTransport):
            await self.push("354 Go on")
            self.transport.abort()
        else:
            await super().smtp_DATA(arg)


class _LoopbackController(Controller):
    """Listens where the system found a free port."""

    def __init__(self, inbox: Inbox, **options: Any) -> None:
        self._listener = socket.create_server((LOOPBACK, 0))
        super().__init__(inbox, hostname=LOOPBACK, port=self._listener.getsockname()[1], **options)
        self.SMTP_kwargs["hostname"] = LOOPBACK  # else aiosmtpd asks DNS

    def factory(self) -> SMTP:
        return _Server(self.handler, **self.SMTP_kwargs)

    def _create_server(self) -> Any:
        return self.loop.create_server(self._factory_invoker, sock=self._listener, ssl=self.ssl_context)


def _authenticate(_server: Any, _session: Any, _envelope: Envelope, _mechanism: str, login: Any) -> AuthResult:
    known = (login.login, login.password) == (USERNAME.encode(), PASSWORD.encode())
    return AuthResult(success=known, handled=False)


StartSmtp = Callable[..., Inbox]


@pytest.fixture
def start_smtp(authority: trustme.CA) -> Iterator[StartSmtp]:
    """Start a server that wants TLS ("ssl" or "tls") and a login; further options are aiosmtpd's."""
    with ExitStack() as running:

        def start(
            protocol: str, answers: dict[str, str] | None = None, identity: str = LOOPBACK, **options: Any
        ) -> Inbox:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            authority.issue_cert(identity).configure_cert(tls)
            inbox = Inbox(answers or {})
            secured = (
                # aiosmtpd does not count TLS from the first byte as TLS.
                {"ssl_context": tls, "auth_require_tls": False}
                if protocol == "ssl"
                else {"tls_context": tls, "require_starttls": True}
            )
            login = {"authenticator": _authenticate, "auth_required": True}
            controller = _LoopbackController(inbox, **(secured | login | options))
            controller.start()
            running.callback(controller.stop)
            inbox.port = controller.port
            return inbox

        yield start


@dataclass
class HttpService:
    """An HTTP service that keeps the requests it gets and gives the answer it is told to."""

    status: int = 200
    body: bytes = json.dumps({"id": "<1@mail.example.com>", "message": "Queued. Thank you."}).encode()
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    def say(self, status: int, message: str) -> None:
        """Answer from now on as Mailgun does."""
        self.status = status
        self.body = json.dumps({"message": message}).encode()


@pytest.fixture
def http_service(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpService]:
    monkeypatch.setenv("NO_PROXY", LOOPBACK)
    service = HttpService()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            service.requests.append((self.path, dict(self.headers), body))
            self.send_response(service.status)
            for name, value in ({"Content-Length": str(len(service.body))} | service.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(service.body)

        do_GET = do_POST  # noqa: N815 # http.server finds its methods by these names

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        service.url = f"http://{LOOPBACK}:{server.server_port}/v3/mail.example.com/messages"
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield service
        server.shutdown()
        thread.join()
