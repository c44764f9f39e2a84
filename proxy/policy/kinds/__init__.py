"""The conditions of ``when``.

One that compares a field of the message with words is an entry in fields.py. Each other is a file, whose name is the word in YAML.

The module of a condition has

    condition(node, context) -> Tree    reads the YAML below the key; raises RuleFault
    IN_RECORD                           what a person's record keeps of it, for caps that count the past:
                                        "category" | "subcategory" | "signature" | "provider"   kept with every entry
                                        "person"   the same for all messages of one person
                                        "time"     says when the rule applies, not what it counts
                                        ""         not kept: a cap over it is an error
    HINT                                (optional, with IN_RECORD "") what to write instead
    MEND                                what would have to change for a rule that asks it to pass a message, in words for
                                        people; empty where nothing should: explain and precheck say it
    CHINESE                             what the word means, for the guide and for editors
    SHAPE                               what may stand below the key, for editors (policy/loading/schema_parts.py)

A new condition is a new file, or a new entry: the package's own listing is the registration; a name from YAML is never imported.

The first paragraph of a condition's docstring describes it in the JSON Schema for editors.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import Tree
from proxy.policy.loading.schema_parts import Shape
from proxy.policy.loading.source import Node
from proxy.policy.registries.regions import Regions
from proxy.policy.registries.registry import Registry
from proxy.runtime.yield_point import Rest, no_yield


class NumberList(NamedTuple):
    """People named in a file of the folder."""

    name: str
    numbers: Container[int]
    """A frozenset, or a BitMap64 when it is big."""
    scope: str  # what being on it suppresses: "" (nothing), global, or a scope with a value
    value: str


@dataclass(frozen=True, slots=True)
class KindContext:
    """What a word may look at while rules are read."""

    regions: Regions
    registry: Registry
    lists: Mapping[str, NumberList]
    word_file: Callable[[Node, str, Node | None], list[str]]
    """Reads words from a file inside the folder; the second Node names groups of a YAML file."""
    rest: Rest = no_yield


Condition = Callable[[Node, KindContext], Tree]


class Kind(NamedTuple):
    word: str
    condition: Condition
    in_record: str
    hint: str
    about: Bilingual
    """What the condition means: the first paragraph of its module's docstring, and the same in Chinese."""
    shape: Shape
    mend: Bilingual


@lru_cache(maxsize=1)
def when_kinds() -> Mapping[str, Kind]:
    """All words of ``when``, by name."""
    kinds: dict[str, Kind] = {}
    for module in pkgutil.iter_modules(__path__):
        found = importlib.import_module(f"{__name__}.{module.name}")
        if module.name == "fields":
            kinds |= {kind.word: kind for kind in found.KINDS}
            continue
        text = " ".join((found.__doc__ or "").partition("\n\n")[0].replace("``", "").split())
        about = Bilingual(f"{module.name}: {text}", found.CHINESE)
        kinds[module.name] = Kind(
            module.name, found.condition, found.IN_RECORD, getattr(found, "HINT", ""), about, found.SHAPE, found.MEND
        )
    return dict(sorted(kinds.items()))
