"""Encodes doubtful replies and the decisions about them (kinds 52, 53).

In: replies that may be a refusal, what an officer decided. Out: bodies and values. Never: files, a clock, how a decision changes a
recipient's record. A kind's layout never changes: a new layout is a new kind.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple

from proxy.journal import encoding as values
from proxy.journal.encoding import BodyReader, pack_string, read_refusal
from proxy.model.number import masked_repr
from proxy.model.recipient import HOLD_S, OptOut

TEXT_CHARACTERS_MAX = 300
"""Of a reply that are kept here: a longer one is whole in the record of its deliver."""
DECIDED_IDS_MAX = 2_000
"""Replies of one decision record, 8 bytes each: a row of more replies is decided by several records."""
LISTED_MAX = 100_000
"""Replies on the list, including those decided in the last 30 days: some 130 MB. Beyond it a reply is in force and in the journal, but not
on the list until others leave it."""

_DOUBTFUL = struct.Struct(">QQBQIB")  # time in ms, recipient, category, signature, template, refusals
_DECISION = struct.Struct(">QBBQBQIH")  # time in ms, yes, standing, row, category, signature, template, replies
_ID = struct.Struct(">Q")


class ReplyContext(NamedTuple):
    """The newest message that the reply may answer; zeros where there was none."""

    category: int
    signature: int  # hash48
    template: int  # fingerprint of the text without its digits

    @property
    def known(self) -> bool:
        return self != NO_CONTEXT


NO_CONTEXT = ReplyContext(0, 0, 0)


@masked_repr
class Doubtful(NamedTuple):
    """A reply that may be a refusal, and the refusals held until a decision."""

    time: float
    recipient: int
    source: str  # the person's number as the carrier spells it
    port: str
    provider: str  # owner of the port, empty if it has none
    text: str  # as it was read; empty where it cannot be read
    context: ReplyContext
    held: tuple[OptOut, ...]  # refusals put into the record for the time being; their source is ``doubtful``
    answered: str = ""  # the text of the newest message, as far as it is known

    @property
    def until(self) -> float:
        """When it is decided by time alone."""
        return self.time + HOLD_S


class DoubtDecision(NamedTuple):
    """What an officer decided about one row of doubtful replies."""

    time: float
    who: str
    why: str
    yes: bool  # it asked to stop
    standing: bool  # replies like these that come later are decided so, too
    row: int  # name of the row: equal words in an equal context
    words: str  # an example of the replies, without anybody's whole number
    context: ReplyContext
    port: str  # of the example
    ids: tuple[int, ...]  # of the replies (``id_of``); none: the standing decision of this row ends


def pack_doubtful(one: Doubtful) -> bytes:
    context = one.context
    fixed = _DOUBTFUL.pack(
        int(one.time * 1000), one.recipient, context.category, context.signature, context.template, len(one.held)
    )
    words = (one.source, one.port, one.provider, one.text[:TEXT_CHARACTERS_MAX], one.answered[:TEXT_CHARACTERS_MAX])
    return b"".join((fixed, *map(pack_string, words), *map(values.pack_refusal, one.held)))


def unpack_doubtful(body: bytes) -> Doubtful:
    reader = BodyReader(body)
    time_ms, recipient, category, signature, template, count = reader.take(_DOUBTFUL)
    source, port, provider, text, answered = (reader.string() for _ in range(5))
    held = tuple(read_refusal(reader) for _ in range(count))
    context = ReplyContext(category, signature, template)
    return Doubtful(time_ms / 1000, recipient, source, port, provider, text, context, held, answered)


def id_of(body: bytes) -> int:
    """The number of a doubtful reply, the same at every gate: 63 bits of its record."""
    return int.from_bytes(blake2b(body, digest_size=8).digest(), "big") >> 1 or 1


def pack_decision(one: DoubtDecision) -> bytes:
    context = one.context
    fixed = _DECISION.pack(
        int(one.time * 1000), one.yes, one.standing, one.row, context.category, context.signature, context.template, len(one.ids)
    )  # fmt: skip
    words = (one.who, one.why, one.words[:TEXT_CHARACTERS_MAX], one.port)
    return b"".join((fixed, *map(pack_string, words), *map(_ID.pack, one.ids)))


def unpack_decision(body: bytes) -> DoubtDecision:
    reader = BodyReader(body)
    time_ms, yes, standing, row, category, signature, template, count = reader.take(_DECISION)
    who, why, words, port = (reader.string() for _ in range(4))
    ids = tuple(reader.take(_ID)[0] for _ in range(count))
    context = ReplyContext(category, signature, template)
    return DoubtDecision(time_ms / 1000, who, why, bool(yes), bool(standing), row, words, context, port, ids)


def replies_of(replies: Mapping[int, bytes], recipient: int) -> set[int]:
    """Numbers of a person's replies among packed ones."""
    wanted = recipient.to_bytes(8, "big")
    return {number for number, body in replies.items() if body[8:16] == wanted}


def without_words(decisions: Mapping[int, bytes], replies: Mapping[int, bytes], gone: set[int]) -> dict[int, bytes]:
    """Decisions whose example text the erased person alone wrote, without that text."""
    found = {}
    for number, body in decisions.items():
        decision = unpack_decision(body)
        if not gone.isdisjoint(decision.ids) and not any(one in replies and one not in gone for one in decision.ids):
            found[number] = pack_decision(decision._replace(words=""))
    return found
