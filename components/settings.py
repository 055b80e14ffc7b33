"""The stack's configuration, typed: the one place that knows its keys, their defaults and their limits.

Everything is validated here, before any resource is described, and all faults are reported together: a preview fails
once, with a message that names each key, its value and the remedy. ``Pulumi.yaml`` declares the same keys and defaults
for Pulumi's command line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import getaddresses, parseaddr
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

import pulumi

from components import mail_templates, schedule
from components.bundle import Architecture
from components.config_reader import ConfigReader

NAMESPACE = "iam-key-rotator"

OWN, AWS_MANAGED = "own", "aws-managed"
"""Which key SSM keeps secrets under, where it is not a customer's: one of the stack's own, or AWS's."""

MailerName = Literal["ses", "smtp", "mailgun"]
SmtpProtocol = Literal["ssl", "tls"]
Tracing = Literal["Active", "PassThrough"]

# What CloudWatch Logs takes as retention, in days.
_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545),
    *(731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
_IMPLICIT_TLS_PORT, _STARTTLS_PORT = 465, 587
# Which mailer reads a key, and its default.
_KEYS_OF_MAILERS: Mapping[str, tuple[MailerName, str | None]] = {
    "smtpServer": ("smtp", None),
    "smtpPort": ("smtp", str(_IMPLICIT_TLS_PORT)),
    "smtpProtocol": ("smtp", "ssl"),
    "smtpUsername": ("smtp", None),
    "smtpPassword": ("smtp", None),
    "mailgunApiUrl": ("mailgun", None),
    "mailgunApiKey": ("mailgun", None),
}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_MAILGUN_PATH = re.compile(rf"/v3/{_DOMAIN.pattern}/messages")
_EMAIL = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_DOMAIN.pattern}")
_PAGE = re.compile(rf"https://{_HOST.pattern}(?::\d{{1,5}})?(?:/[!#-;=?-~]{{0,900}})?")
_CONTACT = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,200}")
_ANY_DOMAIN = "*"
_KMS_KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+", re.ASCII)
_CODE_SIGNING_ARN = re.compile(
    r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:code-signing-config:csc-[a-z0-9]{17}", re.ASCII
)
# With wildcards, as the roles of IAM Identity Center need them, but never a wildcard alone.
_PRINCIPAL_ARN = re.compile(
    r"arn:aws[a-z-]*:iam::\d{12}:(?:role|user)/[A-Za-z0-9_+=,.@/*-]*[A-Za-z0-9][A-Za-z0-9_+=,.@/*-]*", re.ASCII
)
# DynamoDB wants three characters; `-destructor` must still fit into the 64 of a function's name.
_NAME_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_-]{2,52}")
# SSM refuses parameters whose path begins so.
_RESERVED_PREFIX = re.compile(r"aws|ssm", re.IGNORECASE)
_SET_TAG = "pulumi config set --path tags.Team identity"
_DEFAULT_SCHEDULE = "cron(0 12 * * ? *)"
_TAG_KEY = re.compile(r"(?!aws:)[\w .:/=+@-]{1,128}", re.IGNORECASE)
_TAG_VALUE = re.compile(r"[\w .:/=+@-]{0,256}")
# What IAM takes as a path, less what a policy would take for a wildcard, and the comma between two paths.
_USER_PATH = re.compile(r"/(?:[A-Za-z0-9_.@=+-]+/)*")
# Some resource types hold no more; the functions' environment holds 4 KB in all, and a role's policies hold 10,240
# characters.
_MOST_TAGS, _LONGEST_LIST = 50, 1024


@dataclass(frozen=True, kw_only=True)
class RotationPolicy:
    """Whose keys are replaced and when, how gently the old ones go, and how often a failed deletion is tried.

    Whole days and minutes; ``user_paths`` are IAM paths, each with a slash at both ends.
    """

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


@dataclass(frozen=True, kw_only=True)
class Encryption:
    """Whether mails carry an encrypted key pair, and under which KMS key SSM keeps secrets.

    ``secrets_key``: the ARN of a customer's key, or OWN, or AWS_MANAGED. ``keep_decryption_policy``: whether the policy
    for decrypting, and the stack's own key, outlive a change, for mails that were sent before.
    """

    encrypt_key_pair: bool
    keep_decryption_policy: bool
    secrets_key: str


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
    """Who mails are from, whom they may go to (no domain: anybody), how they travel, and how they are worded.

    ``via`` None is SES. ``templates`` is a folder of templates that stand in for the built-in ones; None: no folder.
    Readers are told of ``help_url`` and ``support_contact``, and their answers go to ``reply_to``, where these are set.
    """

    sender: str
    allowed_domains: tuple[str, ...]
    via: Smtp | Mailgun | None
    templates: Path | None
    help_url: str | None
    support_contact: str | None
    reply_to: str | None

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
    """What both functions run on. ``reserved_concurrency`` None shares the account's pool.

    ``code_signing_config_arn``: what Lambda checks the archive's signature against; None: nothing.
    """

    architecture: Architecture
    memory_mb: int
    reserved_concurrency: int | None
    tracing: Tracing
    log_retention_days: int
    logs_kms_key_arn: str | None
    code_signing_config_arn: str | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole configuration of one stack. Timeouts are seconds.

    ``messages_kms_key_arn``: a customer's key for the topic and the queue; None: a key of the stack's own for the
    topic, and SQS's for the queue. ``administrator_arns``: whom the guardrail exempts; empty: a role of a fixed name.
    """

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
    messages_kms_key_arn: str | None
    point_in_time_recovery: bool
    alarm_email: str | None
    administrator_arns: tuple[str, ...]


def load() -> Settings:
    """Read and validate the stack's configuration.

    Raises:
        ConfigurationFault: naming every key that is missing, malformed, or contradicts another one.
    """
    config = ConfigReader(NAMESPACE)
    mail = _mail(config)
    settings = Settings(
        name_prefix=_name_prefix(config),
        tags=_tags(config),
        policy=_policy(config),
        encryption=_encryption(config, mail),
        mail=mail,
        schedule=_schedule(config),
        runtime=Runtime(
            architecture=config.choice("architecture", get_args(Architecture), default="arm64"),
            memory_mb=config.number("memorySize", default=256, lowest=128, highest=10240),
            reserved_concurrency=_reserved_concurrency(config),
            tracing=config.choice("tracing", get_args(Tracing), default="PassThrough"),
            log_retention_days=_log_retention_days(config),
            logs_kms_key_arn=_kms_key_arn(config, "logsKmsKeyArn"),
            code_signing_config_arn=config.matching(
                "codeSigningConfigArn",
                _CODE_SIGNING_ARN,
                remedy="it must be the ARN of a code signing configuration, "
                "arn:aws:lambda:REGION:ACCOUNT:code-signing-config:csc-ID",
            ),
        ),
        rotator_timeout=config.number("rotatorTimeout", default=900, lowest=300, highest=900),
        destructor_timeout=config.number("destructorTimeout", default=300, lowest=300, highest=900),
        table_kms_key_arn=_kms_key_arn(config, "tableKmsKeyArn"),
        messages_kms_key_arn=_kms_key_arn(config, "messagesKmsKeyArn"),
        point_in_time_recovery=config.boolean("pointInTimeRecovery", default=True),
        alarm_email=config.matching("alarmEmail", _EMAIL, remedy="it must be one e-mail address, name@example.com"),
        administrator_arns=_administrator_arns(config),
    )
    config.reject_unknown(besides=_KEYS_OF_MAILERS)
    config.report()
    return settings


def _policy(config: ConfigReader) -> RotationPolicy:
    policy = RotationPolicy(
        rotate_after_days=config.number("rotateAfterDays", default=80, lowest=0, highest=3650),
        delete_after_days=config.number("deleteAfterDays", default=5, lowest=0, highest=3650),
        recovery_days=config.number("recoveryDays", default=0, lowest=0, highest=3650),
        reminder_days=config.number("reminderDays", default=1, lowest=0, highest=3650),
        announce_days=config.number("announceDays", default=0, lowest=0, highest=3650),
        grace_extension_days=config.number("graceExtensionDays", default=14, lowest=0, highest=3650),
        delete_unconfirmed=config.boolean("deleteUnconfirmed", default=False),
        address_hold_days=config.number("addressHoldDays", default=2, lowest=0, highest=3650),
        audit_days=config.number("auditDays", default=90, lowest=1, highest=3650),
        user_paths=_user_paths(config),
        retry_after_minutes=config.number("retryAfterMinutes", default=5, lowest=1, highest=1440),
        max_deletion_attempts=config.number("maxDeletionAttempts", default=12, lowest=1, highest=1000),
    )
    hasty = policy.delete_unconfirmed or policy.grace_extension_days == 0
    if hasty and policy.delete_after_days == 0 and config.boolean("encryptKeyPair", default=True):
        config.fault(
            "deleteAfterDays",
            0,
            "the old key would end at once, and with it the only way to decrypt the new one; give it a grace period, "
            "or set graceExtensionDays and leave deleteUnconfirmed off",
        )
    if 0 < policy.announce_days >= policy.rotate_after_days:
        config.fault(
            "announceDays",
            policy.announce_days,
            f"it must be less than rotateAfterDays, {policy.rotate_after_days}; 0 announces nothing",
        )
    return policy


def _user_paths(config: ConfigReader) -> tuple[str, ...]:
    paths = config.listing("userPaths", example="pulumi config set --path 'userPaths[0]' /developers/") or ["/"]
    for path in paths:
        if not isinstance(path, str) or not _USER_PATH.fullmatch(path):
            config.fault(
                "userPaths", path, "each entry must be an IAM path such as /developers/, with a / at both ends"
            )
    if len(",".join(map(str, paths))) > _LONGEST_LIST:
        config.fault("userPaths", f"{len(paths)} paths", "they are too long for Lambda's environment")
    return tuple(str(path) for path in paths)


def _name_prefix(config: ConfigReader) -> str:
    value = config.text("namePrefix") or NAMESPACE
    if not _NAME_PREFIX.fullmatch(value):
        config.fault("namePrefix", value, "it must be 3 to 53 letters, digits, - or _, and begin with a letter")
    elif _RESERVED_PREFIX.match(value):
        config.fault("namePrefix", value, "it must not begin with aws or ssm, which AWS keeps for itself")
    return value


def _tags(config: ConfigReader) -> Mapping[str, str]:
    tags = config.mapping("tags", example=_SET_TAG)
    for name, value in tags.items():
        if not _TAG_KEY.fullmatch(name):
            config.fault("tags", name, "a tag's name is 1 to 128 letters, digits, spaces or _.:/=+-@, and not aws:…")
        elif not isinstance(value, str):
            remedy = f"pulumi config set --path tags.{name} {json.dumps(value)} --type string"
            config.fault(f"tags.{name}", value, f"a tag's value is text; set it with: {remedy}")
        elif not _TAG_VALUE.fullmatch(value):
            config.fault(f"tags.{name}", value, "a tag's value is up to 256 letters, digits, spaces or _.:/=+-@")
    if len(tags) > _MOST_TAGS:
        config.fault("tags", f"{len(tags)} tags", f"a resource takes {_MOST_TAGS} at most")
    return tags


def _schedule(config: ConfigReader) -> Schedule:
    expression = config.text("schedule") or _DEFAULT_SCHEDULE
    try:
        gap = schedule.longest_gap(expression)
    except ValueError as reason:
        config.fault("schedule", expression, f"it {reason}; write for example rate(1 day) or {_DEFAULT_SCHEDULE}")
        gap = None
    return Schedule(expression=expression, longest_gap=gap)


def _reserved_concurrency(config: ConfigReader) -> int | None:
    value = config.number("reservedConcurrency", default=-1, lowest=-1, highest=1000)
    return None if value < 0 else value


def _log_retention_days(config: ConfigReader) -> int:
    value = config.number("logRetentionDays", default=365, lowest=1, highest=_RETENTION_DAYS[-1])
    if value not in _RETENTION_DAYS:
        allowed = ", ".join(str(days) for days in _RETENTION_DAYS)
        config.fault("logRetentionDays", value, f"CloudWatch Logs takes only {allowed}")
    return value


def _kms_key_arn(config: ConfigReader, key: str, *, besides: str = "") -> str | None:
    remedy = f"it must be the ARN of a KMS key, arn:aws:kms:REGION:ACCOUNT:key/ID, and not of an alias{besides}"
    return config.matching(key, _KMS_KEY_ARN, remedy=remedy)


def _encryption(config: ConfigReader, mail: Mail) -> Encryption:
    encryption = Encryption(
        encrypt_key_pair=config.boolean("encryptKeyPair", default=True),
        keep_decryption_policy=config.boolean("keepDecryptionPolicy", default=True),
        secrets_key=_secrets_key(config),
    )
    if config.text("secretsKmsKeyArn") and not encryption.encrypt_key_pair and mail.via is None:
        config.unwanted(
            "secretsKmsKeyArn",
            "but it would protect nothing, for encryptKeyPair is false and ses needs no secret; remove one of the two",
        )
    return encryption


def _secrets_key(config: ConfigReader) -> str:
    value = config.text("secretsKmsKeyArn")
    if value == AWS_MANAGED:
        return AWS_MANAGED
    return _kms_key_arn(config, "secretsKmsKeyArn", besides=f", or {AWS_MANAGED}") or OWN


def _mail(config: ConfigReader) -> Mail:
    sender = config.required("mailFrom", why="mails need a sender", example="key-rotation@example.com")
    addresses = [address for _, address in getaddresses([sender])]
    if sender and not (sender.isprintable() and len(addresses) == 1 and _EMAIL.fullmatch(addresses[0])):
        config.fault("mailFrom", sender, "it must be name@example.com or Display Name <name@example.com>")
    mailer: MailerName = config.choice("mailer", get_args(MailerName), default="ses")
    # Of an unknown mailer nobody can say which keys are its own.
    if config.text("mailer") in {None, mailer}:
        _reject_keys_of_other_mailers(config, mailer)
    via: Smtp | Mailgun | None = None
    if mailer == "smtp":
        via = _smtp(config, default_username=parseaddr(sender)[1])
    elif mailer == "mailgun":
        via = _mailgun(config)
    return Mail(
        sender=sender,
        allowed_domains=_allowed_domains(config, sender),
        via=via,
        templates=_templates(config),
        help_url=config.matching("helpUrl", _PAGE, remedy="it must be one address of a page, https://HOST/PATH"),
        support_contact=config.matching(
            "supportContact", _CONTACT, remedy="it must be one line of up to 200 characters, for people to read"
        ),
        reply_to=config.matching("replyTo", _EMAIL, remedy="it must be one e-mail address, name@example.com"),
    )


def _templates(config: ConfigReader) -> Path | None:
    path = config.text("mailTemplates")
    if path is None:
        return None
    folder = mail_templates.resolve(path)
    if not folder.is_dir():
        config.fault("mailTemplates", path, "there is no such folder; give a path from the project's root")
        return None
    for fault in mail_templates.faults_of(folder):
        config.fault("mailTemplates", path, fault)
    return folder


def _reject_keys_of_other_mailers(config: ConfigReader, mailer: MailerName) -> None:
    """Refuse what the chosen mailer would ignore. A value equal to a default may come from Pulumi.yaml."""
    for key, (owner, default) in _KEYS_OF_MAILERS.items():
        if owner != mailer and config.text(key) not in {None, default}:
            config.unwanted(
                key,
                f"but the mailer is {mailer}; set mailer to {owner}, or remove it with: pulumi config rm {key}",
            )


def _allowed_domains(config: ConfigReader, sender: str) -> tuple[str, ...]:
    """Read the domains that mail may go to: the sender's own, unless others are named; none stands for any."""
    domains = config.listing(
        "allowedEmailDomains",
        example="pulumi config set --path 'allowedEmailDomains[0]' example.com",
    )
    if domains == [_ANY_DOMAIN]:
        return ()
    if not domains:
        domains = [parseaddr(sender)[1].rpartition("@")[2]] if _EMAIL.fullmatch(parseaddr(sender)[1]) else []
    for domain in domains:
        if not isinstance(domain, str) or not _DOMAIN.fullmatch(domain):
            config.fault(
                "allowedEmailDomains",
                domain,
                "each entry must be a domain such as example.com, without @; * alone allows any",
            )
    if len(",".join(map(str, domains))) > _LONGEST_LIST:
        config.fault("allowedEmailDomains", f"{len(domains)} domains", "they are too long for Lambda's environment")
    return tuple(str(domain).lower() for domain in domains)


def _administrator_arns(config: ConfigReader) -> tuple[str, ...]:
    arns = config.listing(
        "administratorArns",
        example="pulumi config set --path 'administratorArns[0]' arn:aws:iam::111122223333:role/key-administrator",
    )
    for arn in arns:
        if not isinstance(arn, str) or not _PRINCIPAL_ARN.fullmatch(arn):
            config.fault(
                "administratorArns",
                arn,
                "each entry must be the ARN of a role or user, arn:aws:iam::ACCOUNT:role/NAME",
            )
    return tuple(str(arn) for arn in arns)


def _smtp(config: ConfigReader, *, default_username: str) -> Smtp:
    server = config.required("smtpServer", why="the mailer is smtp", example="smtp.example.com")
    if server and not _HOST.fullmatch(server):
        config.fault("smtpServer", server, "it must be a host name alone; the port is smtpPort")
    port = config.number("smtpPort", default=_IMPLICIT_TLS_PORT, lowest=1, highest=65535)
    protocol: SmtpProtocol = config.choice("smtpProtocol", get_args(SmtpProtocol), default="ssl")
    if (protocol, port) in {("tls", _IMPLICIT_TLS_PORT), ("ssl", _STARTTLS_PORT)}:
        usual = _STARTTLS_PORT if protocol == "tls" else _IMPLICIT_TLS_PORT
        config.fault("smtpPort", port, f"with smtpProtocol {protocol} it is usually {usual}, and this pair would hang")
    username = config.text("smtpUsername") or default_username
    if not username.isascii():
        config.fault("smtpUsername", username, "it must be ASCII, for the login takes nothing else")
    if not (config.text("smtpPassword") or "").isascii():
        config.unusable("smtpPassword", "it must be ASCII, for the login takes nothing else")
    return Smtp(
        server=server,
        port=port,
        protocol=protocol,
        username=username,
        password=config.secret("smtpPassword", why="the mailer is smtp"),
    )


def _mailgun(config: ConfigReader) -> Mailgun:
    url = config.required(
        "mailgunApiUrl",
        why="the mailer is mailgun",
        example="https://api.mailgun.net/v3/mail.example.com/messages",
    )
    if url and not _may_carry_a_secret(url):
        config.unusable(
            "mailgunApiUrl",
            "it must be https://api.mailgun.net/v3/YOUR.DOMAIN/messages (or api.eu.mailgun.net), without a user name "
            "or password: the API key travels with every request",
        )
    return Mailgun(api_url=url, api_key=config.secret("mailgunApiKey", why="the mailer is mailgun"))


def _may_carry_a_secret(url: str) -> bool:
    """Tell whether requests go to a domain's messages over https, or to this very machine, as in the embedded cloud."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if "@" in parts.netloc or any(character.isspace() for character in url):
        return False
    if host in _LOOPBACK:
        return parts.scheme in {"http", "https"}
    whole = _MAILGUN_PATH.fullmatch(parts.path) is not None and not (parts.query or parts.fragment)
    return parts.scheme == "https" and _HOST.fullmatch(host) is not None and whole
