"""Takes one person out of closed segments; records each erasure.

In: a segment's bytes, the keys, a person. Out: the segment's bytes without that person, and which groups changed; ERASURE bodies and back
(kind 39); redactions without an ERASURE record. Never: a file; what a person refused, agreed to or was told: a gate rebuilt from its
journal without those records would send to that person again.

The hash chain forbids rewriting records, and one key per person would need one cipher per message. So a redacted group keeps the digest it
was written with, and a second digest covers its present bytes (segment.py). Each record about the person becomes an empty ERASED record
(kind 38); all other records of the group stay byte for byte. Records that rest on an erased verdict and quote its text go, too. An ERASURE
record names each changed group by both digests and is signed with the key of the daily heads. It is written and synced before the new
segment replaces the old one. So altering a group in the name of an erasure needs that key and leaves a record.

    erase → write beside, sync → append an Erasure → sync → replace the old segment

After a kill in between, the record and the old segment both exist. The next run erases again, with other digests.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, NamedTuple

from proxy.journal.encoding import COUNT16, U64, Ms, Text, octets, pack, record, unpack
from proxy.journal.records import answers, delivers, messages, unreadable_submits
from proxy.journal.records.doubtful_replies import DoubtDecision, id_of
from proxy.journal.records.gate_events import ReplicatedRecord
from proxy.journal.sealing import KeyRing, Sealer
from proxy.journal.segment import (
    GROUP_BYTES,
    HEADER_BYTES,
    REDACTED,
    CommitGroup,
    JournalRecord,
    groups,
    pack_header,
    pack_record,
    redaction_record,
    seal_group,
    unpack_header,
)
from proxy.model.number import NotARecipient, masked_repr, recipient_of

KEPT_KINDS = frozenset({
    messages.OPTOUT, messages.RESTORED, messages.SAID, messages.SUPPRESSED, messages.LISTING, messages.LISTED, messages.LISTING_DONE,
    messages.CONSENT_FILE, messages.CONSENTS, messages.CONSENT_EVENT, messages.PERSON, messages.TOLD, messages.CASED, messages.OPERATED,
    messages.CONSENT_REPLY, messages.RECYCLING, messages.ERASURE_REQUESTED,
})  # fmt: skip
"""What people refused, agreed to and complained of, what the desk entered of it, and who looked at whom: the law asks for these for
themselves."""
_DEPENDENT_KINDS = frozenset((messages.EVIDENCE, messages.REVIEW))
"""What rests on a verdict and names it by its sequence alone."""
_VERDICT_BODY = bytes([messages.VERDICT])
CHANGES_MAX = 200
"""Of one record: some 14 KB."""

_U64 = struct.Struct(">Q")
_CHANGE = struct.Struct(">Q32s32s")
_SIGNED = b"gate106 erasure\n"


_Digest = Annotated[bytes, octets(32)]


class RedactedGroup(NamedTuple):
    """A group that was redacted."""

    last: U64  # its last record
    before: _Digest  # of what stood there, in the chain
    now: _Digest  # of what stands there


@masked_repr
class RedactedSegment(NamedTuple):
    """A segment without a person."""

    data: bytes
    changes: tuple[RedactedGroup, ...]
    records: int  # that were taken out, or a part of them


@record(messages.ERASED)
class Erased(NamedTuple):
    """A record that was taken out."""


@record(messages.ERASURE)
class Erasure(NamedTuple):
    """A person was erased from a segment."""

    time: Ms
    person: U64  # the keyed hash (archive/secret_keys.py): no number
    first: U64  # record of the segment
    changes: Annotated[tuple[RedactedGroup, ...], COUNT16]
    signature: Annotated[bytes, octets(64)]
    who: Text
    why: Text


def erase(data: bytes, ring: KeyRing, person: int, gone: set[int] | None = None) -> RedactedSegment | None:
    """None where nothing of a segment is about the person. ``gone``: verdicts that were erased, now or ever, in this segment and those before
    it, and numbers of doubtful replies that were. Raises SegmentFault where it is not as it was written, or its key is missing."""
    header = unpack_header(data)
    sealer = ring.sealer(header.identity) if header.sealed else None
    about = _PersonFilter(person, set() if gone is None else gone)
    pieces = [pack_header(header if header.redacted else header._replace(form=header.form + REDACTED))]
    changes, taken = list[RedactedGroup](), 0
    end, chain = HEADER_BYTES, header.previous
    for group in groups(data, header, ring):
        left = [about.without(record) for record in group.records]
        if count := sum(one is not record for one, record in zip(left, group.records, strict=True)):
            closing = data[group.end - GROUP_BYTES : group.end]
            content = _content(left, group, chain, sealer)
            mark, now = redaction_record(group, content, closing, quartered=header.quartered)
            pieces += (content, mark, closing)
            changes.append(RedactedGroup(group.last, group.digest, now))
        else:
            pieces.append(data[group.start : group.end])
        taken, end, chain = taken + count, group.end, group.digest
    if not changes:
        return None
    return RedactedSegment(b"".join([*pieces, data[end:]]), tuple(changes), taken)


def _content(records: Sequence[JournalRecord], group: CommitGroup, chain: bytes, sealer: Sealer | None) -> bytes:
    packed = b"".join([pack_record(*record) for record in records])
    return packed if sealer is None else seal_group(sealer, chain, packed, group.last, group.held, group.synced, group.time_ms)


class _PersonFilter:
    """What a record is without a person."""

    def __init__(self, person: int, gone: set[int]) -> None:
        self._person, self._verdicts = person, gone
        self._number, self._digits = _U64.pack(person), str(person).encode()

    def without(self, record: JournalRecord) -> JournalRecord:
        """The record itself where it is not about them."""
        kind, body = record.kind, record.body
        if kind == messages.VERDICT:
            return self._verdict(record)
        if kind in _DEPENDENT_KINDS:  # the text of a message goes with its verdict
            return self._erased_record(record) if _U64.unpack_from(body, 8)[0] in self._verdicts else record
        if kind == messages.ERASED and body == _VERDICT_BODY:
            self._verdicts.add(record.sequence)
        if kind == messages.HEARD:  # another gate's record, whole
            replicated = unpack(ReplicatedRecord, body)
            kind, body = replicated.kind, replicated.body
        if kind == messages.DOUBTFUL and body[8:16] == self._number:
            self._verdicts.add(id_of(body))
        if kind == messages.DECISION:
            return self._decision(record, body)
        if kind in KEPT_KINDS or (self._number not in body and self._digits not in body):
            return record
        if kind == messages.ACCEPTED:  # of a whole turn
            left = answers.accepted_without(body, self._person)
            return record if left is body else record._replace(body=left) if left else self._erased_record(record)
        return self._erased_record(record) if self._concerns(kind, body) else record

    def _verdict(self, record: JournalRecord) -> JournalRecord:
        body = record.body
        if self._number not in body and not unreadable_submits.names_nobody(body):
            return record
        if self._person not in unreadable_submits.recipients_of_verdict(body):
            return record
        self._verdicts.add(record.sequence)
        return self._erased_record(record)

    def _decision(self, record: JournalRecord, body: bytes) -> JournalRecord:
        """The record without an example text that the erased person alone wrote."""
        decision = unpack(DoubtDecision, body)
        if not decision.ids or not decision.words or not self._verdicts.issuperset(decision.ids):
            return record
        without = pack(decision._replace(words=""))
        if record.kind == messages.HEARD:
            without = pack(unpack(ReplicatedRecord, record.body)._replace(body=without))
        return record._replace(body=without)

    def _concerns(self, kind: int, body: bytes) -> bool:
        """Whether a record is about the person; a mention in another person's text does not count."""
        if kind == messages.DELIVER:
            try:
                return recipient_of(unpack(delivers.DeliverRecord, body).source) == self._person
            except NotARecipient:
                return False
        return self._number in body or kind == messages.ASKED

    @staticmethod
    def _erased_record(record: JournalRecord) -> JournalRecord:
        return record._replace(kind=messages.ERASED, body=bytes([record.kind]))


# -- the record


def signed_bytes(identity: bytes, first: int, changes: Iterable[RedactedGroup]) -> bytes:
    """The bytes of an erasure that are signed."""
    return _SIGNED + identity + _U64.pack(first) + b"".join([_CHANGE.pack(*change) for change in changes])


def in_batches(changes: Sequence[RedactedGroup]) -> Iterator[Sequence[RedactedGroup]]:
    """Splits changes into lists that fit into one record."""
    for at in range(0, len(changes), CHANGES_MAX):
        yield changes[at : at + CHANGES_MAX]


def unfinished(redactions: Iterable[tuple[int, bytes, bytes]], erasures: Iterable[Erasure], first: int) -> list[Erasure]:
    """Erasures of which a journal that begins with record ``first`` has the record, and not the segment that was altered."""
    present = {last: now for last, _, now in redactions}
    lacking: dict[int, list[Erasure]] = {}
    for one in erasures:
        for change in one.changes:
            if change.last >= first:
                lacking.setdefault(change.last, []).append(one)
                if change.now == present.get(change.last):  # it includes those before it
                    lacking[change.last].clear()
    return list(dict.fromkeys(one for ones in lacking.values() for one in ones))


def unexplained_redaction(
    redactions: Iterable[tuple[int, bytes, bytes]], erasures: Iterable[Erasure], is_signed: Callable[[Erasure], bool]
) -> str:
    """The first redaction without an ERASURE record of a good signature, in words; empty if every redaction has one."""
    known = {change for one in erasures if is_signed(one) for change in one.changes}
    for last, before, now in redactions:
        if RedactedGroup(last, before, now) not in known:
            return f"the group that ends with record {last} was altered: it says that something was erased, and no record of that does"
    return ""
