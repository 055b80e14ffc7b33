"""The README's commands, as they stand there: what somebody who deploys would copy into a terminal."""

from __future__ import annotations

import re
from pathlib import Path

_README = Path(__file__).parents[2] / "README.md"


def commands(heading: str) -> list[str]:
    """Give the commands below a heading, up to the next one of the same or a higher level, without their comments."""
    level = len(heading) - len(heading.lstrip("#"))
    text = _README.read_text(encoding="utf-8")
    _, below = text.split(f"\n{heading}\n", 1)
    section = re.split(rf"^#{{1,{level}}} ", below, maxsplit=1, flags=re.MULTILINE)[0]
    lines = re.sub(r" \\\n\s+", " ", section).splitlines()
    return [re.split(r"\s{2,}#", line.strip())[0] for line in lines if line.startswith("    ") and line.strip()]
