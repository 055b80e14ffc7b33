"""Somebody does not open their mail for weeks: with the default settings, nothing happens that cannot be undone."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tests.functions.destructor.conftest import Rotated, pass_days, wait_and_run
from tests.simulation.faults import Fault, Kind
from tests.simulation.world import START, Mail

GRACE_ENDS = START + timedelta(days=86)
DEACTIVATED_AFTER, WINDOW = 19, 30
"""Days: 5 of grace and 14 of extension; and how long a key can be brought back."""


def written(days: int) -> str:
    """Write the day that comes so many days after the end of the grace, as mails do."""
    day = GRACE_ENDS + timedelta(days=days)
    return f"{day:%A}, {day.day} {day:%B %Y}"


def words(mail: Mail) -> str:
    """Give a mail's text on one line."""
    return " ".join(mail.text.split())


@pytest.fixture
def away(unread: Rotated) -> Rotated:
    """Alice, whose extension is over; she has not read anything."""
    for days in (6, 12, 1):
        wait_and_run(unread.world, days)
    return unread


class TestExtension:
    def test_user_is_reminded_before_the_grace_ends_and_on_the_first_the_middle_and_the_last_day_after_it(
        self, unread: Rotated
    ) -> None:
        mails = []
        for day in range(1, DEACTIVATED_AFTER + 1):
            before = len(unread.notices)
            pass_days(unread.world, 1)
            mails += [(day, subject.rpartition(" ")[2]) for subject in unread.notices[before:]]

        assert unread.world.broken_promises == []
        assert mails == [(4, "yet"), (6, "yet"), (12, "yet"), (18, "yet"), (19, "deactivated")]

    def test_reminders_say_what_will_happen_and_when(self, unread: Rotated) -> None:
        wait_and_run(unread.world, 6)

        text = words(unread.person.mails[-1])
        assert "Your new AWS access key has never been used" in text
        assert f"{written(14)}, 12:00 UTC" in text
        assert f"{written(14 + WINDOW)}, 12:00 UTC" in text

    def test_operators_see_it_counted_every_day(self, unread: Rotated, capsys: pytest.CaptureFixture[str]) -> None:
        wait_and_run(unread.world, 5)
        capsys.readouterr()

        for _ in range(3):
            pass_days(unread.world, 1)

            assert '"Unconfirmed":[1.0]' in capsys.readouterr().out

    def test_old_key_works_and_the_mail_can_be_read_all_the_while(self, unread: Rotated) -> None:
        for days in (5, 1, 6, 6):
            wait_and_run(unread.world, days)

            assert unread.world.keys("alice") == {unread.old: "Active", unread.new: "Active"}
            assert unread.parameter

    def test_old_key_is_active_for_101_days_at_most(self, away: Rotated) -> None:
        made = next(key for key in away.world.iam.list_access_keys(UserName="alice")["AccessKeyMetadata"])["CreateDate"]
        deactivated = int(away.item["delete_on"]) - WINDOW * 24 * 60 * 60

        assert away.world.keys("alice")[away.old] == "Inactive"
        assert 100 <= (deactivated - made.timestamp()) / (24 * 60 * 60) <= 101

    def test_user_who_reads_the_mail_in_it_changes_over_as_usual(self, unread: Rotated) -> None:
        wait_and_run(unread.world, 9)
        unread.world.read_mail()

        pass_days(unread.world, 1)

        assert unread.world.keys("alice") == {unread.new: "Active"}
        assert not unread.parameter
        assert unread.notices[-1].endswith("deleted")

    def test_end_that_fails_a_few_times_makes_it_no_longer(self, unread: Rotated) -> None:
        """What fails is tried again at times of its own; the grace was over when it was over."""
        world = unread.world
        world.wait(days=5)
        for _ in range(3):
            world.collect_by_ttl()
            world.controller.fault, world.controller.struck = Fault("ListAccessKeys", Kind.REFUSED), None
            world.deliver_stream()
            world.wait(hours=8)

        wait_and_run(world, 13)

        assert unread.item["attempts"] == "3"
        assert int(unread.item["grace_ended_on"]) == int(GRACE_ENDS.timestamp())
        assert world.keys("alice")[unread.old] == "Inactive"

    def test_reminder_that_could_not_be_mailed_is_mailed_the_next_day(self, unread: Rotated) -> None:
        pass_days(unread.world, 5)
        with unread.world.refusing({"alice@example.com": OSError("the server is down")}):
            pass_days(unread.world, 1)
        missed = len(unread.notices)

        pass_days(unread.world, 1)

        assert [notice.rpartition(" ")[2] for notice in unread.notices[missed:]] == ["yet"]


class TestDeactivation:
    def test_key_is_deactivated_and_not_deleted(self, away: Rotated) -> None:
        assert away.world.keys("alice") == {away.old: "Inactive", away.new: "Active"}
        assert away.item["status"] == "inactive"
        assert int(away.item["delete_on"]) == int((GRACE_ENDS + timedelta(days=14 + WINDOW)).timestamp())
        assert away.parameter

    def test_user_is_told_what_to_do_about_it(self, away: Rotated) -> None:
        mail = away.person.mails[-1]

        assert re.fullmatch(
            r"Action needed by \d+ [A-Z]\w+: old AWS access key of alice in 123456789012 deactivated", mail.subject
        )
        assert "The new one has never been used, so you may not have it." in words(mail)
        assert "administrators" in words(mail)
        assert f"{written(14 + WINDOW)}, 12:00 UTC" in words(mail)

    def test_operators_are_told_once_with_the_names(self, away: Rotated) -> None:
        pass_days(away.world, 3)

        (alarm,) = away.world.alarms()
        assert {"alice", away.old, away.new} <= set(alarm.replace(".", " ").split())
        assert "scripts/invoke.py --user alice --again" in alarm
        assert (GRACE_ENDS + timedelta(days=14 + WINDOW)).strftime("%Y-%m-%d %H:%M UTC") in alarm

    def test_window_over_the_key_is_deleted_and_the_mail_can_still_be_read(self, away: Rotated) -> None:
        world = away.world

        wait_and_run(world, WINDOW)
        inactive = world.keys("alice")[away.old]
        wait_and_run(world, 1)

        assert inactive == "Inactive"
        assert world.keys("alice") == {away.new: "Active"}
        assert away.notices[-1].endswith("deleted")
        assert away.parameter
        assert world.orphans() == []
        world.read_mail()
        pass_days(world, 1)
        assert not away.parameter


class TestActivatedAgain:
    def test_mail_is_readable_and_the_old_key_ends_as_usual_once_the_new_one_is_used(self, away: Rotated) -> None:
        """Nothing is asked of the administrator but to activate the key, and nothing of the user but to read."""
        world = away.world
        wait_and_run(world, 12)
        away.activate()
        world.read_mail()

        wait_and_run(world, WINDOW - 12)
        until_then = world.keys("alice")
        wait_and_run(world, 1)

        assert until_then == {away.old: "Active", away.new: "Active"}
        assert world.keys("alice") == {away.new: "Active"}
        assert away.notices[-1].endswith("deleted")
        assert not away.parameter
        assert set(world.ledger()) == {away.new}
        assert {"replaces", "unconfirmed_since", "sealed_by"}.isdisjoint(world.ledger()[away.new])
        assert world.rotate()["not_due"] == 1

    def test_user_who_still_does_not_read_gets_another_window(self, away: Rotated) -> None:
        away.activate()

        wait_and_run(away.world, WINDOW + 1)

        assert away.world.keys("alice")[away.old] == "Inactive"
        assert (away.item["status"], away.item["windows"]) == ("inactive", "2")
        assert away.notices[-1].endswith("again")

    def test_user_who_goes_on_with_the_old_key_alone_has_a_week_to_bring_it_back_again(self, away: Rotated) -> None:
        away.activate()
        away.world.read_mail()
        away.world.wait(days=WINDOW, hours=12)
        away.world.use_key("alice", away.old)

        wait_and_run(away.world, 0.5)

        ends = int(away.item["delete_on"]) - (GRACE_ENDS + timedelta(days=14 + WINDOW + 1)).timestamp()
        assert away.world.keys("alice")[away.old] == "Inactive"
        assert round(ends / (24 * 60 * 60)) == 7
