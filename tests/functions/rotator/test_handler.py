from __future__ import annotations

import json
from typing import Any

import pytest

from functions.common.errors import ConfigurationError, EventError, RunFailed
from functions.rotator.handler import handler
from tests.simulation.faults import aws_error
from tests.simulation.world import World, context, new_world


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {
        metric["Name"]: sum(line[metric["Name"]])
        for line in lines
        for group in line.get("_aws", {}).get("CloudWatchMetrics", [])
        for metric in group["Metrics"]
    }


@pytest.mark.parametrize("event", [None, [], {"dryrun": True}, {"force": True}, {"again": True}, {"users": "alice"}])
def test_bad_event_ends_before_any_call(world: World, event: Any) -> None:
    world.add_user("alice")

    with pytest.raises(EventError):
        handler(event, context())

    assert world.controller.calls == []


def test_bad_environment_ends_before_any_call() -> None:
    with new_world(ENCRYPT_KEY_PAIR="yes", MAIL_CLIENT="pigeon") as world:
        with pytest.raises(ConfigurationError, match=r"MAIL_CLIENT .*; ENCRYPT_KEY_PAIR "):
            handler({}, context())

        assert world.controller.calls == []


def test_schedules_own_event_runs_over_everybody(world: World) -> None:
    world.add_user("alice")
    world.wait(days=81)

    summary = handler({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}, context())

    assert summary["rotated"] == 1
    assert json.loads(json.dumps(summary)) == summary


def test_failures_are_named_after_everybody_else_has_been_served(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("alice", "bob"):
        world.add_user(name)
    world.add_user("carl", ROTATE_AFTER_DAYS="soon")
    world.wait(days=81)
    observe = world.controller.observe

    def refuse_first(operation: str, body: bytes) -> None:
        observe(operation, body)
        if operation == "DeleteAccessKey":
            world.controller.outages.clear()

    world.controller.observe = refuse_first
    world.controller.outages["SendEmail"] = aws_error("SendEmail", "BadRequestException", 400, "illegal address")

    with pytest.raises(
        RunFailed, match="1 of this run's users could not be served: alice: SES does not take this mail"
    ):
        handler({}, context())

    assert len(world.keys("bob")) == 2
    counted = metrics(capsys)
    assert (counted["Rotated"], counted["RotationsFailed"], counted["UsersMisconfigured"]) == (1, 1, 1)


def test_metrics_are_written_even_if_the_run_breaks_off(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.controller.outages["Scan"] = aws_error("Scan", "AccessDeniedException", 400)

    assert world.rotate() == {}

    assert metrics(capsys)["Rotated"] == 0
