"""How the operators' scripts sign in to AWS, and what they say when AWS, or the way to it, does not do as asked."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
)
from botocore.parsers import ResponseParserError

from scripts.terminal import did_you_mean

if TYPE_CHECKING:
    from botocore.model import OperationModel

_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_REDIRECTIONS = range(300, 400)
_REFUSALS = range(400, 500)
_ERROR_PAGES = 500
_HTML = re.compile(rb"\s*<(!doctype\s+)?html", re.IGNORECASE)
_ROOT = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?<(\w+)")
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_UNKNOWN = {
    *("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"),
    *("SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"),
}
_DENIED = {"AccessDenied", "AccessDeniedException"}


class Mishap(Exception):
    """Something the operator can fix; its message is one line that names the thing and the remedy."""


class NotAws(BotoCoreError):
    """Something else than AWS has answered."""

    fmt = "The answer to {operation} did not come from AWS"


FAULTS = (BotoCoreError, ClientError, ResponseParserError)
"""What a call of AWS may raise; ``explain`` has a line for each."""


def add_options(parser: argparse._ActionsContainer, *, region: str = "the AWS region it is in") -> None:
    """Add the options that say how to sign in; ``region`` says what the region is for."""
    parser.add_argument("--region", help=f"{region} (default: that of your AWS configuration)")
    parser.add_argument("--aws-profile", metavar="NAME", help="the AWS profile to use (default: your usual one)")


def session(options: argparse.Namespace) -> boto3.Session:
    """Sign in as the options say.

    Raises:
        Mishap: there is no such profile or region, there are no credentials, or the configuration is wrong.
    """
    try:
        found = boto3.Session(profile_name=options.aws_profile, region_name=options.region)
        if found.get_credentials() is None:
            raise NoCredentialsError
        if found.region_name is not None and not _REGION.fullmatch(found.region_name):
            raise Mishap(f"{found.region_name} is not an AWS region{_nearest_region(found.region_name)}")
        found.client("iam")  # which finds out whether the endpoint, if one is configured, is an address
    except BotoCoreError as error:
        raise Mishap(explain(error)) from None
    except ValueError as error:
        raise Mishap(f"The AWS configuration cannot be used: {_one_line(error)}. Check AWS_ENDPOINT_URL.") from None
    found.events.register("before-parse", _refuse_what_is_not_aws)
    return found


def explain(error: Exception) -> str:
    """Say in one line what AWS, or the way to it, did not grant, and what to do about it."""
    match error:
        case ProfileNotFound():
            name = str(error.kwargs["profile"])
            near = did_you_mean(name, botocore.session.Session().available_profiles)
            return f"There is no AWS profile {name}{near or ': `aws configure list-profiles` lists yours.'}"
        case NoCredentialsError():
            return "No AWS credentials found: set them up with `aws configure`, or use --aws-profile."
        case NoRegionError():
            return "No AWS region is set: name the one of the stack with --region."
        case EndpointConnectionError() | ConnectTimeoutError():
            return f"AWS could not be reached: {_one_line(error)} Check the network, the region and AWS_ENDPOINT_URL."
        case NotAws() | ResponseParserError():
            return f"{_one_line(error).rstrip('.')}: check the network, a proxy in between, and AWS_ENDPOINT_URL."
        case ClientError():
            return _explain_refusal(error)
    return f"AWS could not be asked: {_one_line(error)}"


def is_about_credentials(error: ClientError) -> bool:
    """Tell whether AWS does not accept the caller, or fails itself: the next call would fail as well."""
    code = _code(error)
    return code in _EXPIRED | _UNKNOWN or code.isdigit()


def is_denied(error: Exception) -> bool:
    """Tell whether the caller lacks a right."""
    return isinstance(error, ClientError) and _code(error) in _DENIED


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "no code")


def _explain_refusal(error: ClientError) -> str:
    code, message = _code(error), _one_line(error.response.get("Error", {}).get("Message", ""))
    if code in _EXPIRED:
        return "Your AWS credentials have expired: sign in again (`aws sso login`, for example), or use --aws-profile."
    if code in _UNKNOWN:
        return f"AWS does not accept these credentials ({code}): check `aws sts get-caller-identity`, or --aws-profile."
    if code in _DENIED:
        return f"AWS refused {error.operation_name} ({code}): {message.rstrip('.')}. --help lists the rights you need."
    if code == "ResourceNotFoundException":
        return f"{message}: name the stack's rotator with --function, and its region with --region."
    if code.isdigit():
        return f"AWS answered {error.operation_name} with an error page ({code}): {message}. Try again later."
    return f"AWS refused {error.operation_name} ({code}): {message}"


def _refuse_what_is_not_aws(response_dict: Mapping[str, Any], operation_model: OperationModel, **_: object) -> None:
    """Raise for a proxy's page and for half an answer: botocore would take most of them for an empty one.

    An error page may come from AWS's own front, and be worth another try. AWS's APIs never send elsewhere.
    """
    status = response_dict["status_code"]
    if status in _REDIRECTIONS or (status < _ERROR_PAGES and not _may_be_aws(response_dict, operation_model)):
        raise NotAws(operation=operation_model.name)


def _may_be_aws(response: Mapping[str, Any], operation: OperationModel) -> bool:
    body = response["body"]
    if not isinstance(body, bytes):  # a stream, of which only the header can be looked at
        return "html" not in response["headers"].get("content-type", "")
    if operation.service_model.protocol == "query":
        return _is_query_answer(body, operation, failed=response["status_code"] in _REFUSALS)
    if body.lstrip()[:1] == b"{":
        try:
            json.loads(body)
        except ValueError:
            return False
        return True
    return body.lstrip()[:1] in {b"", b"<"} and not _HTML.match(body)


def _is_query_answer(body: bytes, operation: OperationModel, *, failed: bool) -> bool:
    """Tell whether XML has the elements in which the services with the oldest protocol, such as IAM, answer."""
    root = _ROOT.match(body)
    if failed:
        return not body.strip() or (root is not None and root[1] == b"ErrorResponse")
    result = f"<{operation.name}Result".encode() if operation.output_shape else b""
    return root is not None and root[1] == f"{operation.name}Response".encode() and result in body


def _nearest_region(name: str) -> str:
    aws = boto3.Session(region_name="us-east-1")
    partitions = aws.get_available_partitions()
    known = [region for partition in partitions for region in aws.get_available_regions("lambda", partition)]
    return did_you_mean(name, known) or ": name the one of the stack with --region."


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
