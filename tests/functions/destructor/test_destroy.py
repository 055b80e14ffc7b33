"""One destruction in the simulated world: what is ended, what is kept, and what is tried again."""

from __future__ import annotations

import pytest

from functions.destructor import announce
from tests.functions.destructor.conftest import Rotated, removals
from tests.simulation.faults import Fault, Kind, aws_error
from tests.simulation.world import START, TABLE, new_world

DELETED = "Done: old AWS access key of alice in 123456789012 deleted"


def fail_to_write(*_: object) -> None:
    raise ZeroDivisionError


class TestDue:
    def test_key_goes_with_its_encryption_key_and_a_mail(self, rotated: Rotated) -> None:
        world = rotated.world
        rotated.fall_due()

        world.deliver_stream()

        assert world.keys("alice") == {rotated.new: "Active"}
        assert not rotated.parameter
        assert rotated.notices == [DELETED]
        (successor,) = world.ledger().values()
        assert (successor["ak"], successor["status"]) == (rotated.new, "current")
        assert "replaces" not in successor

    def test_sweep_is_as_good_as_ttl(self, rotated: Rotated) -> None:
        rotated.world.wait(days=5, minutes=1)
        rotated.world.rotate()

        rotated.world.deliver_stream()

        assert rotated.world.keys("alice") == {rotated.new: "Active"}

    def test_reads_no_encryption_key(self, rotated: Rotated) -> None:
        rotated.fall_due()

        rotated.world.deliver_stream()

        assert not [call for call in rotated.world.controller.calls if call.startswith("GetParameter")]

    def test_batch_that_comes_twice_does_nothing_the_second_time(self, rotated: Rotated) -> None:
        world = rotated.world
        rotated.fall_due()
        batch = removals(world)

        assert world.destroy(batch)
        before = (world.keys("alice"), world.ledger())
        assert world.destroy(batch)

        assert (world.keys("alice"), world.ledger()) == before
        assert rotated.notices == [DELETED]

    def test_key_that_is_missing_is_done(self, rotated: Rotated) -> None:
        world = rotated.world
        rotated.fall_due()
        world.iam.delete_access_key(UserName="alice", AccessKeyId=rotated.old)

        world.deliver_stream()

        assert world.keys("alice") == {rotated.new: "Active"}
        assert not rotated.parameter
        assert [entry["ak"] for entry in world.ledger().values()] == [rotated.new]

    def test_user_who_is_gone_is_done(self, rotated: Rotated) -> None:
        world = rotated.world
        rotated.fall_due()
        for key in world.keys("alice"):
            world.iam.delete_access_key(UserName="alice", AccessKeyId=key)
        world.iam.delete_user(UserName="alice")

        world.deliver_stream()

        assert world.faults_seen == []
        assert not rotated.parameter
        assert rotated.notices == []
        assert rotated.old not in world.ledger()

    def test_late_record_spares_the_encryption_key_of_a_newer_rotation(self, rotated: Rotated) -> None:
        world = rotated.world
        rotated.fall_due()
        batch = removals(world)
        world.deliver_stream()
        world.wait(days=81)
        world.rotate()
        newer = world.parameters()

        assert world.destroy(batch)

        assert world.parameters() == newer != {}
        assert len(world.keys("alice")) == 2

    def test_entry_that_is_back_in_the_ledger_governs(self, rotated: Rotated) -> None:
        world = rotated.world
        item = world.dynamodb.get_item(TableName=TABLE, Key=rotated.primary_key)["Item"]
        rotated.fall_due()
        batch = removals(world)
        world.put_item(item)

        assert world.destroy(batch)

        assert rotated.old in world.keys("alice")

    def test_mail_goes_to_the_address_of_now(self, rotated: Rotated) -> None:
        rotated.retag("IKR:EMAIL", "alice@elsewhere.example")
        rotated.fall_due()

        rotated.world.deliver_stream()

        assert rotated.person.mails[-1].to == "alice@elsewhere.example"
        assert rotated.notices[-1] == DELETED


class TestKept:
    def assert_kept(self, rotated: Rotated) -> None:
        world = rotated.world
        assert rotated.old in world.keys("alice")
        assert DELETED not in rotated.notices
        assert world.ledger()[rotated.old]["status"] == "current"
        assert "replaces" not in world.ledger().get(rotated.new, {})

    def test_key_whose_entry_was_taken_out_early(self, rotated: Rotated) -> None:
        world = rotated.world
        world.wait(days=4)
        world.remove_item("alice", rotated.old)

        world.deliver_stream()

        self.assert_kept(rotated)
        assert world.rotate()["skipped"] == {"foreign_key": 1}

    def test_key_of_a_user_who_has_opted_out(self, rotated: Rotated) -> None:
        rotated.world.iam.untag_user(UserName="alice", TagKeys=["IKR:EMAIL"])
        rotated.fall_due()

        rotated.world.deliver_stream()

        self.assert_kept(rotated)

    def test_key_whose_given_up_deletion_was_taken_out(self, rotated: Rotated) -> None:
        world = rotated.world
        rotated.fall_due()
        world.controller.outages["DeleteAccessKey"] = aws_error("DeleteAccessKey", "AccessDenied", 403)
        for _ in range(12):
            world.deliver_stream()
            world.wait(minutes=5)
            world.collect_by_ttl()
        world.controller.outages.clear()
        assert world.ledger()[rotated.old]["status"] == "failed"

        world.remove_item("alice", rotated.old)
        world.deliver_stream()

        self.assert_kept(rotated)

    @pytest.mark.parametrize("successor", ["gone", "inactive"])
    def test_last_active_key(
        self,
        rotated: Rotated,
        successor: str,
        capsys: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        world = rotated.world
        if successor == "gone":
            world.iam.delete_access_key(UserName="alice", AccessKeyId=rotated.new)
        else:
            world.iam.update_access_key(UserName="alice", AccessKeyId=rotated.new, Status="Inactive")
        rotated.fall_due()

        world.deliver_stream()

        self.assert_kept(rotated)
        assert world.locked_out() == []
        assert "LastKeyProtected" in capsys.readouterr().out
        assert caplog.records[-1].__dict__["reason"] == "its successor is gone or inactive"

    def test_what_is_known_of_the_user_and_their_address_outlives_a_cancellation(self, rotated: Rotated) -> None:
        """Else whoever changes an address, and has the deletion called off, would be taken for a user seen first."""
        world = rotated.world
        known = {
            "email": {"S": "alice@example.com"},
            "pending_email": {"S": "alice@elsewhere.example"},
            "address_changed_at": {"N": str(int(START.timestamp()))},
            "undeliverable": {"S": "alice@nowhere.example"},
        }
        item = world.dynamodb.get_item(TableName=TABLE, Key=rotated.primary_key)["Item"]
        world.put_item(item | known)
        world.remove_item("alice", rotated.old)

        world.deliver_stream()

        about_the_key = {name: item[name] for name in ("user", "user_id", "ak", "created_at")}
        kept = world.dynamodb.get_item(TableName=TABLE, Key=rotated.primary_key)["Item"]
        assert kept == known | about_the_key | {"status": {"S": "current"}}

    def test_sole_old_key_gets_a_new_successor(self, rotated: Rotated) -> None:
        world = rotated.world
        world.iam.delete_access_key(UserName="alice", AccessKeyId=rotated.new)
        rotated.fall_due()
        world.deliver_stream()

        assert world.rotate()["rotated"] == 1

        assert len(world.keys("alice")) == 2

    def test_early_removal_that_cannot_be_noted_comes_again(self, rotated: Rotated) -> None:
        """To put it back would schedule what somebody has called off."""
        world = rotated.world
        world.remove_item("alice", rotated.old)
        batch = removals(world)
        refused = aws_error("TransactWriteItems", "AccessDeniedException", 400)
        world.controller.outages["TransactWriteItems"] = refused

        assert not world.destroy(batch)

        world.controller.outages.clear()
        assert world.destroy(batch)
        self.assert_kept(rotated)


class TestFailing:
    @pytest.mark.parametrize(
        "operation",
        ["GetUser", "ListAccessKeys", "DeleteAccessKey", "DescribeParameters", "DeleteParameter"],
    )
    def test_step_that_fails_is_tried_again_later(self, rotated: Rotated, operation: str) -> None:
        world = rotated.world
        rotated.fall_due()
        world.controller.fault = Fault(operation, Kind.REFUSED)

        world.deliver_stream()

        put_back = world.ledger()[rotated.old]
        assert world.controller.struck == operation
        assert (put_back["status"], put_back["attempts"]) == ("expiring", "1")
        assert put_back["last_error"] == f"{operation}: AccessDenied"
        world.wait(minutes=5)
        world.collect_by_ttl()
        world.deliver_stream()
        assert world.keys("alice") == {rotated.new: "Active"}
        assert not rotated.parameter
        assert rotated.notices == [DELETED]

    def test_use_that_cannot_be_asked_for_is_asked_for_again_later(self, rotated: Rotated) -> None:
        world = rotated.world
        rotated.fall_due()
        world.controller.outages["GetAccessKeyLastUsed"] = aws_error("GetAccessKeyLastUsed", "ServiceFailure", 500)

        world.deliver_stream()

        assert rotated.item["last_error"] == "GetAccessKeyLastUsed: ServiceFailure"
        assert world.keys("alice") == {rotated.old: "Active", rotated.new: "Active"}

    def test_key_of_whose_use_iam_does_not_tell_counts_as_never_used(self, rotated: Rotated) -> None:
        """So does a key that is gone; the end is put off, which does no harm."""
        world = rotated.world
        rotated.fall_due()
        world.controller.outages["GetAccessKeyLastUsed"] = aws_error("GetAccessKeyLastUsed", "AccessDenied", 403)

        world.deliver_stream()

        assert "last_error" not in rotated.item
        assert world.keys("alice") == {rotated.old: "Active", rotated.new: "Active"}

    def test_next_try_waits_its_minutes(self, rotated: Rotated) -> None:
        world = rotated.world
        rotated.fall_due()
        due = int(next(iter(world.stream()[-1]["dynamodb"]["OldImage"]["delete_on"].values())))
        world.controller.fault = Fault("DeleteAccessKey", Kind.REFUSED)

        world.deliver_stream()

        assert int(world.ledger()[rotated.old]["delete_on"]) == due + 5 * 60

    def test_last_attempt_gives_up_with_an_alarm(self, capsys: pytest.CaptureFixture[str]) -> None:
        with new_world(MAX_DELETION_ATTEMPTS="2") as world:
            world.add_user("alice")
            world.wait(days=81)
            (old,) = world.keys("alice")
            world.rotate()
            world.read_mail()
            world.wait(days=5)
            world.controller.outages["DeleteAccessKey"] = aws_error("DeleteAccessKey", "AccessDenied", 403)
            for _ in range(2):
                world.collect_by_ttl()
                world.deliver_stream()
                world.wait(minutes=5)

            given_up = world.ledger()[old]
            assert (given_up["status"], given_up["attempts"]) == ("failed", "2")
            assert given_up["last_error"] == "DeleteAccessKey: AccessDenied"
            assert "delete_on" not in given_up
            assert "DeletionsGivenUp" in capsys.readouterr().out

    def test_mail_that_fails_undoes_nothing(self, rotated: Rotated, capsys: pytest.CaptureFixture[str]) -> None:
        world = rotated.world
        rotated.fall_due()
        world.controller.outages["SendEmail"] = aws_error("SendEmail", "AccountSuspendedException", 400)

        world.deliver_stream()

        assert world.keys("alice") == {rotated.new: "Active"}
        assert list(world.ledger()) == [rotated.new]
        assert "MailsFailed" in capsys.readouterr().out

    def test_mail_that_cannot_even_be_written_undoes_nothing(
        self, rotated: Rotated, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """An operator's own template can fail in ways of its own."""
        rotated.fall_due()
        monkeypatch.setattr(announce, "compose", fail_to_write)

        rotated.world.deliver_stream()

        assert rotated.world.keys("alice") == {rotated.new: "Active"}
        assert list(rotated.world.ledger()) == [rotated.new]
        assert "MailsFailed" in capsys.readouterr().out

    def test_mail_that_fails_for_a_moment_is_sent_again(self, rotated: Rotated) -> None:
        rotated.fall_due()
        rotated.world.controller.fault = Fault("SendEmail", Kind.BROKEN)

        rotated.world.deliver_stream()

        assert rotated.notices == [DELETED]

    def test_tags_that_went_bad_hold_the_deletion_up_until_they_are_fixed(self, rotated: Rotated) -> None:
        world = rotated.world
        rotated.retag("IKR:EMAIL", "alice@example")
        rotated.fall_due()
        world.deliver_stream()
        assert rotated.old in world.keys("alice")
        assert "IKR:EMAIL is 'alice@example'" in world.ledger()[rotated.old]["last_error"]

        rotated.retag("IKR:EMAIL", "alice@example.com")
        world.wait(minutes=5)
        world.collect_by_ttl()
        world.deliver_stream()

        assert world.keys("alice") == {rotated.new: "Active"}

    def test_successors_entry_that_does_not_parse_vouches_for_nothing(self, rotated: Rotated) -> None:
        world = rotated.world
        world.put_item({"user": {"S": "alice"}, "ak": {"S": rotated.new}, "status": {"S": "unheard-of"}})
        rotated.fall_due()

        world.deliver_stream()

        assert world.keys("alice") == {rotated.old: "Active", rotated.new: "Active"}
        assert len(world.parked()) == 1
