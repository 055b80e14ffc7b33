"""The operators' scripts where something is wrong about AWS, or the way to it: one line, the remedy, nothing done."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts import invoke, report, tag_iam_users, take_down
from tests.scripts.loopback import Reply, serving

SCRIPTS = Path(invoke.__file__).parent
TABLE = {"type": "aws:dynamodb/table:Table", "id": "key-ledger"}
STATE = json.dumps({"deployment": {"resources": [TABLE]}})
PROFILE = "or use --aws-profile."
CHECK = "check `aws sts get-caller-identity`, or --aws-profile."
NETWORK = "check the network, a proxy in between, and AWS_ENDPOINT_URL."


@dataclass(frozen=True)
class Command:
    """A script, with what makes it look at AWS and change nothing; and the first thing that it asks of AWS."""

    name: str
    main: Callable[[list[str]], int]
    arguments: tuple[str, ...]
    first_call: str
    needs_region: bool = True


COMMANDS = (
    Command("invoke", invoke.main, ("--dry-run",), "Invoke"),
    Command("report", report.main, (), "GetFunctionConfiguration"),
    Command("tag_iam_users", tag_iam_users.main, ("--dry-run", "users.json"), "ListUserTags", needs_region=False),
    Command("take_down", take_down.main, ("--dry-run",), "DescribeTable"),
)

Run = Callable[..., str]


@pytest.fixture(params=COMMANDS, ids=lambda command: command.name)
def command(request: pytest.FixtureRequest) -> Command:
    """One of the scripts."""
    found: Command = request.param
    return found


@pytest.fixture
def run(
    command: Command,
    aws_environment: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run the script, which is to fail; gives the line that it fails with."""
    del aws_environment
    (tmp_path / "users.json").write_text('{"bob": {"IKR:EMAIL": "bob@example.com"}}')
    (tmp_path / "pulumi").write_text(f"""#!/bin/sh\n[ "$1" = stack ] && echo '{STATE}'\n""")
    (tmp_path / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)  # between its attempts

    def run(*options: str) -> str:
        code = command.main([*command.arguments, *options])
        out, err = capsys.readouterr()
        assert (code, out) == (1, "")
        (line,) = err.splitlines()
        return line

    return run


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Reply], None]]:
    """Stand where AWS would, with one answer to everything."""
    replies: list[Reply] = []
    with serving(lambda *_: replies[-1]) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        yield replies.append


class TestSigningIn:
    def test_a_misspelt_profile(self, run: Run, aws_environment: Path) -> None:
        config = aws_environment.parent / "config"
        config.parent.mkdir()
        config.write_text("[profile staging]\nregion = eu-west-1\n")

        assert run("--aws-profile", "stagign") == "There is no AWS profile stagign; did you mean staging?"

    def test_an_unknown_profile(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of the environment, too."""
        line = "There is no AWS profile nobodys: `aws configure list-profiles` lists yours."

        assert run("--aws-profile", "nobodys") == line

        monkeypatch.setenv("AWS_PROFILE", "nobodys")

        assert run() == line

    def test_no_credentials(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

        assert run() == "No AWS credentials found: set them up with `aws configure`, or use --aws-profile."

    def test_half_of_the_credentials(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

        assert run() == ("AWS could not be asked: Partial credentials found in env, missing: AWS_SECRET_ACCESS_KEY")

    @pytest.mark.parametrize(
        ("region", "end"),
        [
            ("eu-west1", "; did you mean eu-west-1?"),
            ("EU-WEST-1", "; did you mean eu-west-1?"),
            ("frankfurt", ": name the one of the stack with --region."),
            ("eu west 1", "; did you mean eu-west-1?"),
            ("eu-west-1;rm", "; did you mean eu-west-1?"),
        ],
    )
    def test_a_region_that_is_none(self, region: str, end: str, run: Run) -> None:
        assert run("--region", region) == f"{region} is not an AWS region{end}"

    def test_no_region(self, run: Run, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        """IAM has none, but an endpoint of one's own needs one to sign for."""
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        if not command.needs_region:
            monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

        assert run() == "No AWS region is set: name the one of the stack with --region."

    def test_an_endpoint_that_is_no_address(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost")

        assert run() == ("The AWS configuration cannot be used: Invalid endpoint: localhost. Check AWS_ENDPOINT_URL.")

    @pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\xff", b"region = eu-west-1\n", b"[default\n"])
    def test_a_damaged_configuration(self, content: bytes, run: Run, aws_environment: Path) -> None:
        config = aws_environment.parent / "config"
        config.parent.mkdir()
        config.write_bytes(content)

        assert run() == f"AWS could not be asked: Unable to parse config file: {config}"


class TestRefusals:
    @pytest.mark.parametrize(
        ("code", "line"),
        [
            (
                "ExpiredTokenException",
                f"Your AWS credentials have expired: sign in again (`aws sso login`, for example), {PROFILE}",
            ),
            ("InvalidClientTokenId", f"AWS does not accept these credentials (InvalidClientTokenId): {CHECK}"),
            ("SignatureDoesNotMatch", f"AWS does not accept these credentials (SignatureDoesNotMatch): {CHECK}"),
            (
                "AccessDeniedException",
                "AWS refused {call} (AccessDeniedException): eve may not. --help lists the rights you need.",
            ),
        ],
    )
    def test_it_is_said_what_to_do(
        self, code: str, line: str, run: Run, command: Command, answering: Callable[[Reply], None]
    ) -> None:
        if command.first_call == "ListUserTags":
            body = f"<ErrorResponse><Error><Code>{code}</Code><Message>eve may not.</Message></Error></ErrorResponse>"
        else:
            body = json.dumps({"__type": code, "message": "eve may not."})
        answering(Reply(body, 403, {"x-amzn-ErrorType": code}))

        assert run() == line.format(call=command.first_call)


def test_ctrl_c_while_aws_lets_it_wait(
    command: Command, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As people do it: the signal comes to the process, which ends at once, whatever its threads wait for."""
    del run
    asked, released = threading.Event(), threading.Event()

    def answer(*_: object) -> Reply:
        asked.set()
        released.wait()
        return Reply("")

    with serving(answer) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", f"{SCRIPTS}/{command.name}.py", *command.arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        asked.wait()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        released.set()

    assert (process.returncode, out) == (130, "")
    assert err.startswith("Interrupted. Nothing ")
    assert len(err.splitlines()) == 1


class TestTheWayThere:
    def test_an_endpoint_that_is_down(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

        line = run()

        assert line.startswith('AWS could not be reached: Could not connect to the endpoint URL: "http://127.0.0.1:1/')
        assert line.endswith(" Check the network, the region and AWS_ENDPOINT_URL.")

    @pytest.mark.parametrize("status", [200, 302, 403])
    @pytest.mark.parametrize(
        "body", ["<!DOCTYPE html><html><body>Sign in to the hotel</body></html>", "hello", "\ufffd\x00"]
    )
    def test_something_else_answers(
        self, body: str, status: int, run: Run, command: Command, answering: Callable[[Reply], None]
    ) -> None:
        """A portal, a proxy, or a wrong port."""
        answering(Reply(body, status, {"Content-Type": "text/html"}))

        assert run() == f"The answer to {command.first_call} did not come from AWS: {NETWORK}"

    @pytest.mark.parametrize("body", ["", "{}", "Moved"])
    def test_a_redirection(self, body: str, run: Run, command: Command, answering: Callable[[Reply], None]) -> None:
        """AWS sends nobody elsewhere; a portal does."""
        answering(Reply(body, 302, {"Location": "http://portal.example.com"}))

        assert run() == f"The answer to {command.first_call} did not come from AWS: {NETWORK}"

    @pytest.mark.parametrize("command", [one for one in COMMANDS if one.name == "tag_iam_users"], indirect=True)
    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ("<rss><channel/></rss>", 200),
            ("<ListUserTagsResponse/>", 200),
            ('<?xml version="1.0"?><ListUsersResponse><ListUsersResult/></ListUsersResponse>', 200),
            ("<Portal><ListUserTagsResult/></Portal>", 200),
            ("<fault>no</fault>", 403),
            ("<ListUserTagsResponse><ListUserTagsResult/></ListUserTagsResponse>", 404),
        ],
    )
    def test_xml_that_is_not_aws_s(self, body: str, status: int, run: Run, answering: Callable[[Reply], None]) -> None:
        answering(Reply(body, status, {"Content-Type": "text/xml"}))

        assert run() == f"The answer to ListUserTags did not come from AWS: {NETWORK}"

    def test_an_error_page_is_tried_again_and_told(
        self, run: Run, command: Command, answering: Callable[[Reply], None]
    ) -> None:
        answering(Reply("<html>Service Unavailable</html>", 503))

        assert run() == (
            f"AWS answered {command.first_call} with an error page (503): Service Unavailable. Try again later."
        )

    def test_an_answer_that_is_cut_off(self, run: Run, command: Command, answering: Callable[[Reply], None]) -> None:
        answering(Reply('{"Environment": {"Vari' if command.needs_region else "<ListUserTagsResponse><ListUserTags"))

        line = run()

        if command.first_call == "Invoke":
            assert line.endswith(
                "answered with no summary, so it is not a rotator: name the right one with --function."
            )
        else:
            assert line.endswith(f": {NETWORK}")
