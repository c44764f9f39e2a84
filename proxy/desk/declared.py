"""Finds what the features declare: operations, and commands of the command line.

In: the modules ``operations``, ``command``, ``*_operations`` and ``*_command`` of each feature. Out: their declarations. Never: how an
operation is carried out.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from proxy.operations.declaration import Operations, OwnCommand

_FOLDER = Path(__file__).parent


def folders() -> list[str]:
    """Of the features."""
    return [one.name for one in pkgutil.iter_modules([str(_FOLDER)]) if one.ispkg]


def declared_in(features: Iterable[str]) -> Iterator[type[Operations] | OwnCommand]:
    """What modules of these features declare, in the order of their text."""
    for feature in features:
        for module in pkgutil.iter_modules([str(_FOLDER / feature)]):
            if module.name.rpartition("_")[2] in ("operations", "command"):
                yield from _declared(f"proxy.desk.{feature}.{module.name}")


def _declared(name: str) -> Iterator[type[Operations] | OwnCommand]:
    for one in list(vars(importlib.import_module(name)).values()):
        if getattr(one, "__module__", "") != name:
            continue
        if isinstance(one, type) and issubclass(one, Operations):
            yield one
        elif isinstance(found := getattr(one, "declared", None), OwnCommand):
            yield found
