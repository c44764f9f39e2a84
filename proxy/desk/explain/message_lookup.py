"""Finds the journalled message that an id means.

In: commit groups, an id as a person types it. Out: the messages that may be meant. Never: their verdicts (inquiry.py).

    4711, B1c0ffee      an id of the carrier's, as its answer wrote it, with or without the code in front of it that providers see
    196626              the number of the entry that the message left in its recipient's record
    0:4711              node and place of its verdict in the journal, as ``gate106 find`` prints it
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from proxy.desk.backtest.commit_groups import GateTurn
from proxy.journal.records import answers, messages
from proxy.journal.segment import JournalRecord
from proxy.model.number import about_people
from proxy.relay.message_ids import CODE_OCTETS

PLACE = re.compile(r"([0-9]{1,9}):([0-9]{1,18})")
MEANT_MAX = 20
"""So many are told; more are of no use to anybody."""
EVERY = 64
"""Turns between two moments that are remembered."""
ID_MAX = 1 << 48


@about_people
class Meant(NamedTuple):
    sequence: int  # of the verdict
    entry_id: int  # 0 where it was refused
    recipient: int  # 0 where it could not be read
    about: float  # no later than when it was decided


def meant_by(turns: Iterable[GateTurn], wanted: str) -> list[Meant]:
    """Messages that an id may mean, at most MEANT_MAX; parts of one message are one."""
    match = PLACE.fullmatch(wanted)
    look: Callable[[JournalRecord], Iterator[Meant]] = _At(int(match[2])).look if match is not None else _Called(wanted).look
    found: dict[int, Meant] = {}
    moments: list[tuple[int, float]] = []
    for count, turn in enumerate(turns):
        if count % EVERY == 0:
            moments.append((turn.records[0].sequence, turn.time))
        for item in turn.records:
            for one in look(item):
                found.setdefault(one.entry_id or -one.sequence, one)
        if len(found) > MEANT_MAX:
            break
    return [one._replace(about=_about(moments, one.sequence)) for one in list(found.values())[:MEANT_MAX]]


class _At:
    """The verdict at one place."""

    def __init__(self, sequence: int) -> None:
        self._sequence = sequence

    def look(self, item: JournalRecord) -> Iterator[Meant]:
        if item.sequence == self._sequence and item.kind == messages.VERDICT:
            said = messages.unpack_verdict(item.body)
            yield Meant(item.sequence, said.entry.id if said.entry is not None else 0, said.recipient, 0.0)


class _Called:
    """Whatever is called so by anybody. Octets are looked for first: hardly any record is unpacked."""

    def __init__(self, wanted: str) -> None:
        self._octets = wanted.encode("utf-8", "replace")
        digits = wanted.isascii() and wanted.isdigit() and len(wanted) < 16
        self._number = int(wanted) if digits and int(wanted) < ID_MAX else 0
        self._packed = self._number.to_bytes(6, "big")

    def look(self, item: JournalRecord) -> Iterator[Meant]:
        body = item.body
        if item.kind == messages.VERDICT:
            if self._number and self._packed in body:
                said = messages.unpack_verdict(body)
                if said.entry is not None and said.entry.id == self._number:
                    yield Meant(item.sequence, self._number, said.recipient, 0.0)
        elif item.kind in (messages.ANSWER, messages.ACCEPTED) and self._octets in body:
            for answer in answers.unpack_answers(item):
                told = answer.carrier_id.partition(b"\0")[0]
                if self._octets in (told, told[CODE_OCTETS:]):
                    yield Meant(answer.verdict_sequence, answer.entry_id, answer.recipient, 0.0)


def _about(moments: list[tuple[int, float]], sequence: int) -> float:
    return max([time for first, time in moments if first <= sequence], default=0.0)
