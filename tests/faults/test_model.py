"""Random histories: runs, deaths, events twice and out of order, operators, jumps in time. The promise holds."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from functions.common import entry
from functions.rotator.decide import UNDER_WAY
from tests.simulation.faults import Fault, Kind
from tests.simulation.world import TABLE, new_world

NAMES = ("alice", "bob@example.com", "carol")
users = st.sampled_from(NAMES)
first_or_second = st.integers(0, 1)


class KeysAndTheirPeople(RuleBasedStateMachine):
    """Three users, an operator who may do anything, and everything that may befall the service."""

    def __init__(self) -> None:
        super().__init__()
        self._world = ExitStack()
        self.hand_made: dict[str, str] = {}

    @initialize(encrypt=st.booleans(), attempts=st.integers(1, 3), gentle=st.booleans())
    def begin(self, encrypt: bool, attempts: int, gentle: bool) -> None:
        environment = {"ENCRYPT_KEY_PAIR": "true" if encrypt else "false", "MAX_DELETION_ATTEMPTS": str(attempts)}
        if gentle:
            environment |= {"RECOVERY_DAYS": "2", "GRACE_EXTENSION_DAYS": "2", "REMINDER_DAYS": "1"}
        self.world = self._world.enter_context(new_world(**environment))
        for name in NAMES:
            self.world.add_user(name)
            self._note_hand_made(name)

    def teardown(self) -> None:
        self._world.close()

    # --- the service --------------------------------------------------------------------------------------------

    @rule()
    def rotator_runs(self) -> None:
        self.world.rotate()

    @rule(name=users)
    def operator_forces(self, name: str) -> None:
        self.world.rotate({"users": [name], "force": True})

    @rule(call=st.integers(1, 14), kind=st.sampled_from(Kind))
    def rotator_is_struck(self, call: int, kind: Kind) -> None:
        self._strike(call, kind)
        self.world.rotate()
        self.world.controller.fault = None

    @rule(call=st.integers(1, 9), kind=st.sampled_from(Kind))
    def destructor_is_struck(self, call: int, kind: Kind) -> None:
        self._strike(call, kind)
        self.world.deliver_stream()
        self.world.controller.fault = None

    @rule()
    def stream_flows(self) -> None:
        self.world.deliver_stream()

    @rule(data=st.data())
    def stream_repeats_itself(self, data: st.DataObject) -> None:
        """Records come again, late and in another order."""
        records = [record for record in self.world.stream() if record["eventName"] == "REMOVE"]
        if records:
            again = data.draw(st.lists(st.sampled_from(range(len(records))), min_size=1, max_size=4))
            ending = [records[number] for number in again if _is_ending(records[number])]
            if ending:
                self.world.destroy(ending)

    @rule()
    def stream_is_lost(self) -> None:
        self.world.lose_stream()

    @rule()
    def ttl_collects(self) -> None:
        self.world.collect_by_ttl()

    @rule(hours=st.sampled_from([1, 24, 6 * 24, 81 * 24]))
    def time_passes(self, hours: int) -> None:
        self.world.read_mail()
        self.world.wait(hours=hours)

    @rule(name=users, which=first_or_second)
    def a_key_is_used(self, name: str, which: int) -> None:
        for key in list(self.world.keys(name))[which : which + 1]:
            self.world.use_key(name, key)

    # --- the operator -------------------------------------------------------------------------------------------

    @rule(name=users)
    def makes_a_key_by_hand(self, name: str) -> None:
        if self.world.exists(name) and len(self.world.keys(name)) < 2:
            self.world.use_key(name, self.world.add_key(name))
            self._note_hand_made(name)

    @rule(name=users, which=first_or_second)
    def deletes_a_key(self, name: str, which: int) -> None:
        """Whoever deletes a key by hand has seen to it that its user has changed over."""
        self.world.read_mail()
        for key in list(self.world.keys(name))[which : which + 1]:
            self.world.iam.delete_access_key(UserName=name, AccessKeyId=key)
            self.hand_made.pop(key, None)
        self._excuse()

    @rule(name=users, which=first_or_second, status=st.sampled_from(["Active", "Inactive"]))
    def switches_a_key(self, name: str, which: int, status: Literal["Active", "Inactive"]) -> None:
        for key in list(self.world.keys(name))[which : which + 1]:
            self.world.iam.update_access_key(UserName=name, AccessKeyId=key, Status=status)
        self._excuse()

    @rule(name=users, address=st.sampled_from(["0@example.com", "new@example.com", "not an address"]))
    def changes_the_address(self, name: str, address: str) -> None:
        if self.world.exists(name):
            value = address.replace("0", str(NAMES.index(name)))
            self.world.iam.untag_user(UserName=name, TagKeys=["IKR:EMAIL", "ikr:email"])
            self.world.iam.tag_user(UserName=name, Tags=[{"Key": "ikr:email", "Value": value}])

    @rule(name=users)
    def takes_a_user_out(self, name: str) -> None:
        if self.world.exists(name):
            self.world.iam.untag_user(UserName=name, TagKeys=["IKR:EMAIL", "ikr:email"])

    @rule(which=st.integers(0, 5))
    def takes_an_item_out(self, which: int) -> None:
        """Any but one of a rotation under way: that one is the only trace of a key that nobody may hold."""
        for item in list(self.world.ledger().values())[which : which + 1]:
            if item["status"] not in UNDER_WAY:
                self.world.remove_item(item["user"], item["ak"])

    @precondition(lambda self: len(self.world.iam.list_users()["Users"]) > 1)
    @rule(name=users)
    def deletes_a_user(self, name: str) -> None:
        if self.world.exists(name):
            for key in self.world.keys(name):
                self.world.iam.delete_access_key(UserName=name, AccessKeyId=key)
                self.hand_made.pop(key, None)
            self.world.iam.delete_user(UserName=name)
        self._excuse()

    # --- what always holds --------------------------------------------------------------------------------------

    @invariant()
    def nobody_is_locked_out(self) -> None:
        assert self.world.broken_promises == []

    @invariant()
    def every_key_that_nobody_holds_is_on_record(self) -> None:
        traced = {item["user"] for item in self.world.ledger().values() if item["status"] in UNDER_WAY}
        for orphan in self.world.orphans():
            owner = next(name for name in NAMES if orphan in self.world.keys(name))
            assert owner in traced, f"nobody holds {orphan} of {owner}, and the ledger does not know"

    @invariant()
    def no_hand_made_key_goes_unannounced(self) -> None:
        """A key that the service did not make only goes when its user was mailed a successor."""
        for key, name in self.hand_made.items():
            if key not in self.world.keys(name):
                told = self.world.people[name].mails + self.world.misaddressed
                assert any(key in mail.text for mail in told), f"{key} of {name} is gone without a word"

    @invariant()
    def the_ledger_makes_sense(self) -> None:
        entries = [entry.parse(item) for item in self.world.dynamodb.scan(TableName=TABLE)["Items"]]
        for name in NAMES:
            assert sum(one.user == name and one.status in UNDER_WAY for one in entries) <= 1
            replaced = [one.replaces for one in entries if one.user == name and one.replaces]
            assert len(set(replaced)) == len(replaced)

    # --- details ------------------------------------------------------------------------------------------------

    def _strike(self, call: int, kind: Kind) -> None:
        self.world.controller.struck = None
        self.world.controller.fault = Fault(len(self.world.controller.calls) + call, kind)

    def _note_hand_made(self, name: str) -> None:
        for key in self.world.keys(name):
            if key in self.world.made_by_hand:
                self.hand_made.setdefault(key, name)

    def _excuse(self) -> None:
        """Whoever has no key after what the operator did has the operator to thank for it."""
        self.world.excused.clear()
        self.world.excused.update(self.world.locked_out())


def _is_ending(record: dict[str, dict[str, dict[str, dict[str, str]]]]) -> bool:
    return record["dynamodb"]["OldImage"]["status"]["S"] in {"expiring", "inactive", "failed"}


KeysAndTheirPeople.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
TestKeysAndTheirPeople = KeysAndTheirPeople.TestCase
