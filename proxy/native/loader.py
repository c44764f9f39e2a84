"""Loads compiled modules that were built from the texts of this checkout.

In: the manifest that .build/native.py writes. Out: extension modules in the place of the Python texts of the same names. Never: a compiled
module whose text has changed since; some modules compiled and others not.

A compiler is optional: an installation without the compiled modules is slower (README, performance) and does the same.
``GATE106_PURE=1`` in the environment runs the Python texts.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from hashlib import blake2b
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
BUILT_FOLDER = Path(__file__).with_name("built")


class ExtensionFinder:
    """Finds the extension modules of proxy/native/built (``importlib``'s finder of ``sys.meta_path``)."""

    def __init__(self, modules: frozenset[str]) -> None:
        self.modules = modules

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in self.modules:
            return None
        file = str(_file(name))
        return spec_from_file_location(name, file, loader=ExtensionFileLoader(name, file))


def built_modules() -> tuple[frozenset[str], str]:
    """The names of the compiled modules, if all were built from the texts that lie here; else none, why, and what to do."""
    nothing = frozenset[str]()
    if os.environ.get("GATE106_PURE"):
        return nothing, "GATE106_PURE is set: start without it"
    try:
        manifest = json.loads((BUILT_FOLDER / "manifest.json").read_bytes())
        texts = b"".join((ROOT / text).read_bytes() for text in manifest["texts"])
        digest, modules = manifest["digest"], frozenset(manifest["modules"])
    except (OSError, ValueError, KeyError):
        return nothing, "nothing was compiled at installation: install a C compiler (gcc, libc6-dev), then gate106 again"
    if blake2b(texts, digest_size=16).hexdigest() != digest:
        return nothing, "the source changed after it was compiled: install gate106 again (in a checkout: make install)"
    if not all(_file(name).exists() for name in modules):
        return nothing, "another version of Python compiled it: install gate106 with this one"
    return modules, ""


def _file(module: str) -> Path:
    return BUILT_FOLDER / f"{module}{EXTENSION_SUFFIXES[0]}"


def install() -> str:
    """Takes the compiled modules into use, once, before the first import of one; returns why not, empty if they are in use."""
    modules, why = built_modules()
    if modules:
        sys.meta_path.insert(0, ExtensionFinder(modules))
    else:
        from proxy.native import cython_stand_in  # noqa: PLC0415 # only where the Python texts run

        sys.modules["cython"] = cython_stand_in
    return why


WHY_NOT = install()
"""Why the compiled modules are not in use, and what to do; empty if they are."""
BUILT = not WHY_NOT
"""Whether the compiled modules are in use."""
