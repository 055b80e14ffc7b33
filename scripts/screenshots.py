"""Takes the pictures in `docs/`: every kind of mail, and the report, as a headless Chromium shows them.

All data in them is made up (see `sample_mails.py` and `sample_report.py`).
"""

from __future__ import annotations

import sys
from pathlib import Path

# `python3 scripts/screenshots.py` puts the folder of this file on the path, not the root of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from scripts import start

    start.run("scripts.screenshots")

import argparse
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.progress import track

from functions.mail.message import compose
from scripts.reporting.page import as_html
from scripts.sample_mails import NOTICES, ORGANISATION, RECIPIENT
from scripts.sample_report import SURVEY

Scheme = Literal["dark", "light"]

_DOCS = Path(__file__).resolve().parent.parent / "docs"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Chromium's own numbers for what a page asks by `prefers-color-scheme`.
_SCHEMES: dict[Scheme, int] = {"dark": 0, "light": 1}
_SECONDS = 60

# One of each kind, and what of it is shown by night as well; the other samples differ by a sentence.
_MAILS: dict[str, tuple[Scheme, ...]] = {
    "new-key": ("light", "dark"),
    "new-key-plain": ("light",),
    "new-key-recoverable": ("light",),
    "reminder-new-key-unused": ("light", "dark"),
    "reminder-old-key-in-use": ("light",),
    "deactivated": ("light", "dark"),
    "reactivated": ("light",),
    "deleted": ("light", "dark"),
    "address-changed": ("light",),
    "rotation-ahead": ("light",),
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A page, and how it is looked at. ``width`` is in pixels; the height is the page's own."""

    name: str
    page: str
    width: int
    scheme: Scheme


def pictures() -> Iterator[Picture]:
    """List what is taken."""
    for name, schemes in _MAILS.items():
        mail = compose(NOTICES[name], RECIPIENT, ORGANISATION)
        for scheme in schemes:
            yield Picture(name=f"mail-{name}-{scheme}", page=mail.html, width=720, scheme=scheme)
    for scheme in _SCHEMES:
        yield Picture(name=f"report-{scheme}", page=as_html(SURVEY), width=1200, scheme=scheme)


class Browser:
    """A headless Chromium that starts anew for each page."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder

    def take(self, picture: Picture, output: Path) -> None:
        """Look at a page in its full height, and keep what is seen.

        Raises:
            subprocess.CalledProcessError, subprocess.TimeoutExpired: Chromium failed.
        """
        page = self._folder / "page.html"
        page.write_text(picture.page, encoding="utf-8")
        size = f"--window-size={picture.width},{self._height(picture)}"
        self._run(picture.scheme, size, f"--screenshot={output}", page.as_uri())

    def _height(self, picture: Picture) -> int:
        """Let the page measure itself inside a frame; Chromium takes pictures of a window, not of a page."""
        frame = self._folder / "frame.html"
        measure = "document.title = frame.contentDocument.documentElement.scrollHeight"
        frame.write_text(
            f'<iframe id="frame" src="page.html" style="width: {picture.width}px; height: 10px; border: 0" '
            f'onload="{measure}"></iframe>',
            encoding="utf-8",
        )
        dumped = self._run(picture.scheme, "--allow-file-access-from-files", "--dump-dom", frame.as_uri())
        found = re.search(r"<title>(\d+)</title>", dumped)
        if not found:
            raise RuntimeError(f"{picture.name} did not tell its height")
        return int(found[1])

    def _run(self, scheme: Scheme, *arguments: str) -> str:
        command = [
            *(self._program, "--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-sandbox"),
            *(
                f"--user-data-dir={self._folder / 'profile'}",
                f"--blink-settings=preferredColorScheme={_SCHEMES[scheme]}",
            ),
            *arguments,
        ]
        # The program is a browser of this machine, and the pages are our own.
        outcome = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS)
        return outcome.stdout


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="screenshots.py", description="Take the pictures in docs/ with a headless Chromium."
    )
    parser.add_argument("--browser", help=f"the browser's program (default: the first of {', '.join(_BROWSERS)})")
    parser.add_argument("--to", type=Path, default=_DOCS, metavar="FOLDER", help="where they go (default: docs/)")
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    program = options.browser or next(filter(None, map(shutil.which, _BROWSERS)), None)
    if program is None:
        console.print(f"No browser found. Install Chromium, or name one with --browser ({', '.join(_BROWSERS)}).")
        return 1
    options.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(program, Path(folder))
        for picture in track(list(pictures()), "Taking pictures", console=console):
            browser.take(picture, options.to.resolve() / f"{picture.name}.png")
    return 0
