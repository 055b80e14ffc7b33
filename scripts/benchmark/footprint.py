"""The archive: how much it weighs, and how long its handlers take to import."""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from components import bundle
from components.bundle import Target
from scripts.local_cloud import archive

MODULES = ("boto3", "functions.rotator.handler", "functions.destructor.handler")
ROUNDS = 7
IMPORTS = ROUNDS * len(MODULES)
"""How often ``import_seconds`` advances."""

_TIMED = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"


def unpack(target: Target, folder: Path) -> int:
    """Unpack the archive into a folder, without bytecode, as Lambda finds it.

    Returns:
        Its size, in bytes.
    """
    packed = archive.zipped(bundle.lambda_code(target), folders={".": bundle.dependencies(target)})
    with zipfile.ZipFile(io.BytesIO(packed)) as package:
        package.extractall(folder)
        return sum(member.file_size for member in package.infolist())


def import_seconds(folder: Path, advance: Callable[[], object]) -> dict[str, float]:
    """Take the time of importing boto3 alone and each handler, the median of some fresh processes each.

    They take turns, so that whatever else this machine does slows them alike.
    """
    taken: dict[str, list[float]] = {module: [] for module in MODULES}
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    for _ in range(ROUNDS):
        for module in MODULES:
            command = [sys.executable, "-P", "-c", _TIMED.format(module)]
            # The command is made of this file's own words.
            timed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            taken[module].append(float(timed.stdout))
            advance()
    return {module: statistics.median(seconds) for module, seconds in taken.items()}
