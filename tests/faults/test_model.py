"""Random histories of people, administrators, operators, faults and time: the promise holds, and all ends well."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import pytest
from moto.moto_api._internal import mock_random

from tests.faults.chaos import History
from tests.faults.promises import Terms
from tests.simulation.world import new_world

STEPS = 46
HISTORIES = int(os.environ.get("HISTORIES", "11"))
"""In each of the tests below. `make soak` lives more of them."""

STACKS: dict[str, Terms] = {
    "as it comes": Terms(),
    "with a recovery window": Terms(recovery=2),
    "with a short extension": Terms(extension=2),
    "as the original tool": Terms(delete_unconfirmed=True),
}

# How often what a history is about has to happen, in eleven of them.
FLOORS = {
    "rotated": 60,
    "recovered": 4,
    "taken back": 7,
    "undone": 3,
    "mailed again": 1,
    "destroyed": 50,
    "cancelled": 1,
    "out of date": 10,
    "re-armed": 10,
    "dormant": 5,
    "address changed": 20,
    "address held": 4,
    "returned": 5,
    "undeliverable": 10,
    "renamed": 5,
    "gone": 3,
    "served at the end": 20,
}
FLOORS_OF_EXTENSIONS = {"reminded": 8, "postponed": 8, "deactivated": 15, "reactivated": 2}


@pytest.mark.parametrize("stack", STACKS)
def test_promise_holds_whatever_happens_and_all_ends_well(
    stack: str, record_property: Callable[[str, object], None]
) -> None:
    """Nobody is locked out, no key is left that nobody holds, nothing secret goes astray; in the end all are served."""
    terms, events = STACKS[stack], Counter[str]()
    first = 1000 * list(STACKS).index(stack)

    for seed in range(first, first + HISTORIES):
        mock_random.seed(seed)
        with new_world(**_environment(terms)) as world:
            history = History(world, terms, seed)
            with history.told(), world.pauses_pass():
                try:
                    history.live(STEPS)
                    history.end_well()
                except AssertionError as broken:
                    message = f"seed {seed}, after {history.story[-12:]}: {broken} {world.broken_promises}"
                    raise AssertionError(message) from broken
            events += history.counted()

    record_property("events", dict(events))
    record_property("steps", HISTORIES * STEPS)
    floors = FLOORS if terms.delete_unconfirmed else FLOORS | FLOORS_OF_EXTENSIONS
    missing = {name: (events[name], floor) for name, floor in floors.items() if events[name] < floor}
    assert missing == {}


def _environment(terms: Terms) -> dict[str, str]:
    return {
        "RECOVERY_DAYS": str(terms.recovery),
        "GRACE_EXTENSION_DAYS": str(terms.extension),
        "DELETE_UNCONFIRMED": str(terms.delete_unconfirmed).lower(),
    }
