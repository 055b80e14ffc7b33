"""What mypy knows of pulumi_aws, of which it reads only what pyproject.toml names."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pulumi_aws as aws

ROOT = Path(__file__).parents[2]


def followed() -> set[str]:
    """Give the modules of pulumi_aws that mypy reads."""
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]["overrides"]
    (names,) = (override["module"] for override in overrides if override.get("follow_imports") == "normal")
    return {name.removesuffix(".*") for name in names}


def in_use() -> set[str]:
    """Give the modules that define what the program and its tests take from pulumi_aws."""
    found = set()
    for path in [ROOT / "__main__.py", *(ROOT / "components").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Attribute(value=ast.Name(id="aws"), attr=name) if value := getattr(aws, name, None):
                    found.add(getattr(value, "__module__", None) or value.__name__)
    return found


def test_every_module_in_use_is_followed() -> None:
    """What mypy skips, it takes for Any, and accepts whatever is done with it."""
    assert in_use()
    assert in_use() <= followed()
