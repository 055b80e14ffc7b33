"""People, not calls: mail that comes back, is lost, or is sent elsewhere, through the deployed archives.

Somebody who is away for a month has a test of their own: test_gentle_end.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from scripts import invoke
from scripts.local_cloud import cloud, reader
from scripts.local_cloud.clients import ROOT, Credentials
from scripts.local_cloud.cloud import LocalCloud
from scripts.local_cloud.mailbox import Mail
from scripts.local_cloud.server import REGION

# Of the pulumi_aws package, at its import.
pytestmark = pytest.mark.filterwarnings("ignore:aws.lambda/microvmsimage:DeprecationWarning")

CONFIG = {
    "mailFrom": "rotation@example.com",
    "allowedEmailDomains": '["example.com", "wrong.example.com", "example.net"]',
    "rotateAfterDays": "0",
    "userPaths": '["/staff/", "/service/"]',
}
HOLD_DAYS = 2


@pytest.fixture(scope="module")
def account() -> Iterator[LocalCloud]:
    with cloud.deployed(CONFIG) as deployed:
        yield deployed


def test_mail_that_comes_back(account: LocalCloud) -> None:
    """The new key is taken back, the old one works, and nothing is tried again until the address is corrected."""
    old = _join(account, "ana")
    account.rotate({"users": ["ana"]})
    (mail,) = _mails_to(account, "ana@example.com")

    summary = account.return_mail(mail)

    assert (summary["returned"], summary["taken_back"], summary["failed"]) == (["ana"], 1, {})
    assert list(account.keys("ana")) == [old.access_key_id]
    assert _holder(account, old) == "ana"
    assert _encryption_keys(account, "ana") == []
    assert account.rotate({"users": ["ana"]})["skipped"] == {"undeliverable": 1}

    _retag(account, "ana", "ana.ito@example.com")
    assert account.rotate({"users": ["ana"]})["skipped"] == {"address_held": 1}
    account.ledger.advance(days=HOLD_DAYS)
    assert account.rotate({"users": ["ana"]})["rotated"] == 1

    (mail,) = _mails_to(account, "ana.ito@example.com")
    assert _holder(account, reader.open_sealed(mail, old, account.server)) == "ana"
    assert len(_mails_to(account, "ana@example.com")) == 1, "nothing more is sent to an address that takes no mail"


def test_mail_that_comes_back_from_somebody_who_has_the_key(account: LocalCloud) -> None:
    """A key in use is never taken away; the next one is not mailed there."""
    old = _join(account, "ben")
    account.rotate({"users": ["ben"]})
    (mail,) = _mails_to(account, "ben@example.com")
    new = reader.open_sealed(mail, old, account.server)
    assert _holder(account, new) == "ben"

    summary = account.return_mail(mail, kind="Complaint")

    assert (summary["returned"], summary["taken_back"]) == (["ben"], 0)
    assert [_holder(account, pair) for pair in (old, new)] == ["ben", "ben"]


def test_address_that_is_stolen_and_put_back(account: LocalCloud) -> None:
    """The user hears of it at once, the thief gets nothing, and once it is put back all is as before."""
    old = _join(account, "cleo", due=False)
    account.rotate({"users": ["cleo"]})
    _retag(account, "cleo", "mallory@example.net")
    account.root.iam.untag_user(UserName="cleo", TagKeys=["IKR:ROTATE_AFTER_DAYS"])

    summary = account.rotate({"users": ["cleo"]})

    assert (summary["addresses_changed"], summary["rotated"]) == (["cleo"], 0)
    (warning,) = _mails_to(account, "cleo@example.com")
    assert "mallory@example.net" in warning.text
    assert account.rotate({"users": ["cleo"]})["addresses_changed"] == []
    account.ledger.advance(days=HOLD_DAYS - 1)
    assert account.rotate({"users": ["cleo"]})["skipped"] == {"address_held": 1}

    _retag(account, "cleo", "cleo@example.com")
    assert account.rotate({"users": ["cleo"]})["rotated"] == 1

    mail = _mails_to(account, "cleo@example.com")[-1]
    assert _holder(account, reader.open_sealed(mail, old, account.server)) == "cleo"
    assert _mails_to(account, "mallory@example.net") == []


def test_address_that_is_corrected_in_the_grace(account: LocalCloud) -> None:
    """The key that went to the wrong person is taken back, and another one goes to the right address."""
    old = _join(account, "dora", email="dora@wrong.example.com")
    account.rotate({"users": ["dora"]})
    wrong = reader.open_sealed(_mails_to(account, "dora@wrong.example.com")[0], old, account.server)
    _retag(account, "dora", "dora@example.com")
    account.rotate({"users": ["dora"]})
    account.ledger.advance(days=HOLD_DAYS)

    summary = account.rotate({"users": ["dora"]})

    assert (summary["taken_back"], summary["rotated"]) == (1, 1)
    (mail,) = _mails_to(account, "dora@example.com")
    right = reader.open_sealed(mail, old, account.server)
    assert set(account.keys("dora")) == {old.access_key_id, right.access_key_id}
    assert [_holder(account, pair) for pair in (old, right, wrong)] == ["dora", "dora", "InvalidClientTokenId"]


def test_mail_that_was_lost(
    account: LocalCloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An operator asks for another key with the script; once it is in use, that is refused, by name and reason."""
    old = _join(account, "eve")
    account.rotate({"users": ["eve"]})
    lost = _mails_to(account, "eve@example.com")[0]
    for variable, value in {
        "AWS_ACCESS_KEY_ID": ROOT.access_key_id,
        "AWS_SECRET_ACCESS_KEY": ROOT.secret_access_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": account.server.endpoint,
    }.items():
        monkeypatch.setenv(variable, value)
    again = ["--user", "eve", "--again", "--yes", "--function", account.outputs["rotatorFunctionName"]]

    assert invoke.main(again) == 0

    mail = _mails_to(account, "eve@example.com")[-1]
    new = reader.open_sealed(mail, old, account.server)
    assert mail.text != lost.text
    assert set(account.keys("eve")) == {old.access_key_id, new.access_key_id}
    assert _holder(account, new) == "eve"
    capsys.readouterr()
    assert invoke.main(again) == 1
    assert f"{new.access_key_id} has been used" in " ".join(capsys.readouterr().out.split())


def test_users_in_other_paths_are_out_of_reach(account: LocalCloud) -> None:
    """Whoever may tag an administrator cannot have the administrator's key replaced, not even with the role itself."""
    account.root.iam.create_user(
        UserName="root-admin", Path="/admins/", Tags=[{"Key": "IKR:EMAIL", "Value": "mallory@example.com"}]
    )
    key = account.add_key("root-admin")

    summary = account.rotate({"users": ["root-admin"], "force": True})

    assert (summary["rotated"], summary["skipped"]) == (0, {"outside_paths": 1})
    assert list(account.keys("root-admin")) == [key.access_key_id]
    with pytest.raises(ClientError, match="AccessDenied"):
        account.as_function(account.outputs["rotatorFunctionName"]).iam.create_access_key(UserName="root-admin")


def _join(account: LocalCloud, name: str, *, email: str | None = None, due: bool = True) -> Credentials:
    tags = {"IKR:EMAIL": email or f"{name}@example.com"}
    account.add_user(name, tags if due else {**tags, "IKR:ROTATE_AFTER_DAYS": "365"}, path="/staff/")
    return account.add_key(name)


def _retag(account: LocalCloud, name: str, email: str) -> None:
    account.root.iam.tag_user(UserName=name, Tags=[{"Key": "IKR:EMAIL", "Value": email}])


def _mails_to(account: LocalCloud, address: str) -> list[Mail]:
    return [mail for mail in account.mails() if mail.to == address]


def _encryption_keys(account: LocalCloud, name: str) -> list[str]:
    found = account.root.ssm.get_parameters(Names=[f"/ikr/secret/iam/{name}"])["Parameters"]
    return [parameter["Name"] for parameter in found]


def _holder(account: LocalCloud, pair: Credentials) -> str:
    """The name of the user whom the cloud takes the holder of a pair for, or the code with which it refuses."""
    try:
        return account.clients(pair).sts.get_caller_identity()["Arn"].rpartition("/")[2]
    except ClientError as refusal:
        return refusal.response["Error"]["Code"]
