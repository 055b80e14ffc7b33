"""The demo: it succeeds when every proof holds, and only then; and it shows nobody's secret."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import demo
from scripts.local_cloud import reader
from scripts.local_cloud.clients import Credentials
from scripts.local_cloud.ledger import LocalLedger
from scripts.local_cloud.mailbox import Mail
from scripts.local_cloud.server import Server

# Of the pulumi_aws package, at its import.
pytestmark = pytest.mark.filterwarnings("ignore:aws.lambda/microvmsimage:DeprecationWarning")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(demo, "MAIL_FOLDER", tmp_path)
    return tmp_path


def test_every_proof_holds_and_no_secret_is_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def open_sealed(mail: Mail, old_key: Credentials, server: Server) -> Credentials:
        seen.extend([old_key, pair := original(mail, old_key, server)])
        return pair

    original = reader.open_sealed
    monkeypatch.setattr(reader, "open_sealed", open_sealed)

    code = demo.main()

    shown = capsys.readouterr().out
    assert code == 0, shown
    assert "FAILED" not in shown
    assert {f"proved {number}" for number in (1, 2, 3, 4, 5)} <= {line[:8] for line in shown.splitlines()}
    assert len(seen) == 2 * (len(demo.READERS) + 1), "hal opens his mail, too, in the end"
    assert all(pair.secret_access_key not in shown for pair in seen)
    assert sorted(path.suffix for path in folder.iterdir()) == [".html"] * 9 + [".txt"] * 9


def test_a_broken_promise_is_an_exit_code(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here nothing happens when the grace period ends: the old keys live on."""
    monkeypatch.setattr(LocalLedger, "pass_days", lambda _ledger, _days: None)

    code = demo.main()

    shown = capsys.readouterr().out
    assert code == 1
    assert "FAILED 2  ana: now the old key is refused" in shown
    assert "FAILED 3  The ledger holds no pending item" in shown
    assert len(list(folder.iterdir())) == 2 * (len(demo.READERS) + 1), "nothing is mailed but the new keys"


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let the processes that a test starts listen to SIGINT.

    What a script starts in its background ignores that signal, and so does all that is started by it in turn. That is
    as it should be for the demo too, but not for a test of what an interruption does.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_demo_leaves_nothing_behind(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """Neither a trace on the screen, nor the emulator and its state."""
    with subprocess.Popen(
        [sys.executable, demo.__file__],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        begun = any("Day 0" in line for line in process.stdout)
        process.send_signal(number)
        rest = process.stdout.read()

    assert begun
    assert (process.returncode, "Traceback" in rest) == (code, False)
    assert list(tmp_path.glob("local-cloud-*")) == []
