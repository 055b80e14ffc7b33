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

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_ssm import SSMClient

# With the 45 s of an attempt (deadline.py) a mail is given up after at most 3 * 45 s + 1.5 s + 3 s = 139.5 s. A run of
# the rotator keeps four minutes for the user it is at (RESERVE in rotator/run.py), the roll-back included.
ATTEMPTS = 3
"""How often a mail is sent at most."""

_FIRST_PAUSE = 1.5

# Runs that failed together should not come back together.
_jitter = random.SystemRandom()


def longest_pause(attempt: int) -> float:
    """Return the seconds that may pass after an attempt has failed, counted from 1."""
    return _FIRST_PAUSE * 2.0 ** (attempt - 1)


class Mailer(Protocol):
    """Something that takes mails. ``send`` may be called from several threads at once."""

    def send(self, message: Message) -> None:
        """Hand one mail over; returning means that the service has accepted it.

        Raises:
            RecipientRefused: this mail is not taken, others may be.
            MailServiceError: no mail is taken.
        """


class MailClients(Protocol):
    """The AWS clients that a mailer may need; each is built only when it is asked for."""

    @property
    def sesv2(self) -> SESV2Client:
        """Sends through SES."""

    @property
    def ssm(self) -> SSMClient:
        """Reads the mailer's password or key."""


def connect(environment: Environment, clients: MailClients) -> Mailer:
    """Build the mailer that the stack has chosen, and import no other: a cold start pays for every module.

    Raises:
        ConfigurationError: the mailer's settings or its secret are missing, or cannot be used.
    """
    # ruff: noqa: PLC0415 # the imports below stand where they are for the sake of Lambda's cold start
    match environment.mail_client:
        case "ses":
            from functions.mail.ses import SesMailer

            return SesMailer(clients.sesv2, environment.mail_from)
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
    mailer: Mailer, message: Message, *, attempts: int = ATTEMPTS, pause: Callable[[float], None] = time.sleep
) -> None:
    """Send a mail, and try again after a fault that may pass: about 1 s later, then 2 s.

    Args:
        mailer: what sends it.
        message: what is sent.
        attempts: how often the mail is sent at most.
        pause: waits for a number of seconds.

    Raises:
        RecipientRefused: this mail is not taken; it was not tried again.
        MailServiceError: the service fails for good, or still failed at the last attempt.
    """
    for attempt in range(1, attempts):
        try:
            mailer.send(message)
        except MailServiceError as error:
            if not error.transient:
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
