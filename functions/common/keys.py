"""Access keys of IAM users: the adapters to IAM's key calls."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from functions.common import telemetry
from functions.common.errors import KeyCreationUnanswered, KeyLimitExceeded, code_of, is_throttled, reason

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iam.type_defs import GetAccessKeyLastUsedResponseTypeDef

_UNKNOWN_KEY = frozenset({"NoSuchEntity", "AccessDenied"})
_CREATE_ATTEMPTS = 7
_LONGEST_PAUSE = 16.0
# Runs that were throttled together should not come back together.
_jitter = random.SystemRandom()
_REFUSALS = range(400, 500)


@dataclass(frozen=True, kw_only=True)
class AccessKey:
    """What IAM tells about a key that exists. ``created_at`` is by IAM's clock, in whole seconds."""

    id: str
    created_at: datetime
    active: bool


@dataclass(frozen=True, kw_only=True)
class LastUse:
    """When, for which service and in which region a key was last used, as IAM knows it."""

    at: datetime
    service: str
    region: str

    def is_work_since(self, moment: datetime) -> bool:
        """Tell whether the key has done its user's work since then.

        Reading a parameter is not taken for work: the mail with a new key asks its reader to do just that, signed in
        with the old one.
        """
        return self.at > moment and self.service != "ssm"


@dataclass(frozen=True, kw_only=True)
class KeyUse:
    """What IAM tells a reader of a key's use: the last one, or None if it was never used.

    ``known`` False means that IAM did not tell, so that the key may well be in use.
    """

    last: LastUse | None
    known: bool = True


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """A key just made: the only time that its secret is at hand."""

    id: str
    secret: str = field(repr=False)
    created_at: datetime


class AccessKeys:
    """The keys that exist. Its client retries."""

    def __init__(self, iam: IAMClient) -> None:
        self._iam = iam

    def of(self, user: str) -> list[AccessKey] | None:
        """List a user's keys, oldest first; None if there is no such user.

        Raises:
            ClientError: IAM refused for another reason.
        """
        try:
            pages = list(self._iam.get_paginator("list_access_keys").paginate(UserName=user))
        except self._iam.exceptions.NoSuchEntityException:
            return None
        keys = [
            AccessKey(id=key["AccessKeyId"], created_at=key["CreateDate"], active=key["Status"] == "Active")
            for page in pages
            for key in page["AccessKeyMetadata"]
        ]
        return sorted(keys, key=lambda key: (key.created_at, key.id))

    def delete(self, user: str, key_id: str) -> bool:
        """Delete a key. Returns whether it was there; one that is gone already, or whose user is, counts as done.

        Raises:
            ClientError: IAM refused.
        """
        try:
            self._iam.delete_access_key(UserName=user, AccessKeyId=key_id)
        except self._iam.exceptions.NoSuchEntityException:
            return False
        return True

    def deactivate(self, user: str, key_id: str) -> None:
        """Make a key Inactive; one that is so already stays so.

        Raises:
            ClientError: IAM refused.
        """
        self._iam.update_access_key(UserName=user, AccessKeyId=key_id, Status="Inactive")

    def last_use(self, key_id: str) -> LastUse | None:
        """Tell when a key was last used; None if never, or if IAM knows no such key. IAM may tell hours later.

        Raises:
            ClientError, BotoCoreError: IAM failed for another reason.
        """
        return _last_use_in(self._ask(key_id))

    def use_of(self, key_id: str) -> KeyUse:
        """Tell the last use of a key that exists, for people to read: where IAM will not tell, nothing stops for it."""
        try:
            answer = self._ask(key_id)
        except (BotoCoreError, ClientError) as fault:
            telemetry.warning("last_use_not_known", key=key_id, reason=reason(fault))
            return KeyUse(last=None, known=False)
        return KeyUse(last=_last_use_in(answer), known=answer is not None)

    def owner(self, key_id: str) -> str | None:
        """Tell under which name IAM knows a key's user today; None if it knows no such key.

        Raises:
            ClientError, BotoCoreError: IAM failed for another reason.
        """
        known = self._ask(key_id)
        return known.get("UserName") if known else None

    def was_used(self, key_id: str) -> bool:
        """Tell whether a key has ever been used: a rotation is confirmed once its successor has been.

        Raises:
            ClientError, BotoCoreError: IAM failed.
        """
        return self.last_use(key_id) is not None

    def is_gone(self, key_id: str, keys: Sequence[AccessKey]) -> bool:
        """Tell whether a key is proved to be gone: the listing lacks it, and IAM knows nobody who has it.

        One answer alone may be out of date: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html

        Args:
            key_id: the key.
            keys: the user's keys, as just listed.

        Raises:
            ClientError, BotoCoreError: IAM failed.
        """
        return all(key.id != key_id for key in keys) and self.owner(key_id) is None

    def _ask(self, key_id: str) -> GetAccessKeyLastUsedResponseTypeDef | None:
        """Ask for a key's last use and its user; a key that does not exist is refused, or not found.

        https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html
        """
        try:
            return self._iam.get_access_key_last_used(AccessKeyId=key_id)
        except ClientError as exc:
            if code_of(exc) in _UNKNOWN_KEY:
                return None
            raise


class KeyMaker:
    """Makes keys.

    Args:
        iam_once: a client that sends every request at most once: CreateAccessKey has no idempotency token, and a
            request sent again after its answer was lost would leave a key behind that nobody holds.
        pause: how to wait, in seconds, before a throttled creation is tried again.
    """

    def __init__(self, iam_once: IAMClient, pause: Callable[[float], None] = time.sleep) -> None:
        self._iam = iam_once
        self._pause = pause

    def create(self, user: str) -> KeyPair:
        """Make a key pair, sending CreateAccessKey again only after an answer that says that nothing was made.

        Raises:
            KeyLimitExceeded: the user has two keys.
            KeyCreationUnanswered: anything but a refusal came back, so a key may have been made.
            ClientError: IAM refused for another reason; no key was made.
        """
        for attempt in range(1, _CREATE_ATTEMPTS + 1):
            try:
                made = self._iam.create_access_key(UserName=user)["AccessKey"]
                pair = KeyPair(id=made["AccessKeyId"], secret=made["SecretAccessKey"], created_at=made["CreateDate"])
            except self._iam.exceptions.LimitExceededException as exc:
                raise KeyLimitExceeded(f"{user} has two access keys already") from exc
            except ClientError as exc:
                unanswered = not _is_refusal(exc)
                if not unanswered and (not is_throttled(exc) or attempt == _CREATE_ATTEMPTS):
                    raise
                fault = reason(exc)
            except Exception as exc:  # noqa: BLE001 (whatever is no refusal counts as unanswered)
                unanswered, fault = True, type(exc).__name__
            else:
                return pair
            if unanswered:
                # Raised out here, where it has no context: an answer that does not parse is quoted in the error about
                # it, and the secret with it.
                raise KeyCreationUnanswered(f"no answer came to CreateAccessKey for {user}: {fault}")
            self._pause(_jitter.uniform(0.5, 1.0) * min(2.0**attempt, _LONGEST_PAUSE))
        raise AssertionError("unreachable: the last attempt returns or raises")


def _last_use_in(answer: GetAccessKeyLastUsedResponseTypeDef | None) -> LastUse | None:
    if answer is None or "LastUsedDate" not in answer["AccessKeyLastUsed"]:
        return None
    used = answer["AccessKeyLastUsed"]
    return LastUse(at=used["LastUsedDate"], service=used["ServiceName"], region=used["Region"])


def _is_refusal(fault: ClientError) -> bool:
    """Tell IAM's own refusal, after which no key was made, from anything else: a proxy's page has no code of IAM's."""
    status = fault.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status in _REFUSALS and code_of(fault).isalpha()
