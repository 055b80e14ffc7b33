from __future__ import annotations

import traceback
from collections.abc import Iterator
from email.header import decode_header, make_header
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber
from moto import mock_aws
from moto.ses.models import ses_backends

from functions.common.errors import MailServiceError, RecipientRefused
from functions.mail.message import Message
from functions.mail.ses import SesMailer
from tests.functions.mail.conftest import LOOPBACK

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

REGION = "eu-central-1"
SENDER = "keys@example.com"
UNVERIFIED = "Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: "


def ses(**options: Any) -> SESV2Client:
    return boto3.client("sesv2", region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test", **options)


@pytest.fixture
def stubbed() -> Iterator[tuple[SESV2Client, Stubber]]:
    client = ses()
    with Stubber(client) as stubber:
        yield client, stubber


@mock_aws
def test_mail_is_accepted_with_both_parts(message: Message) -> None:
    client = ses()
    client.create_email_identity(EmailIdentity=SENDER)

    SesMailer(client, f"Key Rotator <{SENDER}>").send(message)

    [sent] = ses_backends["123456789012"][REGION].sent_messages
    assert sent.source == f"Key Rotator <{SENDER}>"
    assert sent.destinations == {"ToAddresses": ["alice@example.com"]}
    assert (sent.subject, sent.body) == (message.subject, message.html)


def test_request_is_utf8_and_has_one_recipient(stubbed: tuple[SESV2Client, Stubber], message: Message) -> None:
    client, stubber = stubbed
    expected = {
        "FromEmailAddress": SENDER,
        "Destination": {"ToAddresses": ["alice@example.com"]},
        "Content": {
            "Simple": {
                "Subject": {"Data": message.subject, "Charset": "UTF-8"},
                "Body": {
                    "Text": {"Data": message.text, "Charset": "UTF-8"},
                    "Html": {"Data": message.html, "Charset": "UTF-8"},
                },
            }
        },
    }
    stubber.add_response("send_email", {"MessageId": "1"}, expected)

    SesMailer(client, SENDER).send(message)

    stubber.assert_no_pending_responses()


@mock_aws
def test_display_name_beyond_ascii_is_encoded(message: Message) -> None:
    client = ses()
    client.create_email_identity(EmailIdentity=SENDER)

    SesMailer(client, f"Schlüsseldienst <{SENDER}>").send(message)

    [sent] = ses_backends["123456789012"][REGION].sent_messages
    assert sent.source.isascii()
    assert str(make_header(decode_header(sent.source))) == f"Schlüsseldienst <{SENDER}>"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("MessageRejected", "Message contains a virus"),
        ("MessageRejected", UNVERIFIED + "alice@example.com"),
        ("MessageRejected", UNVERIFIED + "Alice@Example.com, other@example.com"),
        ("BadRequestException", "Domain contains illegal character"),
    ],
)
def test_refusal_of_one_mail_is_not_a_fault_of_the_service(
    code: str, words: str, stubbed: tuple[SESV2Client, Stubber], message: Message
) -> None:
    """An address that the sandbox does not know, say, must not stop everyone's rotation."""
    client, stubber = stubbed
    stubber.add_client_error("send_email", code, words, 400)

    with pytest.raises(RecipientRefused) as refusal:
        SesMailer(client, SENDER).send(message)

    assert "to alice@example.com" in str(refusal.value)
    assert f"{code}: {words}" in str(refusal.value)


@pytest.mark.parametrize(
    ("code", "words", "status", "transient"),
    [
        ("MessageRejected", UNVERIFIED + SENDER, 400, False),
        ("MessageRejected", UNVERIFIED + f"alice@example.com, {SENDER}", 400, False),
        ("MessageRejected", UNVERIFIED + "arn:aws:ses:eu-central-1:111122223333:identity/example.com", 400, False),
        ("MailFromDomainNotVerifiedException", "", 400, False),
        ("AccountSuspendedException", "", 400, False),
        ("SendingPausedException", "", 400, False),
        ("NotFoundException", "", 404, False),
        ("AccessDeniedException", "not authorized to perform ses:SendEmail", 403, False),
        ("TooManyRequestsException", "Too many requests", 429, True),
        ("LimitExceededException", "", 400, True),
        ("ThrottlingException", "Maximum sending rate exceeded", 400, True),
        ("InternalFailure", "", 500, True),
        ("ServiceUnavailable", "", 503, True),
    ],
)
def test_refusal_of_every_mail_is_a_fault_of_the_service(
    *,
    code: str,
    words: str,
    status: int,
    transient: bool,
    stubbed: tuple[SESV2Client, Stubber],
    message: Message,
) -> None:
    client, stubber = stubbed
    stubber.add_client_error("send_email", code, words, status)

    with pytest.raises(MailServiceError, match=code) as failure:
        SesMailer(client, f"Key Rotator <{SENDER}>").send(message)

    assert failure.value.transient is transient


def test_silent_service_is_given_up_may_be_tried_again_and_shows_no_secret(silent_port: int, message: Message) -> None:
    once = Config(read_timeout=0.2, retries={"total_max_attempts": 1}, proxies={})
    client = ses(endpoint_url=f"http://{LOOPBACK}:{silent_port}", config=once)

    with pytest.raises(MailServiceError, match="ReadTimeoutError") as failure:
        SesMailer(client, SENDER).send(message)

    assert failure.value.transient
    assert failure.value.__cause__ is None, "the error beneath holds the request"
    assert "not-a-real-secret" not in "".join(traceback.format_exception(failure.value))


def test_absent_service_may_be_tried_again(closed_port: int, message: Message) -> None:
    once = Config(retries={"total_max_attempts": 1}, proxies={})
    client = ses(endpoint_url=f"http://{LOOPBACK}:{closed_port}", config=once)

    with pytest.raises(MailServiceError, match="EndpointConnectionError") as failure:
        SesMailer(client, SENDER).send(message)

    assert failure.value.transient
