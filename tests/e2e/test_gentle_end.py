"""The gentle end of an old key, through the deployed archives: remind, put off, deactivate, bring back, delete."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from botocore.exceptions import ClientError

from scripts import report
from scripts.local_cloud import cloud, reader
from scripts.local_cloud.clients import ROOT, Credentials
from scripts.local_cloud.cloud import LocalCloud
from scripts.local_cloud.mailbox import Mail
from scripts.local_cloud.operators import Operators
from scripts.local_cloud.server import ACCOUNT_ID, REGION

# Of the pulumi_aws package, at its import.
pytestmark = pytest.mark.filterwarnings("ignore:aws.lambda/microvmsimage:DeprecationWarning")

CONFIG = {
    "mailFrom": "rotation@example.com",
    "deleteAfterDays": "5",
    "reminderDays": "1",
    "graceExtensionDays": "2",
    "recoveryDays": "2",
}
REMINDER = "new AWS access key not used yet"
DEACTIVATED = "old AWS access key deactivated"
DEACTIVATED_AGAIN = "old AWS access key deactivated again"
DELETED = "old AWS access key deleted"

REFUSED = "InvalidClientTokenId"


@dataclass(frozen=True, kw_only=True)
class Person:
    """A user whose old key has got a successor."""

    name: str
    old: Credentials
    new: Credentials


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalCloud]:
    """A stack with all of the gentle end switched on, and in this process the environment of who operates it."""
    with cloud.deployed(CONFIG) as deployed:
        for variable, value in {
            "AWS_ACCESS_KEY_ID": ROOT.access_key_id,
            "AWS_SECRET_ACCESS_KEY": ROOT.secret_access_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": deployed.server.endpoint,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }.items():
            monkeypatch.setenv(variable, value)
        yield deployed


def test_the_whole_sequence(account: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    """Alice is away, and gets every delay and every mail there is; Bob, who has switched, gets the window alone."""
    operators = Operators.listening(account.root, account.outputs["alarmTopicArn"])
    alice, bob = _rotated(account, "alice", "bob")
    assert _holder(account, bob.new) == "bob"
    assert _reported(account, capsys, alice) == ("in_grace", "postponed by a day", ["expiring", "current"])

    # The day before the end of the grace.
    account.ledger.advance(days=4)
    assert [account.rotate()["reminded"], account.rotate()["reminded"]] == [1, 0]

    assert [_told(account, person) for person in (alice, bob)] == [[REMINDER], []]
    reminder = _mails(account, alice)[-1].text
    assert "has never been used" in reminder
    assert alice.old.access_key_id in reminder

    # The end of the grace: put off for Alice, who is reminded on the first day of it and on the last.
    account.ledger.pass_days(1)

    assert account.keys("alice") == dict.fromkeys([alice.old.access_key_id, alice.new.access_key_id], "Active")
    assert _holder(account, bob.old) == REFUSED
    assert [_told(account, person) for person in (alice, bob)] == [[REMINDER] * 2, [DEACTIVATED]]
    assert _reported(account, capsys, alice) == ("in_grace", "postponed by a day", ["expiring", "current"])
    assert _reported(account, capsys, bob) == ("in_grace", "deletion", ["inactive", "current"])

    account.ledger.pass_days(1)

    assert _told(account, alice) == [REMINDER] * 3
    assert operators.heard() == []

    # The extension is over: Alice's key is deactivated, and the operators hear of it. Bob's window ends.
    account.ledger.pass_days(1)

    assert account.keys("alice")[alice.old.access_key_id] == "Inactive"
    assert list(account.keys("bob")) == [bob.new.access_key_id]
    assert [_told(account, person)[-1] for person in (alice, bob)] == [DEACTIVATED, DELETED]
    (alarm,) = operators.heard()
    assert alarm["Subject"] == "An old access key was deactivated, and the new one was never used"
    assert "scripts/invoke.py --user alice --again" in alarm["Message"]
    assert _reported(account, capsys, alice) == ("in_grace", "deletion", ["inactive", "current"])
    assert _encryption_keys(account) == ["/ikr/secret/iam/alice"]

    # Back after three weeks. An administrator brings the old key back; with it she opens her mail, and switches.
    account.ledger.pass_days(21)
    account.root.iam.update_access_key(UserName="alice", AccessKeyId=alice.old.access_key_id, Status="Active")
    pair = reader.open_sealed(_mails(account, alice)[0], alice.old, account.server)
    assert (pair, _holder(account, pair)) == (alice.new, "alice")

    # The window ends: since the key was brought back, another one begins, as planned now, of two days.
    account.ledger.pass_days(9)

    assert _holder(account, alice.old) == REFUSED
    assert _told(account, alice)[-1] == DEACTIVATED_AGAIN
    (alarm,) = operators.heard()
    assert alarm["Subject"] == "An old access key was reactivated"

    account.ledger.pass_days(2)

    assert list(account.keys("alice")) == [alice.new.access_key_id]
    assert [_holder(account, person.new) for person in (alice, bob)] == ["alice", "bob"]
    assert _told(account, alice)[-1] == DELETED
    assert _reported(account, capsys, alice) == ("not_due", "rotation", ["current"])
    assert account.ledger.pending() == []
    assert _encryption_keys(account) == []
    assert operators.heard() == []


def _rotated(account: LocalCloud, *names: str) -> list[Person]:
    """Give each user a key and its successor. Who opens the mail does so signed in otherwise: the old key rests."""
    old = {}
    for name in names:
        account.add_user(name, {"IKR:EMAIL": f"{name}@example.com"})
        old[name] = account.add_key(name)
    account.rotate({"users": list(names), "force": True})
    mails = {mail.to: mail for mail in account.mails()}
    return [
        Person(name=name, old=old[name], new=reader.open_sealed(mails[f"{name}@example.com"], ROOT, account.server))
        for name in names
    ]


def _reported(
    account: LocalCloud, capsys: pytest.CaptureFixture[str], person: Person
) -> tuple[str, str, list[str | None]]:
    """What the report says of a user: decision, next step, and where the ledger has each key, the old one first."""
    capsys.readouterr()
    code = report.main(["--json", "--function", account.outputs["rotatorFunctionName"]])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    (user,) = (user for user in json.loads(shown.out)["users"] if user["user"] == person.name)
    states = {key["access_key_id"]: key["ledger_status"] for key in user["keys"]}
    order = [pair.access_key_id for pair in (person.old, person.new)]
    return user["decision"], user["next_step"], [states[key] for key in sorted(states, key=order.index)]


def _mails(account: LocalCloud, person: Person) -> list[Mail]:
    return [mail for mail in account.mails() if mail.to == f"{person.name}@example.com"]


def _told(account: LocalCloud, person: Person) -> list[str]:
    """What the mails after the one with the new key are about."""
    whose = f" of {person.name} in {ACCOUNT_ID}"
    return [mail.subject.replace(whose, "").partition(": ")[2] for mail in _mails(account, person)[1:]]


def _encryption_keys(account: LocalCloud) -> list[str]:
    found = account.root.ssm.get_parameters_by_path(Path="/ikr/secret", Recursive=True)["Parameters"]
    return [parameter["Name"] for parameter in found]


def _holder(account: LocalCloud, pair: Credentials) -> str:
    """The name of the user whom the cloud takes the holder of a pair for, or the code with which it refuses."""
    try:
        return account.clients(pair).sts.get_caller_identity()["Arn"].rpartition("/")[2]
    except ClientError as refusal:
        return refusal.response["Error"]["Code"]
