"""Entry point of the rotator: environment and event in, summary out."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from functions.common import environment, telemetry
from functions.common.clients import Clients
from functions.rotator import request
from functions.rotator.run import Run

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Built at the first invocation and kept for the next ones of this process.
_clients = cache(Clients)


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Run the rotator.

    Args:
        event: the schedule's event, SES's about a mail that came back, or an operator's ``{"dry_run": …, "users": […],
            "force": …, "again": …}``, each of them optional.
        context: Lambda's, for the time that is left.

    Returns:
        The run's summary.

    Raises:
        ConfigurationError, EventError: nothing has been called.
        RunFailed: some users could not be served; everyone else has been.
    """
    telemetry.begin(context)
    run = Run(
        request=request.parse(event),
        environment=environment.parse(os.environ),
        clients=_clients(),
        now=lambda: datetime.now(UTC),
        time_left=lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()),
    )
    try:
        summary = run.perform()
    finally:
        run.summary.publish()
        telemetry.flush()
    summary.raise_if_failed()
    return summary.to_json()
