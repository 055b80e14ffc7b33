from __future__ import annotations

import html
import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from jinja2.exceptions import SecurityError

from functions.common.account import Account
from functions.common.errors import RecipientRefused
from functions.common.keys import KeyUse, LastUse
from functions.common.terms import Terms
from functions.mail.message import KEY_TAG, NOTICE_TAG, TEMPLATES, USER_TAG, Message, compose
from functions.mail.notices import (
    AddressChanged,
    Cause,
    KeyDeactivated,
    KeyReactivated,
    KeyReminder,
    NewKey,
    Notice,
    OldKeyDeleted,
    PlainKey,
    RotationAhead,
    SealedKey,
)
from functions.mail.organisation import Organisation

END = datetime(2026, 6, 5, 12, 0, tzinfo=UTC)
ORGANISATION = Organisation(
    help_url="https://wiki.example.com/access-keys", support_contact="#cloud-help", reply_to="cloud-help@example.com"
)
USER_ID = "AIDAFAKE000000000001"
DEFAULT = Terms(
    recovery=timedelta(),
    extension=timedelta(days=14),
    delete_unconfirmed=False,
    address_hold=timedelta(days=2),
)
RECOVERABLE = replace(DEFAULT, recovery=timedelta(days=7))
CUT_SHORT = replace(DEFAULT, extension=timedelta())
STRICT = replace(DEFAULT, delete_unconfirmed=True)
SECRET = "not/a/real/secret/but/as/long/as/one+Xx1"
KEY = Fernet.generate_key()

SEALED_PAIR = SealedKey(
    block=Fernet(KEY).encrypt(SECRET.encode()).decode(),
    parameter="/ikr/secret/iam-id/AIDAFAKE00000000USER",
    region="eu-central-1",
    account="111122223333",
)
SEALED = NewKey(
    user="alice@example.com",
    account=Account(id="111122223333", alias="acme-prod"),
    new_key_id="AKIAFAKE00000000NEW1",
    old_key_id="AKIAFAKE00000000OLD1",
    old_key_use=KeyUse(last=LastUse(at=END - timedelta(days=6), service="s3", region="eu-central-1")),
    cause=Cause(age_days=81, limit_days=80),
    deadline=END,
    outlook=DEFAULT.outlook(END),
    instruction="Put it into the pipeline as https://wiki.example.com/keys/deploy-pipeline says, then tell your team.",
    content=SEALED_PAIR,
)
PLAIN = replace(SEALED, content=PlainKey(secret=SECRET))
DELETED = OldKeyDeleted(
    user=SEALED.user,
    account=SEALED.account,
    old_key_id=SEALED.old_key_id,
    new_key_id=SEALED.new_key_id,
    deleted_on=END,
    instruction=SEALED.instruction,
)
REMINDER = KeyReminder(
    user=SEALED.user,
    account=SEALED.account,
    old_key_id=SEALED.old_key_id,
    new_key_id=SEALED.new_key_id,
    outlook=DEFAULT.outlook(END),
    extended=False,
    new_key_used=False,
    old_key_use=KeyUse(last=None),
    instruction=SEALED.instruction,
)
DEACTIVATED = KeyDeactivated(
    user=SEALED.user,
    account=SEALED.account,
    old_key_id=SEALED.old_key_id,
    new_key_id=SEALED.new_key_id,
    new_key_used=True,
    delete_on=END,
    instruction=SEALED.instruction,
)
REACTIVATED = KeyReactivated(
    user=SEALED.user,
    account=SEALED.account,
    old_key_id=SEALED.old_key_id,
    new_key_id=SEALED.new_key_id,
    delete_on=END,
    final=False,
    instruction=SEALED.instruction,
)
ADDRESS_CHANGED = AddressChanged(
    user=SEALED.user,
    account=SEALED.account,
    new_address="alice@example.org",
    key_id=SEALED.new_key_id,
    used_from=END,
)
AHEAD = RotationAhead(
    user=SEALED.user,
    account=SEALED.account,
    old_key_id=SEALED.old_key_id,
    old_key_use=KeyUse(last=None),
    limit_days=80,
    rotates_on=END,
    grace_days=5,
    instruction=SEALED.instruction,
)
Instructive = NewKey | RotationAhead | KeyReminder | KeyDeactivated | KeyReactivated | OldKeyDeleted
"""What tells a user about a pair of keys, and carries the administrators' instruction."""

NOTICES = [
    pytest.param(SEALED, id="sealed"),
    pytest.param(PLAIN, id="plain"),
    pytest.param(AHEAD, id="ahead"),
    pytest.param(REMINDER, id="reminder"),
    pytest.param(DEACTIVATED, id="deactivated"),
    pytest.param(REACTIVATED, id="reactivated"),
    pytest.param(DELETED, id="deleted"),
]


def read(page: str) -> str:
    """Return what a reader sees of an HTML page."""
    body = page[page.index("<body") :]
    return html.unescape(re.sub(r"<[^>]*>", "", body))


def parts_of(notice: Notice, organisation: Organisation = ORGANISATION) -> list[str]:
    """Return what is read in each part of a mail, on one line."""
    mail = compose(notice, "alice@example.com", organisation)
    return [unwrapped(mail.text), unwrapped(read(mail.html.replace("<br>", " ").replace("</span>", " </span>")))]


def prospects(notice: Notice) -> list[str]:
    """Return what the two parts of a mail say about what happens next."""
    mail = compose(notice, "alice@example.com", Organisation())
    parts = (re.sub("-{2,}", "", mail.text), read(mail.html.replace("<br>", " ")))
    after = (unwrapped(part).partition("What happens next")[2] for part in parts)
    return [re.split("Note from your administrators|Sent by", part)[0].strip() for part in after]


def unwrapped(words: str) -> str:
    return " ".join(words.split())


def command_in(text: str) -> str:
    [command] = [line for line in text.splitlines() if line.startswith("uv run ")]
    return command


@pytest.mark.parametrize("notice", NOTICES)
def test_both_parts_tell_the_same_facts(notice: Instructive) -> None:
    facts = [
        "alice@example.com",
        "acme-prod (111122223333)",
        notice.new_key_id or "",
        "AKIAFAKE00000000OLD1",
        "Friday, 5 June 2026, 12:00 UTC",
        SEALED.instruction,
    ]
    if isinstance(notice, NewKey):
        content = notice.content
        facts += [content.secret] if isinstance(content, PlainKey) else [content.command, content.block]

    mail = compose(notice, "alice@example.com", ORGANISATION)

    assert [fact for fact in facts if fact not in unwrapped(mail.text)] == []
    assert [fact for fact in facts if fact not in unwrapped(read(mail.html))] == []


@pytest.mark.parametrize("notice", NOTICES)
def test_subject_names_user_and_account(notice: Instructive) -> None:
    subject = compose(notice, "alice@example.com", ORGANISATION).subject

    assert "alice@example.com" in subject
    assert "acme-prod" in subject


@pytest.mark.parametrize(
    ("notice", "begins"),
    [
        (SEALED, "Action needed by 5 June: new"),
        (AHEAD, "Coming 5 June: new"),
        (REMINDER, "Action needed by 5 June: new"),
        (replace(REMINDER, new_key_used=True), "Action needed by 5 June: old"),
        (replace(REMINDER, extended=True), "Action needed by 19 June: new"),
        (DEACTIVATED, "To be deleted 5 June: old"),
        (replace(DEACTIVATED, new_key_used=False), "Action needed by 5 June: old"),
        (REACTIVATED, "Action needed by 5 June: old"),
        (DELETED, "Done: old"),
        (ADDRESS_CHANGED, "Check by 5 June: mail"),
    ],
)
def test_subject_begins_with_what_to_do_and_by_when(notice: Notice, begins: str) -> None:
    """A telephone shows some forty letters of it."""
    subject = compose(notice, "alice@example.com", ORGANISATION).subject

    assert subject.startswith(f"{begins} ")
    assert len(begins) < 40


def test_subject_of_an_account_without_an_alias_names_its_number() -> None:
    assert replace(SEALED, account=Account(id="111122223333")).subject.endswith("in 111122223333")


class TestWhatAReaderHasToKnow:
    def test_why_the_mail_comes(self) -> None:
        for part in parts_of(SEALED):
            assert "Your organisation replaces AWS access keys every 80 days. Your old key is 81 days old." in part

    def test_a_key_that_was_not_due_was_asked_for(self) -> None:
        for part in parts_of(replace(SEALED, cause=Cause(age_days=79, limit_days=80))):
            assert "Your administrators have asked for a new key now." in part
            assert "every 80 days" not in part

    @pytest.mark.parametrize("notice", [SEALED, replace(REMINDER, old_key_use=SEALED.old_key_use)])
    def test_where_the_old_key_was_last_used(self, notice: Notice) -> None:
        for part in parts_of(notice):
            assert re.search(r"Saturday, 30 May 2026, 12:00 UTC,? s3 in eu-central-1", part)

    @pytest.mark.parametrize("notice", [SEALED, AHEAD, REMINDER])
    def test_use_that_aws_does_not_tell_is_not_said_to_be_none(
        self, notice: NewKey | RotationAhead | KeyReminder
    ) -> None:
        """Who reads that a key was never used looks no further for what uses it."""
        for part in parts_of(replace(notice, old_key_use=KeyUse(last=None, known=False))):
            assert "AWS does not say" in part
        for part in parts_of(replace(notice, old_key_use=KeyUse(last=None))):
            assert re.search(r"ast used:? +never", part)

    def test_one_day_is_not_days(self) -> None:
        for part in parts_of(replace(SEALED, cause=Cause(age_days=1, limit_days=1))):
            assert "every 1 day. Your old key is 1 day old." in part

    @pytest.mark.parametrize(("days", "said"), [(0, "Switch to it at once."), (1, "at least 1 day more.")])
    def test_how_long_a_key_works_that_is_to_be_replaced(self, days: int, said: str) -> None:
        for part in parts_of(replace(AHEAD, grace_days=days)):
            assert said in part

    @pytest.mark.parametrize("notice", [SEALED, PLAIN, AHEAD, REMINDER])
    def test_how_to_check_it_without_trusting_it(self, notice: Notice) -> None:
        """The keys that it names are those that AWS itself lists."""
        for part in parts_of(notice):
            assert "aws iam list-access-keys" in part
            assert part.index("Is this mail genuine?") < part.index("What to do")

    @pytest.mark.parametrize("notice", [*(case.values[0] for case in NOTICES), ADDRESS_CHANGED])
    def test_whom_to_ask_and_what_is_never_asked(self, notice: Notice) -> None:
        for part in parts_of(notice):
            assert "https://wiki.example.com/access-keys" in part
            assert "#cloud-help" in part
            assert "never ask for a password, a key or a reply" in part

    @pytest.mark.parametrize(
        ("organisation", "said"),
        [
            (ORGANISATION, "a single file, as this page says: https://wiki.example.com/access-keys"),
            (Organisation(script_url="https://git.example.com/decryption.py"), "file: https://git.example.com/decrypt"),
            (Organisation(), "1. Ask your administrators for decryption.py, a single file of iam-key-rotator."),
        ],
    )
    def test_where_the_script_is(self, organisation: Organisation, said: str) -> None:
        for part in parts_of(SEALED, organisation):
            assert said in part

    def test_silent_organisation_leaves_no_gap(self) -> None:
        for part in parts_of(SEALED, Organisation()):
            assert "Questions" not in part
            assert "None" not in part

    def test_links_of_the_organisation_are_data_in_html(self) -> None:
        odd = Organisation(help_url='https://wiki.example.com/?a=1&b="2"', support_contact="<Cloud & Co>")

        page = compose(SEALED, "alice@example.com", odd).html

        assert 'href="https://wiki.example.com/?a=1&amp;b=&#34;2&#34;"' in page
        assert "&lt;Cloud &amp; Co&gt;" in page

    def test_what_follows_the_signature_mark_is_a_signature_to_mail_programs(self) -> None:
        """Two hyphens and a space, alone on a line (RFC 3676, 4.3)."""
        text = compose(SEALED, "alice@example.com", ORGANISATION).text

        assert text.count("\n-- \nSent by iam-key-rotator") == 1


class TestHeaders:
    def test_mails_about_one_key_are_one_thread(self) -> None:
        threads = {
            compose(notice, "alice@example.com", ORGANISATION).headers["References"]
            for notice in (SEALED, AHEAD, REMINDER, DEACTIVATED, REACTIVATED, DELETED)
        }

        assert threads == {"<AKIAFAKE00000000OLD1@iam-key-rotator.invalid>"}

    def test_another_key_is_another_thread(self) -> None:
        other = compose(replace(SEALED, old_key_id="AKIAFAKE00000000OLD2"), "alice@example.com", ORGANISATION)

        assert other.headers["References"] != compose(SEALED, "alice@example.com", ORGANISATION).headers["References"]

    @pytest.mark.parametrize("notice", [*(case.values[0] for case in NOTICES), ADDRESS_CHANGED])
    def test_no_holiday_notice_answers(self, notice: Notice) -> None:
        assert compose(notice, "alice@example.com", ORGANISATION).headers["Auto-Submitted"] == "auto-generated"

    def test_answers_go_where_the_organisation_says(self) -> None:
        assert compose(SEALED, "alice@example.com", ORGANISATION).reply_to == "cloud-help@example.com"


END_AT = "Friday, 5 June 2026, 12:00 UTC"
A_WEEK_LATER = "Friday, 12 June 2026, 12:00 UTC"
EXTENDED = "Friday, 19 June 2026, 12:00 UTC"
SWITCHED = "If you have switched to the new key by then, the old key is"
IDLE = "If nothing uses the old key any more by then, it is"
LIVES_ON = "Otherwise it keeps working for now, and you get reminders."
STOPS = "Otherwise it is deactivated: AWS refuses it, but your administrators can reactivate it."
IN_VAIN = "the old key is deactivated: AWS refuses it, but your administrators can reactivate it."
LOST = "If nobody has reactivated it, the old key is deleted for good."
ANYWAY = "The old key is deactivated, whether or not"
# What a user is told who has never used the new key, and what one who still uses the old key.
SHAPES = [
    pytest.param(
        DEFAULT,
        [
            f"{END_AT} {SWITCHED} deleted. {LIVES_ON}",
            f"{EXTENDED} If you still have not switched, {IN_VAIN}",
            f"Sunday, 19 July 2026, 12:00 UTC {LOST}",
        ],
        [
            f"{END_AT} {IDLE} deleted. {LIVES_ON}",
            f"{EXTENDED} If it is still in use, {IN_VAIN}",
            f"Friday, 26 June 2026, 12:00 UTC {LOST}",
        ],
        id="default",
    ),
    pytest.param(
        RECOVERABLE,
        [
            f"{END_AT} {SWITCHED} deactivated, and deleted for good on {A_WEEK_LATER}. {LIVES_ON}",
            f"{EXTENDED} If you still have not switched, {IN_VAIN}",
            f"Sunday, 19 July 2026, 12:00 UTC {LOST}",
        ],
        [
            f"{END_AT} {IDLE} deactivated, and deleted for good on {A_WEEK_LATER}. {LIVES_ON}",
            f"{EXTENDED} If it is still in use, {IN_VAIN}",
            f"Friday, 26 June 2026, 12:00 UTC {LOST}",
        ],
        id="recovery",
    ),
    pytest.param(
        CUT_SHORT,
        [f"{END_AT} {SWITCHED} deleted. {STOPS}", f"Sunday, 5 July 2026, 12:00 UTC {LOST}"],
        [f"{END_AT} {IDLE} deleted. {STOPS}", f"{A_WEEK_LATER} {LOST}"],
        id="no-extension",
    ),
    pytest.param(
        STRICT,
        [f"{END_AT} The old key is deleted, whether or not you have switched by then."],
        [f"{END_AT} The old key is deleted, whether or not it is still in use."],
        id="whatever-happens",
    ),
    pytest.param(
        replace(STRICT, recovery=timedelta(days=7)),
        [
            f"{END_AT} {ANYWAY} you have switched by then: AWS refuses it, but your administrators can reactivate it.",
            f"{A_WEEK_LATER} {LOST}",
        ],
        [
            f"{END_AT} {ANYWAY} it is still in use: AWS refuses it, but your administrators can reactivate it.",
            f"{A_WEEK_LATER} {LOST}",
        ],
        id="whatever-happens-recovery",
    ),
]


@pytest.mark.parametrize(("terms", "unused", "used"), SHAPES)
def test_mail_says_what_becomes_of_the_old_key_and_when(terms: Terms, unused: list[str], used: list[str]) -> None:
    """And that is all it says: whoever reads it need not know the stack's configuration, or IAM's answers."""
    reminder = replace(REMINDER, outlook=terms.outlook(END))
    confirmed = replace(REMINDER, new_key_used=True, outlook=terms.outlook(END, confirmed=True))

    assert prospects(replace(SEALED, outlook=terms.outlook(END))) == [" ".join(unused)] * 2
    assert prospects(replace(PLAIN, outlook=terms.outlook(END))) == [" ".join(unused)] * 2
    assert prospects(reminder) == [" ".join(unused)] * 2
    assert prospects(confirmed) == [" ".join(used)] * 2


@pytest.mark.parametrize(
    ("terms", "after_switching"),
    [
        (DEFAULT, "the old key is deleted."),
        (RECOVERABLE, "the old key is deactivated, and later deleted for good."),
    ],
)
def test_reminder_in_the_extension_says_what_is_still_to_come(terms: Terms, after_switching: str) -> None:
    """The end of the grace period is behind its reader."""
    unused = replace(REMINDER, extended=True, outlook=terms.outlook(END))
    used = replace(REMINDER, extended=True, new_key_used=True, outlook=terms.outlook(END, confirmed=True))
    soon = f"A day or two after you have switched, {after_switching} {EXTENDED}"

    assert (
        prospects(unused)
        == [f"{soon} If you still have not switched, {IN_VAIN} Sunday, 19 July 2026, 12:00 UTC {LOST}"] * 2
    )
    assert prospects(used) == [f"{soon} If it is still in use, {IN_VAIN} Friday, 26 June 2026, 12:00 UTC {LOST}"] * 2


@pytest.mark.parametrize(
    ("extended", "by"),
    [(False, END_AT), (True, EXTENDED)],
)
def test_reminder_says_by_when_to_act(*, extended: bool, by: str) -> None:
    for used in (False, True):
        mail = compose(replace(REMINDER, extended=extended, new_key_used=used), "alice@example.com", ORGANISATION)

        for part in (unwrapped(mail.text), unwrapped(read(mail.html))):
            assert f"Switch to the new one by {by}." in part
            assert ("grace period is over" in part) is extended


LAST_USE = LastUse(at=END - timedelta(days=1), service="s3", region="eu-central-1")


@pytest.mark.parametrize(
    ("new_key_used", "last_use", "told"),
    [
        (
            False,
            None,
            ["Your new AWS access key has never been used", "Old key last used never", "they can send you another one"],
        ),
        (
            False,
            LAST_USE,
            ["Your new AWS access key has never been used", "New key used never", "Thursday, 4 June 2026, 12:00 UTC"],
        ),
        (True, LAST_USE, ["Your old AWS access key is still in use", "New key used yes", "s3 in eu-central-1"]),
    ],
)
def test_reminder_says_which_key_it_is_about_and_what_uses_it(
    new_key_used: bool,
    last_use: LastUse | None,
    told: list[str],
) -> None:
    notice = replace(REMINDER, new_key_used=new_key_used, old_key_use=KeyUse(last=last_use))

    mail = compose(notice, "alice@example.com", ORGANISATION)

    assert [words for words in told if words not in unwrapped(mail.text.replace(":  ", " "))] == []
    assert [words for words in told if words not in unwrapped(read(mail.html))] == []


def test_user_who_does_not_seem_to_have_the_new_key_is_told_how_to_get_one() -> None:
    """Whoever has it is told that there is nothing to do."""
    mails = {
        used: compose(replace(DEACTIVATED, new_key_used=used), "alice@example.com", ORGANISATION)
        for used in (False, True)
    }

    for part in (mails[False].text, read(mails[False].html)):
        assert "has never been used, so you may not have it." in unwrapped(part)
        assert "Ask your administrators to reactivate the old key" in unwrapped(part)
        assert "they can send you another one" in unwrapped(part)
    for part in (mails[True].text, read(mails[True].html)):
        assert "has never been used" not in unwrapped(part)
        assert "Nothing, if everything uses the new key." in unwrapped(part)


def test_deactivated_key_is_deleted_unless_somebody_brings_it_back() -> None:
    for notice in (DEACTIVATED, replace(DEACTIVATED, new_key_used=False), REACTIVATED):
        assert prospects(notice) == [f"{END_AT} {LOST}"] * 2

    final = replace(REACTIVATED, final=True)
    assert prospects(final) == [f"{END_AT} The old key is deleted for good."] * 2


def test_last_reactivation_is_said_to_be_the_last() -> None:
    for final in (True, False):
        mail = compose(replace(REACTIVATED, final=final), "alice@example.com", ORGANISATION)

        assert ("This was the last time" in unwrapped(mail.text)) is final
        assert ("This was the last time" in unwrapped(read(mail.html))) is final


def test_old_address_learns_of_the_new_one_and_nothing_more() -> None:
    """Who reads mail there now may be nobody's business: instructions go to the user's address alone."""
    mail = compose(ADDRESS_CHANGED, "alice@example.com", ORGANISATION)

    for part in (mail.text, read(mail.html)):
        assert "alice@example.org" in part
        assert "tell your administrators at once" in unwrapped(part)
        assert SEALED.instruction not in unwrapped(part)


def test_old_address_learns_how_long_there_is_to_act() -> None:
    for told in prospects(ADDRESS_CHANGED):
        assert told == (
            "Friday, 5 June 2026, 12:00 UTC From then on new keys go to the new address, unless the old one has been "
            "put back. If you have a new key that you have not used by then, it is replaced by one that goes there. "
            "Until then, no new key is mailed to anybody."
        )


@pytest.mark.parametrize("notice", [DELETED, replace(DEACTIVATED, new_key_used=False), REACTIVATED])
def test_without_a_successor_none_is_promised(notice: OldKeyDeleted | KeyDeactivated | KeyReactivated) -> None:
    mail = compose(replace(notice, new_key_id=None), "alice@example.com", ORGANISATION)

    assert "the new one" not in mail.text + mail.html
    assert "the new key" not in mail.text + mail.html
    assert "New access key" not in mail.text + mail.html
    assert "None" not in mail.text + mail.html


def test_earlier_folder_of_templates_counts(tmp_path: Path) -> None:
    (tmp_path / "old_key_deleted.txt.j2").write_text("{{ notice.old_key_id }} is no more.\n")

    mail = compose(DELETED, "alice@example.com", ORGANISATION, folders=(tmp_path, TEMPLATES))

    assert mail.text == "AKIAFAKE00000000OLD1 is no more."
    assert mail.html == compose(DELETED, "alice@example.com", ORGANISATION).html


def test_times_of_other_zones_are_told_in_utc() -> None:
    elsewhere = DEFAULT.outlook(END.astimezone(timezone(timedelta(hours=-11))))

    mail = compose(replace(SEALED, outlook=elsewhere), "alice@example.com", ORGANISATION)

    assert "Friday, 5 June 2026, 12:00 UTC" in mail.text


def test_sealed_mail_holds_the_secret_only_encrypted() -> None:
    mail = compose(SEALED, "alice@example.com", ORGANISATION)

    assert SECRET not in mail.text + read(mail.html)
    (block,) = [line for line in mail.text.splitlines() if line.startswith("gAAAAA")]
    assert Fernet(KEY).decrypt(block.encode()).decode() == SECRET
    assert block in read(mail.html)


def test_command_is_one_line_that_a_shell_splits_as_meant_and_may_remember() -> None:
    """A shell keeps what is typed in its history: the block, half of a secret, is not part of the command."""
    odd = replace(SEALED_PAIR, parameter="/ikr/secret/iam/o'brien & $HOME")

    mail = compose(replace(SEALED, content=odd), "alice@example.com", ORGANISATION)

    where = ["--region", "eu-central-1", "--parameter", odd.parameter, "--account", "111122223333"]
    parts = ["uv", "run", "decryption.py", "--profile", "default", *where]
    assert shlex.split(command_in(mail.text)) == parts
    assert command_in(mail.text) in read(mail.html)


@pytest.mark.parametrize(
    "reach", ["{{ notice.__class__ }}", "{{ notice.content.__init__.__globals__ }}", "{{ 9 ** 99999999 }}"]
)
def test_template_cannot_reach_beyond_the_notice(reach: str, tmp_path: Path) -> None:
    """What the preview has never seen, such as an archive that was changed by hand, meets the same sandbox."""
    (tmp_path / "new_key.txt.j2").write_text(reach)

    with pytest.raises(SecurityError):
        compose(SEALED, "alice@example.com", ORGANISATION, folders=(tmp_path, TEMPLATES))


def test_plain_mail_speaks_of_no_decryption() -> None:
    mail = compose(PLAIN, "alice@example.com", ORGANISATION)

    assert "decrypt" not in (mail.text + mail.html).lower()


@pytest.mark.parametrize("notice", NOTICES)
def test_no_instruction_leaves_no_trace(notice: Instructive) -> None:
    mail = compose(replace(notice, instruction=""), "alice@example.com", ORGANISATION)

    assert "Note from your administrators" not in mail.text + mail.html


@pytest.mark.parametrize("notice", NOTICES)
def test_tag_values_are_data_in_html_and_verbatim_in_text(notice: Instructive) -> None:
    """Whoever may tag a user could otherwise put a link of their own into a mail that people trust."""
    hostile = """<a href="https://evil.example">click</a> & {{ 7 * 7 }} it's"""

    mail = compose(replace(notice, user=hostile, instruction=hostile), "alice@example.com", ORGANISATION)

    assert "<a href" not in mail.html
    assert read(mail.html).count(hostile) == 2
    assert hostile in unwrapped(mail.text)


@pytest.mark.parametrize("breaker", ["\r\n", "\n", "\r", "\u2028", "\u2029", "\x85", "\x00", "\x0b"])
def test_nothing_breaks_the_subject(breaker: str) -> None:
    mail = compose(replace(SEALED, user=f"alice{breaker}Bcc: eve@example.com"), "alice@example.com", ORGANISATION)

    assert mail.subject == ("Action needed by 5 June: new AWS access key for alice Bcc: eve@example.com in acme-prod")


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
        compose(SEALED, address, ORGANISATION)


def test_message_with_a_broken_subject_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="single printable line"):
        Message(
            to="alice@example.com",
            subject="Key\r\nBcc: eve@example.com",
            text="",
            html="",
            thread="AKIAFAKE00000000OLD1",
        )


@pytest.mark.parametrize("notice", [PLAIN, PLAIN.content, compose(PLAIN, "alice@example.com", ORGANISATION)])
def test_secret_is_in_no_repr(notice: object) -> None:
    assert SECRET not in repr(notice)
    assert SECRET not in f"{notice}"


@pytest.mark.parametrize(
    ("notice", "kind", "key_id"),
    [
        (SEALED, "new_key", "AKIAFAKE00000000NEW1"),
        (REMINDER, "key_reminder", "AKIAFAKE00000000NEW1"),
        (DEACTIVATED, "key_deactivated", "AKIAFAKE00000000NEW1"),
        (replace(DEACTIVATED, new_key_id=None), "key_deactivated", "AKIAFAKE00000000OLD1"),
        (REACTIVATED, "key_reactivated", "AKIAFAKE00000000NEW1"),
        (DELETED, "old_key_deleted", "AKIAFAKE00000000NEW1"),
        (ADDRESS_CHANGED, "address_changed", "AKIAFAKE00000000NEW1"),
    ],
)
def test_mail_is_tagged_with_what_it_is_about(notice: Notice, kind: str, key_id: str) -> None:
    """A mail that comes back is traced by its tags alone."""
    mail = compose(notice, "alice@example.com", ORGANISATION, user_id=USER_ID)

    assert mail.tags == {NOTICE_TAG: kind, USER_TAG: USER_ID, KEY_TAG: key_id}


def test_tags_are_such_as_ses_takes() -> None:
    """It takes ASCII letters, digits, _ and -, and no empty value; a user's name may hold others, and is in no tag."""
    for notice in (SEALED, REMINDER, DEACTIVATED, REACTIVATED, DELETED, ADDRESS_CHANGED):
        hostile = replace(notice, user="alice+1=2,3@example.com")

        for tags in (
            compose(hostile, "alice@example.com", ORGANISATION).tags,
            compose(hostile, "a@example.com", ORGANISATION, user_id="A").tags,
        ):
            assert tags
            assert [words for tag in tags.items() for words in tag if not re.fullmatch(r"[A-Za-z0-9_-]+", words)] == []


def test_mail_about_nobody_known_carries_no_empty_tag() -> None:
    assert USER_TAG not in compose(SEALED, "alice@example.com", ORGANISATION).tags
