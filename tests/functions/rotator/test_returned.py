"""Mails that come back, as EventBridge delivers SES's events about them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from functions.common.errors import EventError
from functions.rotator import request
from functions.rotator.returned import Kind, Returned, read
from tests.simulation.faults import Fault
from tests.simulation.faults import Kind as FaultKind
from tests.simulation.world import SENDER, World, new_world

DETAIL_TYPES = {
    Kind.BOUNCE: "Email Bounced",
    Kind.COMPLAINT: "Email Complaint Received",
    Kind.REJECT: "Email Rejected",
}
ALICE, NEW = "AIDAFAKE0000000ALICE", "AKIAFAKE00000000NEW1"
SENT = {
    "Destination": {"ToAddresses": ["alice@example.com"]},
    "EmailTags": [
        {"Name": "ikr-notice", "Value": "new_key"},
        {"Name": "ikr-user", "Value": ALICE},
        {"Name": "ikr-key", "Value": NEW},
    ],
}


def event_about(sent: dict[str, Any], kind: Kind = Kind.BOUNCE, *, bounce_type: str = "Permanent") -> dict[str, Any]:
    """Say as SES does what became of a mail, from the request that sent it.

    https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
    """
    to = sent["Destination"]["ToAddresses"]
    mailbox = [{"emailAddress": "mailbox-behind-the-alias@example.net"}]
    about: dict[Kind, dict[str, Any]] = {
        Kind.BOUNCE: {"bounce": {"bounceType": bounce_type, "bounceSubType": "General", "bouncedRecipients": mailbox}},
        Kind.COMPLAINT: {"complaint": {"complainedRecipients": mailbox, "complaintFeedbackType": "abuse"}},
        Kind.REJECT: {"reject": {"reason": "Bad content"}},
    }
    mail = {
        "timestamp": "2030-03-23T12:00:00.000Z",
        "source": SENDER,
        "messageId": "0000000000000000-00000000-0000-0000-0000-000000000000-000000",
        "destination": to,
        "tags": {
            "ses:configuration-set": ["iam-key-rotator"],
            **{tag["Name"]: [tag["Value"]] for tag in sent["EmailTags"]},
        },
    }
    return {
        "version": "0",
        "id": "00000000-0000-0000-0000-000000000000",
        "detail-type": DETAIL_TYPES[kind],
        "source": "aws.ses",
        "account": "123456789012",
        "time": "2030-03-23T12:00:05Z",
        "region": "us-east-1",
        "resources": ["arn:aws:ses:us-east-1:123456789012:configuration-set/iam-key-rotator"],
        "detail": {"eventType": kind, "mail": mail, **about[kind]},
    }


class Post:
    """Alice's world, and the requests by which mails were sent in it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sent: list[dict[str, Any]] = []
        observe = world.controller.observe

        def note(operation: str, body: bytes) -> None:
            observe(operation, body)
            if operation == "SendEmail":
                self.sent.append(json.loads(body))

        world.controller.observe = note

    def returns(self, kind: Kind = Kind.BOUNCE, *, number: int = -1, **fields: str) -> dict[str, Any]:
        """Let a mail come back, by default the last one; gives what the run about it says."""
        return self.world.rotate(event_about(self.sent[number], kind, **fields))


@pytest.fixture
def post(world: World) -> Iterator[Post]:
    """Alice has been mailed a new key, and has not read the mail."""
    post = Post(world)
    world.add_user("alice")
    world.wait(days=81)
    assert world.rotate()["rotated"] == 1
    yield post
    assert world.broken_promises == []
    assert world.orphans() == []


def pass_days(world: World, number: int) -> list[dict[str, Any]]:
    summaries = []
    for _ in range(number):
        world.wait(days=1)
        summaries.append(world.rotate())
        world.deliver_stream()
    return summaries


class TestReading:
    @pytest.mark.parametrize("kind", list(Kind))
    def test_whose_mail_it_was_and_what_about(self, kind: Kind) -> None:
        """By the mail itself: the mailbox that bounced may be one that an alias leads to."""
        assert request.parse(event_about(SENT, kind)) == request.Request(
            returned=Returned(
                kind=kind, final=True, addresses=("alice@example.com",), notice="new_key", user_id=ALICE, key_id=NEW
            )
        )

    @pytest.mark.parametrize("bounce_type", ["Transient", "Undetermined"])
    def test_full_mailbox_may_have_room_tomorrow(self, bounce_type: str) -> None:
        assert not read(event_about(SENT, bounce_type=bounce_type)).final

    @pytest.mark.parametrize(
        "path",
        [
            "detail",
            "detail eventType",
            "detail mail",
            "detail mail destination",
            "detail mail tags",
            "detail mail tags ikr-user",
            "detail mail tags ikr-key",
            "detail mail tags ikr-notice",
            "detail bounce",
            "detail bounce bounceType",
        ],
    )
    def test_event_that_lacks_something_starts_no_run(self, path: str) -> None:
        """Without our tags it is about a mail of somebody else."""
        event = event_about(SENT)
        part, name = part_of(event, path)
        del part[name]

        with pytest.raises(EventError, match="none of SES about a mail of this service"):
            read(event)

    @pytest.mark.parametrize(
        ("path", "instead"),
        [
            ("detail", None),
            ("detail", "Bounce"),
            ("detail eventType", "Delivery"),
            ("detail eventType", []),
            ("detail mail", []),
            ("detail mail destination", 7),
            ("detail mail tags", [["ikr-user", ALICE]]),
            ("detail mail tags ikr-user", []),
            ("detail mail tags ikr-user", None),
            ("detail bounce", "Permanent"),
        ],
    )
    def test_event_of_another_shape_starts_no_run(self, path: str, instead: object) -> None:
        event = event_about(SENT)
        part, name = part_of(event, path)
        part[name] = instead

        with pytest.raises(EventError, match="none of SES about a mail of this service"):
            read(event)

    def test_malformed_event_ends_before_any_call(self, world: World) -> None:
        world.rotate({"source": "aws.ses", "detail-type": "Email Bounced", "detail": {}})

        assert isinstance(world.faults_seen[-1], EventError)
        assert world.controller.calls == []


def part_of(event: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    *way, name = path.split()
    for step in way:
        event = event[step]
    return event, name


class TestUnread:
    """The old key works, the new one was never used: the rotation is taken back."""

    @pytest.mark.parametrize("kind", list(Kind))
    def test_is_taken_back_and_remembered(self, post: Post, kind: Kind) -> None:
        old, lost = post.world.keys("alice")

        summary = post.returns(kind)

        assert (summary["returned"], summary["taken_back"], summary["rotated"]) == (["alice"], 1, 0)
        assert post.world.keys("alice") == {old: "Active"}
        assert set(post.world.ledger()) == {old}
        assert (post.world.ledger()[old]["status"], post.world.ledger()[old]["undeliverable"]) == (
            "current",
            "0@example.com",
        )
        assert post.world.parameters() == {}
        assert lost not in post.world.ledger()

    def test_nothing_is_left_of_the_end_that_was_planned(self, post: Post) -> None:
        """Above all nothing that DynamoDB's TTL would remove the item for."""
        old, _ = post.world.keys("alice")
        pass_days(post.world, 8)
        assert {"delete_on", "grace_ended_on", "reminded_at", "round"} <= set(post.world.ledger()[old])

        assert post.returns()["taken_back"] == 1

        known = {"user", "user_id", "ak", "status", "created_at", "email", "undeliverable", "attempt"}
        assert set(post.world.ledger()[old]) == known

    def test_nothing_is_tried_again_while_the_address_stays(self, post: Post) -> None:
        post.returns()

        summaries = pass_days(post.world, 10)

        assert [summary["skipped"] for summary in summaries] == [{"undeliverable": 1}] * 10
        assert len(post.sent) == 1

    def test_another_address_is_tried_once_it_has_stood(self, post: Post) -> None:
        """The one that mail came back from is told nothing of it."""
        post.returns()
        post.world.change_address("alice", "new@example.com")

        summaries = pass_days(post.world, 3)

        assert [summary["rotated"] for summary in summaries] == [0, 0, 1]
        assert [mail["Destination"]["ToAddresses"] for mail in post.sent] == [["0@example.com"], ["new@example.com"]]
        assert all("undeliverable" not in item for item in post.world.ledger().values())

    def test_operator_who_forces_it_is_obeyed(self, post: Post) -> None:
        """Somebody has emptied the mailbox, or taken the address off a suppression list."""
        post.returns()

        assert post.world.rotate({"users": ["alice"], "force": True})["rotated"] == 1

        assert all("undeliverable" not in item for item in post.world.ledger().values())
        assert len(post.sent) == 2

    def test_event_that_comes_twice_changes_nothing_more(self, post: Post) -> None:
        post.returns()
        before = post.world.keys("alice"), post.world.ledger()

        summary = post.returns()

        assert (summary["taken_back"], post.world.keys("alice"), post.world.ledger()) == (0, *before)

    def test_event_that_comes_before_the_run_is_over_is_not_lost(self, world: World) -> None:
        """A bounce takes less than a second, a run minutes: the mail is out, and the old key's end not scheduled."""
        post = Post(world)
        world.add_user("alice")
        world.wait(days=81)
        world.controller.fault = Fault("SendEmail", FaultKind.DIES_AFTER)
        world.rotate()
        (old, _) = world.keys("alice")

        assert post.returns()["returned"] == ["alice"]

        assert world.ledger()[old]["status"] == "delivering"
        world.wait(minutes=16)
        assert world.rotate()["recovered"] == 1
        assert world.keys("alice") == {old: "Active"}
        assert (len(post.sent), world.parameters()) == (1, {})

    def test_user_who_was_renamed_meanwhile_is_found_by_the_id(self, post: Post) -> None:
        post.world.rename("alice", "alice-smith")

        summary = post.returns()

        assert (summary["returned"], summary["taken_back"]) == (["alice-smith"], 1)
        assert len(post.world.keys("alice-smith")) == 1

    def test_failure_half_way_is_made_up_for_by_the_next_run(self, post: Post) -> None:
        old, _ = post.world.keys("alice")
        post.world.controller.fault = Fault("DeleteAccessKey", FaultKind.REFUSED)
        post.returns()
        assert post.world.ledger()[old]["status"] == "delivering"
        post.world.wait(minutes=16)

        assert post.world.rotate()["recovered"] == 1

        assert post.world.keys("alice") == {old: "Active"}
        assert post.world.rotate()["skipped"] == {"undeliverable": 1}


class TestNotTakenBack:
    def test_new_key_that_was_used_stays(self, post: Post) -> None:
        """Whatever came back, the user has it; only the next mail needs another address."""
        post.world.read_mail()
        made = post.world.keys("alice")

        summary = post.returns(Kind.COMPLAINT)

        assert (summary["returned"], summary["taken_back"], summary["refused"]) == (["alice"], 0, {})
        assert post.world.keys("alice") == made
        assert {item["undeliverable"] for item in post.world.ledger().values()} == {"0@example.com"}
        pass_days(post.world, 6)
        assert len(post.world.keys("alice")) == 1
        post.world.wait(days=81)
        assert post.world.rotate()["skipped"] == {"undeliverable": 1}

    def test_old_key_that_does_not_work_leaves_the_new_one_its_chance(self, post: Post) -> None:
        old, new = post.world.keys("alice")
        post.world.iam.update_access_key(UserName="alice", AccessKeyId=old, Status="Inactive")

        summary = post.returns()

        assert (summary["returned"], summary["taken_back"]) == (["alice"], 0)
        assert post.world.keys("alice") == {old: "Inactive", new: "Active"}

    def test_mail_that_is_only_late_changes_nothing(self, post: Post) -> None:
        before = post.world.keys("alice"), post.world.ledger()

        summary = post.returns(bounce_type="Transient")

        assert (summary["returned"], summary["taken_back"]) == ([], 0)
        assert (post.world.keys("alice"), post.world.ledger()) == before

    def test_mail_about_a_key_of_the_past_changes_nothing(self, post: Post) -> None:
        """It may come back weeks later."""
        post.world.rotate({"users": ["alice"], "again": True})
        before = post.world.keys("alice"), post.world.ledger()

        summary = post.returns(number=0)

        assert (summary["taken_back"], post.world.keys("alice"), post.world.ledger()) == (0, *before)

    def test_mail_to_an_address_of_the_past_changes_nothing(self, post: Post) -> None:
        """As the word to the address that was left, when its mailbox is gone."""
        post.world.change_address("alice", "new@example.com")
        post.world.rotate()
        assert post.sent[-1]["Destination"]["ToAddresses"] == ["0@example.com"]
        before = post.world.keys("alice"), post.world.ledger()

        summary = post.returns()

        assert (summary["taken_back"], post.world.keys("alice"), post.world.ledger()) == (0, *before)

    def test_mail_about_nobody_changes_nothing(self, post: Post) -> None:
        foreign = deepcopy(post.sent[-1])
        foreign["EmailTags"][1]["Value"] = ALICE
        before = post.world.keys("alice"), post.world.ledger()

        summary = post.world.rotate(event_about(foreign))

        assert (summary["returned"], summary["taken_back"]) == ([ALICE], 0)
        assert (post.world.keys("alice"), post.world.ledger()) == before

    @pytest.mark.parametrize("bounce_type", ["Permanent", "Transient"])
    def test_nobody_else_is_looked_after(self, post: Post, bounce_type: str) -> None:
        post.world.add_user("bob", ROTATE_AFTER_DAYS="0")

        post.returns(bounce_type=bounce_type)

        assert len(post.world.keys("bob")) == 1


class TestOtherNotices:
    def test_reminder_that_comes_back_takes_the_rotation_back(self, post: Post) -> None:
        """The mailbox may have gone since the key was mailed."""
        pass_days(post.world, 4)
        assert post.sent[-1]["EmailTags"][0]["Value"] == "key_reminder"

        assert post.returns()["taken_back"] == 1

        assert len(post.world.keys("alice")) == 1


class TestTaggedAsSesTakesIt:
    def test_each_mail_says_whom_and_which_key_it_is_about(self, post: Post) -> None:
        _, new = post.world.keys("alice")

        assert {tag["Name"]: tag["Value"] for tag in post.sent[0]["EmailTags"]} == {
            "ikr-notice": "new_key",
            "ikr-user": post.world.user_id("alice"),
            "ikr-key": new,
        }

    def test_configuration_set_is_the_stacks(self) -> None:
        with new_world(SES_CONFIGURATION_SET="key-mails") as world:
            post = Post(world)
            world.add_user("alice", ROTATE_AFTER_DAYS="0")

            world.rotate()

            assert [sent["ConfigurationSetName"] for sent in post.sent] == ["key-mails"]


def test_mails_that_came_back_are_counted_and_told_of(
    post: Post, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    post.returns()

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["MailsReturned"] for line in lines if "MailsReturned" in line] == [[1.0]]
    (told,) = [vars(record) for record in caplog.records if record.message == "mail_returned"]
    assert (told["user"], told["kind"], told["notice"]) == ("alice", "Bounce", "new_key")
