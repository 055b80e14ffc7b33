"""The emulator's process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from scripts.local_cloud import server, waiting
from scripts.local_cloud.clients import ROOT, Clients
from scripts.local_cloud.errors import EmulatorError

HOST_A_SERVER = """
import os, signal
from scripts.local_cloud import server
with server.running() as emulator:
    print(emulator.endpoint, flush=True)
    signal.pause()
"""


def test_it_answers_and_then_is_gone() -> None:
    with server.running() as emulator:
        account = Clients(emulator.endpoint, ROOT).sts.get_caller_identity()["Account"]

    assert account == server.ACCOUNT_ID
    assert not _answers(emulator.endpoint)
    assert not emulator.log.exists()


def test_it_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOST_A_SERVER],
        cwd=Path(server.__file__).parents[2],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        endpoint = parent.stdout.readline().strip()
        assert _answers(endpoint)

        os.kill(parent.pid, signal.SIGKILL)

    waiting.until(lambda: not _answers(endpoint), "the emulator to end")


def test_an_emulator_that_ends_at_once_is_reported_with_its_last_words() -> None:
    with (
        pytest.raises(EmulatorError, match="Fatal Python error"),
        server.running({"PYTHONHOME": "/nowhere"}),
    ):
        pytest.fail("it must not come up")


def test_an_emulator_that_does_not_enforce_iam_is_refused() -> None:
    """Every refusal that the end-to-end tests look for would otherwise be missing, or every proof be worth nothing."""
    with pytest.raises(EmulatorError, match="does not enforce IAM"), server.running({"AUTH": "false"}):
        pytest.fail("it must not be used")


def test_the_callers_own_credentials_never_reach_the_functions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A developer's AWS profile must not make a demo act in a real account."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAFAKE00000000REAL")

    environment = server._environment(tmp_path, 4566)

    assert [name for name in environment if name.startswith("AWS_")] == []


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=5):  # noqa: S310 - http, on loopback
            return True
    except urllib.error.URLError:
        return False
