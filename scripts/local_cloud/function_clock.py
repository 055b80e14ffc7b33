"""The cloud's clock inside a function: a layer beside the deployed archive, which knows nothing of it (see ``clock``).

Its handler ``NAME`` is that of ``functions.NAME``, which from then on asks this clock for the time.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any


def _behind() -> timedelta:
    return timedelta(seconds=int(Path(os.environ["LOCAL_CLOUD_CLOCK"]).read_text()))


class _Clock(datetime):
    """Stands for ``datetime`` in a handler."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override] # a plain one, not one of this class
        """Tell the cloud's time."""
        return datetime.now(tz) - _behind()


def __getattr__(name: str) -> Callable[[Any, Any], Any]:
    module = importlib.import_module(f"functions.{name}.handler")
    module.datetime = _Clock  # type: ignore[attr-defined]

    def handler(event: Any, context: Any) -> Any:
        """Date the records of a stream by the clock: the emulator would take such old ones for expired."""
        for record in event.get("Records", []):
            record["dynamodb"]["ApproximateCreationDateTime"] -= _behind().total_seconds()
        return module.handler(event, context)

    return handler
