"""Whoever may tag a user could redirect that user's next key: the old address hears of it, and has time to act."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.common.entry import Entry, Status
from functions.common.errors import MailServiceError
from functions.rotator.addresses import SCHEDULE_SLACK, Standing, former, is_undeliverable, standing
from tests.functions.rotator.alice import DAY, EMAIL, NEW, SECOND, entry
from tests.simulation.faults import aws_error
from tests.simulation.world import START, World, new_world

OLD_ADDRESS, THIEF, OTHER = "0@example.com", "thief@example.com", "other@example.com"
HOLD = 2 * DAY


def changed(at: datetime = START, pending: str = EMAIL, **fields: Any) -> Entry:
    """An entry of somebody whose mail went elsewhere before, and who was seen to have this address."""
    return entry(email=OTHER, pending_email=pending, address_changed_at=at, **fields)


class TestStanding:
    @pytest.mark.parametrize(
        ("entries", "expected"),
        [
            ([], Standing.NEW),
            ([entry(email=None)], Standing.NEW),
            ([entry(user_id=None)], Standing.NEW),
            ([entry(), entry(key_id=NEW, email=None)], Standing.NEW),
            ([entry()], Standing.SETTLED),
            ([entry(), entry(key_id=NEW)], Standing.SETTLED),
            ([entry(email="alice@EXAMPLE.com")], Standing.SETTLED),
            ([entry(email="Alice@example.com")], Standing.CHANGED),
            ([entry(email=OTHER)], Standing.CHANGED),
            ([entry(email=None), entry(key_id=NEW, email=OTHER)], Standing.CHANGED),
            ([changed(pending=THIEF)], Standing.CHANGED),
            ([changed(), entry(key_id=NEW, email=OTHER)], Standing.CHANGED),
            ([changed()], Standing.HELD),
            ([changed(), entry(key_id=NEW)], Standing.HELD),
            ([entry(pending_email=THIEF, address_changed_at=START)], Standing.PUT_BACK),
        ],
    )
    def test_table(self, entries: list[Entry], expected: Standing) -> None:
        assert standing(entries, EMAIL, HOLD, START) is expected

    def test_hold_ends_to_the_second_for_a_run_that_is_an_hour_early(self) -> None:
        over = START + HOLD - SCHEDULE_SLACK

        assert standing([changed()], EMAIL, HOLD, over - SECOND) is Standing.HELD
        assert standing([changed()], EMAIL, HOLD, over) is Standing.STOOD

    def test_hold_counts_from_the_last_change(self) -> None:
        entries = [changed(START), changed(START + DAY, key_id=NEW)]

        assert standing(entries, EMAIL, HOLD, START + HOLD) is Standing.HELD
        assert standing(entries, EMAIL, HOLD, START + DAY + HOLD) is Standing.STOOD

    def test_without_a_hold_an_address_has_stood_as_soon_as_it_was_told(self) -> None:
        assert standing([changed()], EMAIL, timedelta(), START) is Standing.STOOD

    def test_short_hold_is_not_over_before_it_began(self) -> None:
        assert standing([changed()], EMAIL, timedelta(minutes=30), START) is Standing.STOOD
        assert standing([entry(email=OTHER)], EMAIL, timedelta(), START) is Standing.CHANGED


def test_every_address_that_is_left_is_named_once() -> None:
    entries = [entry(email=OTHER), entry(email=EMAIL), entry(email=THIEF), entry(email=OTHER), entry(email=None)]

    assert former(entries, EMAIL) == [OTHER, THIEF]


def test_an_address_is_undeliverable_in_any_spelling_of_its_domain() -> None:
    entries = [entry(), entry(undeliverable="alice@EXAMPLE.com")]

    assert is_undeliverable(entries, EMAIL)
    assert not is_undeliverable(entries, OTHER)


@pytest.fixture
def alice(world: World) -> World:
    """Alice's key is known to the ledger, and due since yesterday."""
    hired(world)
    return world


def hired(world: World) -> None:
    world.add_user("alice")
    world.rotate()
    world.wait(days=81)


def days(world: World, number: int) -> list[dict[str, object]]:
    """Let days go by in which nobody reads any mail; gives the runs' summaries."""
    summaries = []
    for _ in range(number):
        world.wait(days=1)
        summaries.append(world.rotate())
        world.deliver_stream()
    return summaries


def told(world: World) -> list[tuple[str, bool]]:
    """Who heard of a change that had not stood yet, and whether of the thief's address."""
    return [(mail.to, THIEF in mail.text) for mail in world.misaddressed if "another address" in mail.subject]


def recipients(world: World) -> list[str]:
    return [mail.to for mail in world.people["alice"].mails]


class TestChange:
    def test_old_address_is_told_at_once_and_once(self, alice: World) -> None:
        alice.change_address("alice", THIEF)

        first, second = alice.rotate(), alice.rotate()

        assert (first["addresses_changed"], second["addresses_changed"]) == (["alice"], [])
        assert told(alice) == [(OLD_ADDRESS, True)]

    def test_nothing_is_rotated_until_it_has_stood(self, alice: World) -> None:
        alice.change_address("alice", THIEF)

        held = [alice.rotate(), *days(alice, 1)]

        assert [summary["skipped"] for summary in held] == [{"address_held": 1}] * 2
        assert len(alice.keys("alice")) == 1
        assert recipients(alice) == []

    def test_then_it_counts(self, alice: World) -> None:
        """A daily run that is some seconds early is not a day late for it."""
        alice.change_address("alice", OTHER)
        alice.rotate()
        alice.wait(days=1, hours=23, minutes=59)

        assert alice.rotate()["rotated"] == 1

        assert recipients(alice) == [OTHER]
        assert {item["email"] for item in alice.ledger().values()} == {OTHER}
        assert all("pending_email" not in item for item in alice.ledger().values())

    def test_put_back_all_is_as_before(self, alice: World) -> None:
        alice.change_address("alice", THIEF)
        alice.rotate()
        alice.change_address("alice", OLD_ADDRESS)

        summary = alice.rotate()

        assert (summary["rotated"], summary["addresses_changed"]) == (1, [])
        assert recipients(alice) == [OLD_ADDRESS]
        assert all("pending_email" not in item for item in alice.ledger().values())

    def test_put_back_is_a_change_again_when_it_comes_again(self, alice: World) -> None:
        """The hold that was over must not count for the next one."""
        alice.tag("alice", "ROTATE_AFTER_DAYS", "100")
        alice.change_address("alice", THIEF)
        alice.rotate()
        alice.change_address("alice", OLD_ADDRESS)
        days(alice, 1)
        alice.change_address("alice", THIEF)
        alice.tag("alice", "ROTATE_AFTER_DAYS", "80")

        (summary,) = days(alice, 1)

        assert (summary["addresses_changed"], summary["skipped"]) == (["alice"], {"address_held": 1})

    def test_changed_again_the_hold_begins_anew(self, alice: World) -> None:
        alice.change_address("alice", OTHER)
        alice.rotate()
        alice.change_address("alice", THIEF)

        summaries = days(alice, 3)

        assert [summary["rotated"] for summary in summaries] == [0, 0, 1]
        assert [summary["addresses_changed"] for summary in summaries] == [["alice"], [], []]
        assert told(alice) == [(OLD_ADDRESS, False), (OLD_ADDRESS, True)]

    def test_operators_force_ends_the_hold(self, alice: World) -> None:
        alice.change_address("alice", OTHER)
        alice.rotate()

        summary = alice.rotate({"users": ["alice"], "force": True})

        assert summary["rotated"] == 1
        assert recipients(alice) == [OTHER]

    def test_operators_force_does_not_keep_it_from_the_old_address(self, alice: World) -> None:
        """Whoever may start a run could otherwise redirect a key without its user ever hearing of it."""
        alice.change_address("alice", THIEF)

        summary = alice.rotate({"users": ["alice"], "force": True})

        assert (summary["rotated"], summary["addresses_changed"]) == (1, ["alice"])
        assert told(alice) == [(OLD_ADDRESS, True)]
        assert all("pending_email" not in item for item in alice.ledger().values())
        assert days(alice, 1)[0]["addresses_changed"] == []

    def test_without_a_hold_the_next_run_uses_it(self) -> None:
        with new_world(ADDRESS_HOLD_DAYS="0") as world:
            hired(world)
            world.change_address("alice", THIEF)

            summaries = [world.rotate(), world.rotate()]

            assert [summary["rotated"] for summary in summaries] == [0, 1]
            assert told(world) == [(OLD_ADDRESS, True)]

    def test_case_of_the_domain_is_no_change(self, alice: World) -> None:
        """In entries from before it had to be in lower case."""
        for key, item in alice.ledger("alice").items():
            alice.rewrite("alice", key, email=item["email"].replace("example.com", "Example.COM"))

        summary = alice.rotate()

        assert (summary["rotated"], summary["addresses_changed"]) == (1, [])
        assert told(alice) == []

    def test_dry_run_tells_nobody(self, alice: World) -> None:
        alice.change_address("alice", THIEF)

        summary = alice.rotate({"dry_run": True})

        assert summary["decisions"]["alice"] == {"action": "skip", "reason": "address_held"}
        assert (told(alice), alice.rotate()["addresses_changed"]) == ([], ["alice"])

    def test_notice_of_the_old_keys_end_goes_to_both_until_it_has_stood(self, alice: World) -> None:
        alice.rotate()
        alice.read_mail()
        alice.wait(days=4)
        alice.change_address("alice", OTHER)

        days(alice, 2)

        (deleted,) = [mail for mail in alice.people["alice"].mails if "deleted" in mail.subject]
        (copy,) = [mail for mail in alice.misaddressed if "deleted" in mail.subject]
        assert (deleted.to, copy.to) == (OTHER, OLD_ADDRESS)

    def test_reminder_goes_to_both_until_it_has_stood(self, alice: World) -> None:
        """Else whoever changes the tag in time keeps the user from hearing that the old key ends."""
        alice.rotate()
        days(alice, 3)
        alice.change_address("alice", THIEF)

        (summary,) = days(alice, 1)

        assert summary["reminded"] == 1
        reminders = [mail.to for mail in alice.people["alice"].mails if "not used yet" in mail.subject]
        copies = [mail.to for mail in alice.misaddressed if "not used yet" in mail.subject]
        assert (reminders, copies) == ([THIEF], [OLD_ADDRESS])

    def test_copy_of_a_reminder_that_fails_fails_nobody(self, alice: World) -> None:
        alice.rotate()
        days(alice, 2)
        alice.change_address("alice", OTHER)
        days(alice, 1)

        with alice.refusing({OLD_ADDRESS: MailServiceError("the server refuses", transient=False)}):
            (summary,) = days(alice, 1)

        assert (summary["reminded"], alice.faults_seen) == (1, [])


class TestCorrectionInTheGrace:
    def test_unread_rotation_begins_anew_for_the_right_address(self, alice: World) -> None:
        """With a fresh grace, and after the hold: the one who tags need not be the one who was mistaken."""
        (old,) = alice.keys("alice")
        alice.rotate()
        lost = next(key for key in alice.keys("alice") if key != old)
        alice.change_address("alice", OTHER)

        summaries = days(alice, 3)

        assert [(summary["taken_back"], summary["rotated"]) for summary in summaries] == [(0, 0), (0, 0), (1, 1)]
        assert lost not in alice.keys("alice")
        assert (len(alice.keys("alice")), alice.keys("alice")[old]) == (2, "Active")
        assert recipients(alice)[-1] == OTHER
        assert timedelta(seconds=int(alice.ledger()[old]["delete_on"])) == timedelta(
            seconds=int(START.timestamp()), days=81 + 3 + 5
        )
        assert len(alice.parameters()) == 1
        assert alice.orphans() == []

    def test_rotation_that_was_read_is_left_as_it_is(self, alice: World) -> None:
        made = self.rotated_and_read(alice)
        alice.change_address("alice", OTHER)

        summaries = days(alice, 3)

        assert [(summary["taken_back"], summary["rotated"]) for summary in summaries] == [(0, 0)] * 3
        assert alice.keys("alice") == made
        assert {item["email"] for item in alice.ledger().values()} == {OTHER}
        assert all("pending_email" not in item for item in alice.ledger().values())

    def test_hold_that_outlasts_the_grace_is_waited_for(self) -> None:
        """Deactivated for never having been used, the old key could not open the mail to the right address."""
        with new_world(GRACE_EXTENSION_DAYS="0") as world:
            hired(world)
            world.rotate()
            days(world, 3)
            world.change_address("alice", OTHER)

            summaries = days(world, 3)

            assert [(summary["taken_back"], summary["rotated"]) for summary in summaries] == [(0, 0), (0, 0), (1, 1)]
            assert set(world.keys("alice").values()) == {"Active"}
            assert world.locked_out() == []

    def rotated_and_read(self, world: World) -> dict[str, str]:
        world.rotate()
        world.read_mail()
        return world.keys("alice")


class TestWordToTheOldAddress:
    def test_service_that_fails_is_asked_again_by_the_next_run(self, alice: World) -> None:
        alice.change_address("alice", THIEF)
        alice.controller.outages["SendEmail"] = aws_error("SendEmail", "SendingPausedException", 400)
        assert alice.rotate() == {}
        assert told(alice) == []

        alice.controller.outages.clear()

        assert alice.rotate()["addresses_changed"] == ["alice"]
        assert told(alice) == [(OLD_ADDRESS, True)]

    def test_mailbox_that_is_gone_need_not_hear_of_it(self, alice: World) -> None:
        """It would be tried for ever, and the correction never count."""
        alice.change_address("alice", OTHER)
        alice.controller.outages["SendEmail"] = aws_error("SendEmail", "BadRequestException", 400, "illegal address")
        assert alice.rotate()["addresses_changed"] == ["alice"]

        alice.controller.outages.clear()
        summaries = days(alice, 2)

        assert [summary["rotated"] for summary in summaries] == [0, 1]
        assert told(alice) == []

    def test_it_keeps_to_the_allowed_domains(self) -> None:
        """An address from a time before they were narrowed down hears nothing, and is held all the same."""
        with new_world(ALLOWED_EMAIL_DOMAINS="example.com,example.org") as world:
            hired(world)
            world.change_address("alice", "alice@example.org")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("ALLOWED_EMAIL_DOMAINS", "example.org")

                summaries = [world.rotate(), *days(world, 2)]

            assert [summary["addresses_changed"] for summary in summaries] == [["alice"], [], []]
            assert [summary["rotated"] for summary in summaries] == [0, 0, 1]
            assert told(world) == []

    def test_it_is_not_sent_where_mail_came_back_from(self, alice: World) -> None:
        (key,) = alice.keys("alice")
        alice.rewrite("alice", key, undeliverable=OLD_ADDRESS)
        alice.change_address("alice", OTHER)

        summaries = [alice.rotate(), *days(alice, 2)]

        assert [summary["rotated"] for summary in summaries] == [0, 0, 1]
        assert told(alice) == []
        assert all("undeliverable" not in item for item in alice.ledger().values())

    def test_every_address_that_mail_went_to_is_told(self, alice: World) -> None:
        """Keys of one user may have been entered at different times."""
        (first,) = alice.keys("alice")
        second = alice.add_key("alice")
        alice.rotate()
        alice.rewrite("alice", first, email="first@example.com")
        alice.rewrite("alice", second, email="second@example.com")
        alice.change_address("alice", THIEF)

        alice.rotate()

        assert sorted(told(alice)) == [("first@example.com", True), ("second@example.com", True)]


class TestOlderVersions:
    @pytest.mark.parametrize("missing", [("email", "user_id"), ("email",), ("user_id",)])
    def test_what_they_did_not_write_down_is_completed_and_nobody_is_told(
        self, world: World, missing: tuple[str, ...]
    ) -> None:
        world.add_user("alice")
        world.rotate()
        (key,) = world.keys("alice")
        world.rewrite("alice", key, **dict.fromkeys(missing))

        summaries = [world.rotate(), world.rotate()]

        item = world.ledger()[key]
        assert (item["email"], item["user_id"]) == (OLD_ADDRESS, world.user_id("alice"))
        assert [summary["addresses_changed"] for summary in summaries] == [[], []]
        assert [summary["swept"] for summary in summaries] == [1, 0]
        assert (told(world), recipients(world)) == ([], [])

    def test_rotation_of_theirs_ends_as_planned(self, alice: World) -> None:
        (old,) = alice.keys("alice")
        alice.rotate()
        alice.read_mail()
        for key, item in alice.ledger().items():
            assert item["status"] == ("expiring" if key == old else "current")
            alice.rewrite("alice", key, email=None, user_id=None)

        days(alice, 6)

        assert old not in alice.keys("alice")
        assert alice.parameters() == {}


def test_statuses_of_living_keys_all_carry_the_address(alice: World) -> None:
    alice.rotate()

    assert {item["status"] for item in alice.ledger().values()} == {Status.EXPIRING, Status.CURRENT}
    assert {item["email"] for item in alice.ledger().values()} == {OLD_ADDRESS}
