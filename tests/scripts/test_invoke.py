"""scripts/invoke.py: an operator's run of the deployed rotator."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from scripts import deployed, invoke
from tests.scripts.loopback import Reply, serving

SCRIPT = Path(invoke.__file__)
SUMMARY = {
    "rotated": 1,
    "in_grace": 2,
    "skipped": {"foreign_key": 3},
    "misconfigured": {"mallory": "IKR:EMAIL is '[b]x', which is not one plain e-mail address"},
    "failed": {},
    "names": {"rotated": ["alice"]},
}
FORESEEN: dict[str, Any] = {
    "rotated": 0,
    "decisions": {
        "alice": {"action": "rotate", "key": "AKIAFAKE00000000OLD1"},
        "bob": {"action": "in_grace"},
        "carol": {"action": "rotate", "key": "AKIAFAKE00000000OLD2"},
        "dave": {"action": "not_due"},
    },
    "misconfigured": {"mallory": "IKR:EMAIL is 'mallory', which is not one plain e-mail address"},
}
BESIDES = "It may also send reminders, and end old keys whose grace period is over."
IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)
USERS = (
    '<ListUsersResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListUsersResult><IsTruncated>false'
    "</IsTruncated><Users>{members}</Users></ListUsersResult></ListUsersResponse>"
)


@dataclass
class Function:
    """The deployed rotator: what it answers, to a dry run and to a run, and what it was invoked with.

    ``users`` are those that IAM lists; None: the operator may not list them.
    """

    answer: Any = field(default_factory=lambda: SUMMARY)
    foreseen: Any = field(default_factory=lambda: FORESEEN)
    fails: bool = False
    users: list[str] | None = None
    exists: bool = True
    events: list[tuple[str, Any]] = field(default_factory=list)


@pytest.fixture
def function(aws_environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    """A server that stands for Lambda and STS."""
    del aws_environment
    rotator = Function()

    def answer(path: str, body: bytes) -> Reply:
        if b"Action=ListUsers" in body:
            return _listed(rotator.users)
        if "/functions/" not in path:
            return Reply(IDENTITY)
        if not rotator.exists:
            missing = json.dumps({"Message": "Function not found: nosuch"})
            return Reply(missing, 404, {"x-amzn-ErrorType": "ResourceNotFoundException"})
        event = json.loads(body)
        rotator.events.append((path.split("/")[3], event))
        told = json.dumps(rotator.foreseen if "dry_run" in event else rotator.answer)
        return Reply(told, headers={"X-Amz-Function-Error": "Unhandled"} if rotator.fails else {})

    with serving(answer) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("COLUMNS", "120")
        yield rotator


def _listed(users: list[str] | None) -> Reply:
    if users is None:
        return Reply("<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>", 403)
    return Reply(USERS.format(members="".join(f"<member><UserName>{name}</UserName></member>" for name in users)))


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
    assert function.events[-1] == ("acme-rotator", event)


def test_the_rotator_is_that_of_a_stack_with_default_names(function: Function) -> None:
    invoke.main(["--dry-run"])

    assert [name for name, _ in function.events] == [deployed.ROTATOR]


@pytest.mark.usefixtures("function")
def test_the_summary_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """With the names of who was rotated, and without what is zero; and with what the tags say as it is.

    To rich, the square brackets in one would be markup.
    """
    invoke.main(["--yes"])

    out = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines()]
    assert ["rotated, and mailed a new key", "1", "alice"] in rows
    assert ["skipped: foreign key", "3", ""] in rows
    assert ["misconfigured", "1", "mallory"] in rows
    assert "failed" not in out
    assert ["mallory", SUMMARY["misconfigured"]["mallory"]] in rows  # type: ignore[index] # of a union's other members


def test_a_dry_run_shows_the_decisions(function: Function, capsys: pytest.CaptureFixture[str]) -> None:
    function.foreseen = {
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


def test_on_a_narrow_terminal_every_name_and_key_is_whole(
    function: Function, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    name = "u" * 64
    function.foreseen = {
        "overdue": {name: 101},
        "decisions": {name: {"action": "skip", "reason": "foreign_key", "key": "AKIAFAKE00000000OLD1"}},
    }

    invoke.main(["--dry-run"])

    out = capsys.readouterr().out
    whole = ["".join(cell) for cell in _columns(out.partition("What a run would do")[2])]
    assert whole == [f"User{name}", "Decisionskip", "Reasonforeignkey", "AccesskeyAKIAFAKE00000000OLD1"]
    assert "".join(_columns(out.partition("Overdue")[2].partition("What a run")[0])[0]) == f"User{name}"


def _columns(table: str) -> list[list[str]]:
    """Give the columns of a table's lines, each as its cells."""
    lines = [re.split("[│┃]", line)[1:-1] for line in table.splitlines() if line[:1] in {"│", "┃"}]
    return [[cell.replace(" ", "") for cell in column] for column in zip(*lines, strict=True)]


@pytest.mark.usefixtures("function")
def test_json_is_the_functions_answer(capsys: pytest.CaptureFixture[str]) -> None:
    invoke.main(["--dry-run", "--json"])

    assert json.loads(capsys.readouterr().out) == FORESEEN


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


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "done",
        7,
        {"refused": ["bob"]},
        {"refused": None},
        {"misconfigured": "bob"},
        {"failed": []},
        {"overdue": [1]},
        {"skipped": 3},
        {"names": ["bob"]},
        {"names": {"rotated": 3}},
        {"names": {"rotated": [None]}},
        {"decisions": {"bob": "rotate"}},
        {"decisions": {"bob": {"action": ["rotate"]}}},
        {"decisions": ["bob"]},
        {"remaining": "many"},
    ],
)
@pytest.mark.parametrize(
    "options", [["--dry-run"], ["--yes"], ["--dry-run", "--user", "bob"], ["--yes", "--user", "bob"]]
)
def test_an_answer_that_is_no_summary(
    answer: object, options: list[str], function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    function.foreseen = function.answer = answer

    code = invoke.main([*options, "--function", "other"])

    line = "other answered with no summary, so it is not a rotator: name the right one with --function.\n"
    assert (code, *capsys.readouterr()) == (1, "", line)


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
    """The question says how many keys, whose, and in which account: the wrong profile is the likeliest mistake."""
    at_the_keyboard.write(typed)
    at_the_keyboard.seek(0)

    code = invoke.main([])

    assert code == 0
    assert [event for _, event in function.events] == [{"dry_run": True}, {}]
    assert capsys.readouterr().err == (
        f"This rotates 2 keys of 5 users in account 111122223333: alice, carol.\n{BESIDES}\nGo on? [y/N] "
    )


@pytest.mark.parametrize("typed", ["n\n", "\n", "", "yesterday\n"])
def test_anything_else_is_a_no(
    typed: str, function: Function, at_the_keyboard: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    at_the_keyboard.write(typed)
    at_the_keyboard.seek(0)

    code = invoke.main([])

    assert (code, [event for _, event in function.events]) == (1, [{"dry_run": True}])
    assert capsys.readouterr().err.endswith("Go on? [y/N] Nothing was done.\n")


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
    assert "old address notified of the change │ 1 │ dave" in shown
    assert "the ledger is incomplete: was it lost or restored? │ yes" in shown
    assert "came back" not in shown, "nobody's did"


def test_force_without_a_name_is_a_usage_error(function: Function) -> None:
    with pytest.raises(SystemExit) as stopped:
        invoke.main(["--force", "--yes"])

    assert (stopped.value.code, function.events) == (2, [])


class TestQuestion:
    """What is asked before keys change, from what a dry run has counted."""

    def asked(self, options: list[str], keyboard: io.StringIO, capsys: pytest.CaptureFixture[str]) -> list[str]:
        keyboard.write("n\n")
        keyboard.seek(0)
        assert invoke.main(options) == 1
        *lines, question = capsys.readouterr().err.splitlines()
        assert question == "Go on? [y/N] Nothing was done."
        return lines

    def test_force_says_so(
        self, function: Function, at_the_keyboard: io.StringIO, capsys: pytest.CaptureFixture[str]
    ) -> None:
        function.foreseen = {"decisions": {"alice": {"action": "rotate"}}}

        lines = self.asked(["--user", "alice", "--force"], at_the_keyboard, capsys)

        assert lines == ["This rotates 1 key, due or not, of 1 user in account 111122223333: alice.", BESIDES]
        assert function.events == [(deployed.ROTATOR, {"dry_run": True, "users": ["alice"], "force": True})]

    def test_what_else_happens_to_keys_is_told(
        self, function: Function, at_the_keyboard: io.StringIO, capsys: pytest.CaptureFixture[str]
    ) -> None:
        actions = {"alice": "recover", "bob": "recover", "carol": "take_back", "dave": "rotate"}
        function.foreseen = {
            "decisions": {name: {"action": action} for name, action in actions.items()},
            "remaining": 7,
        }

        assert self.asked([], at_the_keyboard, capsys) == [
            "This rotates 1 key of 4 users in account 111122223333: dave.",
            "It brings 2 interrupted rotations to an end: alice, bob.",
            "It takes back 1 new key that did not arrive: carol.",
            BESIDES,
            "7 users could not be looked at in time: there may be more.",
        ]

    def test_a_run_without_a_due_key_is_still_good_for_something(
        self, function: Function, at_the_keyboard: io.StringIO, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It retries what failed, and reminds."""
        function.foreseen = {"decisions": {"dave": {"action": "not_due"}}}

        assert self.asked([], at_the_keyboard, capsys) == [
            "No key of 1 user in account 111122223333 is to be rotated.",
            BESIDES,
        ]

    def test_of_many_the_first_are_named(
        self, function: Function, at_the_keyboard: io.StringIO, capsys: pytest.CaptureFixture[str]
    ) -> None:
        function.foreseen = {"decisions": {f"user{n}": {"action": "rotate"} for n in range(1500)}}

        line, _ = self.asked([], at_the_keyboard, capsys)

        assert line.startswith("This rotates 1,500 keys of 1,500 users in account 111122223333: user0, user1, ")
        assert line.endswith(", user19 and 1,480 more.")

    @pytest.mark.usefixtures("function")
    def test_again_says_whose_key_is_replaced(
        self, at_the_keyboard: io.StringIO, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.asked(["--user", "bob", "--user", "alice", "--again"], at_the_keyboard, capsys) == [
            "This replaces 1 new key if never used, in account 111122223333: bob.",
            "This also rotates 1 key: alice.",
            BESIDES,
        ]

    @pytest.mark.parametrize(("options", "how"), [([], ""), (["--force"], ", due or not")])
    def test_again_says_who_is_rotated_and_whom_the_rotator_refuses(
        self,
        options: list[str],
        how: str,
        function: Function,
        at_the_keyboard: io.StringIO,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """The rotator rotates a named user whose key is due, and takes up an interrupted rotation, again or not."""
        actions = {"dana": "rotate", "erin": "recover", "finn": "not_due", "gus": "in_grace", "hal": "not_due"}
        function.foreseen = {"decisions": {name: {"action": action} for name, action in actions.items()}}
        named = [word for name in actions for word in ("--user", name)]

        assert self.asked([*named, "--again", *options], at_the_keyboard, capsys) == [
            "This replaces 1 new key if never used, in account 111122223333: gus.",
            f"This also rotates 2 keys{how}: dana, erin.",
            "finn, hal have no unused new key: the rotator will refuse.",
            BESIDES,
        ]

    def test_again_for_one_without_a_new_key(
        self, function: Function, at_the_keyboard: io.StringIO, capsys: pytest.CaptureFixture[str]
    ) -> None:
        function.foreseen = {"decisions": {"dave": {"action": "not_due"}}}

        assert self.asked(["--user", "dave", "--again"], at_the_keyboard, capsys) == [
            "dave has no unused new key: the rotator will refuse.",
            BESIDES,
        ]

    def test_a_dry_run_that_fails_stops_nobody(
        self, function: Function, at_the_keyboard: io.StringIO, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It fails for one user, and the run serves all others."""
        function.fails = True
        function.foreseen = {"errorMessage": "eve could not be served"}

        assert self.asked([], at_the_keyboard, capsys) == [
            "The dry run failed, so nothing is counted. The run failed. eve could not be served",
            "This rotates the keys of every tagged user in account 111122223333.",
            BESIDES,
        ]


class TestNames:
    """Whom the rotator does not serve, the operator has got wrong: then nothing is done, not even for the others."""

    @pytest.fixture
    def wrong(self, function: Function) -> Function:
        function.foreseen = {
            **FORESEEN,
            "refused": {"bbo": "no such user", "erin": "not tagged", "frank": "outside paths"},
        }
        return function

    @pytest.mark.parametrize("options", [["--yes"], ["--dry-run"], ["--yes", "--again"], ["--yes", "--force"]])
    @pytest.mark.parametrize(
        ("name", "line"),
        [
            ("bbo", "There is no user bbo; did you mean bob?"),
            ("erin", "erin has no tag IKR:EMAIL: tag the user with scripts/tag_iam_users.py."),
            ("frank", "frank is outside the stack's userPaths: add the user's path to them."),
            ("mallory", "mallory is misconfigured: IKR:EMAIL is 'mallory', which is not one plain e-mail address"),
        ],
    )
    def test_each_is_an_error_with_its_remedy(
        self, options: list[str], name: str, line: str, wrong: Function, capsys: pytest.CaptureFixture[str]
    ) -> None:
        wrong.users = ["alice", "bob", "carol", "dave", "erin"]

        code = invoke.main([*options, "--user", "alice", "--user", name])

        assert (code, *capsys.readouterr()) == (1, "", f"{line}\nNothing was done.\n")
        assert all(event.get("dry_run") for _, event in wrong.events)

    @pytest.mark.parametrize("options", [["--yes"], ["--dry-run"], ["--yes", "--force"]])
    @pytest.mark.parametrize(
        ("reason", "words"),
        [
            ("foreign_key", "there are two keys, one of them made by hand: delete the one that nobody uses."),
            ("inactive_key", "the key is inactive: activate it, or delete it."),
            ("out_of_mood", "out of mood."),
        ],
    )
    def test_one_who_is_skipped_is_told_with_the_reason(
        self, reason: str, words: str, options: list[str], function: Function, capsys: pytest.CaptureFixture[str]
    ) -> None:
        function.foreseen = {"decisions": {"sid": {"action": "skip", "reason": reason}, "bob": {"action": "not_due"}}}

        code = invoke.main([*options, "--user", "sid", "--user", "bob"])

        assert (code, *capsys.readouterr()) == (1, "", f"sid is skipped: {words}\nNothing was done.\n")
        assert len(function.events) == 1

    def test_again_may_serve_one_who_is_skipped_otherwise(self, function: Function) -> None:
        """It ends a wait, for example; whom it does not serve, the rotator refuses."""
        function.foreseen = {"decisions": {"bob": {"action": "skip", "reason": "backing_off"}}}

        assert invoke.main(["--yes", "--again", "--user", "bob"]) == 0

    def test_an_older_rotator_says_nothing_of_unknown_users(
        self, function: Function, capsys: pytest.CaptureFixture[str]
    ) -> None:
        function.foreseen = {"decisions": {"alice": {"action": "not_due"}}, "remaining": 0}
        function.users = ["alice", "bob"]

        code = invoke.main(["--yes", "--user", "bbo", "--user", "alice"])

        assert (code, *capsys.readouterr()) == (
            1,
            "",
            "The rotator does not serve bbo: no such user, or no tag IKR:EMAIL; did you mean bob?\nNothing was done.\n",
        )

    def test_who_was_not_reached_in_time_is_not_wrong(self, function: Function) -> None:
        function.foreseen = {"decisions": {}, "remaining": 1}

        assert invoke.main(["--yes", "--user", "alice"]) == 0

    def test_all_are_told_together(self, wrong: Function, capsys: pytest.CaptureFixture[str]) -> None:
        """Without iam:ListUsers there is no guess, and with nobody near there is none either."""
        del wrong

        invoke.main(["--yes", *(word for name in ("frank", "bbo", "erin", "bbo") for word in ("--user", name))])

        assert capsys.readouterr().err.splitlines() == [
            "frank is outside the stack's userPaths: add the user's path to them.",
            "There is no user bbo.",
            "erin has no tag IKR:EMAIL: tag the user with scripts/tag_iam_users.py.",
            "Nothing was done.",
        ]

    def test_a_list_of_names_is_recognised(self, function: Function, capsys: pytest.CaptureFixture[str]) -> None:
        """Before any guess: the list may be near to a name."""
        function.foreseen = {"refused": {"alice,bob": "no such user"}}
        function.users = ["alice.bob"]

        invoke.main(["--yes", "--user", "alice,bob"])

        assert capsys.readouterr().err.splitlines()[0] == (
            "There is no user alice,bob: give each user a --user of their own."
        )

    def test_right_names_are_served_once(self, function: Function) -> None:
        assert invoke.main(["--yes", "--user", "alice", "--user", "alice"]) == 0

        assert [event for _, event in function.events] == [
            {"dry_run": True, "users": ["alice"]},
            {"users": ["alice"]},
        ]

    def test_without_names_a_job_looks_at_nothing_first(self, function: Function) -> None:
        """There is nothing to get wrong, and nobody to be asked."""
        invoke.main(["--yes"])

        assert [event for _, event in function.events] == [{}]


def test_nothing_to_do_is_told(function: Function, capsys: pytest.CaptureFixture[str]) -> None:
    function.answer = {"rotated": 0, "overdue": {}, "out_of_step": False, "names": {}, "skipped": {}}

    invoke.main(["--yes"])

    assert capsys.readouterr().out == "There was nothing to do.\n"


def test_a_dry_run_of_thousands_shows_those_with_something_to_do(
    function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    actions = {f"user{n}": "not_due" for n in range(3000)} | {"zoe": "rotate", "bob": "in_grace"}
    function.foreseen = {"decisions": {name: {"action": action} for name, action in actions.items()}}

    invoke.main(["--dry-run"])

    out = capsys.readouterr().out
    assert out.index("zoe") < out.index("bob"), "the most urgent first"
    assert "user7" not in out
    assert "3,000 users for whom nothing is due are left out" in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--dryrun"], "unrecognized arguments: --dryrun"),
        (["--user"], "argument --user: expected one argument"),
        (["--yes", "--user", " "], "argument --user: the user name is empty"),
        (["--dry-run", "--function", "my rotator"], "argument --function: 'my rotator' is not a name of a function"),
        (["--dry-run", "--function", ""], "argument --function: '' is not a name of a function"),
        (["alice"], "unrecognized arguments: alice"),
    ],
)
def test_a_command_it_does_not_understand(
    arguments: list[str], fault: str, function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        invoke.main(arguments)

    assert (stopped.value.code, function.events) == (2, [])
    assert capsys.readouterr().err.splitlines()[-1] == f"invoke.py: error: {fault}"


class TestCtrlC:
    @pytest.mark.parametrize(
        ("at_call", "line"),
        [
            (1, "Interrupted. Nothing was done."),
            (2, "Interrupted. If the run had begun, it goes on without you: its summary is in the logs."),
        ],
    )
    def test_it_is_said_whether_a_run_may_have_begun(
        self,
        at_call: int,
        line: str,
        function: Function,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        del function
        calls = []
        ask = invoke.invoke

        def interrupted(*arguments: Any) -> Any:
            calls.append(arguments)
            if len(calls) == at_call:
                raise KeyboardInterrupt
            return ask(*arguments)

        monkeypatch.setattr(invoke, "invoke", interrupted)

        code = invoke.main(["--yes", "--user", "alice"])

        assert (code, *capsys.readouterr()) == (130, "", f"{line}\n")

    @pytest.mark.usefixtures("function")
    def test_at_the_question(
        self, at_the_keyboard: io.StringIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def interrupted() -> str:
            raise KeyboardInterrupt

        monkeypatch.setattr(at_the_keyboard, "readline", interrupted)

        code = invoke.main([])

        assert code == 130
        assert capsys.readouterr().err.endswith("Interrupted. Nothing was done.\n")


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
