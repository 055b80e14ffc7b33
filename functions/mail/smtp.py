"""Sends through an SMTP server, over TLS from the first byte ("ssl") or by STARTTLS ("tls")."""

from __future__ import annotations

import contextlib
import re
import smtplib
import ssl
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime, make_msgid, parseaddr
from typing import Any

from functions.common.environment import Smtp
from functions.common.errors import (
    ConfigurationError,
    MailError,
    MailServiceError,
    MailThrottled,
    MailUnanswered,
    RecipientRefused,
)
from functions.mail.calendar_entry import FILE_NAME
from functions.mail.deadline import ANSWER_SECONDS, ATTEMPT_SECONDS, cut_off
from functions.mail.message import Message
from functions.mail.reply import quote

_TIMEOUT = 10.0
# Servers' replies differ; SES's own SMTP endpoint says "Throttling failure: Maximum sending rate exceeded".
_THROTTLED = re.compile(rb"throttl|rate (limit )?exceeded|too many (messages|connections)", re.IGNORECASE)
# What its endpoint says in the same words of a quota that is used up does not pass within a run.
_QUOTA = re.compile(rb"daily", re.IGNORECASE)
_READY = 220
_SHUTTING_DOWN = 421
_FOR_GOOD = 500
_AFTER_THE_MAIL = 2

# What a host without a public name says of itself (RFC 5321, 4.1.3). Left to smtplib it would cost a DNS look-up.
_THIS_HOST = "[127.0.0.1]"


class SmtpMailer:
    """A mailer on one SMTP server; the server's certificate and host name are checked.

    Every mail has a connection of its own, so that threads need not wait for each other and no connection is ever
    found dead.

    Args:
        server: where it is and how it is spoken to.
        password: of ``server.username``.
        mail_from: the sender, with or without a display name.
        tls: which certificates are trusted; by default, those that the system trusts.
        timeout: seconds that the server may be silent.
        deadline: seconds that handing over one mail may take.
        answer: seconds that the server may take to answer once it has been handed the mail.

    Raises:
        ConfigurationError: the user name or password has characters outside ASCII, which smtplib cannot send.
    """

    def __init__(
        self,
        server: Smtp,
        password: str,
        mail_from: str,
        *,
        tls: ssl.SSLContext | None = None,
        timeout: float = _TIMEOUT,
        deadline: float = ATTEMPT_SECONDS,
        answer: float = ANSWER_SECONDS,
    ) -> None:
        if not (server.username.isascii() and password.isascii()):
            raise ConfigurationError("the SMTP user name and password must be ASCII")
        self._server = server
        self._password = password
        self._mail_from = mail_from
        self._tls = tls or ssl.create_default_context()
        self._timeout = timeout
        self._deadline = deadline
        self._answer = answer

    def send(self, message: Message) -> None:
        """Hand one mail over to the server.

        A refused recipient is that recipient's fault even where the server says "later" (a full or greylisted
        mailbox): the next run tries again, and nobody else has to wait. So is a mail refused for its content, lest
        one user's instruction stops everyone.

        Raises:
            RecipientRefused: the server takes other mail, but not this one.
            MailThrottled: the server takes mail, but not so fast.
            MailUnanswered: the server was handed the mail, and did not say whether it takes it.
            MailServiceError: the server refuses or fails, or could not be reached.
        """
        sender = parseaddr(self._mail_from)[1]
        session = self._new_session()
        with self._service_errors(session, message), self._conversation(session):
            try:
                session.send_message(_envelope(message, self._mail_from), sender, [message.to])
            except smtplib.SMTPRecipientsRefused as error:
                code, reply = error.recipients[message.to]
                if code == _SHUTTING_DOWN or (code < _FOR_GOOD and _THROTTLED.search(reply)):
                    raise smtplib.SMTPResponseException(code, reply) from None
                raise self._refused(message.to, f"{code} {self._quote(reply, message)}") from None
            except smtplib.SMTPDataError as error:
                if error.smtp_code < _FOR_GOOD:
                    raise
                raise self._refused(message.to, f"{error.smtp_code} {self._quote(error.smtp_error, message)}") from None
            except smtplib.SMTPNotSupportedError as error:
                raise self._refused(message.to, str(error)) from None

    def _quote(self, reply: str | bytes, message: Message) -> str:
        return quote(reply, message, self._password)

    def _refused(self, to: str, reply: str) -> RecipientRefused:
        return RecipientRefused(f"{self._server.server} does not take this mail to {to}: {reply}")

    @contextlib.contextmanager
    def _conversation(self, session: _Session) -> Iterator[None]:
        """Connect, log in, and always hang up; all within the deadline."""
        with cut_off(self._deadline, lambda: session.sock) as deadline, contextlib.closing(session):
            session.on_hand_over(lambda: deadline.allow(self._answer), self._answer)
            code, reply = session.connect(self._server.server, self._server.port)
            if code != _READY:
                raise smtplib.SMTPConnectError(code, reply)
            if self._server.protocol == "tls":
                session.starttls(context=self._tls)
            session.login(self._server.username, self._password)
            yield
            # The mail is accepted: whatever goes wrong with the farewell must not make it look refused.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                session.quit()

    def _new_session(self) -> _Session:
        """Prepare a session that is not connected yet: smtplib's own way to name the host waits for its greeting."""
        session: _Session
        if self._server.protocol == "ssl":
            session = _TlsSession(local_hostname=_THIS_HOST, timeout=self._timeout, context=self._tls)
        else:
            session = _Session(local_hostname=_THIS_HOST, timeout=self._timeout)
        # smtplib checks the certificate's name against this one, which it takes from nowhere else.
        session._host = self._server.server  # type: ignore[attr-defined] # noqa: SLF001
        return session

    @contextlib.contextmanager
    def _service_errors(self, session: _Session, message: Message) -> Iterator[None]:
        """Turn what smtplib raises into errors about the service."""
        name = f"the SMTP server {self._server.server}:{self._server.port}"
        try:
            yield
        except smtplib.SMTPResponseException as error:
            reply = f"{error.smtp_code} {self._quote(error.smtp_error, message)}"
            if _throttles(error.smtp_code, error.smtp_error):
                raise MailThrottled(f"{name} throttles: {reply}") from None
            passing = error.smtp_code < _FOR_GOOD and not _QUOTA.search(_bytes(error.smtp_error))
            raise MailServiceError(f"{name} refuses: {reply}", transient=passing) from None
        except smtplib.SMTPServerDisconnected as error:
            raise self._lost(name, error, handed_over=session.handed_over) from None
        except smtplib.SMTPException as error:
            raise MailServiceError(f"{name} cannot do what is asked of it: {error}", transient=False) from None
        # Last, for smtplib's own errors are OSErrors, too.
        except OSError as error:
            raise self._lost(name, error, handed_over=session.handed_over) from None

    def _lost(self, name: str, error: Exception, *, handed_over: bool) -> MailError:
        """Name what a broken connection means: before the mail was handed over, that it was not accepted."""
        if handed_over:
            return MailUnanswered(f"{name} was handed the mail, and did not answer: {type(error).__name__}")
        if isinstance(error, smtplib.SMTPServerDisconnected):
            return MailServiceError(f"{name} hung up: {error}", transient=True)
        if isinstance(error, ssl.SSLCertVerificationError):
            return MailServiceError(f"{name} cannot be trusted: {error.verify_message}", transient=False)
        return MailServiceError(f"{name} cannot be reached: {error}", transient=True)


class _Session(smtplib.SMTP):
    """A session that knows whether it has handed over a mail, and has patience with the answer to that."""

    handed_over = False
    _in_data = False
    _replies = 0

    def on_hand_over(self, tell: Callable[[], None], patience: float) -> None:
        """Say what happens once a mail is handed over, and for how many seconds the server may be silent then."""
        self._tell = tell
        self._patience = patience

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Hand over a mail: the server's first reply asks for it, and its second one says what has become of it."""
        self._in_data, self._replies = True, 0
        try:
            return super().data(msg)
        finally:
            self._in_data = False

    def getreply(self) -> tuple[int, bytes]:
        """Read a reply."""
        self._replies += 1
        if self._in_data and self._replies == _AFTER_THE_MAIL:
            self.handed_over = True
            if self.sock is not None:
                self.sock.settimeout(self._patience)
            self._tell()
        code, reply = super().getreply()
        if self.handed_over and self.sock is not None:
            # What follows is a farewell.
            self.sock.settimeout(self.timeout)
        self.handed_over = False
        return code, reply


class _TlsSession(_Session, smtplib.SMTP_SSL):
    """A session that is secured from the first byte."""


def _throttles(code: int, reply: bytes | str) -> bool:
    """Tell whether the server takes mail, only not so fast."""
    words = _bytes(reply)
    return code < _FOR_GOOD and bool(_THROTTLED.search(words)) and not _QUOTA.search(words)


def _bytes(reply: bytes | str) -> bytes:
    return reply if isinstance(reply, bytes) else reply.encode()


def _envelope(message: Message, mail_from: str) -> EmailMessage:
    envelope = EmailMessage(policy=SMTP)
    envelope["From"] = mail_from
    envelope["To"] = message.to
    envelope["Subject"] = message.subject
    envelope["Date"] = localtime()
    envelope["Message-ID"] = make_msgid(domain=parseaddr(mail_from)[1].rpartition("@")[2])
    for name, value in message.headers.items():
        envelope[name] = value
    if message.reply_to:
        envelope["Reply-To"] = message.reply_to
    envelope.set_content(message.text)
    envelope.add_alternative(message.html, subtype="html")
    if message.calendar:
        envelope.add_attachment(message.calendar, subtype="calendar", filename=FILE_NAME)
    return envelope
