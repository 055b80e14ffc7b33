"""The report for programs."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.common.entry import Status
from functions.rotator.decide import Action, Decision, Reason
from scripts.reporting.exports import as_csv, as_json
from scripts.reporting.survey import Bystander, Step, Survey
from tests.scripts.reporting.people import NEW_KEY, NOW, OLD_KEY, entry, key, survey, used, user

FULL_WIDTH = "\uff1d\uff0b\uff0d\uff20"  # the signs of formulas as East Asian keyboards write them


@pytest.fixture
def everything() -> Survey:
    """A key in its grace period with its successor, a user without a key, and one that cannot be read."""
    end = NOW + timedelta(days=4)
    old = key(91.5, last_use=used(2), entry=entry(Status.EXPIRING, 91.5, delete_on=end, new_key_id=NEW_KEY))
    return survey(
        user(old, key(1, NEW_KEY), action=Action.IN_GRACE, step=Step(what="deletion", on=end, why="because")),
        user(name="bob", decision=Decision(action=Action.SKIP, reason=Reason.NO_KEY)),
        user(name="carol", decision=None, fault="ListAccessKeys: AccessDenied", unreadable=True),
    )


class TestJson:
    def test_a_user(self, everything: Survey) -> None:
        alice = json.loads(as_json(everything))["users"][0]

        del alice["keys"]
        assert alice == {
            "user": "alice",
            "standing": "overdue",
            "email": "alice@example.com",
            "rotate_after_days": 80,
            "delete_after_days": 5,
            "decision": "in_grace",
            "reason": None,
            "next_step": "deletion",
            "next_date": "2030-03-05T12:00:00+00:00",
            "next_reason": "because",
            "warnings": [],
        }

    def test_a_key(self, everything: Survey) -> None:
        old, _ = json.loads(as_json(everything))["users"][0]["keys"]

        assert old == {
            "access_key_id": OLD_KEY,
            "active": True,
            "created_at": "2029-11-30T00:00:00+00:00",
            "age_days": 91.5,
            "too_old": True,
            "last_used_at": "2030-02-27T12:00:00+00:00",
            "last_used_service": "s3",
            "last_used_region": "eu-west-1",
            "last_use_known": True,
            "ledger_status": "expiring",
            "ledger_ends_at": "2030-03-05T12:00:00+00:00",
            "ledger_successor": NEW_KEY,
            "ledger_replaces": None,
            "ledger_attempts": 0,
            "ledger_last_error": None,
        }

    def test_the_whole(self, everything: Survey) -> None:
        document = json.loads(as_json(everything))

        assert document["account"] == {"id": "111122223333", "alias": "acme-prod"}
        assert (document["taken_at"], document["max_age_days"]) == ("2030-03-01T12:00:00+00:00", 90)
        assert document["passed"] is False
        assert [(one["user"], one["decision"], one["reason"]) for one in document["users"]] == [
            ("alice", "in_grace", None),
            ("bob", "skip", "no_key"),
            ("carol", "unreadable", "ListAccessKeys: AccessDenied"),
        ]


class TestCsv:
    def test_a_line_per_key_and_one_for_who_has_none(self, everything: Survey) -> None:
        lines = list(csv.DictReader(io.StringIO(as_csv(everything))))

        assert [(line["user"], line["access_key_id"], line["too_old"]) for line in lines] == [
            ("alice", OLD_KEY, "true"),
            ("alice", NEW_KEY, "false"),
            ("bob", "", ""),
            ("carol", "", ""),
        ]

    def test_who_is_not_tagged_comes_last(self) -> None:
        """With all that is known of the keys, and a word for why nobody rotates them."""
        left_alone = Bystander(name="legacy", why=Reason.NOT_TAGGED, keys=(key(412, is_use_known=False),))
        unread = Bystander(name="closed", why=Reason.OUTSIDE_PATHS, unreadable=True)
        found = survey(user(key(1)), bystanders=(left_alone, unread))

        lines = list(csv.DictReader(io.StringIO(as_csv(found))))
        others = json.loads(as_json(found))["not_tagged"]

        told = [(line["user"], line["decision"], line["reason"], line["age_days"], line["too_old"]) for line in lines]
        assert told[1:] == [
            ("legacy", "left_alone", "not_tagged", "412.0", "true"),
            ("closed", "unreadable", "outside_paths", "", ""),
        ]
        assert [(other["user"], other["reason"], len(other["keys"])) for other in others] == [
            ("legacy", "not_tagged", 1),
            ("closed", "outside_paths", 0),
        ]
        assert (others[0]["keys"][0]["last_used_at"], others[0]["keys"][0]["last_use_known"]) == (None, False)

    def test_it_says_what_json_says(self, everything: Survey) -> None:
        """Only as text, and with nothing for null."""
        alice = json.loads(as_json(everything))["users"][0]
        (old, _) = alice.pop("keys")
        wanted = {name: "" if value in (None, []) else str(value) for name, value in {**alice, **old}.items()}

        line = next(csv.DictReader(io.StringIO(as_csv(everything))))

        assert line == {**wanted, "active": "true", "too_old": "true", "last_use_known": "true"}

    @pytest.mark.parametrize(
        "name",
        [
            "=1+1",
            "+alice",
            "-alice",
            "@alice",
            f"{FULL_WIDTH[0]}1+1",
            f"{FULL_WIDTH[1]}1",
            f"{FULL_WIDTH[2]}1",
            f"{FULL_WIDTH[3]}SUM(1)",
            "  =1+1",
        ],
    )
    def test_a_spreadsheet_computes_nothing(self, name: str) -> None:
        """IAM takes such names, and whoever may make users would otherwise write formulas for the auditor."""
        (line,) = csv.DictReader(io.StringIO(as_csv(survey(user(key(1), name=name)))))

        assert line["user"] == f"'{name}"
        assert line["email"] == f"'{name}@example.com"

    @pytest.mark.parametrize("before", ["\t", "\r", "\n", "\r\n", "\u00a0", "\u3000", "\ufeff", "\u200b", "\x00"])
    def test_nothing_that_is_not_seen_comes_before_a_formula(self, before: str) -> None:
        """Spreadsheets skip it, and some take a tab or a line break for the beginning of a cell."""
        text = as_csv(survey(user(key(1, last_use=None), decision=None, fault=f"{before}=1+1")))

        (line,) = csv.DictReader(io.StringIO(text))
        assert line["reason"].endswith("=1+1")
        assert line["reason"].startswith("\\")
        assert before not in line["reason"]

    @settings(deadline=None)
    @given(
        st.lists(
            st.sampled_from([*f"=+-@{FULL_WIDTH};,|\t\r\n\" '\u00a0\ufeff", "1+1", "cmd"]), min_size=1, max_size=8
        ).map("".join)
    )
    def test_no_separator_makes_a_cell_of_a_formula(self, hostile: str) -> None:
        """Which character ends a cell depends on the reader's country; a line break ends it everywhere."""
        text = as_csv(survey(user(key(1), decision=None, fault=hostile)))

        (line,) = csv.DictReader(io.StringIO(text))
        cells = re.split(r"[;,|\t\r\n\"]", line["reason"])
        assert [cell for cell in cells if cell.strip().startswith(tuple(f"=+-@{FULL_WIDTH}"))] == []

    def test_what_is_no_formula_stays_as_it_is(self) -> None:
        words = "ListAccessKeys: AccessDenied - not for alice+bob@example.com; a=b"

        (line,) = csv.DictReader(io.StringIO(as_csv(survey(user(key(1), decision=None, fault=words)))))

        assert line["reason"] == words
