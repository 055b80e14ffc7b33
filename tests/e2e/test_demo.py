"""The demo: it succeeds when every proof holds, and only then; and it shows nobody's secret."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest

from scripts import demo
from scripts.demonstration import cast, story
from scripts.local_cloud import reader
from scripts.local_cloud.clients import Credentials
from scripts.local_cloud.ledger import LocalLedger
from scripts.local_cloud.mailbox import Mail
from scripts.local_cloud.server import Server

# Of the pulumi_aws package, at its import.
pytestmark = pytest.mark.filterwarnings("ignore:aws.lambda/microvmsimage:DeprecationWarning")


@dataclass(frozen=True)
class Played:
    """A demo that has come to its end: its exit code, its screen, its folder, and the pairs that were used in it."""

    code: int
    shown: str
    folder: Path
    pairs: list[Credentials]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    pairs = []

    def open_sealed(mail: Mail, old_key: Credentials, server: Server) -> Credentials:
        pairs.extend([old_key, pair := original(mail, old_key, server)])
        return pair

    original, shown = reader.open_sealed, io.StringIO()
    folder = tmp_path_factory.mktemp("played") / "demo"
    with (
        mock.patch.object(reader, "open_sealed", open_sealed),
        mock.patch.object(demo, "FOLDER", folder),
        contextlib.redirect_stdout(shown),
    ):
        code = demo.main([])
    return Played(code, shown.getvalue(), folder, pairs)


def test_every_proof_holds_and_no_secret_is_shown(played: Played) -> None:
    assert played.code == 0, played.shown
    assert "FAILED" not in played.shown
    assert len(re.findall("^proved  ", played.shown, re.MULTILINE)) > 20
    assert max(map(len, played.shown.splitlines())) <= 80
    assert len(played.pairs) == 2 * (len(cast.READERS) + 1), "hal opens his mail, too, in the end"
    assert all(pair.secret_access_key not in played.shown for pair in played.pairs)


def test_it_leaves_its_mails_and_a_report_of_today(played: Played) -> None:
    """Their dates make sense: the last day of the story is today, and the mails are as old as the story says."""
    kept = Counter(path.suffix for path in played.folder.iterdir() if path.name != "report.html")
    survey = json.loads((played.folder / "report.json").read_text())
    ages = {user["user"]: sorted(round(key["age_days"]) for key in user["keys"]) for user in survey["users"]}
    (mail,) = played.folder.glob("*-chloe@example.com.txt")
    end_of_grace = [datetime.now(UTC) + timedelta(days=days) for days in (3, 4)]

    assert kept[".txt"] == kept[".html"] >= 10
    assert cast.KIM.name in (played.folder / "report.html").read_text()
    assert ages["chloe"] == [1, cast.CHLOE.ages[0] + story.DAYS]
    assert any(f"{day.day} {day:%B %Y}" in mail.read_text() for day in end_of_grace)


def test_a_broken_promise_is_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here nothing happens when the grace period ends: the old keys live on."""
    monkeypatch.setattr(demo, "FOLDER", tmp_path / "demo")
    monkeypatch.setattr(LocalLedger, "sweep", lambda _ledger: [])

    code = demo.main([])

    shown = capsys.readouterr().out
    assert code == 1
    assert "FAILED  ana: the old key is deleted" in shown
    assert "proved  ana: both keys work" in shown
    assert "Not proved: ana: the old key is deleted" in shown


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
