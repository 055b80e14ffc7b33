"""One run of the rotator, in a process of its own, so that its memory and its processor time are its alone.

It calls with the emulator's root key: signatures are checked, and no policy has to be evaluated, which would take the
emulator time that AWS does not need.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.benchmark.account import SENDER, TABLE
from scripts.local_cloud.clients import ROOT
from scripts.local_cloud.errors import FunctionFailed
from scripts.local_cloud.server import ACCOUNT_ID, REGION

_INVOCATION = Path(__file__).with_name("invocation.py")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a run took.

    Attributes:
        calls: requests sent, by operation; one that was sent again counts again.
        wall_seconds: from the event to the summary; imports are not in it.
        cpu_seconds: the process's own in that time, all threads.
        peak_memory_bytes: the most that the process held at once, the interpreter and all imports in it.
        summary: what the rotator returned.
    """

    calls: dict[str, int]
    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    summary: dict[str, Any]


def run(endpoint: str, archive: Path, latency: float) -> Measured:
    """Invoke the rotator once, as the schedule does.

    Args:
        endpoint: the emulator's address.
        archive: the folder with the unpacked archive.
        latency: how long a call takes at least, in seconds.

    Raises:
        FunctionFailed: it ended in an error.
    """
    ended = subprocess.run(
        [sys.executable, "-P", str(_INVOCATION), str(latency)],
        env={
            "PYTHONPATH": str(archive),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": ROOT.access_key_id,
            "AWS_SECRET_ACCESS_KEY": ROOT.secret_access_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "ACCOUNT_ID": ACCOUNT_ID,
            "IAM_KEY_ROTATOR_TABLE": TABLE,
            "MAIL_FROM": SENDER,
            "POWERTOOLS_SERVICE_NAME": "rotator",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise FunctionFailed(f"the rotator failed: {ended.stderr.strip().splitlines()[-1]}")
    return Measured(**json.loads(ended.stdout.splitlines()[-1]))
