"""scripts/tag_iam_users.py: many users are tagged, and one that fails stops nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.stub import Stubber

from scripts import tag_iam_users

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

SCRIPT = Path(tag_iam_users.__file__)
ALICE = {"IKR:EMAIL": "alice@example.com", "IKR:ROTATE_AFTER_DAYS": "30"}
BOB = {"IKR:EMAIL": "bob@example.com"}


@pytest.fixture
def iam(aws: None, monkeypatch: pytest.MonkeyPatch) -> IAMClient:
    """An account with the users alice and bob; alice has a tag of her own."""
    del aws
    monkeypatch.setenv("COLUMNS", "120")
    client = boto3.client("iam")
    client.create_user(UserName="alice", Tags=[{"Key": "Team", "Value": "red"}])
    client.create_user(UserName="bob")
    return client


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "users.json"
    path.write_text(json.dumps({"alice": ALICE, "bob": BOB}))
    return path


def tags_of(iam: IAMClient, user: str) -> Mapping[str, str]:
    return {tag["Key"]: tag["Value"] for tag in iam.list_user_tags(UserName=user)["Tags"]}


def test_users_get_their_tags_and_keep_the_others(
    iam: IAMClient, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = tag_iam_users.main([str(file)])

    assert code == 0
    assert tags_of(iam, "alice") == {"Team": "red", **ALICE}
    assert tags_of(iam, "bob") == BOB
    assert "2 of 2 users tagged." in capsys.readouterr().out


def test_one_failure_stops_nobody_else(iam: IAMClient, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(json.dumps({"ghost": BOB, "alice": ALICE, "spirit": BOB, "bob": BOB}))

    code = tag_iam_users.main([str(file)])

    out, err = capsys.readouterr()
    assert code == 1
    assert tags_of(iam, "alice") == {"Team": "red", **ALICE}
    assert tags_of(iam, "bob") == BOB
    assert "2 of 4 users tagged." in out
    assert "ghost: there is no such user" in err
    assert "spirit: there is no such user" in err


def test_what_iam_refuses_is_said(
    iam: IAMClient, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """IAM alone knows, for example, how many tags the user has already."""
    stubber = Stubber(iam)
    stubber.add_client_error("tag_user", "LimitExceeded", "Cannot exceed quota for TagsPerUser: 50")
    monkeypatch.setattr(tag_iam_users, "_connect", lambda _: iam)
    file.write_text(json.dumps({"bob": BOB}))

    with stubber:
        code = tag_iam_users.main([str(file)])

    assert code == 1
    assert "bob: Cannot exceed quota for TagsPerUser: 50 (LimitExceeded)" in capsys.readouterr().err


def test_a_faulty_file_changes_nothing(iam: IAMClient, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even for the users whose entries are right."""
    file.write_text(json.dumps({"alice": ALICE, "bob": {"IKR:EMAIL": "bob"}}))

    code = tag_iam_users.main([str(file)])

    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    assert str(file) in err
    assert "bob: IKR:EMAIL" in err
    assert tags_of(iam, "alice") == {"Team": "red"}


def test_a_dry_run_shows_the_changes_and_makes_none(
    iam: IAMClient, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As IAM will make them: a key in another spelling is the same key."""
    iam.tag_user(
        UserName="alice",
        Tags=[{"Key": "ikr:email", "Value": "old@example.com"}, {"Key": "IKR:ROTATE_AFTER_DAYS", "Value": "30"}],
    )
    before = tags_of(iam, "alice")
    file.write_text(
        json.dumps({"alice": {"IKR:Email": "alice@example.com", "IKR:ROTATE_AFTER_DAYS": "30"}, "bob": BOB})
    )

    code = tag_iam_users.main(["--dry-run", str(file)])

    rows = capsys.readouterr().out.splitlines()
    assert code == 0
    assert any("old@example.com" in row and "alice@example.com" in row for row in rows)
    assert any("IKR:ROTATE_AFTER_DAYS" in row and "unchanged" in row for row in rows)
    assert any("bob" in row and "bob@example.com" in row for row in rows)
    assert rows[-1] == "2 of 2 users would be tagged."
    assert tags_of(iam, "alice") == before
    assert tags_of(iam, "bob") == {}


@pytest.mark.usefixtures("iam")
def test_a_dry_run_warns_of_a_user_without_an_address(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The other tags say nothing to the service as long as that one is missing."""
    file.write_text(json.dumps({"bob": {"IKR:ROTATE_AFTER_DAYS": "30"}}))

    tag_iam_users.main(["--dry-run", str(file)])

    assert "will be left alone" in capsys.readouterr().out


@pytest.mark.usefixtures("iam")
def test_a_dry_run_fails_for_a_user_who_is_not_there(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(json.dumps({"ghost": BOB, "bob": BOB}))

    code = tag_iam_users.main(["--dry-run", str(file)])

    assert code == 1
    assert "ghost: there is no such user" in capsys.readouterr().err


@pytest.mark.usefixtures("iam")
def test_ctrl_c_leaves_the_rest_untagged(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Thousands may be waiting in the queue when somebody notices a mistake."""
    file.write_text(json.dumps({f"user{number}": BOB for number in range(100)}))
    released = threading.Event()
    tagged = []

    class Pool(ThreadPoolExecutor):
        """Its work goes on once it was told to stop, and not before."""

        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT002 - as its base
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            released.set()
            super().shutdown(wait=wait)

    def tag(user: str, _: Mapping[str, str]) -> Sequence[tag_iam_users.Change]:
        released.wait()
        tagged.append(user)
        return ()

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tag_iam_users, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(tag_iam_users, "_apply", lambda _: tag)
    monkeypatch.setattr(tag_iam_users, "as_completed", interrupted)

    code = tag_iam_users.main([str(file)])

    assert code == 130
    assert "Running it again does no harm" in capsys.readouterr().err
    assert len(tagged) <= tag_iam_users.WORKERS


class TestCommand:
    """Run as people run it, from anywhere."""

    @pytest.fixture(params=["file", "module"])
    def command(self, request: pytest.FixtureRequest) -> list[str]:
        return [sys.executable, *([str(SCRIPT)] if request.param == "file" else ["-m", "scripts.tag_iam_users"])]

    def run(self, command: list[str], *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments],
            cwd="/" if command[-1] == str(SCRIPT) else SCRIPT.parents[1],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_help(self, command: list[str]) -> None:
        done = self.run(command, "--help", COLUMNS="80")

        assert done.returncode == 0
        assert max(map(len, done.stdout.splitlines())) <= 80
        assert "--dry-run" in done.stdout

    def test_no_file_is_a_usage_error(self, command: list[str]) -> None:
        done = self.run(command)

        assert done.returncode == 2
        assert "FILE" in done.stderr

    def test_a_missing_file_is_named(self, command: list[str]) -> None:
        done = self.run(command, "/nowhere/users.json")

        assert done.returncode == 1
        assert "/nowhere/users.json" in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.usefixtures("aws_environment")
    def test_an_unknown_profile_is_named(self, command: list[str], file: Path) -> None:
        done = self.run(command, "--aws-profile", "nobodys", str(file))

        assert done.returncode == 1
        assert "nobodys" in done.stderr
        assert "Traceback" not in done.stderr

    def test_no_credentials(
        self, command: list[str], file: Path, monkeypatch: pytest.MonkeyPatch, aws_environment: Path
    ) -> None:
        del aws_environment
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

        done = self.run(command, str(file))

        assert done.returncode == 1
        assert "No AWS credentials" in done.stderr
