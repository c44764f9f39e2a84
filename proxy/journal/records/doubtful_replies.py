"""Declares doubtful replies and the decisions about them (kinds 52, 53)."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Annotated, NamedTuple

from proxy.journal.encoding import COUNT8, COUNT16, U8, U32, U64, Flag, Ms, Text, pack, pack_string, record, text_form, unpack
from proxy.journal.records.messages import DECISION, DOUBTFUL
from proxy.model.number import masked_repr
from proxy.model.recipient import HOLD_S, OptOut

TEXT_CHARACTERS_MAX = 300
"""Of a reply that are kept here: a longer one is whole in the record of its deliver."""
DECIDED_IDS_MAX = 2_000
"""Replies of one decision record, 8 bytes each: a row of more replies is decided by several records."""
LISTED_MAX = 100_000
"""Replies on the list, including those decided in the last 30 days: some 130 MB. Beyond it a reply is in force and in the journal, but not
on the list until others leave it."""
ShortText = Annotated[str, text_form(pack_string, f"[:{TEXT_CHARACTERS_MAX}]")]


class ReplyContext(NamedTuple):
    """The newest message that the reply may answer; zeros where there was none."""

    category: U8
    signature: U64  # hash48
    template: U32  # fingerprint of the text without its digits

    @property
    def known(self) -> bool:
        return self != NO_CONTEXT


NO_CONTEXT = ReplyContext(0, 0, 0)


@record(DOUBTFUL, order="time recipient context #held source port provider text answered held")
@masked_repr
class Doubtful(NamedTuple):
    """A reply that may be a refusal, and the refusals held until a decision."""

    time: Ms
    recipient: U64
    source: Text  # the person's number as the carrier spells it
    port: Text
    provider: Text  # owner of the port, empty if it has none
    text: ShortText  # as it was read; empty where it cannot be read
    context: ReplyContext
    held: Annotated[tuple[OptOut, ...], COUNT8]  # refusals put into the record for the time being; their source is ``doubtful``
    answered: ShortText = ""  # the text of the newest message, as far as it is known

    @property
    def until(self) -> float:
        """When it is decided by time alone."""
        return self.time + HOLD_S


@record(DECISION)
class DoubtDecision(NamedTuple):
    """What an officer decided about one row of doubtful replies."""

    time: Ms
    who: Text
    why: Text
    yes: Flag  # it asked to stop
    standing: Flag  # replies like these that come later are decided so, too
    row: U64  # name of the row: equal words in an equal context
    words: ShortText  # an example of the replies, without anybody's whole number
    context: ReplyContext
    port: Text  # of the example
    ids: Annotated[tuple[U64, ...], COUNT16]  # of the replies (``id_of``); none: the standing decision of this row ends


def id_of(body: bytes) -> int:
    """The number of a doubtful reply, the same at every gate: 63 bits of its record."""
    return int.from_bytes(blake2b(body, digest_size=8).digest(), "big") >> 1 or 1


def replies_of(replies: Mapping[int, bytes], recipient: int) -> set[int]:
    """Numbers of a person's replies among packed ones."""
    wanted = recipient.to_bytes(8, "big")
    return {number for number, body in replies.items() if body[8:16] == wanted}


def without_words(decisions: Mapping[int, bytes], replies: Mapping[int, bytes], gone: set[int]) -> dict[int, bytes]:
    """Decisions whose example text the erased person alone wrote, without that text."""
    found = {}
    for number, body in decisions.items():
        decision = unpack(DoubtDecision, body)
        if not gone.isdisjoint(decision.ids) and not any(one in replies and one not in gone for one in decision.ids):
            found[number] = pack(decision._replace(words=""))
    return found
