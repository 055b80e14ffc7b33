"""Finds the users who are to be tagged: those of a group, or those below a path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.aws import FAULTS, Mishap
from scripts.terminal import did_you_mean

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


def of_group(iam: IAMClient, group: str) -> list[str]:
    """Name the users of a group.

    Raises:
        Mishap: there is no such group, or it is empty.
        ClientError, BotoCoreError: IAM refused, or could not be asked.
    """
    try:
        pages = list(iam.get_paginator("get_group").paginate(GroupName=group))
    except iam.exceptions.NoSuchEntityException:
        raise Mishap(f"There is no group {group}{did_you_mean(group, _groups(iam)) or '.'}") from None
    return _found([user["UserName"] for page in pages for user in page["Users"]], f"The group {group}")


def below_path(iam: IAMClient, path: str) -> list[str]:
    """Name the users whose IAM path begins with this one.

    Raises:
        Mishap: there is none.
        ClientError, BotoCoreError: IAM refused, or could not be asked.
    """
    return _found(all_users(iam, path), f"The path {path}")


def all_users(iam: IAMClient, path: str = "/") -> list[str]:
    """Name all users below a path.

    Raises:
        ClientError, BotoCoreError: IAM refused, or could not be asked.
    """
    pages = iam.get_paginator("list_users").paginate(PathPrefix=path)
    return [user["UserName"] for page in pages for user in page["Users"]]


def _groups(iam: IAMClient) -> list[str]:
    """Name all groups, for a guess at what was meant; who may not read them gets no guess."""
    try:
        return [group["GroupName"] for page in iam.get_paginator("list_groups").paginate() for group in page["Groups"]]
    except FAULTS:
        return []


def _found(users: list[str], where: str) -> list[str]:
    if not users:
        raise Mishap(f"{where} has no users: nothing was done.")
    return sorted(users)
