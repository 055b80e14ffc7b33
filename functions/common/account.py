"""The AWS account that a run works in, as mails name it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account's id and, where it has one, its alias."""

    id: str
    alias: str | None = None

    @property
    def name(self) -> str:
        """The alias, or the id of an account that has none."""
        return self.alias or self.id

    def __str__(self) -> str:
        """Name the account as a reader knows it: ``acme-prod (111122223333)``, or the id alone."""
        return f"{self.alias} ({self.id})" if self.alias else self.id


def look_up(account_id: str, iam: IAMClient) -> Account:
    """Read the account's alias; without it a mail is a little less friendly, so a failure here stops nothing."""
    try:
        aliases = iam.list_account_aliases()["AccountAliases"]
    except (BotoCoreError, ClientError):
        aliases = []
    return Account(id=account_id, alias=next(iter(aliases), None))
