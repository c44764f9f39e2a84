"""Writes a command's files into a new folder or a ZIP.

Only their owner may read them. Never: something overwritten.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

ZIP = ".zip"


def write_bundle(out: Path, files: Mapping[str, bytes]) -> None:
    """OSError: also where something is there already."""
    if out.suffix == ZIP:
        with _new(out) as file:
            file.write(_zipped(files))
        return
    out.mkdir(mode=0o700)
    for name, data in files.items():
        (out / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _new(out / name) as file:
            file.write(data)


def _new(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _zipped(files: Mapping[str, bytes]) -> bytes:
    import io
    import zipfile

    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in sorted(files.items()):
            made.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return held.getvalue()
