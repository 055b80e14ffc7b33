"""Whether the mail service works, as far as this run has seen.

One mailbox that refuses says nothing about the others: the service counts as down only after several different users
in a row have failed. Until a mail has got out, users are served one by one, so that a service that is down costs few
keys made and taken back.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from functions.common.errors import MailServiceError, MailUnanswered, RecipientRefused

DOWN_AFTER = 3
"""How many different users in a row have to fail."""


class MailHealth:
    """Keeps count, for all the workers of a run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._one_by_one = threading.Lock()
        self._failed: set[str] = set()
        self._is_up = False

    @property
    def is_down(self) -> bool:
        """Whether there is no point in trying further."""
        return len(self._failed) >= DOWN_AFTER

    def accepted(self) -> None:
        """Note that a mail has got out."""
        with self._lock:
            self._failed.clear()
            self._is_up = True

    def note(self, user: str, fault: Exception) -> None:
        """Note what a user failed for, if it was the mail; a mailbox that refuses shows that the service works."""
        with self._lock:
            if isinstance(fault, RecipientRefused):
                self._failed.clear()
                self._is_up = True
            elif isinstance(fault, (MailServiceError, MailUnanswered)):
                self._failed.add(user)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn: alone until a mail has got out, and together with others from then on."""
        if self._is_up:
            yield
            return
        with self._one_by_one:
            yield
