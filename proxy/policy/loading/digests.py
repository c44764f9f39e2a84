"""Fingerprints each part of a rule set, to report changes.

Two sets can be compared when one no longer exists. A digest says nothing of the texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import NamedTuple

from proxy.policy.evaluation_plan import EVERYONE_PPM
from proxy.policy.loading.source import Node
from proxy.policy.recipient_share import percent
from proxy.runtime.yield_point import Rest, in_chunks, no_yield, with_yield_points

SHOWN_MAX = 20
"""Of one sort of change: who changes more reads the folder's history."""
NAME_MAX = 80
"""Characters of a rule's id or a file's name in a change."""


class Contents(NamedTuple):
    rules: Mapping[str, bytes]
    """Digest of each rule as it is written, by id."""
    files: Mapping[str, tuple[bytes, int]]
    """Digest and number of lines of each file, by its name in the folder."""
    enforced: Mapping[str, int] = {}
    """For how many recipients each rule is enforced, in millionths, by id."""


NOTHING = Contents({}, {})


def contents_of(rules: Iterable[tuple[str, Node]], files: Mapping[str, bytes], rest: Rest = no_yield) -> Contents:
    return Contents(
        {name: _digest(json.dumps(_plain(node, rest), sort_keys=True, ensure_ascii=False).encode()) for name, node in rules},
        {name: (_digest(data, rest), data.count(b"\n")) for name, data in files.items()},
    )


def new_rules(before: Contents, after: Contents) -> frozenset[str]:
    """Ids of rules that a set has and another lacks, or has differently."""
    return frozenset(name for name, digest in after.rules.items() if before.rules.get(name) != digest)


def changes(before: Contents, after: Contents) -> tuple[str, ...]:
    """What changed, a line each: ``rule daily-cap: added``, ``rule night: changed, enforced 10% → 25%``,
    ``lists/banned.txt: changed, 100 → 120 lines``; bounded."""
    found = [*_listed("rule ", before.rules, after.rules, lambda name: f"changed{_share(name, before, after)}")]
    found += _listed(
        "", before.files, after.files, lambda name: f"changed, {before.files[name][1]:,} → {after.files[name][1]:,} lines"
    )
    return tuple(found)


def _share(name: str, before: Contents, after: Contents) -> str:
    """How the share of recipients changed for whom a rule is enforced; empty if it has no share, or the same."""
    was, now = before.enforced.get(name, 0), after.enforced.get(name, 0)
    return "" if was == now or {was, now} == {0, EVERYONE_PPM} else f", enforced {percent(was)} → {percent(now)}"


def changed_files(before: Contents, after: Contents) -> list[str]:
    """Names of files that are new or other than they were."""
    return [name for name, digest in after.files.items() if before.files.get(name) != digest]


def _listed(what: str, before: Mapping[str, object], after: Mapping[str, object], how: Callable[[str], str]) -> Iterator[str]:
    sorts = (
        (sorted(after.keys() - before.keys()), lambda name: "added"),
        (sorted(before.keys() - after.keys()), lambda name: "removed"),
        (sorted(name for name in after.keys() & before.keys() if after[name] != before[name]), how),
    )
    for names, values in sorts:
        for name in names[:SHOWN_MAX]:
            yield f"{what}{name[:NAME_MAX]}: {values(name)}"
        if len(names) > SHOWN_MAX:
            more = f"{len(names) - SHOWN_MAX:,} more {values(names[0]).partition(',')[0]}"
            yield f"rule … {more}" if what else f"files … {more}"


def _digest(data: bytes, rest: Rest = no_yield) -> bytes:
    digest = blake2b(digest_size=8)
    for piece in in_chunks(data, rest):
        digest.update(piece)
    return digest.digest()


def _plain(node: Node, rest: Rest) -> object:
    if isinstance(node.value, list):
        return [_plain(item, rest) for item in with_yield_points(node.value, rest)]
    if isinstance(node.value, dict):
        rest()
        return {key: _plain(item, rest) for key, item in node.value.items()}
    return node.value
