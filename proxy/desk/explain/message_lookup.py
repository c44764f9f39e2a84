"""Finds the journalled message that an id means.

In: commit groups, an id as a person types it. Out: the messages that may be meant. Never: their verdicts (message_explanation.py).

    4711, B1c0ffee      an id of the carrier's, as its answer wrote it, with or without the code in front of it that providers see
    196626              the number of the entry that the message left in its recipient's record
    0:4711              node and place of its verdict in the journal, as ``gate106 find`` prints it
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from proxy.desk.backtest.commit_groups import JournalGroup
from proxy.journal.records import answers, messages
from proxy.journal.segment import JournalRecord
from proxy.model.number import masked_repr
from proxy.relay.message_ids import CODE_OCTETS

PLACE = re.compile(r"([0-9]{1,9}):([0-9]{1,18})")
FOUND_MAX = 20
"""At most this many are reported."""
EVERY = 64
"""Groups between two remembered times."""
ID_MAX = 1 << 48


@masked_repr
class FoundMessage(NamedTuple):
    sequence: int  # of the verdict
    entry_id: int  # 0 where it was refused
    recipient: int  # 0 where it could not be read
    about: float  # no later than when it was decided


Matches = Callable[[JournalRecord], Iterator[FoundMessage]]


def find_messages(groups: Iterable[JournalGroup], wanted: str) -> list[FoundMessage]:
    """The messages that an id may mean, at most FOUND_MAX; parts of one message count once."""
    match = PLACE.fullmatch(wanted)
    matches = _by_sequence(int(match[2])) if match is not None else _by_id(wanted)
    found: dict[int, FoundMessage] = {}
    moments: list[tuple[int, float]] = []
    for count, group in enumerate(groups):
        if count % EVERY == 0:
            moments.append((group.records[0].sequence, group.time))
        for item in group.records:
            for one in matches(item):
                found.setdefault(one.entry_id or -one.sequence, one)
        if len(found) > FOUND_MAX:
            break
    return [one._replace(about=_about(moments, one.sequence)) for one in list(found.values())[:FOUND_MAX]]


def _by_sequence(sequence: int) -> Matches:
    """The verdict at one place."""

    def matches(item: JournalRecord) -> Iterator[FoundMessage]:
        if item.sequence == sequence and item.kind == messages.VERDICT:
            submit = messages.unpack_verdict(item.body)
            yield FoundMessage(sequence, submit.entry.id if submit.entry is not None else 0, submit.recipient, 0.0)

    return matches


def _by_id(wanted: str) -> Matches:
    """Messages with this id, of the carrier or the entry. Bytes are searched first: hardly any record is unpacked."""
    octets = wanted.encode("utf-8", "replace")
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 16 and int(wanted) < ID_MAX else 0
    packed = number.to_bytes(6, "big")

    def matches(item: JournalRecord) -> Iterator[FoundMessage]:
        if item.kind == messages.VERDICT:
            if number and packed in item.body:
                submit = messages.unpack_verdict(item.body)
                if submit.entry is not None and submit.entry.id == number:
                    yield FoundMessage(item.sequence, number, submit.recipient, 0.0)
        elif item.kind in (messages.ANSWER, messages.ACCEPTED) and octets in item.body:
            for answer in answers.unpack_answers(item):
                carrier_id = answer.carrier_id.partition(b"\0")[0]
                if octets in (carrier_id, carrier_id[CODE_OCTETS:]):
                    yield FoundMessage(answer.verdict_sequence, answer.entry_id, answer.recipient, 0.0)

    return matches


def _about(moments: list[tuple[int, float]], sequence: int) -> float:
    return max([time for first, time in moments if first <= sequence], default=0.0)
