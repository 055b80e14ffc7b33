"""Writes every mail with sample data, and tells what is wrong with the templates.

For people who write templates of their own; `pulumi preview` runs it as well, for a template that fails must never be
found out by a rotation.
"""

from __future__ import annotations

import argparse
import html
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import jinja2

# `python3 scripts/preview_mails.py` puts the folder of this file on the path, not the root of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from functions.mail.message import TEMPLATES, NewKey, Notice, Part, SealedKey, compose, render
from scripts.sample_mails import NOTICES, RECIPIENT


def faults_of(folder: Path) -> list[str]:
    """Tell what is wrong with a folder of templates, each fault in one line that begins with the file's name.

    Args:
        folder: its files stand in for the built-in templates of the same name.
    """
    known = sorted(path.name for path in TEMPLATES.iterdir())
    unknown = sorted(path.name for path in folder.iterdir() if path.name not in known)
    if unknown:
        return [f"{name}: no mail uses it; the names are {', '.join(known)}" for name in unknown]
    # Many notices meet the same fault: by its place, each is told once.
    faults: dict[str, str] = {}
    for notice in NOTICES.values():
        for part in get_args(Part):
            for place, fault in _faults_in(notice, part, folder):
                faults.setdefault(place, fault)
    return [f"{place}: {fault}" for place, fault in faults.items()]


def write(folder: Path, output: Path) -> None:
    """Write every sample mail into ``output``, as a ``.txt`` and an ``.html`` file."""
    output.mkdir(parents=True, exist_ok=True)
    for name, notice in NOTICES.items():
        mail = compose(notice, RECIPIENT, folders=(folder, TEMPLATES))
        (output / f"{name}.txt").write_text(f"Subject: {mail.subject}\n\n{mail.text}\n", encoding="utf-8")
        (output / f"{name}.html").write_text(mail.html, encoding="utf-8")


def _faults_in(notice: Notice, part: Part, folder: Path) -> Iterator[tuple[str, str]]:
    """Render one part of one mail; yield places and what is wrong there."""
    try:
        rendered = render(notice, part, (folder, TEMPLATES))
    except jinja2.TemplateSyntaxError as fault:
        yield f"{fault.name}, line {fault.lineno}", _one_line(fault.message or "syntax error")
    except Exception as fault:  # noqa: BLE001 (a template may do anything)
        yield _place(fault), _one_line(str(fault) or type(fault).__name__)
    else:
        visible = html.unescape(re.sub(r"<[^>]*>", "", rendered)) if part == "html" else rendered
        missing = [field for field, value in _needed(notice).items() if value not in visible]
        if missing:
            yield f"{notice.template}.{part}.j2", f"the mail must show {' and '.join(missing)} as it is"


def _needed(notice: Notice) -> dict[str, str]:
    """Tell what a mail must show; without these, a new key would be one that nobody has."""
    if not isinstance(notice, NewKey):
        return {}
    if isinstance(notice.content, SealedKey):
        return {"notice.new_key_id": notice.new_key_id, "notice.content.command": notice.content.command}
    return {"notice.new_key_id": notice.new_key_id, "notice.content.secret": notice.content.secret}


def _place(fault: Exception) -> str:
    """Name the file and line of the innermost template that the fault went through."""
    frames = traceback.extract_tb(fault.__traceback__)
    place = [f"{Path(frame.filename).name}, line {frame.lineno}" for frame in frames if frame.filename.endswith(".j2")]
    return place[-1] if place else "the templates"


def _one_line(words: str) -> str:
    return " ".join(words.split())


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit code is 1 where a template is at fault, 2 where it was called in a wrong way."""
    parser = argparse.ArgumentParser(
        prog="preview_mails.py",
        description="Write every mail with sample data, and tell what is wrong with the templates.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=TEMPLATES,
        help="templates that stand in for the built-in ones of the same name (default: the built-in ones)",
    )
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="write the mails there, as text and as HTML")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is not a folder")
    faults = faults_of(options.folder)
    for fault in faults:
        print(fault)
    if faults:
        return 1
    if options.to:
        write(options.folder, options.to)
    return 0


if __name__ == "__main__":
    sys.exit(main())
