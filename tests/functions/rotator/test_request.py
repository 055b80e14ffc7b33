from __future__ import annotations

from typing import Any

import pytest

from functions.common.errors import EventError
from functions.rotator.request import Request, parse

SCHEDULED = {"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


@pytest.mark.parametrize(
    ("event", "request_"),
    [
        (SCHEDULED, Request()),
        ({}, Request()),
        ({"dry_run": True}, Request(dry_run=True)),
        ({"users": ["alice", "bob"]}, Request(users=("alice", "bob"))),
        ({"users": ["alice"], "force": True}, Request(users=("alice",), force=True)),
        ({"users": ["alice"], "force": True, "dry_run": True}, Request(users=("alice",), force=True, dry_run=True)),
        ({"users": ["bob"], "again": True}, Request(users=("bob",), again=True)),
        ({"users": ["bob"], "again": True, "force": True}, Request(users=("bob",), again=True, force=True)),
        ({"users": ["bob"], "again": False, "dry_run": True}, Request(users=("bob",), dry_run=True)),
        ({"force": False, "dry_run": False, "again": False, "users": None}, Request()),
    ],
)
def test_event_that_is_taken(event: Any, request_: Request) -> None:
    assert parse(event) == request_


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        (None, "not a JSON object"),
        ([], "not a JSON object"),
        ("dry_run", "not a JSON object"),
        ({"dryrun": True}, "unknown in the event: dryrun; it takes dry_run, users, force, again"),
        ({"dry_run": "true"}, "true or false"),
        ({"dry_run": 1}, "true or false"),
        ({"users": ["alice"], "force": "yes"}, "true or false"),
        ({"users": "alice"}, "list of user names"),
        ({"users": []}, "list of user names"),
        ({"users": [""]}, "list of user names"),
        ({"users": [1]}, "list of user names"),
        ({"users": {"alice": True}}, "list of user names"),
        ({"force": True}, "force needs users"),
        ({"again": True}, "again needs users"),
        ({"users": None, "again": True}, "again needs users"),
        ({"users": [], "again": True}, "list of user names"),
        ({"users": ["bob"], "again": True, "dry_run": True}, "again and dry_run do not go together"),
        ({"users": ["bob"], "again": "true"}, "again is true or false"),
        ({"users": ["bob"], "again": 1}, "again is true or false"),
        ({"users": ["bob"], "again": None}, "again is true or false"),
    ],
)
def test_typing_error_does_not_start_a_run(event: Any, fault: str) -> None:
    with pytest.raises(EventError, match=fault):
        parse(event)
