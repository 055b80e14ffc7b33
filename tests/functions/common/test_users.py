from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from functions.common import users
from functions.common.clients import Clients
from functions.common.users import IamUser
from tests.simulation.faults import aws_error
from tests.simulation.world import World


def test_user_is_read_whole_in_one_call(world: World) -> None:
    tags = {f"TAG_{number}": str(number) for number in range(40)}
    world.add_user("alice", email="alice@example.com", path="/people/")
    world.iam.tag_user(UserName="alice", Tags=[{"Key": name, "Value": value} for name, value in tags.items()])
    user_id = world.iam.get_user(UserName="alice")["User"]["UserId"]

    found = users.find(Clients().iam, "alice")

    assert found == IamUser(name="alice", id=user_id, path="/people/", tags={"IKR:EMAIL": "alice@example.com", **tags})
    assert world.controller.calls == ["GetUser"]


def test_user_without_tags_has_none(world: World) -> None:
    world.iam.create_user(UserName="bob")

    found = users.find(Clients().iam, "bob")

    assert found is not None
    assert found.tags == {}


def test_somebody_who_is_gone_is_not_found(world: World) -> None:
    assert users.find(Clients().iam, "alice") is None
    assert world.controller.calls == ["GetUser"]


@pytest.mark.parametrize("code", ["AccessDenied", "Throttling"])
def test_refusal_does_not_pass_for_absence(world: World, code: str) -> None:
    """A user who seems gone is cleared up after."""
    world.add_user("alice")
    world.controller.outages["GetUser"] = aws_error("GetUser", code, 403)

    with pytest.raises(ClientError, match=code):
        users.find(Clients().iam, "alice")
