"""The stack's configuration: the only place that reads ``pulumi.Config``.

Everything is validated here, before any resource is described, and all faults are reported together: a preview fails
once, with a message that names each key, its value and the remedy. ``Pulumi.yaml`` declares the same keys for Pulumi's
command line, which fills in the defaults from there; an empty value counts as absent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parseaddr
from typing import Any, Literal, TypeVar, get_args
from urllib.parse import urlsplit

import pulumi

from components import schedule
from components.bundle import Architecture

NAMESPACE = "iam-key-rotator"

MailerName = Literal["ses", "smtp", "mailgun"]
SmtpProtocol = Literal["ssl", "tls"]
Tracing = Literal["Active", "PassThrough"]

T = TypeVar("T", bound=str)

# What CloudWatch Logs takes as retention, in days.
_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545),
    *(731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
_IMPLICIT_TLS_PORT, _STARTTLS_PORT = 465, 587
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_EMAIL = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_DOMAIN.pattern}")
_KMS_KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+", re.ASCII)
# DynamoDB wants three characters; `-destructor` must still fit into the 64 of a function's name.
_NAME_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_-]{2,52}")
# SSM refuses parameters whose path begins so.
_RESERVED_PREFIX = re.compile(r"aws|ssm", re.IGNORECASE)
_TAG_KEY = re.compile(r"(?!aws:)[\w .:/=+@-]{1,128}", re.IGNORECASE)
_TAG_VALUE = re.compile(r"[\w .:/=+@-]{0,256}")
# Some resource types hold no more; the functions' environment holds 4 KB in all.
_MOST_TAGS, _LONGEST_DOMAIN_LIST = 50, 2048


class ConfigurationFault(pulumi.RunError):
    """The configuration cannot be deployed; the message lists every fault. Pulumi shows it without a trace."""


@dataclass(frozen=True, kw_only=True)
class RotationPolicy:
    """When a key is replaced, when the old one goes, and how often a failed deletion is tried. Whole days, minutes."""

    rotate_after_days: int
    delete_after_days: int
    retry_after_minutes: int
    max_deletion_attempts: int


@dataclass(frozen=True, kw_only=True)
class Encryption:
    """Whether mails carry an encrypted key pair, and the customer key for what SSM keeps; None: AWS's own key."""

    encrypt_key_pair: bool
    kms_key_arn: str | None


@dataclass(frozen=True, kw_only=True)
class Smtp:
    """An SMTP server; the password stays a secret on its way into SSM."""

    server: str
    port: int
    protocol: SmtpProtocol
    username: str
    password: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class Mailgun:
    """Mailgun's endpoint; the key stays a secret on its way into SSM."""

    api_url: str
    api_key: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class Mail:
    """Who mails are from, whom they may go to (empty: anybody), and how they travel: by SES where ``via`` is None."""

    sender: str
    allowed_domains: tuple[str, ...]
    via: Smtp | Mailgun | None

    @property
    def sender_address(self) -> str:
        """The bare address of the sender, without a display name."""
        return parseaddr(self.sender)[1]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When the rotator runs, and the longest time between two runs; None where only a calendar can tell."""

    expression: str
    longest_gap: timedelta | None


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What both functions run on. ``reserved_concurrency`` None shares the account's pool."""

    architecture: Architecture
    memory_mb: int
    reserved_concurrency: int | None
    tracing: Tracing
    log_retention_days: int
    logs_kms_key_arn: str | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole configuration of one stack. Timeouts are seconds."""

    name_prefix: str
    tags: Mapping[str, str]
    policy: RotationPolicy
    encryption: Encryption
    mail: Mail
    schedule: Schedule
    runtime: Runtime
    rotator_timeout: int
    destructor_timeout: int
    table_kms_key_arn: str | None
    point_in_time_recovery: bool
    alarm_email: str | None


def load() -> Settings:
    """Read and validate the stack's configuration.

    Raises:
        ConfigurationFault: naming every key that is missing, malformed, or contradicts another one.
    """
    reader = _Reader(pulumi.Config(NAMESPACE))
    mail = reader.mail()
    settings = Settings(
        name_prefix=reader.name_prefix(),
        tags=reader.tags(),
        policy=RotationPolicy(
            rotate_after_days=reader.number("rotateAfterDays", default=80, lowest=0, highest=3650),
            delete_after_days=reader.number("deleteAfterDays", default=5, lowest=0, highest=3650),
            retry_after_minutes=reader.number("retryAfterMinutes", default=5, lowest=1, highest=1440),
            max_deletion_attempts=reader.number("maxDeletionAttempts", default=12, lowest=1, highest=1000),
        ),
        encryption=reader.encryption(mail),
        mail=mail,
        schedule=reader.schedule(),
        runtime=Runtime(
            architecture=reader.choice("architecture", get_args(Architecture), default="arm64"),
            memory_mb=reader.number("memorySize", default=256, lowest=128, highest=10240),
            reserved_concurrency=reader.reserved_concurrency(),
            tracing=reader.choice("tracing", get_args(Tracing), default="PassThrough"),
            log_retention_days=reader.log_retention_days(),
            logs_kms_key_arn=reader.kms_key_arn("logsKmsKeyArn"),
        ),
        rotator_timeout=reader.number("rotatorTimeout", default=900, lowest=1, highest=900),
        destructor_timeout=reader.number("destructorTimeout", default=300, lowest=1, highest=900),
        table_kms_key_arn=reader.kms_key_arn("tableKmsKeyArn"),
        point_in_time_recovery=reader.boolean("pointInTimeRecovery", default=True),
        alarm_email=reader.alarm_email(),
    )
    reader.report()
    return settings


class _Reader:
    """Reads keys one by one and keeps the faults, so that they can be reported together."""

    def __init__(self, config: pulumi.Config) -> None:
        self._config = config
        self._faults: list[str] = []

    def report(self) -> None:
        if self._faults:
            listed = "\n".join(f"  - {fault}" for fault in self._faults)
            raise ConfigurationFault(f"The configuration of this stack cannot be deployed:\n{listed}")

    def fault(self, key: str, value: object, remedy: str) -> None:
        self._faults.append(f"{key} is {value!r}: {remedy}")

    def missing(self, key: str, remedy: str) -> None:
        self._faults.append(f"{key} is missing: {remedy}")

    # One value

    def text(self, key: str) -> str | None:
        return (self._config.get(key) or "").strip() or None

    def secret(self, key: str, *, why: str) -> pulumi.Output[str]:
        value = self._config.get_secret(key)
        if value is None or self.text(key) is None:
            self.missing(key, f"{why}; set it with: pulumi config set --secret {key}")
            return pulumi.Output.secret("")
        return value

    def required(self, key: str, *, why: str, example: str) -> str:
        value = self.text(key)
        if value is None:
            self.missing(key, f"{why}; set it with: pulumi config set {key} {example}")
        return value or ""

    def number(self, key: str, *, default: int, lowest: int, highest: int) -> int:
        value = self.text(key)
        if value is None:
            return default
        if not re.fullmatch(r"-?\d{1,9}", value, re.ASCII) or not lowest <= int(value) <= highest:
            self.fault(key, value, f"it must be a whole number from {lowest} to {highest}")
            return default
        return int(value)

    def boolean(self, key: str, *, default: bool) -> bool:
        return self.choice(key, ("true", "false"), default="true" if default else "false") == "true"

    def choice(self, key: str, allowed: tuple[T, ...], *, default: T) -> T:
        value = self.text(key) or default
        for choice in allowed:
            if value == choice:
                return choice
        self.fault(key, value, f"it must be one of {', '.join(allowed)}")
        return default

    def structure(self, key: str, kind: type, *, example: str) -> Any:
        """Read a list or an object; Pulumi hands both over as JSON."""
        text = self.text(key)
        if text is None:
            return kind()
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, kind):
            self.fault(key, text, f"it must be structured, as in: {example}")
            return kind()
        return value

    def kms_key_arn(self, key: str) -> str | None:
        value = self.text(key)
        if value is not None and not _KMS_KEY_ARN.fullmatch(value):
            self.fault(
                key, value, "it must be the ARN of a KMS key, arn:aws:kms:REGION:ACCOUNT:key/ID, not of an alias"
            )
        return value

    # One subject

    def name_prefix(self) -> str:
        value = self.text("namePrefix") or NAMESPACE
        if not _NAME_PREFIX.fullmatch(value):
            self.fault("namePrefix", value, "it must be 3 to 53 letters, digits, - or _, and begin with a letter")
        elif _RESERVED_PREFIX.match(value):
            self.fault("namePrefix", value, "it must not begin with aws or ssm, which AWS keeps for itself")
        return value

    def tags(self) -> Mapping[str, str]:
        tags: dict[str, Any] = self.structure("tags", dict, example="pulumi config set --path tags.Team identity")
        for name, value in tags.items():
            if not _TAG_KEY.fullmatch(name):
                self.fault("tags", name, "a tag's name is 1 to 128 letters, digits, spaces or _.:/=+-@, not aws:…")
            elif not isinstance(value, str):
                self.fault(f"tags.{name}", value, "a tag's value is text: put it in quotes")
            elif not _TAG_VALUE.fullmatch(value):
                self.fault(f"tags.{name}", value, "a tag's value is up to 256 letters, digits, spaces or _.:/=+-@")
        if len(tags) > _MOST_TAGS:
            self.fault("tags", f"{len(tags)} tags", f"a resource takes {_MOST_TAGS} at most")
        return tags

    def schedule(self) -> Schedule:
        expression = self.text("schedule") or "cron(0 12 * * ? *)"
        try:
            gap = schedule.longest_gap(expression)
        except ValueError as reason:
            self.fault("schedule", expression, f"it {reason}; write for example rate(1 day) or cron(0 12 * * ? *)")
            gap = None
        return Schedule(expression=expression, longest_gap=gap)

    def reserved_concurrency(self) -> int | None:
        value = self.number("reservedConcurrency", default=-1, lowest=-1, highest=1000)
        return None if value < 0 else value

    def log_retention_days(self) -> int:
        value = self.number("logRetentionDays", default=90, lowest=1, highest=_RETENTION_DAYS[-1])
        if value not in _RETENTION_DAYS:
            allowed = ", ".join(str(days) for days in _RETENTION_DAYS)
            self.fault("logRetentionDays", value, f"CloudWatch Logs takes only {allowed}")
        return value

    def alarm_email(self) -> str | None:
        value = self.text("alarmEmail")
        if value is not None and not _EMAIL.fullmatch(value):
            self.fault("alarmEmail", value, "it must be one e-mail address, name@example.com")
        return value

    def encryption(self, mail: Mail) -> Encryption:
        encryption = Encryption(
            encrypt_key_pair=self.boolean("encryptKeyPair", default=True),
            kms_key_arn=self.kms_key_arn("secretsKmsKeyArn"),
        )
        if encryption.kms_key_arn and not encryption.encrypt_key_pair and mail.via is None:
            self.fault(
                "secretsKmsKeyArn",
                encryption.kms_key_arn,
                "it would protect nothing, for encryptKeyPair is false and ses needs no secret; remove one of the two",
            )
        return encryption

    # Mail

    def mail(self) -> Mail:
        sender = self.required("mailFrom", why="mails need a sender", example="key-rotation@example.com")
        if sender and (not _EMAIL.fullmatch(parseaddr(sender)[1]) or not sender.isprintable()):
            self.fault("mailFrom", sender, "it must be name@example.com or Display Name <name@example.com>")
        mailer: MailerName = self.choice("mailer", get_args(MailerName), default="ses")
        self._reject_settings_of_other_mailers(mailer)
        via: Smtp | Mailgun | None = None
        if mailer == "smtp":
            via = self._smtp(default_username=parseaddr(sender)[1])
        elif mailer == "mailgun":
            via = self._mailgun()
        return Mail(sender=sender, allowed_domains=self._allowed_domains(), via=via)

    def _reject_settings_of_other_mailers(self, mailer: MailerName) -> None:
        """Refuse what the chosen mailer would ignore. Values equal to a default may come from Pulumi.yaml."""
        belongs_to: dict[str, tuple[MailerName, str]] = {
            "smtpServer": ("smtp", ""),
            "smtpPort": ("smtp", str(_IMPLICIT_TLS_PORT)),
            "smtpProtocol": ("smtp", "ssl"),
            "smtpUsername": ("smtp", ""),
            "smtpPassword": ("smtp", ""),
            "mailgunApiUrl": ("mailgun", ""),
            "mailgunApiKey": ("mailgun", ""),
        }
        for key, (owner, default) in belongs_to.items():
            if owner != mailer and (self.text(key) or default) != default:
                remedy = f"remove it (pulumi config rm {key}), or set mailer to {owner}"
                self._faults.append(f"{key} is set, but mailer is {mailer!r}: {remedy}")

    def _allowed_domains(self) -> tuple[str, ...]:
        example = "pulumi config set --path 'allowedEmailDomains[0]' example.com"
        domains: list[Any] = self.structure("allowedEmailDomains", list, example=example)
        for domain in domains:
            if not isinstance(domain, str) or not _DOMAIN.fullmatch(domain):
                self.fault("allowedEmailDomains", domain, "each entry must be a domain such as example.com, without @")
        if len(",".join(map(str, domains))) > _LONGEST_DOMAIN_LIST:
            self.fault(
                "allowedEmailDomains", f"{len(domains)} domains", "the list is too long for Lambda's environment"
            )
        return tuple(str(domain).lower() for domain in domains)

    def _smtp(self, *, default_username: str) -> Smtp:
        server = self.required("smtpServer", why="mailer is smtp", example="smtp.example.com")
        if server and not _HOST.fullmatch(server):
            self.fault("smtpServer", server, "it must be a host name alone; the port is smtpPort")
        port = self.number("smtpPort", default=_IMPLICIT_TLS_PORT, lowest=1, highest=65535)
        protocol: SmtpProtocol = self.choice("smtpProtocol", get_args(SmtpProtocol), default="ssl")
        if (protocol, port) in {("tls", _IMPLICIT_TLS_PORT), ("ssl", _STARTTLS_PORT)}:
            usual = _STARTTLS_PORT if protocol == "tls" else _IMPLICIT_TLS_PORT
            self.fault("smtpPort", port, f"with smtpProtocol {protocol} it is usually {usual}: this pair would hang")
        return Smtp(
            server=server,
            port=port,
            protocol=protocol,
            username=self.text("smtpUsername") or default_username,
            password=self.secret("smtpPassword", why="mailer is smtp"),
        )

    def _mailgun(self) -> Mailgun:
        url = self.required(
            "mailgunApiUrl",
            why="mailer is mailgun",
            example="https://api.mailgun.net/v3/mail.example.com/messages",
        )
        if url and not _is_safe_url(url):
            self.fault("mailgunApiUrl", url, "it must be an https:// URL, for the API key travels with every request")
        return Mailgun(api_url=url, api_key=self.secret("mailgunApiKey", why="mailer is mailgun"))


def _is_safe_url(url: str) -> bool:
    """Tell whether a secret may be sent there: over https, or to this very machine, as the embedded cloud does."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.username or parts.password or any(character.isspace() for character in url):
        return False
    if host in _LOOPBACK:
        return parts.scheme in {"http", "https"}
    return parts.scheme == "https" and _HOST.fullmatch(host) is not None
