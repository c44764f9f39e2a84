"""Replaces marked functions by their compiled versions where they were built.

In: a Python function. Out: its compiled version (accelerated.pyx and the .pxi files beside it), or the function itself. Never: a
difference in results; only the speed differs. The tests run over both.

A compiler is optional: an installation without the compiled module is slower (README, performance) and does the same.
``GATE106_PURE=1`` in the environment switches the compiled versions off.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])
PURE: dict[str, Callable[..., Any]] = {}
"""The Python versions, by the names of their compiled versions."""


def _built() -> ModuleType | None:
    if os.environ.get("GATE106_PURE"):
        return None
    try:
        module = import_module("proxy.native.accelerated")
    except ImportError:
        return None
    here = Path(__file__).parent
    with suppress(OSError):
        texts = (here / "accelerated.pyx", *sorted(here.glob("*/*.pxi")))
        if blake2b(b"".join(text.read_bytes() for text in texts), digest_size=8).hexdigest() != module.SOURCE:
            return None  # compiled from another version of the source files
    return module


def compiled(name: str) -> Callable[[Function], Function]:
    """Replaces a function by its compiled version of this name where that was built."""

    def choose(function: Function) -> Function:
        PURE[name] = function
        return cast("Function", getattr(_MODULE, name, function))

    return choose


_MODULE = _built()
BUILT = _MODULE is not None
"""Whether the compiled versions are in use."""
