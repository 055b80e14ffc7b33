"""scripts/take_down.py where there is nothing to take down; tests/engine shows what it does to a stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import take_down


def pulumi(folder: Path, script: str) -> None:
    (folder / "pulumi").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "pulumi").chmod(0o755)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, "There is no pulumi on the PATH: install Pulumi's command line."),
        ("echo 'error: no stack selected' >&2; exit 255", "pulumi stack export: error: no stack selected"),
        ("""echo '{"deployment": {}}'""", "This stack has nothing to take down."),
    ],
)
def test_what_is_missing_is_told_in_one_line(
    script: str | None,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if script:
        pulumi(tmp_path, script)

    assert take_down.main(["--yes"]) == 1
    assert capsys.readouterr().err == f"{message}\n"


def test_a_dry_run_cannot_detach() -> None:
    with pytest.raises(SystemExit):
        take_down.main(["--dry-run", "--detach-only"])
