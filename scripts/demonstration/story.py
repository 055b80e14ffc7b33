"""The scenes of the demo, in order: fifty-one days in an account, the last of which is today."""

from __future__ import annotations

import json

from rich import box
from rich.table import Column, Table

from scripts.demonstration.cast import ANA, BEN, CHLOE, DUE, HAL, KIM, OTHERS, PEOPLE, READERS
from scripts.demonstration.stage import Stage
from scripts.local_cloud import reader, waiting
from scripts.local_cloud.errors import FunctionFailed
from scripts.local_cloud.mailbox import Mail

CONFIG = {
    "mailFrom": "Key Rotation <key-rotation@example.com>",
    "helpUrl": "https://wiki.example.com/access-keys",
    "supportContact": "#cloud-help",
}
"""All else is as it is by default."""
SENDER = "key-rotation@example.com"
DAYS = 51

SWITCHERS = (ANA, BEN)


def play(stage: Stage) -> None:
    """Play all scenes."""
    people_arrive(stage)
    before = keys_of_others(stage)
    the_mail_service_is_down(stage)
    the_rotator_tries_again(stage)
    readers_open_their_mail(stage)
    an_operator_cancels_a_deletion(stage)
    the_grace_period_is_almost_over(stage)
    the_grace_period_ends(stage)
    hal_does_not_come_back(stage)
    hal_comes_back(stage)
    the_window_ends(stage)
    the_operators_look_at_it(stage)
    stage.prove("Nobody else's keys have changed", keys_of_others(stage) == before)


def people_arrive(stage: Stage) -> None:
    """Create the users, their tags and their keys."""
    stage.scene("Nine people work in this account. Keys are replaced after 80 days.")
    table = Table("user", Column("days old", justify="right"), "what will happen", box=box.SIMPLE_HEAD)
    for person in PEOPLE:
        stage.cloud.add_user(person.name, person.tags)
        held = [stage.cloud.add_key(person.name, days_old=days) for days in person.ages]
        stage.old_keys[person.name] = held[0]
        if person.inactive:
            stage.cloud.deactivate_key(person.name, held[0].access_key_id)
        table.add_row(person.name, ", ".join(map(str, person.ages)), person.fate)
    stage.console.print(table)


def the_mail_service_is_down(stage: Stage) -> None:
    """Let the first run fail at its mails, and take everything back."""
    stage.scene("The rotator runs. The mail service refuses every mail.")
    stage.cloud.root.sesv2.delete_email_identity(EmailIdentity=SENDER)
    try:
        stage.show_summary(stage.cloud.rotate())
    except FunctionFailed as failure:
        stage.show_failure(failure)
    stage.cloud.root.sesv2.create_email_identity(EmailIdentity=SENDER)
    for person in DUE:
        old = stage.old_keys[person.name]
        stage.prove(
            f"{person.name}: no new key is left, and the old one works",
            list(stage.cloud.keys(person.name)) == [old.access_key_id] and stage.answers_as(old) == person.name,
        )
    stage.prove("No mail was sent, and no encryption key is left", not (stage.cloud.mails() or stage.encryption_keys()))


def the_rotator_tries_again(stage: Stage) -> None:
    """Rotate, and show that one more run leaves everyone alone."""
    stage.cloud.ledger.pass_days(1)
    stage.scene("The mail service is back, and the rotator tries again.")
    stage.show_summary(stage.cloud.rotate())
    stage.show_new_mails()
    mailed, keys = len(stage.cloud.mails()), [stage.cloud.keys(person.name) for person in DUE]
    stage.cloud.rotate()
    stage.prove(
        "One more run makes no third key, and sends no second mail",
        (len(stage.cloud.mails()), [stage.cloud.keys(person.name) for person in DUE]) == (mailed, keys)
        and mailed == len(DUE),
    )


def readers_open_their_mail(stage: Stage) -> None:
    """Decrypt each mail with its reader's old key, and use both keys side by side."""
    stage.scene("Ana, Ben and Kim decrypt their new keys with the old ones.")
    for person in READERS:
        mail, old = stage.first_mail_to(person), stage.old_keys[person.name]
        stage.show_command(person.name, reader.decrypt_command(mail))
        old_works = stage.answers_as(old) == person.name
        new = stage.new_keys[person.name] = reader.open_sealed(mail, old, stage.cloud.server)
        stage.say(f"{new.access_key_id}, and its secret")
        stage.prove(
            f"{person.name}: both keys work, and the new one came by mail",
            old_works and stage.answers_as(new) == person.name and new.access_key_id in stage.cloud.keys(person.name),
        )


def an_operator_cancels_a_deletion(stage: Stage) -> None:
    """Take Kim's old key out of the ledger, by hand and before its time."""
    stage.cloud.ledger.pass_days(1)
    stage.scene(
        "Kim's old key is in a machine that nobody can reach for weeks.\nAn operator removes its item from the ledger."
    )
    old = stage.old_keys[KIM.name].access_key_id
    pending = stage.ledger()[old]
    stage.cloud.ledger.remove(KIM.name, old)
    waiting.until(lambda: stage.ledger().get(old) == "current", "the cancellation")
    stage.prove("kim: the deletion of the old key was cancelled", pending == "expiring")


def the_grace_period_is_almost_over(stage: Stage) -> None:
    """Remind whoever has not switched."""
    stage.cloud.ledger.pass_days(3)
    stage.scene("A day before the grace period ends, whoever has not switched gets a reminder.")
    mailed = len(stage.cloud.mails())
    stage.cloud.rotate()
    stage.show_new_mails()
    stage.prove(
        "hal, and nobody else, gets a reminder",
        [mail.to for mail in stage.cloud.mails()[mailed:]] == [HAL.address],
    )


def the_grace_period_ends(stage: Stage) -> None:
    """Let the old keys go, of those who have switched."""
    stage.cloud.ledger.pass_days(1)
    stage.scene("The grace period ends. The destructor looks at how the keys are used.")
    stage.show_new_mails()
    for person in SWITCHERS:
        old = stage.old_keys[person.name]
        stage.prove(
            f"{person.name}: the old key is deleted, and the new one works",
            stage.answers_as(old) == "InvalidClientTokenId"
            and stage.answers_as(stage.new_keys[person.name]) == person.name
            and list(stage.cloud.keys(person.name)) == [stage.new_keys[person.name].access_key_id],
        )
        stage.prove(
            f"{person.name}: a mail says so",
            any(_tells_of_deletion(mail, old.access_key_id) for mail in stage.mails_to(person)[1:]),
        )
    stage.prove("The encryption keys of their mails are deleted, hal's is kept", _names(stage) == {HAL.name})
    stage.prove("kim: both keys work, after the day that was cancelled", _both_work(stage))
    stage.prove(
        "hal: the new key is unused, so the old one is put off and works",
        stage.answers_as(stage.old_keys[HAL.name]) == HAL.name and len(stage.mails_to(HAL)) == 1 + 2,
    )


def hal_does_not_come_back(stage: Stage) -> None:
    """Let the time pass in which a user can still switch."""
    stage.cloud.ledger.pass_days(7)
    stage.scene("Hal is still away, and is reminded.")
    stage.show_new_mails()
    stage.cloud.ledger.pass_days(7)
    stage.scene("Two weeks are over. Hal's old key is deactivated.")
    stage.show_new_mails()
    heard = stage.operators.heard()
    for message in heard:
        stage.say("the operators hear:")
        stage.say(f"  {message['Subject']}", "bold")
    old = stage.old_keys[HAL.name]
    stage.prove(
        "hal: the old key is refused, but it is not deleted",
        stage.answers_as(old) == "InvalidClientTokenId" and stage.cloud.keys(HAL.name)[old.access_key_id] == "Inactive",
    )
    stage.prove(
        "The operators are told his name",
        any(f"IAM user {HAL.name} " in message["Message"] for message in heard),
    )


def hal_comes_back(stage: Stage) -> None:
    """Bring the old key back, so that its user can open the mail after all."""
    stage.cloud.ledger.pass_days(10)
    stage.scene("Hal is back. An operator activates the old key, and Hal opens his mail.")
    old = stage.old_keys[HAL.name]
    stage.cloud.activate_key(HAL.name, old.access_key_id)
    new = stage.new_keys[HAL.name] = reader.open_sealed(stage.first_mail_to(HAL), old, stage.cloud.server)
    stage.prove("hal: what the mail held is a key that works, a month later", stage.answers_as(new) == HAL.name)


def the_window_ends(stage: Stage) -> None:
    """End Hal's old key, and begin with Chloe's."""
    stage.cloud.ledger.pass_days(20)
    stage.scene("Hal has switched, and his old key is deleted.\nChloe's key has grown too old in the meantime.")
    stage.cloud.rotate()
    stage.show_new_mails()
    new = stage.new_keys[HAL.name]
    stage.prove(
        "hal: the old key is deleted, and the new one works",
        list(stage.cloud.keys(HAL.name)) == [new.access_key_id] and stage.answers_as(new) == HAL.name,
    )
    stage.prove("chloe: the key of 83 days is replaced", len(stage.cloud.keys(CHLOE.name)) == 1 + 1)


def the_operators_look_at_it(stage: Stage) -> None:
    """Make the report, which stays as a file."""
    stage.cloud.ledger.pass_days(1)
    stage.scene("Today. The operators look at their report.")
    page, data = stage.folder / "report.html", stage.folder / "report.json"
    stage.say("scripts/report.py --html build/demo/report.html", "cyan")
    outcome = stage.run_script("report.py", "--html", str(page), "--json", str(data))
    stage.say(outcome.stderr.strip())
    users = {user["user"]: user for user in json.loads(data.read_text())["users"]} if data.exists() else {}
    too_old = [key["access_key_id"] for user in users.values() for key in user["keys"] if key["too_old"]]
    stage.prove(
        "Its exit code is 1: one key is too old, the one that kim kept",
        (outcome.returncode, too_old) == (1, [stage.old_keys[KIM.name].access_key_id]),
    )
    decisions = {name: user["decision"] for name, user in users.items()}
    stage.prove(
        "It has chloe in grace, and gus misconfigured",
        (decisions.get(CHLOE.name), decisions.get("gus")) == ("in_grace", "misconfigured"),
    )
    stage.prove("kim: both keys still work, 49 days later", _both_work(stage))


def keys_of_others(stage: Stage) -> dict[str, dict[str, str]]:
    """List the keys of those whose keys are left alone."""
    return {person.name: stage.cloud.keys(person.name) for person in OTHERS}


def _tells_of_deletion(mail: Mail, key_id: str) -> bool:
    return "deleted" in mail.subject and key_id in mail.text


def _names(stage: Stage) -> set[str]:
    return {name.rpartition("/")[2] for name in stage.encryption_keys()}


def _both_work(stage: Stage) -> bool:
    pairs = stage.old_keys[KIM.name], stage.new_keys[KIM.name]
    return [stage.answers_as(pair) for pair in pairs] == [KIM.name, KIM.name]
