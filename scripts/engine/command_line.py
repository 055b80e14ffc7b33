"""Finds Pulumi's command line on the PATH, or else builds it once from its Go module, at the version that go.mod pins.

A build takes minutes and is kept under ``build/``. Pulumi's own executor of Python programs, from the module of the
SDK, is copied beside it. Run as ``python -m scripts.engine.command_line`` to see which one it is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]
_MODULE = Path(__file__).parent / "pulumi"
_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_SDK = "github.com/pulumi/pulumi/sdk/v3"
_EXECUTOR = "pulumi-language-python-exec"
_LANGUAGE_HOST = "pulumi-language-python"


class NoCommandLine(Exception):
    """There is no command line and no way to build one; the message is one line that says what to install."""


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """The command line and what runs the program for it.

    Attributes:
        pulumi: the command.
        executor: Pulumi's script that runs a Python program, for the stand-in of its language host; None where Pulumi's
            own language host is there.
    """

    pulumi: Path
    executor: Path | None


def find() -> CommandLine:
    """Find the command line, or build it.

    Raises:
        NoCommandLine: there is none, and it cannot be built.
    """
    if installed := shutil.which("pulumi"):
        return _with_its_host(Path(installed))
    go = shutil.which("go")
    if go is None:
        raise NoCommandLine(
            "There is no Pulumi command line: install it (https://www.pulumi.com/docs/iac/download-install/), "
            "or install Go, which builds it."
        )
    folder = _REPOSITORY / "build" / "pulumi" / _version()
    if not (folder / "pulumi").exists():
        _build(go, folder)
    return CommandLine(pulumi=folder / "pulumi", executor=folder / _EXECUTOR)


def _with_its_host(pulumi: Path) -> CommandLine:
    """Look for what a release has beside its command line; package managers link to it from elsewhere."""
    for folder in (pulumi.parent, pulumi.resolve().parent):
        if (folder / _LANGUAGE_HOST).exists():
            return CommandLine(pulumi=pulumi, executor=None)
        if (folder / _EXECUTOR).exists():
            return CommandLine(pulumi=pulumi, executor=folder / _EXECUTOR)
    if shutil.which(_LANGUAGE_HOST):
        return CommandLine(pulumi=pulumi, executor=None)
    raise NoCommandLine(f"No {_LANGUAGE_HOST} beside {pulumi}: install Pulumi's whole release.")


def _version() -> str:
    pinned = re.search(rf"{re.escape(_PACKAGE.removesuffix('/cmd/pulumi'))} (v\S+)", (_MODULE / "go.mod").read_text())
    if pinned is None:
        raise NoCommandLine(f"{_MODULE / 'go.mod'} does not name {_PACKAGE}")
    return pinned[1]


def _build(go: str, folder: Path) -> None:
    print(f"Building Pulumi's command line {_version()} from its Go module, once: this takes some minutes", flush=True)
    begun, begun_cpu = time.monotonic(), os.times()
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"unfinished-{os.getpid()}"
    build = [go, "build", "-trimpath", "-o", str(unfinished), _PACKAGE]
    if subprocess.run(build, cwd=_MODULE, check=False).returncode:
        raise NoCommandLine(f"Pulumi's command line could not be built with {go}: install it, or see above.")
    find_sdk = [go, "list", "-m", "-f", "{{.Dir}}", _SDK]
    sdk = subprocess.run(find_sdk, cwd=_MODULE, capture_output=True, text=True, check=True)
    shutil.copy(Path(sdk.stdout.strip()) / "python" / "cmd" / _EXECUTOR, folder / _EXECUTOR)
    unfinished.rename(folder / "pulumi")
    spent = os.times()
    processor = spent.children_user + spent.children_system - begun_cpu.children_user - begun_cpu.children_system
    print(f"Built in {time.monotonic() - begun:.0f} s, {processor:.0f} s of processor time", flush=True)


def main() -> None:
    """Print the path of the command line, having built it if need be."""
    try:
        print(find().pulumi)
    except NoCommandLine as why:
        sys.exit(str(why))


if __name__ == "__main__":
    main()
