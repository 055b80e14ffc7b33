from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.simulation.world import Person, World


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

    def retag(self, tag: str, value: str) -> None:
        """Change one of the user's tags."""
        self.world.iam.tag_user(UserName=self.person.name, Tags=[{"Key": tag, "Value": value}])


@pytest.fixture
def rotated(world: World) -> Rotated:
    """Alice, whose key has just been rotated, and who has put the new one to use."""
    person = world.add_user("alice", email="alice@example.com")
    world.wait(days=81)
    (old,) = world.keys("alice")
    world.rotate()
    world.read_mail()
    (new,) = (key for key in world.keys("alice") if key != old)
    world.controller.calls.clear()
    return Rotated(world, person, old, new)
