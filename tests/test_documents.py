"""What the documents say about the program, compared with the program."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from functions.common import tags

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md")


def first_table_below(heading: str) -> list[list[str]]:
    """Give the cells of the first table below a heading, row by row, without the table's head."""
    _, below = README.split(f"\n{heading}\n", 1)
    table = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert table, f"no table below {heading}"
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.group().splitlines()[2:]]


def calls_of_telemetry(*methods: str) -> Iterator[tuple[str, ast.Call]]:
    """Find every event or metric that the functions name, with the call that names it."""
    for path in (ROOT / "functions").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="telemetry"), attr=method)) if method in methods:
                    for word in ast.walk(node.args[0]):
                        if isinstance(word, ast.Constant) and isinstance(word.value, str):
                            yield word.value, node


def as_written(default: Any) -> str:
    """Write a default as the table does; an empty one stands for none."""
    if default in ("", [], {}):
        return "not set"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def test_the_table_of_configuration_is_that_of_pulumi() -> None:
    """Somebody who deploys reads the README, and gets what Pulumi.yaml says."""
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]

    listed = {key.strip("`"): default for key, default, _ in first_table_below("### Configuration")}

    assert listed == {key: as_written(declaration["default"]) for key, declaration in declared.items()}


def test_the_table_of_outputs_is_that_of_the_program() -> None:
    exported = re.findall(r'pulumi\.export\("(\w+)"', (ROOT / "__main__.py").read_text(encoding="utf-8"))

    listed = [name for names, _ in first_table_below("### Outputs") for name in re.findall(r"`(\w+)`", names)]

    assert sorted(listed) == sorted(exported)


def test_the_table_of_tags_is_that_of_the_functions() -> None:
    listed = [tag for names, _ in first_table_below("## Tagging users") for tag in re.findall(r"`([^`]+)`", names)]

    assert listed[:3] == [tags.EMAIL, tags.ROTATE_AFTER_DAYS, tags.DELETE_AFTER_DAYS]
    assert listed[3:] == [f"{tags.INSTRUCTION_PREFIX}0", f"{tags.INSTRUCTION_PREFIX}1"]


def test_the_table_of_metrics_is_that_of_the_functions() -> None:
    counted = {metric for metric, _ in calls_of_telemetry("count")}

    listed = [name for names, *_ in first_table_below("### Metrics") for name in re.findall(r"`(\w+)`", names)]

    assert sorted(listed) == sorted(counted)


def test_the_table_of_events_is_that_of_the_functions() -> None:
    """An audit trail is drawn from these names and fields."""
    logged: defaultdict[str, set[str]] = defaultdict(set)
    for event, call in calls_of_telemetry("info", "warning", "error"):
        logged[event] |= {keyword.arg for keyword in call.keywords if keyword.arg}

    listed = {
        event.strip("`"): set(re.findall(r"`(\w+)`", fields)) for event, fields, _ in first_table_below("### Events")
    }

    assert listed == logged


def test_every_direct_dependency_has_its_reason() -> None:
    sources = ("requirements.in", "functions/requirements.in", "requirements-dev.in", "requirements-audit.in")
    lines = [line for source in sources for line in (ROOT / source).read_text(encoding="utf-8").splitlines()]
    direct = {re.split(r"[\[<>=~!;]", line)[0].strip().lower() for line in lines if re.match(r"[A-Za-z]", line)}

    listed = [name for names, _ in first_table_below("## What it is built on") for name in names.split(", ")]

    assert sorted(listed) == sorted(direct)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_within_the_repository_lead_somewhere(document: str) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / document).read_text(encoding="utf-8"))

    missing = [target for target in targets if not (ROOT / target).exists()]

    assert missing == []


def test_the_folders_of_the_contributing_guide_exist() -> None:
    folders = re.findall(r"^\| `([^`]+)` \|", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert folders
    assert [folder for folder in folders if not (ROOT / folder).exists()] == []


def test_make_has_every_command_that_the_documents_name() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    texts = [(ROOT / document).read_text(encoding="utf-8") for document in DOCUMENTS]
    named = {name for text in texts for name in re.findall(r"^ {4}make (\w+)", text, re.MULTILINE)}

    assert {"demo", "test"} <= named
    assert [name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []
