"""What is asked before a run changes keys: how many, and whose, as a dry run has counted them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from functions.rotator.decide import Action

_MOST_NAMES = 20
_BESIDES = "It may also send reminders, and end old keys whose grace period is over."
_WAITING = {Action.IN_GRACE, Action.TAKE_BACK}
_ROTATED = {Action.ROTATE, Action.RECOVER}


def about_due_keys(foreseen: Mapping[str, Any], account: str, *, force: bool) -> Iterator[str]:
    """Say what a run would do to keys, a line for each kind of thing.

    Args:
        foreseen: the answer of a dry run with the same users and the same force.
        account: the account's id: the wrong profile is the likeliest mistake.
        force: whether keys are rotated, due or not.
    """
    decisions: Mapping[str, Mapping[str, str]] = foreseen.get("decisions", {})
    looked_at = count(len({**decisions, **foreseen.get("misconfigured", {})}), "user")
    rotated, recovered, withdrawn = (
        [name for name, decision in decisions.items() if decision.get("action") == action]
        for action in (Action.ROTATE, Action.RECOVER, Action.TAKE_BACK)
    )
    if rotated:
        keys = count(len(rotated), "key") + (", due or not," if force else "")
        yield f"This rotates {keys} of {looked_at} in account {account}: {listed(rotated)}."
    else:
        yield f"No key of {looked_at} in account {account} is to be rotated."
    if recovered:
        yield f"It brings {count(len(recovered), 'interrupted rotation')} to an end: {listed(recovered)}."
    if withdrawn:
        yield f"It takes back {count(len(withdrawn), 'new key')} that did not arrive: {listed(withdrawn)}."
    yield _BESIDES
    if late := foreseen.get("remaining", 0):
        yield f"{count(late, 'user')} could not be looked at in time: there may be more."


def about_unused_keys(
    names: Collection[str], foreseen: Mapping[str, Any], account: str, *, force: bool
) -> Iterator[str]:
    """Say whose new keys would be replaced, whose keys are rotated as well, and whom the rotator will refuse.

    Args:
        names: whom the operator named.
        foreseen: the answer of a dry run for them, with the same force.
        account: the account's id.
        force: whether keys are rotated, due or not.
    """
    decisions: Mapping[str, Mapping[str, str]] = foreseen.get("decisions", {})
    waiting = [name for name in names if decisions.get(name, {}).get("action") in _WAITING]
    rotated = [name for name in names if decisions.get(name, {}).get("action") in _ROTATED]
    others = [name for name in names if name not in {*waiting, *rotated}]
    if waiting:
        yield f"This replaces {count(len(waiting), 'new key')} if never used, in account {account}: {listed(waiting)}."
    if rotated:
        yield f"This also rotates {count(len(rotated), 'key')}{', due or not' if force else ''}: {listed(rotated)}."
    if others:
        yield f"{listed(others)} {'has' if len(others) == 1 else 'have'} no unused new key: the rotator will refuse."
    yield _BESIDES


def about_what_could_not_be_counted(names: Collection[str], account: str, *, again: bool) -> Iterator[str]:
    """Say what is asked for, where no dry run has told what it means."""
    whose = f"of {listed(names)}" if names else "of every tagged user"
    which = "the new keys that were never used" if again else "the keys"
    yield f"This {'replaces' if again else 'rotates'} {which} {whose} in account {account}."
    yield _BESIDES


def listed(names: Collection[str]) -> str:
    """Name the first users, and count the others."""
    first = list(names)[:_MOST_NAMES]
    rest = len(names) - len(first)
    return ", ".join(first) + (f" and {rest:,} more" if rest else "")


def count(number: int, thing: str) -> str:
    """Write a number with what it counts."""
    return f"{number:,} {thing}{'s' * (number != 1)}"
