"""The pictures in ``docs/``, and what is said where there is no browser to take them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from scripts import screenshots
from scripts.screenshots import main, pictures

DOCS = Path(__file__).parents[2] / "docs"

# Stands where Chromium would: measures every page as 321 pixels high, and takes pictures that tell how it was called.
BROWSER = """#!/bin/sh
for argument; do case "$argument" in
    --dump-dom) echo '<title>321</title>';;
    --screenshot=*) echo "$@" > "${argument#--screenshot=}";;
esac; done
"""


def test_every_picture_is_there_and_no_other() -> None:
    """A picture that no script takes any more goes stale unseen."""
    assert sorted(path.stem for path in DOCS.glob("*.png")) == sorted(picture.name for picture in pictures())


def test_pictures_are_small() -> None:
    assert [path.name for path in DOCS.glob("*.png") if path.stat().st_size >= 300_000] == []


def test_pages_are_taken_in_their_full_height_and_their_own_light(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(BROWSER)
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)

    exit_code = main(["--browser", str(browser), "--to", str(tmp_path / "taken")])

    calls = {path.stem: path.read_text() for path in (tmp_path / "taken").iterdir()}
    assert exit_code == 0
    assert calls.keys() == {picture.name for picture in pictures()}
    assert "--window-size=720,321 " in calls["mail-new-key-dark"]
    assert "preferredColorScheme=0 " in calls["mail-new-key-dark"]
    assert "preferredColorScheme=1 " in calls["report-light"]


def test_missing_browser_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(screenshots, "_BROWSERS", ("no-such-browser",))

    exit_code = main(["--to", str(tmp_path / "taken")])

    assert exit_code == 1
    assert "No browser found. Install Chromium" in capsys.readouterr().err
    assert not (tmp_path / "taken").exists()
