"""Keeps the emulator's access keys by user as well, so that listing one user's keys does not go through everybody's.

Among 5,000 keys that takes MiniStack 10 ms of its one thread: no client, however it is written, would get more than a
hundred answers a second, and a benchmark of the rotator would measure the emulator.
"""

# ruff: noqa: SLF001 (MiniStack offers no way to do this from outside)

from __future__ import annotations

from collections import defaultdict
from typing import Any

from ministack.core.responses import AccountScopedDict
from ministack.services import iam


class _Keys(AccountScopedDict):  # type: ignore[misc] # MiniStack has no types
    """All access keys, and by user; the emulator is asked for one account alone."""

    def __init__(self) -> None:
        super().__init__()
        self.of: defaultdict[str, dict[str, Any]] = defaultdict(dict)

    def __setitem__(self, key_id: str, key: dict[str, Any]) -> None:
        super().__setitem__(key_id, key)
        self.of[key["UserName"]][key_id] = key

    def __delitem__(self, key_id: str) -> None:
        del self.of[self[key_id]["UserName"]][key_id]
        super().__delitem__(key_id)


def keep() -> None:
    """Keep the index from now on. Call before any key is made."""
    everybodys = iam._access_keys = _Keys()
    list_those = iam._IAM_HANDLERS["ListAccessKeys"]

    def list_access_keys(parameters: dict[str, list[str]]) -> Any:
        """Answer as MiniStack does, but let it look at this user's keys alone. It serves one request at a time."""
        iam._access_keys = everybodys.of[parameters["UserName"][0]]
        try:
            return list_those(parameters)
        finally:
            iam._access_keys = everybodys

    iam._IAM_HANDLERS["ListAccessKeys"] = list_access_keys
