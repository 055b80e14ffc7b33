"""Text from elsewhere on a terminal: what a tag, the ledger or an answer holds is read there, and not obeyed."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text


class Terminal(Console):
    """A console that leaves a closed pipe to ``scripts/start.py``, which ends the script; rich itself would exit."""

    def on_broken_pipe(self) -> None:
        """Be told that nobody reads any more."""
        raise BrokenPipeError


def complain(text: object, style: str = "") -> None:
    """Say what goes wrong on standard error: in one line, however long, for a terminal or a log."""
    # As Text, in which rich looks for nothing: it would read an emoji in `IKR:EMAIL:`.
    Terminal(stderr=True).print(Text(printable(text), style=style), soft_wrap=True)


def progress() -> Progress:
    """Make a progress bar that is gone when its work is done; in a log there is none."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    terminal = Terminal(stderr=True)
    return Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal)


def printable(text: object) -> str:
    """Write what a terminal would obey, or what turns the direction of writing, as an escape that is only read.

    That is every character that Python does not call printable: control characters, line breaks, bidirectional
    controls, zero-width characters and blanks other than the space. The result is one line.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in str(text)
    )


def nearest(word: str, known: Collection[str]) -> str | None:
    """Guess at what was meant by a misspelt word; None if nothing is near."""
    by_folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), by_folded, n=1)
    return by_folded[near[0]] if near else None


def did_you_mean(word: str, known: Collection[str]) -> str:
    """Write the guess as the end of a sentence: ``; did you mean bob?``, or nothing if nothing is near."""
    guess = nearest(word, known)
    return f"; did you mean {guess}?" if guess else ""
