"""What AWS's IAM knows of a request, and MiniStack's does not, so that the program's policies are judged as they stand.

- the whole ARN of an IAM user, with its path, also where a request names only one of the user's access keys;
- the identity that a mail is sent from, its sender and its recipients;
- the function whose code makes a request: ``lambda:SourceFunctionArn``;
- that requests are made over TLS: the emulator is spoken to without it, on loopback, where nobody listens in.
"""

# ruff: noqa: SLF001 (MiniStack offers no way to do this from outside)

from __future__ import annotations

import json
from email.utils import parseaddr
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.services import iam, lambda_svc

_SEND_EMAIL = "ses:SendEmail"
_MAILS_PATH = "/v2/email/outbound-emails"

_extract = iam_actions.extract_resource_arn
_enforce = iam_evaluator.enforce
_principal_keys = iam_evaluator._principal_keys
_pin_origin = app.pin_request_origin
# Of the mail that is being judged: MiniStack serves one request at a time, and judges it right after it has read it.
_mail: dict[str, Any] = {}


def tell() -> None:
    """Judge requests by all of this from now on."""
    iam_actions.extract_resource_arn = _extract_whole
    iam_evaluator.enforce = _enforce_with_mail
    iam_evaluator._principal_keys = _principal_keys_with_function
    app.pin_request_origin = _pin_as_secure


def _extract_whole(service: str, method: str, path: str, *request: Any) -> Any:
    arn = _extract(service, method, path, *request)
    _, body, query, region, account = request
    if service == "ses" and path == _MAILS_PATH:
        return _read_mail(json.loads(body), region, account)
    if service != "iam" or not isinstance(arn, str):
        return arn
    if ":user/" in arn:
        return _user_arn(arn.rpartition("/")[2]) or arn
    key = iam._access_keys.get(next(iter(query.get("AccessKeyId", [])), ""))
    return (_user_arn(key["UserName"]) if key else None) or arn


def _user_arn(name: str) -> str | None:
    user = iam._users.get(name)
    return str(user["Arn"]) if user else None


def _read_mail(request: dict[str, Any], region: str, account: str) -> str:
    """Remember a mail's sender and recipients, and give the identity that it is sent from."""
    sender = parseaddr(request.get("FromEmailAddress", ""))[1]
    recipients = [address for addresses in request.get("Destination", {}).values() for address in addresses]
    _mail.update({"ses:FromAddress": sender, "ses:Recipients": recipients})
    return f"arn:aws:ses:{region}:{account}:identity/{sender}"


def _pin_as_secure(source_ip: str, _secure: object) -> None:
    _pin_origin(source_ip, secure_transport=True)


def _enforce_with_mail(
    access_key: str,
    action: str,
    service: str,
    region: str,
    resource_arn: str = "*",
    service_context: dict[str, Any] | None = None,
) -> Any:
    mail = _mail if action == _SEND_EMAIL else {}
    return _enforce(access_key, action, service, region, resource_arn, {**(service_context or {}), **mail})


def _principal_keys_with_function(credential: Any) -> dict[str, Any]:
    """Add the function whose session this is: Lambda names a session after it, as ``LocalCloud.as_function`` does."""
    keys: dict[str, Any] = _principal_keys(credential)
    session = str(credential.principal_arn).partition(":assumed-role/")[2]
    role, _, name = session.partition("/")
    function = lambda_svc._functions.get(name)
    if function and function["config"]["Role"].endswith(f":role/{role}"):
        keys["lambda:sourcefunctionarn"] = function["config"]["FunctionArn"]
    return keys
