"""A clean copy of the project with a state of its own, and the commands that somebody who deploys it would type.

Nothing of the user's reaches it: no Pulumi login, no AWS credentials, no stack. It deploys to the emulator.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from scripts.engine.command_line import CommandLine
from scripts.local_cloud.orders import Orders
from scripts.local_cloud.server import REGION

_REPOSITORY = Path(__file__).parents[2]
_NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".*_cache", ".hypothesis")
PASSPHRASE = "not-a-real-passphrase"  # noqa: S105 - it protects nothing but a test's state


@dataclass(frozen=True)
class Outcome:
    """What a command said, and how it ended."""

    command: str
    code: int
    output: str
    errors: str

    @property
    def said(self) -> str:
        """Everything it printed."""
        return f"{self.output}\n{self.errors}"

    def ok(self) -> Outcome:
        """Insist that it succeeded."""
        if self.code:
            raise AssertionError(f"{self.command} ended with {self.code}:\n{self.said}")
        return self

    def failed(self) -> Outcome:
        """Insist that it failed."""
        if not self.code:
            raise AssertionError(f"{self.command} did not fail:\n{self.said}")
        return self


@dataclass(frozen=True)
class Plan:
    """What a preview shows: each resource of AWS by its name in the program, and the program's warnings."""

    steps: Mapping[str, Mapping[str, Any]]
    warnings: Sequence[str]

    @property
    def changes(self) -> dict[str, str]:
        """What is done to each resource that does not stay as it is."""
        return {name: step["op"] for name, step in self.steps.items() if step["op"] != "same"}


@dataclass(frozen=True)
class Workspace:
    """A copy of the project.

    Attributes:
        project: the copy.
        environment: what its commands run with.
        orders: faults on order, and the record of what AWS was asked to change.
    """

    project: Path
    environment: Mapping[str, str] = field(repr=False)
    orders: Orders

    def run(self, *command: str, typed: str = "") -> Outcome:
        """Run a command in the project, with ``typed`` on its standard input."""
        done = subprocess.run(
            command,
            cwd=self.project,
            env=dict(self.environment),
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )
        return Outcome(" ".join(command), done.returncode, done.stdout, done.stderr)

    def typed(self, line: str, typed: str = "") -> Outcome:
        """Run a line of shell as it stands in the README, saying yes where Pulumi would ask."""
        return self.run("bash", "-c", f"export PULUMI_SKIP_CONFIRMATIONS=true; {line}", typed=typed)

    def pulumi(self, *arguments: str, typed: str = "") -> Outcome:
        """Run the command line as a script would, without a terminal."""
        return self.run("pulumi", *arguments, "--non-interactive", typed=typed)

    def preview(self, *arguments: str) -> Plan:
        """Ask what `up` would do. The command has to succeed."""
        plan = json.loads(self.pulumi("preview", "--json", *arguments).ok().output)
        steps = {
            step["urn"].split("::")[-1]: step for step in plan["steps"] if "::aws:" in step["urn"].replace("$", "::")
        }
        told = [each["message"].strip() for each in plan.get("diagnostics") or [] if each["severity"] == "warning"]
        return Plan(steps, told)

    def up(self, *arguments: str) -> Outcome:
        """Deploy, without a preview before."""
        return self.pulumi("up", "--yes", "--skip-preview", *arguments)

    def configure(self, **values: str) -> None:
        """Set keys of the program's own."""
        pairs = [word for key, value in values.items() for word in ("--plaintext", f"{key}={value}")]
        self.pulumi("config", "set-all", *pairs).ok()

    def outputs(self) -> dict[str, Any]:
        """Read the stack's outputs."""
        outputs: dict[str, Any] = json.loads(self.pulumi("stack", "output", "--json").ok().output)
        return outputs

    def state(self) -> list[dict[str, Any]]:
        """Read the resources that the state holds."""
        exported = json.loads(self.pulumi("stack", "export").ok().output)
        resources: list[dict[str, Any]] = exported["deployment"].get("resources", [])
        return resources


def _look_cloned(project: Path) -> None:
    """Make a folder a checkout of a repository at GitHub, as far as the program looks: mails name a file there."""
    for command in (
        ["init", "--quiet"],
        ["add", "scripts/decryption.py"],
        ["-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "--message=-"],
        ["remote", "add", "origin", "https://github.com/example/iam-key-rotator.git"],
        ["update-ref", "refs/remotes/origin/main", "HEAD"],
    ):
        subprocess.run([shutil.which("git") or "git", "-C", str(project), *command], check=True)


def make(
    folder: Path, command_line: CommandLine, endpoint: str, dependencies: Path, *, built: Path | None = None
) -> Workspace:
    """Lay out a workspace, logged in to a state of its own.

    Args:
        folder: an empty folder.
        command_line: which Pulumi.
        endpoint: the emulator's.
        dependencies: the functions' dependencies, built for this machine.
        built: a folder of bundles to use; None has the program build its archive anew.
    """
    project, home, path, orders, state = (folder / name for name in ("project", "home", "bin", "orders", "state"))
    shutil.copytree(_REPOSITORY, project, ignore=_NOT_COPIED)
    _look_cloned(project)
    (project / ".venv").symlink_to(Path(sys.prefix))
    for new in (home, path, orders, state, project / "build"):
        new.mkdir()
    if built is not None:
        (project / "build" / "bundles").symlink_to(built)
    plugins = home / ".pulumi" / "plugins"
    provider = plugins / f"resource-aws-v{metadata.version('pulumi-aws')}" / "pulumi-resource-aws"
    _write_script(provider, "scripts.local_cloud.provider")
    (path / "pulumi").symlink_to(command_line.pulumi)
    if command_line.executor is not None:
        host = plugins / f"language-python-v{metadata.version('pulumi')}" / "pulumi-language-python"
        _write_script(host, "scripts.engine.language_host", str(command_line.executor))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PULUMI_"))},
        "HOME": str(home),
        "PATH": os.pathsep.join([str(path), os.environ.get("PATH", os.defpath)]),
        "PULUMI_BACKEND_URL": f"file://{state}",
        "PULUMI_HOME": str(home / ".pulumi"),
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        # What the scripts ask is asked of the emulator.
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "LOCAL_CLOUD_ENDPOINT": endpoint,
        "LOCAL_CLOUD_DEPENDENCIES": str(dependencies),
        "LOCAL_CLOUD_ORDERS": str(orders),
    }
    return Workspace(project, environment, Orders(orders))


def _write_script(path: Path, module: str, *arguments: str) -> None:
    """Write a command that runs a module of this repository, wherever it is called from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    words = " ".join(f"'{word}'" for word in (sys.executable, "-m", module, *arguments))
    path.write_text(f"#!/bin/sh\nPYTHONPATH='{_REPOSITORY}' exec {words} \"$@\"\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
