from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from functions.common import operators
from functions.common.clients import Clients
from tests.simulation.faults import aws_error
from tests.simulation.world import ACCOUNT, REGION, TOPIC, World

TOPIC_ARN = f"arn:aws:sns:{REGION}:{ACCOUNT}:{TOPIC}"
SUBJECT = "An access key was never used, and has been deactivated"
_PAGE: Any = {"ResponseMetadata": {"HTTPStatusCode": 403}}
A_PROXYS_PAGE = ClientError(_PAGE, "Publish")


def tell() -> None:
    operators.tell(Clients().sns, TOPIC_ARN, SUBJECT, "Call alice.")


def test_operators_get_the_message(world: World) -> None:
    tell()

    assert world.alarms() == ["Call alice."]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (aws_error("Publish", "AuthorizationError", 403), "Publish: AuthorizationError"),
        (A_PROXYS_PAGE, "Publish: unknown"),
        (NoCredentialsError(), "NoCredentialsError"),
    ],
)
def test_that_nobody_could_be_told_is_logged_and_stops_nothing(
    world: World, fault: Exception, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the operators are told of has been done, or must be done, whether they hear of it or not."""
    world.controller.outages["Publish"] = fault

    tell()

    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["level"], line["message"]) == ("ERROR", "operators_not_told")
    assert (line["subject"], line["reason"]) == (SUBJECT, told)


def test_silence_stops_nothing_either(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.controller.silent.add("Publish")

    tell()

    assert "ReadTimeoutError" in capsys.readouterr().out


def test_fault_of_our_own_making_is_not_hidden(world: World) -> None:
    world.controller.outages["Publish"] = ValueError("a programming error")

    with pytest.raises(ValueError, match="a programming error"):
        tell()
