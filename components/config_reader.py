"""Reads a stack's configuration value by value, and keeps every fault for one message.

Which keys there are, and what they mean together, stands in ``settings.py``. An empty value counts as absent: it is how
``Pulumi.yaml`` declares a key that has no default.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from typing import Any, TypeVar

import pulumi
from pulumi.runtime import config as everything

T = TypeVar("T", bound=str)


class ConfigurationFault(pulumi.RunError):
    """The configuration cannot be deployed; the message lists every fault. Pulumi shows it without a trace."""


class ConfigReader:
    """Reads keys one by one. What cannot be used is noted, and stood in for until ``report`` is called."""

    def __init__(self, namespace: str) -> None:
        self._config = pulumi.Config(namespace)
        self._read: set[str] = set()
        self._faults: list[str] = []

    def report(self) -> None:
        """Raise a ConfigurationFault if any of the values read so far cannot be used."""
        if self._faults:
            listed = "\n".join(f"  - {fault}" for fault in self._faults)
            raise ConfigurationFault(f"The configuration of this stack cannot be deployed:\n{listed}")

    def fault(self, key: str, value: object, remedy: str) -> None:
        """Note a value that cannot be used. Never call it with a secret."""
        self._faults.append(f"{key} is {value!r}: {remedy}")

    def missing(self, key: str, remedy: str) -> None:
        """Note a value that is not there."""
        self._faults.append(f"{key} is missing: {remedy}")

    def unwanted(self, key: str, remedy: str) -> None:
        """Note a key, possibly a secret one, that contradicts another."""
        self._faults.append(f"{key} is set: {remedy}")

    def unusable(self, key: str, remedy: str) -> None:
        """Note a value that cannot be used and may hold a secret: it is not shown."""
        self._faults.append(f"{key} cannot be used: {remedy}")

    def reject_unknown(self, *, besides: Iterable[str]) -> None:
        """Note every key that is set and was never read, such as a misspelt one; its value may be a secret."""
        known = self._read.union(besides)
        # A program has its configuration from the environment, or has had it set in its own process.
        names = {*everything.get_config_env(), *everything.CONFIG.get()}
        for name in sorted(names):
            namespace, _, key = name.partition(":")
            if namespace == self._config.name and key not in known:
                likely = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {likely[0]}? " if likely else ""
                self._faults.append(f"{key} is no key of this program: {hint}remove it with: pulumi config rm {key}")

    def text(self, key: str) -> str | None:
        """Read a text, without the blanks around it."""
        self._read.add(key)
        return (self._config.get(key) or "").strip() or None

    def required(self, key: str, *, why: str, example: str) -> str:
        """Read a text that must be there."""
        value = self.text(key)
        if value is None:
            self.missing(key, f"{why}; set it with: pulumi config set {key} {example}")
        return value or ""

    def secret(self, key: str, *, why: str) -> pulumi.Output[str]:
        """Read a secret that must be there; it is one however it was set, with ``--secret`` or without."""
        value = self._config.get_secret(key)
        if value is None or self.text(key) is None:
            self.missing(key, f"{why}; set it with: pulumi config set --secret {key}")
            return pulumi.Output.secret("")
        return value

    def number(self, key: str, *, default: int, lowest: int, highest: int) -> int:
        """Read a whole number."""
        value = self.text(key)
        if value is None:
            return default
        if not re.fullmatch(r"-?\d{1,9}", value, re.ASCII) or not lowest <= int(value) <= highest:
            self.fault(key, value, f"it must be a whole number from {lowest} to {highest}")
            return default
        return int(value)

    def boolean(self, key: str, *, default: bool) -> bool:
        """Read ``true`` or ``false``."""
        return self.choice(key, ("true", "false"), default="true" if default else "false") == "true"

    def choice(self, key: str, allowed: tuple[T, ...], *, default: T) -> T:
        """Read one of several texts."""
        value = self.text(key) or default
        for choice in allowed:
            if value == choice:
                return choice
        self.fault(key, value, f"it must be one of {', '.join(allowed)}")
        return default

    def matching(self, key: str, pattern: re.Pattern[str], *, remedy: str) -> str | None:
        """Read a text that must have a certain shape if it is there."""
        value = self.text(key)
        if value is not None and not pattern.fullmatch(value):
            self.fault(key, value, remedy)
        return value

    def listing(self, key: str, *, example: str) -> list[Any]:
        """Read a list; empty if there is none."""
        value = self._structure(key, list, example)
        return value if isinstance(value, list) else []

    def mapping(self, key: str, *, example: str) -> dict[str, Any]:
        """Read an object; empty if there is none."""
        value = self._structure(key, dict, example)
        return value if isinstance(value, dict) else {}

    def _structure(self, key: str, kind: type, example: str) -> object:
        """Read what Pulumi hands over as JSON."""
        text = self.text(key)
        if text is None:
            return None
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, kind):
            self.fault(key, text, f"it must be structured; set it with: {example}")
        return value
