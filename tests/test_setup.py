"""What `make setup` says of a Python that will not do, and how it gets uv."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LACKS = {
    "sys.version_info = (3, 10, 13)": "iam-key-rotator needs Python 3.11 or newer: make PYTHON=python3.13 ...",
    "import importlib.util as modules; modules.find_spec = lambda _: None": (
        "This Python cannot make virtual environments: install its venv (Debian, Ubuntu: apt install python3-venv)"
    ),
}


@pytest.mark.parametrize(("lack", "told"), LACKS.items(), ids=["too old", "without venv"])
def test_a_python_that_will_not_do_is_told_in_a_line(lack: str, told: str, tmp_path: Path) -> None:
    """And nothing is made."""
    for name in ("Makefile", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "python"
    python.write_text(f"#!{sys.executable}\nimport sys\n{lack}\nexec(sys.argv[2])\n")
    python.chmod(0o755)

    done = _make("setup", f"PYTHON={python}", folder=tmp_path)

    assert done.returncode != 0
    assert [line for line in done.stderr.splitlines() if not line.startswith("make")] == [told]
    assert done.stdout == ""
    assert not (tmp_path / ".venv").exists()


def test_pip_installs_uv_alone_by_the_lock_and_its_hashes() -> None:
    """The lock is the one place that says which uv."""
    lock = (ROOT / "requirements-dev.txt").read_text()
    (awk,) = re.findall(r"(awk '.*') \$< >", (ROOT / "Makefile").read_text())
    given = subprocess.run(["/bin/sh", "-c", awk], input=lock, capture_output=True, text=True, check=True).stdout

    pins = re.findall(r"^\S+==\S+", given, re.MULTILINE)
    assert pins == re.findall(r"^uv==\S+", lock, re.MULTILINE)
    assert given.count("--hash=sha256:") > 1
    assert given in lock


def _make(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run make as if by hand: below `make test` it would take over its options, and say which folder it is in."""
    make = shutil.which("make")
    assert make
    ours = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    return subprocess.run([make, *arguments], cwd=folder, env=ours, capture_output=True, text=True, check=False)
