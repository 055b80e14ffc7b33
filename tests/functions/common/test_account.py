from __future__ import annotations

import pytest

from functions.common.account import Account, look_up
from functions.common.clients import Clients
from tests.simulation.faults import aws_error
from tests.simulation.world import ACCOUNT, World


@pytest.mark.parametrize(
    ("account", "name"),
    [
        (Account(id="111122223333", alias="acme-prod"), "acme-prod (111122223333)"),
        (Account(id="111122223333"), "111122223333"),
    ],
)
def test_account_is_named_as_a_reader_knows_it(account: Account, name: str) -> None:
    assert str(account) == name


def test_alias_is_looked_up(world: World) -> None:
    world.iam.create_account_alias(AccountAlias="acme-prod")

    assert look_up(ACCOUNT, Clients().iam) == Account(id=ACCOUNT, alias="acme-prod")


def test_account_without_alias_has_its_id(world: World) -> None:
    assert look_up(ACCOUNT, Clients().iam) == Account(id=ACCOUNT)
    assert world.controller.calls == ["ListAccountAliases"]


def test_refused_look_up_stops_nothing(world: World) -> None:
    world.controller.outages["ListAccountAliases"] = aws_error("ListAccountAliases", "AccessDenied", 403)

    assert look_up(ACCOUNT, Clients().iam) == Account(id=ACCOUNT)


def test_look_up_without_answer_stops_nothing(world: World) -> None:
    world.controller.silent.add("ListAccountAliases")

    assert look_up(ACCOUNT, Clients().iam) == Account(id=ACCOUNT)
