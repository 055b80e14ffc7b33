"""What people run beside the service: the scripts, as commands, against the deployed stack."""

from __future__ import annotations

import configparser
import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import decryption
from scripts.local_cloud import cloud, reader
from scripts.local_cloud.clients import ROOT, Credentials
from scripts.local_cloud.cloud import LocalCloud
from scripts.local_cloud.mailbox import Mail
from scripts.local_cloud.server import REGION

# Of the pulumi_aws package, at its import.
pytestmark = pytest.mark.filterwarnings("ignore:aws.lambda/microvmsimage:DeprecationWarning")

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def account() -> Iterator[LocalCloud]:
    """A stack that rotates every key at once; alice and carol have none yet, bob is misconfigured."""
    config = {"mailFrom": "rotation@example.com", "rotateAfterDays": "0", "deleteAfterDays": "5"}
    with cloud.deployed(config) as deployed:
        deployed.add_user("alice", {"IKR:EMAIL": "alice@example.com"})
        deployed.add_user("carol", {"IKR:EMAIL": "carol@example.com"})
        deployed.add_user("bob", {"IKR:EMAIL": "bob@example.com", "IKR:ROTATE_AFTER_DAYS": "soon"})
        deployed.add_key("bob")
        yield deployed


def test_look_ahead_rotate_and_move_over(account: LocalCloud, tmp_path: Path) -> None:
    """Report and dry run agree on what is to come, the run does it, and the mail's command sets the new pair up."""
    old = account.add_key("alice")
    rotator = ("--function", account.outputs["rotatorFunctionName"])

    report = _run(account, "scripts/report.py", "--json", *rotator)
    dry_run = _run(account, "scripts/invoke.py", "--dry-run", "--json", *rotator)

    assert report.returncode == 0, report.stderr
    users = {user["user"]: user for user in json.loads(report.stdout)["users"]}
    foreseen = json.loads(dry_run.stdout)
    assert users["alice"]["decision"] == foreseen["decisions"]["alice"]["action"] == "rotate"
    assert users["alice"]["keys"][0]["access_key_id"] == old.access_key_id
    assert users["bob"]["decision"] == "misconfigured"
    assert users["bob"]["reason"] == foreseen["misconfigured"]["bob"]
    assert list(account.keys("alice")) == [old.access_key_id], "so far, nothing has been changed"

    rotation = _run(account, "scripts/invoke.py", "--yes", "--json", *rotator)

    assert rotation.returncode == 0, rotation.stderr
    assert json.loads(rotation.stdout)["rotated"] == 1

    file = tmp_path / "credentials"
    command = ["scripts/decryption.py", *_arguments(account, "alice@example.com")]
    block = reader.block(_mail(account, "alice@example.com"))
    moved = _run(account, *command, credentials=old, credentials_file=file, given=block)

    assert moved.returncode == 0, moved.stderr
    assert "arn:aws:iam::111122223333:user/alice" in moved.stderr
    new = _profile(file, "default")
    assert new.access_key_id in account.keys("alice")
    assert new.secret_access_key not in moved.stdout + moved.stderr

    page = tmp_path / "keys.html"
    after = _run(account, "scripts/report.py", "--json", "--html", str(page), *rotator)

    alice = next(user for user in json.loads(after.stdout)["users"] if user["user"] == "alice")
    assert (alice["decision"], alice["next_step"]) == ("in_grace", "deletion")
    assert {key["access_key_id"]: key["ledger_status"] for key in alice["keys"]} == {
        old.access_key_id: "expiring",
        new.access_key_id: "current",
    }
    assert new.access_key_id in page.read_text()


def test_a_key_that_is_gone_is_not_taken_into_use(
    account: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cloud itself refuses it, and the profile keeps the pair that works."""
    old = account.add_key("carol")
    account.rotate({"users": ["carol"]})
    successor = next(key for key in account.keys("carol") if key != old.access_key_id)
    account.root.iam.delete_access_key(UserName="carol", AccessKeyId=successor)
    file = tmp_path / "credentials"
    before = f"[default]\naws_access_key_id = {old.access_key_id}\naws_secret_access_key = {old.secret_access_key}\n"
    file.write_text(before)
    for variable, value in _environment(account, old, file).items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(decryption, "CHECK_SECONDS", 0)

    monkeypatch.setattr(sys, "stdin", io.StringIO(reader.block(_mail(account, "carol@example.com"))))

    code = decryption.main(_arguments(account, "carol@example.com"))

    assert code == 1
    assert f"{successor} (InvalidClientTokenId)" in capsys.readouterr().err
    assert file.read_text() == before


def _run(
    account: LocalCloud,
    *command: str,
    credentials: Credentials = ROOT,
    credentials_file: Path = Path(os.devnull),
    given: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a script, signed in with these credentials; ``given`` is its standard input."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env=_environment(account, credentials, credentials_file),
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )


def _environment(account: LocalCloud, credentials: Credentials, credentials_file: Path) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": account.server.endpoint,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials_file),
    }


def _arguments(account: LocalCloud, address: str) -> list[str]:
    """Take what follows the script's name in the command of the mail to an address."""
    return shlex.split(reader.decrypt_command(_mail(account, address)).removeprefix("uv run decryption.py "))


def _mail(account: LocalCloud, address: str) -> Mail:
    (mail,) = (mail for mail in account.mails() if mail.to == address)
    return mail


def _profile(file: Path, name: str) -> Credentials:
    profiles = configparser.ConfigParser(interpolation=None)
    profiles.read(file)
    return Credentials(
        access_key_id=profiles[name]["aws_access_key_id"], secret_access_key=profiles[name]["aws_secret_access_key"]
    )
