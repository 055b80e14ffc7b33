"""An account in the emulator: so many users, some of them tagged, each of those with a key, some of the keys due.

Keys made here are seconds old. One is made due by its user's tag ``IKR:ROTATE_AFTER_DAYS``, 0; for all others the
stack's 80 days hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from scripts.local_cloud.clients import Clients

TABLE = "key-ledger"
SENDER = "key-rotation@example.com"

_LIMIT = "IKR:ROTATE_AFTER_DAYS"
_WORKERS = 4

Item = TypeVar("Item")


class Account:
    """The account of one scenario.

    Args:
        root: clients that may do everything.
        users: how many users there are.
        tagged: how many of them the service looks after.
        advance: called after each user that is there.
    """

    def __init__(self, root: Clients, *, users: int, tagged: int, advance: Callable[[], object]) -> None:
        self._iam = root.iam
        self._tagged = [f"user-{number:05}" for number in range(tagged)]
        _make_services(root)

        def add(number: int) -> None:
            name = f"user-{number:05}"
            if number < tagged:
                self._iam.create_user(UserName=name, Tags=[{"Key": "IKR:EMAIL", "Value": f"{name}@example.com"}])
                self._iam.create_access_key(UserName=name)
            else:
                self._iam.create_user(UserName=name)
            advance()

        _at_once(add, range(users))

    def some(self, number: int, *, offset: int = 0) -> list[str]:
        """Choose so many tagged users, evenly over the account; with another offset, other users."""
        return self._tagged[offset :: len(self._tagged) // number][:number] if number else []

    def make_due(self, names: Sequence[str]) -> None:
        """Let every key of these users be too old."""
        _at_once(lambda name: self._iam.tag_user(UserName=name, Tags=[{"Key": _LIMIT, "Value": "0"}]), names)

    def end_due(self, names: Sequence[str]) -> None:
        """Let the stack's limit hold for these users again: their new keys are young."""
        _at_once(lambda name: self._iam.untag_user(UserName=name, TagKeys=[_LIMIT]), names)


def _make_services(root: Clients) -> None:
    root.sesv2.create_email_identity(EmailIdentity=SENDER)
    root.dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "user", "KeyType": "HASH"}, {"AttributeName": "ak", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "user", "AttributeType": "S"},
            {"AttributeName": "ak", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )


def _at_once(work: Callable[[Item], object], items: Iterable[Item]) -> None:
    """Do the work for all items, a few at a time; the first fault is raised."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        for _ in pool.map(work, items):
            pass
