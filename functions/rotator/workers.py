"""Works on several users at once, and keeps their faults apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Generic, TypeVar

from functions.common.clients import WORKERS

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[Item, Result]):
    """What became of one item: a result, a fault, or neither, if it was not started."""

    item: Item
    result: Result | None = None
    fault: Exception | None = None


def work_through(
    work: Callable[[Item], Result], items: Sequence[Item], *, may_start: Callable[[], bool]
) -> Iterator[Outcome[Item, Result]]:
    """Do the work for each item, a few at a time, and give each outcome as it comes.

    Args:
        work: what to do; its result is not None. A fault of one item does not touch the others.
        items: in the order in which they are started.
        may_start: asked before each item whether it may still be started.
    """

    def attempt(item: Item) -> Outcome[Item, Result]:
        if not may_start():
            return Outcome(item=item)
        try:
            return Outcome(item=item, result=work(item))
        except Exception as fault:  # noqa: BLE001 (whatever goes wrong with one user must not stop the others)
            return Outcome(item=item, fault=fault)

    with ThreadPoolExecutor(WORKERS) as pool:
        for finished in as_completed([pool.submit(attempt, item) for item in items]):
            yield finished.result()
