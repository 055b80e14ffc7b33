from __future__ import annotations

import copy
import traceback
from collections.abc import Iterator
from dataclasses import replace
from email.header import decode_header, make_header
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from botocore.stub import Stubber
from moto import mock_aws
from moto.ses.models import ses_backends

from functions.common.errors import MailServiceError, MailThrottled, MailUnanswered, RecipientRefused
from functions.mail.message import Message
from functions.mail.ses import CALLS, SesMailer
from tests.functions.mail.conftest import LOOPBACK

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

REGION = "eu-central-1"
SENDER = "keys@example.com"
SES_URL = "https://email.eu-central-1.amazonaws.com"
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
                "Headers": [{"Name": name, "Value": value} for name, value in message.headers.items()],
            }
        },
        "EmailTags": [
            {"Name": "ikr-notice", "Value": "new_key"},
            {"Name": "ikr-user", "Value": "AIDAFAKE000000000001"},
        ],
    }
    stubber.add_response("send_email", {"MessageId": "1"}, expected)
    stubber.add_response("send_email", {"MessageId": "2"}, expected | {"ConfigurationSetName": "iam-key-rotator"})

    SesMailer(client, SENDER).send(message)
    SesMailer(client, SENDER, "iam-key-rotator").send(message)

    stubber.assert_no_pending_responses()


def test_deadline_goes_along_as_a_file_and_an_answer_goes_elsewhere(
    stubbed: tuple[SESV2Client, Stubber], deadline: Message
) -> None:
    client, stubber = stubbed
    stubber.add_response("send_email", {"MessageId": "1"})
    requests: list[dict[str, Any]] = []
    client.meta.events.register(
        "provide-client-params.sesv2.SendEmail", lambda params, **_: requests.append(copy.deepcopy(params))
    )

    SesMailer(client, SENDER).send(deadline)

    [request] = requests
    assert request["ReplyToAddresses"] == ["cloud-help@example.com"]
    [file] = request["Content"]["Simple"]["Attachments"]
    assert (file["FileName"], file["RawContent"].decode()) == ("deadline.ics", deadline.calendar)
    assert file["ContentType"] == "text/calendar"


@pytest.mark.parametrize("code", ["BadRequestException", "AccessDeniedException"])
def test_mail_whose_file_is_refused_goes_without_it(
    code: str, stubbed: tuple[SESV2Client, Stubber], deadline: Message
) -> None:
    """A key must not wait for an entry in a calendar; a policy for ses:SendEmail alone refuses a mail with a file."""
    client, stubber = stubbed
    stubber.add_client_error("send_email", code, "not so", 400)
    stubber.add_response("send_email", {"MessageId": "1"})

    SesMailer(client, SENDER).send(deadline)

    stubber.assert_no_pending_responses()


def test_refused_file_costs_one_of_the_calls(deadline: Message) -> None:
    """How long a mail may take is counted in calls, each of which a slow server may draw out."""
    calls: list[bool] = []

    class Slow:
        meta = ses().meta

        def send_email(self, **request: Any) -> None:
            calls.append("Attachments" in request["Content"]["Simple"])
            if calls == [True]:
                raise ClientError({"Error": {"Code": "BadRequestException", "Message": "no"}}, "SendEmail")
            raise ReadTimeoutError(endpoint_url="https://email.invalid")

    with pytest.raises(MailUnanswered):
        SesMailer(cast("SESV2Client", Slow()), SENDER).send(deadline)

    assert calls == [True, *[False] * (CALLS - 1)]


def test_mail_that_is_refused_without_its_file_too_is_refused(
    stubbed: tuple[SESV2Client, Stubber], deadline: Message
) -> None:
    client, stubber = stubbed
    for _ in range(2):
        stubber.add_client_error("send_email", "BadRequestException", "not so", 400)

    with pytest.raises(RecipientRefused):
        SesMailer(client, SENDER).send(deadline)


def test_sdk_that_knows_no_attachments_sends_the_mail_without(
    stubbed: tuple[SESV2Client, Stubber], deadline: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that comes with Lambda may be older than SES's attachments, and would refuse every mail with one."""
    client, stubber = stubbed
    model: Any = client.meta.service_model
    monkeypatch.delitem(model._service_description["shapes"]["Message"]["members"], "Attachments")
    stubber.add_response("send_email", {"MessageId": "1"})

    SesMailer(client, SENDER).send(deadline)

    stubber.assert_no_pending_responses()


def test_refusal_that_quotes_the_mail_does_not_give_the_secret_away(
    stubbed: tuple[SESV2Client, Stubber], message: Message
) -> None:
    """Neither in its own words nor in those of the error beneath, which a log may show as well."""
    client, stubber = stubbed
    secret = "not/a/real/secret/but/as/long/as/one+Xx1"
    stubber.add_client_error("send_email", "MessageRejected", f"spam: {secret.replace('/', '%2F')}", 400)

    with pytest.raises(RecipientRefused) as refusal:
        SesMailer(client, SENDER).send(replace(message, text=secret))

    told = "".join(traceback.format_exception(refusal.value))
    assert "MessageRejected: [...]" in told
    assert "%2F" not in told


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
        ("ThrottlingException", "Daily message quota exceeded.", 400, False),
        ("TooManyRequestsException", "Daily sending quota exceeded", 429, False),
        ("LimitExceededException", "daily quota exceeded", 400, False),
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
    assert not isinstance(failure.value, MailThrottled)


@pytest.mark.parametrize(
    ("code", "words", "status"),
    [
        ("TooManyRequestsException", "Too many requests", 429),
        ("LimitExceededException", "", 400),
        ("Throttling", "Rate exceeded", 400),
        ("ThrottlingException", "Maximum sending rate exceeded.", 400),
    ],
)
def test_service_that_takes_mail_only_not_so_fast_throttles(
    code: str, words: str, status: int, stubbed: tuple[SESV2Client, Stubber], message: Message
) -> None:
    client, stubber = stubbed
    stubber.add_client_error("send_email", code, words, status)

    with pytest.raises(MailThrottled, match=code):
        SesMailer(client, SENDER).send(message)


class Client:
    """A client whose calls end as told, None meaning that the mail is accepted; the last outcome stays."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0

    def send_email(self, **_: Any) -> None:
        self.calls += 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if outcome:
            raise outcome


def send_through(client: Any, message: Message) -> None:
    SesMailer(client, SENDER).send(message)


@pytest.mark.parametrize(
    "fault",
    [
        ReadTimeoutError(endpoint_url=SES_URL),
        ConnectionClosedError(endpoint_url=SES_URL),
        HTTPClientError(error="not-a-real-secret"),
        ResponseParserError("not-a-real-secret"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_call_that_was_not_answered_leaves_open_whether_the_mail_was_accepted(
    fault: Exception, message: Message
) -> None:
    """Taken for a failure, it would have the key taken back that the user may just be reading about."""
    client = Client(fault)

    with pytest.raises(MailUnanswered, match=type(fault).__name__) as unanswered:
        send_through(client, message)

    assert client.calls == CALLS

    assert "not-a-real-secret" not in "".join(traceback.format_exception(unanswered.value))


@pytest.mark.parametrize(
    ("fault", "transient"),
    [
        (ConnectTimeoutError(endpoint_url=SES_URL), True),
        (EndpointConnectionError(endpoint_url=SES_URL), True),
        (ProxyConnectionError(proxy_url="http://gateway.example.com"), True),
        (SSLError(endpoint_url=SES_URL, error=OSError("certificate verify failed")), True),
        (NoCredentialsError(), False),
        (ParamValidationError(report="not-a-real-secret"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_call_that_was_not_made_is_a_fault_of_the_service(
    *, fault: Exception, transient: bool, message: Message
) -> None:
    client = Client(fault)

    with pytest.raises(MailServiceError, match=type(fault).__name__) as failure:
        send_through(client, message)

    assert client.calls == 1

    assert failure.value.transient is transient
    assert "not-a-real-secret" not in "".join(traceback.format_exception(failure.value))


def test_call_that_was_not_answered_is_made_again(message: Message) -> None:
    """A connection that was idle since the last run may be dead; at worst the user gets the same mail twice."""
    client = Client(ConnectionClosedError(endpoint_url=SES_URL), None)

    send_through(client, message)

    assert client.calls == 2


@pytest.mark.parametrize(
    "refusal",
    [
        ClientError({"Error": {"Code": "AccountSuspendedException", "Message": ""}}, "SendEmail"),
        ClientError({"Error": {"Code": "MessageRejected", "Message": "Message contains a virus"}}, "SendEmail"),
        ClientError({"Error": {"Code": "ThrottlingException", "Message": "Maximum sending rate"}}, "SendEmail"),
        EndpointConnectionError(endpoint_url=SES_URL),
    ],
)
def test_refusal_of_the_next_call_does_not_tell_what_became_of_the_one_before(
    refusal: Exception, message: Message
) -> None:
    """The mail that was not answered for may have been accepted all the same."""
    client = Client(ReadTimeoutError(endpoint_url=SES_URL), refusal)

    with pytest.raises(MailUnanswered, match="ReadTimeoutError"):
        send_through(client, message)

    assert client.calls == 2


def test_silent_service_is_given_up_and_shows_no_secret(silent_port: int, message: Message) -> None:
    once = Config(read_timeout=0.2, retries={"total_max_attempts": 1}, proxies={})
    client = ses(endpoint_url=f"http://{LOOPBACK}:{silent_port}", config=once)

    with pytest.raises(MailUnanswered, match="ReadTimeoutError") as failure:
        SesMailer(client, SENDER).send(message)

    assert failure.value.__cause__ is None, "the error beneath holds the request"
    assert "not-a-real-secret" not in "".join(traceback.format_exception(failure.value))


def test_absent_service_may_be_tried_again(closed_port: int, message: Message) -> None:
    once = Config(retries={"total_max_attempts": 1}, proxies={})
    client = ses(endpoint_url=f"http://{LOOPBACK}:{closed_port}", config=once)

    with pytest.raises(MailServiceError, match="EndpointConnectionError") as failure:
        SesMailer(client, SENDER).send(message)

    assert failure.value.transient
