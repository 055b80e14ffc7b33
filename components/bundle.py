"""The archive that Lambda runs: the functions' own code, and the dependencies that their lock names.

The code goes in file by file, so that no ``__pycache__`` ships. The dependencies are installed as wheels into
``build/bundles/``, on first need, and kept until the lock changes. What an installer writes about itself is left out:
an unchanged tree makes an archive with an unchanged hash, and Pulumi sees nothing to update. boto3 is not in it, for
Lambda's runtime brings it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pulumi
import uv

Architecture = Literal["arm64", "x86_64"]

LAMBDA_PYTHON = "3.13"

_REPOSITORY = Path(__file__).resolve().parent.parent
_FUNCTIONS = _REPOSITORY / "functions"
_TEMPLATES = _FUNCTIONS / "mail" / "templates"
_LOCK = _FUNCTIONS / "requirements.txt"
_BUNDLES = _REPOSITORY / "build" / "bundles"

# Commands nobody runs in Lambda, and an installer's notes: they hold paths, times and hashes of this machine. Licences
# and metadata stay.
_LEFT_OUT = (
    "bin",
    ".lock",
    "**/__pycache__",
    "*.dist-info/INSTALLER",
    "*.dist-info/RECORD",
    "*.dist-info/REQUESTED",
    "*.dist-info/direct_url.json",
    "*.dist-info/uv_cache.json",
)


class BundleFailed(pulumi.RunError):
    """The dependencies could not be installed; the message says why and what to do. Pulumi shows it without a trace."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What wheels are built for: a name for the folder, and the options that say the same to uv."""

    name: str
    options: tuple[str, ...]

    @classmethod
    def lambda_runtime(cls, architecture: Architecture) -> Target:
        """Stand for Lambda's Python: Amazon Linux 2023, whose C library is glibc 2.34."""
        machine = "aarch64" if architecture == "arm64" else "x86_64"
        platform = f"{machine}-manylinux_2_34"
        return cls(
            name=f"{platform}-{LAMBDA_PYTHON}",
            options=("--python-platform", platform, "--python-version", LAMBDA_PYTHON),
        )

    @classmethod
    def host(cls) -> Target:
        """Stand for the running interpreter on this machine: what the embedded cloud runs functions with."""
        return cls(name=f"{sysconfig.get_platform()}-{sysconfig.get_python_version()}", options=())


def lambda_code(target: Target, templates: Path | None = None) -> pulumi.AssetArchive:
    """Make the functions' archive; its entry ``.`` is the dependencies, every other entry a file of the functions.

    Args:
        target: what the dependencies are built for.
        templates: a folder whose files take the places of the built-in mail templates of the same name.
    """
    own = [*_FUNCTIONS.rglob("*.py"), *_TEMPLATES.glob("*")]
    files = {path.relative_to(_REPOSITORY).as_posix(): path for path in own if path.is_file()}
    if templates:
        place = _TEMPLATES.relative_to(_REPOSITORY)
        files |= {(place / path.name).as_posix(): path for path in templates.iterdir()}
    entries: dict[str, pulumi.Asset | pulumi.Archive] = {".": pulumi.FileArchive(str(dependencies(target)))}
    for name in sorted(files):
        entries[name] = pulumi.FileAsset(str(files[name]))
    return pulumi.AssetArchive(entries)


def dependencies(target: Target, bundles: Path = _BUNDLES) -> Path:
    """Give the folder with the locked dependencies, installing them if this lock has not been installed before.

    Raises:
        BundleFailed: they could not be fetched, or their hashes are not those of the lock.
    """
    identity = hashlib.sha256(_LOCK.read_bytes() + repr((target, _LEFT_OUT)).encode()).hexdigest()[:16]
    folder = bundles / f"{target.name}-{identity}"
    if not folder.exists():
        bundles.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=bundles, prefix="unfinished-") as unfinished:
            built = Path(unfinished) / "bundle"
            _install(target, built)
            _leave_out(built)
            _move(built, folder)
    return folder


def _install(target: Target, folder: Path) -> None:
    command = [
        *(uv.find_uv_bin(), "pip", "install", "--quiet", "--requirements", str(_LOCK), "--target", str(folder)),
        # Wheels alone, exactly those of the lock: no code of theirs runs on this machine.
        *("--require-hashes", "--no-deps", "--only-binary", ":all:"),
        *("--link-mode", "copy", "--no-compile-bytecode", "--python", sys.executable),
        *target.options,
    ]
    # The command is the project's own; nothing of it comes from outside.
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if outcome.returncode != 0:
        raise BundleFailed(
            f"The functions' dependencies for {target.name} could not be installed from functions/requirements.txt:\n"
            f"{outcome.stderr.strip()}\n"
            "Check that this machine reaches its Python package index (UV_DEFAULT_INDEX names another), and try again.",
        )


def _leave_out(folder: Path) -> None:
    for pattern in _LEFT_OUT:
        for path in list(folder.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _move(built: Path, folder: Path) -> None:
    try:
        built.rename(folder)
    except OSError:
        # Another process has built the same bundle meanwhile: the lock pins it, so theirs is as good.
        if not folder.exists():
            raise
