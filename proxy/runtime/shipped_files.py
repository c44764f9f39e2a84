"""Finds data files that are shipped with the package.

They lie beside the package in a checkout, inside it in an installation; never below the working directory.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped(name: str) -> Path:
    """The folder ``name`` (``rules``): beside the package in a checkout, inside it where a wheel put it (see pyproject.toml)."""
    installed = _PACKAGE / "_shipped" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
