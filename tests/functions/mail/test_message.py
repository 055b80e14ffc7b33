from __future__ import annotations

import html
import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from functions.common.account import Account
from functions.common.errors import RecipientRefused
from functions.mail.message import (
    TEMPLATES,
    AddressChanged,
    KeyDeactivated,
    KeyReactivated,
    KeyReminder,
    Message,
    NewKey,
    OldKeyDeleted,
    PlainKey,
    SealedKey,
    compose,
)

SECRET = "not/a/real/secret/but/as/long/as/one+Xx1"
KEY = Fernet.generate_key()

SEALED = NewKey(
    user="alice@example.com",
    account=Account(id="111122223333", alias="acme-prod"),
    new_key_id="AKIAFAKE00000000NEW1",
    old_key_id="AKIAFAKE00000000OLD1",
    delete_on=datetime(2026, 6, 5, 12, 0, tzinfo=UTC),
    instruction="Put it into the pipeline as https://wiki.example.com/keys/deploy-pipeline says, then tell your team.",
    content=SealedKey(
        block=Fernet(KEY).encrypt(SECRET.encode()).decode(),
        parameter="/ikr/secret/iam-id/AIDAFAKE00000000USER",
        region="eu-central-1",
    ),
)
PLAIN = replace(SEALED, content=PlainKey(secret=SECRET))
DELETED = OldKeyDeleted(
    user=SEALED.user,
    account=SEALED.account,
    old_key_id=SEALED.old_key_id,
    new_key_id=SEALED.new_key_id,
    deleted_on=SEALED.delete_on,
    instruction=SEALED.instruction,
)
REMINDER = KeyReminder(
    user=SEALED.user,
    account=SEALED.account,
    old_key_id=SEALED.old_key_id,
    new_key_id=SEALED.new_key_id,
    delete_on=SEALED.delete_on,
    recovery_days=0,
    new_key_used=False,
    old_key_last_used=None,
    instruction=SEALED.instruction,
)
DEACTIVATED = KeyDeactivated(
    user=SEALED.user,
    account=SEALED.account,
    old_key_id=SEALED.old_key_id,
    new_key_id=SEALED.new_key_id,
    delete_on=SEALED.delete_on,
    instruction=SEALED.instruction,
)
REACTIVATED = KeyReactivated(
    user=SEALED.user,
    account=SEALED.account,
    old_key_id=SEALED.old_key_id,
    new_key_id=SEALED.new_key_id,
    delete_on=SEALED.delete_on,
    final=False,
    instruction=SEALED.instruction,
)
ADDRESS_CHANGED = AddressChanged(
    user=SEALED.user,
    account=SEALED.account,
    new_address="alice@example.org",
    old_key_id=SEALED.old_key_id,
    delete_on=SEALED.delete_on,
)
Instructive = NewKey | KeyReminder | KeyDeactivated | KeyReactivated | OldKeyDeleted
"""What tells a user about a pair of keys, and carries the administrators' instruction."""

NOTICES = [
    pytest.param(SEALED, id="sealed"),
    pytest.param(PLAIN, id="plain"),
    pytest.param(REMINDER, id="reminder"),
    pytest.param(DEACTIVATED, id="deactivated"),
    pytest.param(REACTIVATED, id="reactivated"),
    pytest.param(DELETED, id="deleted"),
]


def read(page: str) -> str:
    """Return what a reader sees of an HTML page."""
    body = page[page.index("<body") :]
    return html.unescape(re.sub(r"<[^>]*>", "", body))


def unwrapped(words: str) -> str:
    return " ".join(words.split())


def command_in(text: str) -> str:
    [command] = [line for line in text.splitlines() if line.startswith("python3 ")]
    return command


@pytest.mark.parametrize("notice", NOTICES)
def test_both_parts_tell_the_same_facts(notice: Instructive) -> None:
    facts = [
        "alice@example.com",
        "acme-prod (111122223333)",
        "AKIAFAKE00000000NEW1",
        "AKIAFAKE00000000OLD1",
        "Friday, 5 June 2026, 12:00 UTC",
        SEALED.instruction,
    ]
    if isinstance(notice, NewKey):
        facts.append(notice.content.secret if isinstance(notice.content, PlainKey) else notice.content.command)

    mail = compose(notice, "alice@example.com")

    assert [fact for fact in facts if fact not in unwrapped(mail.text)] == []
    assert [fact for fact in facts if fact not in unwrapped(read(mail.html))] == []


@pytest.mark.parametrize("notice", NOTICES)
def test_subject_names_user_and_account(notice: Instructive) -> None:
    subject = compose(notice, "alice@example.com").subject

    assert "alice@example.com" in subject
    assert "acme-prod (111122223333)" in subject


def test_recovery_gives_the_old_key_two_ends() -> None:
    """Deactivated and deleted are days apart, and only one of the two can be undone."""
    without, recoverable = (compose(replace(SEALED, recovery_days=days), "alice@example.com") for days in (0, 7))

    assert "deactivated" not in without.text + without.html
    for part in (recoverable.text, read(recoverable.html)):
        assert "Both work until the old key is deactivated." in unwrapped(part)
        assert re.search(r"Old key is deactivated:?\s+Friday, 5 June 2026, 12:00 UTC", part)
        assert re.search(r"Old key is deleted:?\s+Friday, 12 June 2026, 12:00 UTC", part)


@pytest.mark.parametrize(
    ("new_key_used", "old_key_last_used", "told"),
    [
        (False, None, ["Your new AWS access key has never been used", "Old key last used never"]),
        (False, SEALED.delete_on, ["Your new AWS access key has never been used", "Friday, 5 June 2026"]),
        (True, SEALED.delete_on, ["Your old AWS access key is still in use", "New key used yes"]),
    ],
)
def test_reminder_says_which_key_it_is_about(
    new_key_used: bool,
    old_key_last_used: datetime | None,
    told: list[str],
) -> None:
    notice = replace(REMINDER, new_key_used=new_key_used, old_key_last_used=old_key_last_used)

    mail = compose(notice, "alice@example.com")

    assert [words for words in told if words not in unwrapped(mail.text.replace(":  ", " "))] == []
    assert [words for words in told if words not in unwrapped(read(mail.html))] == []


def test_last_reactivation_is_said_to_be_the_last() -> None:
    for final in (True, False):
        mail = compose(replace(REACTIVATED, final=final), "alice@example.com")

        assert ("This was the last time." in unwrapped(mail.text)) is final
        assert ("This was the last time." in unwrapped(read(mail.html))) is final


def test_old_address_learns_of_the_new_one_and_nothing_more() -> None:
    """Who reads mail there now may be nobody's business: instructions go to the user's address alone."""
    mail = compose(ADDRESS_CHANGED, "alice@example.com")

    for part in (mail.text, read(mail.html)):
        assert "alice@example.org" in part
        assert "tell your administrators at once" in unwrapped(part)
        assert "Friday, 5 June 2026, 12:00 UTC" in unwrapped(part)
        assert SEALED.instruction not in unwrapped(part)


def test_unsettled_end_is_not_told() -> None:
    mail = compose(replace(ADDRESS_CHANGED, delete_on=None), "alice@example.com")

    assert "ends" not in mail.text + read(mail.html)
    assert "None" not in mail.text + mail.html


@pytest.mark.parametrize("notice", [DELETED, DEACTIVATED, REACTIVATED])
def test_without_a_successor_none_is_promised(notice: OldKeyDeleted | KeyDeactivated | KeyReactivated) -> None:
    mail = compose(replace(notice, new_key_id=None), "alice@example.com")

    assert "successor" not in mail.text + mail.html
    assert "None" not in mail.text + mail.html


def test_earlier_folder_of_templates_counts(tmp_path: Path) -> None:
    (tmp_path / "old_key_deleted.txt.j2").write_text("{{ notice.old_key_id }} is no more.\n")

    mail = compose(DELETED, "alice@example.com", folders=(tmp_path, TEMPLATES))

    assert mail.text == "AKIAFAKE00000000OLD1 is no more."
    assert mail.html == compose(DELETED, "alice@example.com").html


def test_times_of_other_zones_are_told_in_utc() -> None:
    elsewhere = SEALED.delete_on.astimezone(timezone(timedelta(hours=-11)))

    mail = compose(replace(SEALED, delete_on=elsewhere), "alice@example.com")

    assert "Friday, 5 June 2026, 12:00 UTC" in mail.text


def test_sealed_mail_holds_the_secret_only_encrypted() -> None:
    mail = compose(SEALED, "alice@example.com")

    assert SECRET not in mail.text + read(mail.html)
    block = shlex.split(command_in(mail.text))[-1]
    assert Fernet(KEY).decrypt(block.encode()).decode() == SECRET


def test_command_is_one_line_that_a_shell_splits_as_meant() -> None:
    odd = SealedKey(block="gAAAAA_-=", parameter="/ikr/secret/iam/o'brien & $HOME", region="eu-central-1")

    mail = compose(replace(SEALED, content=odd), "alice@example.com")

    parts = ["python3", "scripts/decryption.py", "--region", "eu-central-1", "--parameter", odd.parameter, odd.block]
    assert shlex.split(command_in(mail.text)) == parts
    assert command_in(mail.text) in read(mail.html)


@pytest.mark.parametrize("notice", NOTICES)
def test_text_fits_a_terminal_but_for_the_command(notice: Instructive) -> None:
    lines = compose(notice, "alice@example.com").text.splitlines()

    assert [line for line in lines if len(line) > 80 and not line.startswith("python3 ")] == []


def test_plain_mail_speaks_of_no_decryption() -> None:
    mail = compose(PLAIN, "alice@example.com")

    assert "decrypt" not in (mail.text + mail.html).lower()


@pytest.mark.parametrize("notice", NOTICES)
def test_no_instruction_leaves_no_trace(notice: Instructive) -> None:
    mail = compose(replace(notice, instruction=""), "alice@example.com")

    assert "Note from your administrators" not in mail.text + mail.html


@pytest.mark.parametrize("notice", NOTICES)
def test_tag_values_are_data_in_html_and_verbatim_in_text(notice: Instructive) -> None:
    """Whoever may tag a user could otherwise put a link of their own into a mail that people trust."""
    hostile = """<a href="https://evil.example">click</a> & {{ 7 * 7 }} it's"""

    mail = compose(replace(notice, user=hostile, instruction=hostile), "alice@example.com")

    assert "<a href" not in mail.html
    assert read(mail.html).count(hostile) == 2
    assert hostile in unwrapped(mail.text)


@pytest.mark.parametrize("breaker", ["\r\n", "\n", "\r", "\u2028", "\u2029", "\x85", "\x00", "\x0b"])
def test_nothing_breaks_the_subject(breaker: str) -> None:
    mail = compose(replace(SEALED, user=f"alice{breaker}Bcc: eve@example.com"), "alice@example.com")

    assert mail.subject == "New AWS access key for alice Bcc: eve@example.com in acme-prod (111122223333)"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "alice",
        "@example.com",
        "alice@",
        "alice@example.com,eve@example.com",
        "alice@example.com eve@example.com",
        "alice@example.com\r\nBcc: eve@example.com",
        "alice@example.com\n",
        "alice\u2028@example.com",
        "alice@example.com\u2029",
        "alice\u202e@example.com",
        "Alice <alice@example.com>",
        "team: alice@example.com;",
        "alice@eve@example.com",
    ],
)
def test_recipient_is_exactly_one_address(address: str) -> None:
    """A secret goes to one mailbox, and a header stays one header."""
    with pytest.raises(RecipientRefused):
        compose(SEALED, address)


def test_message_with_a_broken_subject_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="single printable line"):
        Message(to="alice@example.com", subject="Key\r\nBcc: eve@example.com", text="", html="")


@pytest.mark.parametrize("notice", [PLAIN, PLAIN.content, compose(PLAIN, "alice@example.com")])
def test_secret_is_in_no_repr(notice: object) -> None:
    assert SECRET not in repr(notice)
    assert SECRET not in f"{notice}"
