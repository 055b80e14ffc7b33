"""Tells the operators, through the topic of the alarms, what a metric cannot say: who it is about, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from functions.common import telemetry
from functions.common.errors import reason

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


def tell(sns: SNSClient, topic_arn: str, subject: str, message: str) -> None:
    """Publish a message; that nobody could be told is logged, and stops nothing.

    Args:
        sns: a client that retries.
        topic_arn: the topic.
        subject: one line of ASCII, up to 100 characters, as SNS takes it.
        message: the rest.
    """
    try:
        sns.publish(TopicArn=topic_arn, Subject=subject, Message=message)
    except (BotoCoreError, ClientError) as fault:
        telemetry.error("operators_not_told", subject=subject, reason=reason(fault))
