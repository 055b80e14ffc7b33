"""Starts and stops the emulator: MiniStack in a process of its own, on a free loopback port, with IAM enforced."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.local_cloud import clock
from scripts.local_cloud.clock import Clock
from scripts.local_cloud.errors import EmulatorError

REGION = "eu-central-1"
ACCOUNT_ID = "111122223333"

_REPOSITORY = Path(__file__).parents[2]
_START_SECONDS = 60
_STOP_SECONDS = 10


@dataclass(frozen=True)
class Server:
    """A running emulator: where it listens, the file that holds its log, and its clock."""

    endpoint: str
    log: Path
    clock: Clock


@contextlib.contextmanager
def running(environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run an emulator for the length of a ``with`` block; all its state is in a directory that goes with it.

    Args:
        environment: variables for the emulator, and so for the functions it runs, beyond those that it needs itself.

    Raises:
        EmulatorError: it ended, or answered nothing, before it was ready.
    """
    with tempfile.TemporaryDirectory(prefix="local-cloud-", ignore_cleanup_errors=True) as folder:
        state = Path(folder)
        with socket.create_server(("127.0.0.1", 0)) as listener, (state / "emulator.log").open("wb") as log:
            port = listener.getsockname()[1]
            process = subprocess.Popen(
                [sys.executable, "-m", "scripts.local_cloud.emulator", str(listener.fileno())],
                cwd=_REPOSITORY,
                env=_environment(state, port) | dict(environment or {}),
                pass_fds=[listener.fileno()],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        server = Server(endpoint=f"http://127.0.0.1:{port}", log=state / "emulator.log", clock=Clock(_clock_of(state)))
        try:
            _await_answer(server)
            yield server
        finally:
            _stop(process)


def _environment(state: Path, port: int) -> dict[str, str]:
    """Build the emulator's whole environment: nothing of the caller's, least of all AWS credentials, gets through."""
    return {
        "AUTH": "true",
        "DOCKER_HOST": f"unix://{state}/no-docker",  # it would otherwise look for containers to clean up
        "GATEWAY_PORT": str(port),
        "HOME": str(state),
        "IOT_MTLS_ENABLED": "0",
        "LANG": "C.UTF-8",
        clock.VARIABLE: str(_clock_of(state)),
        "LOG_LEVEL": "INFO",
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "MINISTACK_REGION": REGION,
        # Functions run on the first python3 of the path: this one, whose boto3 stands for that of the Lambda runtime.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(state),
        "TMPDIR": str(state),
    }


def _clock_of(state: Path) -> Path:
    return state / "clock"


def _await_answer(server: Server) -> None:
    """Wait for the first answer. The socket listens already, so the request waits in its queue: no need to poll."""
    try:
        with urllib.request.urlopen(f"{server.endpoint}/_ministack/health", timeout=_START_SECONDS) as answer:  # noqa: S310 - http
            health = json.load(answer)
    except OSError as exc:
        last_words = server.log.read_text(errors="replace")[-2000:]
        raise EmulatorError(f"the emulator did not start ({exc}):\n{last_words}") from exc
    if health.get("auth") != "enabled":  # an older MiniStack would let everyone do everything, and every proof be idle
        raise EmulatorError(
            f"this MiniStack ({health['version']}) does not enforce IAM: install the one that is locked"
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
