from __future__ import annotations

from functions.common.clients import Clients
from functions.common.users import tags_of
from tests.simulation.world import World


def test_tags_of_a_user_are_read_whole(world: World) -> None:
    tags = {f"TAG_{number}": str(number) for number in range(40)}
    world.add_user("alice", email="alice@example.com")
    world.iam.tag_user(UserName="alice", Tags=[{"Key": name, "Value": value} for name, value in tags.items()])

    assert tags_of(Clients().iam, "alice") == {"IKR:EMAIL": "alice@example.com", **tags}


def test_somebody_who_is_gone_has_none(world: World) -> None:
    assert tags_of(Clients().iam, "alice") is None
    assert world.controller.calls == ["ListUserTags"]
