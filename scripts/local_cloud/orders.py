"""Faults on order, and a record of what the provider was asked: both are files, for it is a process of its own.

An order is a file ``faults/METHOD/NAME``, where METHOD is create, update or delete and NAME that of the resource in the
program. It is carried out once. Each call is a line of ``calls``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

Method = Literal["create", "update", "delete"]


class Call(NamedTuple):
    """A change that the provider was asked for, whatever came of it."""

    method: str
    type: str
    name: str


class Ordered(Exception):
    """The fault that somebody ordered."""


@dataclass(frozen=True)
class Orders:
    """One folder of orders and records."""

    folder: Path

    def fail(self, method: Method, names: Iterable[str]) -> None:
        """Order that each of these resources fails once."""
        place = self.folder / "faults" / method
        place.mkdir(parents=True, exist_ok=True)
        for name in names:
            (place / name).touch()

    def carry_out(self, call: Call) -> None:
        """Write a call down, and fail it if that was ordered.

        Raises:
            Ordered: it was.
        """
        with (self.folder / "calls").open("a") as record:
            record.write(json.dumps(call) + "\n")
        order = self.folder / "faults" / call.method / call.name
        if order.exists():
            order.unlink()
            raise Ordered(f"ordered: {call.method} of {call.name} fails")

    def calls(self) -> list[Call]:
        """Read the calls so far, in order."""
        record = self.folder / "calls"
        return [Call(*json.loads(line)) for line in record.read_text().splitlines()] if record.exists() else []
