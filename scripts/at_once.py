"""Works on several things at once, and can be stopped: what has not begun by then is not begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def at_once(work: Callable[[Item], Result], items: Sequence[Item], *, workers: int) -> Iterator[Result]:
    """Do the work for each item, a few at a time, and give each result as it comes.

    Args:
        work: what to do; what it raises ends everything.
        items: in the order in which they are started.
        workers: how many are worked on at once.
    """
    pool = ThreadPoolExecutor(workers)
    try:
        for done in as_completed([pool.submit(work, item) for item in items]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C nobody wants the rest
