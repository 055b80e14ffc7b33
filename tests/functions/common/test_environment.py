from __future__ import annotations

import pytest

from functions.common.environment import Environment, Mailgun, Smtp, parse
from functions.common.errors import ConfigurationError

REQUIRED = {"IAM_KEY_ROTATOR_TABLE": "key-ledger", "MAIL_FROM": "keys@example.com"}


def environment(**variables: str) -> Environment:
    return parse(REQUIRED | variables)


@pytest.mark.parametrize(
    ("sender", "configured", "domains"),
    [
        ("Keys <keys@Example.com>", "", {"example.com"}),
        ("keys@example.com", "Example.org, example.net", {"example.org", "example.net"}),
        ("keys@example.com", "*", set()),
    ],
)
def test_mail_goes_to_the_senders_own_domain_unless_others_are_named(
    sender: str, configured: str, domains: set[str]
) -> None:
    parsed = environment(MAIL_FROM=sender, ALLOWED_EMAIL_DOMAINS=configured)

    assert parsed.allowed_email_domains == domains


def test_only_table_and_sender_are_required() -> None:
    assert parse(REQUIRED) == Environment(
        table="key-ledger",
        mail_from="keys@example.com",
        reply_to=None,
        help_url=None,
        decryption_script_url=None,
        support_contact=None,
        account_id="",
        region="",
        mail_client="ses",
        smtp=None,
        mailgun=None,
        rotate_after_days=80,
        delete_after_days=5,
        recovery_days=0,
        reminder_days=1,
        announce_days=0,
        grace_extension_days=14,
        delete_unconfirmed=False,
        address_hold_days=2,
        audit_days=90,
        user_paths=("/",),
        retry_after_minutes=5,
        max_deletion_attempts=12,
        encrypt_key_pair=True,
        secrets_kms_key_arn=None,
        allowed_email_domains=frozenset({"example.com"}),
        ses_configuration_set=None,
        dead_letter_queue_url=None,
        alarm_topic_arn=None,
    )


def test_every_value_is_read() -> None:
    read = environment(
        REPLY_TO="help@example.com",
        HELP_URL="https://wiki.example.com/keys",
        DECRYPTION_SCRIPT_URL="https://git.example.com/decryption.py",
        SUPPORT_CONTACT="#cloud-help",
        ACCOUNT_ID="111122223333",
        AWS_REGION="eu-central-1",
        ROTATE_AFTER_DAYS="0",
        DELETE_AFTER_DAYS="3650",
        RECOVERY_DAYS="7",
        REMINDER_DAYS="0",
        ANNOUNCE_DAYS="14",
        GRACE_EXTENSION_DAYS="3",
        DELETE_UNCONFIRMED="true",
        ADDRESS_HOLD_DAYS="0",
        AUDIT_DAYS="1",
        USER_PATHS="/people/, /robots/ci/",
        RETRY_AFTER_MINS="1",
        MAX_DELETION_ATTEMPTS="1000",
        ENCRYPT_KEY_PAIR="false",
        SECRETS_KMS_KEY_ARN="arn:aws:kms:eu-central-1:111122223333:key/1",
        ALLOWED_EMAIL_DOMAINS=" Example.com,example.org ,,",
        SES_CONFIGURATION_SET="iam-key-rotator",
        DEAD_LETTER_QUEUE_URL="https://queue.example.com",
        ALARM_TOPIC_ARN="arn:aws:sns:eu-central-1:111122223333:alarms",
    )

    assert (read.account_id, read.region) == ("111122223333", "eu-central-1")
    assert (read.rotate_after_days, read.delete_after_days) == (0, 3650)
    assert (read.recovery_days, read.reminder_days, read.grace_extension_days) == (7, 0, 3)
    assert read.announce_days == 14
    assert (read.reply_to, read.support_contact) == ("help@example.com", "#cloud-help")
    assert read.help_url == "https://wiki.example.com/keys"
    assert read.decryption_script_url == "https://git.example.com/decryption.py"
    assert read.delete_unconfirmed is True
    assert (read.address_hold_days, read.audit_days) == (0, 1)
    assert read.user_paths == ("/people/", "/robots/ci/")
    assert (read.retry_after_minutes, read.max_deletion_attempts) == (1, 1000)
    assert read.encrypt_key_pair is False
    assert read.secrets_kms_key_arn == "arn:aws:kms:eu-central-1:111122223333:key/1"
    assert read.allowed_email_domains == {"example.com", "example.org"}
    assert read.ses_configuration_set == "iam-key-rotator"
    assert read.dead_letter_queue_url == "https://queue.example.com"
    assert read.alarm_topic_arn == "arn:aws:sns:eu-central-1:111122223333:alarms"


@pytest.mark.parametrize("name", ["ENCRYPT_KEY_PAIR", "DELETE_UNCONFIRMED"])
@pytest.mark.parametrize("value", ["True", "FALSE", "yes", "no", "1", "0", "fasle"])
def test_switch_takes_exact_words_only(name: str, value: str) -> None:
    """A misspelt one must neither send secrets in plain text nor end keys that nobody has a successor of."""
    with pytest.raises(ConfigurationError) as fault:
        environment(**{name: value})

    assert str(fault.value) == f"{name} is {value!r}, and must be one of true, false"


@pytest.mark.parametrize("value", ["٣٠", "²", "+5", "-1", "3651", "5.0", "five", "1_0", "0x5"])
@pytest.mark.parametrize(
    "name",
    [
        *("ROTATE_AFTER_DAYS", "DELETE_AFTER_DAYS", "RECOVERY_DAYS"),
        *("REMINDER_DAYS", "ANNOUNCE_DAYS", "GRACE_EXTENSION_DAYS", "ADDRESS_HOLD_DAYS"),
    ],
)
def test_days_are_ascii_digits_up_to_3650(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as fault:
        environment(**{name: value})

    assert str(fault.value) == f"{name} is {value!r}, and must be a whole number from 0 to 3650"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RETRY_AFTER_MINS", "0"),
        ("RETRY_AFTER_MINS", "1441"),
        ("MAX_DELETION_ATTEMPTS", "0"),
        ("MAX_DELETION_ATTEMPTS", "1001"),
        ("AUDIT_DAYS", "0"),
        ("AUDIT_DAYS", "-1"),
        ("AUDIT_DAYS", "3651"),
    ],
)
def test_retries_and_the_age_that_rings_have_bounds(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is '{value}', and must be a whole number from 1"):
        environment(**{name: value})


@pytest.mark.parametrize("value", ["people", "/people", "people/", "/people/,robots/", "/people/,", ",", "arn:aws:iam"])
def test_path_has_a_slash_at_both_ends(value: str) -> None:
    """`/people` would take in `/people-who-left/` as well, and `people/` nobody at all."""
    with pytest.raises(ConfigurationError) as fault:
        environment(USER_PATHS=value)

    assert str(fault.value) == f"USER_PATHS is {value!r}, and must be IAM paths, each with a / at both ends"


def test_empty_value_counts_as_absent() -> None:
    with pytest.raises(ConfigurationError, match="MAIL_FROM is missing"):
        environment(MAIL_FROM=" ")


def test_all_faults_are_reported_together() -> None:
    with pytest.raises(ConfigurationError) as fault:
        parse({"MAIL_CLIENT": "smtp", "SMTP_PORT": "0", "SMTP_PROTOCOL": "none", "ROTATE_AFTER_DAYS": "soon"})

    assert str(fault.value).split("; ") == [
        "MAIL_FROM is missing",
        "IAM_KEY_ROTATOR_TABLE is missing",
        "SMTP_SERVER is missing",
        "SMTP_PORT is '0', and must be a whole number from 1 to 65535",
        "SMTP_PROTOCOL is 'none', and must be one of ssl, tls",
        "SMTP_PASSWORD_PARAMETER is missing",
        "ROTATE_AFTER_DAYS is 'soon', and must be a whole number from 0 to 3650",
    ]


def test_unknown_mailer_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="MAIL_CLIENT is 'pigeon', and must be one of ses, smtp, mailgun"):
        environment(MAIL_CLIENT="pigeon")


def test_smtp_needs_a_server_and_a_password_and_has_defaults_for_the_rest() -> None:
    read = environment(MAIL_CLIENT="smtp", SMTP_SERVER="mail.example.com", SMTP_PASSWORD_PARAMETER="/mailer/password")

    assert read.smtp == Smtp(
        server="mail.example.com",
        port=465,
        protocol="ssl",
        username="keys@example.com",
        password_parameter="/mailer/password",
    )
    assert read.mailgun is None


def test_smtp_can_be_told_everything() -> None:
    read = environment(
        MAIL_CLIENT="smtp",
        SMTP_SERVER="mail.example.com",
        SMTP_PORT="587",
        SMTP_PROTOCOL="tls",
        SMTP_USERNAME="mailer",
        SMTP_PASSWORD_PARAMETER="/mailer/password",
    )

    assert read.smtp is not None
    assert (read.smtp.port, read.smtp.protocol, read.smtp.username) == (587, "tls", "mailer")


def test_absent_smtp_username_is_the_senders_bare_address() -> None:
    read = environment(
        MAIL_FROM="Key Rotation <keys@example.com>",
        MAIL_CLIENT="smtp",
        SMTP_SERVER="mail.example.com",
        SMTP_PASSWORD_PARAMETER="/mailer/password",
    )

    assert read.smtp is not None
    assert read.smtp.username == "keys@example.com"


def test_mailgun_needs_an_url_and_a_key() -> None:
    with pytest.raises(ConfigurationError, match="MAILGUN_API_URL is missing; MAILGUN_API_KEY_NAME is missing"):
        environment(MAIL_CLIENT="mailgun")

    read = environment(MAIL_CLIENT="mailgun", MAILGUN_API_URL="https://api.example.com", MAILGUN_API_KEY_NAME="/key")

    assert read.mailgun == Mailgun(api_url="https://api.example.com", api_key_parameter="/key")
