"""The ledger: a DynamoDB table with one item per access key that the service knows.

The moves that an item may make:

    (none) ──learn──▶ current
    (none), current ──begin──▶ rotating ──deliver──▶ delivering ──arm──▶ expiring, and a current one for its successor
                                   └──────withdraw───────┴──▶ current
    expiring, inactive, failed ──reopen──▶ delivering, and its successor's item goes: the rotation is taken back
    expiring, inactive ──collect──▶ (none): the stream hands it to the destructor, which may put it back as
             expiring (not yet, or try again, or about to be deactivated), inactive (deactivated), failed (given up)
             or current (cancelled)
    failed ──retry──▶ expiring, or inactive where a recovery window had begun
    failed ──(by hand)──▶ (none): the destructor puts it back as current (cancelled)
    (any) ──move──▶ the same, under the user's new name

Every move is a conditional write: of two runs that try the same one, one wins and the other is told.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from functions.common.entry import Entry, Status, parse, to_attribute, to_item
from functions.common.errors import LedgerConflict, MalformedEntry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import (
        AttributeValueTypeDef,
        DeleteTypeDef,
        GetItemOutputTypeDef,
        PutTypeDef,
        TransactWriteItemTypeDef,
        UpdateTypeDef,
    )

TRANSACTION_LIMIT = 100
"""Items in one transaction: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""

_ABSENT = "attribute_not_exists(ak)"
_REPLACING = ("replaces", "replaces_until", "replaces_round")
_UNCONFIRMED = ("unconfirmed_since", "dormant_since", "secret_parameter", "sealed_by")
_CONDITION_FAILED = "ConditionalCheckFailed"
# What the end of a key that was called off has left on its entry: above all what TTL would remove it for.
_CLEARED_BY_REOPEN: Mapping[str, Any] = {
    "delete_on": None,
    "grace_ended_on": None,
    "round": 0,
    "confirmed_at": None,
    "reminded_at": None,
    "reminded_by": None,
    "windows": 0,
    "attempts": 0,
    "last_error": None,
}
# And what was known of an address that the new rotation does not go to.
_CLEARED_BY_BEGIN = {
    "pending_email": None,
    "address_changed_at": None,
    "undeliverable": None,
    **_CLEARED_BY_REOPEN,
}
# Names in conditions are written with #, since `status` is a reserved word of DynamoDB's expressions.
_NAMES = {"#status": "status", "#attempt": "attempt"}


class Ledger:
    """The table's adapter.

    Every method that writes raises LedgerConflict when its condition does not hold, unless it says otherwise, and
    ClientError or BotoCoreError when DynamoDB fails.
    """

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def scan(self) -> tuple[list[Entry], list[MalformedEntry]]:
        """Read the whole ledger; an item that does not parse is reported beside the others."""
        entries, faults = [], []
        for page in self._dynamodb.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True):
            for item in page["Items"]:
                try:
                    entries.append(parse(item))
                except MalformedEntry as fault:
                    faults.append(fault)
        return entries, faults

    def holds(self, user: str, key_id: str) -> bool:
        """Tell whether the ledger has an item for a key, whatever it says."""
        return "Item" in self._get(user, key_id)

    def find(self, user: str, key_id: str) -> Entry | None:
        """Read the entry of one key, None if there is none.

        Raises:
            MalformedEntry: there is one, and it does not parse.
        """
        found = self._get(user, key_id)
        return parse(found["Item"]) if "Item" in found else None

    def learn(self, entries: Sequence[Entry]) -> None:
        """Add entries for keys seen for the first time; one that is in the ledger by now is left as it stands.

        They are written in their order: where it fails, what was written is a beginning of ``entries``.
        """
        for start in range(0, len(entries), TRANSACTION_LIMIT):
            pending = list(entries[start : start + TRANSACTION_LIMIT])
            while pending:
                try:
                    self._dynamodb.transact_write_items(
                        TransactItems=[
                            {"Put": {"TableName": self._table, "Item": to_item(entry), "ConditionExpression": _ABSENT}}
                            for entry in pending
                        ]
                    )
                except self._dynamodb.exceptions.TransactionCanceledException as exc:
                    reasons = exc.response["CancellationReasons"]
                    present = {n for n, reason in enumerate(reasons) if reason["Code"] == _CONDITION_FAILED}
                    if not present:
                        raise
                    pending = [entry for n, entry in enumerate(pending) if n not in present]
                else:
                    break

    def begin(self, known: Entry, *, now: datetime, email: str, sealed: bool) -> Entry:
        """Write down that a rotation of this key begins: from here on it can be found and finished.

        Args:
            known: what the ledger holds of the key, or, of a key seen for the first time, what it would.
            now: the time.
            email: where the mail is going to go.
            sealed: whether this attempt is going to store an encryption key.
        """
        attempt = uuid.uuid4().hex
        entry = replace(
            known,
            status=Status.ROTATING,
            email=email,
            attempt=attempt,
            sealed_by=attempt if sealed else None,
            parameter=None,
            started_at=now.replace(microsecond=0),
            claimed_at=now.replace(microsecond=0),
            **_CLEARED_BY_BEGIN,
        )
        self._update(
            entry.user,
            entry.key_id,
            assign={
                "status": entry.status,
                "created_at": entry.created_at,
                "user_id": entry.user_id,
                "email": email,
                "attempt": entry.attempt,
                "sealed_by": entry.sealed_by,
                "started_at": entry.started_at,
                "claimed_at": entry.claimed_at,
            },
            remove=(*_CLEARED_BY_BEGIN, "secret_parameter", *(() if sealed else ("sealed_by",))),
            condition=f"{_ABSENT} OR #status = :current OR #attempt = :set_attempt",
            values={":current": Status.CURRENT},
        )
        return entry

    def claim(self, entry: Entry, now: datetime) -> Entry:
        """Take over a rotation that was left behind, under a lease of one's own."""
        claimed = replace(entry, attempt=uuid.uuid4().hex, claimed_at=now.replace(microsecond=0))
        self._update(
            entry.user,
            entry.key_id,
            assign={"attempt": claimed.attempt, "claimed_at": claimed.claimed_at},
            condition="#attempt IN (:attempt, :set_attempt) AND #status = :status",
            values={":attempt": entry.attempt, ":status": entry.status},
        )
        return claimed

    def deliver(self, entry: Entry, *, new_key_id: str, sealed_block: str | None, parameter: str | None) -> Entry:
        """Write down the successor, and with it what it takes to mail it again."""
        delivering = replace(
            entry,
            status=Status.DELIVERING,
            new_key_id=new_key_id,
            sealed_block=sealed_block,
            parameter=parameter,
        )
        self._update(
            entry.user,
            entry.key_id,
            assign={
                "status": delivering.status,
                "new_ak": new_key_id,
                "sealed_block": sealed_block,
                "secret_parameter": parameter,
            },
            **_own(entry, Status.ROTATING, Status.DELIVERING),
        )
        return delivering

    def arm(
        self,
        entry: Entry,
        *,
        new_key_id: str,
        new_key_created_at: datetime,
        delivered_at: datetime,
        delete_on: datetime,
    ) -> None:
        """Schedule the old key's end and enter its successor, both or neither."""
        successor = Entry(
            user=entry.user,
            user_id=entry.user_id,
            key_id=new_key_id,
            status=Status.CURRENT,
            created_at=new_key_created_at,
            email=entry.email,
            parameter=entry.parameter,
            sealed_by=entry.sealed_by,
            replaces=entry.key_id,
            replaces_until=delete_on,
            unconfirmed_since=delivered_at,
        )
        expiring = self._update_request(
            entry.user,
            entry.key_id,
            assign={"status": Status.EXPIRING, "delete_on": delete_on, "attempts": 0},
            remove=(
                *("started_at", "claimed_at", "failures", "try_again_on", "sealed_block", "last_error"),
                *_REPLACING,
            ),
            **_own(entry, Status.DELIVERING, Status.EXPIRING),
        )
        put: PutTypeDef = {"TableName": self._table, "Item": to_item(successor)}
        self._transact(entry, [{"Update": expiring}, {"Put": put}])

    def withdraw(self, entry: Entry, *, failures: int = 0, try_again_on: datetime | None = None) -> None:
        """Take a rotation back: the old key is simply current again.

        Args:
            entry: the rotation.
            failures: how many attempts in a row have failed by now, if it is taken back for a failure.
            try_again_on: before then the next one is not to start.
        """
        gone = ["started_at", "claimed_at", "new_ak", "sealed_block", "secret_parameter", "sealed_by"]
        if not failures:
            gone += ["failures", "try_again_on"]
        self._update(
            entry.user,
            entry.key_id,
            assign={"status": Status.CURRENT, "failures": failures or None, "try_again_on": try_again_on},
            remove=gone,
            **_own(entry, Status.ROTATING, Status.DELIVERING, Status.CURRENT),
        )

    def back_off(self, entry: Entry, *, failures: int, try_again_on: datetime) -> None:
        """Note that a rotation's mail is not known to be out, how often that was so, and when it is tried again."""
        self._update(
            entry.user,
            entry.key_id,
            assign={"failures": failures, "try_again_on": try_again_on},
            **_own(entry, Status.DELIVERING),
        )

    def reopen(self, entry: Entry, now: datetime) -> Entry:
        """Begin to take back a rotation whose mail was accepted: its end is off, and its successor on the way out.

        From here on it looks like one that was cut short before its mail: a later run finishes what this one cannot.
        """
        reopened = replace(
            entry,
            status=Status.DELIVERING,
            attempt=uuid.uuid4().hex,
            started_at=now.replace(microsecond=0),
            claimed_at=now.replace(microsecond=0),
            **_CLEARED_BY_REOPEN,
        )
        update = self._update_request(
            entry.user,
            entry.key_id,
            assign={
                "status": reopened.status,
                "attempt": reopened.attempt,
                "started_at": reopened.started_at,
                "claimed_at": reopened.claimed_at,
            },
            remove=tuple(_CLEARED_BY_REOPEN),
            condition="#status = :status AND new_ak = :new_ak",
            values={":status": entry.status, ":new_ak": entry.new_key_id},
        )
        successor: DeleteTypeDef = {"TableName": self._table, "Key": _key(entry.user, entry.new_key_id or "")}
        self._transact(entry, [{"Update": update}, {"Delete": successor}])
        return reopened

    def move(self, entry: Entry, name: str) -> Entry:
        """Follow a user to a new name.

        Only an entry that has not changed meanwhile is moved, so that nothing that another run wrote is lost.
        """
        moved = entry.renamed(name)
        seen = {
            "#status": ("status", entry.status),
            "#attempt": ("attempt", entry.attempt),
            "#delete_on": ("delete_on", entry.delete_on),
            "#replaces_until": ("replaces_until", entry.replaces_until),
        }
        unchanged = {name: known for name, known in seen.items() if known[1] is not None}
        old: DeleteTypeDef = {
            "TableName": self._table,
            "Key": _key(entry.user, entry.key_id),
            "ConditionExpression": " AND ".join(f"{name} = :{name[1:]}" for name in unchanged),
            "ExpressionAttributeNames": {name: attribute for name, (attribute, _) in unchanged.items()},
            "ExpressionAttributeValues": {
                f":{name[1:]}": to_attribute(value) for name, (_, value) in unchanged.items() if value is not None
            },
        }
        self._transact(entry, [{"Put": self._put_request(moved)}, {"Delete": old}])
        return moved

    def collect(self, entry: Entry) -> None:
        """Remove an entry whose time has passed, as TTL would: the stream hands it to the destructor."""
        self._delete(entry, "#status = :status AND delete_on = :delete_on", {":delete_on": entry.delete_on})

    def retry(self, entry: Entry, delete_on: datetime) -> Entry:
        """Give a deletion that was given up one more try, from where it stood."""
        status = Status.INACTIVE if entry.windows > 0 else Status.EXPIRING
        ending = replace(entry, status=status, delete_on=delete_on.replace(microsecond=0))
        self._update(
            entry.user,
            entry.key_id,
            assign={"status": ending.status, "delete_on": ending.delete_on},
            condition="#status = :failed",
            values={":failed": Status.FAILED},
        )
        return ending

    def forget(self, entry: Entry) -> None:
        """Remove an entry of a key or user that no longer exists."""
        self._delete(entry, "#status = :status", {})

    def put(self, entry: Entry) -> None:
        """Enter a key of which the ledger holds nothing."""
        self._put(entry, self._put_request(entry))

    def confirm(self, entry: Entry, at: datetime) -> None:
        """Note on an old key's entry that its successor has been found used; nothing to do if it has moved."""
        with contextlib.suppress(LedgerConflict):
            self._update(
                entry.user,
                entry.key_id,
                assign={"confirmed_at": at},
                condition="#status = :status",
                values={":status": entry.status},
            )

    def put_back(self, entry: Entry, *, until: datetime, instead_of: Entry | None = None) -> None:
        """Enter a key whose end has been put off, and note on the successor that waits for it until when: both or none.

        Args:
            entry: what is entered.
            until: when something happens to the key next.
            instead_of: the entry whose place it takes; without, the ledger must hold nothing of the key.
        """
        put = self._put_request(entry, instead_of)
        self._put_with_successor(
            entry, put, entry.new_key_id, assign={"replaces_until": until, "replaces_round": entry.round}
        )

    def call_off(self, kept: Entry, successor: str | None) -> None:
        """Enter a key that is kept after all, and settle the successor that waits for its end: both or none."""
        self._put_with_successor(kept, self._put_request(kept), successor, remove=_REPLACING)

    def _put_with_successor(self, entry: Entry, put: PutTypeDef, successor: str | None, **change: Any) -> None:
        """Enter a key, and change its successor's entry where that one waits for it."""
        if successor is None:
            self._put(entry, put)
            return
        changed = self._update_request(
            entry.user,
            successor,
            condition="replaces = :replaces",
            values={":replaces": entry.key_id},
            **change,
        )
        try:
            self._dynamodb.transact_write_items(TransactItems=[{"Put": put}, {"Update": changed}])
        except self._dynamodb.exceptions.TransactionCanceledException as exc:
            own, successors = (reason["Code"] for reason in exc.response["CancellationReasons"])
            if own == _CONDITION_FAILED:
                raise _conflict(entry.user, entry.key_id) from exc
            if successors != _CONDITION_FAILED:
                raise
            self._put(entry, put)  # the successor is gone, or settled: it waits for this key no longer

    def remind(self, entry: Entry, at: datetime, by: str) -> None:
        """Note that the user is being told of what is coming, so that of several runs one does it.

        Args:
            entry: the key that ends, or is to be replaced.
            at: the time.
            by: the run; sent again after its answer was lost, the note is still this run's.
        """
        self._update(
            entry.user,
            entry.key_id,
            assign={"reminded_at": at, "reminded_by": by},
            condition="#status = :status AND (attribute_not_exists(reminded_at) OR reminded_by = :set_reminded_by)",
            values={":status": entry.status},
        )

    def not_reminded(self, entry: Entry, by: str) -> None:
        """Take the note of a reminder off that was not sent after all; nothing to do if it is none of this run's."""
        with contextlib.suppress(LedgerConflict):
            self._update(
                entry.user,
                entry.key_id,
                remove=("reminded_at", "reminded_by"),
                condition="reminded_by = :by",
                values={":by": by},
            )

    def note_address(self, entries: Sequence[Entry], pending: str, at: datetime) -> None:
        """Note that a user's tags name another address than mail went to, all of the user's entries or none."""
        self._note(entries, assign={"pending_email": pending, "address_changed_at": at})

    def settle_address(self, entries: Sequence[Entry], email: str, user_id: str) -> None:
        """Note where a user's mail goes now, with no question left about it, all of the user's entries or none."""
        self._note(
            entries,
            assign={"email": email, "user_id": user_id},
            remove=("pending_email", "address_changed_at", "undeliverable", "failures", "try_again_on"),
        )

    def note_returned(self, entries: Sequence[Entry], address: str) -> None:
        """Note that mail to an address came back, all of the user's entries or none."""
        self._note(entries, assign={"undeliverable": address})

    def settle(self, user: str, key_id: str, *, replaces: str, confirmed: bool = False) -> None:
        """Note on a successor that the key it replaced is no longer pending; nothing to do if it notes that already.

        Args:
            user: the user's name.
            key_id: the successor.
            replaces: the old key.
            confirmed: whether it is known to have been used, and its encryption key to be gone.
        """
        with contextlib.suppress(LedgerConflict):
            self._update(
                user,
                key_id,
                remove=(*_REPLACING, *(_UNCONFIRMED if confirmed else ())),
                condition="replaces = :replaces",
                values={":replaces": replaces},
            )

    def settle_use(self, entry: Entry) -> None:
        """Note on a current entry that its key has been used, and that its encryption key is gone."""
        with contextlib.suppress(LedgerConflict):
            self._update(
                entry.user,
                entry.key_id,
                remove=_UNCONFIRMED,
                condition="#status = :current",
                values={":current": Status.CURRENT},
            )

    def rest(self, entry: Entry, at: datetime) -> None:
        """Note that a key is being deactivated since it was never used."""
        self._update(
            entry.user,
            entry.key_id,
            assign={"dormant_since": at},
            condition="#status = :current",
            values={":current": Status.CURRENT},
        )

    def _note(self, entries: Sequence[Entry], **change: Any) -> None:
        updates = [
            self._update_request(
                entry.user,
                entry.key_id,
                condition="#status = :status",
                values={":status": entry.status},
                **change,
            )
            for entry in entries
        ]
        self._transact(entries[0], [{"Update": update} for update in updates])

    def _transact(self, entry: Entry, writes: Sequence[TransactWriteItemTypeDef]) -> None:
        try:
            self._dynamodb.transact_write_items(TransactItems=writes)
        except self._dynamodb.exceptions.TransactionCanceledException as exc:
            if any(reason["Code"] == _CONDITION_FAILED for reason in exc.response["CancellationReasons"]):
                raise _conflict(entry.user, entry.key_id) from exc
            raise

    def _get(self, user: str, key_id: str) -> GetItemOutputTypeDef:
        return self._dynamodb.get_item(TableName=self._table, Key=_key(user, key_id), ConsistentRead=True)

    def _put_request(self, entry: Entry, instead_of: Entry | None = None) -> PutTypeDef:
        request: PutTypeDef = {"TableName": self._table, "Item": to_item(entry), "ConditionExpression": _ABSENT}
        if instead_of is not None and instead_of.delete_on is not None:
            request["ConditionExpression"] = "#status = :status AND delete_on = :delete_on"
            request["ExpressionAttributeNames"] = {"#status": "status"}
            request["ExpressionAttributeValues"] = {
                ":status": to_attribute(instead_of.status),
                ":delete_on": to_attribute(instead_of.delete_on),
            }
        return request

    def _put(self, entry: Entry, request: PutTypeDef) -> None:
        try:
            self._dynamodb.put_item(**request)
        except self._dynamodb.exceptions.ConditionalCheckFailedException as exc:
            raise _conflict(entry.user, entry.key_id) from exc

    def _update(self, user: str, key_id: str, **change: Any) -> None:
        try:
            self._dynamodb.update_item(**self._update_request(user, key_id, **change))
        except self._dynamodb.exceptions.ConditionalCheckFailedException as exc:
            raise _conflict(user, key_id) from exc

    def _update_request(
        self,
        user: str,
        key_id: str,
        *,
        condition: str,
        values: Mapping[str, str | datetime | None],
        assign: Mapping[str, str | int | datetime | None] | None = None,
        remove: Sequence[str] = (),
    ) -> UpdateTypeDef:
        """Build the request of a conditional update; attributes to set that have no value are left out."""
        assigned = {name: value for name, value in (assign or {}).items() if value is not None}
        names = {f"#{name}": name for name in (*assigned, *remove)}
        sets = ", ".join(f"#{name} = :set_{name}" for name in assigned)
        removes = ", ".join(f"#{name}" for name in remove)
        expression = " ".join(
            clause for clause in (f"SET {sets}" if sets else "", f"REMOVE {removes}" if removes else "") if clause
        )
        return {
            "TableName": self._table,
            "Key": _key(user, key_id),
            "UpdateExpression": expression,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names
            | {name: attribute for name, attribute in _NAMES.items() if name in condition},
            "ExpressionAttributeValues": {f":set_{name}": to_attribute(value) for name, value in assigned.items()}
            | {name: to_attribute(value) for name, value in values.items() if value is not None},
        }

    def _delete(self, entry: Entry, condition: str, values: Mapping[str, datetime | None]) -> None:
        try:
            self._dynamodb.delete_item(
                TableName=self._table,
                Key=_key(entry.user, entry.key_id),
                ConditionExpression=condition,
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    name: to_attribute(value)
                    for name, value in {":status": entry.status, **values}.items()
                    if value is not None
                },
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as exc:
            raise _conflict(entry.user, entry.key_id) from exc


def _key(user: str, key_id: str) -> dict[str, AttributeValueTypeDef]:
    return {"user": {"S": user}, "ak": {"S": key_id}}


def _own(entry: Entry, *statuses: Status) -> dict[str, Any]:
    """Build the condition that an entry is still this attempt's, in one of these states.

    The state that the write leads to is among them: botocore sends a write again whose answer was lost, and one that
    has taken effect must not look like a lost race.
    """
    values = {f":status_{number}": status for number, status in enumerate(statuses)}
    return {
        "condition": f"#attempt = :attempt AND #status IN ({', '.join(values)})",
        "values": {":attempt": entry.attempt, **values},
    }


def _conflict(user: str, key_id: str) -> LedgerConflict:
    return LedgerConflict(f"the ledger's item of user {user}, key {key_id} has been moved by somebody else")
