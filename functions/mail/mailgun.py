"""Sends through Mailgun's HTTP API."""

from __future__ import annotations

from http import HTTPStatus

import requests

from functions.common.errors import MailError, MailServiceError, RecipientRefused
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
    """

    def __init__(
        self,
        api_url: str,
        api_key: str,
        mail_from: str,
        *,
        timeout: tuple[float, float] = (_CONNECT_TIMEOUT, _ANSWER_TIMEOUT),
    ) -> None:
        self._api_url = api_url
        self._api_key = api_key
        self._mail_from = mail_from
        self._timeout = timeout

    def send(self, message: Message) -> None:
        """Hand one mail over to Mailgun.

        Raises:
            RecipientRefused: Mailgun takes other mail, but not this one.
            MailServiceError: Mailgun takes no mail, or could not be reached.
        """
        try:
            response = requests.post(
                self._api_url,
                auth=("api", self._api_key),
                data={
                    "from": self._mail_from,
                    "to": message.to,
                    "subject": message.subject,
                    "text": message.text,
                    "html": message.html,
                },
                timeout=self._timeout,
                # Nobody but the configured host is told the key, or the mail.
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # The error carries the request, and with it the secret: it is named here and not passed on. Those that are
            # a ValueError as well complain of the URL.
            fault = type(error).__name__
            raise MailServiceError(
                f"Mailgun could not be called: {fault}", transient=not isinstance(error, ValueError)
            ) from None
        reply = _message_of(response)
        if response.status_code != HTTPStatus.OK:
            raise _explain(response.status_code, reply or "", message.to)
        if reply is None:
            raise MailServiceError("Mailgun's answer is not Mailgun's: is the API URL right?", transient=False)


def _message_of(response: requests.Response) -> str | None:
    """Return the ``message`` that every answer of Mailgun holds; a proxy's or another site's page holds none."""
    try:
        answer = response.json()
    except requests.JSONDecodeError:
        return None
    message = answer.get("message") if isinstance(answer, dict) else None
    return message if isinstance(message, str) else None


def _explain(status: int, reply: str, to: str) -> MailError:
    said = f"{status} {quote(reply)}".strip()
    if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN} and any(fault in reply for fault in _FAULTS_RECIPIENT):
        return RecipientRefused(f"Mailgun does not take this mail to {to}: {said}")
    transient = status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return MailServiceError(f"Mailgun answers {said}", transient=transient)
