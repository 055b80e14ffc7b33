from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from functions.common import environment
from functions.common.clients import Clients
from functions.common.entry import Entry, Status
from functions.common.ledger import Ledger
from functions.rotator.census import Census, restrict, take
from tests.simulation.world import START, TABLE, World

VARIABLES = {"IAM_KEY_ROTATOR_TABLE": TABLE, "MAIL_FROM": "keys@example.com"}
KEY = "AKIAFAKE00000000OLD1"


def id_of(name: str) -> str:
    return f"AIDAFAKE{name:0>12}"


def details(name: str, path: str = "/", **tags: str) -> dict[str, Any]:
    return {
        "UserName": name,
        "UserId": id_of(name),
        "Arn": f"arn:aws:iam::111122223333:user/{name}",
        "Path": path,
        "CreateDate": datetime(2029, 1, 1, tzinfo=UTC),
        "Tags": [{"Key": f"IKR:{tag}", "Value": value} for tag, value in tags.items()],
    }


@pytest.fixture
def ledger(world: World) -> Ledger:
    return Ledger(Clients().dynamodb, TABLE)


@pytest.fixture
def pages(world: World) -> Iterator[Stubber]:
    """IAM, answering with the pages that a test lays down; moto has but one page."""
    iam = boto3.client("iam")
    with Stubber(iam) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def lay_down(pages: Stubber, *users: list[dict[str, Any]]) -> None:
    for number, page in enumerate(users):
        is_last = number == len(users) - 1
        expected: dict[str, Any] = {"Filter": ["User"], "MaxItems": 1000}
        pages.add_response(
            "get_account_authorization_details",
            {"UserDetailList": page, "IsTruncated": not is_last, **({} if is_last else {"Marker": f"{number + 1}"})},
            expected if number == 0 else {**expected, "Marker": str(number)},
        )


def take_from(iam: Any, ledger: Ledger, **variables: str) -> Census:
    return take(iam, ledger, environment.parse({**VARIABLES, **variables}))


def test_short_and_empty_pages_are_followed_to_the_end(pages: Stubber, ledger: Ledger) -> None:
    """IAM may cut a page short at any length; only IsTruncated tells the last one."""
    email = {"EMAIL": "somebody@example.com"}
    lay_down(pages, [details("alice", **email)], [], [details("bob", **email), details("carl", **email)])

    census = take_from(pages.client, ledger)

    assert [user.name for user in census.users] == ["alice", "bob", "carl"]


def test_users_beyond_a_thousand_are_seen(pages: Stubber, ledger: Ledger) -> None:
    everybody = [details(f"user{number}", EMAIL="somebody@example.com") for number in range(1001)]
    lay_down(pages, everybody[:1000], everybody[1000:])

    census = take_from(pages.client, ledger)

    assert len(census.users) == 1001
    assert census.users[-1].name == "user1000"


def test_user_without_address_is_known_by_name_and_id_only(pages: Stubber, ledger: Ledger) -> None:
    untagged = details("bob")
    del untagged["Tags"]
    lay_down(pages, [details("alice", ROTATE_AFTER_DAYS="soon"), untagged])

    census = take_from(pages.client, ledger)

    assert census == Census(ids={"alice": id_of("alice"), "bob": id_of("bob")})


def test_misconfigured_user_is_told_and_disturbs_nobody(pages: Stubber, ledger: Ledger) -> None:
    lay_down(
        pages,
        [
            details("alice", EMAIL="alice@example.com", ROTATE_AFTER_DAYS="٣٠"),
            details("bob", EMAIL="bob@example.com", DELETE_AFTER_DAYS="7"),
            details("carl", EMAIL="carl@example.com dan@example.com"),
        ],
    )

    census = take_from(pages.client, ledger)

    assert census.misconfigured == {
        "alice": "IKR:ROTATE_AFTER_DAYS is '٣٠', and must be a whole number from 0 to 3650",
        "carl": "IKR:EMAIL is 'carl@example.com dan@example.com', which is not one plain e-mail address",
    }
    (bob,) = census.users
    assert (bob.name, bob.id, bob.policy.delete_after_days) == ("bob", id_of("bob"), 7)


def test_entries_come_with_their_users_and_a_malformed_one_disturbs_nobody(
    world: World, pages: Stubber, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = Entry(user="alice", key_id=KEY, status=Status.CURRENT, created_at=START)
    of_nobody = Entry(user="gone", key_id=KEY, status=Status.CURRENT, created_at=START)
    for there in (entry, of_nobody):
        ledger.put(there)
    world.put_item({"user": {"S": "bob"}, "ak": {"S": KEY}, "status": {"S": "expiring"}})
    lay_down(pages, [details(name, EMAIL="somebody@example.com") for name in ("alice", "bob")])

    census = take_from(pages.client, ledger)

    assert {user.name: user.entries for user in census.users} == {"alice": (entry,), "bob": ()}
    assert sorted(found.user for found in census.entries) == ["alice", "gone"]
    assert f"ledger item of user bob, key {KEY}: created_at, delete_on missing" in capsys.readouterr().out


def test_restricting_keeps_whom_an_operator_named(pages: Stubber, ledger: Ledger) -> None:
    for name in ("alice", "bob"):
        ledger.put(Entry(user=name, key_id=KEY, status=Status.CURRENT, created_at=START))
    lay_down(
        pages,
        [
            *(details(name, EMAIL="somebody@example.com") for name in ("alice", "bob")),
            *(details(name, EMAIL="nobody") for name in ("carl", "dan")),
        ],
    )

    census = restrict(take_from(pages.client, ledger), ["bob", "dan", "eve"])

    assert [user.name for user in census.users] == ["bob"]
    assert list(census.misconfigured) == ["dan"]
    assert [entry.user for entry in census.entries] == ["bob"]
    assert set(census.ids) == {"alice", "bob", "carl", "dan"}


def test_users_outside_the_paths_are_left_out_whatever_their_tags_say(pages: Stubber, ledger: Ledger) -> None:
    """Whoever may tag an administrator elsewhere must not get that administrator's next key."""
    everybody = [
        details("alice", path="/people/", EMAIL="somebody@example.com"),
        details("bob", path="/people/blue/", EMAIL="somebody@example.com"),
        details("carl", path="/bots/", EMAIL="somebody@example.com"),
        details("dan", EMAIL="somebody@example.com"),
        details("eve", path="/admins/people/", EMAIL="somebody@example.com"),
        details("fred", path="/admins/", EMAIL="nobody"),
    ]
    lay_down(pages, everybody)

    census = take_from(pages.client, ledger, USER_PATHS="/people/,/bots/")

    assert [user.name for user in census.users] == ["alice", "bob", "carl"]
    assert census.outside == {"dan", "eve", "fred"}
    assert census.misconfigured == {}


class TestOwnership:
    def test_entry_goes_with_the_id_and_not_with_the_name(self) -> None:
        census = Census(ids={"alice": id_of("alice")})
        hers = Entry(user="alice", key_id=KEY, status=Status.CURRENT, created_at=START)

        assert census.owns(hers)
        assert census.owns(replace(hers, user_id=id_of("alice")))
        assert not census.owns(replace(hers, user_id="AIDAFAKE00000FORMER1"))
        assert not census.owns(replace(hers, user="bob"))

    def test_entries_of_somebody_who_had_the_name_before_are_nobodys(self, pages: Stubber, ledger: Ledger) -> None:
        entry = Entry(user="alice", user_id="AIDAFAKE00000FORMER1", key_id=KEY, status=Status.CURRENT, created_at=START)
        ledger.put(entry)
        lay_down(pages, [details("alice", EMAIL="somebody@example.com")])

        census = take_from(pages.client, ledger)

        assert [user.entries for user in census.users] == [()]
        assert census.entries == [entry]
