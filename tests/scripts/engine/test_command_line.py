"""Which command line `make engine` runs, and what it says where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.engine import command_line
from scripts.engine.command_line import NoCommandLine


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_what_is_installed_runs_with_its_own_language_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi = executable(tmp_path / "pulumi")
    executable(tmp_path / "pulumi-language-python")
    monkeypatch.setenv("PATH", str(tmp_path))

    found = command_line.find()

    assert (found.pulumi, found.executor) == (pulumi, None)


def test_a_link_to_a_release_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Package managers install the release somewhere else, and link to its command line."""
    executor = executable(tmp_path / "release" / "pulumi-language-python-exec")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pulumi").symlink_to(executable(tmp_path / "release" / "pulumi"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    assert command_line.find().executor == executor


def test_a_command_line_alone_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable(tmp_path / "pulumi")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NoCommandLine, match="install Pulumi's whole release"):
        command_line.find()


def test_without_it_and_without_go_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SystemExit) as ended:
        command_line.main()

    message = str(ended.value)
    assert "https://www.pulumi.com/docs/iac/download-install/" in message
    assert "install Go" in message
    assert len(message.splitlines()) == 1


def test_a_build_that_fails_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = executable(tmp_path / "bin" / "go")
    go.write_text("#!/bin/sh\nexit 1\n")
    monkeypatch.setenv("PATH", f"{go.parent}:/bin:/usr/bin")
    monkeypatch.setattr(command_line, "_REPOSITORY", tmp_path)

    with pytest.raises(NoCommandLine, match="could not be built"):
        command_line.find()

    assert [path.name for path in (tmp_path / "build").rglob("pulumi*") if path.is_file()] == []
