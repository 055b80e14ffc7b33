"""The ledger: a DynamoDB table with one item per access key that the service knows.

The moves that an item may make:

    (none) ──learn──▶ current
    (none), current ──begin──▶ rotating ──deliver──▶ delivering ──arm──▶ expiring, and a current one for its successor
                                   └──────withdraw───────┴──▶ current
    expiring, inactive ──collect──▶ (none): the stream hands it to the destructor, which may put it back as
             expiring (not yet, or try again, or about to be deactivated), inactive (deactivated), failed (given up)
             or current (cancelled)
    failed ──retry──▶ expiring, or inactive where a recovery window had begun
    failed ──(by hand)──▶ (none): the destructor puts it back as current (cancelled)

Every move is a conditional write: of two runs that try the same one, one wins and the other is told.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from functions.common.entry import Entry, Status, parse, to_attribute, to_item
from functions.common.errors import LedgerConflict, MalformedEntry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, GetItemOutputTypeDef, PutTypeDef, UpdateTypeDef

TRANSACTION_LIMIT = 100
"""Items in one transaction: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""

_ABSENT = "attribute_not_exists(ak)"
_CONDITION_FAILED = "ConditionalCheckFailed"
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

    def begin(self, user: str, key_id: str, *, created_at: datetime, now: datetime, email: str) -> Entry:
        """Write down that a rotation of this key begins: from here on it can be found and mended."""
        entry = Entry(
            user=user,
            key_id=key_id,
            status=Status.ROTATING,
            created_at=created_at,
            email=email,
            attempt=uuid.uuid4().hex,
            started_at=now.replace(microsecond=0),
            claimed_at=now.replace(microsecond=0),
        )
        self._update(
            user,
            key_id,
            assign={
                "status": entry.status,
                "created_at": created_at,
                "email": email,
                "attempt": entry.attempt,
                "started_at": entry.started_at,
                "claimed_at": entry.claimed_at,
            },
            # Of a current entry that once was to go, and above all what TTL would remove it for.
            remove=("delete_on", "reminded_at", "postponed", "windows", "attempts", "last_error"),
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
            entry, status=Status.DELIVERING, new_key_id=new_key_id, sealed_block=sealed_block, parameter=parameter
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

    def arm(self, entry: Entry, *, new_key_id: str, new_key_created_at: datetime, delete_on: datetime) -> None:
        """Schedule the old key's end and enter its successor, both or neither."""
        successor = Entry(
            user=entry.user,
            key_id=new_key_id,
            status=Status.CURRENT,
            created_at=new_key_created_at,
            replaces=entry.key_id,
            replaces_until=delete_on,
        )
        expiring = self._update_request(
            entry.user,
            entry.key_id,
            assign={"status": Status.EXPIRING, "delete_on": delete_on, "attempts": 0},
            remove=("started_at", "claimed_at", "sealed_block", "replaces", "replaces_until", "last_error"),
            **_own(entry, Status.DELIVERING, Status.EXPIRING),
        )
        try:
            self._dynamodb.transact_write_items(
                TransactItems=[{"Update": expiring}, {"Put": {"TableName": self._table, "Item": to_item(successor)}}]
            )
        except self._dynamodb.exceptions.TransactionCanceledException as exc:
            if any(reason["Code"] == _CONDITION_FAILED for reason in exc.response["CancellationReasons"]):
                raise _conflict(entry.user, entry.key_id) from exc
            raise

    def withdraw(self, entry: Entry) -> None:
        """Take a rotation back: the old key is simply current again."""
        self._update(
            entry.user,
            entry.key_id,
            assign={"status": Status.CURRENT},
            remove=("started_at", "claimed_at", "new_ak", "sealed_block", "secret_parameter"),
            **_own(entry, Status.ROTATING, Status.DELIVERING, Status.CURRENT),
        )

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

    def put_back(self, entry: Entry, *, until: datetime, instead_of: Entry | None = None) -> None:
        """Enter a key whose end has been put off, and note on the successor that waits for it until when: both or none.

        Args:
            entry: what is entered.
            until: when something happens to the key next.
            instead_of: the entry whose place it takes; without, the ledger must hold nothing of the key.
        """
        put = self._put_request(entry, instead_of)
        if entry.new_key_id is None:
            self._put(entry, put)
            return
        extended = self._update_request(
            entry.user,
            entry.new_key_id,
            assign={"replaces_until": until},
            condition="replaces = :replaces",
            values={":replaces": entry.key_id},
        )
        try:
            self._dynamodb.transact_write_items(TransactItems=[{"Put": put}, {"Update": extended}])
        except self._dynamodb.exceptions.TransactionCanceledException as exc:
            own, successors = (reason["Code"] for reason in exc.response["CancellationReasons"])
            if own == _CONDITION_FAILED:
                raise _conflict(entry.user, entry.key_id) from exc
            if successors != _CONDITION_FAILED:
                raise
            self._put(entry, put)  # the successor is gone, or settled: it waits for this key no longer

    def remind(self, entry: Entry, at: datetime | None) -> None:
        """Note that the user is being reminded, or, with None, that this has failed after all."""
        if at is None:
            self._update(
                entry.user,
                entry.key_id,
                remove=("reminded_at",),
                condition="#status = :expiring",
                values={":expiring": Status.EXPIRING},
            )
            return
        self._update(
            entry.user,
            entry.key_id,
            assign={"reminded_at": at},
            condition="#status = :expiring AND attribute_not_exists(reminded_at)",
            values={":expiring": Status.EXPIRING},
        )

    def readdress(self, entry: Entry, old_address: str, new_address: str) -> None:
        """Note that mail about this key goes to another address now."""
        self._update(
            entry.user,
            entry.key_id,
            assign={"email": new_address},
            condition="email = :old_address",
            values={":old_address": old_address},
        )

    def settle(self, user: str, key_id: str, *, replaces: str) -> None:
        """Note on a successor that the key it replaced is no longer pending; nothing to do if it notes that already."""
        try:
            self._update(
                user,
                key_id,
                remove=("replaces", "replaces_until"),
                condition="replaces = :replaces",
                values={":replaces": replaces},
            )
        except LedgerConflict:
            return

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
