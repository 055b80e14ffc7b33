"""Reads the account: which users there are, what their tags say, and what the ledger knows about their keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from functions.common import tags, telemetry
from functions.common.entry import Entry
from functions.common.errors import PolicyError
from functions.common.ledger import Ledger
from functions.common.tags import Defaults, UserPolicy

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


@dataclass(frozen=True, kw_only=True)
class User:
    """An IAM user with a valid policy, and the user's ledger entries."""

    name: str
    id: str
    policy: UserPolicy
    entries: tuple[Entry, ...]


@dataclass(kw_only=True)
class Census:
    """The account as one run sees it.

    Attributes:
        users: the users to look after.
        misconfigured: users whose tags are wrong, each with the fault.
        names: every user of the account, tagged or not.
        entries: the ledger, as it was read.
        malformed: how many of its items could not be read.
    """

    users: list[User] = field(default_factory=list)
    misconfigured: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)
    malformed: int = 0


def take(iam: IAMClient, ledger: Ledger, *, defaults: Defaults, allowed_email_domains: frozenset[str]) -> Census:
    """Read all users with their tags, a thousand a call, and the ledger in one scan.

    A page is reduced to what is needed as it arrives, so that memory does not grow with what IAM tells besides.

    Raises:
        ClientError: IAM or DynamoDB refused.
    """
    entries, faults = ledger.scan()
    for fault in faults:
        telemetry.warning("ledger_item_malformed", reason=str(fault))
    by_user: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_user[entry.user].append(entry)

    census = Census(entries=entries, malformed=len(faults))
    pages = iam.get_paginator("get_account_authorization_details").paginate(
        Filter=["User"], PaginationConfig={"PageSize": 1000}
    )
    for page in pages:
        for details in page["UserDetailList"]:
            name = details["UserName"]
            census.names.add(name)
            try:
                policy = tags.parse(
                    {tag["Key"]: tag["Value"] for tag in details.get("Tags", [])},
                    defaults=defaults,
                    allowed_email_domains=allowed_email_domains,
                )
            except PolicyError as fault:
                census.misconfigured[name] = str(fault)
                continue
            if policy is not None:
                census.users.append(
                    User(name=name, id=details["UserId"], policy=policy, entries=tuple(by_user.get(name, ())))
                )
    return census


def restrict(census: Census, names: Sequence[str]) -> Census:
    """Narrow a census down to the users that an operator named."""
    chosen = set(names)
    return Census(
        users=[user for user in census.users if user.name in chosen],
        misconfigured={name: fault for name, fault in census.misconfigured.items() if name in chosen},
        names=census.names,
        entries=[entry for entry in census.entries if entry.user in chosen],
        malformed=census.malformed,
    )
