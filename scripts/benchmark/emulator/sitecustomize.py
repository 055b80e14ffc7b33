"""Mends the one slow spot of the emulator that would be measured in the rotator's place.

With this folder on its PYTHONPATH, the emulator's process imports this module when it starts. To list a user's keys
MiniStack goes through those of everybody: among 5,000 that takes it 10 ms of its one thread, so that no client, however
it is written, gets more than a hundred answers a second. Here the keys are kept by user as well.
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


def _list_access_keys(parameters: dict[str, list[str]]) -> Any:
    """Answer as MiniStack does, but let it look at this user's keys alone. It serves one request at a time."""
    everybodys = iam._access_keys
    iam._access_keys = everybodys.of[parameters["UserName"][0]]
    try:
        return _list_those(parameters)
    finally:
        iam._access_keys = everybodys


_list_those = iam._IAM_HANDLERS["ListAccessKeys"]
iam._IAM_HANDLERS["ListAccessKeys"] = _list_access_keys
iam._access_keys = _Keys()
