"""Sends through an SMTP server, over TLS from the first byte ("ssl") or by STARTTLS ("tls")."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime, make_msgid, parseaddr

from functions.common.environment import Smtp
from functions.common.errors import ConfigurationError, MailServiceError, RecipientRefused
from functions.mail.deadline import ATTEMPT_SECONDS, cut_off
from functions.mail.message import Message
from functions.mail.reply import quote

_TIMEOUT = 10.0
_READY = 220
_SHUTTING_DOWN = 421
_FOR_GOOD = 500

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
        deadline: seconds that handing over one mail may take in all.

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
    ) -> None:
        if not (server.username.isascii() and password.isascii()):
            raise ConfigurationError("the SMTP user name and password must be ASCII")
        self._server = server
        self._password = password
        self._mail_from = mail_from
        self._tls = tls or ssl.create_default_context()
        self._timeout = timeout
        self._deadline = deadline

    def send(self, message: Message) -> None:
        """Hand one mail over to the server.

        A refused recipient is that recipient's fault even where the server says "later" (a full or greylisted
        mailbox): the next run tries again, and nobody else has to wait. So is a mail refused for its content, lest
        one user's instruction stops everyone.

        Raises:
            RecipientRefused: the server takes other mail, but not this one.
            MailServiceError: the server takes no mail, or could not be reached.
        """
        sender = parseaddr(self._mail_from)[1]
        with self._service_errors(), self._session() as session:
            try:
                session.send_message(_envelope(message, self._mail_from), sender, [message.to])
            except smtplib.SMTPRecipientsRefused as error:
                code, reply = error.recipients[message.to]
                if code == _SHUTTING_DOWN:
                    raise smtplib.SMTPResponseException(code, reply) from None
                raise self._refused(message.to, f"{code} {quote(reply)}") from None
            except smtplib.SMTPDataError as error:
                if error.smtp_code < _FOR_GOOD:
                    raise
                raise self._refused(message.to, f"{error.smtp_code} {quote(error.smtp_error)}") from None
            except smtplib.SMTPNotSupportedError as error:
                raise self._refused(message.to, str(error)) from None

    def _refused(self, to: str, reply: str) -> RecipientRefused:
        return RecipientRefused(f"{self._server.server} does not take this mail to {to}: {reply}")

    @contextlib.contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """Connect, log in, and always hang up; all within the deadline."""
        session = self._new_session()
        with cut_off(self._deadline, lambda: session.sock), contextlib.closing(session):
            code, reply = session.connect(self._server.server, self._server.port)
            if code != _READY:
                raise smtplib.SMTPConnectError(code, reply)
            if self._server.protocol == "tls":
                session.starttls(context=self._tls)
            session.login(self._server.username, self._password)
            yield session
            # The mail is accepted: whatever goes wrong with the farewell must not make it look refused.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                session.quit()

    def _new_session(self) -> smtplib.SMTP:
        """Prepare a session that is not connected yet: smtplib's own way to name the host waits for its greeting."""
        session: smtplib.SMTP
        if self._server.protocol == "ssl":
            session = smtplib.SMTP_SSL(local_hostname=_THIS_HOST, timeout=self._timeout, context=self._tls)
        else:
            session = smtplib.SMTP(local_hostname=_THIS_HOST, timeout=self._timeout)
        # smtplib checks the certificate's name against this one, which it takes from nowhere else.
        session._host = self._server.server  # type: ignore[attr-defined] # noqa: SLF001
        return session

    @contextlib.contextmanager
    def _service_errors(self) -> Iterator[None]:
        """Turn what smtplib raises into errors about the service."""
        name = f"the SMTP server {self._server.server}:{self._server.port}"
        try:
            yield
        except smtplib.SMTPResponseException as error:
            reply = f"{error.smtp_code} {quote(error.smtp_error)}"
            raise MailServiceError(f"{name} refuses: {reply}", transient=error.smtp_code < _FOR_GOOD) from None
        except smtplib.SMTPServerDisconnected as error:
            raise MailServiceError(f"{name} hung up: {error}", transient=True) from None
        except smtplib.SMTPException as error:
            raise MailServiceError(f"{name} cannot do what is asked of it: {error}", transient=False) from None
        except ssl.SSLCertVerificationError as error:
            raise MailServiceError(f"{name} cannot be trusted: {error.verify_message}", transient=False) from None
        except OSError as error:
            raise MailServiceError(f"{name} cannot be reached: {error}", transient=True) from None


def _envelope(message: Message, mail_from: str) -> EmailMessage:
    envelope = EmailMessage(policy=SMTP)
    envelope["From"] = mail_from
    envelope["To"] = message.to
    envelope["Subject"] = message.subject
    envelope["Date"] = localtime()
    envelope["Message-ID"] = make_msgid(domain=parseaddr(mail_from)[1].rpartition("@")[2])
    envelope.set_content(message.text)
    envelope.add_alternative(message.html, subtype="html")
    return envelope
