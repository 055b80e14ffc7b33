"""The whole life of a key, through the deployed archives, with each mailer and with encryption on and off."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from scripts.local_cloud import cloud, reader
from scripts.local_cloud.clients import Credentials
from scripts.local_cloud.cloud import LocalCloud
from scripts.local_cloud.mailbox import Mail

if TYPE_CHECKING:
    from tests.e2e.conftest import Post

pytestmark = [
    # Of the pulumi_aws package, at its import.
    pytest.mark.filterwarnings("ignore:aws.lambda/microvmsimage:DeprecationWarning"),
    # aiosmtpd does not count TLS from the first byte as TLS.
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning"),
]

# A plain user name, and one that SSM would not take as part of a parameter's name.
PEOPLE = {"alice": "alice@example.com", "bob+ci@example.com": "bob@example.com"}
GRACE_DAYS = 5
# What AWS takes as a parameter's name. The emulator takes anything, so it has to be checked here.
SSM_NAME = re.compile(r"(/[A-Za-z0-9_.-]+)+")


@pytest.mark.parametrize("encrypted", [True, False], ids=["sealed", "plain"])
def test_a_key_is_replaced_and_deleted(post: Post, encrypted: bool) -> None:
    """A due user gets a working successor by mail, keeps the old key for the grace period, and loses it after that."""
    config = {
        "mailFrom": "Key Rotation <rotation@example.com>",
        "rotateAfterDays": "0",
        "deleteAfterDays": str(GRACE_DAYS),
        "encryptKeyPair": str(encrypted).lower(),
        "helpUrl": "https://wiki.example.com/keys",
        "supportContact": "#cloud-help",
        "replyTo": "help@example.com",
        **post.config,
    }
    with cloud.deployed(config, post.environment) as account:
        old = {name: _join(account, name, address) for name, address in PEOPLE.items()}
        account.add_user("untagged", {})
        bystander = account.add_key("untagged")

        plan = account.rotate({"dry_run": True})

        assert {name: decision["action"] for name, decision in plan["decisions"].items()} == dict.fromkeys(
            old, "rotate"
        )
        assert all(list(account.keys(name)) == [pair.access_key_id] for name, pair in old.items())
        assert post.mails(account) == []

        summary = account.rotate()

        mails = {mail.to: mail for mail in post.mails(account)}
        new = {name: _read(mails[address], old[name], account, encrypted) for name, address in PEOPLE.items()}
        assert (summary["rotated"], summary["failed"]) == (2, {})
        for name, address in PEOPLE.items():
            _check_what_goes_along(mails[address], old[name], new[name])
        assert all(_holder(account, pair) == name for name, pair in [*old.items(), *new.items()])

        assert account.rotate()["in_grace"] == len(PEOPLE)
        assert len(post.mails(account)) == len(PEOPLE), "a second run must not mail again"

        account.ledger.pass_days(GRACE_DAYS)

        assert {_holder(account, pair) for pair in old.values()} == {"InvalidClientTokenId"}
        assert all(list(account.keys(name)) == [pair.access_key_id] for name, pair in new.items())
        assert all(_holder(account, pair) == name for name, pair in new.items())
        assert list(account.keys("untagged")) == [bystander.access_key_id]
        assert _encryption_keys(account) == []
        assert [item["status"]["S"] for item in account.ledger.items()] == ["current"] * len(PEOPLE)
        farewells = {mail.to: mail for mail in post.mails(account)[len(PEOPLE) :]}
        assert all(
            farewells[address].headers["References"] == mails[address].headers["References"] for address in mails
        )
        assert {address: old[name].access_key_id in farewells[address].text for name, address in PEOPLE.items()} == (
            dict.fromkeys(PEOPLE.values(), True)
        )


def _join(account: LocalCloud, name: str, address: str) -> Credentials:
    account.add_user(name, {"IKR:EMAIL": address})
    return account.add_key(name)


def _read(mail: Mail, old: Credentials, account: LocalCloud, encrypted: bool) -> Credentials:
    """Do what the mail says, and check that nothing in it gives away what was to be sealed."""
    if not encrypted:
        return reader.copy_plain(mail)
    pair = reader.open_sealed(mail, old, account.server)
    assert pair.secret_access_key not in mail.text + mail.html
    assert SSM_NAME.fullmatch(reader.parameter(mail))
    return pair


def _check_what_goes_along(mail: Mail, old: Credentials, new: Credentials) -> None:
    """Whichever service brings a mail, its reader finds whom to ask, the thread and the deadline."""
    assert "https://wiki.example.com/keys" in mail.text
    assert "#cloud-help" in mail.text
    assert mail.headers["Reply-To"] == "help@example.com"
    assert mail.headers["Auto-Submitted"] == "auto-generated"
    assert old.access_key_id in mail.headers["References"]
    assert mail.calendar is not None
    assert new.access_key_id in mail.calendar
    assert new.secret_access_key not in mail.calendar


def _holder(account: LocalCloud, pair: Credentials) -> str:
    """The name of the user whom the cloud takes the holder of a pair for, or the code with which it refuses."""
    try:
        return account.clients(pair).sts.get_caller_identity()["Arn"].rpartition("/")[2]
    except ClientError as refusal:
        return refusal.response["Error"]["Code"]


def _encryption_keys(account: LocalCloud) -> list[str]:
    found = account.root.ssm.get_parameters_by_path(Path="/ikr/secret", Recursive=True)["Parameters"]
    return [parameter["Name"] for parameter in found]
