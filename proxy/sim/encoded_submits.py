"""Encodes a mix of texts as pieces that the load generator joins.

A submit is   header · sequence · address · recipient · before · filling · after   where only sequence, recipient and filling change.
Fillings come from tables of 4,096; the number of cards is odd, so every card meets every filling before a text comes again.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import cycle
from typing import NamedTuple

from proxy.model.message import Category
from proxy.sim import pdus
from proxy.sim.texts import FILLERS, HOLE, MIXES, SINGLE_LETTERS, Template, parts

CARDS = 20_001  # about four times the templates of the larger mix
FILLINGS = 4_096
RECIPIENT_OCTETS = 14  # 8613800138000 and its NUL: all recipients are spelt alike, so lengths are known beforehand
_MARK = "\ue000"  # stands for a letter of the filling while a text is cut into parts; private use, so in no text


class Card(NamedTuple):
    """One submit but for its sequence number, recipient and filling."""

    header: bytes  # command_length, command_id, command_status
    address: bytes  # service_type up to the destination's type and plan
    before: bytes
    fillings: list[bytes]  # FILLINGS of equal length
    after: bytes
    fresh: int  # 1 = the next recipient, 0 = another part for the same person
    sms: int  # index of the template, for those who want to know


class DeckPorts(NamedTuple):
    """The ports of one simulated provider, by category."""

    otp: str
    notice: str
    marketing: str

    @classmethod
    def under(cls, prefix: str) -> DeckPorts:
        return cls(prefix + "03", prefix + "02", prefix + "01")

    def of(self, category: Category) -> str:
        return (self.otp, self.notice, self.marketing)[category]


def recipients(numbers: Sequence[int]) -> list[bytes]:
    """Numbers as the deck's submits spell them."""
    return [b"86%d\0" % number for number in numbers]


def deck(
    mix: str, ports: DeckPorts, seed: int = 106, *, long: float | None = None, registered: int = 0, extensions: int = 1
) -> list[Card]:
    """Shuffled cards of a mix (a name of ``texts.MIXES``); parts of a long text follow each other. ``long``: see there; ``registered``: 1
    where each asks for a receipt; ``extensions``: how many ports of each category take turns, where more than one."""
    templates = MIXES[mix](seed, long)
    rng = random.Random(seed * 31 + int(ports.marketing))
    fillings = {kind: [fill(rng).encode("utf-16-be") for _ in range(FILLINGS)] for kind, fill in FILLERS.items()}
    fillings[""] = [b""] * FILLINGS
    cards: list[Card] = []
    behind = [f"{one:0{len(str(extensions))}d}" for one in range(extensions)] if extensions > 1 else [""]
    turn = cycle(behind)
    while len(cards) < CARDS:
        rng.shuffle(templates)
        for template in templates:
            cards += _cards(template, ports.of(template.category) + next(turn), fillings, rng, registered)
    del cards[CARDS:]
    if not cards[-1].fresh or not cards[0].fresh:
        cards[-1] = next(card for card in cards if card.fresh)
    return cards


def _cards(template: Template, port: str, fillings: dict[str, list[bytes]], rng: random.Random, registered: int) -> list[Card]:
    address = pdus.head(port)
    table = fillings[template.varied]
    letters = len(table[0]) // 2
    text = template.text.replace(HOLE, _MARK * letters) if template.varied else template.text
    mark = (_MARK * letters).encode("utf-16-be")
    if len(text) <= SINGLE_LETTERS:
        bodies, esm_class = [text.encode("utf-16-be")], 0
    else:
        bodies, esm_class = parts(text, rng.randint(0, 255)), pdus.UDHI
    cards = []
    for place, body in enumerate(bodies):
        whole = pdus.tail(body, esm_class=esm_class, registered=registered)
        before, found, after = whole.partition(mark) if mark else (whole, b"", b"")
        used = table if found else fillings[""]
        if not found and _MARK.encode("utf-16-be") in whole:  # the hole was cut in two: this text is not varied
            before = whole.replace(_MARK.encode("utf-16-be"), "零".encode("utf-16-be"))
        length = 16 + len(address) + RECIPIENT_OCTETS + len(whole)
        header = pdus.HEADER.pack(length, pdus.SUBMIT_SM, 0, 0)[:12]
        cards.append(Card(header, address, before, used, after, int(place == 0), template.number))
    return cards
