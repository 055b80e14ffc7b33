"""Holds a conversation with a mail server to a deadline.

The time-outs of sockets do not: they count anew with every byte, so a server that drips its answer could keep a worker
busy until Lambda ends the run, halfway through a rotation.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

ATTEMPT_SECONDS = 45.0
"""How long one attempt to hand over a mail may take."""

ANSWER_SECONDS = 120.0
"""How long a server may think about a mail that it has been handed. RFC 5321 allows ten minutes (section 4.5.3.2.6),
more than a run can spare; what is not answered by then may have been accepted all the same."""

_AGAIN_SECONDS = 0.1


class Deadline:
    """When a conversation is cut off."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self._ends - time.monotonic()

    def allow(self, seconds: float) -> None:
        """Give the conversation so many seconds from now."""
        self._ends = time.monotonic() + seconds


@contextlib.contextmanager
def cut_off(seconds: float, connection: Callable[[], socket.socket | None]) -> Iterator[Deadline]:
    """Shut the connection that the body talks through, should the body not be done in time.

    A body that succeeds at the last moment has succeeded; what one that was cut off complains of says nothing.

    Args:
        seconds: how long the body may take.
        connection: finds the socket, None while there is none. It may change, as it does with STARTTLS.

    Raises:
        TimeoutError: the body was cut off, and failed.
    """
    finished, late = threading.Event(), threading.Event()
    deadline = Deadline(seconds)

    def watch() -> None:
        while deadline.left > 0:
            if finished.wait(deadline.left):
                return
        late.set()
        _shut(connection())
        # Again, for a connection that was being made or changed just then.
        while not finished.wait(_AGAIN_SECONDS):
            _shut(connection())

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield deadline
    except Exception:
        if late.is_set():
            # Not told from what: libraries' errors may carry the mail.
            raise TimeoutError("not done in time") from None
        raise
    finally:
        finished.set()


def _shut(connection: socket.socket | None) -> None:
    """Shut the TCP connection alone: a TLS socket would let go of TLS first, and the rest go out in the clear."""
    if connection is not None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
