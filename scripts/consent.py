"""Asks the operator, before a script changes anything."""

from __future__ import annotations

import sys

from scripts.terminal import printable


def can_be_asked() -> bool:
    """Tell whether somebody sits at the keyboard: a job must say --yes rather than have a stray line say so."""
    # Standard input may be closed, and then there is none.
    return sys.stdin is not None and sys.stdin.isatty()


def is_given(question: str) -> bool:
    """Ask; anything but a yes is a no."""
    print(f"{printable(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
