"""The queue for what could not be done: failed runs, undelivered schedules, stream records that nobody can read.

One queue serves both functions, for an operator has one place to look. Each message says where it comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmArgs, alarm

# As long as SQS keeps anything: an operator's holidays should not cost a message.
_RETENTION_SECONDS = 14 * 24 * 60 * 60


@dataclass(frozen=True, kw_only=True)
class DeadLettersArgs:
    """The queue's name, and the topic to ring when something lies in it.

    ``kms_key_arn`` is a customer's key for the messages; None leaves that to SQS's own.
    """

    queue_name: str
    alarm_topic_arn: pulumi.Input[str]
    kms_key_arn: str | None
    tags: Mapping[str, str]


class DeadLetters(pulumi.ComponentResource):
    """A queue, encrypted at rest, that rings when it is not empty."""

    queue_arn: pulumi.Output[str]
    queue_url: pulumi.Output[str]
    alarm_arns: list[pulumi.Output[str]]

    def __init__(self, name: str, args: DeadLettersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("iam-key-rotator:index:DeadLetters", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        queue = aws.sqs.Queue(
            f"{name}-queue",
            name=args.queue_name,
            message_retention_seconds=_RETENTION_SECONDS,
            sqs_managed_sse_enabled=None if args.kms_key_arn else True,
            kms_master_key_id=args.kms_key_arn,
            tags=args.tags,
            opts=child,
        )
        not_empty = alarm(
            f"{name}-not-empty",
            AlarmArgs(
                alarm_name=f"{args.queue_name}-not-empty",
                description="Something could not be done and waits in the dead-letter queue: read it, fix the cause, "
                "then redrive or purge the queue.",
                namespace="AWS/SQS",
                metric="ApproximateNumberOfMessagesVisible",
                dimensions={"QueueName": queue.name},
                statistic="Maximum",
                topic_arn=args.alarm_topic_arn,
                tags=args.tags,
            ),
            child,
        )
        self.queue_arn = queue.arn
        self.queue_url = queue.url
        self.alarm_arns = [not_empty.arn]
        self.register_outputs({"queue_arn": self.queue_arn, "queue_url": self.queue_url})
