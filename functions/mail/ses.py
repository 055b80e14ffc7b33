"""Sends through Amazon SES, version 2 of its API."""

from __future__ import annotations

from email.utils import formataddr, parseaddr
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as CannotConnect

from functions.common.errors import MailError, MailServiceError, RecipientRefused
from functions.mail.message import Message
from functions.mail.reply import quote

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sesv2.type_defs import ContentTypeDef

# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html and the common errors of the API. A daily
# quota that is used up arrives as a throttling error too.
_PASSING = {
    "LimitExceededException",
    "RequestTimeout",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_SERVER_FAULT = 500


class SesMailer:
    """A mailer on SES. SES accepts mail for a suppressed address and does not send it: that goes unseen here."""

    def __init__(self, client: SESV2Client, mail_from: str) -> None:
        self._client = client
        # SES takes a display name beyond ASCII only as an encoded word.
        self._mail_from = formataddr(parseaddr(mail_from))

    def send(self, message: Message) -> None:
        """Hand one mail over to SES.

        Raises:
            RecipientRefused: SES takes other mail, but not this one.
            MailServiceError: SES takes no mail, or could not be reached.
        """
        try:
            self._client.send_email(
                FromEmailAddress=self._mail_from,
                Destination={"ToAddresses": [message.to]},
                Content={
                    "Simple": {
                        "Subject": _utf8(message.subject),
                        "Body": {"Text": _utf8(message.text), "Html": _utf8(message.html)},
                    }
                },
            )
        except ClientError as error:
            raise self._explain(error, message.to) from error
        except BotoCoreError as error:
            # Some of these carry the request, and with it the secret: they are named here and not passed on.
            unreachable = isinstance(error, (HTTPClientError, CannotConnect))
            raise MailServiceError(f"SES could not be called: {type(error).__name__}", transient=unreachable) from None

    def _explain(self, error: ClientError, to: str) -> MailError:
        code = error.response["Error"]["Code"]
        words = error.response["Error"].get("Message", "")
        reply = f"{code}: {quote(words)}"
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "MessageRejected" and self._faults_sender(words, to):
            return MailServiceError(f"SES does not take mail from {self._mail_from}: {reply}", transient=False)
        # SES does not say which address it finds illegal. The sender's was checked when the stack was deployed.
        if code in {"MessageRejected", "BadRequestException"}:
            return RecipientRefused(f"SES does not take this mail to {to}: {reply}")
        return MailServiceError(f"SES fails: {reply}", transient=code in _PASSING or status >= _SERVER_FAULT)

    def _faults_sender(self, words: str, to: str) -> bool:
        """Tell an unverified sender from the sandbox's unverified recipient, in the list that ends SES's message."""
        if "not verified" not in words:
            return False
        unverified = {identity.strip().lower() for identity in words.rpartition(":")[2].split(",")}
        sender = parseaddr(self._mail_from)[1].lower()
        return sender in unverified or to.lower() not in unverified


def _utf8(data: str) -> ContentTypeDef:
    return {"Data": data, "Charset": "UTF-8"}
