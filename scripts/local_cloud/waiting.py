"""Waits for something to become true in a system that works in the background."""

from __future__ import annotations

import time
from collections.abc import Callable

from scripts.local_cloud.errors import NotInTime

_PAUSE_SECONDS = 0.2  # what is awaited needs the processor, too


def until(condition: Callable[[], bool], what: str, *, seconds: float = 30) -> None:
    """Return as soon as the condition holds.

    Raises:
        NotInTime: it does not hold by the deadline; the message says what was waited for.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise NotInTime(f"waited {seconds:g} s in vain for {what}")
        time.sleep(_PAUSE_SECONDS)
