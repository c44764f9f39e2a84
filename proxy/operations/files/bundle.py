"""Writes a command's files into a new folder or a ZIP.

Only their owner may read them. Never: something overwritten.
"""

from collections.abc import Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from proxy.runtime.hardening import create_private_file

ZIP = ".zip"


def write_bundle(out: Path, files: Mapping[str, bytes]) -> None:
    """OSError: also where something is there already."""
    if out.suffix == ZIP:
        with create_private_file(out) as file, ZipFile(file, "w") as made:
            for name, data in sorted(files.items()):
                made.writestr(ZipInfo(name), data, ZIP_DEFLATED)
        return
    out.mkdir(mode=0o700)
    for name, data in files.items():
        (out / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with create_private_file(out / name) as file:
            file.write(data)
