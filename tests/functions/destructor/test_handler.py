from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from functions.common.errors import ConfigurationError, EventError
from functions.destructor.handler import handler
from tests.functions.destructor.conftest import Rotated, removals
from tests.simulation.faults import aws_error
from tests.simulation.world import START, World, context, new_world


def from_another_table(record: dict[str, Any]) -> dict[str, Any]:
    return record | {"eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/another/stream/label"}


def without_time(record: dict[str, Any]) -> dict[str, Any]:
    """Its entry lacks the time at which the key is to go."""
    image = {name: value for name, value in record["dynamodb"]["OldImage"].items() if name != "delete_on"}
    return record | {"dynamodb": record["dynamodb"] | {"OldImage": image, "SequenceNumber": "1"}}


@pytest.mark.parametrize(
    "event", [{}, {"Records": None}, {"Records": "none"}, {"detail-type": "Scheduled Event"}, None, "text", []]
)
def test_event_that_is_no_batch_ends_before_any_call(world: World, event: object) -> None:
    with pytest.raises(EventError, match="not a batch of stream records"):
        handler(event, context())

    assert world.controller.calls == []


def test_bad_environment_ends_before_any_call() -> None:
    with new_world(MAX_DELETION_ATTEMPTS="0") as world:
        with pytest.raises(ConfigurationError, match="MAX_DELETION_ATTEMPTS"):
            handler({"Records": []}, context())

        assert world.controller.calls == []


def test_everything_done_is_an_empty_list(rotated: Rotated) -> None:
    rotated.fall_due()

    assert handler({"Records": removals(rotated.world)}, context()) == {"batchItemFailures": []}


def test_record_that_cannot_even_be_put_back_comes_again(rotated: Rotated) -> None:
    world = rotated.world
    rotated.fall_due()
    records = removals(world)
    world.controller.outages["DeleteAccessKey"] = aws_error("DeleteAccessKey", "AccessDenied", 403)
    world.controller.outages["TransactWriteItems"] = aws_error("TransactWriteItems", "AccessDeniedException", 400)

    answer = handler({"Records": records}, context())

    number = records[0]["dynamodb"]["SequenceNumber"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": number}]}
    world.controller.outages.clear()
    assert handler({"Records": records}, context()) == {"batchItemFailures": []}
    assert world.keys("alice") == {rotated.new: "Active"}


def with_a_time(record: dict[str, Any], name: str, seconds: float) -> dict[str, Any]:
    """Its entry says another time of something."""
    image = record["dynamodb"]["OldImage"] | {name: {"N": str(int(seconds))}}
    return record | {"dynamodb": record["dynamodb"] | {"OldImage": image, "SequenceNumber": "1"}}


def ends_in_nanoseconds(record: dict[str, Any]) -> dict[str, Any]:
    return with_a_time(record, "delete_on", START.timestamp() * 1e9)


def ends_in_the_year_9000(record: dict[str, Any]) -> dict[str, Any]:
    return with_a_time(record, "grace_ended_on", datetime(9000, 1, 1, tzinfo=UTC).timestamp())


def made_in_milliseconds(record: dict[str, Any]) -> dict[str, Any]:
    return with_a_time(record, "created_at", START.timestamp() * 1e3)


def removed_in_nanoseconds(record: dict[str, Any]) -> dict[str, Any]:
    return record | {"dynamodb": record["dynamodb"] | {"ApproximateCreationDateTime": START.timestamp() * 1e9}}


def removed_in_milliseconds(record: dict[str, Any]) -> dict[str, Any]:
    return record | {"dynamodb": record["dynamodb"] | {"ApproximateCreationDateTime": START.timestamp() * 1e3}}


def by_nobody(record: dict[str, Any]) -> dict[str, Any]:
    return record | {"userIdentity": "text"}


def of_another_shape(record: dict[str, Any]) -> object:
    return "text"


@pytest.mark.parametrize(
    "spoil",
    [
        from_another_table,
        without_time,
        ends_in_nanoseconds,
        ends_in_the_year_9000,
        made_in_milliseconds,
        removed_in_nanoseconds,
        removed_in_milliseconds,
        by_nobody,
        of_another_shape,
    ],
)
def test_unreadable_record_is_parked_and_the_rest_is_done(rotated: Rotated, spoil: Any) -> None:
    world = rotated.world
    rotated.fall_due()
    (good,) = removals(world)
    bad = spoil(good)

    answer = handler({"Records": [bad, good]}, context())

    assert answer == {"batchItemFailures": []}
    assert world.faults_seen == []
    assert world.keys("alice") == {rotated.new: "Active"}
    (letter,) = world.parked()
    assert letter["record"] == json.loads(json.dumps(bad))
    assert letter["fault"]


def test_parking_is_counted_and_told(
    rotated: Rotated, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    rotated.fall_due()
    (good,) = removals(rotated.world)

    handler({"Records": [without_time(good)]}, context())

    assert "RecordsParked" in capsys.readouterr().out
    told = caplog.records[-1].__dict__["reason"]
    assert told == f"ledger item of user alice, key {rotated.old}: delete_on missing"


def test_record_that_cannot_be_parked_comes_again(rotated: Rotated) -> None:
    rotated.fall_due()
    (good,) = removals(rotated.world)
    rotated.world.controller.outages["SendMessage"] = aws_error("SendMessage", "AccessDenied", 403)

    answer = handler({"Records": [without_time(good)]}, context())

    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert rotated.old in rotated.world.keys("alice")


def test_without_a_queue_an_unreadable_record_is_left_to_the_streams_own(rotated: Rotated) -> None:
    rotated.fall_due()
    (good,) = removals(rotated.world)

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DEAD_LETTER_QUEUE_URL")
        answer = handler({"Records": [without_time(good)]}, context())

    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}


def test_record_that_there_is_no_time_for_comes_again_untouched(rotated: Rotated) -> None:
    world = rotated.world
    rotated.fall_due()
    records = removals(world)

    answer = handler({"Records": records}, context(minutes=3.9))

    assert answer == {"batchItemFailures": [{"itemIdentifier": records[0]["dynamodb"]["SequenceNumber"]}]}
    assert world.controller.calls == []
    assert handler({"Records": records}, context(minutes=4)) == {"batchItemFailures": []}
    assert world.keys("alice") == {rotated.new: "Active"}
