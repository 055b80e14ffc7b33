"""What an operator's terminal shows of tags, ledger and answers: it is read there, and not obeyed."""

from __future__ import annotations

import io
import json
import shlex
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from functions.common.entry import Status
from scripts import decryption, tag_iam_users, take_down
from scripts.invoking import answer
from scripts.reporting.table import ROOMY, as_table
from scripts.tagging import plan
from scripts.tagging.plan import Change, Plan
from scripts.taking_down.remains import Remains
from scripts.terminal import printable
from tests.scripts.reporting.people import OLD_KEY, entry, key, survey, user

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\u2066\u200b"


def screen(what: Any) -> str:
    """Print with rich, as a terminal would get it, without colours."""
    shown = io.StringIO()
    Console(file=shown, width=400, force_terminal=False).print(what)
    return shown.getvalue()


def assert_read_and_not_obeyed(shown: str) -> None:
    assert "owned" in shown
    assert [line for line in shown.splitlines() if not line.isprintable()] == []


@settings(deadline=None)
@given(st.text())
def test_what_is_printable_is_one_line_that_a_terminal_shows(text: str) -> None:
    assert printable(text).isprintable()
    assert "\x1b" not in printable(text)


@settings(deadline=None)
@given(st.text())
def test_the_script_that_stands_alone_shows_the_same(text: str) -> None:
    """The rule is written twice, since decryption.py has nothing beside it; the two must not part."""
    assert decryption.printable(text) == printable(text)


def test_ordinary_words_stay_as_they_are() -> None:
    assert printable("Jürgen's key, 鍵: 3 of 4 [bold]") == "Jürgen's key, 鍵: 3 of 4 [bold]"


@pytest.mark.parametrize("width", [80, ROOMY])
def test_report_obeys_nothing(width: int) -> None:
    hostile = user(
        key(1, HOSTILE, entry=entry(Status.EXPIRING, 91, last_error=HOSTILE)),
        name=HOSTILE,
        decision=None,
        fault=HOSTILE,
        unreadable=True,
    )

    assert_read_and_not_obeyed(screen(as_table(survey(hostile), width)))


def test_answer_of_the_rotator_is_not_obeyed() -> None:
    """A user's name, a reason and the answer's own names; neither escapes nor rich's markup."""
    summary = {
        f"rotated {HOSTILE}": 1,
        "skipped": {HOSTILE: 2},
        "failed": {HOSTILE: HOSTILE},
        f"late {HOSTILE}": [HOSTILE],
        "overdue": {HOSTILE: HOSTILE},
        "decisions": {HOSTILE: {"action": HOSTILE, "reason": HOSTILE, "key": HOSTILE}},
        "[link=https://evil.example]": "[red]red[/red]",
    }

    shown = screen(answer.show(summary))

    assert_read_and_not_obeyed(shown)
    assert "[link=https://evil.example]" in shown
    assert "[red]red[/red]" in shown


def test_tags_that_are_there_are_not_obeyed() -> None:
    plans = [Plan(HOSTILE, changes=[Change(HOSTILE, HOSTILE, HOSTILE)]), Plan("bob", failure=HOSTILE)]

    assert_read_and_not_obeyed(screen(plan.as_table(plans)))


def test_tag_files_faults_are_not_obeyed(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / f"{HOSTILE}.json".replace("/", "")
    file.write_text(json.dumps({HOSTILE: {HOSTILE: HOSTILE}}))

    assert tag_iam_users.main(["--dry-run", str(file)]) == 1

    assert_read_and_not_obeyed(capsys.readouterr().err)


class TestTakeDown:
    """It prints commands that are copied: what the ledger holds is a word in them, and nothing else."""

    def found(self, name: str, parameter: str) -> Remains:
        expiring = entry(Status.EXPIRING, 91)
        object.__setattr__(expiring, "user", name)
        return Remains(holders=[], unfinished=[expiring], unreadable=0, encryption_keys=[parameter], secrets_key=None)

    def test_ledger_cannot_write_a_command(self) -> None:
        """Whoever may write to the ledger could else have an administrator run what they like."""
        name, parameter = "alice; rm -rf ~ #", "/ikr/secret/iam/$(rm -rf ~)"

        lines = list(take_down._what_stays(self.found(name, parameter)))

        commands = [shlex.split(line, comments=True) for line in lines if line.startswith("  aws ")]
        assert commands == [
            ["aws", "iam", "delete-access-key", "--user-name", name, "--access-key-id", OLD_KEY],
            ["aws", "ssm", "delete-parameter", "--name", parameter],
        ]

    def test_nothing_is_obeyed(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        service = take_down.Service(
            session=None,  # type: ignore[arg-type] # a dry run asks nobody
            resources=[],
            table=HOSTILE,
            policy_arn=None,
            remains=self.found(HOSTILE, HOSTILE),
        )
        monkeypatch.setattr(take_down, "_look", lambda *_: service)

        assert take_down.main(["--dry-run"]) == 0

        assert_read_and_not_obeyed(capsys.readouterr().out)
