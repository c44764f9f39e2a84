"""Translates message ids between carriers and providers, both ways.

In: ids as carriers' answers and receipts write them. Out: the id that providers see in both; the carrier's own id for one that a provider
queries. Never: a table of all messages (the provider's id is computed from the carrier's), sockets, the clock.

**message_ids**  ``carrier``: the id of the carrier's answer, byte for byte. ``coded``: two characters, the carrier's code, then that
id: ``B1`` + ``4711``. Where that would pass 64 octets (SMPP 3.4 §5.2.23) a short form stands instead, see ``coded``.

**receipt_id**  how a carrier's *receipts* write the id that its *answers* gave:
    same  alike, byte for byte
    dec   answers in hexadecimal, receipts in decimal: receipts are turned into hexadecimal
    hex   answers in decimal, receipts in hexadecimal (either case, with or without 0x): receipts are turned into decimal
Leading zeros and capitals are lost on that way and put back as the answers write them: ``receipt_id_width`` digits at least, or, if
it is not set, as many as answers that begin with 0 have; capitals if answers had them. That is learnt from answers, journalled
when it changes, and carried on past every checkpoint (``carry``). What is no number passes as it is.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple, Protocol

from proxy.journal.encoding import pack
from proxy.journal.records import gate_events, messages
from proxy.journal.write_ahead_log import Journal, JournalDown
from proxy.relay.effects.record_changes import RecordChange
from proxy.wire.receipt_ids import ReceiptIds
from proxy.wire.tables import MESSAGE_ID_MAX as ID_OCTETS_MAX

CODE_OCTETS = 2
DIGESTS_MAX = 1000
"""Ids of a carrier remembered by their digest: only what is asked about such a message needs them, receipts never do."""
_SHORT, _DIGEST = b"~", b"~~"
"""What begins so after the code is a short form; a carrier's own id that begins so gets one, too."""
_OF_IDS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_."
_SHORTER = _OF_IDS + b"!$*()+=@/?^{}[]|"
"""Behind a 1, 64 letters of the first are at most 61 of the second: 2 * 65 ** 64 < 81 ** 61."""
_BASES = {"dec": (10, 16), "hex": (16, 10)}  # of receipts, of answers
_NUMBERS = {10: re.compile(rb"[0-9]{1,64}"), 16: re.compile(rb"(?:0[xX])?[0-9A-Fa-f]{1,64}")}


class IdFormat(Protocol):
    """A carrier's settings about message ids."""

    @property
    def name(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def receipt_id(self) -> str: ...
    @property
    def receipt_id_width(self) -> int: ...


# --------------------------------------------------------------------------------------------------------- coded, and back


def coded(code: bytes, own: bytes) -> bytes:
    """The id a provider sees. ``code + own`` where that fits; else ``code~`` and the id written with more letters (reversible: for
    ids of letters, digits, ``-_.``); else ``code~~`` and a digest of 160 bits. Each is worked out from the id alone."""
    if len(own) <= ID_OCTETS_MAX - CODE_OCTETS and not own.startswith(_SHORT):
        return code + own
    if len(own) <= ID_OCTETS_MAX and not own.translate(None, _OF_IDS):
        return code + _SHORT + _shortened(own)
    return code + _digested(own)


def allowed(own: bytes) -> bytes:
    """The id itself; an alias where SMPP has no room for it, worked out from it alone."""
    return own if len(own) <= ID_OCTETS_MAX else _digested(own)


def allowed_receipt(data: bytes) -> bytes:
    """A receipt (whole PDU, read before by read_deliver) naming ids as ``allowed`` has them. ReceiptBatch does without it where the
    text begins with an id that is not too long."""
    receipt = ReceiptIds(data)
    text_id, tlv_id = receipt.text_id, receipt.tlv_id
    if text_id is not None and len(text_id) <= ID_OCTETS_MAX:
        return data
    return receipt.naming(*[one and allowed(one) for one in (text_id, tlv_id)])


def _digested(own: bytes) -> bytes:
    return _DIGEST + blake2b(own, digest_size=20).hexdigest().encode()


def decoded(shown_id: bytes) -> bytes | None:
    """The carrier's own id in what ``coded`` made; None for a digest, or for what it never makes."""
    code, own = shown_id[:CODE_OCTETS], shown_id[CODE_OCTETS:]
    if len(shown_id) > ID_OCTETS_MAX or own.startswith(_DIGEST):
        return None
    if own.startswith(_SHORT):
        shorter = own.removeprefix(_SHORT)
        own = b"" if shorter.translate(None, _SHORTER) else _lengthened(shorter)
    return own if own and coded(code, own) == shown_id else None


def _shortened(own: bytes) -> bytes:
    """The number that the letters write behind a 1 (so that no leading zero is lost), in the larger alphabet."""
    number = 1
    for letter in own:
        number = number * len(_OF_IDS) + _OF_IDS.index(letter)
    return _digits(number, _SHORTER)


def _lengthened(shorter: bytes) -> bytes:
    """The reverse of ``_shortened``; something else of what it did not make."""
    number = 0
    for letter in shorter:
        number = number * len(_SHORTER) + _SHORTER.index(letter)
    return _digits(number, _OF_IDS)[1:]


def _digits(number: int, letters: bytes) -> bytes:
    digits = bytearray()
    while number:
        number, digit = divmod(number, len(letters))
        digits.append(letters[digit])
    return bytes(reversed(digits))


class LearntFormat(RecordChange):
    """What answers have shown of a carrier's id format, for the journal."""

    __slots__ = ("recipient", "_carrier", "_width", "_capitals", "_digested")

    def __init__(self, carrier: str, width: int, capitals: bool, digested: Sequence[bytes]) -> None:
        self.recipient = 0
        self._carrier, self._width, self._capitals, self._digested = carrier, width, capitals, digested

    def written(self, now: float) -> tuple[int, bytes]:
        return messages.IDS, pack(gate_events.LearntIds(now, self._carrier, self._width, self._capitals, tuple(self._digested)))

    def unwritten(self) -> bool:
        return True


# -------------------------------------------------------------------------------------------------------------- one carrier


class CarrierIds:
    """The ids of one carrier, over all its accounts and links."""

    def __init__(self, name: str, code: str = "", form: str = "same", width: int = 0) -> None:
        """``code`` empty: ids are the carrier's. ``form``, ``width``: receipt_id and receipt_id_width."""
        self.name = name
        self.doubt = ""
        """What an answer said against the settings, once: for the log, and to be cleared there."""
        self.learnt: list[LearntFormat] = []
        """What was learnt: to be journalled with the answers that taught it, and cleared there."""
        self._code = code.encode()
        self._receipts, self._answers = _BASES.get(form, (0, 0))
        self._form = form
        self._fixed = bool(width)
        self._width, self._capitals = width, False
        self._contradicted = False
        self._digests: OrderedDict[bytes, bytes] = OrderedDict()  # digest form → the carrier's own id, oldest first

    @property
    def plain(self) -> bool:
        """Whether providers see everything byte for byte."""
        return not self._code and not self._answers

    def answer(self, body: bytes) -> bytes:
        """The body of an answer that begins with a message_id, as the provider sees it. Empty ids stay empty."""
        own, nul, rest = body.partition(b"\0")
        if not own:
            return body
        if self._answers:
            self._learn(own)
        if not self._code:
            return allowed(own) + nul + rest
        shown_id = coded(self._code, own)
        if shown_id.startswith(_DIGEST, CODE_OCTETS) and shown_id not in self._digests and len(own) <= ID_OCTETS_MAX:
            self._remember(shown_id, own)  # no carrier can be asked about a longer one
            self._note_learnt(own)
        return shown_id + nul + rest

    def receipt(self, data: bytes) -> bytes:
        """A receipt (whole PDU, read before by read_deliver), naming what the provider saw in the answer."""
        receipt = ReceiptIds(data)
        text_id, tlv_id = self._as_answered(receipt.text_id, receipt.tlv_id)
        text_id, tlv_id = (one and (coded(self._code, one) if self._code else allowed(one)) for one in (text_id, tlv_id))
        return receipt.naming(text_id, tlv_id)

    def own(self, shown_id: bytes) -> bytes | None:
        """The carrier's own id for one that a provider sends; None if the gate never gave it, or only as a digest that it has forgotten."""
        if not self._code:
            return shown_id
        return (decoded(shown_id) or self._digests.get(shown_id)) if shown_id.startswith(self._code) else None

    # -- receipt_id

    def _as_answered(self, text_id: bytes | None, tlv_id: bytes | None) -> tuple[bytes | None, bytes | None]:
        """Both ids as the answer wrote them. Where text and parameter say the same number in the two bases, the parameter is the
        answer's own spelling (carriers that turn the text into decimal often leave it alone)."""
        if not self._answers:
            return text_id, tlv_id
        if text_id and tlv_id and text_id != tlv_id:
            number = _number(text_id, self._receipts)
            if number is not None and number == _number(tlv_id, self._answers):
                return tlv_id, tlv_id
        return self._spelt(text_id), self._spelt(tlv_id)

    def _spelt(self, receipted: bytes | None) -> bytes | None:
        number = _number(receipted, self._receipts) if receipted else None
        if number is None:
            return receipted
        digits = f"{number:d}" if self._answers == 10 else f"{number:X}" if self._capitals else f"{number:x}"
        spelt = digits.rjust(self._width, "0").encode()
        return spelt if len(spelt) <= ID_OCTETS_MAX else receipted

    def _learn(self, own: bytes) -> None:
        """Learns from an answer how the carrier writes numbers."""
        if _number(own, self._answers) is None:
            self._wonder(own)
            return
        width, capitals = self._width, self._capitals
        if not self._fixed:
            if own.startswith(b"0") and len(own) > 1:
                width = len(own)
            elif len(own) < width:
                width = 0
        if own.isupper() or own.islower():  # there are letters in it
            capitals = own.isupper()
        if (width, capitals) != (self._width, self._capitals):
            self._width, self._capitals = width, capitals
            self._note_learnt()

    def _wonder(self, own: bytes) -> None:
        if not self._contradicted:
            self._contradicted = True
            base = "decimal" if self._answers == 10 else "hexadecimal"
            other = "dec" if self._form == "hex" else "same"
            self.doubt = (
                f"receipt_id: {self._form} means that its answers are {base}, but one was {own[:ID_OCTETS_MAX]!r}: "
                f"receipts may name other ids than answers did (should it be {other}?)"
            )

    # -- what a restart must know

    def _note_learnt(self, *digested: bytes) -> None:
        self.learnt.append(LearntFormat(self.name, self._width, self._capitals, digested))

    def carry(self) -> LearntFormat | None:
        """Everything learnt, for one journal record that replaces all earlier ones; None if there is nothing."""
        if not self._answers and not self._digests:
            return None
        return LearntFormat(self.name, self._width, self._capitals, tuple(self._digests.values()))

    def restore(self, learnt: gate_events.LearntIds) -> None:
        if not self._fixed:
            self._width = learnt.width
        self._capitals = learnt.capitals
        for own in learnt.digested if self._code else ():
            self._remember(coded(self._code, own), own)

    def _remember(self, shown_id: bytes, own: bytes) -> None:
        self._digests[shown_id] = own
        if len(self._digests) > DIGESTS_MAX:
            self._digests.popitem(last=False)


def _number(digits: bytes, base: int) -> int | None:
    return int(digits, base) if _NUMBERS[base].fullmatch(digits) else None


# -------------------------------------------------------------------------------------------------------------- all carriers


class CarrierMessageId(NamedTuple):
    """A message as its carrier knows it."""

    carrier: str
    id: bytes


class MessageIds:
    """All carriers of the settings."""

    def __init__(self, message_ids: str, carriers: Sequence[IdFormat]) -> None:
        is_coded = message_ids == "coded"
        found = [CarrierIds(one.name, one.code if is_coded else "", one.receipt_id, one.receipt_id_width) for one in carriers]
        self.of = {ids.name: ids for ids in found if not ids.plain}
        """Carrier → its ids, where not everything passes byte for byte."""
        self._by_code = {one.code.encode(): ids for one, ids in zip(carriers, found, strict=True)} if is_coded else {}
        self.coded = is_coded
        """Whether every id that the gate gives names its carrier: then any other id is unknown."""
        self._lone = carriers[0].name if len(carriers) == 1 else ""

    def own(self, shown_id: bytes) -> CarrierMessageId | None:
        """The carrier and its own id for an id in a query_sm, cancel_sm or replace_sm (without its NUL). None if the id does not name its
        carrier: with ``message_ids: carrier`` and several carriers, or because the gate did not give it."""
        if not self.coded:
            return CarrierMessageId(self._lone, shown_id) if shown_id and self._lone else None
        ids = self._by_code.get(shown_id[:CODE_OCTETS])
        own = ids.own(shown_id) if ids is not None else None
        return CarrierMessageId(ids.name, own) if ids is not None and own is not None else None

    def restore(self, learnt: Iterable[gate_events.LearntIds]) -> None:
        """Restores what was learnt, in the order of the journal."""
        for one in learnt:
            if one.carrier in self.of:
                self.of[one.carrier].restore(one)

    def carry(self, journal: Journal, now: float) -> bool:
        """Journals everything learnt again, just behind the place of the coming checkpoint: a restart reads on from there. False if that
        cannot be written: then there must be no checkpoint."""
        learnt = [one for ids in self.of.values() if (one := ids.carry()) is not None]
        for one in learnt:
            journal.append(*one.written(now))
        try:
            journal.write(now)
        except JournalDown:
            return False
        return True
