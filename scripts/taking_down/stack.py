"""The stack as Pulumi's command line tells of it, and the two things that are done to it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.aws import Mishap

_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Stack:
    """One stack; ``name`` None is the one that is selected."""

    name: str | None

    def resources(self) -> Sequence[Mapping[str, Any]]:
        """Read what its state holds; secrets stay encrypted.

        Raises:
            Mishap: there is no command line, or no such stack, or no state.
        """
        try:
            resources: Sequence[Mapping[str, Any]] = (
                json.loads(self._ask("stack", "export"))["deployment"].get("resources") or []
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Mishap("pulumi stack export: what came is no state. Try it by hand, and `pulumi version`.") from None
        return resources

    def region(self) -> str | None:
        """Read the region that its configuration names; None: it is left to the environment.

        Raises:
            Mishap: there is no command line.
        """
        return self._run("config", "get", "aws:region", capture=True).stdout.strip() or None

    def unprotect(self, urn: str) -> None:
        """Allow a resource to be deleted.

        Raises:
            Mishap: Pulumi refused.
        """
        self._ask("state", "unprotect", urn, "--yes")

    def destroy(self) -> bool:
        """Delete everything that the stack has made, showing Pulumi's progress; tell whether it came to its end."""
        return self._run("destroy", "--yes", "--skip-preview", capture=False).returncode == 0

    def _ask(self, *arguments: str) -> str:
        outcome = self._run(*arguments, capture=True)
        if outcome.returncode:
            remedy = ". Name one with --stack: `pulumi stack ls` lists them." if "no stack" in outcome.stderr else ""
            raise Mishap(f"pulumi {' '.join(arguments[:2])}: {' '.join(outcome.stderr.split())}{remedy}")
        return outcome.stdout

    def _run(self, *arguments: str, capture: bool) -> subprocess.CompletedProcess[str]:
        command = ["pulumi", *arguments, *(("--stack", self.name) if self.name else ()), "--non-interactive"]
        pipe = subprocess.PIPE if capture else None
        try:
            with _ctrl_c_held_back():
                return subprocess.run(command, cwd=_REPOSITORY, stdout=pipe, stderr=pipe, text=True, check=False)
        except FileNotFoundError:
            raise Mishap("There is no pulumi on the PATH: install Pulumi's command line.") from None
        except OSError as error:
            raise Mishap(f"pulumi cannot be run ({error.strerror}): install Pulumi's command line anew.") from None


@contextlib.contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Let Pulumi, which hears Ctrl-C as well, stop in order and write its state, however often it is pressed.

    Raises:
        KeyboardInterrupt: at the end, if it was pressed.
    """
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if heard:
        raise KeyboardInterrupt
