"""Structured logs and metrics.

A log line is an event name plus fields; a metric is a count in CloudWatch's embedded format. Neither ever carries key
material: access key ids, user names and error texts are all they name. Both are set up on first use, so that importing
a handler reads no environment.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# What these log at lower levels are whole requests and answers, with new secrets among them.
_TALKATIVE = ("aws_lambda_powertools", "boto3", "botocore", "requests", "urllib3")

NAMESPACE = "iam-key-rotator"
"""Where the metrics stand in CloudWatch; their one dimension, ``service``, is the name of the function."""


@functools.cache
def _logger() -> Logger:
    return Logger(utc=True, location=None)


@functools.cache
def _metrics() -> AmazonCloudWatchEMFProvider:
    return AmazonCloudWatchEMFProvider(namespace=NAMESPACE)


def begin(context: LambdaContext) -> None:
    """Start an invocation: every line from now on carries the id of its request.

    Whatever level somebody has set for the function, or for the root logger, libraries tell no more than warnings.
    """
    for library in _TALKATIVE:
        logging.getLogger(library).setLevel(logging.WARNING)
    _logger().append_keys(run=context.aws_request_id)


def info(event: str, **fields: object) -> None:
    """Log that something happened as it should."""
    _logger().info(event, extra=fields)


def warning(event: str, **fields: object) -> None:
    """Log something that a person may want to look at."""
    _logger().warning(event, extra=fields)


def error(event: str, **fields: object) -> None:
    """Log something that failed."""
    _logger().error(event, extra=fields)


def count(metric: str, value: int = 1) -> None:
    """Add to a metric of this invocation; call from the invocation's own thread."""
    _metrics().add_metric(name=metric, unit=MetricUnit.Count, value=value)


def flush() -> None:
    """Write out the metrics of this invocation."""
    if _metrics().metric_set:
        _metrics().flush_metrics()
