"""The AWS clients of a process: each built once, on first use, and handed down.

Build them in the main thread: boto3's sessions are not safe to share, its clients are.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

WORKERS = 10
"""How many users a run works on at once. IAM's request rate is shared by the whole account: stay modest."""

# Read time-outs are short enough that a call which hangs leaves time for the roll-back.
_PATIENT = Config(
    connect_timeout=5,
    read_timeout=20,
    max_pool_connections=WORKERS,
    retries={"mode": "standard", "total_max_attempts": 6},
)
# For CreateAccessKey: it has no idempotency token, so a request whose answer was lost must not be sent again.
_ONCE = _PATIENT.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
# For SES: a mail has its own attempts (mail/ses.py, mail/sender.py). Whether one of them went unanswered must be known,
# for that mail may have been accepted, whatever the answer to the next one is.
_FOR_MAIL = _ONCE.merge(Config(connect_timeout=3, read_timeout=10))


class Clients:
    """The clients that a function may need; one that a run does not use is never built."""

    @cached_property
    def iam(self) -> IAMClient:
        """IAM, retrying."""
        return boto3.client("iam", config=_PATIENT)

    @cached_property
    def iam_once(self) -> IAMClient:
        """IAM, sending every request at most once."""
        return boto3.client("iam", config=_ONCE)

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """DynamoDB, retrying."""
        return boto3.client("dynamodb", config=_PATIENT)

    @cached_property
    def ssm(self) -> SSMClient:
        """Systems Manager, retrying."""
        return boto3.client("ssm", config=_PATIENT)

    @cached_property
    def sesv2(self) -> SESV2Client:
        """SES, sending every request at most once."""
        return boto3.client("sesv2", config=_FOR_MAIL)

    @cached_property
    def sns(self) -> SNSClient:
        """SNS, retrying."""
        return boto3.client("sns", config=_PATIENT)

    @cached_property
    def sqs(self) -> SQSClient:
        """SQS, retrying."""
        return boto3.client("sqs", config=_PATIENT)
