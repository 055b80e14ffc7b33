"""Reads a tag file that a spreadsheet has written: a line per user, a column per tag."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from functions.common import tags
from scripts.terminal import did_you_mean, printable

USER = "user"
_SEPARATORS = ",;\t"  # spreadsheets write a semicolon where the comma is a decimal point
_COLUMNS = {
    "email": tags.EMAIL,
    "rotate_after_days": tags.ROTATE_AFTER_DAYS,
    "delete_after_days": tags.DELETE_AFTER_DAYS,
}

Row = tuple[str, tuple[tuple[str, object], ...]]


class Malformed(Exception):
    """The table is none that names users and tags; the message says what is wrong, and where."""


def read(text: str) -> list[Row]:
    """Read each user with the tags of that line. A cell that is empty says nothing about its tag.

    Raises:
        Malformed: the header lacks the users or has an unknown column, or a line does not fit it.
    """
    first = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = [name.strip() for name in next(lines)]
        return list(_rows(lines, _tags_of(header)))
    except csv.Error as error:
        raise Malformed(f"line {lines.line_num}: {error}") from None


def _tags_of(header: Sequence[str]) -> list[str]:
    """Name the tag of each column; that of the users has none."""
    names = [name.lower() for name in header]
    if USER not in names:
        raise Malformed(f"its first line must name the columns: {USER},{','.join(_COLUMNS)}")
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise Malformed(f"duplicate column {printable(repeated[0])}")
    return ["" if name == USER else _tag_of(name) for name in names]


def _tag_of(name: str) -> str:
    if name in _COLUMNS:
        return _COLUMNS[name]
    tag = name.upper() if name.startswith(tags.PREFIX) else f"{tags.PREFIX}{name}".upper()
    suffix = tag.removeprefix(tags.INSTRUCTION_PREFIX)
    if tag in _COLUMNS.values() or (suffix != tag and suffix.isascii() and suffix.isdigit()):
        return tag
    columns = (USER, *_COLUMNS, "instruction_0")
    near = did_you_mean(name, columns) or f"; the columns are {', '.join(columns)}, instruction_1, …"
    raise Malformed(f"there is no column {printable(name) or 'without a name'}{near}")


def _rows(lines: Iterator[list[str]], columns: Sequence[str]) -> Iterator[Row]:
    for number, cells in enumerate(lines, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(columns):
            raise Malformed(f"line {number} has {len(cells)} cells, and the first line names {len(columns)} columns")
        named = [(tag, cell.strip()) for tag, cell in zip(columns, cells, strict=False)]
        user = next((cell for tag, cell in named if not tag), "")
        yield user, tuple((tag, cell) for tag, cell in named if tag and cell)
