"""What a second terminal needs to act in the playground."""

from __future__ import annotations

import configparser
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from scripts.local_cloud.clients import ROOT, Credentials
from scripts.local_cloud.cloud import LocalCloud
from scripts.local_cloud.server import REGION
from scripts.sandbox import pulumi

_REPOSITORY = Path(__file__).parents[2]
# What else could send a command to somebody's real account. Credentials go before profiles, and profiles are what
# recipients change.
_UNSET = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION")


def variables(cloud: LocalCloud, folder: Path) -> dict[str, str]:
    """Give the environment of an operator: where the emulator is, and files of AWS's in this folder."""
    return {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": cloud.server.endpoint,
        "AWS_CONFIG_FILE": str(folder / "aws" / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "aws" / "credentials"),
    }


def lay_out(cloud: LocalCloud, folder: Path, keys: Mapping[str, Credentials]) -> Path:
    """Write all of it, and return the script to source."""
    (folder / "aws").mkdir()
    (folder / "aws" / "config").touch()
    _write_profiles(folder / "aws" / "credentials", {"default": ROOT, **keys})
    (folder / "bin").mkdir()
    _write_pulumi(folder / "bin" / "pulumi", folder / "stack.json")
    pulumi.write_state(cloud, folder / "stack.json")
    script = folder / "env.sh"
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables(cloud, folder).items()]
    path = f"export PATH={shlex.quote(str(folder / 'bin'))}:$PATH"
    script.write_text("\n".join([f"unset {' '.join(_UNSET)}", *exports, path, ""]), encoding="utf-8")
    return script


def _write_profiles(file: Path, keys: Mapping[str, Credentials]) -> None:
    """Let one be the operator, with MiniStack's root credentials, or each of the users: ``--aws-profile NAME``."""
    profiles = configparser.ConfigParser(interpolation=None)
    for name, pair in keys.items():
        profiles[name] = {
            "aws_access_key_id": pair.access_key_id,
            "aws_secret_access_key": pair.secret_access_key,
        }
    file.touch(mode=0o600)
    with file.open("w", encoding="utf-8") as text:
        profiles.write(text)


def _write_pulumi(command: Path, state: Path) -> None:
    call = [sys.executable, "-m", pulumi.__name__, str(state)]
    where = shlex.quote(str(_REPOSITORY))
    command.write_text(f'#!/bin/sh\ncd {where} && exec {shlex.join(call)} "$@"\n', encoding="utf-8")
    command.chmod(0o755)
