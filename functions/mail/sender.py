"""How a mail leaves: which mailer the stack has chosen, and how often a mail is tried."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from functions.common.environment import Environment
from functions.common.errors import ConfigurationError, MailServiceError
from functions.mail.message import Message
from functions.mail.pace import PacedMailer
from functions.mail.transport import Mailer

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_ssm import SSMClient

ATTEMPTS = 3
"""How often a mail is sent at most."""

RETRY_SECONDS = 30.0
"""A mail is not tried again when so much time has passed. With the 45 s and the answer's 120 s of an attempt
(deadline.py) it takes 195 s at most; a run of the rotator keeps four minutes for the user it is at (RESERVE in
rotator/run.py)."""

_FIRST_PAUSE = 1.5

# Runs that failed together should not come back together.
_jitter = random.SystemRandom()


def longest_pause(attempt: int) -> float:
    """Return the seconds that may pass after an attempt has failed, counted from 1."""
    return _FIRST_PAUSE * 2.0 ** (attempt - 1)


class MailClients(Protocol):
    """The AWS clients that a mailer may need; each is built only when it is asked for."""

    @property
    def sesv2(self) -> SESV2Client:
        """Sends through SES."""

    @property
    def ssm(self) -> SSMClient:
        """Reads the mailer's password or key."""


def connect(environment: Environment, clients: MailClients) -> Mailer:
    """Build the mailer that the stack has chosen, and import no other: a cold start pays for each.

    It sends at the pace that the service asks for.

    Raises:
        ConfigurationError: the mailer's settings or its secret are missing, or cannot be used.
    """
    return PacedMailer(_connect(environment, clients))


def _connect(environment: Environment, clients: MailClients) -> Mailer:
    # ruff: noqa: PLC0415 # the imports below stand where they are for the sake of Lambda's cold start
    match environment.mail_client:
        case "ses":
            from functions.mail.ses import SesMailer

            return SesMailer(clients.sesv2, environment.mail_from, environment.ses_configuration_set)
        case "smtp" if environment.smtp:
            from functions.mail.smtp import SmtpMailer

            password = _secret(clients.ssm, environment.smtp.password_parameter)
            return SmtpMailer(environment.smtp, password, environment.mail_from)
        case "mailgun" if environment.mailgun:
            from functions.mail.mailgun import MailgunMailer

            key = _secret(clients.ssm, environment.mailgun.api_key_parameter)
            return MailgunMailer(environment.mailgun.api_url, key, environment.mail_from)
    raise ConfigurationError(f"the mailer {environment.mail_client} is chosen and has no settings")


def deliver(
    mailer: Mailer,
    message: Message,
    *,
    attempts: int = ATTEMPTS,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Send a mail, and try again after a fault that may pass: about 1 s later, then 2 s.

    Args:
        mailer: what sends it.
        message: what is sent.
        attempts: how often the mail is sent at most.
        pause: waits for a number of seconds.
        clock: seconds that only ever grow.

    Raises:
        RecipientRefused: this mail is not taken; it was not tried again.
        MailUnanswered: it may have been accepted; it was not tried again.
        MailServiceError: the service fails for good, or still failed at the last attempt.
    """
    started = clock()
    for attempt in range(1, attempts):
        try:
            mailer.send(message)
        except MailServiceError as error:
            if not error.transient or clock() - started > RETRY_SECONDS:
                raise
            longest = longest_pause(attempt)
            pause(_jitter.uniform(longest / 3, longest))
        else:
            return
    mailer.send(message)


def _secret(ssm: SSMClient, parameter: str) -> str:
    try:
        return ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"]
    except ClientError as error:
        fault = error.response["Error"]["Code"]
    except BotoCoreError as error:
        fault = type(error).__name__
    raise ConfigurationError(f"the mailer's secret cannot be read from the SSM parameter {parameter}: {fault}")
