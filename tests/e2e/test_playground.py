"""The playground: the README's commands work in it, from a shell that has sourced what it wrote; Ctrl-C ends it all."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts import playground
from scripts.local_cloud import cloud
from scripts.local_cloud.errors import EmulatorError
from scripts.sandbox import population

# Of the pulumi_aws package, at its import.
pytestmark = pytest.mark.filterwarnings("ignore:aws.lambda/microvmsimage:DeprecationWarning")

REPOSITORY = Path(__file__).parents[2]
READY = "New ones:"
IN_A_FOLDER = """
import sys
from pathlib import Path
from scripts import playground
playground.FOLDER = Path(sys.argv[1])
sys.exit(playground.main([]))
"""


def test_what_an_operator_and_a_recipient_type(tmp_path: Path) -> None:
    """Look, rotate, tag, take down, decrypt: all of it finds the playground, and nothing is left when that ends."""
    folder = tmp_path / "playground"
    with _running(folder, tmp_path) as process:
        greeted = _read_until(process, READY)
        port = int(_shell(folder, "echo ${AWS_ENDPOINT_URL##*:}").stdout)
        users = _users(_python(folder, "scripts/report.py --json -"))
        rotation = json.loads(_python(folder, "scripts/invoke.py --yes --json").stdout)
        _read_until(process, "dana@example.com")
        tagging = _python(folder, "scripts/tag_iam_users.py --dry-run scripts/examples/iam_users.json")
        plan = _python(folder, "scripts/take_down.py --dry-run")
        table = _shell(folder, "pulumi stack output tableName")
        mail = next((folder / "mails").glob("*-greg@example.com.txt"))
        opened = _python(folder, f"scripts/decryption.py --profile greg --file {mail}")
        unknown = _shell(folder, "pulumi up")
        taken_down = _python(folder, "scripts/take_down.py --yes")
        afterwards = [_python(folder, f"scripts/{each}").stderr for each in ("take_down.py --dry-run", "report.py")]

        process.send_signal(signal.SIGINT)
        farewell = process.communicate()[0]

    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:" in greeted
    assert Counter(user["decision"] for user in users.values()) == {
        "not_due": len(population.NOT_DUE) + 1,
        "rotate": len(population.DUE),
        "in_grace": len(population.DEACTIVATED + population.UNCONFIRMED + population.IN_GRACE),
        "misconfigured": len(population.MISCONFIGURED),
        "skip": len(population.SECOND_KEY + population.STOPPED) + 1,
    }
    assert {name for name, user in users.items() if user["reason"] == "undeliverable"} == {population.RETURNED.name}
    assert [users[name]["next_step"] for name in ("wade", "ulla", "gina")] == [
        "deletion",
        "postponed by a day",
        "deletion",
    ]
    ages = {name: [round(key["age_days"]) for key in user["keys"]] for name, user in users.items()}
    assert [ages[user.name] for user in population.DUE] == [
        [round(age) for age in user.ages] for user in population.DUE
    ]
    assert (rotation["rotated"], rotation["addresses_changed"]) == (len(population.DUE), [population.MOVED.name])
    assert (tagging.returncode, "of 3 users would be tagged" in tagging.stdout) == (0, True)
    assert (plan.returncode, "lift the protection of the ledger" in plan.stdout) == (0, True)
    assert table.stdout.strip() == "iam-key-rotator"
    assert opened.returncode == 0, opened.stderr
    assert "[greg-previous]" in (folder / "aws" / "credentials").read_text()
    assert (unknown.returncode, "does not know: up" in unknown.stderr) == (1, True)
    assert (taken_down.returncode, "The service is down." in taken_down.stdout) == (0, True)
    assert ["nothing to take down" in afterwards[0], "Function not found" in afterwards[1]] == [True, True]
    assert (process.returncode, "Traceback" in farewell, "Nothing is left running" in farewell) == (0, False, True)
    assert not _listens(port)
    assert not (folder / "env.sh").exists()
    assert list(tmp_path.glob("local-cloud-*")) == []


def test_ctrl_c_before_it_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_cloud: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(playground, "FOLDER", tmp_path / "playground")
    monkeypatch.setattr(population, "settle", interrupted)

    assert playground.main([]) == 130
    assert capsys.readouterr().out.strip() == "Interrupted."


def test_an_emulator_that_does_not_start_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise EmulatorError("the emulator did not start")

    monkeypatch.setattr(playground, "FOLDER", tmp_path / "playground")
    monkeypatch.setattr(cloud, "deployed", broken)

    assert playground.main([]) == 1
    assert "could not go on: the emulator did not start" in capsys.readouterr().out


@contextmanager
def _running(folder: Path, temporary: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", IN_A_FOLDER, str(folder)],
        cwd=REPOSITORY,
        env=os.environ | {"TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _read_until(process: subprocess.Popen[str], words: str) -> str:
    """Read what it prints, up to the line with these words or to its end."""
    assert process.stdout
    read = ""
    for line in process.stdout:
        read += line
        if words in line:
            return read
    pytest.fail(f"it has ended without {words!r}:\n{read}")


def _shell(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Type a command into a shell that has sourced the environment, and in which nothing is set that says otherwise."""
    return subprocess.run(
        ["/bin/bash", "-c", f"source {shlex.quote(str(folder / 'env.sh'))} && {command}"],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "AWS_PROFILE": "production", "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )


def _python(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    return _shell(folder, f"{shlex.quote(sys.executable)} {command}")


def _users(outcome: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return {user["user"]: user for user in json.loads(outcome.stdout)["users"]}


def _listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0
