"""The language of the templates: wording, not code.

Templates are read in Jinja's immutable sandbox. They see the fields of a notice; what Python has beneath these, they
cannot reach, change or call.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jinja2
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import MAX_RANGE, ImmutableSandboxedEnvironment


class Wording(ImmutableSandboxedEnvironment):
    """What reads templates, in the functions and in the preview alike.

    Args:
        loader: finds a template by its name.
    """

    intercepted_binops = frozenset({"*", "**"})

    def __init__(self, loader: jinja2.BaseLoader) -> None:
        super().__init__(
            loader=loader,
            autoescape=jinja2.select_autoescape(enabled_extensions=["html.j2"], default=False),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.filters["moment"] = moment
        self.filters["days"] = days

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Multiply no further than ``range`` counts: one line could else fill the memory.

        Raises:
            SecurityError: the product would be too large, or it is a power.
        """
        if operator == "**" or _size(left) * _size(right) > MAX_RANGE:
            raise SecurityError(f"{operator} makes too much of it: a template may multiply up to {MAX_RANGE}")
        return super().call_binop(context, operator, left, right)


def moment(time: datetime) -> str:
    """Write a time for people anywhere: ``Friday, 5 June 2026, 12:00 UTC``."""
    time = time.astimezone(UTC)
    return f"{time:%A}, {time.day} {time:%B %Y, %H:%M} UTC"


def days(number: int) -> str:
    """Write a number of days: ``1 day``, ``80 days``."""
    return f"{number} {'day' if number == 1 else 'days'}"


def _size(factor: Any) -> float:
    return abs(factor) if isinstance(factor, (int, float)) else len(factor)
