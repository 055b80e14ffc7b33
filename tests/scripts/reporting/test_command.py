"""scripts/report.py as people and pipelines run it."""

from __future__ import annotations

import csv
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.common.entry import Status
from functions.common.keys import AccessKeys
from scripts import deployed, report
from scripts.reporting.survey import Surveyor
from tests.scripts.reporting.account import TABLE, VARIABLES, Account

SCRIPT = Path(report.__file__)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process; the answer is exit code, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = report.main(arguments)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def stack(account: Account) -> Account:
    """An account with a deployed rotator, and alice, whose key is 50 days old."""
    account.deploy()
    account.add_user("alice", 50)
    return account


@pytest.mark.usefixtures("stack")
def test_young_keys_pass(run: Run) -> None:
    code, out, err = run()

    assert code == 0
    assert "alice" in out
    assert "No active key is older than 90 days." in err


def test_an_old_key_fails_a_pipeline(stack: Account, run: Run) -> None:
    stack.add_user("bob", 91)

    code, out, err = run()

    assert code == 1
    assert "91 !" in out
    assert "Active keys older than 90 days: 1." in err


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(("limit", "code"), [("51", 0), ("49", 1), ("0", 1)])
def test_the_age_is_a_choice(limit: str, code: int, run: Run) -> None:
    assert run("--max-age-days", limit)[0] == code


def test_who_cannot_be_looked_at_fails_a_pipeline(stack: Account, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not known to be young enough must not pass for it."""
    del stack

    def broken(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr("scripts.reporting.survey.AccessKeys.of", broken)

    code, out, err = run()

    assert code == 1
    assert "unreadable" in out
    assert "Users who could not be looked at: 1." in err


def test_the_limits_are_those_of_the_deployed_rotator(account: Account, run: Run) -> None:
    account.deploy({**VARIABLES, "ROTATE_AFTER_DAYS": "33", "DELETE_AFTER_DAYS": "7"})
    account.add_user("alice", 34)

    _, out, _ = run("--json")

    (alice,) = json.loads(out)["users"]
    assert (alice["rotate_after_days"], alice["delete_after_days"], alice["decision"]) == (33, 7, "rotate")


def test_the_oldest_keys_come_first(stack: Account, run: Run) -> None:
    (inactive,) = stack.add_user("bob", 300)
    stack.deactivate("bob", inactive)
    stack.add_user("carol", 60)

    _, out, _ = run("--json")

    assert [user["user"] for user in json.loads(out)["users"]] == ["carol", "alice", "bob"]


def test_the_age_is_the_stacks_unless_chosen(account: Account, run: Run) -> None:
    """What the alarms call too old, the report calls so as well."""
    account.deploy({**VARIABLES, "AUDIT_DAYS": "30"})
    account.add_user("alice", 31)

    code, _, err = run()

    assert (code, err) == (1, "Active keys older than 30 days: 1.\n")
    assert run("--max-age-days", "32")[0] == 0


class TestUntagged:
    """Keys that nobody rotates are the ones that grow old."""

    def test_they_are_counted(self, stack: Account, run: Run) -> None:
        stack.iam.create_user(UserName="carol")
        stack.add_key("carol", 3)
        stack.iam.create_user(UserName="without-keys")

        code, out, err = run()

        assert code == 0
        assert err == "No active key is older than 90 days. 1 user with keys is not tagged (--untagged lists them).\n"
        assert "carol" not in out

    def test_an_old_key_of_theirs_fails_a_pipeline(self, stack: Account, run: Run) -> None:
        stack.iam.create_user(UserName="carol")
        stack.add_key("carol", 412)

        code, _, err = run()

        assert code == 1
        assert err == (
            "1 user with keys is not tagged; the user has a key older than 90 days (--untagged lists them).\n"
        )

    @pytest.mark.usefixtures("stack")
    @pytest.mark.parametrize(("old", "words"), [(1, "1 of them has"), (2, "2 of them have")])
    def test_several_are_counted_apart(self, old: int, words: str, account: Account, run: Run) -> None:
        for number in range(3):
            account.iam.create_user(UserName=f"carol{number}")
            account.add_key(f"carol{number}", 412 if number < old else 3)

        _, _, err = run()

        assert err == (f"3 users with keys are not tagged; {words} a key older than 90 days (--untagged lists them).\n")

    def test_they_are_listed_on_demand(self, stack: Account, run: Run) -> None:
        stack.iam.create_user(UserName="carol")
        key = stack.add_key("carol", 12)
        stack.use("carol", key, days_ago=3)

        _, out, err = run("--untagged")

        assert "--untagged" not in err
        (line,) = [line for line in out.splitlines() if "carol" in line]
        assert line.split() == ["carol", "not", "tagged", key, "12", f"{stack.ago(3):%Y-%m-%d}"]

    def test_one_who_cannot_be_looked_at_fails_a_pipeline(
        self, stack: Account, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stack.iam.create_user(UserName="carol")
        look = AccessKeys.of

        def refuse(self: AccessKeys, user: str) -> Any:
            if user == "carol":
                raise ClientError({"Error": {"Code": "AccessDenied"}}, "ListAccessKeys")
            return look(self, user)

        monkeypatch.setattr(AccessKeys, "of", refuse)

        code, _, err = run()

        assert (code, err) == (1, "Users who could not be looked at: 1 (--untagged lists them).\n")
        (line,) = [line for line in run("--untagged")[1].splitlines() if "carol" in line]
        assert " ".join(line.split()) == "carol not tagged: ListAccessKeys: AccessDenied could not be read"
        (told,) = json.loads(run("--json")[1])["not_tagged"]
        assert told["reason"] == "ListAccessKeys: AccessDenied"


def test_nothing_is_changed(stack: Account, run: Run, tmp_path: Path) -> None:
    """Not even what the rotator would learn about keys that it sees for the first time."""
    old, new = stack.add_user("bob", 85, 2)
    stack.note("bob", old, Status.EXPIRING, age=85, delete_on=stack.ago(1), new_key_id=new)
    before = stack.dynamodb.scan(TableName=TABLE)["Items"]

    run("--html", str(tmp_path / "keys.html"))

    assert stack.dynamodb.scan(TableName=TABLE)["Items"] == before
    assert len(stack.iam.list_access_keys(UserName="bob")["AccessKeyMetadata"]) == 2


class TestOutput:
    @pytest.mark.usefixtures("stack")
    def test_all_files_at_once_and_the_table(self, run: Run, tmp_path: Path) -> None:
        names = ("json", "csv", "html")

        code, out, _ = run(*(word for name in names for word in (f"--{name}", str(tmp_path / name))))

        assert code == 0
        assert "Access keys of the tagged users" in out
        assert json.loads((tmp_path / "json").read_text())["passed"] is True
        assert [line["user"] for line in csv.DictReader((tmp_path / "csv").read_text().splitlines())] == ["alice"]
        assert (tmp_path / "html").read_text().startswith("<!doctype html>")

    @pytest.mark.usefixtures("stack")
    def test_json_on_standard_output_is_alone(self, run: Run) -> None:
        _, out, _ = run("--json")

        assert json.loads(out)["users"][0]["user"] == "alice"

    def test_a_malformed_ledger_item_is_told_beside_it(self, stack: Account, run: Run) -> None:
        item = {"user": {"S": "zoe"}, "ak": {"S": "AKIAFAKE00000000OLD1"}, "status": {"S": "odd"}}
        stack.dynamodb.put_item(TableName=TABLE, Item=item)

        code, out, err = run("--json")

        assert code == 0
        assert len(json.loads(out)["malformed_ledger_items"]) == 1
        assert "zoe" in err

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--json", "--csv"),
            ("--html", "/nowhere/keys.html"),
            ("--json", "/"),
            ("--html",),
            ("--max-age-days", "-1"),
            ("--max-age-days", "3651"),
            ("--max-age-days", "9999999999999"),
            ("--max-age-days", "٣٠"),
            ("--max-age-days", "ninety"),
            ("--max-age-days", ""),
            ("--untaged", "x"),
            ("--function", "a b"),
            ("alice",),
        ],
    )
    def test_a_command_it_does_not_understand(self, arguments: tuple[str, ...], run: Run) -> None:
        """Said before the account is read, which may take minutes."""
        with pytest.raises(SystemExit) as stopped:
            run(*arguments)

        assert stopped.value.code == 2

    @pytest.mark.usefixtures("stack")
    def test_a_file_that_cannot_be_written(self, run: Run) -> None:
        code, out, err = run("--json", "/dev/full")

        assert (code, out) == (1, "")
        assert "/dev/full cannot be written (No space left on device)" in err

    @pytest.mark.usefixtures("stack")
    def test_a_file_that_is_only_half_written_replaces_nothing(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A pipeline that reads yesterday's report is better off than one that reads a half of today's."""
        target = tmp_path / "keys.json"
        target.write_text("yesterday's")
        write = Path.write_text

        def run_out_of_space(path: Path, content: str, **options: Any) -> int:
            write(path, content[:10], **options)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Path, "write_text", run_out_of_space)

        code, _, err = run("--json", str(target))

        assert (code, target.read_text(), list(tmp_path.glob("*keys*"))) == (1, "yesterday's", [target])
        assert err == f"{target} cannot be written (No space left on device): name another file.\n"

    @pytest.mark.usefixtures("stack")
    def test_a_file_that_is_replaced_stays_as_it_was_in_all_else(self, run: Run, tmp_path: Path) -> None:
        """Who may read it, and where a link to it leads."""
        target, link = tmp_path / "keys.json", tmp_path / "latest.json"
        target.write_text("yesterday's")
        target.chmod(0o600)
        link.symlink_to(target)

        run("--json", str(link))

        assert (link.readlink(), target.stat().st_mode & 0o777) == (target, 0o600)
        assert json.loads(target.read_text())["passed"] is True


class TestCtrlC:
    @pytest.mark.usefixtures("stack")
    @pytest.mark.parametrize("stage", ["find", "look_at", "look_beside"])
    def test_it_is_one_line(self, stage: str, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """And no file is begun."""

        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Surveyor, stage, interrupted)

        outcome = run("--html", str(tmp_path / "keys.html"))

        assert outcome == (130, "", "Interrupted. Nothing has been changed.\n")
        assert list(tmp_path.glob("*.html")) == []

    @pytest.mark.usefixtures("stack")
    def test_a_form_that_fails_leaves_no_other_behind(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """All are made before the first is written."""

        def interrupted(_: object) -> str:
            raise KeyboardInterrupt

        monkeypatch.setitem(report.FORMATS, "html", interrupted)

        code, *_ = run("--json", str(tmp_path / "keys.json"), "--html", str(tmp_path / "keys.html"))

        assert (code, list(tmp_path.glob("keys.*"))) == (130, [])


class TestTheWayThere:
    @pytest.mark.usefixtures("account")
    def test_no_such_function(self, run: Run) -> None:
        code, out, err = run("--function", "nosuch")

        assert (code, out) == (1, "")
        assert "nosuch" in err
        assert "--function" in err

    def test_a_function_that_is_no_rotator(self, account: Account, run: Run) -> None:
        account.deploy({"GREETING": "hello"})

        code, _, err = run()

        assert code == 1
        assert "IAM_KEY_ROTATOR_TABLE" in err
        assert deployed.ROTATOR in err

    def test_a_table_that_is_gone(self, account: Account, run: Run) -> None:
        account.deploy({**VARIABLES, "IAM_KEY_ROTATOR_TABLE": "gone"})

        code, _, err = run()

        assert code == 1
        assert err.strip()

    def test_no_region(self, aws_environment: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        del aws_environment
        monkeypatch.delenv("AWS_DEFAULT_REGION")

        code, _, err = run()

        assert code == 1
        assert "--region" in err


class TestCommand:
    """From anywhere, as a file."""

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(SCRIPT), *arguments],
            cwd="/",
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_help(self) -> None:
        done = self.run("--help", COLUMNS="80")

        assert done.returncode == 0
        assert max(map(len, done.stdout.splitlines())) <= 80
        for option in (
            "--json",
            "--csv",
            "--html",
            "--max-age-days",
            "--untagged",
            "--function",
            "--region",
            "--aws-profile",
        ):
            assert option in done.stdout

    @pytest.mark.usefixtures("aws_environment")
    def test_an_unknown_profile_is_named(self) -> None:
        done = self.run("--aws-profile", "nobodys")

        assert done.returncode == 1
        assert "nobodys" in done.stderr
        assert "Traceback" not in done.stderr
