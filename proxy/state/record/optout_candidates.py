"""Finds the messages that an opt-out reply may refer to.

A candidate is the newest entry of a port and a signature that is marketing or declared an opt-out keyword, at most 30 days old.

    on the port replied to        the newest, and each that came up to 10 minutes before it; the one before, if the newest came less
                                  than 2 minutes before the reply; each whose outcome is unknown
    else, of 7 days               all on ports of which one is a prefix of the other; else all of the port's owner

The newest message may never have arrived where its outcome is unknown: then the newest that surely arrived counts as the newest,
too. A port whose digits are not known (state/lists/hash_dictionary.py) counts as a longer port wherever its provider may own such;
where there are only such ports, all ports of the owner are meant beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from proxy.model.message import Category, hash32
from proxy.model.recipient import IN_DOUBT, Entry
from proxy.state.record.record import ENTRIES_MAX

KEPT_S = 30 * 86_400
ELSEWHERE_S = 7 * 86_400
TOGETHER_S = 600
JUST_NOW_S = 120


class Port(NamedTuple):
    """The port that a reply was sent to, without the country code."""

    number: str
    owner: str
    """The provider that owns it; empty if none does."""
    near: frozenset[int]
    """Providers (hash32) that own ports with this prefix."""


class Candidates(NamedTuple):
    """The candidates of a reply."""

    entries: tuple[Entry, ...]  # oldest first
    at_port: bool
    """Whether they were sent from exactly the port replied to."""
    crowded: bool = False
    """Whether the record is full, so that other candidates may have been dropped."""
    asked: frozenset[tuple[int, int, int]] = frozenset()
    """Port, signature and keyword of all messages of 30 days that declared one: the newest may declare another, or none."""


def find_candidates(entries: Sequence[Entry], port: Port, word_of: Callable[[int], str | None], now: float) -> Candidates:
    """Finds the candidates. ``entries``: oldest first. ``word_of``: the port with a hash32, None if it is unknown."""
    month = [one for one in entries if one.time >= now - KEPT_S and is_candidate(one)]
    asked = frozenset((*_key(one), one.keyword) for one in month if one.keyword)
    kept = sorted({_key(one): one for one in month}.values(), key=lambda one: one.time)
    wanted = hash32(port.number)
    here = tuple(one for one in kept if one.port == wanted)
    crowded = len(kept) >= ENTRIES_MAX
    if here:
        return Candidates(here, True, crowded and kept[0].time >= here[-1].time - TOGETHER_S, asked)
    week = {one: _related(one, port, word_of) for one in kept if one.time >= now - ELSEWHERE_S}
    surely = True in week.values()
    # ports that are only possibly related may be unrelated: then all ports of the owner are meant too
    owner = hash32(port.owner) if port.owner and not surely else 0
    return Candidates(
        tuple(one for one, related in week.items() if related is not False or one.provider == owner), False, crowded, asked
    )


def is_candidate(entry: Entry) -> bool:
    """Whether it is marketing, or declared an opt-out keyword."""
    return entry.category == Category.MARKETING or entry.keyword != 0


def _related(entry: Entry, port: Port, word_of: Callable[[int], str | None]) -> bool | None:
    """Whether one of the two ports is a prefix of the other; None: unknown, because the digits are not known."""
    word, number = word_of(entry.port), port.number
    if not number.isdigit():
        return False
    if word is not None:
        return word.isdigit() and (word.startswith(number) or number.startswith(word))
    if any(hash32(number[:size]) == entry.port for size in range(1, len(number))):
        return True
    return None if entry.provider in port.near else False


def likely_candidates(found: Candidates, keyword: int, now: float) -> tuple[Entry, ...]:
    """The entries that the reply may refer to, newest first. ``keyword``: hash16 of a keyword that selects those who declared it, if none
    in its newest message then in an earlier one; 0 for a common keyword."""
    entries = found.entries[::-1]
    chosen = tuple(one for one in entries if keyword and one.keyword == keyword) or tuple(
        one for one in entries if (*_key(one), keyword) in found.asked
    )
    if chosen or not found.at_port:
        return chosen or entries
    arrived = [one for one in entries if one.state not in IN_DOUBT]
    picked = {_key(one) for one in entries if one.state in IN_DOUBT} | _latest(entries, now) | _latest(arrived, now)
    return tuple(one for one in entries if _key(one) in picked)


def _latest(entries: Sequence[Entry], now: float) -> set[tuple[int, int]]:
    """``entries``: newest first."""
    if not entries:
        return set()
    newest = entries[0].time
    before = entries[1:2] if now - newest < JUST_NOW_S else ()
    return {_key(one) for one in entries if newest - one.time <= TOGETHER_S} | {_key(one) for one in before}


def _key(entry: Entry) -> tuple[int, int]:
    return entry.port, entry.signature
