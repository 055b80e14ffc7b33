"""What a run is asked to do: the schedule's event, an event of SES, or an operator's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.common.errors import EventError
from functions.rotator import returned
from functions.rotator.returned import Returned

_FROM_EVENTBRIDGE = "detail-type"
_SWITCHES = ("dry_run", "force", "again")
_OPTIONS = ("dry_run", "users", "force", "again")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What one run is to do.

    Attributes:
        dry_run: decide, and change nothing.
        users: the only users to look after; None means all.
        force: rotate these users' keys, due or not, whatever holds them back.
        again: make these users new keys in place of those that they never got.
        returned: a mail that came back; its user is the only one to look after.
    """

    dry_run: bool = False
    users: tuple[str, ...] | None = None
    force: bool = False
    again: bool = False
    returned: Returned | None = None


def parse(event: object) -> Request:
    """Read the event that invoked the rotator.

    Raises:
        EventError: it is not one that the rotator takes; an operator's typing error must not start a full run.
    """
    if not isinstance(event, Mapping):
        raise EventError("the event is not a JSON object")
    if _FROM_EVENTBRIDGE in event:
        return Request(returned=returned.read(event)) if event.get("source") == returned.SOURCE else Request()

    unknown = sorted(str(option) for option in event if option not in _OPTIONS)
    if unknown:
        raise EventError(f"unknown in the event: {', '.join(unknown)}; it takes {', '.join(_OPTIONS)}")
    dry_run, force, again = (_switch(event, name) for name in _SWITCHES)
    users = event.get("users")
    if users is not None and not (
        isinstance(users, list) and users and all(isinstance(name, str) and name for name in users)
    ):
        raise EventError("users is a list of user names, and not empty")
    if force and users is None:
        raise EventError("force needs users: name those whose keys are to be rotated now")
    if again and users is None:
        raise EventError("again needs users: name those who never got their new keys")
    if again and dry_run:
        raise EventError("again and dry_run do not go together: again only acts on users who never got their new keys")
    return Request(dry_run=dry_run, users=tuple(users) if users is not None else None, force=force, again=again)


def _switch(event: Mapping[str, Any], name: str) -> bool:
    value = event.get(name, False)
    if not isinstance(value, bool):
        raise EventError(f"{name} is true or false")
    return value
