"""Whoever redirects the mail of a key's last days is seen by the one whose key it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from functions.common.errors import RecipientRefused
from tests.functions.destructor.conftest import Rotated, rotate_key, wait_and_run
from tests.simulation.world import World, new_world

FORMER, PRESENT = "alice@example.com", "alice@elsewhere.example"


def told(world: World) -> list[tuple[str, str]]:
    """List who was told what after the mail with the new key, oldest first at each address."""
    mails = [*world.misaddressed, *world.people["alice"].mails]
    return [
        (mail.to, mail.subject.rpartition(" ")[2]) for mail in mails if ": new AWS access key for" not in mail.subject
    ]


class TestWhileTheAddressesDiffer:
    """The tags name another address than mail last went to, and nobody has settled it yet."""

    def test_both_are_told_of_the_deletion(self, rotated: Rotated) -> None:
        rotated.retag("IKR:EMAIL", PRESENT)
        rotated.fall_due()

        rotated.world.deliver_stream()

        assert told(rotated.world) == [(FORMER, "deleted"), (PRESENT, "deleted")]

    def test_both_are_reminded(self, unread: Rotated) -> None:
        unread.retag("IKR:EMAIL", PRESENT)
        unread.fall_due()

        unread.world.deliver_stream()

        assert told(unread.world) == [(FORMER, "yet"), (PRESENT, "yet")]

    def test_both_are_told_of_each_recovery_window(self) -> None:
        with new_world(RECOVERY_DAYS="2") as world:
            rotated = rotate_key(world)
            world.read_mail()
            rotated.retag("IKR:EMAIL", PRESENT)
            rotated.fall_due()
            world.deliver_stream()
            rotated.activate()
            world.wait(days=2)
            world.collect_by_ttl()

            world.deliver_stream()

            assert told(world) == [(to, words) for to in (FORMER, PRESENT) for words in ("deactivated", "again")]

    def test_reminder_counts_as_sent_if_one_of_them_got_it(self, unread: Rotated) -> None:
        unread.retag("IKR:EMAIL", PRESENT)
        unread.fall_due()
        with unread.world.refusing({PRESENT: RecipientRefused("no such mailbox")}):
            unread.world.deliver_stream()

        assert told(unread.world) == [(FORMER, "yet")]
        assert "reminded_at" in unread.item

    def test_one_that_refuses_does_not_keep_the_other_from_being_told(self, rotated: Rotated) -> None:
        rotated.retag("IKR:EMAIL", PRESENT)
        rotated.fall_due()

        with rotated.world.refusing({PRESENT: RecipientRefused("no such mailbox")}):
            rotated.world.deliver_stream()

        assert told(rotated.world) == [(FORMER, "deleted")]

    def test_once_the_new_one_counts_the_old_one_is_told_nothing_more(self, rotated: Rotated) -> None:
        rotated.retag("IKR:EMAIL", PRESENT)

        for days in (1, 2, 3):
            wait_and_run(rotated.world, days)

        assert told(rotated.world) == [(FORMER, "address"), (PRESENT, "deleted")]


def test_address_in_another_spelling_is_told_once(rotated: Rotated) -> None:
    """The case of a domain means nothing, in an entry from before it had to be in lower case."""
    rotated.world.rewrite("alice", rotated.old, email="alice@Example.COM")
    rotated.fall_due()

    rotated.world.deliver_stream()

    assert told(rotated.world) == [("alice@example.com", "deleted")]


class TestAllowedDomains:
    """The stack's list has changed, or the tag has: mail goes to an address on the list, or nowhere."""

    @pytest.fixture
    def world(self) -> Iterator[World]:
        with new_world(ALLOWED_EMAIL_DOMAINS="example.com,elsewhere.example", RECOVERY_DAYS="2") as world:
            yield world

    def test_former_address_outside_of_them_is_told_nothing(
        self, rotated: Rotated, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = rotated.world
        rotated.retag("IKR:EMAIL", PRESENT)
        monkeypatch.setenv("ALLOWED_EMAIL_DOMAINS", "elsewhere.example")
        rotated.fall_due()

        world.deliver_stream()
        world.wait(days=2)
        world.collect_by_ttl()
        world.deliver_stream()

        assert told(world) == [(PRESENT, "deactivated"), (PRESENT, "deleted")]
        assert world.keys("alice") == {rotated.new: "Active"}

    def test_former_address_on_the_list_is_told(self, rotated: Rotated) -> None:
        rotated.retag("IKR:EMAIL", PRESENT)
        rotated.fall_due()

        rotated.world.deliver_stream()

        assert told(rotated.world) == [(FORMER, "deactivated"), (PRESENT, "deactivated")]

    def test_present_address_outside_of_them_is_told_nothing_and_holds_the_end_up(self, rotated: Rotated) -> None:
        """The tag is a fault that somebody has to fix: nothing about the key changes until then."""
        rotated.retag("IKR:EMAIL", "alice@thieves.example")
        rotated.fall_due()

        rotated.world.deliver_stream()

        assert told(rotated.world) == []
        assert rotated.world.keys("alice") == {rotated.old: "Active", rotated.new: "Active"}
        assert "whose domain is not among the allowed ones" in rotated.item["last_error"]
