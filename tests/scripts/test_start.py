"""How scripts are started: by their paths, from any folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
COMMANDS = sorted(path.name for path in SCRIPTS.glob("*.py") if '__name__ == "__main__"' in path.read_text())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_wherever_it_is_called_from(command: str, tmp_path: Path) -> None:
    called = [sys.executable, "-W", "ignore", str(SCRIPTS / command), "--help"]

    done = subprocess.run(called, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {command}")
