"""Each key of the configuration, changed on a deployed stack: what a preview would do, and what it warns of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from scripts.engine.workspace import Workspace

PULUMI_YAML = Path(__file__).parents[2] / "Pulumi.yaml"
KEY = "arn:aws:kms:eu-central-1:111122223333:key/customer"
TEMPLATES = "own-templates"

FUNCTIONS = {"rotator-function": "update", "destructor-function": "update"}
POLICIES = {"rotator-access": "update", "destructor-access": "update"}
LOGS = {"rotator-log": "update", "destructor-log": "update"}
SECRET = {"mailer-secret": "update"}


@dataclass(frozen=True)
class Change:
    """A key's new value, and all that it changes.

    Attributes:
        value: what is set; a secret is set with ``--secret``.
        changes: what is done to which resource.
        warning: a word of the program's warning; None: there is none.
        extra: other keys that have to be set for this one to mean something.
    """

    value: str
    changes: Mapping[str, str]
    warning: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


CHANGES = {
    "rotateAfterDays": Change("60", FUNCTIONS),
    "deleteAfterDays": Change("6", FUNCTIONS),
    "recoveryDays": Change("7", FUNCTIONS),
    "reminderDays": Change("2", FUNCTIONS),
    "announceDays": Change("14", FUNCTIONS),
    "helpUrl": Change("https://wiki.example.com/keys", FUNCTIONS),
    "supportContact": Change("#cloud-help", FUNCTIONS),
    "replyTo": Change("help@example.com", FUNCTIONS),
    "graceExtensionDays": Change("3", FUNCTIONS),
    "deleteUnconfirmed": Change("true", FUNCTIONS),
    "addressHoldDays": Change("3", FUNCTIONS),
    "auditDays": Change("60", {"dashboard-dashboard": "update", **FUNCTIONS}),
    "userPaths": Change('["/developers/"]', {**POLICIES, **FUNCTIONS}),
    "schedule": Change(
        "rate(7 days)",
        {"rotator-schedule": "update", "rotator-silent": "delete", "dashboard-dashboard": "update"},
        warning="No alarm will tell",
    ),
    "retryAfterMinutes": Change("6", FUNCTIONS),
    "maxDeletionAttempts": Change("10", FUNCTIONS),
    "encryptKeyPair": Change("false", {"rotator-access": "update", **FUNCTIONS}, warning="in plain text"),
    "keepDecryptionPolicy": Change(
        "false",
        {"decryption-policy": "delete", "rotator-access": "update", **FUNCTIONS},
        warning="--detach-only",
        extra={"encryptKeyPair": "false"},
    ),
    "secretsKmsKeyArn": Change(KEY, {"decryption-policy": "update", **SECRET, **POLICIES, **FUNCTIONS}),
    # The mailer is smtp, whose user name is the sender's by default.
    "mailFrom": Change("other@example.com", FUNCTIONS),
    "allowedEmailDomains": Change('["*"]', {**POLICIES, **FUNCTIONS}),
    "mailTemplates": Change(TEMPLATES, FUNCTIONS),
    "mailer": Change(
        "mailgun",
        {"mailer-secret": "replace", "secrets-key": "update", **POLICIES, **FUNCTIONS},
        extra={
            "smtpServer": "",
            "smtpPassword": "",
            "mailgunApiUrl": "https://api.mailgun.net/v3/mail.example.com/messages",
            "mailgunApiKey": "not-a-real-api-key",
        },
    ),
    "smtpServer": Change("mail.example.com", FUNCTIONS),
    "smtpPort": Change("2465", FUNCTIONS),
    "smtpProtocol": Change("tls", FUNCTIONS, extra={"smtpPort": "587"}),
    "smtpUsername": Change("rotation", FUNCTIONS),
    "smtpPassword": Change("another-password", SECRET),
    "architecture": Change("x86_64", FUNCTIONS),
    "memorySize": Change("512", FUNCTIONS),
    "rotatorTimeout": Change("600", {"rotator-function": "update"}),
    "destructorTimeout": Change("400", {"destructor-function": "update"}),
    "reservedConcurrency": Change("1", FUNCTIONS),
    "tracing": Change("Active", {**POLICIES, **FUNCTIONS}),
    "tableKmsKeyArn": Change(KEY, {"ledger-table": "update", **POLICIES}),
    "messagesKmsKeyArn": Change(
        KEY,
        {
            "messages-key": "delete",
            "messages-alias": "delete",
            "alarms-topic": "update",
            "dead-letters-queue": "update",
            **POLICIES,
        },
    ),
    "codeSigningConfigArn": Change(
        "arn:aws:lambda:eu-central-1:111122223333:code-signing-config:csc-0123456789abcdef0", FUNCTIONS
    ),
    # In an output alone: the guardrail is for an organization to attach.
    "administratorArns": Change('["arn:aws:iam::111122223333:role/identity"]', {}),
    "pointInTimeRecovery": Change("false", {"ledger-table": "update"}),
    "logRetentionDays": Change("30", LOGS),
    "logsKmsKeyArn": Change(KEY, LOGS),
    "alarmEmail": Change("ops@example.com", {"alarms-email": "create"}),
}

# Shown elsewhere: the mailer mailgun and its keys in test_switching, the name in test_refusals, tags below.
ELSEWHERE = {"mailgunApiUrl", "mailgunApiKey", "namePrefix", "tags"}
SECRETS = {"smtpPassword", "mailgunApiKey"}


@pytest.fixture(scope="module")
def project(new_stack: Callable[..., Workspace]) -> Workspace:
    """A deployed stack that mails by SMTP: so the most keys mean something."""
    project = new_stack(mailer="smtp", smtpServer="smtp.example.com")
    _set(project, "smtpPassword", "not-a-real-password")
    project.up().ok()
    (project.project / TEMPLATES).mkdir()
    builtin = project.project / "functions" / "mail" / "templates" / "old_key_deleted.txt.j2"
    (project.project / TEMPLATES / builtin.name).write_text(builtin.read_text() + "\nYours, the operators\n")
    return project


@pytest.fixture
def unchanged(project: Workspace) -> Iterator[Workspace]:
    """Put the configuration back as it was when the test is over."""
    (file,) = project.project.glob("Pulumi.stack-*.yaml")
    before = file.read_text()
    yield project
    file.write_text(before)


def _set(project: Workspace, key: str, value: str) -> None:
    if key in SECRETS and value:
        project.pulumi("config", "set", "--secret", key, typed=value).ok()
    elif value.startswith("["):
        project.pulumi("config", "set", "--path", f"{key}[0]", yaml.safe_load(value)[0]).ok()
    elif value:
        project.configure(**{key: value})
    else:
        project.pulumi("config", "rm", key).ok()


def test_every_key_is_tried() -> None:
    declared = set(yaml.safe_load(PULUMI_YAML.read_text())["config"])

    assert CHANGES.keys() | ELSEWHERE == declared


@pytest.mark.parametrize("key", CHANGES)
def test_a_change_shows_what_it_does_and_replaces_nothing_that_holds_data(key: str, unchanged: Workspace) -> None:
    change = CHANGES[key]
    for name, value in {key: change.value, **change.extra}.items():
        _set(unchanged, name, value)

    plan = unchanged.preview()

    assert plan.changes == change.changes
    assert [change.warning in warning for warning in plan.warnings if change.warning] == [True] * bool(change.warning)
    assert len(plan.warnings) == bool(change.warning)


def test_a_tag_goes_on_every_resource_that_takes_tags(unchanged: Workspace) -> None:
    unchanged.typed("pulumi config set --path tags.CostCenter 4711 --type string").ok()

    changes = unchanged.preview().changes

    assert set(changes.values()) == {"update"}
    assert {"ledger-table", "mailer-secret", "rotator-function", "alarms-topic"} <= changes.keys()
