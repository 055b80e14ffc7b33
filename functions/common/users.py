"""IAM users, one at a time: the adapter to what IAM tells about a single user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


@dataclass(frozen=True, kw_only=True)
class IamUser:
    """A user who exists. ``id`` stays the same when the name changes, and is never given to anybody else."""

    name: str
    id: str
    path: str
    tags: Mapping[str, str]


def find(iam: IAMClient, name: str) -> IamUser | None:
    """Read a user with all tags in one call; None if there is no such user.

    Raises:
        ClientError: IAM refused.
    """
    try:
        user = iam.get_user(UserName=name)["User"]
    except iam.exceptions.NoSuchEntityException:
        return None
    return IamUser(
        name=user["UserName"],
        id=user["UserId"],
        path=user["Path"],
        tags={tag["Key"]: tag["Value"] for tag in user.get("Tags", [])},
    )
