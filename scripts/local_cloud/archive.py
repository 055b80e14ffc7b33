"""Turns a Pulumi archive into the bytes of a zip file, as the real engine would."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pulumi


def zipped(archive: pulumi.AssetArchive, *, folders: dict[str, Path]) -> bytes:
    """Pack an archive; the folders in it are taken from ``folders`` instead, by the name they have in the archive.

    The emulator runs functions on this machine's Python, and so the dependencies must be wheels for this machine: the
    same lock, another platform. The functions' own files are the archive's.

    Raises:
        TypeError: the archive holds something that is neither a file nor a folder.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as package:  # read once, and at once: not worth deflating
        for name, path in _files(archive, folders):
            package.write(path, name)
    return buffer.getvalue()


def _files(archive: pulumi.AssetArchive, folders: dict[str, Path]) -> Iterator[tuple[str, Path]]:
    for name, asset in archive.assets.items():
        if isinstance(asset, pulumi.FileAsset):
            yield name, Path(asset.path)
        elif isinstance(asset, pulumi.FileArchive):
            folder = folders[name]
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    yield str(Path(name) / path.relative_to(folder)), path
        else:
            message = f"cannot pack {name!r}: a {type(asset).__name__}"
            raise TypeError(message)
