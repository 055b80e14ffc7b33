"""Writes every mail with sample data, and tells what is wrong with the templates.

For people who write templates of their own; `pulumi preview` runs it as well, for a template that fails must never be
found out by a rotation.
"""

from __future__ import annotations

import sys
from pathlib import Path

# `python3 scripts/preview_mails.py` puts the folder of this file on the path, not the root of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from scripts import start

    start.run("scripts.preview_mails")

import argparse
import html
import re
import traceback
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import get_args

import jinja2

from functions.mail.message import TEMPLATES, Part, compose
from functions.mail.notices import NewKey, Notice, SealedKey
from functions.mail.organisation import Organisation
from functions.mail.wording import Wording
from scripts.sample_mails import NOTICES, ORGANISATION, ORGANISATIONS, RECIPIENT
from scripts.template_faults import Fault, faults_in


def faults_of(folder: Path) -> list[str]:
    """Tell all that is wrong with a folder of templates, each fault in one line that begins with the file's name.

    Args:
        folder: its files stand in for the built-in templates of the same name.
    """
    built_in = {path.name: path.read_text(encoding="utf-8") for path in TEMPLATES.iterdir()}
    own, faults = _read(folder, known=sorted(built_in))
    sources = {**built_in, **own}
    wording = _wording(sources)
    notices, organisations = list(NOTICES.values()), list(ORGANISATIONS.values())
    faults |= faults_in(wording, sources, own, {"notice": notices, "organisation": organisations})
    for notice, organisation in product(notices, organisations):
        for part in get_args(Part):
            # Many notices meet the same fault: on one line, one is told.
            lines = {(fault.template, fault.line) for fault in faults if fault.line}
            met = _faults_of_mail(_Mail(notice, organisation, part), wording, sources, own)
            faults |= {fault for fault in met if (fault.template, fault.line) not in lines}
    return [str(fault) for fault in sorted(faults)]


def write(folder: Path, output: Path) -> None:
    """Write every sample mail into ``output``, as ``.txt``, ``.html`` and, with a deadline, ``.ics`` file."""
    output.mkdir(parents=True, exist_ok=True)
    for name, notice in NOTICES.items():
        mail = compose(notice, RECIPIENT, ORGANISATION, folders=(folder, TEMPLATES))
        (output / f"{name}.txt").write_text(f"Subject: {mail.subject}\n\n{mail.text}\n", encoding="utf-8")
        (output / f"{name}.html").write_text(mail.html, encoding="utf-8")
        if mail.calendar:
            (output / f"{name}.ics").write_text(mail.calendar, encoding="utf-8", newline="")


def _read(folder: Path, known: list[str]) -> tuple[dict[str, str], set[Fault]]:
    own: dict[str, str] = {}
    faults: set[Fault] = set()
    for path in folder.iterdir():
        if path.name not in known:
            faults.add(Fault(path.name, 0, f"no mail uses it; the names are {', '.join(known)}"))
            continue
        try:
            own[path.name] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            faults.add(Fault(path.name, 0, "it is not UTF-8 text"))
    return own, faults


@dataclass(frozen=True)
class _Mail:
    """One part of one mail."""

    notice: Notice
    organisation: Organisation
    part: Part

    @property
    def template(self) -> str:
        return f"{self.notice.template}.{self.part}.j2"

    def render(self, wording: Wording) -> str:
        template = wording.get_template(self.template)
        return template.render(notice=self.notice, organisation=self.organisation)


def _faults_of_mail(mail: _Mail, wording: Wording, sources: Mapping[str, str], own: Collection[str]) -> Iterator[Fault]:
    """Render a mail. Where it fails, take that place out of the template, and go on to the next."""
    left = dict(sources)
    while fault := _first_fault(mail, wording, own):
        yield fault
        if not _take_out(fault, left):
            return
        wording = _wording(left)
    if left == sources:
        rendered = mail.render(wording)
        visible = html.unescape(re.sub(r"<[^>]*>", "", rendered)) if mail.part == "html" else rendered
        missing = [field for field, value in _needed(mail.notice).items() if value not in visible]
        if missing:
            yield Fault(mail.template, 0, f"the mail must show {' and '.join(missing)} as it is")


def _first_fault(mail: _Mail, wording: Wording, own: Collection[str]) -> Fault | None:
    """Render a template up to its first fault, and name the line that it went through last.

    That is rather one of a template of the stack's own, which may have handed a built-in one what it cannot show.
    """
    try:
        mail.render(wording)
    except jinja2.TemplateSyntaxError as error:
        return Fault(error.name or mail.template, error.lineno, _one_line(error.message or "syntax error"))
    except Exception as error:  # noqa: BLE001 (a template may do anything)
        frames = traceback.extract_tb(error.__traceback__)
        places = [(frame.filename, frame.lineno or 0) for frame in frames if frame.filename.endswith(".j2")]
        template, line = ([place for place in places if place[0] in own] or places or [(mail.template, 0)])[-1]
        missing = f"{error.name!r} not found" if isinstance(error, jinja2.TemplateNotFound) else ""
        return Fault(template, line, _one_line(missing or str(error) or type(error).__name__))
    return None


def _wording(sources: Mapping[str, str]) -> Wording:
    """Read templates from memory, as the functions read them from files."""
    return Wording(jinja2.FunctionLoader(lambda name: (sources[name], name, None) if name in sources else None))


def _take_out(fault: Fault, sources: dict[str, str]) -> bool:
    """Take what is shown on a line out of its template; False if the line shows nothing."""
    lines = sources.get(fault.template, "").splitlines(keepends=True)
    if not 0 < fault.line <= len(lines):
        return False
    before = lines[fault.line - 1]
    lines[fault.line - 1] = re.sub(r"{{.*?}}", "", before)
    sources[fault.template] = "".join(lines)
    return lines[fault.line - 1] != before


def _needed(notice: Notice) -> dict[str, str]:
    """Tell what a mail must show; without these, a new key would be one that nobody has."""
    if not isinstance(notice, NewKey):
        return {}
    if isinstance(notice.content, SealedKey):
        content = notice.content
        sealed = {"notice.content.command": content.command, "notice.content.block": content.block}
        return {"notice.new_key_id": notice.new_key_id, **sealed}
    return {"notice.new_key_id": notice.new_key_id, "notice.content.secret": notice.content.secret}


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
