"""Sends through Mailgun's HTTP API."""

from __future__ import annotations

import socket
from http import HTTPStatus
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from functions.common.errors import MailError, MailServiceError, MailThrottled, MailUnanswered, RecipientRefused
from functions.mail.calendar_entry import FILE_NAME, MEDIA_TYPE
from functions.mail.deadline import ATTEMPT_SECONDS, cut_off
from functions.mail.message import Message
from functions.mail.reply import quote

_CONNECT_TIMEOUT = 5.0
_ANSWER_TIMEOUT = 15.0

# How Mailgun's messages name a fault of the recipient; the second one is that of sandbox domains.
_FAULTS_RECIPIENT = ("'to' parameter", "authorized recipients")


class MailgunMailer:
    """A mailer on Mailgun. Its 200 means that the mail is queued.

    Args:
        api_url: the domain's messages endpoint, such as ``https://api.mailgun.net/v3/mail.example.com/messages``.
        api_key: a sending key of that domain.
        mail_from: the sender, with or without a display name.
        timeout: seconds to connect, and seconds between two bytes of the answer.
        deadline: seconds that handing over one mail may take in all.
    """

    def __init__(
        self,
        api_url: str,
        api_key: str,
        mail_from: str,
        *,
        timeout: tuple[float, float] = (_CONNECT_TIMEOUT, _ANSWER_TIMEOUT),
        deadline: float = ATTEMPT_SECONDS,
    ) -> None:
        self._api_url = api_url
        self._api_key = api_key
        self._mail_from = mail_from
        self._timeout = timeout
        self._deadline = deadline

    def send(self, message: Message) -> None:
        """Hand one mail over to Mailgun.

        Raises:
            RecipientRefused: Mailgun takes other mail, but not this one.
            MailThrottled: Mailgun takes mail, but not so fast.
            MailUnanswered: Mailgun was handed the mail, and did not say whether it takes it.
            MailServiceError: Mailgun takes no mail, or could not be reached.
        """
        line = _Line()
        try:
            self._post(message, line)
        except (TimeoutError, requests.RequestException) as error:
            # The error carries the request, and with it the secret: it is named here and not passed on. Those that are
            # a ValueError as well complain of the URL.
            fault = type(error).__name__
            if line.socket() is not None:
                raise MailUnanswered(f"Mailgun was called, and did not answer: {fault}") from None
            raise MailServiceError(
                f"Mailgun could not be called: {fault}", transient=not isinstance(error, ValueError)
            ) from None

    def _post(self, message: Message, line: _Line) -> None:
        """Post one mail, and judge the answer while the deadline runs: one that is cut off may look like a whole."""
        with requests.Session() as session, cut_off(self._deadline, line.socket):
            session.mount("https://", line)
            session.mount("http://", line)
            response = session.post(
                self._api_url,
                auth=("api", self._api_key),
                data={
                    "from": self._mail_from,
                    "to": message.to,
                    "subject": message.subject,
                    "text": message.text,
                    "html": message.html,
                    # Whatever the domain's setting is: no link is led past a third party, no reading is reported.
                    "o:tracking": "no",
                    # Nor does the mail go to a server that cannot be reached, or known for what it is, over TLS.
                    "o:require-tls": "yes",
                    "o:skip-verification": "no",
                    **{f"h:{name}": value for name, value in message.headers.items()},
                    **({"h:Reply-To": message.reply_to} if message.reply_to else {}),
                },
                files=[("attachment", (FILE_NAME, message.calendar, MEDIA_TYPE))] if message.calendar else None,
                timeout=self._timeout,
                # Nobody but the configured host is told the key, or the mail.
                allow_redirects=False,
            )
            reply = _message_of(response)
            if response.status_code != HTTPStatus.OK:
                raise self._explain(response.status_code, reply or "", message)
            if reply is None:
                raise MailServiceError("Mailgun's answer is not Mailgun's: is the API URL right?", transient=False)

    def _explain(self, status: int, reply: str, message: Message) -> MailError:
        said = f"{status} {quote(reply, message, self._api_key)}".strip()
        recipient = any(fault in reply for fault in _FAULTS_RECIPIENT)
        if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN} and recipient:
            return RecipientRefused(f"Mailgun does not take this mail to {message.to}: {said}")
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return MailThrottled(f"Mailgun throttles: {said}")
        return MailServiceError(f"Mailgun answers {said}", transient=status >= HTTPStatus.INTERNAL_SERVER_ERROR)


class _Line(HTTPAdapter):
    """How requests reaches a server; it knows the socket of the connection that it made last."""

    def __init__(self) -> None:
        super().__init__()
        self._socket: socket.socket | None = None

    def socket(self) -> socket.socket | None:
        """Find the socket, None before there is one."""
        return self._socket

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """Find a pool of connections, and look over its shoulder when it makes one.

        A connection may forget its socket while the answer is still being read: it has to be kept when it is made.
        """
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        make = pool.ConnectionCls

        def make_and_watch(*args: Any, **options: Any) -> Any:
            connection = make(*args, **options)
            connect = connection.connect

            def connect_and_keep() -> None:
                connect()
                self._socket = connection.sock

            connection.connect = connect_and_keep
            return connection

        pool.ConnectionCls = make_and_watch
        return pool


def _message_of(response: requests.Response) -> str | None:
    """Return the ``message`` that every answer of Mailgun holds; a proxy's or another site's page holds none."""
    try:
        answer = response.json()
    except requests.JSONDecodeError:
        return None
    message = answer.get("message") if isinstance(answer, dict) else None
    return message if isinstance(message, str) else None
