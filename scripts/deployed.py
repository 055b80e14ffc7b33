"""The deployed service as the operators' scripts find it: by the name of the rotator function, in one account."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from functions.common import environment
from functions.common.environment import Environment
from functions.common.errors import ConfigurationError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

ROTATOR = "iam-key-rotator-rotator"
"""The rotator's name in a stack whose ``namePrefix`` is the default."""

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


class Mishap(Exception):
    """Something the operator can fix; its message is one line that names the thing and the remedy."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which stack is meant."""
    stack = parser.add_argument_group("the stack")
    stack.add_argument(
        "--function",
        metavar="NAME",
        default=ROTATOR,
        help="its rotator: the stack's output rotatorFunctionName (default: %(default)s)",
    )
    stack.add_argument("--region", help="the AWS region it is in (default: that of your AWS configuration)")
    stack.add_argument("--aws-profile", metavar="NAME", help="the AWS profile to use (default: your usual one)")


def session(options: argparse.Namespace) -> boto3.Session:
    """Sign in as the options say.

    Raises:
        Mishap: there is no such profile, or there are no credentials.
    """
    try:
        found = boto3.Session(profile_name=options.aws_profile, region_name=options.region)
        if found.get_credentials() is None:
            raise NoCredentialsError
    except BotoCoreError as error:
        raise Mishap(explain(error)) from None
    return found


def environment_of(functions: LambdaClient, name: str) -> Environment:
    """Read what the stack's configuration says to its rotator.

    Raises:
        Mishap: its environment cannot be read, or is not a rotator's.
        ClientError, BotoCoreError: there is no such function, or AWS could not be asked.
    """
    told = functions.get_function_configuration(FunctionName=name).get("Environment", {})
    if "Error" in told:  # Lambda answers without the variables where their customer key refuses
        raise Mishap(f"The environment of {name} cannot be read: {_one_line(told['Error'].get('Message', told))}")
    try:
        return environment.parse(told.get("Variables", {}))
    except ConfigurationError as fault:
        raise Mishap(
            f"{name} is not configured as a rotator is ({fault}): name the right one with --function."
        ) from None


def explain(error: BotoCoreError | ClientError) -> str:
    """Say in one line what AWS, or the way to it, did not grant."""
    if isinstance(error, NoCredentialsError):
        return "No AWS credentials found: set them up with `aws configure`, or use --aws-profile."
    if isinstance(error, NoRegionError):
        return "No AWS region is set: name the one of the stack with --region."
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        code, message = details.get("Code", "no code"), _one_line(details.get("Message", ""))
        if code == "ResourceNotFoundException":
            return f"{message}: name the stack's rotator with --function, and its region with --region."
        return f"AWS refused {error.operation_name} ({code}): {message}"
    return f"AWS could not be asked: {_one_line(error)}"


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
