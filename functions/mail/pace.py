"""Sends no faster than the mail service takes mails: one that is throttled slows everybody down, and ends nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from functions.common.errors import MailServiceError, MailThrottled
from functions.mail.message import Message
from functions.mail.transport import Mailer

PATIENCE_SECONDS = 90.0
"""How long one mail is tried for while the service throttles. RESERVE in rotator/run.py leaves room for it."""

_FIRST_INTERVAL = 0.1
_LONGEST_INTERVAL = 5.0


class PacedMailer:
    """A mailer that spreads its mails, over all threads, as far as the service asks for.

    Args:
        mailer: what sends the mails.
        clock: seconds that only ever grow.
        pause: waits for a number of seconds.
    """

    def __init__(
        self,
        mailer: Mailer,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._mailer = mailer
        self._clock = clock
        self._pause = pause
        self._lock = threading.Lock()
        self._interval = 0.0
        self._next = 0.0

    def send(self, message: Message) -> None:
        """Send one mail in its turn; while the service throttles, at longer and longer intervals.

        Raises:
            MailServiceError: no mail is taken, or the service still throttles after PATIENCE_SECONDS.
            MailError: as the mailer raises it.
        """
        started = self._clock()
        while True:
            interval = self._await_turn()
            try:
                self._mailer.send(message)
            except MailThrottled as fault:
                if self._clock() - started > PATIENCE_SECONDS:
                    raise MailServiceError(str(fault), transient=False) from None
                self._slow_down(interval)
            else:
                return

    def _await_turn(self) -> float:
        """Wait for a turn; give the interval under which it was given."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            self._next = turn + self._interval
            interval = self._interval
        if turn > now:
            self._pause(turn - now)
        return interval

    def _slow_down(self, interval: float) -> None:
        """Double the interval, once for all the mails that were sent under the last one.

        Turns that were given stay: were they given once more, mails would meet in them, and be throttled for ever.
        """
        with self._lock:
            if self._interval == interval:
                self._interval = min(max(2 * interval, _FIRST_INTERVAL), _LONGEST_INTERVAL)
            self._next = max(self._next, self._clock() + self._interval)
