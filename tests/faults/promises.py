"""What is promised whatever happens, looked after while a random history takes its course."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from moto.dynamodb.models import dynamodb_backends

from functions.common import entry
from functions.common.entry import Status
from functions.common.tags import same_address
from functions.common.terms import UNCONFIRMED_WINDOW
from functions.destructor.decide import MOST_WINDOWS
from functions.mail.message import KEY_TAG, NOTICE_TAG, USER_TAG
from functions.rotator.addresses import SCHEDULE_SLACK
from functions.rotator.decide import ENDING, UNDER_WAY
from tests.simulation.world import ACCOUNT, REGION, TABLE, World

A_MOMENT = timedelta(minutes=10)
"""What passes from a mail until its rotation is written down, or within one run."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a stack says about time, in days."""

    limit: int = 80
    grace: int = 5
    extension: int = 14
    recovery: int = 0
    hold: int = 2
    delete_unconfirmed: bool = False

    @property
    def until_deactivated(self) -> timedelta:
        """How long an old key works at least, from the mail on, if its successor is never used."""
        return timedelta(days=self.grace + (0 if self.delete_unconfirmed else self.extension))

    @property
    def window(self) -> timedelta:
        """How long it can be brought back from then on."""
        recovery = timedelta(days=self.recovery)
        return recovery if self.delete_unconfirmed else max(recovery, UNCONFIRMED_WINDOW)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A mail with a new key that the service accepted."""

    at: datetime
    to: str
    user_id: str
    new_key: str
    text: str


class Promises:
    """Watches a world. What the service must not do is told from what others do to themselves and to each other.

    Attributes:
        broken: what was found wrong, in words.
        sent: the mails with new keys.
        forced: users whose holds an operator has just overridden.
        hurried: old keys whose end an operator has brought forward, and to when.
        untraced: keys whose entry an operator has taken out of the ledger.
        untraced_parameters: the same for encryption keys.
        deleted_by_hand: keys that an administrator has deleted.
    """

    def __init__(self, world: World, terms: Terms) -> None:
        self._world = world
        self._terms = terms
        self._observe = world.controller.observe
        self._tagged: dict[str, tuple[str, datetime]] = {}
        self._known_addresses: dict[str, set[str]] = {}
        self._texts: list[str] = []
        self.broken: list[str] = []
        self.sent: list[Sent] = []
        self.forced: set[str] = set()
        self.hurried: dict[str, datetime] = {}
        self.untraced: set[str] = set()
        self.untraced_parameters: set[str] = set()
        self.deleted_by_hand: set[str] = set()
        world.controller.observe = self._look

    # --- what others do ------------------------------------------------------------------------------------------

    def tagged(self, name: str, address: str | None) -> None:
        """Note which address a user's tags name from now on."""
        self._tagged[self._world.user_id(name)] = (address or "", datetime.now(UTC))

    def excuse_who_is_locked_out(self) -> None:
        """Note that whoever has no key now has not the service to thank for it."""
        self._world.excused.update(self._world.locked_out())

    def begin_step(self) -> None:
        """Forget the excuses of those who have a key again, and remember which addresses the ledger knows."""
        world = self._world
        excused, world.excused = world.excused, set()
        world.excused = excused & set(world.locked_out())
        self.forced.clear()
        self._known_addresses = {}
        for item in world.ledger().values():
            if "user_id" in item and "email" in item:
                self._known_addresses.setdefault(item["user_id"], set()).add(item["email"])

    # --- at every call -------------------------------------------------------------------------------------------

    def _look(self, operation: str, body: bytes) -> None:
        if operation in {"UpdateAccessKey", "DeleteAccessKey"}:
            asked = parse_qs(body.decode())
            self._excuse_what_is_documented(operation, asked["UserName"][0], asked["AccessKeyId"][0])
        if operation == "SendEmail":
            self._note_mail(json.loads(body))
        self._observe(operation, body)

    def _excuse_what_is_documented(self, operation: str, name: str, key_id: str) -> None:
        """Excuse who is locked out by a call just made, if it is one that the protocol announces and not too early."""
        if name in self._world.locked_out() and (
            self._is_end_of_unconfirmed(operation, name, key_id) or self._is_dormancy(operation, name, key_id)
        ):
            self._world.excused.add(name)

    def _is_end_of_unconfirmed(self, operation: str, name: str, key_id: str) -> bool:
        """Tell whether the extension of an old key is over, or, if it is deleted, its recovery window as well."""
        successors = self._world.keys(name)
        mailed = [mail.at for mail in self.sent if mail.new_key in successors and key_id in mail.text]
        if not mailed:
            return False
        grace_ends = max(mailed) + timedelta(days=self._terms.grace)
        grace_ends = min(grace_ends, self.hurried.get(key_id, grace_ends))
        earliest = grace_ends + self._terms.until_deactivated - timedelta(days=self._terms.grace)
        if operation == "DeleteAccessKey":
            earliest += self._terms.window
        return datetime.now(UTC) >= earliest - A_MOMENT

    def _is_dormancy(self, operation: str, name: str, key_id: str) -> bool:
        """Tell whether a key is the only one, older than its limit, and was never used."""
        (key, *others) = self._world._keys(name)
        age = datetime.now(UTC) - key.create_date.replace(tzinfo=UTC)
        return (
            operation == "UpdateAccessKey"
            and not others
            and (key.access_key_id, key.last_used) == (key_id, None)
            and age > timedelta(days=self._terms.limit)
            and any(mail.new_key == key_id for mail in self.sent)
        )

    def _note_mail(self, request: dict[str, Any]) -> None:
        (to,), text = request["Destination"]["ToAddresses"], request["Content"]["Simple"]["Body"]["Text"]["Data"]
        tags = {tag["Name"]: tag["Value"] for tag in request["EmailTags"]}
        self._texts.append(text)
        if tags[NOTICE_TAG] == "new_key":
            mail = Sent(at=datetime.now(UTC), to=to, user_id=tags[USER_TAG], new_key=tags[KEY_TAG], text=text)
            self.sent.append(mail)
            self._check_address(mail)

    def _check_address(self, mail: Sent) -> None:
        """Nothing secret goes to an address that the tags do not name, or that is another one and has not stood."""
        address, since = self._tagged[mail.user_id]
        if mail.to != address:
            self.broken.append(f"a key was mailed to {mail.to}, while the tags say {address}")
        known = self._known_addresses.get(mail.user_id, set())
        is_new = any(not same_address(one, mail.to) for one in known)
        held = mail.at < since + timedelta(days=self._terms.hold) - SCHEDULE_SLACK
        if is_new and held and mail.user_id not in self.forced:
            self.broken.append(f"a key was mailed to {mail.to}, which has stood since {since}; known: {known}")

    # --- at rest -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Look at everything that must hold whenever nothing is under way."""
        assert self._world.broken_promises == []
        assert self.broken == []
        table = dynamodb_backends[ACCOUNT][REGION].tables[TABLE]
        entries = [entry.parse(item.to_json()["Attributes"]) for item in table.all_items()]
        self._every_key_that_nobody_holds_is_on_record(entries)
        self._no_hand_made_key_goes_without_a_word()
        self._ledger_makes_sense(entries)

    def _every_key_that_nobody_holds_is_on_record(self, entries: Iterable[entry.Entry]) -> None:
        """One that nobody was ever mailed, on that of a rotation under way: so that it is deleted, or mailed."""
        mailed = {mail.new_key for mail in self.sent}
        for name in self._world.people:
            for orphan in set(self._world.orphans()) & set(self._world.keys(name)) - self.untraced:
                theirs = [one for one in entries if one.user_id == self._world.user_id(name)]
                under_way = any(one.status in UNDER_WAY for one in theirs)
                on_record = any(
                    one.new_key_id == orphan
                    or (one.key_id == orphan and (one.unconfirmed_since is not None or one.status in ENDING))
                    for one in theirs
                )
                assert under_way or (on_record and orphan in mailed), f"nobody holds {orphan} of {name}"

    def _no_hand_made_key_goes_without_a_word(self) -> None:
        existing = {key for name in self._world.people for key in self._world.keys(name)}
        for key in self._world.made_by_hand - existing - self.deleted_by_hand:
            assert any(key in text for text in self._texts), f"{key} is gone without a word"

    def _ledger_makes_sense(self, entries: list[entry.Entry]) -> None:
        under_way = [one.user_id for one in entries if one.status in UNDER_WAY]
        replaced = [(one.user, one.replaces) for one in entries if one.replaces]
        assert len(set(under_way)) == len(under_way)
        assert len(set(replaced)) == len(replaced)
        for one in entries:
            assert one.windows <= MOST_WINDOWS
            assert (one.sealed_block is not None) <= (one.status is Status.DELIVERING)
