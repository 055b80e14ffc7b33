"""The scanners that auditors run. They need an older boto3, and so have a virtual environment of their own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_BIN = Path(__file__).parents[2] / ".venv-audit" / "bin"
_CLOUDSPLAINING = Path(__file__).parent / "cloudsplaining_findings.py"


def checkov(plan: Mapping[str, Any], folder: Path) -> dict[str, set[str]]:
    """Scan a plan; give the resources that fail, by the id of the check."""
    file = folder / "plan.json"
    file.write_text(json.dumps(plan))
    options = ["--framework", "terraform_plan", "--output", "json", "--compact", "--skip-download", "--soft-fail"]
    report = json.loads(_run("checkov", "--file", str(file), *options))
    assert report["summary"]["resource_count"] == len(plan["resource_changes"])
    failed: dict[str, set[str]] = {}
    for check in report["results"]["failed_checks"]:
        failed.setdefault(check["check_id"], set()).add(check["resource"])
    return failed


def cloudsplaining(policies: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Scan IAM policies; give the kinds of finding by the name of the policy."""
    found: dict[str, list[str]] = json.loads(_run("python", str(_CLOUDSPLAINING), input_=json.dumps(policies)))
    return found


def _run(program: str, *arguments: str, input_: str = "") -> str:
    # What runs is pinned by hash in requirements-audit.txt.
    outcome = subprocess.run(
        [str(_BIN / program), *arguments], input=input_, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout
