from __future__ import annotations

import heapq
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from functions.common.errors import MailServiceError, MailThrottled, MailUnanswered, RecipientRefused
from functions.mail.message import Message
from functions.mail.pace import PATIENCE_SECONDS, PacedMailer

WORKERS = 10


class Clock:
    """Time for several threads: it only passes while all of them wait, and then to where the first one wakes up."""

    def __init__(self, workers: int = 1) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self._awake = workers
        self._wakes: list[float] = []
        self._turn = threading.Condition()

    def pause(self, seconds: float) -> None:
        with self._turn:
            self.pauses.append(seconds)
            wakes_at = self.now + seconds
            heapq.heappush(self._wakes, wakes_at)
            self._fall_asleep()
            self._turn.wait_for(lambda: self.now >= wakes_at)

    def leave(self) -> None:
        """End a thread."""
        with self._turn:
            self._fall_asleep()

    def _fall_asleep(self) -> None:
        self._awake -= 1
        if self._awake == 0 and self._wakes:
            self.now = self._wakes[0]
            while self._wakes and self._wakes[0] <= self.now:
                heapq.heappop(self._wakes)
                self._awake += 1
            self._turn.notify_all()


class Service:
    """A mail service that takes one mail in so many seconds.

    Attributes:
        accepted: when it took a mail.
        tried: when it was handed one.
    """

    def __init__(self, clock: Clock, seconds: float, at_once: int = 1) -> None:
        self.accepted: list[float] = []
        self.tried: list[float] = []
        self._clock = clock
        self._seconds = seconds
        self._lock = threading.Lock()
        # The first so many mails arrive together, before any of them is answered.
        self._together = threading.Barrier(at_once)
        self._at_once = at_once

    def send(self, _message: Message) -> None:
        with self._lock:
            self.tried.append(self._clock.now)
            is_early = len(self.tried) <= self._at_once
        if is_early:
            self._together.wait()
        with self._lock:
            if self.accepted and self._clock.now < self.accepted[-1] + self._seconds:
                raise MailThrottled("Maximum sending rate exceeded")
            self.accepted.append(self._clock.now)


def send_all(mailer: PacedMailer, message: Message, number: int, clock: Clock, workers: int = WORKERS) -> None:
    """Send so many mails from several threads; whatever is raised in one of them is raised here."""
    left = list(range(number))

    def work() -> None:
        try:
            while left:
                left.pop()
                mailer.send(message)
        finally:
            clock.leave()

    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(work) for _ in range(workers)]:
            done.result()


def paced(service: Service, clock: Clock) -> PacedMailer:
    return PacedMailer(service, clock=lambda: clock.now, pause=clock.pause)


def test_forty_mails_all_go_out_through_a_service_that_takes_one_a_second(message: Message) -> None:
    """SES's sandbox takes no more; forty users who fall due together must not have to wait for forty runs."""
    clock = Clock(WORKERS)
    service = Service(clock, 1.0, at_once=WORKERS)

    send_all(paced(service, clock), message, 40, clock)

    assert len(service.accepted) == 40
    assert service.accepted[-1] < 2 * 60


def test_one_mail_after_the_other_goes_out_as_well(message: Message) -> None:
    clock = Clock()
    service = Service(clock, 1.0)

    send_all(paced(service, clock), message, 40, clock, workers=1)

    assert len(service.accepted) == 40
    # Once the pace is found, the service has nothing to complain of.
    assert len(service.tried) < 50


def test_service_that_keeps_up_is_not_waited_for(message: Message) -> None:
    clock = Clock()
    service = Service(clock, 0)

    send_all(paced(service, clock), message, 40, clock, workers=1)

    assert clock.pauses == []


def test_mails_that_were_throttled_together_slow_the_pace_once(message: Message) -> None:
    """Each of them on its own would make it a thousand times slower."""
    clock = Clock(WORKERS)
    service = Service(clock, 0.05, at_once=WORKERS)

    send_all(paced(service, clock), message, WORKERS, clock)

    assert service.tried[:WORKERS] == [0.0] * WORKERS
    again = service.tried[WORKERS:]
    assert again == pytest.approx([0.1 * turn for turn in range(1, WORKERS)])


def test_late_refusal_of_a_mail_sent_at_an_earlier_pace_does_not_quicken_this_one(message: Message) -> None:
    clock = Clock()
    outcomes: list[Exception | None] = [*[MailThrottled("not so fast")] * 3, None, None, None]

    class Overtaken:
        is_first = True

        def send(self, message: Message) -> None:
            if self.is_first:
                self.is_first = False
                mailer.send(message)
                raise MailThrottled("not so fast")
            if outcome := outcomes.pop(0):
                raise outcome

    mailer = PacedMailer(Overtaken(), clock=lambda: clock.now, pause=clock.pause)

    mailer.send(message)
    mailer.send(message)

    assert clock.pauses == pytest.approx([0.1, 0.2, 0.4, 0.4, 0.4])


def test_pace_is_doubled_until_it_suits_and_has_a_limit(message: Message) -> None:
    clock = Clock()
    mailer = paced(Service(clock, float("inf")), clock)
    mailer.send(message)

    with pytest.raises(MailServiceError):
        mailer.send(message)

    assert clock.pauses[:8] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])


def test_patience_with_one_mail_ends(message: Message) -> None:
    """What still throttles then does so for good: sent again at once, the mail would only take longer."""
    clock = Clock()
    mailer = paced(Service(clock, float("inf")), clock)
    mailer.send(message)

    with pytest.raises(MailServiceError, match="Maximum sending rate exceeded") as failure:
        mailer.send(message)

    assert not isinstance(failure.value, MailThrottled)
    assert not failure.value.transient
    assert PATIENCE_SECONDS < clock.now <= PATIENCE_SECONDS + 5


def test_patience_begins_anew_with_each_mail(message: Message) -> None:
    clock = Clock()
    service = Service(clock, 60)

    send_all(paced(service, clock), message, 5, clock, workers=1)

    assert len(service.accepted) == 5


@pytest.mark.parametrize(
    "fault", [MailUnanswered("?"), RecipientRefused("no"), MailServiceError("busy", transient=True)]
)
def test_any_other_fault_is_told_at_once_and_slows_nothing(fault: Exception, message: Message) -> None:
    clock = Clock()
    outcomes: list[Exception | None] = [fault, None]

    class Failing:
        def send(self, _message: Message) -> None:
            if outcome := outcomes.pop(0):
                raise outcome

    mailer = PacedMailer(Failing(), clock=lambda: clock.now, pause=clock.pause)

    with pytest.raises(type(fault)) as told:
        mailer.send(message)
    mailer.send(message)

    assert told.value is fault
    assert clock.pauses == []
