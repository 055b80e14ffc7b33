from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.simulation.world import Person, World

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef


@dataclass(frozen=True)
class Rotated:
    """Somebody in their grace period: the world, the person, and both keys."""

    world: World
    person: Person
    old: str
    new: str

    def fall_due(self) -> None:
        """The grace is over, and DynamoDB's TTL takes the entry out."""
        self.world.wait(days=5)
        self.world.collect_by_ttl()

    @property
    def parameter(self) -> bool:
        """Whether the encryption key still exists."""
        return bool(self.world.parameters())

    @property
    def notices(self) -> list[str]:
        """The subjects of the mails after the one that brought the new key."""
        return [mail.subject for mail in self.person.mails[1:]]

    @property
    def primary_key(self) -> dict[str, AttributeValueTypeDef]:
        """The primary key of the old key's item, as DynamoDB takes it."""
        return {"user": {"S": self.person.name}, "ak": {"S": self.old}}

    @property
    def item(self) -> dict[str, Any]:
        """What the ledger says of the old key."""
        return self.world.ledger()[self.old]

    def retag(self, tag: str, value: str) -> None:
        """Change one of the user's tags."""
        self.world.iam.tag_user(UserName=self.person.name, Tags=[{"Key": tag, "Value": value}])

    def activate(self) -> None:
        """Bring the old key back, as an administrator does."""
        self.world.iam.update_access_key(UserName=self.person.name, AccessKeyId=self.old, Status="Active")


def rotate_key(world: World, name: str = "alice", email: str = "alice@example.com") -> Rotated:
    """Hire somebody, and rotate their key when it is due."""
    person = world.add_user(name, email=email)
    world.wait(days=81)
    (old,) = world.keys(name)
    world.rotate()
    (new,) = (key for key in world.keys(name) if key != old)
    world.controller.calls.clear()
    return Rotated(world, person, old, new)


def wait_and_run(world: World, days: float) -> None:
    """Let days go by on which nothing happens, and the rotator run on the last of them."""
    world.wait(days=days)
    world.rotate()
    world.deliver_stream()


def pass_days(world: World, days: int) -> None:
    """Let days go by on which nobody reads their mail: the rotator runs on each, and the stream flows."""
    for _ in range(days):
        wait_and_run(world, 1)


def removals(world: World) -> list[dict[str, Any]]:
    """Give the stream's records of entries that were about to end, and have left the ledger."""
    ending = {"expiring", "inactive", "failed"}
    return [
        record
        for record in world.stream()
        if record["eventName"] == "REMOVE" and record["dynamodb"]["OldImage"]["status"]["S"] in ending
    ]


@pytest.fixture
def unread(world: World) -> Rotated:
    """Alice, whose key has just been rotated, and who has not opened the mail."""
    return rotate_key(world)


@pytest.fixture
def rotated(unread: Rotated) -> Rotated:
    """Alice, whose key has just been rotated, and who has put the new one to use."""
    unread.world.read_mail()
    return unread
