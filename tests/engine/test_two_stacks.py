"""A second stack in the account: beside the first one under its own name, and refused under the same one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scripts.engine.workspace import Workspace
from scripts.local_cloud.clients import Clients
from scripts.local_cloud.orders import Call


@pytest.fixture(scope="module")
def first(new_stack: Callable[..., Workspace]) -> Workspace:
    project = new_stack()
    project.up().ok()
    return project


def belongings(root: Clients) -> dict[str, Any]:
    """What AWS hands over under a name that is taken, and what a second owner would change about it."""
    queues = root.sqs.list_queues()["QueueUrls"]
    topics = [topic["TopicArn"] for topic in root.sns.list_topics()["Topics"]]
    return {
        "queues": {
            url: root.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy", "QueueArn"])["Attributes"]
            for url in queues
        },
        "topics": {arn: root.sns.get_topic_attributes(TopicArn=arn)["Attributes"] for arn in topics},
        "rules": [rule["Name"] for rule in root.events.list_rules()["Rules"]],
        "keys": sorted(
            (alias["AliasName"], alias["TargetKeyId"])
            for alias in root.kms.list_aliases()["Aliases"]
            if alias["AliasName"].startswith("alias/iam-key-rotator")
        ),
        "alarms": sorted(alarm["AlarmName"] for alarm in root.cloudwatch.describe_alarms()["MetricAlarms"]),
    }


def test_the_same_name_is_refused_and_the_first_stack_left_alone(
    first: Workspace, new_stack: Callable[..., Workspace], root: Clients
) -> None:
    """It would otherwise take over queue, topic, rule and alarms, and delete them when it is destroyed."""
    second = new_stack()
    before = belongings(root)

    refused = second.up("--continue-on-error").failed()
    second.pulumi("destroy", "--yes").ok()

    assert "Table already exists" in refused.said
    assert second.orders.calls() == [Call("create", "aws:dynamodb/table:Table", "ledger-table")]
    assert belongings(root) == before
    first.pulumi("refresh", "--yes", "--expect-no-changes").ok()


def test_another_name_stands_beside_it(first: Workspace, new_stack: Callable[..., Workspace], root: Clients) -> None:
    second = new_stack(namePrefix="iam-key-rotator-dev")
    before = belongings(root)

    second.up().ok()
    down = second.run(".venv/bin/python", "scripts/take_down.py", "--yes").ok()
    second.typed("pulumi stack rm").ok()

    assert "No mail needs the stack's KMS key any more: KMS deletes it on " in down.output
    assert list(second.project.glob("Pulumi.stack-*.yaml")) == []
    assert belongings(root) == before
    first.pulumi("refresh", "--yes", "--expect-no-changes").ok()
