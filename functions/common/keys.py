"""Access keys of IAM users: the adapters to IAM's key calls."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from functions.common.errors import KeyCreationUnanswered, KeyLimitExceeded

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

_THROTTLED = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"})
_UNKNOWN_KEY = frozenset({"NoSuchEntity", "AccessDenied"})
_CREATE_ATTEMPTS = 5
_SERVER_FAULT = 500


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
        """Tell when a key was last used, None if never. IAM may know of a use only hours later.

        Raises:
            ClientError: IAM refused.
        """
        used = self._iam.get_access_key_last_used(AccessKeyId=key_id)["AccessKeyLastUsed"]
        if "LastUsedDate" not in used:
            return None
        return LastUse(at=used["LastUsedDate"], service=used["ServiceName"], region=used["Region"])

    def owner(self, key_id: str) -> str | None:
        """Tell under which name IAM knows a key's user today; None if it knows no such key, or does not say.

        Asked for a key that does not exist, IAM answers AccessDenied:
        https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html

        Raises:
            ClientError: IAM failed for another reason.
        """
        try:
            return self._iam.get_access_key_last_used(AccessKeyId=key_id).get("UserName")
        except ClientError as exc:
            if exc.response["Error"]["Code"] in _UNKNOWN_KEY:
                return None
            raise

    def was_used(self, key_id: str) -> bool:
        """Tell whether a key has ever been used.

        Raises:
            ClientError: IAM refused.
        """
        return self.last_use(key_id) is not None


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
            KeyCreationUnanswered: no answer came, so a key may have been made.
            ClientError: IAM refused for another reason; no key was made.
        """
        for attempt in range(1, _CREATE_ATTEMPTS + 1):
            try:
                made = self._iam.create_access_key(UserName=user)["AccessKey"]
            except self._iam.exceptions.LimitExceededException as exc:
                raise KeyLimitExceeded(f"{user} has two access keys already") from exc
            except ClientError as exc:
                if exc.response["ResponseMetadata"]["HTTPStatusCode"] >= _SERVER_FAULT:
                    raise KeyCreationUnanswered(f"IAM failed while it made a key for {user}") from exc
                if exc.response["Error"]["Code"] not in _THROTTLED or attempt == _CREATE_ATTEMPTS:
                    raise
                self._pause(random.uniform(0.5, 1.0) * 2**attempt)  # noqa: S311 (jitter, no secret)
            except BotoCoreError as exc:
                raise KeyCreationUnanswered(f"no answer came to CreateAccessKey for {user}") from exc
            else:
                return KeyPair(id=made["AccessKeyId"], secret=made["SecretAccessKey"], created_at=made["CreateDate"])
        raise AssertionError("unreachable: the last attempt returns or raises")
