"""scripts/tag_iam_users.py: many users are tagged, and one that fails stops nobody else."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from scripts import tag_iam_users
from scripts.tagging import plan
from scripts.tagging.plan import Change, Plan

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

SCRIPT = Path(tag_iam_users.__file__)
EXPIRED = "Your AWS credentials have expired: sign in again (`aws sso login`, for example), or use --aws-profile."
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


def columns_of(table: str) -> list[str]:
    """Give the columns of a table's lines, each in one piece, however its cells were broken."""
    lines = [re.split("[│┃]", line) for line in table.splitlines() if line[:1] in {"│", "┃"}]
    return ["".join(cell.replace(" ", "") for cell in column) for column in zip(*lines, strict=True)]


@pytest.fixture
def at_the_keyboard(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Somebody is there to be asked, and types this."""

    def types(words: str) -> None:
        keyboard = io.StringIO(words)
        monkeypatch.setattr(keyboard, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", keyboard)

    return types


def test_users_get_their_tags_and_keep_the_others(
    iam: IAMClient, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = tag_iam_users.main(["--yes", str(file)])

    assert code == 0
    assert tags_of(iam, "alice") == {"Team": "red", **ALICE}
    assert tags_of(iam, "bob") == BOB
    assert capsys.readouterr().out.splitlines()[-2:] == ["2 of 2 users would be tagged.", "2 of 2 users tagged."]


def test_only_what_changes_is_counted_and_written(
    iam: IAMClient, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of thousands in which one line is new is one call, and one user to think about."""
    iam.tag_user(UserName="alice", Tags=[{"Key": key, "Value": value} for key, value in ALICE.items()])
    iam.tag_user(UserName="bob", Tags=[{"Key": "ikr:email", "Value": "former@example.com"}])
    written = []

    def write(_: object, each: Plan) -> Plan:
        written.append((each.user, each.changes))
        return each

    monkeypatch.setattr(plan, "carry_out", write)

    code = tag_iam_users.main(["--yes", str(file)])

    out = capsys.readouterr().out
    assert code == 0
    assert written == [("bob", [Change("IKR:EMAIL", "former@example.com", "bob@example.com")])]
    assert "1 of 2 users would be tagged; 1 have these tags already." in out
    assert "alice" not in out
    assert out.splitlines()[-1] == "1 of 1 users tagged."


def test_with_nothing_to_change_nobody_is_asked(
    iam: IAMClient, file: Path, at_the_keyboard: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    for user, tags in (("alice", ALICE), ("bob", BOB)):
        iam.tag_user(UserName=user, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
    at_the_keyboard("")

    code = tag_iam_users.main([str(file)])

    assert (code, *capsys.readouterr()) == (0, "Nothing to do: all 2 users have these tags already.\n", "")


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("Yes\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_the_plan_is_shown_before_the_question(
    typed: str,
    code: int,
    iam: IAMClient,
    file: Path,
    at_the_keyboard: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    at_the_keyboard(typed)

    assert tag_iam_users.main([str(file)]) == code

    out, err = capsys.readouterr()
    assert "alice@example.com" in out
    assert err == ("Go on? [y/N] " if code == 0 else "Go on? [y/N] Nothing was changed.\n")
    assert tags_of(iam, "bob") == (BOB if code == 0 else {})


def test_on_a_narrow_terminal_every_value_is_whole(
    iam: IAMClient, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The address is what is confirmed: keys are mailed to it."""
    monkeypatch.setenv("COLUMNS", "80")
    user, address = "u" * 40, f"{'a' * 40}@{'subsidiary' * 4}.example.com"
    iam.create_user(UserName=user, Tags=[{"Key": "IKR:EMAIL", "Value": f"former.{address}"}])
    file.write_text(json.dumps({user: {"IKR:EMAIL": address}}))

    tag_iam_users.main(["--dry-run", str(file)])

    assert columns_of(capsys.readouterr().out)[1:5] == [
        f"User{user}",
        "TagIKR:EMAIL",
        f"Nowformer.{address}",
        f"Wouldbe{address}",
    ]


def test_one_failure_stops_nobody_else(iam: IAMClient, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(json.dumps({"ghost": BOB, "alice": ALICE, "bbo": BOB, "bob": BOB}))

    code = tag_iam_users.main(["--yes", str(file)])

    out, err = capsys.readouterr()
    assert code == 1
    assert tags_of(iam, "alice") == {"Team": "red", **ALICE}
    assert tags_of(iam, "bob") == BOB
    assert "2 of 4 users would be tagged; 2 cannot be tagged." in out
    assert "2 of 2 users tagged." in out
    assert err.splitlines() == [
        "  - ghost: there is no such user",
        "  - bbo: there is no such user; did you mean bob?",
    ]


def test_what_iam_refuses_is_said(
    iam: IAMClient, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """IAM alone knows, for example, how many tags the user has already."""
    del iam

    def full(*_: object) -> Plan:
        raise ClientError(
            {"Error": {"Code": "LimitExceeded", "Message": "Cannot exceed quota for TagsPerUser: 50"}}, "TagUser"
        )

    monkeypatch.setattr(plan, "carry_out", full)
    file.write_text(json.dumps({"bob": BOB}))

    code = tag_iam_users.main(["--yes", str(file)])

    assert code == 1
    assert capsys.readouterr().err == "  - bob: Cannot exceed quota for TagsPerUser: 50 (LimitExceeded)\n"


class TestFaultOfEverybody:
    """What fails for the first user for a reason that all others share is said once."""

    def failing(self, monkeypatch: pytest.MonkeyPatch, fault: Exception, *, at_call: int = 1) -> list[str]:
        asked: list[str] = []

        def look(_: object, user: str, wanted: Mapping[str, str]) -> Plan:
            asked.append(user)
            if len(asked) >= at_call:
                raise fault
            return plan.compare(user, wanted, {})

        monkeypatch.setattr(plan, "look", look)
        return asked

    @pytest.mark.parametrize(
        ("fault", "line"),
        [
            (
                ClientError({"Error": {"Code": "AccessDenied", "Message": "eve may not do that."}}, "ListUserTags"),
                "AWS refused ListUserTags (AccessDenied): eve may not do that. --help lists the rights you need.",
            ),
            (
                ClientError({"Error": {"Code": "ExpiredToken", "Message": "old"}}, "ListUserTags"),
                (
                    "Your AWS credentials have expired: sign in again (`aws sso login`, for example), or use "
                    "--aws-profile."
                ),
            ),
            (
                ClientError({"Error": {"Code": "503", "Message": "Service Unavailable"}}, "ListUserTags"),
                "AWS answered ListUserTags with an error page (503): Service Unavailable. Try again later.",
            ),
            (
                EndpointConnectionError(endpoint_url="http://127.0.0.1:1/"),
                (
                    'AWS could not be reached: Could not connect to the endpoint URL: "http://127.0.0.1:1/" Check the '
                    "network, the region and AWS_ENDPOINT_URL."
                ),
            ),
        ],
    )
    @pytest.mark.usefixtures("iam")
    def test_it_is_one_line(
        self,
        fault: Exception,
        line: str,
        file: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        file.write_text(json.dumps({f"user{number}": BOB for number in range(100)}))
        asked = self.failing(monkeypatch, fault)

        code = tag_iam_users.main(["--yes", str(file)])

        assert (code, *capsys.readouterr()) == (1, "", f"{line}\n")
        assert asked == ["user0"]

    @pytest.mark.usefixtures("iam")
    def test_a_right_that_is_missing_for_a_later_user_is_that_users_fault(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A policy may be for some users alone."""
        denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "not bob"}}, "ListUserTags")
        self.failing(monkeypatch, denied, at_call=2)

        code = tag_iam_users.main(["--dry-run", str(file)])

        out, err = capsys.readouterr()
        assert (code, err) == (1, "  - bob: not bob (AccessDenied)\n")
        assert "1 of 2 users would be tagged; 1 cannot be tagged." in out

    @pytest.mark.usefixtures("iam")
    def test_one_that_comes_while_tags_are_written_says_that_some_are(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def expired(*_: object) -> Plan:
            raise ClientError({"Error": {"Code": "ExpiredToken"}}, "TagUser")

        monkeypatch.setattr(plan, "carry_out", expired)

        code = tag_iam_users.main(["--yes", str(file)])

        assert code == 1
        assert capsys.readouterr().err.splitlines() == [
            f"{EXPIRED} Some users may have their tags already: run this again then."
        ]


def test_a_faulty_file_changes_nothing(iam: IAMClient, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even for the users whose entries are right."""
    file.write_text(json.dumps({"alice": ALICE, "bob": {"IKR:EMAIL": "bob"}}))

    code = tag_iam_users.main(["--yes", str(file)])

    assert (code, *capsys.readouterr()) == (
        1,
        "",
        (
            f"{file} cannot be used, and nothing was changed:\n"
            "  - bob: IKR:EMAIL is 'bob', which is not one plain e-mail address\n"
        ),
    )
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
    file.write_text(json.dumps({"alice": {"IKR:Email": "alice@example.com", "IKR:ROTATE_AFTER_DAYS": 30}, "bob": BOB}))

    code = tag_iam_users.main(["--dry-run", str(file)])

    rows = capsys.readouterr().out.splitlines()
    assert code == 0
    assert any("old@example.com" in row and "alice@example.com" in row for row in rows)
    assert not any("IKR:ROTATE_AFTER_DAYS" in row for row in rows), "that stays as it is"
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


def test_tags_that_are_not_ours_are_set_and_noted(
    iam: IAMClient, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file of aws-iam-key-rotator may have some; its script set them as well."""
    file.write_text(json.dumps({"bob": {**BOB, "Team": "blue"}}))

    code = tag_iam_users.main(["--yes", str(file)])

    assert code == 0
    assert tags_of(iam, "bob") == {**BOB, "Team": "blue"}
    assert capsys.readouterr().err == ("Note: Team (1 user) is not a tag of iam-key-rotator; it is set anyway.\n")


def test_the_usual_file_need_not_be_named(iam: IAMClient, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is called as in aws-iam-key-rotator."""
    file.rename(file.parent / "iam-user-tags.json")
    monkeypatch.chdir(file.parent)

    assert tag_iam_users.main(["--yes"]) == 0

    assert tags_of(iam, "bob") == BOB


class TestTogether:
    """All users of a group or below a path, without a file."""

    @pytest.fixture(autouse=True)
    def people(self, iam: IAMClient) -> None:
        iam.create_user(UserName="carol", Path="/developers/web/")
        iam.create_user(UserName="dave", Path="/developers/")
        iam.create_group(GroupName="developers")
        iam.create_group(GroupName="empty")
        iam.create_group(GroupName="names")
        iam.create_user(UserName="dave@work", Path="/people/")
        iam.add_user_to_group(GroupName="names", UserName="dave@work")
        for name in ("alice", "carol"):
            iam.add_user_to_group(GroupName="developers", UserName=name)

    @pytest.mark.parametrize(
        ("whom", "users"),
        [
            (("--group", "developers"), {"alice", "carol"}),
            (("--path", "/developers/"), {"carol", "dave"}),
        ],
    )
    def test_each_gets_an_address_of_their_own(self, whom: tuple[str, ...], users: set[str], iam: IAMClient) -> None:
        code = tag_iam_users.main([*whom, "--email", "{user}@example.com", "--rotate-after-days", "30", "--yes"])

        assert code == 0
        tagged = {name: tags_of(iam, name) for name in ("alice", "bob", "carol", "dave")}
        assert {name for name, tags in tagged.items() if "IKR:EMAIL" in tags} == users
        for name in users:
            assert tagged[name]["IKR:EMAIL"] == f"{name}@example.com"
            assert tagged[name]["IKR:ROTATE_AFTER_DAYS"] == "30"

    @pytest.mark.parametrize(
        ("group", "template", "note"),
        [
            (
                "developers",
                "x@example.com",
                "Note: all 2 users get the address x@example.com: {user} in --email stands for the user's name.\n",
            ),
            ("developers", "{user}@example.com", ""),
            ("names", "x@example.com", ""),
        ],
    )
    def test_one_mailbox_for_several_users_is_noted(
        self, group: str, template: str, note: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It may be meant; whoever reads it has all their keys."""
        code = tag_iam_users.main(["--group", group, "--email", template, "--yes"])

        assert (code, capsys.readouterr().err) == (0, note)

    @pytest.mark.parametrize(
        ("options", "lines"),
        [
            (("--group", "develpers"), ["There is no group develpers; did you mean developers?"]),
            (("--group", "zzz"), ["There is no group zzz."]),
            (("--group", "empty"), ["The group empty has no users: nothing was done."]),
            (("--path", "/nobody/"), ["The path /nobody/ has no users: nothing was done."]),
            (
                ("--group", "names"),
                [
                    "These options do not fit every user, and nothing was changed:",
                    "  - dave@work: IKR:EMAIL is 'dave@work@example.com', which is not one plain e-mail address",
                ],
            ),
        ],
    )
    def test_what_cannot_be_is_said(
        self, options: tuple[str, ...], lines: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        code = tag_iam_users.main([*options, "--email", "{user}@example.com", "--yes"])

        assert (code, capsys.readouterr().err.splitlines()) == (1, lines)

    @pytest.mark.parametrize(
        ("arguments", "fault"),
        [
            (
                ("--group", "developers", "--yes"),
                "--group and --path need --email, such as --email '{user}@example.com'",
            ),
            (
                ("users.json", "--path", "/", "--email", "{user}", "--yes"),
                "a file and --group or --path do not go together: name one of them",
            ),
            (
                ("--email", "{user}@example.com", "--yes"),
                "--email, --rotate-after-days and --delete-after-days need --group or --path",
            ),
            (
                ("--path", "developers", "--email", "x", "--yes"),
                "argument --path: 'developers' is not an IAM path: it begins and ends with /, as in /developers/",
            ),
            (("--group", "a", "--path", "/", "--yes"), "argument --path: not allowed with argument --group"),
            (
                ("--group", "a", "--email", "{usr}@example.com", "--yes"),
                "argument --email: '{usr}@example.com' is not an e-mail address template; try '{user}@example.com'",
            ),
            (
                ("--group", "a", "--email", "{user}", "--rotate-after-days", "soon", "--yes"),
                "argument --rotate-after-days: 'soon' is not a whole number from 0 to 3650",
            ),
            (("--dryrun",), "unrecognized arguments: --dryrun"),
            (
                ("users.json",),
                "this changes users' tags, and nobody is here to confirm it: add --yes, or --dry-run to look first",
            ),
        ],
    )
    def test_a_command_it_does_not_understand(
        self,
        arguments: tuple[str, ...],
        fault: str,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(sys, "stdin", None)

        with pytest.raises(SystemExit) as stopped:
            tag_iam_users.main(arguments)

        assert stopped.value.code == 2
        assert capsys.readouterr().err.splitlines()[-1] == f"tag_iam_users.py: error: {fault}"


class TestCtrlC:
    @pytest.mark.usefixtures("iam")
    def test_the_rest_is_left_untagged(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Thousands may be waiting in the queue when somebody notices a mistake."""
        file.write_text(json.dumps({f"user{number}": BOB for number in range(100)}))
        tagged = []

        def tag(_: object, each: Plan) -> Plan:
            tagged.append(each.user)
            if len(tagged) > 1:
                raise KeyboardInterrupt
            return each

        monkeypatch.setattr(plan, "look", lambda _, user, wanted: plan.compare(user, wanted, {}))
        monkeypatch.setattr(plan, "carry_out", tag)

        code = tag_iam_users.main(["--yes", str(file)])

        assert (code, capsys.readouterr().err) == (
            130,
            "Interrupted: some users have their tags, others do not. Running it again does no harm.\n",
        )
        assert len(tagged) < 100

    @pytest.mark.usefixtures("iam")
    def test_before_anything_is_changed_that_is_said(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def interrupted(*_: object) -> Plan:
            raise KeyboardInterrupt

        monkeypatch.setattr(plan, "look", interrupted)

        code = tag_iam_users.main(["--yes", str(file)])

        assert (code, *capsys.readouterr()) == (130, "", "Interrupted. Nothing was changed.\n")


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
        for option in ("--dry-run", "--yes", "--group", "--path", "--email", "--region", "--aws-profile"):
            assert option in done.stdout

    def test_without_a_file_the_usual_one_is_missed(self, command: list[str]) -> None:
        done = self.run(command, "--dry-run")

        assert (done.returncode, done.stderr.splitlines()) == (
            1,
            [
                "iam-user-tags.json cannot be used, and nothing was changed:",
                "  - it cannot be read: No such file or directory",
            ],
        )

    def test_a_missing_file_is_named(self, command: list[str]) -> None:
        done = self.run(command, "--dry-run", "/nowhere/users.json")

        assert (done.returncode, done.stderr.splitlines()[0]) == (
            1,
            "/nowhere/users.json cannot be used, and nothing was changed:",
        )

    def test_no_credentials(
        self, command: list[str], file: Path, monkeypatch: pytest.MonkeyPatch, aws_environment: Path
    ) -> None:
        del aws_environment
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

        done = self.run(command, "--dry-run", str(file))

        assert done.returncode == 1
        assert "No AWS credentials" in done.stderr
