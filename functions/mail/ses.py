"""Sends through Amazon SES, version 2 of its API."""

from __future__ import annotations

import re
from email.utils import formataddr, parseaddr
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
    SSLError,
)
from botocore.exceptions import ConnectionError as CannotConnect
from botocore.parsers import ResponseParserError

from functions.common import telemetry
from functions.common.errors import (
    MailError,
    MailServiceError,
    MailThrottled,
    MailUnanswered,
    RecipientRefused,
    code_of,
)
from functions.mail.calendar_entry import FILE_NAME, MEDIA_TYPE
from functions.mail.message import Message
from functions.mail.reply import quote

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sesv2.type_defs import ContentTypeDef, MessageTypeDef, SendEmailRequestTypeDef

# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html and the common errors of the API.
_PASSING = {"RequestTimeout", "ServiceUnavailable"}
_THROTTLED = {"LimitExceededException", "Throttling", "ThrottlingException", "TooManyRequestsException"}
# A daily quota that is used up arrives as a throttling error too, and does not pass within a run:
# https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html
_QUOTA = re.compile(r"daily", re.IGNORECASE)
_SERVER_FAULT = 500
# What SES says of a file that it does not take, and IAM of a mail with a file where it grants no ses:SendRawEmail.
_MAY_BE_THE_FILE = {"BadRequestException", "AccessDeniedException", "AccessDenied"}
# A connection that was idle for long may be dead. With the client's time-outs an attempt to send takes 39 s at most, of
# the 45 s that it may (deadline.py).
CALLS = 3
"""How often SES is called for one mail, until it answers."""
# What SES never saw.
_NOT_SENT = (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError, SSLError)


class _FileRefused(Exception):
    """What SES refuses may be the file that goes along: without it, the mail may be taken. The message is the code."""


class SesMailer:
    """A mailer on SES.

    SES accepts mail for a suppressed address and does not send it; that, and whether a mail comes back, the events of
    the configuration set tell.

    Args:
        client: SES, sending every request at most once.
        mail_from: the sender, with or without a display name.
        configuration_set: whose events tell of mails that come back; None: the identity's own, if it has one.
    """

    def __init__(self, client: SESV2Client, mail_from: str, configuration_set: str | None = None) -> None:
        self._client = client
        self._configuration_set = configuration_set
        # SES takes a display name beyond ASCII only as an encoded word.
        self._mail_from = formataddr(parseaddr(mail_from))

    def send(self, message: Message) -> None:
        """Hand one mail over to SES.

        Raises:
            RecipientRefused: SES takes other mail, but not this one.
            MailThrottled: SES takes mail, but not so fast.
            MailUnanswered: SES was handed the mail, and did not say whether it takes it.
            MailServiceError: SES takes no mail, or could not be reached.
        """
        request = self._request(message)
        unanswered: MailUnanswered | None = None
        for _ in range(CALLS):
            try:
                self._call(request, message)
            except MailUnanswered as fault:
                unanswered = fault
            except _FileRefused as refusal:
                telemetry.warning("mail_goes_without_calendar_entry", reason=str(refusal))
                del request["Content"]["Simple"]["Attachments"]
            except MailError:
                if unanswered is None:
                    raise
                # This refusal is not about the mail that SES may have accepted before.
                break
            else:
                return
        if unanswered is not None:
            raise unanswered

    def _request(self, message: Message) -> SendEmailRequestTypeDef:
        request: SendEmailRequestTypeDef = {
            "FromEmailAddress": self._mail_from,
            "Destination": {"ToAddresses": [message.to]},
            "Content": {"Simple": self._content(message)},
            "EmailTags": [{"Name": name, "Value": value} for name, value in message.tags.items()],
        }
        if message.reply_to:
            request["ReplyToAddresses"] = [message.reply_to]
        if self._configuration_set:
            request["ConfigurationSetName"] = self._configuration_set
        return request

    def _content(self, message: Message) -> MessageTypeDef:
        content: MessageTypeDef = {
            "Subject": _utf8(message.subject),
            "Body": {"Text": _utf8(message.text), "Html": _utf8(message.html)},
            "Headers": [{"Name": name, "Value": value} for name, value in message.headers.items()],
        }
        if message.calendar and self._takes_attachments:
            content["Attachments"] = [
                {
                    "FileName": FILE_NAME,
                    "ContentType": MEDIA_TYPE,
                    "ContentDisposition": "ATTACHMENT",
                    "RawContent": message.calendar.encode(),
                }
            ]
        return content

    @cached_property
    def _takes_attachments(self) -> bool:
        """Whether the SDK knows of attachments: the one that comes with Lambda may be older, and refuse the mail."""
        message: Any = self._client.meta.service_model.shape_for("Message")
        return "Attachments" in message.members

    def _call(self, request: SendEmailRequestTypeDef, message: Message) -> None:
        try:
            self._client.send_email(**request)
        except ClientError as error:
            if code_of(error) in _MAY_BE_THE_FILE and "Attachments" in request["Content"]["Simple"]:
                raise _FileRefused(code_of(error)) from None
            # Not told from what: SES's own words may quote the mail.
            raise self._explain(error, message) from None
        # Some of these carry the request, and with it the secret: they are named here and not passed on.
        except _NOT_SENT as error:
            raise MailServiceError(f"SES could not be called: {type(error).__name__}", transient=True) from None
        except (HTTPClientError, CannotConnect, ResponseParserError) as error:
            raise MailUnanswered(f"SES was called, and did not answer: {type(error).__name__}") from None
        except BotoCoreError as error:
            raise MailServiceError(f"SES could not be called: {type(error).__name__}", transient=False) from None

    def _explain(self, error: ClientError, message: Message) -> MailError:
        code = error.response["Error"]["Code"]
        words = error.response["Error"].get("Message", "")
        reply = f"{code}: {quote(words, message)}"
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "MessageRejected" and self._faults_sender(words, message.to):
            return MailServiceError(f"SES does not take mail from {self._mail_from}: {reply}", transient=False)
        # SES does not say which address it finds illegal. The sender's was checked when the stack was deployed.
        if code in {"MessageRejected", "BadRequestException"}:
            return RecipientRefused(f"SES does not take this mail to {message.to}: {reply}")
        if code in _THROTTLED and not _QUOTA.search(words):
            return MailThrottled(f"SES throttles: {reply}")
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
