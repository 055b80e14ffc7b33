"""The deployed service as the operators' scripts find it: by the name of the rotator function, in one account."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from botocore.config import Config

from functions.common import environment
from functions.common.environment import Environment
from functions.common.errors import ConfigurationError
from scripts import aws
from scripts.aws import Mishap

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

ROTATOR = "iam-key-rotator-rotator"
"""The rotator's name in a stack whose ``namePrefix`` is the default."""

# A name, or an ARN: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
_NAME = re.compile(r"[A-Za-z0-9_:$-]{1,170}")

# An invocation is sent once, since a second one would be a second run; and it is waited for as long as Lambda lets it
# last, on a connection that nobody in between takes for dead.
ONE_RUN = Config(
    connect_timeout=10, read_timeout=910, tcp_keepalive=True, retries={"mode": "standard", "total_max_attempts": 1}
)
PATIENT = Config(
    connect_timeout=10,
    read_timeout=20,
    max_pool_connections=8,
    retries={"mode": "standard", "total_max_attempts": 6},
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which stack is meant."""
    stack = parser.add_argument_group("the stack")
    stack.add_argument(
        "--function",
        metavar="NAME",
        type=_function,
        default=ROTATOR,
        help="its rotator: the stack's output rotatorFunctionName (default: %(default)s)",
    )
    aws.add_options(stack)


def _function(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise argparse.ArgumentTypeError(f"{value!r} is not a name of a function")
    return value


def environment_of(functions: LambdaClient, name: str) -> Environment:
    """Read what the stack's configuration says to its rotator.

    Raises:
        Mishap: its environment cannot be read, or is not a rotator's.
        ClientError, BotoCoreError: there is no such function, or AWS could not be asked.
    """
    told = functions.get_function_configuration(FunctionName=name).get("Environment", {})
    if "Error" in told:  # Lambda answers without the variables where their customer key refuses
        raise Mishap(
            f"The environment of {name} cannot be read: {' '.join(str(told['Error'].get('Message', told)).split())}"
        )
    try:
        return environment.parse(told.get("Variables", {}))
    except ConfigurationError as fault:
        raise Mishap(
            f"{name} is not configured as a rotator is ({fault}): name the right one with --function."
        ) from None
