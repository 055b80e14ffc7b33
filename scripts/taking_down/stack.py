"""The stack as Pulumi's command line tells of it, and the two things that are done to it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
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
            process = subprocess.Popen(command, cwd=_REPOSITORY, stdout=pipe, stderr=pipe, text=True)
        except FileNotFoundError:
            raise Mishap("There is no pulumi on the PATH: install Pulumi's command line.") from None
        except OSError as error:
            raise Mishap(f"pulumi cannot be run ({error.strerror}): install Pulumi's command line anew.") from None
        with process:
            output, errors = _waited_for(process)
        return subprocess.CompletedProcess(command, process.returncode, output, errors)


def _waited_for(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for Pulumi even after Ctrl-C, which it has heard as well: it stops in order, and writes its state.

    Raises:
        KeyboardInterrupt: once it has stopped.
    """
    interrupted = False
    while True:
        try:
            output, errors = process.communicate()
        except KeyboardInterrupt:
            interrupted = True
            continue
        if interrupted:
            raise KeyboardInterrupt
        return output or "", errors or ""
