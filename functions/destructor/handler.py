"""Entry point of the destructor: a batch of stream records in, the ones that have to come again out."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from functions.common import environment, telemetry
from functions.common.clients import Clients
from functions.common.errors import EventError, MalformedEntry, OutOfTime
from functions.destructor import removal
from functions.destructor.dead_letters import park
from functions.destructor.destroy import Destroyer

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

_RECORD_NEEDS = timedelta(minutes=4)
"""How much time must be left for a record to be started: its calls may be sent again, and its mails take a while."""

# Built at the first invocation and kept for the next ones of this process.
_clients = cache(Clients)


def handler(event: Any, context: LambdaContext) -> Any:
    """Carry out a batch of the ledger's stream.

    Args:
        event: a DynamoDB stream event.
        context: Lambda's.

    Returns:
        ``{"batchItemFailures": […]}``: the records that have to be delivered again.

    Raises:
        ConfigurationError, EventError: nothing has been called.
    """
    telemetry.begin(context)
    if not isinstance(event, dict) or not isinstance(event.get("Records"), list):
        raise EventError("the event is not a batch of stream records")
    settings = environment.parse(os.environ)
    destroyer = Destroyer(environment=settings, clients=_clients(), now=lambda: datetime.now(UTC))

    def carry_out(record: DynamoDBRecord) -> None:
        if context.get_remaining_time_in_millis() < _RECORD_NEEDS / timedelta(milliseconds=1):
            raise OutOfTime("too little time is left for this record: it has to come again")
        try:
            destroyer.handle(removal.read(record.raw_event, settings.table))
        except MalformedEntry as fault:
            if settings.dead_letter_queue_url is None:
                raise
            park(record.raw_event, fault, destroyer.clients.sqs, settings.dead_letter_queue_url)

    processor = BatchProcessor(event_type=EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)
    try:
        return process_partial_response(event=event, record_handler=carry_out, processor=processor, context=context)
    finally:
        telemetry.flush()
