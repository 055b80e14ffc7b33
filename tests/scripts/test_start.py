"""How scripts are started: by their paths, from any folder; and how they end, whatever happens on the way."""

from __future__ import annotations

import ast
import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import start
from scripts.terminal import Terminal

SCRIPTS = Path(__file__).parents[2] / "scripts"
COMMANDS = sorted(path.name for path in SCRIPTS.glob("*.py") if '__name__ == "__main__"' in path.read_text())
STARTED = sorted(name for name in COMMANDS if "start.run(" in (SCRIPTS / name).read_text())
# Python's own libraries, and nothing that was installed.
BARE = [sys.executable, "-S"]


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd="/",
        env={**os.environ, "PYTHONWARNINGS": "ignore", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_wherever_it_is_called_from(command: str, tmp_path: Path) -> None:
    called = [sys.executable, "-W", "ignore", str(SCRIPTS / command), "--help"]

    done = subprocess.run(called, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {command}")


def test_the_operators_commands_are_started_so() -> None:
    assert {"invoke.py", "report.py", "tag_iam_users.py", "take_down.py"} <= set(STARTED)


@pytest.mark.parametrize("command", STARTED)
class TestOnTheWay:
    """Each of these used to be a traceback."""

    def test_ctrl_c_during_the_imports(self, command: str, tmp_path: Path) -> None:
        """Loading boto3 takes a second, in which people change their minds."""
        for package in ("boto3", "botocore", "rich"):
            (tmp_path / f"{package}.py").write_text(
                "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nsignal.pause()\n"
            )

        done = run(sys.executable, str(SCRIPTS / command), "--help", PYTHONPATH=str(tmp_path))

        assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")

    def test_a_missing_set_up(self, command: str) -> None:
        """Whoever has cloned the repository and calls python3 gets the next step."""
        done = run(*BARE, str(SCRIPTS / command), "--help")

        assert (done.returncode, done.stdout) == (1, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith("The package ")
        assert line.endswith(f" is not installed: run `make setup`, then .venv/bin/python scripts/{command}")

    def test_an_old_python_can_read_as_far_as_the_message(self, command: str) -> None:
        """One comes with macOS: the script itself must parse there, and the module that says what is needed before."""
        ast.parse((SCRIPTS / command).read_text(), feature_version=(3, 8))
        ast.parse(Path(start.__file__).read_text(), feature_version=(3, 8))


class TestStreams:
    """What a script writes to may be closed, full, or not made for it; one script stands for all that start so."""

    SCRIPT = str(SCRIPTS / "tag_iam_users.py")

    def help(self, output: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "ignore", self.SCRIPT, "--help"],
            env={**os.environ, "PYTHONUNBUFFERED": ""},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    def test_a_closed_pipe(self) -> None:
        """`report.py | head -1` is no fault of the report."""
        read, write = os.pipe()
        os.close(read)
        try:
            done = self.help(write)
        finally:
            os.close(write)

        assert (done.returncode, done.stderr) == (141, "")

    def test_a_table_into_a_closed_pipe(self) -> None:
        """Rich would end the script by itself, as if it had failed."""
        read, write = os.pipe()
        os.close(read)
        pipe = os.fdopen(write, "w", buffering=1)

        with pytest.raises(BrokenPipeError):
            Terminal(file=pipe).print("x")

        with contextlib.suppress(BrokenPipeError):
            pipe.close()

    def test_a_full_disk(self) -> None:
        with Path("/dev/full").open("w") as full:
            done = self.help(full.fileno())

        assert (done.returncode, done.stderr) == (1, "Standard output cannot be written (No space left on device).\n")

    @pytest.mark.parametrize("closed", [">&-", ">&- 2>&- <&-"])
    def test_closed_streams(self, closed: str) -> None:
        done = run("/bin/sh", "-c", f'exec "$0" "$1" --help {closed}', sys.executable, self.SCRIPT)

        assert (done.returncode, done.stderr) == (0, "")

    def test_a_terminal_without_utf_8(self) -> None:
        done = run(sys.executable, self.SCRIPT, "--help", PYTHONIOENCODING="ascii")

        assert (done.returncode, done.stderr) == (0, "")
        assert "IKR:INSTRUCTION_0, _1, \\u2026" in done.stdout


def test_an_old_python_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(start, "OLDEST_PYTHON", (99, 0))

    with pytest.raises(SystemExit) as ended:
        start.run("scripts.report")

    this = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        f"Python {this} is too old: run `make setup`, then .venv/bin/python scripts/report.py\n"
    )


def test_a_module_of_ours_that_is_missing_is_no_missing_set_up() -> None:
    """It is a fault of the program, and must look like one."""
    with pytest.raises(ModuleNotFoundError, match=r"scripts\.no_such_script"):
        start.run("scripts.no_such_script")
