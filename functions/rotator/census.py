"""Reads the account: which users there are, what their tags say, and what the ledger knows about their keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from functions.common import tags, telemetry
from functions.common.entry import Entry
from functions.common.environment import Environment
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
        outside: users whose IAM path the service does not look after, tagged or not.
        ids: every user of the account that IAM listed, tagged or not: the id by name.
        entries: the ledger, as it was read.
        malformed: how many of its items could not be read.
    """

    users: list[User] = field(default_factory=list)
    misconfigured: dict[str, str] = field(default_factory=dict)
    outside: set[str] = field(default_factory=set)
    ids: dict[str, str] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    malformed: int = 0

    def owns(self, entry: Entry) -> bool:
        """Tell whether the user whom an entry names is listed, and is still the same person."""
        listed = self.ids.get(entry.user)
        return listed is not None and entry.user_id in {None, listed}

    def names(self) -> Mapping[str, str]:
        """Give the names by id."""
        return {user_id: name for name, user_id in self.ids.items()}

    def with_entries(self, entries: Sequence[Entry]) -> Census:
        """Give the same account with another state of the ledger."""
        of_users: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            if self.owns(entry):
                of_users[entry.user].append(entry)
        users = [replace(user, entries=tuple(of_users.get(user.name, ()))) for user in self.users]
        return replace(self, users=users, entries=list(entries))


def take(iam: IAMClient, ledger: Ledger, environment: Environment) -> Census:
    """Read all users with their tags, a thousand a call, and the ledger in one scan.

    A page is reduced to what is needed as it arrives, so that memory does not grow with what IAM tells besides.

    Raises:
        ClientError: IAM or DynamoDB refused.
    """
    entries, faults = ledger.scan()
    for fault in faults:
        telemetry.warning("ledger_item_malformed", reason=str(fault))

    defaults = Defaults(
        rotate_after_days=environment.rotate_after_days, delete_after_days=environment.delete_after_days
    )
    census = Census(malformed=len(faults))
    pages = iam.get_paginator("get_account_authorization_details").paginate(
        Filter=["User"], PaginationConfig={"PageSize": 1000}
    )
    for page in pages:
        for details in page["UserDetailList"]:
            name = details["UserName"]
            census.ids[name] = details["UserId"]
            if not details["Path"].startswith(environment.user_paths):
                census.outside.add(name)
                continue
            try:
                policy = tags.parse(
                    {tag["Key"]: tag["Value"] for tag in details.get("Tags", [])},
                    defaults=defaults,
                    allowed_email_domains=environment.allowed_email_domains,
                )
            except PolicyError as fault:
                census.misconfigured[name] = str(fault)
                continue
            if policy is not None:
                census.users.append(User(name=name, id=details["UserId"], policy=policy, entries=()))
    return census.with_entries(entries)


def restrict(census: Census, names: Sequence[str]) -> Census:
    """Narrow a census down to the users that an operator named."""
    chosen = set(names)
    return replace(
        census,
        users=[user for user in census.users if user.name in chosen],
        misconfigured={name: fault for name, fault in census.misconfigured.items() if name in chosen},
        entries=[entry for entry in census.entries if entry.user in chosen],
    )
