"""The stack's own mail templates, checked before anything is deployed: a rotation must never find out that one fails.

Rendering needs the functions' code, which the components keep apart from: a process of its own does it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pulumi

_REPOSITORY = Path(__file__).resolve().parent.parent
_FOUND_FAULTS = 1
_SECONDS = 60.0
"""How long all mails may take together; it is one or two seconds, unless a template loops."""


class CheckFailed(pulumi.RunError):
    """The templates could not be checked at all; the message says why. Pulumi shows it without a trace."""


def faults_of(folder: Path) -> list[str]:
    """Render every mail with sample data, and tell each fault of the templates in one line.

    Raises:
        CheckFailed: rendering could not even begin, as when the virtual environment lacks a package, or does not end.
    """
    command = [sys.executable, "-m", "scripts.preview_mails", str(folder)]
    # The command is the project's own; nothing runs that the folder does not hold as a template.
    try:
        outcome = subprocess.run(  # noqa: S603
            command, cwd=_REPOSITORY, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise CheckFailed(
            f"The mail templates in {folder} were not rendered within {_SECONDS:g} s: does one of them count too far?"
        ) from None
    faults = outcome.stdout.splitlines()
    if outcome.returncode not in {0, _FOUND_FAULTS} or bool(faults) != bool(outcome.returncode):
        raise CheckFailed(
            f"The mail templates in {folder} could not be checked:\n{outcome.stderr.strip()}\n"
            "If a package is missing, run `pulumi install` and try again.",
        )
    return faults


def resolve(path: str) -> Path:
    """Give the folder that a path stands for; a relative one begins at the project's root."""
    return _REPOSITORY / path
