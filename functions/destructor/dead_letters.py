"""Parks stream records that cannot be read, so that they neither block the others nor get lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from functions.common import telemetry
from functions.common.errors import MalformedEntry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def park(record: object, fault: MalformedEntry, sqs: SQSClient, queue_url: str) -> None:
    """Put a record into the dead-letter queue, as it came, with the fault beside it.

    Raises:
        ClientError, BotoCoreError: the queue did not take it: the record has to come again.
    """
    sqs.send_message(QueueUrl=queue_url, MessageBody=json.dumps({"fault": str(fault), "record": record}, default=str))
    telemetry.error("record_parked", reason=str(fault))
    telemetry.count("RecordsParked")
