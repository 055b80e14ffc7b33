from __future__ import annotations

from decimal import Decimal

import pytest
from botocore.exceptions import ClientError

from functions.common.clients import Clients
from functions.common.errors import MalformedEntry
from functions.destructor.dead_letters import park
from tests.simulation.faults import aws_error
from tests.simulation.world import QUEUE, World

FAULT = MalformedEntry("ledger item of user alice, key AKIAFAKE00000000OLD1: delete_on missing")


def queue_url(world: World) -> str:
    return world.sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]


def test_record_is_parked_as_it_came_with_its_fault(world: World) -> None:
    park({"eventID": "1", "at": Decimal("1.5")}, FAULT, Clients().sqs, queue_url(world))

    assert world.parked() == [{"fault": str(FAULT), "record": {"eventID": "1", "at": "1.5"}}]


def test_queue_that_does_not_take_it_is_told(world: World) -> None:
    world.controller.outages["SendMessage"] = aws_error("SendMessage", "AccessDenied", 403)

    with pytest.raises(ClientError, match="AccessDenied"):
        park({"eventID": "1"}, FAULT, Clients().sqs, queue_url(world))

    assert world.parked() == []
