"""The rotator's own process: invoke the handler once, with every call to AWS counted, and slowed down as by a network.

Run as ``python invocation.py LATENCY_SECONDS`` in the environment that the function is to have, with the unpacked
archive on the path. An answer that arrives earlier than that after its request was sent is held back, in botocore's
response-received event and on the thread that waits for it: so a call takes as long as it would over a network, and the
emulator's own time is part of it. A request that is sent again is counted again. What was measured is printed as one
line of JSON, the last of standard output.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3

from functions.rotator.handler import handler

TIMEOUT_SECONDS = 900
_STATUS = Path("/proc/self/status")


class Wire:
    """Stands between the program and AWS.

    Attributes:
        latency: how long a call takes at least, in seconds.
        sent: requests by operation.
    """

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.sent: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._thread = threading.local()

    def send(self, event_name: str, **_: Any) -> None:
        """Count a request."""
        with self._lock:
            self.sent[event_name.rpartition(".")[2]] += 1
        self._thread.sent_at = time.monotonic()

    def receive(self, **_: Any) -> None:
        """Hold an answer back until it is due."""
        time.sleep(max(0.0, self._thread.sent_at + self.latency - time.monotonic()))


def peak_memory_bytes() -> int:
    """Tell the most memory that this process has held at once."""
    if _STATUS.exists():
        # On Linux ru_maxrss would start with what the parent held when it forked.
        fields = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        return int(fields["VmHWM"].removesuffix("kB")) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Invoke the handler with the schedule's event."""
    wire = Wire(float(sys.argv[1]))
    boto3.setup_default_session()
    session = cast("boto3.Session", boto3.DEFAULT_SESSION)
    session.events.register("before-send", wire.send)
    session.events.register("response-received", wire.receive)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    context = SimpleNamespace(
        aws_request_id=uuid.uuid4().hex,
        get_remaining_time_in_millis=lambda: int((deadline - time.monotonic()) * 1000),
    )

    wall, processor = time.perf_counter(), time.process_time()
    summary = handler({}, cast("Any", context))
    measured = {
        "wall_seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - processor,
        "peak_memory_bytes": peak_memory_bytes(),
        "calls": dict(sorted(wire.sent.items())),
        "summary": summary,
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
