"""Measures the report's page with many users: its size, how soon it is there, and how soon it is sorted."""

from __future__ import annotations

import sys
from pathlib import Path

# `python3 scripts/bench_report.py` puts the folder of this file on the path, not the root of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from scripts import start

    start.run("scripts.bench_report")

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table

from scripts.benchmark import crowd
from scripts.benchmark.browser import Browser, BrowserFailed
from scripts.reporting.page import as_html
from scripts.terminal import Terminal, complain

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ROUNDS = 5
MOST = 20_000

COLUMNS = ("user", "decision", "next", "age", "used")
WORDS = ("grace", "not due", "")

_LOADED = (
    "new Promise(done => { const ready = () => setTimeout(() => requestAnimationFrame(() => setTimeout(() => "
    "done(performance.now())))); document.readyState === 'complete' ? ready() : addEventListener('load', ready); })"
)

_FIELD = "document.getElementById('filter')"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; argparse itself exits with 2 when it does not understand."""
    parser = argparse.ArgumentParser(prog="bench_report.py", description=__doc__)
    parser.add_argument("--users", metavar="N", type=_users, default=3000, help="how many (default: 3000)")
    parser.add_argument("--browser", help=f"the browser's program (default: the first of {', '.join(BROWSERS)})")
    options = parser.parse_args(arguments)
    program = (
        shutil.which(options.browser) if options.browser else next(filter(None, map(shutil.which, BROWSERS)), None)
    )
    if program is None:
        complain(f"No browser found. Install Chromium, or name one with --browser ({', '.join(BROWSERS)}).")
        return 1
    page = as_html(crowd.survey(options.users))
    table = Table("", "", title=f"The report's page, with {options.users:,} users", box=box.SIMPLE)
    table.columns[1].justify = "right"
    table.add_row("size", f"{len(page.encode()) / 1e6:.2f} MB")
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            for what, milliseconds in _measure(program, page, Path(folder)):
                table.add_row(what, f"{milliseconds:.0f} ms")
    except BrowserFailed as fault:
        complain(f"{program} does not do as asked: {fault}")
        return 1
    Terminal().print(table)
    return 0


def _users(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= MOST):
        raise argparse.ArgumentTypeError(f"{value} is not a number from 1 to {MOST}")
    return int(value)


def _measure(program: str, page: str, folder: Path) -> Iterator[tuple[str, float]]:
    """Give the median of a few rounds of each."""
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    with Browser(program, folder / "profile") as browser:
        loads = []
        for _ in range(ROUNDS):
            browser.call("Page.navigate", url="about:blank")
            browser.call("Page.navigate", url=file.as_uri())
            loads.append(browser.evaluate(_LOADED))
        yield "loaded and painted", statistics.median(loads)
        for column in COLUMNS:
            times = [
                browser.evaluate(_painted(f"document.querySelector('button[data-sort={column}]').click()"))
                for _ in range(ROUNDS)
            ]
            yield f"sorted by {column}", statistics.median(times)
        times = [
            browser.evaluate(_painted(f"{_FIELD}.value = '{word}'; {_FIELD}.dispatchEvent(new Event('input'))"))
            for word in WORDS * 2
        ]
        yield "filtered", statistics.median(times)


def _painted(act: str) -> str:
    """Write an expression that tells how many milliseconds pass until what an act changes is on the screen."""
    return (
        f"new Promise(done => {{ const start = performance.now(); {act}; "
        "requestAnimationFrame(() => setTimeout(() => done(performance.now() - start))); })"
    )
