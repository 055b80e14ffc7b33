"""The cloud's clock: it can be set back, to play in the past, and moved on, so that days pass at once.

A file in the emulator's state says how many seconds the cloud is behind this machine. By it go the dates that IAM gives
to what it makes, the uses of keys and, in a cloud that was deployed to begin in the past, the functions. A mail of last
month then has last month's dates, and a key that is 83 days old was made 83 days ago. Requests are signed and
credentials expire by this machine's own clock.

The one half runs in the emulator's process (``keep``), the other is for whoever drives it (``Clock``). The functions'
part is ``function_clock``.
"""

# ruff: noqa: SLF001 (MiniStack offers no way to do this from outside)

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scripts.local_cloud.clients import Clients

VARIABLE = "LOCAL_CLOUD_CLOCK"
"""Tells the emulator, and through it the functions, where the file is."""

_FUNCTIONS_PART = Path(__file__).with_name("function_clock.py")


@dataclass(frozen=True)
class Clock:
    """The clock of one cloud, by its file."""

    file: Path

    def now(self) -> datetime:
        """Tell the cloud's time."""
        return datetime.now(UTC) - self.behind

    @property
    def behind(self) -> timedelta:
        """Tell how far the cloud is behind this machine."""
        return timedelta(seconds=int(self.file.read_text())) if self.file.exists() else timedelta(0)

    def set(self, behind: timedelta) -> None:
        """Set the clock, to so long ago."""
        # In one step: a function that reads meanwhile must not find half of it.
        written = self.file.with_suffix(".new")
        written.write_text(str(round(behind.total_seconds())))
        written.replace(self.file)

    def move_on(self, passed: timedelta) -> None:
        """Let time pass."""
        self.set(self.behind - passed)

    @contextlib.contextmanager
    def set_back(self, difference: timedelta) -> Iterator[None]:
        """Let what happens in a ``with`` block have happened so long ago."""
        before = self.behind
        self.set(before + difference)
        try:
            yield
        finally:
            self.set(before)


def keep() -> None:
    """Let IAM, in this process, date what it makes by the clock."""
    from ministack.services import iam  # noqa: PLC0415 - only the emulator's process loads it

    clock = Clock(Path(os.environ[VARIABLE]))
    iam._now = lambda: clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")


def give_to(root: Clients, *functions: str) -> None:
    """Let deployed functions go by the clock: with a layer beside the archive, and a handler of it before their own."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as layer:
        layer.write(_FUNCTIONS_PART, f"python/{_FUNCTIONS_PART.name}")
    published = root.functions.publish_layer_version(LayerName="clock", Content={"ZipFile": package.getvalue()})
    for name in functions:
        _, which, _, _ = root.functions.get_function_configuration(FunctionName=name)["Handler"].split(".")
        root.functions.update_function_configuration(
            FunctionName=name, Handler=f"{_FUNCTIONS_PART.stem}.{which}", Layers=[published["LayerVersionArn"]]
        )
