"""Somebody who hears what the alarms' topic says: a queue that is subscribed to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from scripts.local_cloud.clients import Clients

_QUEUE = "operators"


@dataclass(frozen=True)
class Operators:
    """Hears the topic's messages from now on."""

    root: Clients
    queue_url: str

    @classmethod
    def listening(cls, root: Clients, topic_arn: str) -> Operators:
        """Subscribe a queue to a topic."""
        url = root.sqs.create_queue(QueueName=_QUEUE)["QueueUrl"]
        arn = root.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        from_topic = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [from_topic]})
        root.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        root.sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn)
        return cls(root, url)

    def heard(self) -> list[dict[str, Any]]:
        """Take the messages that have come since the last look."""
        messages = self.root.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            self.root.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]
