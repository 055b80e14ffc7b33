from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.common.entry import Entry, Status, to_attribute, to_item
from functions.common.errors import MalformedEntry
from functions.destructor.removal import Removal, read

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TABLE = "key-ledger"
KEY = "AKIAFAKE00000000OLD1"
ENTRY = Entry(user="alice", key_id=KEY, status=Status.EXPIRING, created_at=NOW - timedelta(days=86), delete_on=NOW)
TTL = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


def record(*, removed_at: datetime = NOW, **changes: Any) -> dict[str, Any]:
    """A record as Lambda hands it over, with some of it changed."""
    return {
        "eventID": "1",
        "eventName": "REMOVE",
        "eventSource": "aws:dynamodb",
        "eventSourceARN": f"arn:aws:dynamodb:eu-central-1:111122223333:table/{TABLE}/stream/2029-01-01T00:00:00.000",
        "dynamodb": {
            "ApproximateCreationDateTime": removed_at.timestamp(),
            "Keys": {"user": {"S": "alice"}, "ak": {"S": KEY}},
            "OldImage": to_item(ENTRY),
            "SequenceNumber": "1",
        },
    } | changes


def test_removal_is_read() -> None:
    assert read(record(), TABLE) == Removal(entry=ENTRY, removed_at=NOW, by_ttl=False)


class TestDue:
    def test_is_what_was_removed_at_its_time_or_after(self) -> None:
        assert not read(record(removed_at=NOW - SECOND), TABLE).is_due
        assert read(record(removed_at=NOW), TABLE).is_due
        assert read(record(removed_at=NOW + SECOND), TABLE).is_due

    def test_is_what_dynamodb_removed_whatever_its_clock_says(self) -> None:
        assert read(record(removed_at=NOW - SECOND, userIdentity=TTL), TABLE).is_due

    @pytest.mark.parametrize(
        "identity",
        [
            None,
            {},
            {"type": "Service"},
            {"type": "Service", "principalId": "somebody.amazonaws.com"},
            {"type": "User", "principalId": "dynamodb.amazonaws.com"},
        ],
    )
    def test_is_not_what_anybody_else_removed_early(self, identity: dict[str, str] | None) -> None:
        assert not read(record(removed_at=NOW - SECOND, userIdentity=identity), TABLE).is_due

    @pytest.mark.parametrize("identity", [None, TTL])
    def test_is_never_what_was_given_up(self, identity: dict[str, str] | None) -> None:
        """The operator who removes such an entry wants the key kept."""
        image = to_item(ENTRY) | {"status": {"S": "failed"}}
        change = record()["dynamodb"] | {"OldImage": image}

        assert not read(record(removed_at=NOW + SECOND, dynamodb=change, userIdentity=identity), TABLE).is_due


class TestUnreadable:
    @pytest.mark.parametrize("shape", [None, "text", 1, []])
    def test_is_what_is_no_mapping(self, shape: object) -> None:
        with pytest.raises(MalformedEntry, match="no mapping"):
            read(shape, TABLE)

    @pytest.mark.parametrize("identity", ["dynamodb.amazonaws.com", ["Service"], 1])
    def test_is_what_was_removed_by_nobody_knows_whom(self, identity: object) -> None:
        with pytest.raises(MalformedEntry, match=f"user alice, key {KEY}: nobody can tell who removed it"):
            read(record(userIdentity=identity), TABLE)

    @pytest.mark.parametrize(
        "arn",
        [
            "arn:aws:dynamodb:eu-central-1:111122223333:table/another/stream/label",
            "arn:aws:dynamodb:eu-central-1:111122223333:table/key-ledger-2/stream/label",
            "",
        ],
    )
    def test_is_what_comes_from_another_table(self, arn: str) -> None:
        with pytest.raises(MalformedEntry, match="not from the table key-ledger"):
            read(record(eventSourceARN=arn), TABLE)

    @pytest.mark.parametrize("event", ["INSERT", "MODIFY"])
    def test_is_what_is_no_removal(self, event: str) -> None:
        with pytest.raises(MalformedEntry, match="not a removal"):
            read(record(eventName=event), TABLE)

    @pytest.mark.parametrize("change", [None, "text", {}, {"OldImage": None}])
    def test_is_what_shows_no_entry(self, change: Any) -> None:
        with pytest.raises(MalformedEntry, match=r"not a removal|no old image"):
            read(record(dynamodb=change), TABLE)

    @pytest.mark.parametrize("status", [Status.CURRENT, Status.ROTATING, Status.DELIVERING])
    def test_is_what_was_not_about_to_end(self, status: Status) -> None:
        """An entry that an operator removes in the middle of a rotation must not end that key."""
        image = to_item(ENTRY) | {
            "status": {"S": status},
            "attempt": {"S": "1"},
            "started_at": to_attribute(NOW),
            "claimed_at": to_attribute(NOW),
            "new_ak": {"S": "AKIAFAKE00000000NEW1"},
        }

        with pytest.raises(MalformedEntry, match=f"user alice, key {KEY}: removed while {status}"):
            read(record(dynamodb=record()["dynamodb"] | {"OldImage": image}), TABLE)

    @pytest.mark.parametrize("time", [None, "noon", float("inf")])
    def test_is_what_bears_no_time(self, time: Any) -> None:
        change = record()["dynamodb"] | {"ApproximateCreationDateTime": time}

        with pytest.raises(MalformedEntry, match=f"user alice, key {KEY}: its removal has no time"):
            read(record(dynamodb=change), TABLE)

    def test_names_user_and_key(self) -> None:
        image = {name: value for name, value in to_item(ENTRY).items() if name != "delete_on"}

        with pytest.raises(MalformedEntry, match=f"ledger item of user alice, key {KEY}: delete_on missing"):
            read(record(dynamodb=record()["dynamodb"] | {"OldImage": image}), TABLE)
