from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from moto import mock_aws

from functions.common.clients import WORKERS
from functions.common.clients import Clients as AwsClients
from functions.common.environment import Environment, parse
from functions.common.errors import (
    ConfigurationError,
    MailServiceError,
    MailThrottled,
    MailUnanswered,
    RecipientRefused,
)
from functions.mail import pace
from functions.mail.deadline import ANSWER_SECONDS, ATTEMPT_SECONDS
from functions.mail.message import Message
from functions.mail.pace import PATIENCE_SECONDS, PacedMailer
from functions.mail.sender import ATTEMPTS, RETRY_SECONDS, connect, deliver, longest_pause
from functions.mail.ses import CALLS
from functions.rotator.run import RESERVE
from tests.functions.mail.conftest import PASSWORD, USERNAME, HttpService, StartSmtp

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_ssm import SSMClient

REGION = "eu-central-1"
TRANSIENT = MailServiceError("busy", transient=True)
LASTING = MailServiceError("wrong password", transient=False)
REFUSED = RecipientRefused("no such user")
UNANSWERED = MailUnanswered("handed over, and lost")


class Clients:
    """Builds real clients when asked for, and remembers which."""

    def __init__(self) -> None:
        self.built: list[str] = []

    def _client(self, name: Any) -> Any:
        self.built.append(name)
        return boto3.client(name, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")

    @property
    def sesv2(self) -> SESV2Client:
        client: SESV2Client = self._client("sesv2")
        return client

    @property
    def ssm(self) -> SSMClient:
        client: SSMClient = self._client("ssm")
        return client


class Ses:
    """Keeps the requests that it gets, the clients' only one being SES."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    def send_email(self, **request: Any) -> None:
        self.requests.append(request)

    @property
    def sesv2(self) -> SESV2Client:
        return cast("SESV2Client", self)

    @property
    def ssm(self) -> SSMClient:
        raise AssertionError("nobody asked for a secret")


class Mailer:
    """Answers each attempt as told, None meaning that the mail is accepted, after so many seconds."""

    def __init__(self, *outcomes: Exception | None, seconds: float = 0) -> None:
        self.outcomes = list(outcomes)
        self.now = 0.0
        self._seconds = seconds

    def clock(self) -> float:
        return self.now

    def send(self, _message: Message) -> None:
        self.now += self._seconds
        outcome = self.outcomes.pop(0)
        if outcome:
            raise outcome


def environment(**variables: str) -> Environment:
    return parse({"IAM_KEY_ROTATOR_TABLE": "ledger", "MAIL_FROM": "keys@example.com"} | variables)


def smtp_environment(port: int = 465) -> Environment:
    return environment(
        MAIL_CLIENT="smtp",
        SMTP_SERVER="127.0.0.1",
        SMTP_PORT=str(port),
        SMTP_USERNAME=USERNAME,
        SMTP_PASSWORD_PARAMETER="/mailer/secret",
    )


def mailgun_environment(url: str) -> Environment:
    return environment(MAIL_CLIENT="mailgun", MAILGUN_API_URL=url, MAILGUN_API_KEY_NAME="/mailer/secret")


def store(secret: str) -> None:
    Clients().ssm.put_parameter(Name="/mailer/secret", Value=secret, Type="SecureString")


def test_ses_needs_no_other_client_and_is_told_what_the_mail_is_about(message: Message) -> None:
    """By the tags, the event of a mail that comes back is traced to its user; without the set there is no event."""
    ses = Ses()

    connect(environment(MAIL_CLIENT="ses", SES_CONFIGURATION_SET="iam-key-rotator"), ses).send(message)

    [request] = ses.requests
    assert request["ConfigurationSetName"] == "iam-key-rotator"
    assert request["EmailTags"] == [
        {"Name": "ikr-notice", "Value": "new_key"},
        {"Name": "ikr-user", "Value": "AIDAFAKE000000000001"},
    ]


def test_identitys_own_configuration_set_counts_where_the_stack_has_none(message: Message) -> None:
    ses = Ses()

    connect(environment(MAIL_CLIENT="ses"), ses).send(message)

    [request] = ses.requests
    assert "ConfigurationSetName" not in request


@pytest.mark.parametrize("mailer", ["ses", "smtp", "mailgun"])
def test_every_mailer_keeps_to_the_pace_of_its_service(mailer: str) -> None:
    chosen = {
        "ses": environment(MAIL_CLIENT="ses"),
        "smtp": smtp_environment(),
        "mailgun": mailgun_environment("https://api.mailgun.net/v3/x/messages"),
    }

    with mock_aws():
        store(PASSWORD)
        connected = connect(chosen[mailer], Clients())

    assert isinstance(connected, PacedMailer)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
def test_smtp_logs_in_with_the_password_from_its_parameter(
    start_smtp: StartSmtp, authority: Any, monkeypatch: pytest.MonkeyPatch, message: Message
) -> None:
    inbox = start_smtp("ssl")
    clients = Clients()

    with mock_aws(), authority.cert_pem.tempfile() as bundle:
        monkeypatch.setenv("SSL_CERT_FILE", bundle)
        store(PASSWORD)
        mailer = connect(smtp_environment(inbox.port), clients)
    mailer.send(message)

    assert len(inbox.mails) == 1
    assert clients.built == ["ssm"]


def test_mailgun_authenticates_with_the_key_from_its_parameter(http_service: HttpService, message: Message) -> None:
    clients = Clients()

    with mock_aws():
        store("not-a-real-key")
        mailer = connect(mailgun_environment(http_service.url), clients)
    mailer.send(message)

    [(_, headers, _)] = http_service.requests
    assert headers["Authorization"] == "Basic YXBpOm5vdC1hLXJlYWwta2V5"  # api:not-a-real-key
    assert clients.built == ["ssm"]


@mock_aws
@pytest.mark.parametrize("chosen", [smtp_environment(), mailgun_environment("https://api.mailgun.net/v3/x/messages")])
def test_secret_that_cannot_be_read_is_named(chosen: Environment) -> None:
    with pytest.raises(ConfigurationError, match=r"/mailer/secret: ParameterNotFound"):
        connect(chosen, Clients())


@mock_aws
def test_fault_of_a_secret_does_not_show_it() -> None:
    store("pässword")

    with pytest.raises(ConfigurationError) as fault:
        connect(smtp_environment(), Clients())

    assert "pässword" not in str(fault.value)


def test_only_the_chosen_mailer_is_imported_and_no_templates() -> None:
    """A cold start pays for each module."""
    program = (
        "import sys; from types import SimpleNamespace as It; from functions.mail.sender import connect;"
        "connect(It(mail_client='ses', mail_from='keys@example.com', ses_configuration_set=None), It(sesv2=None));"
        "print(*sorted({'functions.mail.ses', 'functions.mail.smtp', 'functions.mail.mailgun',"
        " 'smtplib', 'requests', 'jinja2'} & set(sys.modules)))"
    )

    imported = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    assert imported.split() == ["functions.mail.ses"]


def test_passing_fault_is_tried_again_after_growing_pauses(message: Message) -> None:
    mailer = Mailer(TRANSIENT, TRANSIENT, None)
    pauses: list[float] = []

    deliver(mailer, message, pause=pauses.append)

    assert mailer.outcomes == []
    first, second = pauses
    assert 0.5 <= first <= 1.5
    assert 1.0 <= second <= 3.0


def test_fault_that_does_not_pass_is_raised_after_the_last_attempt(message: Message) -> None:
    mailer = Mailer(TRANSIENT, TRANSIENT, TRANSIENT, None)
    pauses: list[float] = []

    with pytest.raises(MailServiceError):
        deliver(mailer, message, pause=pauses.append)

    assert (len(mailer.outcomes), len(pauses)) == (1, 2)


def test_throttled_mail_is_tried_again_like_any_other_fault_that_may_pass(message: Message) -> None:
    mailer = Mailer(MailThrottled("not so fast"), None)

    deliver(mailer, message, pause=lambda _: None)

    assert mailer.outcomes == []


def test_fault_of_a_service_that_takes_its_time_is_not_tried_again(message: Message) -> None:
    """Its next attempt could last until Lambda ends the run, and nobody would take the new key back."""
    mailer = Mailer(TRANSIENT, None, seconds=RETRY_SECONDS + 1)

    with pytest.raises(MailServiceError):
        deliver(mailer, message, pause=lambda _: None, clock=mailer.clock)

    assert len(mailer.outcomes) == 1


def test_time_for_another_attempt_counts_from_the_first_one(message: Message) -> None:
    mailer = Mailer(TRANSIENT, TRANSIENT, None, seconds=RETRY_SECONDS / 2 + 1)

    with pytest.raises(MailServiceError):
        deliver(mailer, message, pause=lambda _: None, clock=mailer.clock)

    assert len(mailer.outcomes) == 1


@pytest.mark.parametrize("outcome", [LASTING, REFUSED, UNANSWERED])
def test_fault_that_stays_and_mail_that_may_have_arrived_are_not_tried_again(
    outcome: Exception, message: Message
) -> None:
    mailer = Mailer(outcome, None)
    pauses: list[float] = []

    with pytest.raises(type(outcome)):
        deliver(mailer, message, pause=pauses.append)

    assert (len(mailer.outcomes), pauses) == (1, [])


def test_mail_is_given_up_while_there_is_time_to_roll_back() -> None:
    """Else Lambda ends the run before the new key is taken back."""
    longest = RETRY_SECONDS + longest_pause(ATTEMPTS - 1) + ATTEMPT_SECONDS + ANSWER_SECONDS

    assert longest < RESERVE.total_seconds()


def test_throttled_mail_is_given_up_while_there_is_time_to_roll_back() -> None:
    """Every worker may be waiting for its turn, at the slowest pace."""
    longest = PATIENCE_SECONDS + WORKERS * pace._LONGEST_INTERVAL + ATTEMPT_SECONDS

    assert longest < RESERVE.total_seconds()


@mock_aws
def test_attempt_through_ses_takes_no_longer_than_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    config: Any = AwsClients().sesv2.meta.config

    longest = CALLS * config.retries["total_max_attempts"] * (config.connect_timeout + config.read_timeout)

    assert longest <= ATTEMPT_SECONDS
