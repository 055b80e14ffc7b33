"""One item of the ledger: what the service knows about one access key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from functions.common.errors import MalformedEntry
from functions.common.parameters import parameter_name

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef


class Status(StrEnum):
    """Where a key stands."""

    CURRENT = "current"
    """In use, and nothing is under way."""
    ROTATING = "rotating"
    """A rotation of this key has begun; whether its successor exists is not known."""
    DELIVERING = "delivering"
    """Its successor exists, and may or may not have reached the user."""
    EXPIRING = "expiring"
    """The successor was accepted by the mailer; this key is to go at ``delete_on``."""
    INACTIVE = "inactive"
    """Deactivated; it is to go at ``delete_on``."""
    FAILED = "failed"
    """It was to go, and every attempt failed."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A ledger item. Times are aware datetimes in UTC, whole seconds in the table.

    About the key and its user:
        user: the IAM user's name.
        user_id: IAM's id of the user, which outlives a change of name; None on items of older versions.
        key_id: the id of the access key that this entry is about.
        status: where the key stands.
        created_at: when IAM made the key.

    About the user's address:
        email: where mail last went.
        pending_email: another address that the tags have named since; nothing goes there yet.
        address_changed_at: when a run first saw ``pending_email``.
        undeliverable: an address that mail came back from.

    About a rotation of this key:
        attempt: identifies this attempt; only its owner may move the entry on.
        started_at: when the rotation began; its successor was made no earlier.
        claimed_at: when the run that works on it took it up: from then on it has its lease.
        failures: how many attempts in a row the mail service or the mailbox refused.
        try_again_on: after such a failure, no attempt starts before this.
        new_key_id: the successor.
        sealed_block: the successor's pair, encrypted: what a recovery mails again.
        parameter: the SSM parameter with the key of that block; its name follows from the user's. None, with
            ``sealed_by``: the user was renamed and cannot read it any more.
        sealed_by: the attempt that stores that parameter. A successor's entry has it for as long as the parameter
            lives.

    About the end of this key:
        delete_on: when something happens to the key next. DynamoDB's TTL attribute.
        grace_ended_on: when the grace period was over, for a key that lives on by extension.
        round: how often the key has been entered for its end after the first time.
        confirmed_at: when the successor was first found used.
        reminded_at: when the user was last reminded of the coming end, or told that this key is to be replaced.
        reminded_by: the run that did it.
        windows: how many recovery windows have begun: a key that is reactivated gets another one.
        attempts: how often the deletion has failed.
        last_error: why, the last time.

    On a successor:
        replaces: the old key while that one still lives.
        replaces_until: when something happens to that old key next.
        replaces_round: the round in which that old key was last entered.
        unconfirmed_since: when the pair was delivered; gone once the key is known to have been used.
        dormant_since: when it was deactivated for never having been used.
    """

    user: str
    key_id: str
    status: Status
    created_at: datetime
    user_id: str | None = None
    email: str | None = None
    pending_email: str | None = None
    address_changed_at: datetime | None = None
    undeliverable: str | None = None
    attempt: str | None = None
    started_at: datetime | None = None
    claimed_at: datetime | None = None
    failures: int = 0
    try_again_on: datetime | None = None
    new_key_id: str | None = None
    sealed_block: str | None = field(default=None, repr=False)
    parameter: str | None = None
    sealed_by: str | None = None
    delete_on: datetime | None = None
    grace_ended_on: datetime | None = None
    round: int = 0
    confirmed_at: datetime | None = None
    reminded_at: datetime | None = None
    reminded_by: str | None = None
    windows: int = 0
    attempts: int = 0
    last_error: str | None = None
    replaces: str | None = None
    replaces_until: datetime | None = None
    replaces_round: int = 0
    unconfirmed_since: datetime | None = None
    dormant_since: datetime | None = None

    def renamed(self, user: str) -> Entry:
        """Give the same entry under the user's new name. Under it they cannot read a parameter named after the old."""
        own = self.user_id is not None and self.parameter == parameter_name(user, self.user_id)
        return replace(self, user=user, parameter=self.parameter if own else None)

    def returned(self, address: str) -> Entry:
        """Give the same entry with the note that mail to this address came back."""
        return replace(self, undeliverable=address)


# The table's own names, where they differ from the fields'.
_ATTRIBUTES = {"key_id": "ak", "new_key_id": "new_ak", "parameter": "secret_parameter"}
_REQUIRED = {
    Status.ROTATING: ("attempt", "started_at", "claimed_at"),
    Status.DELIVERING: ("attempt", "started_at", "claimed_at", "new_key_id"),
    Status.EXPIRING: ("delete_on",),
    Status.INACTIVE: ("delete_on",),
}
_TIMES = frozenset(
    {
        *("created_at", "address_changed_at", "started_at", "claimed_at", "try_again_on", "delete_on"),
        *("grace_ended_on", "confirmed_at", "reminded_at", "replaces_until", "unconfirmed_since", "dormant_since"),
    }
)
# A time beyond these was written by hand, and sums with it could leave what a datetime can hold.
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_COUNTS = frozenset({"failures", "round", "windows", "attempts", "replaces_round"})


def to_item(entry: Entry) -> dict[str, AttributeValueTypeDef]:
    """Write an entry as a DynamoDB item; fields without a value are left out."""
    values = ((field.name, getattr(entry, field.name)) for field in fields(entry))
    return {_ATTRIBUTES.get(name, name): to_attribute(value) for name, value in values if value}


def to_attribute(value: str | int | datetime) -> AttributeValueTypeDef:
    """Write one value as DynamoDB does; a time becomes epoch seconds, the only form that TTL understands."""
    if isinstance(value, str):
        return {"S": value}
    return {"N": str(int(value.timestamp()) if isinstance(value, datetime) else value)}


def parse(item: Mapping[str, Any]) -> Entry:
    """Read an entry from a DynamoDB item, or from the image of one in a stream record.

    Raises:
        MalformedEntry: naming the user, the key and the attribute that is missing or of the wrong type.
    """
    values: dict[str, Any] = {}
    for known in fields(Entry):
        attribute = _ATTRIBUTES.get(known.name, known.name)
        if attribute not in item:
            continue
        try:
            values[known.name] = _read(known.name, item[attribute])
        except (KeyError, TypeError, ValueError, OverflowError, OSError) as exc:
            raise _malformed(item, f"{attribute} has the wrong type or value") from exc

    required = ("user", "key_id", "status", "created_at", *_REQUIRED.get(values.get("status", Status.CURRENT), ()))
    missing = [_ATTRIBUTES.get(name, name) for name in required if name not in values]
    if missing:
        raise _malformed(item, f"{', '.join(missing)} missing")
    entry = Entry(**values)
    # Items of older versions may lack the id.
    user_id = entry.user_id or (entry.parameter or "").rpartition("/")[2]
    if entry.parameter and entry.parameter != parameter_name(entry.user, user_id):
        raise _malformed(item, "secret_parameter names the encryption key of somebody else")
    return entry


def to_time(seconds: float) -> datetime:
    """Read epoch seconds.

    Raises:
        ValueError, OverflowError, OSError: it is no time that this program or DynamoDB writes, such as one in
            nanoseconds.
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    if not _EARLIEST <= moment < _LATEST:
        raise ValueError(f"{moment} is out of range")
    return moment


def _read(name: str, attribute: Mapping[str, str]) -> str | int | datetime:
    if name in _TIMES:
        return to_time(int(attribute["N"]))
    if name in _COUNTS:
        return int(attribute["N"])
    if name == "status":
        return Status(attribute["S"])
    return attribute["S"]


def _malformed(item: Mapping[str, Any], fault: str) -> MalformedEntry:
    user, key_id = (_name(item.get(attribute)) for attribute in ("user", "ak"))
    return MalformedEntry(f"ledger item of user {user}, key {key_id}: {fault}")


def _name(attribute: object) -> str:
    return str(attribute["S"]) if isinstance(attribute, Mapping) and "S" in attribute else "unknown"
