"""Whole lives of keys, which a fault may strike at any call, and what must be so at the end of each.

A life yields whenever nothing is under way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import chain

from tests.simulation.branches import branch_at_every_call
from tests.simulation.faults import Kind
from tests.simulation.state import fingerprint
from tests.simulation.world import World, new_world

Life = Callable[[World], Iterator[None]]
Check = Callable[[World], None]

# How long it takes at most until all is settled. Some answers that are refused put an end off by a window, of 30 days.
DAYS_UNTIL_SETTLED = (1, 1, 1, 1, 1, 1, 7, 7, 7, 7, 7)

# To die before a call is to die after the one before it; and what fails and works when it is called again, as most do
# at once, is not even seen.
STRIKING = (Kind.DIES_AFTER, Kind.REFUSED, Kind.ANSWER_LOST)

# The states from which a life is known to end well, by life.
_end_well: dict[object, set[str]] = {}


def nothing(_: World) -> None:
    """Do nothing before a life, and check nothing more after it."""


def run(world: World, **period: float) -> None:
    """Let time pass; then the rotator runs, and the stream flows."""
    world.wait(**period)
    world.rotate()
    world.deliver_stream()


def settle(world: World) -> Iterator[None]:
    """Let ordinary days go by until nothing is left to do, for a bounded number of them."""
    for days in DAYS_UNTIL_SETTLED:
        if is_settled(world):
            return
        world.read_mail()
        run(world, days=days, hours=1)
        yield


def is_settled(world: World) -> bool:
    """Tell whether everybody has one key, and nothing is left of the one before it."""
    keys = {key: (name, status) for name in world.people for key, status in world.keys(name).items()}
    ledger = world.ledger()
    return (
        sorted(keys.values()) == [(name, "Active") for name in sorted(world.people)]
        and {key: (item["user"], "Active") for key, item in ledger.items()} == keys
        and all("unconfirmed_since" not in item and "replaces" not in item for item in ledger.values())
        and not world.parameters()
    )


def assert_all_is_well(world: World, old_keys: Collection[str]) -> None:
    """One key each, active, held by its user; no old one; nothing left behind; nobody locked out on the way."""
    assert world.broken_promises == []
    assert world.orphans() == []
    assert world.parameters() == {}
    keys = {name: world.keys(name) for name in world.people}
    assert [list(of_one.values()) for of_one in keys.values()] == [["Active"]] * len(keys)
    assert [key for of_one in keys.values() for key in of_one if key in old_keys] == []
    ledger = {key: (item["user"], item["status"], item.get("replaces")) for key, item in world.ledger().items()}
    assert ledger == {key: (name, "current", None) for name, of_one in keys.items() for key in of_one}


def strike_every_call(
    kind: Kind,
    life: Life,
    *,
    names: tuple[str, ...] = ("alice",),
    environment: Mapping[str, str] | None = None,
    before: Check = nothing,
    check: Check = nothing,
) -> int:
    """Live one life for each call, with the fault at that call, and one without; tell how many were struck.

    Args:
        kind: the fault.
        life: is lived after ``before``, and on until all is settled.
        names: whose life it is.
        environment: of the functions.
        before: what comes to pass first, and is not struck.
        check: what must be so at the end besides.
    """
    variables = dict(environment or {})
    known_as = (life, names, before, check, *sorted(variables.items()))
    if known_as not in _end_well:
        _end_well[known_as] = _rehearse(life, names, variables, before, check)
    with new_world(**variables) as world:
        live = _to_live(world, life, names, before, check)
        return branch_at_every_call(world.controller, kind, live, _end_well[known_as])


def _rehearse(life: Life, names: tuple[str, ...], variables: dict[str, str], before: Check, check: Check) -> set[str]:
    """Live the life without a fault; give the states that it came to."""
    states: set[str] = set()
    with new_world(**variables) as world:
        world.controller.at_rest = states.add
        _to_live(world, life, names, before, check)()
    return states


def _to_live(world: World, life: Life, names: tuple[str, ...], before: Check, check: Check) -> Callable[[], None]:
    """Bring everything to where the life begins; give what lives it."""
    world.strict = True
    for name in names:
        world.add_user(name)
    old_keys = [key for name in names for key in world.keys(name)]
    before(world)

    def live() -> None:
        try:
            for number, _ in enumerate(chain(life(world), settle(world))):
                if world.controller.at_rest:
                    world.controller.at_rest(f"{number} {fingerprint(world)}")
            assert_all_is_well(world, old_keys)
            check(world)
            assert world.controller.fault is None or world.controller.struck
        except AssertionError as failure:
            failure.add_note(f"struck: {world.controller.struck}; {world.ledger()}")
            raise

    return live
