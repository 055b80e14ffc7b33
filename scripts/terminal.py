"""Text from elsewhere on a terminal: what a tag, the ledger or an answer holds is read there, and not obeyed."""

from __future__ import annotations


def printable(text: object) -> str:
    """Write what a terminal would obey, or what turns the direction of writing, as an escape that is only read.

    That is every character that Python does not call printable: control characters, line breaks, bidirectional
    controls, zero-width characters and blanks other than the space. The result is one line.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in str(text)
    )
