"""The zip file that the emulator gets."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pulumi
import pytest

from scripts.local_cloud import archive


def test_own_code_is_the_programs_and_dependencies_are_this_machines(tmp_path: Path) -> None:
    for name, text in {"lambda/library.py": "arm64", "host/library.py": "host", "own.py": "own code"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    declared = pulumi.AssetArchive(
        {
            ".": pulumi.FileArchive(str(tmp_path / "lambda")),
            "functions/own.py": pulumi.FileAsset(str(tmp_path / "own.py")),
        }
    )

    content = archive.zipped(declared, folders={".": tmp_path / "host"})

    with zipfile.ZipFile(io.BytesIO(content)) as package:
        assert {name: package.read(name) for name in package.namelist()} == {
            "library.py": b"host",
            "functions/own.py": b"own code",
        }


def test_what_it_cannot_pack_it_refuses() -> None:
    with pytest.raises(TypeError, match="StringAsset"):
        archive.zipped(pulumi.AssetArchive({"functions/own.py": pulumi.StringAsset("x")}), folders={})
