"""The environment of the functions, parsed once into a typed object.

Strict on purpose: a misspelt ``ENCRYPT_KEY_PAIR`` must not send secrets in plain text. All faults are reported
together, before any AWS call is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Literal, TypeVar, get_args

from functions.common.errors import ConfigurationError

MailClient = Literal["ses", "smtp", "mailgun"]
SmtpProtocol = Literal["ssl", "tls"]

T = TypeVar("T", bound=str)


@dataclass(frozen=True, kw_only=True)
class Smtp:
    """How to reach the SMTP server. ``password_parameter`` is the name of an SSM SecureString, never the password."""

    server: str
    port: int
    protocol: SmtpProtocol
    username: str
    password_parameter: str


@dataclass(frozen=True, kw_only=True)
class Mailgun:
    """How to reach Mailgun. ``api_key_parameter`` is the name of an SSM SecureString, never the key."""

    api_url: str
    api_key_parameter: str


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What the stack's configuration says to a function. Days and minutes are whole numbers of those units."""

    table: str
    mail_from: str
    reply_to: str | None
    help_url: str | None
    decryption_script_url: str | None
    support_contact: str | None
    account_id: str
    region: str
    mail_client: MailClient
    smtp: Smtp | None
    mailgun: Mailgun | None
    rotate_after_days: int
    delete_after_days: int
    recovery_days: int
    reminder_days: int
    announce_days: int
    grace_extension_days: int
    delete_unconfirmed: bool
    address_hold_days: int
    audit_days: int
    user_paths: tuple[str, ...]
    retry_after_minutes: int
    max_deletion_attempts: int
    encrypt_key_pair: bool
    secrets_kms_key_arn: str | None
    allowed_email_domains: frozenset[str]
    ses_configuration_set: str | None
    dead_letter_queue_url: str | None
    alarm_topic_arn: str | None


def parse(variables: Mapping[str, str]) -> Environment:
    """Read a function's environment.

    Args:
        variables: usually ``os.environ``. An empty value counts as absent.

    Raises:
        ConfigurationError: naming every variable that is missing or has a value that cannot be used.
    """
    reader = _Reader(variables)
    mail_from = reader.required("MAIL_FROM")
    mail_client: MailClient = reader.choice("MAIL_CLIENT", get_args(MailClient), default="ses")
    environment = Environment(
        table=reader.required("IAM_KEY_ROTATOR_TABLE"),
        mail_from=mail_from,
        reply_to=reader.optional("REPLY_TO"),
        help_url=reader.optional("HELP_URL"),
        decryption_script_url=reader.optional("DECRYPTION_SCRIPT_URL"),
        support_contact=reader.optional("SUPPORT_CONTACT"),
        account_id=reader.optional("ACCOUNT_ID") or "",
        region=reader.optional("AWS_REGION") or "",
        mail_client=mail_client,
        smtp=reader.smtp(mail_from) if mail_client == "smtp" else None,
        mailgun=reader.mailgun() if mail_client == "mailgun" else None,
        rotate_after_days=reader.number("ROTATE_AFTER_DAYS", default=80, highest=3650),
        delete_after_days=reader.number("DELETE_AFTER_DAYS", default=5, highest=3650),
        recovery_days=reader.number("RECOVERY_DAYS", default=0, highest=3650),
        reminder_days=reader.number("REMINDER_DAYS", default=1, highest=3650),
        announce_days=reader.number("ANNOUNCE_DAYS", default=0, highest=3650),
        grace_extension_days=reader.number("GRACE_EXTENSION_DAYS", default=14, highest=3650),
        delete_unconfirmed=reader.boolean("DELETE_UNCONFIRMED", default=False),
        address_hold_days=reader.number("ADDRESS_HOLD_DAYS", default=2, highest=3650),
        audit_days=reader.number("AUDIT_DAYS", default=90, lowest=1, highest=3650),
        user_paths=reader.paths("USER_PATHS"),
        retry_after_minutes=reader.number("RETRY_AFTER_MINS", default=5, lowest=1, highest=1440),
        max_deletion_attempts=reader.number("MAX_DELETION_ATTEMPTS", default=12, lowest=1, highest=1000),
        encrypt_key_pair=reader.boolean("ENCRYPT_KEY_PAIR", default=True),
        secrets_kms_key_arn=reader.optional("SECRETS_KMS_KEY_ARN"),
        allowed_email_domains=reader.domains("ALLOWED_EMAIL_DOMAINS", mail_from),
        ses_configuration_set=reader.optional("SES_CONFIGURATION_SET"),
        dead_letter_queue_url=reader.optional("DEAD_LETTER_QUEUE_URL"),
        alarm_topic_arn=reader.optional("ALARM_TOPIC_ARN"),
    )
    reader.report()
    return environment


class _Reader:
    """Reads variables one by one and keeps the faults, so that they can be reported together."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._faults: list[str] = []

    def report(self) -> None:
        if self._faults:
            raise ConfigurationError("; ".join(self._faults))

    def optional(self, name: str) -> str | None:
        return self._variables.get(name, "").strip() or None

    def required(self, name: str) -> str:
        value = self.optional(name)
        if value is None:
            self._faults.append(f"{name} is missing")
        return value or ""

    def choice(self, name: str, allowed: tuple[T, ...], *, default: T) -> T:
        value = self.optional(name) or default
        for choice in allowed:
            if value == choice:
                return choice
        self._faults.append(f"{name} is {value!r}, and must be one of {', '.join(allowed)}")
        return default

    def boolean(self, name: str, *, default: bool) -> bool:
        return self.choice(name, ("true", "false"), default="true" if default else "false") == "true"

    def number(self, name: str, *, default: int, highest: int, lowest: int = 0) -> int:
        value = self.optional(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and lowest <= int(value) <= highest):
            self._faults.append(f"{name} is {value!r}, and must be a whole number from {lowest} to {highest}")
            return default
        return int(value)

    def domains(self, name: str, mail_from: str) -> frozenset[str]:
        """Read the domains that mail may go to: the sender's own, unless others are named; with ``*`` any, and none."""
        value = self.optional(name) or _bare(mail_from).rpartition("@")[2]
        if value == "*":
            return frozenset()
        return frozenset(domain.strip().lower() for domain in value.split(",") if domain.strip())

    def paths(self, name: str) -> tuple[str, ...]:
        paths = tuple(path.strip() for path in (self.optional(name) or "/").split(","))
        if not all(path.startswith("/") and path.endswith("/") for path in paths):
            self._faults.append(f"{name} is {','.join(paths)!r}, and must be IAM paths, each with a / at both ends")
        return paths

    def smtp(self, mail_from: str) -> Smtp:
        return Smtp(
            server=self.required("SMTP_SERVER"),
            port=self.number("SMTP_PORT", default=465, lowest=1, highest=65535),
            protocol=self.choice("SMTP_PROTOCOL", get_args(SmtpProtocol), default="ssl"),
            username=self.optional("SMTP_USERNAME") or _bare(mail_from),
            password_parameter=self.required("SMTP_PASSWORD_PARAMETER"),
        )

    def mailgun(self) -> Mailgun:
        return Mailgun(
            api_url=self.required("MAILGUN_API_URL"),
            api_key_parameter=self.required("MAILGUN_API_KEY_NAME"),
        )


def _bare(sender: str) -> str:
    """Take the display name off an address."""
    return parseaddr(sender)[1]
