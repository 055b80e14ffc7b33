"""The configuration: what is taken, what is refused, and what the refusal says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components import settings
from components.config_reader import ConfigurationFault
from components.settings import Settings
from tests.components.recorder import KMS_KEYS, MAILERS, deployed

REPOSITORY = Path(__file__).parents[2]
PROJECT = yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text())
SMTP, MAILGUN = MAILERS["smtp"], MAILERS["mailgun"]


def loaded(config: Mapping[str, str]) -> Settings:
    """Load settings the way the program does; Pulumi's configuration is forgotten with the task's context."""

    async def load() -> Settings:
        pulumi.runtime.set_all_config({f"iam-key-rotator:{key}": value for key, value in config.items()})
        return settings.load()

    return asyncio.run(load())


def with_sender(**config: str) -> Settings:
    return loaded({"mailFrom": "keys@example.com", **config})


def as_pulumi_hands_over(value: object) -> str:
    """Text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def config_of(stack_file: str) -> dict[str, str]:
    """Read the program's own keys from a stack's file."""
    config = yaml.safe_load((REPOSITORY / stack_file).read_text())["config"]
    own = {key: value for key, value in config.items() if key.startswith("iam-key-rotator:")}
    return {key.removeprefix("iam-key-rotator:"): as_pulumi_hands_over(value) for key, value in own.items()}


class TestPulumiYaml:
    """Pulumi's command line reads the defaults there; the embedded cloud and tests read those of the program."""

    def test_defaults_are_those_of_the_program(self) -> None:
        declared = {key: as_pulumi_hands_over(about["default"]) for key, about in PROJECT["config"].items()}

        from_yaml = loaded({**declared, "mailFrom": "keys@example.com"})

        assert from_yaml == with_sender()

    def test_every_key_that_is_read_is_declared(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Pulumi checks the types of declared keys alone, and shows them alone."""
        read: set[str] = set()
        original = pulumi.Config.get

        def get(self: pulumi.Config, key: str) -> str | None:
            read.add(key)
            return original(self, key)

        monkeypatch.setattr(pulumi.Config, "get", get)
        for mailer in MAILERS.values():
            with_sender(**mailer)

        assert read == set(PROJECT["config"])

    def test_every_key_is_described_and_has_a_default(self) -> None:
        """Pulumi refuses every stack that has no value for a declared key without a default."""
        incomplete = [key for key, about in PROJECT["config"].items() if {"default", "description"} - set(about)]

        assert incomplete == []

    def test_no_key_has_a_type_that_pulumi_checks(self) -> None:
        """Pulumi stops at the first value of the wrong type, before the program could report all faults together."""
        assert {about.get("type", "string") for about in PROJECT["config"].values()} == {"string"}

    def test_no_key_is_declared_as_secret(self) -> None:
        """Pulumi would refuse stacks that leave it at its default, for a default is never encrypted."""
        assert [key for key, about in PROJECT["config"].items() if "secret" in about] == []

    def test_dev_stack_is_sound(self) -> None:
        assert loaded(config_of("Pulumi.dev.yaml")).policy.rotate_after_days == 0

    @pytest.mark.parametrize("mailer", ["smtp", "mailgun"])
    @pytest.mark.parametrize("mails", ["encrypted", "plain"])
    def test_examples_are_sound(self, mailer: str, mails: str) -> None:
        secrets = {key: value for key, value in MAILERS[mailer].items() if "not-a-real" in value}

        taken = loaded({**config_of(f"examples/{mailer}-{mails}.yaml"), **secrets})

        assert type(taken.mail.via).__name__.lower() == mailer
        assert taken.encryption.encrypt_key_pair == (mails == "encrypted")


class TestWhatIsTaken:
    @pytest.mark.parametrize(
        ("sender", "configured", "domains"),
        [
            ("keys@Example.com", None, ("example.com",)),
            ("Keys <keys@mail.example.com>", None, ("mail.example.com",)),
            ("keys@example.com", '["Example.org", "example.net"]', ("example.org", "example.net")),
            ("keys@example.com", "[]", ("example.com",)),
            ("keys@example.com", '["*"]', ()),
        ],
    )
    def test_mail_goes_to_the_senders_own_domain_unless_others_are_named(
        self, sender: str, configured: str | None, domains: tuple[str, ...]
    ) -> None:
        """Whoever may tag a user could otherwise have a secret sent anywhere."""
        taken = with_sender(mailFrom=sender, **({"allowedEmailDomains": configured} if configured else {}))

        assert taken.mail.allowed_domains == domains

    def test_zero_stays_zero(self) -> None:
        """A configured 0 that became a default would leave keys alone that the operator wants replaced."""
        taken = with_sender(rotateAfterDays="0", deleteAfterDays="0", reminderDays="0", reservedConcurrency="0")

        assert (taken.policy.rotate_after_days, taken.policy.delete_after_days) == (0, 0)
        assert taken.policy.reminder_days == 0
        assert taken.runtime.reserved_concurrency == 0

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("rotateAfterDays", "3650"),
            ("maxDeletionAttempts", "1"),
            ("memorySize", "128"),
            ("memorySize", "10240"),
            ("rotatorTimeout", "300"),
            ("namePrefix", "abc"),
            ("namePrefix", "a" * 53),
            ("logRetentionDays", "3653"),
            ("mailFrom", "Key Rotation <keys+rotation@mail.example.co.uk>"),
            ("mailFrom", '"Rotation, Key" <keys@example.com>'),
            ("alarmEmail", "o'brien@example.com"),
            ("schedule", "rate(1 hour)"),
            ("secretsKmsKeyArn", "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-0f"),
            ("tags", '{"Team": "identity", "Größe": "µ"}'),
            ("allowedEmailDomains", '["example.com", "xn--bcher-kva.example"]'),
        ],
    )
    def test_edges(self, key: str, value: str) -> None:
        taken = with_sender(**{key: value})

        assert taken != with_sender()

    def test_absent_smtp_username_is_the_senders_address(self) -> None:
        taken = loaded({**SMTP, "mailFrom": "Key Rotation <keys@example.com>"})

        assert isinstance(taken.mail.via, settings.Smtp)
        assert taken.mail.via.username == "keys@example.com"

    @pytest.mark.parametrize("mailer", ["smtp", "mailgun"])
    def test_secrets_are_secret_however_they_were_set(self, mailer: str) -> None:
        """Set without ``--secret``, they would otherwise stand in the state for everybody to read."""

        async def secrecy() -> list[bool]:
            pulumi.runtime.set_all_config(
                {
                    f"iam-key-rotator:{key}": value
                    for key, value in {"mailFrom": "a@example.com", **MAILERS[mailer]}.items()
                },
            )
            via: Any = settings.load().mail.via
            return [await value.is_secret() for value in vars(via).values() if isinstance(value, pulumi.Output)]

        assert asyncio.run(secrecy()) == [True]

    def test_domains_are_compared_in_lower_case(self) -> None:
        assert with_sender(allowedEmailDomains='["Example.COM"]').mail.allowed_domains == ("example.com",)

    def test_negative_concurrency_reserves_none(self) -> None:
        assert with_sender(reservedConcurrency="-1").runtime.reserved_concurrency is None

    def test_schedule_knows_its_period(self) -> None:
        assert with_sender(schedule="rate(12 hours)").schedule.longest_gap == timedelta(hours=12)

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:8025/v3/x/messages", "http://localhost/v3", "http://[::1]:80/v3"]
    )
    def test_plain_http_stays_on_this_machine(self, url: str) -> None:
        taken = with_sender(**{**MAILGUN, "mailgunApiUrl": url})

        assert isinstance(taken.mail.via, settings.Mailgun)

    def test_values_equal_to_a_default_contradict_nothing(self) -> None:
        """Pulumi fills them in for every stack, whatever its mailer."""
        taken = with_sender(mailer="ses", smtpPort="465", smtpProtocol="ssl", smtpServer="")

        assert taken == with_sender()


FAULTS: list[tuple[dict[str, str], str, str]] = [
    ({"mailFrom": ""}, "mailFrom is missing", "pulumi config set mailFrom"),
    ({"mailFrom": "nobody"}, "mailFrom is 'nobody'", "name@example.com"),
    ({"mailFrom": "a@example.com, b@example.com"}, "mailFrom is", "name@example.com"),
    ({"mailFrom": "Key\u2028Rotation <a@example.com>"}, "mailFrom is", "name@example.com"),
    ({"mailFrom": "Key\nRotation <a@example.com>"}, "mailFrom is", "name@example.com"),
    ({"mailer": "sendgrid"}, "mailer is 'sendgrid'", "ses, smtp, mailgun"),
    ({"mailer": "SES"}, "mailer is 'SES'", "ses, smtp, mailgun"),
    ({"rotateAfterDays": "-1"}, "rotateAfterDays is '-1'", "0 to 3650"),
    ({"rotateAfterDays": "3651"}, "rotateAfterDays is '3651'", "0 to 3650"),
    ({"rotateAfterDays": "80.5"}, "rotateAfterDays is '80.5'", "whole number"),
    ({"rotateAfterDays": "٣٠"}, "rotateAfterDays is", "whole number"),
    ({"deleteAfterDays": "five"}, "deleteAfterDays is 'five'", "0 to 3650"),
    ({"recoveryDays": "-1"}, "recoveryDays is '-1'", "0 to 3650"),
    ({"announceDays": "3651"}, "announceDays is '3651'", "0 to 3650"),
    ({"announceDays": "80"}, "announceDays is 80", "less than rotateAfterDays, 80"),
    ({"announceDays": "1", "rotateAfterDays": "0"}, "announceDays is 1", "less than rotateAfterDays, 0"),
    ({"helpUrl": "http://wiki.example.com"}, "helpUrl is 'http://wiki.example.com'", "https://HOST/PATH"),
    ({"helpUrl": "wiki.example.com"}, "helpUrl is", "https://HOST/PATH"),
    ({"helpUrl": "https://wiki.example.com/a b"}, "helpUrl is", "https://HOST/PATH"),
    ({"helpUrl": "https://user:word@wiki.example.com/"}, "helpUrl is", "https://HOST/PATH"),
    ({"supportContact": "one\ntwo"}, "supportContact is", "one line"),
    ({"supportContact": 201 * "x"}, "supportContact is", "up to 200"),
    ({"replyTo": "Help <help@example.com>"}, "replyTo is", "name@example.com"),
    ({"reminderDays": "3651"}, "reminderDays is '3651'", "0 to 3650"),
    ({"graceExtensionDays": "a few"}, "graceExtensionDays is 'a few'", "0 to 3650"),
    ({"mailTemplates": "no/such/folder"}, "mailTemplates is 'no/such/folder'", "from the project's root"),
    ({"retryAfterMinutes": "0"}, "retryAfterMinutes is '0'", "1 to 1440"),
    ({"maxDeletionAttempts": "0"}, "maxDeletionAttempts is '0'", "1 to 1000"),
    ({"encryptKeyPair": "yes"}, "encryptKeyPair is 'yes'", "true, false"),
    ({"encryptKeyPair": "True"}, "encryptKeyPair is 'True'", "true, false"),
    ({"pointInTimeRecovery": "1"}, "pointInTimeRecovery is '1'", "true, false"),
    ({"secretsKmsKeyArn": "alias/mine"}, "secretsKmsKeyArn is 'alias/mine'", "not of an alias"),
    ({"secretsKmsKeyArn": "AWS-managed"}, "secretsKmsKeyArn is 'AWS-managed'", "or aws-managed"),
    (
        {"encryptKeyPair": "false", "secretsKmsKeyArn": "aws-managed"},
        "secretsKmsKeyArn is set: but it would protect nothing",
        "remove one",
    ),
    ({"messagesKmsKeyArn": "aws-managed"}, "messagesKmsKeyArn is 'aws-managed'", "not of an alias"),
    ({"codeSigningConfigArn": "csc-0123456789abcdef0"}, "codeSigningConfigArn is", "code-signing-config:csc-ID"),
    ({"administratorArns": "admin"}, "administratorArns is 'admin'", "administratorArns[0]"),
    ({"administratorArns": '["*"]'}, "administratorArns is '*'", "role or user"),
    ({"administratorArns": '["arn:aws:iam::111122223333:role/*"]'}, "administratorArns is", "role or user"),
    ({"administratorArns": '["arn:aws:iam::*:role/admin"]'}, "administratorArns is", "role or user"),
    ({"administratorArns": "[1]"}, "administratorArns is 1", "role or user"),
    ({"tableKmsKeyArn": "arn:aws:kms:eu-central-1:1:key/x"}, "tableKmsKeyArn is", "key/ID"),
    ({"logsKmsKeyArn": "arn:aws:kms:eu-central-1:111122223333:alias/x"}, "logsKmsKeyArn is", "not of an alias"),
    ({"schedule": "daily"}, "schedule is 'daily'", "rate(1 day)"),
    ({"schedule": "rate(1 days)"}, "schedule is 'rate(1 days)'", "must say day for 1"),
    ({"schedule": "cron(0 12 * * ?)"}, "schedule is", "has 5 fields, not six"),
    ({"namePrefix": "ab"}, "namePrefix is 'ab'", "3 to 53"),
    ({"namePrefix": "a" * 54}, "namePrefix is", "3 to 53"),
    ({"namePrefix": "my prefix"}, "namePrefix is 'my prefix'", "letters, digits"),
    ({"namePrefix": "aws-keys"}, "namePrefix is 'aws-keys'", "must not begin with aws or ssm"),
    ({"namePrefix": "SSMkeys"}, "namePrefix is 'SSMkeys'", "must not begin with aws or ssm"),
    ({"architecture": "riscv"}, "architecture is 'riscv'", "arm64, x86_64"),
    ({"memorySize": "64"}, "memorySize is '64'", "128 to 10240"),
    ({"rotatorTimeout": "901"}, "rotatorTimeout is '901'", "300 to 900"),
    # No user is started in a run's last four minutes: a shorter run would never start anyone.
    ({"rotatorTimeout": "299"}, "rotatorTimeout is '299'", "300 to 900"),
    # No record is started in a batch's last two minutes.
    ({"destructorTimeout": "299"}, "destructorTimeout is '299'", "300 to 900"),
    ({"deleteUnconfirmed": "yes"}, "deleteUnconfirmed is 'yes'", "true, false"),
    ({"addressHoldDays": "-1"}, "addressHoldDays is '-1'", "0 to 3650"),
    ({"auditDays": "0"}, "auditDays is '0'", "1 to 3650"),
    ({"userPaths": "/developers/"}, "userPaths is '/developers/'", "userPaths[0]"),
    ({"userPaths": '["developers"]'}, "userPaths is 'developers'", "a / at both ends"),
    ({"userPaths": '["/dev*/"]'}, "userPaths is '/dev*/'", "a / at both ends"),
    ({"userPaths": '["/a,b/"]'}, "userPaths is '/a,b/'", "a / at both ends"),
    ({"userPaths": "[7]"}, "userPaths is 7", "a / at both ends"),
    (
        {"userPaths": json.dumps([f"/{'a' * 60}{number}/" for number in range(30)])},
        "userPaths is '30 paths'",
        "too long",
    ),
    ({"deleteAfterDays": "0", "deleteUnconfirmed": "true"}, "deleteAfterDays is 0", "give it a grace period"),
    ({"deleteAfterDays": "0", "graceExtensionDays": "0"}, "deleteAfterDays is 0", "give it a grace period"),
    ({"reservedConcurrency": "-2"}, "reservedConcurrency is '-2'", "-1 to 1000"),
    ({"tracing": "active"}, "tracing is 'active'", "Active, PassThrough"),
    ({"logRetentionDays": "91"}, "logRetentionDays is 91", "takes only 1, 3, 5"),
    ({"alarmEmail": "Ops <ops@example.com>"}, "alarmEmail is", "one e-mail address"),
    ({"allowedEmailDomains": "example.com"}, "allowedEmailDomains is 'example.com'", "allowedEmailDomains[0]"),
    ({"allowedEmailDomains": '["@example.com"]'}, "allowedEmailDomains is '@example.com'", "without @"),
    ({"allowedEmailDomains": '["example.com", "*"]'}, "allowedEmailDomains is '*'", "* alone allows any"),
    ({"allowedEmailDomains": "[1]"}, "allowedEmailDomains is 1", "must be a domain"),
    (
        {"allowedEmailDomains": json.dumps([f"{'a' * 60}-{number}.example.com" for number in range(60)])},
        "allowedEmailDomains is '60 domains'",
        "too long",
    ),
    ({"tags": "[]"}, "tags is '[]'", "tags.Team"),
    ({"tags": '{"aws:x": "y"}'}, "tags is 'aws:x'", "not aws:"),
    ({"tags": '{"CostCenter": 7}'}, "tags.CostCenter is 7", "--path tags.CostCenter 7 --type string"),
    ({"tags": '{"Team": "<identity>"}'}, "tags.Team is '<identity>'", "up to 256"),
    ({"tags": json.dumps({f"t{number}": "" for number in range(51)})}, "tags is '51 tags'", "50 at most"),
    ({"rotateAferDays": "30"}, "rotateAferDays is no key of this program", "did you mean rotateAfterDays?"),
    ({"encryptKeypair": "false"}, "encryptKeypair is no key", "did you mean encryptKeyPair?"),
    ({"colour": "blue"}, "colour is no key of this program: remove it", "pulumi config rm colour"),
    ({**SMTP, "smtpServer": ""}, "smtpServer is missing", "pulumi config set smtpServer"),
    ({**SMTP, "smtpServer": "smtp.example.com:465"}, "smtpServer is", "smtpPort"),
    ({**SMTP, "smtpPassword": ""}, "smtpPassword is missing", "pulumi config set --secret smtpPassword"),
    ({**SMTP, "smtpUsername": "jürgen"}, "smtpUsername is 'jürgen'", "ASCII"),
    ({**SMTP, "smtpPassword": "pässword"}, "smtpPassword cannot be used", "ASCII"),
    ({**SMTP, "smtpPort": "0"}, "smtpPort is '0'", "1 to 65535"),
    ({**SMTP, "smtpProtocol": "plain"}, "smtpProtocol is 'plain'", "ssl, tls"),
    ({**SMTP, "smtpProtocol": "tls"}, "smtpPort is 465", "usually 587"),
    ({**SMTP, "smtpPort": "587"}, "smtpPort is 587", "usually 465"),
    ({**MAILGUN, "mailgunApiUrl": ""}, "mailgunApiUrl is missing", "pulumi config set mailgunApiUrl"),
    ({**MAILGUN, "mailgunApiUrl": "http://api.mailgun.net/v3"}, "mailgunApiUrl cannot be used", "https://"),
    ({**MAILGUN, "mailgunApiUrl": "https://"}, "mailgunApiUrl cannot be used", "https://"),
    ({**MAILGUN, "mailgunApiUrl": "https://api.mailgun.net:port/"}, "mailgunApiUrl cannot be used", "https://"),
    ({**MAILGUN, "mailgunApiUrl": "http://127.0.0.1.example.com/"}, "mailgunApiUrl cannot be used", "https://"),
    ({**MAILGUN, "mailgunApiUrl": "https://api.mailgun.net/v3/DOMAIN/messages"}, "mailgunApiUrl", "YOUR.DOMAIN"),
    ({**MAILGUN, "mailgunApiUrl": "https://api.mailgun.net/v3/mail.example.com"}, "mailgunApiUrl", "/messages"),
    ({**MAILGUN, "mailgunApiUrl": f"{MAILGUN['mailgunApiUrl']}?o=1"}, "mailgunApiUrl", "/messages"),
    ({**MAILGUN, "mailgunApiKey": ""}, "mailgunApiKey is missing", "pulumi config set --secret mailgunApiKey"),
    ({"smtpServer": "smtp.example.com"}, "smtpServer is set: but the mailer is ses", "set mailer to smtp"),
    ({"smtpPort": "2525"}, "smtpPort is set: but the mailer is ses", "pulumi config rm smtpPort"),
    ({"smtpPassword": "not-a-real-password"}, "smtpPassword is set: but the mailer is ses", "rm smtpPassword"),
    ({**SMTP, "mailgunApiKey": "not-a-real-api-key"}, "mailgunApiKey is set: but the mailer is smtp", "to mailgun"),
    (
        {"encryptKeyPair": "false", "secretsKmsKeyArn": KMS_KEYS["secretsKmsKeyArn"]},
        "secretsKmsKeyArn is set: but it would protect nothing",
        "remove one",
    ),
]


class TestWhatIsRefused:
    """What AWS would refuse half-way through an update, or what would quietly do something else."""

    @pytest.mark.parametrize(("config", "fault", "remedy"), FAULTS)
    def test_names_the_key_the_value_and_the_remedy(self, config: dict[str, str], fault: str, remedy: str) -> None:
        with pytest.raises(ConfigurationFault) as refused:
            with_sender(**config)

        headline, *faults = str(refused.value).splitlines()
        assert headline == "The configuration of this stack cannot be deployed:"
        assert len(faults) == 1
        assert faults[0].startswith(f"  - {fault}")
        assert remedy in faults[0]

    def test_all_faults_come_together(self) -> None:
        """One preview, one message: nobody wants to be told of five faults in five previews."""
        config = {"mailFrom": "", "mailer": "smtp", "rotateAfterDays": "x", "schedule": "daily", "tracing": "on"}

        with pytest.raises(ConfigurationFault) as refused:
            loaded(config)

        faulty = [line.split()[1] for line in str(refused.value).splitlines()[1:]]
        assert faulty == ["mailFrom", "smtpServer", "smtpPassword", "rotateAfterDays", "schedule", "tracing"]

    def test_unknown_mailer_draws_no_other_fault(self) -> None:
        """While the mailer is unknown, nothing can be said about its settings."""
        with pytest.raises(ConfigurationFault) as refused:
            with_sender(mailer="sendmail", smtpServer="smtp.example.com")

        assert len(str(refused.value).splitlines()) == 2

    @pytest.mark.parametrize("secret", ["smtpPassword", "mailgunApiKey"])
    def test_no_message_shows_a_secret(self, secret: str) -> None:
        with pytest.raises(ConfigurationFault) as refused:
            with_sender(**{secret: "not-a-real-secret"})

        assert secret in str(refused.value)
        assert "not-a-real-secret" not in str(refused.value)

    @pytest.mark.parametrize(
        "config",
        [
            {**SMTP, "smtpPassword": "not-ä-real-secret"},
            {**SMTP, "smtpPasword": "not-ä-real-secret"},
            {**MAILGUN, "mailgunApiUrl": "https://api:not-ä-real-secret@api.mailgun.net/v3/mail.example.com/messages"},
            {**MAILGUN, "mailgunApiUrl": "http://api:not-ä-real-secret@127.0.0.1:port/"},
        ],
    )
    def test_no_message_shows_a_value_that_may_be_secret(self, config: dict[str, str]) -> None:
        with pytest.raises(ConfigurationFault) as refused:
            with_sender(**config)

        assert "not-ä-real-secret" not in str(refused.value)

    def test_unknown_keys_are_found_where_pulumi_puts_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Pulumi hands them over in the environment, those of other programs among them."""
        monkeypatch.setenv(
            "PULUMI_CONFIG", json.dumps({"iam-key-rotator:rotateAferDays": "30", "aws:region": "eu-central-1"})
        )

        with pytest.raises(ConfigurationFault, match="rotateAferDays") as refused:
            with_sender()

        assert len(str(refused.value).splitlines()) == 2

    def test_program_stops_before_any_resource(self) -> None:
        with pytest.raises(ConfigurationFault, match="rotateAfterDays"):
            deployed(rotateAfterDays="never")

    def test_pulumi_shows_it_without_a_trace(self) -> None:
        assert issubclass(ConfigurationFault, pulumi.RunError)


def test_settings_cannot_be_changed() -> None:
    taken: Any = with_sender()

    with pytest.raises(AttributeError):
        taken.rotator_timeout = 1
