"""Work on several things at once, and how it is stopped."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from scripts.at_once import at_once


def test_each_result_is_given_once() -> None:
    assert sorted(at_once(lambda number: number * 2, range(50), workers=4)) == list(range(0, 100, 2))


def test_what_has_not_begun_by_then_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C, or a fault that concerns everybody, thousands may be waiting."""
    begun: list[int] = []
    released = threading.Event()

    class Pool(ThreadPoolExecutor):
        """Its work goes on once it was told to stop, and not before."""

        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT002 - as its base
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            released.set()
            super().shutdown(wait=wait)

    def work(number: int) -> int:
        begun.append(number)
        if number == 0:
            raise KeyboardInterrupt
        released.wait()
        return number

    monkeypatch.setattr("scripts.at_once.ThreadPoolExecutor", Pool)

    with pytest.raises(KeyboardInterrupt):
        list(at_once(work, range(100), workers=2))

    assert len(begun) <= 3
