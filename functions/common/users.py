"""IAM users, one at a time: the adapter to what IAM tells about a single user."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


def tags_of(iam: IAMClient, user: str) -> dict[str, str] | None:
    """Read a user's tags; None if there is no such user.

    Raises:
        ClientError: IAM refused.
    """
    try:
        pages = list(iam.get_paginator("list_user_tags").paginate(UserName=user))
    except iam.exceptions.NoSuchEntityException:
        return None
    return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
