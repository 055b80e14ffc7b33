"""scripts/invoke.py: an operator's run of the deployed rotator."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scripts import deployed, invoke

SCRIPT = Path(invoke.__file__)
SUMMARY = {
    "rotated": 1,
    "in_grace": 2,
    "skipped": {"foreign_key": 3},
    "misconfigured": {"mallory": "IKR:EMAIL is '[b]x', which is not one plain e-mail address"},
    "failed": {},
}
IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)


@dataclass
class Function:
    """The deployed rotator: what it answers, and what it was invoked with."""

    answer: Any = field(default_factory=lambda: SUMMARY)
    fails: bool = False
    exists: bool = True
    events: list[tuple[str, Any]] = field(default_factory=list)


@pytest.fixture
def function(aws_environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    """A server that stands for Lambda and STS."""
    del aws_environment
    rotator = Function()

    class Aws(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if "/functions/" not in self.path:
                self.reply(200, IDENTITY)
            elif not rotator.exists:
                self.reply(404, json.dumps({"Message": "Function not found: nosuch"}), "ResourceNotFoundException")
            else:
                rotator.events.append((self.path.split("/")[3], json.loads(body)))
                self.reply(200, json.dumps(rotator.answer))

        def reply(self, status: int, content: str, error: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if error:
                self.send_header("x-amzn-ErrorType", error)
            if rotator.fails:
                self.send_header("X-Amz-Function-Error", "Unhandled")
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Aws) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("COLUMNS", "120")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield rotator
        server.shutdown()
        thread.join()


@pytest.fixture
def at_the_keyboard(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Somebody is there to be asked; write into it what they type."""
    keyboard = io.StringIO()
    monkeypatch.setattr(keyboard, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", keyboard)
    return keyboard


@pytest.mark.parametrize(
    ("options", "event"),
    [
        (["--yes"], {}),
        (["--dry-run"], {"dry_run": True}),
        (["--yes", "--user", "alice", "--user", "bob"], {"users": ["alice", "bob"]}),
        (["--yes", "--user", "alice", "--force"], {"users": ["alice"], "force": True}),
        (["--yes", "--user", "bob", "--again"], {"users": ["bob"], "again": True}),
        (["--yes", "--user", "bob", "--again", "--force"], {"users": ["bob"], "again": True, "force": True}),
        (
            ["--dry-run", "--user", "alice", "--force"],
            {"dry_run": True, "users": ["alice"], "force": True},
        ),
    ],
)
def test_the_event_is_what_was_asked_for(options: list[str], event: dict[str, Any], function: Function) -> None:
    code = invoke.main([*options, "--function", "acme-rotator"])

    assert code == 0
    assert function.events == [("acme-rotator", event)]


def test_the_rotator_is_that_of_a_stack_with_default_names(function: Function) -> None:
    invoke.main(["--dry-run"])

    assert [name for name, _ in function.events] == [deployed.ROTATOR]


@pytest.mark.usefixtures("function")
def test_the_summary_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """With what the tags say as it is: to rich, the square brackets in one would be markup."""
    invoke.main(["--yes"])

    out = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines()]
    assert ["rotated", "1"] in rows
    assert ["skipped: foreign key", "3"] in rows
    assert ["misconfigured", "1"] in rows
    assert ["mallory", SUMMARY["misconfigured"]["mallory"]] in rows  # type: ignore[index] # of a union's other members


def test_a_dry_run_shows_the_decisions(function: Function, capsys: pytest.CaptureFixture[str]) -> None:
    function.answer = {
        "rotated": 0,
        "decisions": {
            "alice": {"action": "rotate", "key": "AKIAFAKE00000000OLD1"},
            "bob": {"action": "skip", "reason": "inactive_key"},
        },
    }

    invoke.main(["--dry-run"])

    out = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines()]
    assert ["alice", "rotate", "", "AKIAFAKE00000000OLD1"] in rows
    assert ["bob", "skip", "inactive key", ""] in rows


@pytest.mark.usefixtures("function")
def test_json_is_the_functions_answer(capsys: pytest.CaptureFixture[str]) -> None:
    invoke.main(["--dry-run", "--json"])

    assert json.loads(capsys.readouterr().out) == SUMMARY


def test_a_run_that_failed(function: Function, capsys: pytest.CaptureFixture[str]) -> None:
    """The function's own message says who could not be served; where in the code that was is nobody's business."""
    function.fails = True
    function.answer = {
        "errorMessage": "1 of this run's users could not be served: alice: SealingError",
        "errorType": "RunFailed",
        "stackTrace": ["  File handler.py"],
    }

    code = invoke.main(["--yes"])

    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    assert "alice: SealingError" in err
    assert "handler.py" not in err


def test_a_function_that_is_no_rotator(function: Function, capsys: pytest.CaptureFixture[str]) -> None:
    function.answer = None

    code = invoke.main(["--dry-run", "--function", "other"])

    assert code == 1
    assert "other" in capsys.readouterr().err


def test_a_function_that_is_not_there(function: Function, capsys: pytest.CaptureFixture[str]) -> None:
    function.exists = False

    code = invoke.main(["--dry-run", "--function", "nosuch"])

    err = capsys.readouterr().err
    assert code == 1
    assert "Function not found: nosuch" in err
    assert "--function" in err


@pytest.mark.parametrize("typed", ["y\n", "YES\n"])
def test_a_yes_is_taken(
    typed: str, function: Function, at_the_keyboard: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """The question says whose keys, and in which account: the wrong profile is the likeliest mistake."""
    at_the_keyboard.write(typed)
    at_the_keyboard.seek(0)

    code = invoke.main(["--user", "alice", "--user", "bob"])

    err = capsys.readouterr().err
    assert code == 0
    assert len(function.events) == 1
    assert "alice, bob" in err
    assert "111122223333" in err


@pytest.mark.parametrize("typed", ["n\n", "\n", "", "yesterday\n"])
def test_anything_else_is_a_no(
    typed: str, function: Function, at_the_keyboard: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    at_the_keyboard.write(typed)
    at_the_keyboard.seek(0)

    code = invoke.main([])

    assert (code, function.events) == (1, [])
    assert "Nothing was done." in capsys.readouterr().err


def test_nobody_to_ask(function: Function, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A job must say that it means it, rather than have a stray line on its standard input say so."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))

    with pytest.raises(SystemExit) as stopped:
        invoke.main([])

    assert (stopped.value.code, function.events) == (2, [])
    assert "--yes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--again", "--yes"], "--again needs --user"),
        (["--again", "--user", "bob", "--dry-run"], "--again and --dry-run do not go together"),
    ],
)
def test_again_that_makes_no_sense_is_a_usage_error(
    function: Function, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        invoke.main(options)

    assert ended.value.code == 2
    assert words in capsys.readouterr().err
    assert function.events == []


def test_refusal_is_named_and_an_exit_code(function: Function, capsys: pytest.CaptureFixture[str]) -> None:
    function.answer = {**SUMMARY, "refused": {"bob": "access key AKIAFAKE00000000NEW1 has been used"}}

    code = invoke.main(["--yes", "--user", "bob", "--again"])

    assert code == 1
    assert "AKIAFAKE00000000NEW1 has been used" in " ".join(capsys.readouterr().out.split())


def test_users_who_need_somebody_are_named(function: Function, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts alone would send the operator to the logs."""
    function.answer = {
        **SUMMARY,
        "overdue": {"carol": 101},
        "addresses_changed": ["dave"],
        "returned": [],
        "out_of_step": True,
    }

    invoke.main(["--yes"])

    shown = " ".join(capsys.readouterr().out.split())
    assert "an active key is 101 days old" in shown
    assert "dave" in shown
    assert "out of step │ yes" in shown


def test_force_without_a_name_is_a_usage_error(function: Function) -> None:
    with pytest.raises(SystemExit) as stopped:
        invoke.main(["--force", "--yes"])

    assert (stopped.value.code, function.events) == (2, [])


def test_no_region(aws_environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    del aws_environment
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    code = invoke.main(["--dry-run"])

    assert code == 1
    assert "--region" in capsys.readouterr().err


class TestCommand:
    """Run as people run it, from anywhere."""

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(SCRIPT), *arguments],
            cwd="/",
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def test_help(self) -> None:
        done = self.run("--help", COLUMNS="80")

        assert done.returncode == 0
        assert max(map(len, done.stdout.splitlines())) <= 80
        for option in (
            "--dry-run",
            "--user",
            "--force",
            "--again",
            "--yes",
            "--function",
            "--region",
            "--aws-profile",
            "--json",
        ):
            assert option in done.stdout

    @pytest.mark.usefixtures("aws_environment")
    def test_an_unknown_profile_is_named(self) -> None:
        done = self.run("--dry-run", "--aws-profile", "nobodys")

        assert done.returncode == 1
        assert "nobodys" in done.stderr
        assert "Traceback" not in done.stderr
