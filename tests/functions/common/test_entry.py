from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from functions.common.entry import Entry, Status, parse, to_attribute, to_item
from functions.common.errors import MalformedEntry

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
OLD, NEW = "AKIAFAKE00000000OLD1", "AKIAFAKE00000000NEW1"
FULL = Entry(
    user="alice",
    key_id=OLD,
    status=Status.DELIVERING,
    created_at=NOW - timedelta(days=81),
    email="alice@example.com",
    attempt="an-attempt",
    started_at=NOW,
    claimed_at=NOW + timedelta(minutes=20),
    delete_on=NOW + timedelta(days=5),
    new_key_id=NEW,
    sealed_block="not-a-real-block",
    parameter="/ikr/secret/iam/alice",
    attempts=3,
    last_error="DeleteAccessKey: AccessDenied",
    replaces="AKIAFAKE00000000OLD0",
    replaces_until=NOW + timedelta(days=1),
)


@pytest.mark.parametrize("entry", [FULL, Entry(user="bob", key_id=OLD, status=Status.CURRENT, created_at=NOW)])
def test_entry_is_read_as_it_was_written(entry: Entry) -> None:
    assert parse(to_item(entry)) == entry


def test_item_has_the_names_of_the_table() -> None:
    assert set(to_item(FULL)) == {
        *("user", "ak", "status", "created_at", "email", "attempt", "started_at", "claimed_at", "delete_on", "new_ak"),
        *("sealed_block", "secret_parameter", "attempts", "last_error", "replaces", "replaces_until"),
    }


def test_what_has_no_value_is_left_out() -> None:
    item = to_item(Entry(user="bob", key_id=OLD, status=Status.CURRENT, created_at=NOW))

    assert item == {
        "user": {"S": "bob"},
        "ak": {"S": OLD},
        "status": {"S": "current"},
        "created_at": {"N": "1893499200"},
    }


def test_time_is_a_number_of_whole_epoch_seconds_in_any_zone() -> None:
    """TTL passes silently over a string and over milliseconds."""
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))

    assert to_attribute(elsewhere) == to_attribute(NOW + timedelta(milliseconds=999)) == {"N": "1893499200"}


def test_unknown_attributes_are_passed_over() -> None:
    assert parse(to_item(FULL) | {"note": {"S": "by hand"}}) == FULL


@pytest.mark.parametrize(
    ("status", "missing"),
    [
        ("current", "created_at"),
        ("rotating", "attempt"),
        ("rotating", "started_at"),
        ("rotating", "claimed_at"),
        ("delivering", "attempt"),
        ("delivering", "new_ak"),
        ("expiring", "delete_on"),
        ("inactive", "delete_on"),
        ("failed", "created_at"),
        ("current", "status"),
    ],
)
def test_missing_attribute_is_named_with_user_and_key(status: str, missing: str) -> None:
    item: dict[str, Any] = {**to_item(FULL), "status": {"S": status}}
    del item[missing]

    with pytest.raises(MalformedEntry) as fault:
        parse(item)

    assert str(fault.value) == f"ledger item of user alice, key {OLD}: {missing} missing"


@pytest.mark.parametrize("missing", ["user", "ak"])
def test_missing_key_is_named_too(missing: str) -> None:
    item = {name: value for name, value in to_item(FULL).items() if name != missing}

    with pytest.raises(MalformedEntry, match=rf"unknown.*: {missing} missing"):
        parse(item)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("delete_on", {"S": "1893499200"}),
        ("delete_on", {"N": "1893499200000000"}),
        ("delete_on", {"N": "1" * 40}),
        # The end of the year 9999, an operator's "never": one minute more is no datetime any more.
        *(
            (time, {"N": "253402300799"})
            for time in ("created_at", "started_at", "claimed_at", "delete_on", "replaces_until")
        ),
        ("delete_on", {"N": "0"}),
        ("delete_on", {"N": "1.5"}),
        ("delete_on", {"NULL": True}),
        ("created_at", {"S": "2030-01-01"}),
        ("status", {"S": "unheard-of"}),
        ("status", {"N": "1"}),
        ("attempts", {"S": "many"}),
        ("new_ak", {"N": "1"}),
        ("user", {"N": "1"}),
        ("email", None),
    ],
)
def test_attribute_of_the_wrong_type_is_named(attribute: str, value: Any) -> None:
    with pytest.raises(MalformedEntry, match=rf"^ledger item of user .*: {attribute} has the wrong type or value$"):
        parse(to_item(FULL) | {attribute: value})


def test_sealed_block_is_not_shown() -> None:
    assert "not-a-real-block" not in repr(FULL)
