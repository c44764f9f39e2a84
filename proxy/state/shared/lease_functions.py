"""Declares leases and portions for Valkey (leases.lua).

In: nothing. Out: Lua source for the library (lua_library.py), arguments of its calls, answers read back. Never: another result than
lease_rules.py and state/counters/limit_portions.py have in Python: tests compare them.

    shares(key of each rate; node, {total, demand, using, back, want} of each)    → "share nodes lent lack" of each
    places(key of each; node, {most, held, one more?} of each)                    → "given held-by-all nodes rank" of each
    portions(key of each counter; node, one word of each, see ``report_word``)    → "taken left room had" of each

A book is one string of numbers: rates and places hold ``node a b until;…``, counters ``width keep|start count;…|node life report
left until;…``. After its nodes a rate's book has ``spare,free,at``. Gates of an older version skip that when they read and omit
it when they write: then nothing is lent.
"""

from __future__ import annotations

from pathlib import Path

from proxy.state.counters.limit_portions import NOBODY, PARTS, PortionReport, PortionState
from proxy.state.shared.lease_rules import FLOOR, LEASE_MS, SPARE_S, LeasedBinds, RateGrant

UNKNOWN_S = 60
"""A counter's key is kept for so long beyond its window, also while the window is not known."""


def lua_source(name: str, **values: float) -> str:
    """The text of a ``.lua`` file of this folder, with numbers in place of names."""
    text = "\n" + Path(__file__).with_name(f"{name}.lua").read_text(encoding="utf-8")
    for word, value in values.items():
        text = text.replace(word, str(value))
    return text


SOURCE = lua_source(
    "leases",
    LEASE_MS=LEASE_MS,
    BOOK_MS=2 * LEASE_MS,
    FLOOR=FLOOR,
    SPARE_S=SPARE_S,
    NOBODY=NOBODY,
    PARTS=PARTS,
    UNKNOWN_S=UNKNOWN_S,
)


def report_word(report: PortionReport) -> str:
    """The argument of a ``portions`` call for one counter."""
    limits = "".join(f"{limit.most} {limit.after_s:.17g};" for limit in report.limits)
    counts = "".join(f"{start} {count};" for start, count in report.taken.items())
    head = f"{report.life} {report.number} {report.back} {report.need} {report.spare} {report.width_s} {report.keep_s}"
    return f"{head}|{limits}|{counts}"


def parse_share(answer: bytes) -> RateGrant:
    share, nodes, lent, lack = answer.split()
    return RateGrant(float(share), int(nodes), float(lent), float(lack))


def parse_place(answer: bytes) -> LeasedBinds:
    given, held, nodes, rank = answer.split()
    return LeasedBinds(given == b"1", int(held), int(nodes), int(rank))


def parse_portion(answer: bytes) -> PortionState:
    return PortionState(*map(int, answer.split()))
