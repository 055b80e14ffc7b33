"""One random history: what people, administrators, operators and AWS may do to keys, in any order, in coarse steps.

Each step lets enough happen to get somewhere: a limit is waited out and the rotator runs, a grace is waited out and the
stream flows, a fault strikes where something is under way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from unittest import mock

from functions.common import telemetry
from functions.common.errors import MailServiceError, RecipientRefused
from functions.common.parameters import parameter_name
from functions.rotator.decide import ENDING, UNDER_WAY
from functions.rotator.summary import Summary
from tests.faults.promises import Promises, Terms
from tests.simulation.faults import Fault, Kind, aws_error
from tests.simulation.world import World

NAMES = ("alice", "bob@example.com", "carol+test@example.com")
# What is called in a run, on the way to a new key, and to the end of an old one.
RUNNING = ("GetAccountAuthorizationDetails", "Scan", "ListAccessKeys", "UpdateItem", "DeleteItem", "DeleteAccessKey")
ROTATING = ("UpdateItem", "PutParameter", "CreateAccessKey", "SendEmail", "TransactWriteItems")
ENDING_A_KEY = (
    *("GetItem", "GetUser", "ListAccessKeys", "GetAccessKeyLastUsed", "DeleteAccessKey", "UpdateAccessKey"),
    *("TransactWriteItems", "DescribeParameters", "DeleteParameter", "SendEmail", "UpdateItem"),
)
DILIGENCE = (0.0, 0.6, 0.9)
"""How likely it is that somebody has read their mail by the time that something else happens."""


class History:
    """A world, the promises about it, and chance.

    Attributes:
        events: what happened how often, by what the functions log and count, and by what others do.
        story: the steps so far.
    """

    def __init__(self, world: World, terms: Terms, seed: int) -> None:
        self.world = world
        self.events: Counter[str] = Counter()
        self.story: list[str] = []
        self._terms = terms
        self._random = Random(seed)  # noqa: S311 (chance that can be repeated)
        self._promises = Promises(world, terms)
        self._refusing: dict[str, Exception] = {}
        self._addresses = 0
        self._renamed = 0
        world.strict = True
        for name in NAMES:
            self._hire(name)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Listen to what the functions log and count, and let mailboxes refuse mail at times."""
        publish = Summary.publish

        def listen(event: str, **fields: object) -> None:
            with self.world.controller._lock:  # several workers may tell at once
                self.events[event if event != "swept" else f"swept: {fields['chore']}"] += 1

        def listen_to_summary(summary: Summary) -> None:
            for name in ("rotated", "recovered", "taken_back", "rearmed", "reminded"):
                self.events[f"summary.{name}"] += getattr(summary, name)
            for name in ("dormant", "refused", "returned", "addresses_changed"):
                self.events[f"summary.{name}"] += len(getattr(summary, name))
            self.events.update(f"skipped.{reason}" for reason in summary.skipped.elements())
            publish(summary)

        with (
            mock.patch.object(telemetry, "info", listen),
            mock.patch.object(telemetry, "warning", listen),
            mock.patch.object(telemetry, "error", listen),
            mock.patch.object(telemetry, "count"),
            mock.patch.object(Summary, "publish", listen_to_summary),
            mock.patch("functions.mail.sender._jitter", self._random),
            self.world.refusing(self._refusing),
        ):
            yield

    def counted(self) -> Counter[str]:
        """Give how often each event has occurred."""
        counted = Counter({name: self.events[logged] for name, logged in _EVENTS.items()})
        counted["taken back"] -= counted["undone"]  # both are logged alike
        return counted

    def live(self, steps: int) -> None:
        """Let so many things happen, and look at the promises after each."""
        choices, weights = zip(*_STEPS.items(), strict=True)
        for step in self._random.choices(choices, weights, k=steps):
            self._promises.begin_step()
            self.story.append(step.__name__)
            step(self)
            self._promises.check()

    # --- time passes, and the service works ------------------------------------------------------------------------

    def a_day_goes_by(self) -> None:
        self._pass(hours=24)

    def an_hour_goes_by(self) -> None:
        self._pass(hours=1)

    def a_limit_is_waited_out(self) -> None:
        self._pass(days=self._terms.limit, hours=1)

    def a_grace_is_waited_out(self) -> None:
        self._pass(days=self._terms.grace - 1)
        self._pass(days=1, hours=1)

    def an_extension_is_waited_out(self) -> None:
        self._pass(days=1)
        self._pass(days=self._terms.extension)

    def a_window_is_waited_out(self) -> None:
        self._pass(days=self._terms.window.days, hours=1)

    def ttl_collects(self) -> None:
        self.world.wait(hours=self._random.choice([1, 24, 6 * 24]))
        self.world.collect_by_ttl()
        self.world.deliver_stream()

    def a_rotation_is_struck(self) -> None:
        self.world.wait(days=self._terms.limit + 1)
        self._strike(ROTATING, self.world.rotate)
        self.world.deliver_stream()
        if self._random.random() < 0.5:
            self._pass(hours=1)

    def a_run_is_struck(self) -> None:
        self.world.wait(days=self._random.choice([0, 1, self._terms.grace]), hours=1)
        self._strike(RUNNING, self.world.rotate)

    def an_end_is_struck(self) -> None:
        self.world.wait(days=self._terms.grace, hours=1)
        self.world.collect_by_ttl()
        self._strike(ENDING_A_KEY, self.world.deliver_stream)
        self.world.deliver_stream()

    def the_mail_service_is_down(self) -> None:
        self.world.wait(days=self._terms.limit + 1)
        self.world.controller.outages["SendEmail"] = aws_error("SendEmail", "AccountSuspendedException", 400)
        self._run()
        self.world.controller.outages.clear()

    def keys_cannot_be_ended_for_a_while(self) -> None:
        """What was given up is tried once in every run."""
        for operation in ("DeleteAccessKey", "UpdateAccessKey"):
            self.world.controller.outages[operation] = aws_error(operation, "AccessDenied", 403)
        self._pass(days=self._terms.grace, hours=1)
        self._pass(hours=1)
        self.world.controller.outages.clear()

    def records_come_again(self) -> None:
        """Late, and in another order."""
        removals = [record for record in self.world.stream() if _is_of_an_end(record)]
        if removals:
            self.world.destroy(self._random.choices(removals, k=3))
            self.events["records repeated"] += 1

    def records_are_lost(self) -> None:
        self.world.wait(days=self._random.choice([0, self._terms.grace]), hours=1)
        self.world.collect_by_ttl()
        self.world.lose_stream()
        self.events["records lost"] += 1

    # --- people ----------------------------------------------------------------------------------------------------

    def somebody_reads(self) -> None:
        self.world.read_mail(self._somebody())

    def everybody_reads(self) -> None:
        self.world.read_mail()

    def somebody_loses_their_mail(self) -> None:
        self.world.people[self._somebody()].mails.clear()
        self._promises.excuse_who_is_locked_out()

    def somebody_forwards_their_mail(self) -> None:
        """Somebody else has the new key from then on, and does not use it yet."""
        person = self.world.people[self._somebody()]
        for key in self.world._keys(person.name):
            if self.world._can_read(person, key):
                person.secrets.add(key.secret_access_key)
        person.mails.clear()
        self._promises.excuse_who_is_locked_out()

    def somebody_uses_a_key(self) -> None:
        name = self._somebody()
        person = self.world.people[name]
        for key in self.world._keys(name):
            if key.status == "Active" and key.secret_access_key in person.secrets:
                self.world.use_key(name, key.access_key_id)
                return

    def a_mailbox_refuses(self) -> None:
        """It does so until another one refuses."""
        faults = [RecipientRefused("550 no such user"), MailServiceError("451 try later", transient=True)]
        self._refusing.clear()
        self._refusing[self._address(self._somebody())] = self._random.choice(faults)
        self.events["mailboxes refusing"] += 1

    def a_mail_comes_back(self) -> None:
        name = self._somebody_waiting()
        person = self.world.people[name]
        mails = [mail for mail in person.mails + self.world.misaddressed if mail.to == self._address(name)]
        for mail in mails[-1:]:
            person.mails = [other for other in person.mails if other is not mail]
            self._promises.excuse_who_is_locked_out()
            self.world.return_mail(mail)
            self.world.deliver_stream()

    # --- administrators --------------------------------------------------------------------------------------------

    def an_address_is_mistyped(self) -> None:
        address = self._new_address()
        self.world.nobodys.add(address)
        self._tag(self._somebody(), address)

    def an_address_changes(self) -> None:
        self._tag(self._somebody(), self._new_address())

    def an_address_is_invalid(self) -> None:
        self._tag(self._somebody(), "not an address")

    def an_address_is_stolen_and_put_back(self) -> None:
        name = self._somebody()
        before = self._address(name)
        self._tag(name, self._new_address())
        self._run()
        self._tag(name, before)

    def a_wrong_address_is_corrected(self) -> None:
        for name in self.world.people:
            if self._address(name) in {*self.world.nobodys, *self._refusing, "not an address", ""}:
                self._tag(name, self._new_address())

    def somebody_is_opted_out(self) -> None:
        self._tag(self._somebody(), None)

    def somebody_is_renamed(self) -> None:
        name = self._somebody()
        self._renamed += 1
        new_name = f"{name.partition('.')[0].partition('@')[0]}.{self._renamed}"
        full_name = new_name if self._random.random() < 0.5 else f"{new_name}@example.com"
        self.world.rename(name, full_name)
        if name in self.world.excused:
            self.world.excused = self.world.excused - {name} | {full_name}

    def a_key_is_made_by_hand(self) -> None:
        name = self._somebody()
        if len(self.world.keys(name)) < 2:
            self.world.use_key(name, self.world.add_key(name))

    def a_key_is_deleted_by_hand(self) -> None:
        name = self._somebody()
        keys = list(self.world.keys(name))
        for key in self._random.sample(keys, k=min(1, len(keys))):
            self._delete_key(name, key)
        self._promises.excuse_who_is_locked_out()

    def keys_are_activated(self) -> None:
        """Whoever asks for it gets every key back."""
        inactive = [name for name in self.world.people if "Inactive" in self.world.keys(name).values()]
        self._switch(self._random.choice(inactive or list(self.world.people)), "Active")

    def deactivated_keys_are_activated_and_not_replaced(self) -> None:
        """Administrators do so for everybody who asks, and nobody reads their mail all the same."""
        for item in self.world.ledger().values():
            if item["status"] == "inactive" and item["user"] in self.world.people:
                self._switch(item["user"], "Active")
        self.world.wait(days=self._terms.window.days, hours=1)
        self._run()

    def keys_are_put_in_order(self) -> None:
        """Nobody is left without a key that works, or with a second one that was made by hand."""
        for name in self.world.people:
            keys, known = list(self.world.keys(name)), self.world.ledger(name)
            if list(self.world.keys(name).values()) == ["Inactive"]:
                self._delete_key(name, keys.pop())
            if not keys:
                self.world.use_key(name, self.world.add_key(name))
            elif len(keys) > 1 and all(item["status"] == "current" for item in known.values()):
                self._delete_key(name, keys[0])
                self._promises.excuse_who_is_locked_out()

    def a_key_is_deactivated(self) -> None:
        self._switch(self._somebody(), "Inactive", k=1)
        self._promises.excuse_who_is_locked_out()

    def somebody_leaves_and_is_followed_by_another(self) -> None:
        """Whoever comes next may get the same name."""
        name = self._somebody()
        self._promises.deleted_by_hand.update(self.world.keys(name))
        self.world.delete_user(name)
        if self._random.random() < 0.5:
            self._run()
        self._hire(name)

    # --- operators -------------------------------------------------------------------------------------------------

    def an_operator_forces(self) -> None:
        name = self._somebody()
        self._promises.forced.add(self.world.user_id(name))
        self.world.rotate({"users": [name], "force": True})

    def an_operator_asks_again(self) -> None:
        name = self._somebody_waiting()
        summary = self.world.rotate({"users": [name], "again": True})
        self.events["mailed again"] += bool(summary.get("taken_back"))

    def an_operator_takes_an_item_out(self) -> None:
        """Any but one of a rotation under way: that one is the only trace of a key that nobody may hold."""
        items = [item for item in self.world.ledger().values() if item["status"] not in UNDER_WAY]
        for item in self._random.sample(items, k=min(1, len(items))):
            self._promises.untraced.update({item["ak"], item.get("new_ak", "")})
            self._promises.untraced_parameters.add(parameter_name(item["user"], item["user_id"]))
            self.world.remove_item(item["user"], item["ak"])
        self.world.deliver_stream()

    def an_operator_brings_an_end_forward(self) -> None:
        now = datetime.now(UTC)
        for key, item in self.world.ledger().items():
            if item["status"] == "expiring":
                self._promises.hurried[key] = now
                self.world.dynamodb.update_item(
                    TableName="key-ledger",
                    Key={"user": {"S": item["user"]}, "ak": {"S": key}},
                    UpdateExpression="SET delete_on = :now",
                    ExpressionAttributeValues={":now": {"N": str(int(now.timestamp()))}},
                )
        self._pass(hours=1)

    # --- the end of chaos ------------------------------------------------------------------------------------------

    def end_well(self) -> None:
        """From here on nothing fails, tags are put right, people read their mail: then everybody is served."""
        self._put_right()
        # Else some key would always be due, and something always under way.
        with mock.patch.dict("os.environ", ROTATE_AFTER_DAYS="3650"):
            self._wait_until_nothing_is(self._unsettled_items)
        due = {
            key
            for name in self.world.people
            for key in self.world.keys(name)
            if list(self.world.keys(name).values()) == ["Active"] and key in self._used_keys()
        }
        self.world.wait(days=self._terms.limit + 1)
        self._wait_until_nothing_is(lambda: self._unsettled() + sorted(due & self._existing_keys()))
        self.events["served at the end"] += len(due)

    def _put_right(self) -> None:
        self.story.append("all is put right")
        self.world.controller.fault = None
        self._refusing.clear()
        self._promises.begin_step()
        for name in list(self.world.people):
            self._tag(name, self._new_address())
            self._switch(name, "Active")
        for name in self.world.locked_out() + sorted(self.world.excused):
            self._help(name)
        self.world.excused.clear()
        for name in self.world.people:
            if set(self.world.orphans()) & set(self.world.keys(name)):
                self._promises.forced.add(self.world.user_id(name))
                self.world.rotate({"users": [name], "again": True, "force": True})

    def _help(self, name: str) -> None:
        """Give somebody who is locked out a key: an old one that is activated, or one that is made by hand."""
        person = self.world.people[name]
        for key in self.world._keys(name):
            if key.secret_access_key in person.secrets:
                self._switch(name, "Active")
                return
        for key in list(self.world.keys(name)):
            self._delete_key(name, key)
        self.world.use_key(name, self.world.add_key(name))

    def _wait_until_nothing_is(self, left: Callable[[], Sequence[object]]) -> None:
        """Let days go by, at most so many, until nothing is left to do, and skip those on which nothing can happen."""
        days = 0.0
        while days == 0 or left():
            assert days < self._longest_days, f"left after {days} days: {left()}"
            self._promises.begin_step()
            self._everybody_uses_what_they_hold()
            pause = self._until_something_may_happen()
            days += pause / timedelta(days=1)
            self.world.wait(seconds=pause.total_seconds())
            self._run()
            self._promises.check()

    @property
    def _longest_days(self) -> float:
        """How long it may take: a pause before a rotation is tried again, a hold, grace, extension and window."""
        return 8 + self._terms.hold + 2 * (self._terms.grace + self._terms.extension) + self._terms.window.days + 8

    def _until_something_may_happen(self) -> timedelta:
        """Tell how long to wait: a day, or until the first of all ends if nothing else is to be done."""
        ledger = self.world.ledger().values()
        if not ledger or any(item["status"] not in {"expiring", "inactive", "current"} for item in ledger):
            return timedelta(days=1)
        if any("pending_email" in item or "try_again_on" in item for item in ledger):
            return timedelta(days=1)
        ends = [int(item["delete_on"]) - datetime.now(UTC).timestamp() for item in ledger if "delete_on" in item]
        return max(timedelta(days=1), timedelta(seconds=min(ends, default=0), hours=1))

    def _unsettled(self) -> list[object]:
        """Give what of the ledger, and of the encryption keys, is not as it is once everything is done.

        An encryption key whose mail was never read stays, and one whose item an operator has taken out.
        """
        unread = {
            parameter_name(item["user"], item["user_id"])
            for item in self.world.ledger().values()
            if "unconfirmed_since" in item
        }
        return [
            *self._unsettled_items(),
            *(self.world.parameters().keys() - unread - self._promises.untraced_parameters),
        ]

    def _unsettled_items(self) -> list[object]:
        """Give what of the ledger is not as it is once everything is done. Who lost a mail never uses its key."""
        used = self._used_keys()
        return [
            item
            for item in self.world.ledger().values()
            if item["status"] != "current" or "replaces" in item or ("unconfirmed_since" in item and item["ak"] in used)
        ]

    def _used_keys(self) -> set[str]:
        return {
            key.access_key_id
            for name in self.world.people
            for key in self.world._keys(name)
            if key.last_used is not None or key.access_key_id in self.world.made_by_hand
        }

    def _everybody_uses_what_they_hold(self) -> None:
        """Whoever was told a new key in another way than by the mail uses it now, too."""
        self.world.read_mail()
        for name, person in self.world.people.items():
            for key in self.world._keys(name):
                held = key.status == "Active" and key.secret_access_key in person.secrets
                if held and key.last_used is None:
                    self.world.use_key(name, key.access_key_id, "sts")

    def _existing_keys(self) -> set[str]:
        return {key for name in self.world.people for key in self.world.keys(name)}

    # --- details ---------------------------------------------------------------------------------------------------

    def _pass(self, **period: float) -> None:
        """Let time pass: people live on, each in their own way, and then the rotator runs."""
        for name, diligence in zip(self.world.people, DILIGENCE, strict=True):
            if self._random.random() < diligence:
                self.world.read_mail(name)
        self.world.wait(**period)
        if self._random.random() < 0.5:
            self.world.collect_by_ttl()
        self._run()

    def _run(self) -> None:
        self.world.rotate()
        self.world.deliver_stream()

    def _strike(self, operations: Sequence[str], act: Callable[[], object]) -> None:
        controller = self.world.controller
        controller.struck = None
        controller.fault = Fault(self._random.choice(operations), self._random.choice(list(Kind)))
        act()
        self.events[f"struck: {controller.fault.kind}"] += controller.struck is not None
        controller.fault = None

    def _somebody(self) -> str:
        return self._random.choice(sorted(self.world.people))

    def _somebody_waiting(self) -> str:
        """Choose somebody, if there is anybody, whose new key was never used, while the old one is still there."""
        ledger = self.world.ledger().values()
        waiting = {str(item["user"]) for item in ledger if {"unconfirmed_since", "replaces"} <= item.keys()}
        return self._random.choice(sorted(waiting & set(self.world.people)) or sorted(self.world.people))

    def _hire(self, name: str) -> None:
        address = self._new_address()
        self.world.add_user(name, email=address)
        self._promises.tagged(name, address)

    def _new_address(self) -> str:
        self._addresses += 1
        return f"{self._addresses}@example.com"

    def _address(self, name: str) -> str:
        tags = self.world.iam.list_user_tags(UserName=name)["Tags"]
        return next((tag["Value"] for tag in tags if tag["Key"] == "IKR:EMAIL"), "")

    def _tag(self, name: str, address: str | None) -> None:
        if address:
            self.world.change_address(name, address)
        else:
            self.world.iam.untag_user(UserName=name, TagKeys=["IKR:EMAIL"])
        self._promises.tagged(name, address)

    def _switch(self, name: str, status: Any, *, k: int = 2) -> None:
        keys = list(self.world.keys(name))
        for key in self._random.sample(keys, k=min(k, len(keys))):
            self.world.iam.update_access_key(UserName=name, AccessKeyId=key, Status=status)

    def _delete_key(self, name: str, key: str) -> None:
        self.world.iam.delete_access_key(UserName=name, AccessKeyId=key)
        self._promises.deleted_by_hand.add(key)


def _is_of_an_end(record: Mapping[str, Any]) -> bool:
    image = record["dynamodb"].get("OldImage", {})
    return record["eventName"] == "REMOVE" and image["status"]["S"] in ENDING


_EVENTS = {
    "rotated": "rotated",
    "recovered": "recovering",
    "taken back": "rotation_taken_back",
    "undone": "summary.taken_back",
    "mailed again": "mailed again",
    "reminded": "reminded",
    "postponed": "postponed",
    "deactivated": "deactivated",
    "reactivated": "reactivated",
    "destroyed": "destroyed",
    "cancelled": "deletion_cancelled",
    "out of date": "record_out_of_date",
    "re-armed": "summary.rearmed",
    "given up": "deletion_given_up",
    "dormant": "key_dormant",
    "address changed": "address_changed",
    "address held": "skipped.address_held",
    "returned": "mail_returned",
    "undeliverable": "skipped.undeliverable",
    "renamed": "user_renamed",
    "gone": "swept: forget",
    "parked": "record_parked",
    "served at the end": "served at the end",
}
"""What may happen, and what is logged or counted of it."""

_STEPS: Mapping[Callable[[History], None], int] = {
    History.a_day_goes_by: 6,
    History.an_hour_goes_by: 6,
    History.a_limit_is_waited_out: 8,
    History.a_grace_is_waited_out: 8,
    History.an_extension_is_waited_out: 4,
    History.a_window_is_waited_out: 3,
    History.ttl_collects: 2,
    History.a_rotation_is_struck: 10,
    History.a_run_is_struck: 4,
    History.an_end_is_struck: 6,
    History.the_mail_service_is_down: 2,
    History.keys_cannot_be_ended_for_a_while: 2,
    History.records_come_again: 3,
    History.records_are_lost: 3,
    History.somebody_reads: 3,
    History.everybody_reads: 4,
    History.somebody_loses_their_mail: 2,
    History.somebody_forwards_their_mail: 2,
    History.somebody_uses_a_key: 3,
    History.a_mailbox_refuses: 2,
    History.a_mail_comes_back: 6,
    History.an_address_is_mistyped: 2,
    History.an_address_changes: 3,
    History.an_address_is_invalid: 1,
    History.an_address_is_stolen_and_put_back: 2,
    History.a_wrong_address_is_corrected: 4,
    History.somebody_is_opted_out: 1,
    History.somebody_is_renamed: 3,
    History.a_key_is_made_by_hand: 1,
    History.a_key_is_deleted_by_hand: 3,
    History.keys_are_activated: 4,
    History.deactivated_keys_are_activated_and_not_replaced: 3,
    History.keys_are_put_in_order: 6,
    History.a_key_is_deactivated: 1,
    History.somebody_leaves_and_is_followed_by_another: 2,
    History.an_operator_forces: 3,
    History.an_operator_asks_again: 6,
    History.an_operator_takes_an_item_out: 2,
    History.an_operator_brings_an_end_forward: 1,
}
"""What may happen, and how likely it is beside the rest."""
