"""What a stream record says: an entry has left the ledger, when, and by whose hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from functions.common.entry import Entry, Status, parse, to_time
from functions.common.errors import MalformedEntry

_ENDING = frozenset({Status.EXPIRING, Status.INACTIVE, Status.FAILED})
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html
_TTL = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


@dataclass(frozen=True, kw_only=True)
class Removal:
    """An entry that has left the ledger.

    Attributes:
        entry: the entry, as it last was.
        removed_at: when it was removed. A record may arrive a day later, or twice: what holds is what was so then.
        by_ttl: whether DynamoDB itself removed it.
    """

    entry: Entry
    removed_at: datetime
    by_ttl: bool

    @property
    def is_due(self) -> bool:
        """Whether the entry had run its time; if not, somebody has taken it out early, to keep the key.

        One whose deletion was given up has no time any more: whoever takes it out wants the key kept.
        """
        if self.entry.status is Status.FAILED or self.entry.delete_on is None:
            return False
        return self.by_ttl or self.entry.delete_on <= self.removed_at


def read(record: object, table: str) -> Removal:
    """Read a record of the ledger's stream.

    Raises:
        MalformedEntry: it is not the removal of an ending entry from this table, or cannot be read.
    """
    if not isinstance(record, Mapping):
        raise MalformedEntry("a stream record is no mapping")
    arn = str(record.get("eventSourceARN", ""))
    if f":table/{table}/stream/" not in arn:
        raise MalformedEntry(f"a stream record comes from {arn or 'nowhere'}, and not from the table {table}")
    change = record.get("dynamodb")
    if record.get("eventName") != "REMOVE" or not isinstance(change, Mapping):
        raise MalformedEntry("a stream record is not a removal")
    image = change.get("OldImage")
    if not isinstance(image, Mapping):
        raise MalformedEntry("a stream record has no old image")
    entry = parse(image)
    if entry.status not in _ENDING:
        raise MalformedEntry(f"ledger item of user {entry.user}, key {entry.key_id}: removed while {entry.status}")
    try:
        removed_at = to_time(float(change["ApproximateCreationDateTime"]))
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as exc:
        raise MalformedEntry(f"ledger item of user {entry.user}, key {entry.key_id}: its removal has no time") from exc
    identity = record.get("userIdentity") or {}
    if not isinstance(identity, Mapping):
        raise MalformedEntry(f"ledger item of user {entry.user}, key {entry.key_id}: nobody can tell who removed it")
    return Removal(entry=entry, removed_at=removed_at, by_ttl={**identity, **_TTL} == identity)
