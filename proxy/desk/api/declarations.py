"""Finds what the features declare: operations, and commands of the command line.

A feature's modules are ``operations``, ``command``, ``*_operations`` and ``*_command``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from types import ModuleType

from proxy.operations.declaration import Operations, OwnCommand

_FOLDER = Path(__file__).parent.parent


def folders() -> list[str]:
    """Of the features."""
    return [one.name for one in pkgutil.iter_modules([str(_FOLDER)]) if one.ispkg]


def declared_in(features: Iterable[str]) -> Iterator[type[Operations] | OwnCommand]:
    """What modules of these features declare, in the order of their text."""
    for feature in features:
        yield from declared_by(importlib.import_module(f"proxy.desk.{feature}"), ("operations", "command"))


def declared_by(package: ModuleType, ends: Collection[str] = ()) -> Iterator[type[Operations] | OwnCommand]:
    """What the modules of a package declare. ``ends``: only those whose last word it is; empty: all."""
    for module in pkgutil.iter_modules(package.__path__):
        if not ends or module.name.rpartition("_")[2] in ends:
            yield from _declared(f"{package.__name__}.{module.name}")


def _declared(name: str) -> Iterator[type[Operations] | OwnCommand]:
    for one in list(vars(importlib.import_module(name)).values()):
        if getattr(one, "__module__", "") != name:
            continue
        if isinstance(one, type) and issubclass(one, Operations):
            yield one
        elif isinstance(found := getattr(one, "declared", None), OwnCommand):
            yield found
