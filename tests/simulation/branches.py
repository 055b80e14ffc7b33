"""A life, and at every single call in it a branch of that life, in which a fault strikes there.

Two lives that a fault strikes at different calls are the same until the first of the two. So they are lived together as
far as they go together: at each call the process forks. The child is struck, lives on to the end and tells what has
become of it; the parent waits for that, and goes on as if nothing had been.

Most branches soon come to a state of the world that another one has come to before them. A branch whose life tells its
states ends there, if that other one has ended well: the rest would be the same.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable

from tests.simulation.faults import Controller, Fault, Kind

_ALL_WELL = "all is well"


def branch_at_every_call(
    controller: Controller, kind: Kind, live: Callable[[], None], end_well: set[str] | None = None
) -> int:
    """Live a life without a fault and, from each of its calls on, a branch of it with a fault at that call.

    Args:
        controller: stands between the life and AWS.
        kind: the fault that strikes.
        live: the whole life from here on, with what is to be checked at its end; it raises if anything is wrong. It may
            tell ``controller.at_rest`` the states that it comes to.
        end_well: the states from which a life is known to end well. Those that branches come to are added.

    Returns:
        How many branches there were.

    Raises:
        AssertionError: something was wrong at the end of a branch. The life without a fault has been lived to its end.
    """
    trunk = _Trunk(controller, kind, set() if end_well is None else end_well)
    controller.at_each_call = trunk.branch
    gc.freeze()  # what is there already stays: to look for it again after each fork would copy its memory
    try:
        live()
    except BaseException as failure:
        trunk.end_if_branch("".join(traceback.format_exception(failure)))
        raise
    finally:
        gc.unfreeze()
        controller.at_each_call = controller.at_rest = None
    trunk.end_if_branch(_ALL_WELL)
    if trunk.failure:
        raise AssertionError(trunk.failure)
    return trunk.branches


class _Trunk:
    """What the branches grow from; each of them has a copy of it, which knows whom to report to."""

    def __init__(self, controller: Controller, kind: Kind, end_well: set[str]) -> None:
        self.branches = 0
        self.failure = ""
        self._controller = controller
        self._kind = kind
        self._end_well = end_well
        self._states: list[str] = []
        self._report: int | None = None

    def branch(self, call: int) -> None:
        """Go on as two processes: return in the child at once, and in the parent when the child has come to its end."""
        if threading.current_thread() is not threading.main_thread():
            self._fail(f"call {call} was made in another thread, and of all threads a child has only that which forks")
            return
        report, own_report = os.pipe()
        with warnings.catch_warnings():
            # From Python 3.12 on it warns of other threads. Here, those are pytest-xdist's, which only read a pipe.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child:
            os.close(own_report)
            self._await(child, report, call)
            return
        os.close(report)
        self._report = own_report
        gc.disable()  # it would touch, and so copy, all the memory that the two processes share
        self._controller.at_each_call = None
        self._controller.at_rest = self._rest
        self._controller.fault = Fault(call, self._kind)

    def _rest(self, state: str) -> None:
        """In a child, note a state; end the branch at one from which all is known to end well."""
        self._states.append(state)
        if state in self._end_well and self._controller.struck:
            self.end_if_branch(_ALL_WELL)

    def end_if_branch(self, report: str) -> None:
        """In a child, report to the parent and end the process here and now: what waits further up is the parent's."""
        if self._report is None:
            return
        if report == _ALL_WELL:
            report = "\n".join([_ALL_WELL, *self._states])
        try:
            sys.stdout.flush()
            with os.fdopen(self._report, "w") as parent:
                parent.write(report)
        finally:
            os._exit(0)

    def _await(self, child: int, report: int, call: int) -> None:
        self.branches += 1
        with os.fdopen(report) as told:
            said = told.read()
        _, status = os.waitpid(child, 0)
        first, *states = said.split("\n")
        if first == _ALL_WELL:
            self._end_well.update(states)
        else:
            self._fail(f"where {self._kind}, at call {call}: {said or f'the branch ended without a word, {status=}'}")

    def _fail(self, failure: str) -> None:
        """Keep a failure for the end: raised here, it would be caught by the code under test. One is enough."""
        self.failure = failure
        self._controller.at_each_call = None
