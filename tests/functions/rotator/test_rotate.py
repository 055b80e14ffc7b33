"""One rotation in the simulated world: its steps, and what each failure on the way leaves behind."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from botocore.exceptions import ClientError

from functions.mail.notices import NewKey
from tests.simulation.faults import Fault, Kind, aws_error
from tests.simulation.world import START, Person, World, new_world

if TYPE_CHECKING:
    from mypy_boto3_iam.type_defs import TagTypeDef

# Spellings that IAM allows; the first and the last are fit for SSM as they are.
NAMES = ["alice", "alice@example.com", "a+b", "a=b", "a,b", "A.b-c_d", "a+=,.@_-b", "_.-"]
REFUSED_ADDRESS = aws_error("SendEmail", "BadRequestException", 400, "illegal address")
MAIL_DOWN = aws_error("SendEmail", "AccountSuspendedException", 400, "sending is paused")


def due(world: World, name: str = "alice") -> str:
    """Somebody whose only key is due; gives its id."""
    world.add_user(name)
    world.wait(days=81)
    (key,) = world.keys(name)
    return key


def failure_of(summary: dict[str, object], world: World) -> str:
    """The run has failed loudly: tell what it said."""
    assert summary == {}
    return str(world.faults_seen[-1])


def assert_as_before(world: World, key: str, name: str = "alice", *, days: int = 0) -> None:
    """Nothing of the rotation is left, and a run after so many days carries it out."""
    assert world.keys(name) == {key: "Active"}
    assert {entry["status"] for entry in world.ledger(name).values()} <= {"current"}
    assert world.parameters() == {}

    world.controller.fault = None
    world.controller.outages.clear()
    world.controller.silent.clear()
    world.wait(days=days)
    assert world.rotate()["rotated"] == 1
    assert len(world.keys(name)) == 2
    assert world.orphans() == []


class TestWhatTheMailSays:
    @pytest.mark.parametrize("code", ["ServiceFailure", "AccessDenied"])
    def test_last_use_that_iam_does_not_tell_stops_nothing(self, world: World, code: str) -> None:
        """It is there for the reader to find what uses the key; a key that is used must not be said to be unused."""
        key = due(world)
        world.use_key("alice", key)
        world.controller.outages["GetAccessKeyLastUsed"] = aws_error("GetAccessKeyLastUsed", code, 403, "not so")

        summary = world.rotate()

        (mail,) = world.people["alice"].mails
        assert summary["rotated"] == 1
        assert "Old key last used:  AWS does not say" in mail.text

    def test_key_that_is_due_is_said_to_be_too_old_and_one_that_is_not_to_be_asked_for(self, world: World) -> None:
        due(world)
        world.add_user("bob")

        world.rotate({"users": ["alice", "bob"], "force": True})

        said = {name: " ".join(world.people[name].mails[0].text.split()) for name in ("alice", "bob")}
        assert "replaces AWS access keys every 80 days. Your old key is 81 days old." in said["alice"]
        assert "Your administrators have asked for a new key now." in said["bob"]

    @pytest.mark.parametrize(("grace", "days"), [("5", 5), ("0", 14)])
    def test_deadline_leaves_time_to_act(self, world: World, grace: str, days: int) -> None:
        """Without a grace period, the extension is the time that there is."""
        world.add_user("alice", DELETE_AFTER_DAYS=grace)
        world.wait(days=81)

        world.rotate()

        by = START + timedelta(days=81 + days)
        assert world.people["alice"].mails[0].subject.startswith(f"Action needed by {by.day} {by:%B}: new")


class TestSteps:
    def test_intent_is_written_before_the_key_is_made_and_the_key_before_it_is_mailed(self, world: World) -> None:
        """In any other order, a death in between leaves a key that nobody holds, or a fault of SSM costs a key."""
        due(world)

        world.rotate()

        writes = [call for call in world.controller.calls if not call.startswith(("Get", "List", "Scan", "Describe"))]
        assert writes == [
            "UpdateItem",
            "PutParameter",
            "CreateAccessKey",
            "UpdateItem",
            "SendEmail",
            "TransactWriteItems",
        ]

    @pytest.mark.parametrize("name", NAMES)
    def test_any_name_that_iam_allows_gets_a_key_that_opens(self, world: World, name: str) -> None:
        old = due(world, name)

        summary = world.rotate()

        assert (summary["rotated"], summary["failed"]) == (1, {})
        new = next(key for key in world.keys(name) if key != old)
        assert (world.ledger()[old]["status"], world.ledger()[old]["new_ak"]) == ("expiring", new)
        assert (world.ledger()[new]["status"], world.ledger()[new]["replaces"]) == ("current", old)
        assert world.orphans() == []

    def test_user_below_a_path_is_served(self, world: World) -> None:
        address: TagTypeDef = {"Key": "IKR:EMAIL", "Value": "alice@example.com"}
        world.iam.create_user(UserName="alice", Path="/team/blue/", Tags=[address])
        world.people["alice"] = Person("alice")
        old = world.add_key("alice")
        world.wait(days=81)

        assert world.rotate()["rotated"] == 1
        assert world.ledger()[old]["secret_parameter"] == "/ikr/secret/iam/alice"
        assert len(world.people["alice"].mails) == 1

    def test_grace_is_the_users_own(self, world: World) -> None:
        world.add_user("alice", DELETE_AFTER_DAYS="30", ROTATE_AFTER_DAYS="10")
        world.wait(days=11)
        (old,) = world.keys("alice")

        world.rotate()

        assert int(world.ledger()[old]["delete_on"]) == int(world.ledger()[old]["created_at"]) + 41 * 24 * 3600

    def test_instruction_is_in_the_mail_in_numeric_order(self, world: World) -> None:
        person = world.add_user("alice")
        tags: list[TagTypeDef] = [
            {"Key": f"ikr:Instruction_{number}", "Value": f"Step-{number}"} for number in reversed(range(12))
        ]
        world.iam.tag_user(UserName="alice", Tags=tags)
        world.wait(days=81)

        world.rotate()

        steps = " ".join(f"Step-{number}" for number in range(12))
        assert steps in " ".join(person.mails[0].text.split())

    def test_sealed_mail_does_not_hold_the_secret_and_a_plain_one_does(self) -> None:
        for encrypt in ("true", "false"):
            with new_world(ENCRYPT_KEY_PAIR=encrypt) as world:
                old = due(world)

                world.rotate()

                new = next(key for key in world._keys("alice") if key.access_key_id != old)
                (mail,) = world.people["alice"].mails
                assert (new.secret_access_key in mail.text) is (encrypt == "false")
                assert len(world.parameters()) == (encrypt == "true")


class TestRollBack:
    @pytest.mark.parametrize(
        ("operation", "kind"),
        [
            ("CreateAccessKey", Kind.REFUSED),
            ("CreateAccessKey", Kind.ANSWER_LOST),
            ("PutParameter", Kind.REFUSED),
            ("PutParameter", Kind.BROKEN),
            ("PutParameter", Kind.ANSWER_LOST),
        ],
    )
    def test_failing_step_is_taken_back(self, world: World, operation: str, kind: Kind) -> None:
        key = due(world)
        if kind is Kind.ANSWER_LOST:
            world.controller.silent.add(operation)
        else:
            world.controller.fault = Fault(operation, kind)

        assert "1 of this run's users could not be served: alice: " in failure_of(world.rotate(), world)

        assert world.people["alice"].mails == []
        assert_as_before(world, key)

    @pytest.mark.parametrize("fault", [MAIL_DOWN, REFUSED_ADDRESS])
    def test_mail_that_is_not_taken_is_taken_back_and_tried_again_the_next_day(
        self, world: World, fault: ClientError
    ) -> None:
        key = due(world)
        world.controller.outages["SendEmail"] = fault

        assert "1 of this run's users could not be served: alice: SES " in failure_of(world.rotate(), world)

        assert world.rotate()["skipped"] == {"backing_off": 1}
        assert_as_before(world, key, days=1)

    @pytest.mark.parametrize("kind", [Kind.REFUSED, Kind.BROKEN, Kind.ANSWER_LOST])
    def test_fault_of_the_parameter_store_costs_no_key(self, world: World, kind: Kind) -> None:
        """It would strike everybody, and a key that is made and taken back each day is one more that may get lost."""
        due(world)
        if kind is Kind.ANSWER_LOST:
            world.controller.silent.add("PutParameter")
        else:
            world.controller.fault = Fault("PutParameter", kind)

        assert "could not be stored" in failure_of(world.rotate(), world)

        assert world.controller.counted["CreateAccessKey"] == 0

    @pytest.mark.parametrize("world_like", [{"ENCRYPT_KEY_PAIR": "true"}, {"ENCRYPT_KEY_PAIR": "false"}])
    def test_fault_of_the_template_costs_no_key(self, world_like: dict[str, str]) -> None:
        """An operator's own words may name what there is not."""
        with new_world(**world_like) as world:
            key = due(world)

            with mock.patch.object(NewKey, "subject", property(lambda notice: notice.no_such_thing)):
                assert "alice: AttributeError" in failure_of(world.rotate(), world)

            assert world.controller.counted["CreateAccessKey"] == 0
            assert_as_before(world, key)

    def test_encryption_key_that_cannot_be_removed_leaves_no_lease_behind(self, world: World) -> None:
        """Where SSM is down altogether, the next run need not wait for a recovery."""
        key = due(world)
        for operation in ("PutParameter", "DescribeParameters", "DeleteParameter"):
            world.controller.outages[operation] = aws_error(operation, "InternalServerError", 500)

        assert "could not be stored" in failure_of(world.rotate(), world)

        assert_as_before(world, key)

    def test_second_write_that_fails_is_taken_back(self, world: World) -> None:
        """The update to delivering: the successor is not to be found by its entry yet."""
        key = due(world)
        refusal = aws_error("UpdateItem", "AccessDeniedException", 400)
        world.meanwhile("CreateAccessKey", lambda: world.controller.outages.update(UpdateItem=refusal))
        world.meanwhile("DeleteParameter", world.controller.outages.clear)

        assert "UpdateItem: AccessDenied" in failure_of(world.rotate(), world)

        assert world.people["alice"].mails == []
        assert_as_before(world, key)

    @pytest.mark.parametrize("name", ["alice", "alice@example.com"])
    def test_failing_encryption_never_becomes_a_plain_mail(self, world: World, name: str) -> None:
        key = due(world, name)
        world.controller.outages["PutParameter"] = aws_error("PutParameter", "ThrottlingException", 400)

        assert "could not be stored" in failure_of(world.rotate(), world)

        assert world.controller.counted["SendEmail"] == 0
        assert world.people[name].mails == []
        assert_as_before(world, key, name)

    def test_creation_that_failed_on_iams_side_waits_for_a_later_look(self, world: World) -> None:
        """IAM may list a key late that it has made: the intent stays, and a run after the lease settles it."""
        key = due(world)
        world.controller.outages["CreateAccessKey"] = aws_error("CreateAccessKey", "ServiceFailure", 500)

        failure_of(world.rotate(), world)

        assert world.keys("alice") == {key: "Active"}
        assert world.ledger()[key]["status"] == "rotating"
        world.controller.outages.clear()
        assert world.rotate()["skipped"] == {"under_way": 1}
        world.wait(minutes=16)
        assert world.rotate()["rotated"] == 1

    def test_refused_address_costs_others_nothing(self, world: World) -> None:
        for name in ("alice", "bob", "carl"):
            world.add_user(name)
        world.wait(days=81)
        world.controller.outages["SendEmail"] = REFUSED_ADDRESS
        world.meanwhile("DeleteAccessKey", world.controller.outages.clear)

        told = failure_of(world.rotate(), world)

        assert "1 of this run's users could not be served" in told
        assert sorted(len(world.keys(name)) for name in ("alice", "bob", "carl")) == [1, 2, 2]
        assert world.orphans() == []

    def test_mail_service_that_is_down_ends_the_run_after_three_roll_backs(self, world: World) -> None:
        """There is no point in making keys for everybody else; and one user alone may have a mailbox that fails."""
        for number in range(12):
            world.add_user(f"user{number}")
        world.wait(days=81)
        world.controller.outages["SendEmail"] = MAIL_DOWN

        told = failure_of(world.rotate(), world)

        assert "3 of this run's users could not be served" in told
        assert world.controller.counted["CreateAccessKey"] == world.controller.counted["DeleteAccessKey"] == 3
        assert all(len(world.keys(f"user{number}")) == 1 for number in range(12))

    def test_what_cannot_be_taken_back_is_left_to_recovery(self, world: World) -> None:
        key = due(world)
        world.controller.outages["SendEmail"] = REFUSED_ADDRESS
        world.controller.outages["DeleteAccessKey"] = aws_error("DeleteAccessKey", "AccessDenied", 403)

        assert "SES does not take this mail" in failure_of(world.rotate(), world)

        assert world.ledger()[key]["status"] == "delivering"
        assert len(world.keys("alice")) == 2
        world.controller.outages.clear()
        world.wait(minutes=16)
        assert world.rotate()["recovered"] == 1
        assert world.orphans() == []


class TestUnanswered:
    """A mail whose answer is lost may have arrived: its key must not be taken back."""

    def test_sealed_mail_is_sent_again_by_a_later_run(self, world: World) -> None:
        key = due(world)
        world.controller.silent.add("SendEmail")
        assert "SES was called, and did not answer" in failure_of(world.rotate(), world)
        assert (world.ledger()[key]["status"], len(world.keys("alice"))) == ("delivering", 2)
        made, arrived = world.keys("alice"), len(world.people["alice"].mails)
        world.controller.silent.clear()

        world.wait(days=1)

        assert world.rotate()["recovered"] == 1
        assert (world.keys("alice"), world.ledger()[key]["status"]) == (made, "expiring")
        assert len(world.people["alice"].mails) == arrived + 1
        assert world.orphans() == []

    @pytest.mark.parametrize("arrived", [True, False])
    def test_plain_mail_is_settled_by_a_later_run(self, plain_world: World, arrived: bool) -> None:
        """Its secret is gone: a key that was used is the user's, and any other one is replaced."""
        key = due(plain_world)
        plain_world.controller.silent.add("SendEmail")
        failure_of(plain_world.rotate(), plain_world)
        made = plain_world.keys("alice")
        assert (plain_world.ledger()[key]["status"], len(made)) == ("delivering", 2)
        plain_world.controller.silent.clear()
        if arrived:
            plain_world.read_mail()

        plain_world.wait(days=1)

        summary = plain_world.rotate()
        assert (summary["recovered"], summary["rotated"]) == (1, 0 if arrived else 1)
        assert (plain_world.keys("alice") == made) is arrived
        assert plain_world.orphans() == []

    def test_user_with_a_mail_that_arrived_after_all_is_not_mailed_again(self, world: World) -> None:
        key = due(world)
        world.controller.silent.add("SendEmail")
        failure_of(world.rotate(), world)
        world.controller.silent.clear()
        arrived = len(world.people["alice"].mails)
        world.read_mail()

        world.wait(days=1)

        assert world.rotate()["recovered"] == 1
        assert world.ledger()[key]["status"] == "expiring"
        assert len(world.people["alice"].mails) == arrived


class TestArming:
    def test_fault_that_passes_is_waited_out(self, world: World) -> None:
        key = due(world)
        world.controller.fault = Fault("TransactWriteItems", Kind.REFUSED)

        with world.pauses_pass():
            assert world.rotate()["rotated"] == 1

        assert world.ledger()[key]["status"] == "expiring"
        assert len(world.people["alice"].mails) == 1

    def test_fault_that_stays_leaves_both_keys(self, world: World) -> None:
        """The mail is out: its key must not be taken back."""
        key = due(world)
        world.controller.outages["TransactWriteItems"] = aws_error("TransactWriteItems", "AccessDeniedException", 400)

        with world.pauses_pass():
            assert "TransactWriteItems: AccessDeniedException" in failure_of(world.rotate(), world)

        assert len(world.keys("alice")) == 2
        assert world.orphans() == []
        assert world.ledger()[key]["status"] == "delivering"
        assert world.controller.counted["TransactWriteItems"] == 3


class TestOthers:
    def test_second_key_made_meanwhile_is_left_alone(self, world: World) -> None:
        """IAM's limit tells it; the intent is taken back."""
        key = due(world)
        world.meanwhile("UpdateItem", lambda: world.add_key("alice"))

        assert world.rotate()["skipped"] == {"foreign_key": 1}

        assert len(world.keys("alice")) == 2
        assert world.ledger()[key]["status"] == "current"
        assert world.people["alice"].mails == []

    def test_user_deleted_meanwhile_fails_alone(self, world: World) -> None:
        for name in ("alice", "bob"):
            world.add_user(name)
        world.wait(days=81)

        world.meanwhile("ListAccountAliases", lambda: world.delete_user("alice"))

        told = failure_of(world.rotate(), world)

        assert "1 of this run's users could not be served: alice: CreateAccessKey: NoSuchEntity" in told
        assert len(world.keys("bob")) == 2
        assert {entry["status"] for entry in world.ledger("alice").values()} == {"current"}
        assert world.rotate()["failed"] == {}
        assert world.ledger("alice") == {}
