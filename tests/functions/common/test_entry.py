from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from functions.common.entry import Entry, Status, parse, to_attribute, to_item, to_time
from functions.common.errors import MalformedEntry

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
OLD, NEW = "AKIAFAKE00000000OLD1", "AKIAFAKE00000000NEW1"
FULL = Entry(
    user="alice",
    key_id=OLD,
    status=Status.DELIVERING,
    created_at=NOW - timedelta(days=81),
    user_id="AIDAFAKE000000000001",
    email="alice@example.com",
    pending_email="alice@example.org",
    address_changed_at=NOW - timedelta(days=1),
    undeliverable="alice@example.net",
    attempt="an-attempt",
    started_at=NOW,
    claimed_at=NOW + timedelta(minutes=20),
    failures=2,
    try_again_on=NOW + timedelta(days=2),
    new_key_id=NEW,
    sealed_block="not-a-real-block",
    parameter="/ikr/secret/iam/alice",
    sealed_by="another-attempt",
    delete_on=NOW + timedelta(days=5),
    grace_ended_on=NOW + timedelta(days=4),
    round=6,
    confirmed_at=NOW + timedelta(days=3),
    reminded_at=NOW + timedelta(days=4, hours=1),
    reminded_by="a-run",
    windows=1,
    attempts=3,
    last_error="DeleteAccessKey: AccessDenied",
    replaces="AKIAFAKE00000000OLD0",
    replaces_until=NOW + timedelta(days=1),
    replaces_round=7,
    unconfirmed_since=NOW - timedelta(days=2),
    dormant_since=NOW - timedelta(hours=1),
)
TIMES = [field.name for field in fields(Entry) if "datetime" in str(field.type)]
COUNTS = [field.name for field in fields(Entry) if field.type == "int"]


def test_everything_that_an_entry_can_say_is_in_the_sample() -> None:
    assert [field.name for field in fields(Entry) if not getattr(FULL, field.name)] == []
    assert len(TIMES) == 12
    assert len(COUNTS) == 5


@pytest.mark.parametrize("entry", [FULL, Entry(user="bob", key_id=OLD, status=Status.CURRENT, created_at=NOW)])
def test_entry_is_read_as_it_was_written(entry: Entry) -> None:
    assert parse(to_item(entry)) == entry


def test_item_has_the_names_of_the_table() -> None:
    assert set(to_item(FULL)) == {
        *("user", "ak", "status", "created_at", "user_id"),
        *("email", "pending_email", "address_changed_at", "undeliverable"),
        *("attempt", "started_at", "claimed_at", "failures", "try_again_on"),
        *("new_ak", "sealed_block", "secret_parameter", "sealed_by"),
        *("delete_on", "grace_ended_on", "round", "confirmed_at", "reminded_at", "reminded_by", "windows"),
        *("attempts", "last_error"),
        *("replaces", "replaces_until", "replaces_round", "unconfirmed_since", "dormant_since"),
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
        ("delete_on", {"N": "1" * 40}),
        ("delete_on", {"N": "0"}),
        ("delete_on", {"N": "-1893499200"}),
        ("delete_on", {"N": "1.5"}),
        ("delete_on", {"NULL": True}),
        ("created_at", {"S": "2030-01-01"}),
        ("status", {"S": "unheard-of"}),
        ("status", {"N": "1"}),
        *((count, {"S": "many"}) for count in COUNTS),
        ("new_ak", {"N": "1"}),
        ("user", {"N": "1"}),
        ("email", None),
    ],
)
def test_attribute_of_the_wrong_type_is_named(attribute: str, value: Any) -> None:
    with pytest.raises(MalformedEntry, match=rf"^ledger item of user .*: {attribute} has the wrong type or value$"):
        parse(to_item(FULL) | {attribute: value})


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize(
    "value",
    [
        pytest.param("1893499200000", id="milliseconds"),
        pytest.param("1893499200000000000", id="nanoseconds"),
        # The end of the year 9999, an operator's "never": one minute more is no datetime any more.
        pytest.param("253402300799", id="never"),
        pytest.param("7258118400", id="the-year-2200"),
        pytest.param("946684799", id="before-2000"),
    ],
)
def test_time_that_nobody_can_have_meant_is_a_fault_in_every_attribute(time: str, value: str) -> None:
    """Read, it would overflow in a sum later on, far from the one item that is to blame."""
    with pytest.raises(MalformedEntry, match=rf"^ledger item of user alice, key {OLD}: {time} has the wrong"):
        parse(to_item(FULL) | {time: {"N": value}})


@pytest.mark.parametrize("value", ["946684800", "7258118399"])
def test_times_from_2000_to_2199_are_taken(value: str) -> None:
    assert to_item(parse(to_item(FULL) | {"delete_on": {"N": value}}))["delete_on"] == {"N": value}


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1893499200e9, -1.0])
def test_seconds_that_are_no_time_are_refused(seconds: float) -> None:
    with pytest.raises((ValueError, OverflowError, OSError)):
        to_time(seconds)


def test_renamed_and_returned_entries_are_the_same_but_for_that() -> None:
    assert FULL.renamed("alice-smith") == replace(FULL, user="alice-smith", parameter=None)
    assert FULL.returned("alice@example.com") == replace(FULL, undeliverable="alice@example.com")


def test_sealed_block_is_not_shown() -> None:
    assert "not-a-real-block" not in repr(FULL)
