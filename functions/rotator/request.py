"""What a run is asked to do: the schedule's event, or an operator's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from functions.common.errors import EventError

_SCHEDULED = "detail-type"
_OPTIONS = ("dry_run", "users", "force")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What one run is to do.

    Attributes:
        dry_run: decide, and change nothing.
        users: the only users to look after; None means all.
        force: rotate these users' keys, due or not.
    """

    dry_run: bool = False
    users: tuple[str, ...] | None = None
    force: bool = False


def parse(event: object) -> Request:
    """Read the event that invoked the rotator.

    Raises:
        EventError: it is not one that the rotator takes; an operator's typing error must not start a full run.
    """
    if not isinstance(event, Mapping):
        raise EventError("the event is not a JSON object")
    if _SCHEDULED in event:
        return Request()

    unknown = sorted(str(option) for option in event if option not in _OPTIONS)
    if unknown:
        raise EventError(f"unknown in the event: {', '.join(unknown)}; it takes {', '.join(_OPTIONS)}")
    dry_run, users, force = event.get("dry_run", False), event.get("users"), event.get("force", False)
    if not isinstance(dry_run, bool) or not isinstance(force, bool):
        raise EventError("dry_run and force are true or false")
    if users is not None and not (
        isinstance(users, list) and users and all(isinstance(name, str) and name for name in users)
    ):
        raise EventError("users is a list of user names, and not empty")
    if force and users is None:
        raise EventError("force needs users: name those whose keys are to be rotated now")
    return Request(dry_run=dry_run, users=tuple(users) if users is not None else None, force=force)
