"""Every kind of record is declared, and its octets stay as they were before the declarations.

``tests/data/journal_bodies.json.gz`` was written by the functions that packed and unpacked each kind by hand: bodies of every kind (empty,
largest, random), their values, and what became of each body when it was cut or altered.
"""

from __future__ import annotations

import enum
import gzip
import hashlib
import json
import random
import struct
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.journal import erasure
from proxy.journal.encoding import RECORDS, pack, pack_string, unpack
from proxy.journal.record_text import DECLARING
from proxy.journal.records import consents, messages, operator_actions
from proxy.journal.records.answers import unpack_answers
from proxy.journal.segment import JournalRecord
from proxy.model.message import Content, Message, Order, Sender
from proxy.relay.pending_submit import PendingSubmit
from proxy.relay.submit_records import AcceptedBodies
from proxy.wire.builders import pdu
from proxy.wire.frame import Frame
from proxy.wire.tables import SUBMIT_SM_RESP

BODIES = json.loads(gzip.decompress((Path(__file__).parents[2] / "data/journal_bodies.json.gz").read_bytes()))
LATER = {"recycling", "erasure-requested"}
"""Kinds that were declared from the beginning: their bodies were never packed by hand."""
BY_KIND = {kind: list(found) for kind, found in groupby(BODIES, key=lambda one: one["kind"])}
NUMBERS = {name: number for number, name in messages.KINDS.items()}
DAMAGED_LEAST = 300


def read(kind: str, body: bytes) -> Any:
    """The value as the functions by hand gave it."""
    if kind == "accepted":
        return unpack_answers(JournalRecord(1, messages.ACCEPTED, body))
    found: Any = unpack(RECORDS[NUMBERS[kind]], body)
    if kind == "ordered":
        return found.order
    if kind == "reply-path":
        return found.rows
    if kind in {"counted", "counted-apart"}:
        return tuple(found)
    if kind == "dropped":
        return {"time": found.time, "numbers": [one for one, _ in found.delivers], "whys": [why for _, why in found.delivers]}
    return found


def written(kind: str, body: bytes) -> bytes:
    """A body that is unpacked and packed again."""
    found: Any = unpack(RECORDS[NUMBERS[kind]], body)
    if kind == "accepted":
        taken = []
        for one in found.messages:
            if max(one.entry_id, one.recipient, one.verdict_sequence) >> 63:  # no submit has such a number
                return pack(found)
            submit = PendingSubmit(cast("Any", None), 1, b"", 0.0)
            submit.entry_id, submit.recorded = one.entry_id, one.verdict_sequence
            submit.message = Message(Sender.of("", "", "", ""), one.recipient, Content("", "readable", b""))
            taken.append((submit, Frame.of(pdu(SUBMIT_SM_RESP, 0, 1, one.carrier_id))))
        assert b"".join(b"".join(pieces) for pieces in AcceptedBodies(found.time, taken)) == body
    return pack_again(found) if kind == "verdict" else pack(found)


def pack_again(found: messages.VerdictRecord) -> bytes:
    """Verdicts are packed of a submit."""
    sender = SimpleNamespace(written=b"".join(map(pack_string, (found.provider, found.account, found.port))))
    message = SimpleNamespace(recipient=found.recipient, content=SimpleNamespace(digest=found.digest), sender=sender)
    verdict = SimpleNamespace(
        facts=SimpleNamespace(category=found.category), outcome=found.outcome, reason="some",
        breaches=tuple(("", number, outcome, None, shadow) for number, outcome, shadow in found.breaches),
    )  # fmt: skip
    submit = SimpleNamespace(
        message=message, verdict=verdict, status=found.status, reason=found.reason, packed=found.entry.pack() if found.entry else b"",
        adopts=found.adopts, takes=found.takes, late=found.late, data=found.data,
    )  # fmt: skip
    return messages.pack_verdict(found.time, cast("Any", submit), found.revision, found.keep_s)


def plain(value: object) -> object:
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: plain(one) for name, one in zip(value._fields, value, strict=True)}
    if isinstance(value, dict) and "whys" not in value:
        return [[plain(one), plain(other)] for one, other in value.items()]
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if isinstance(value, bytes):
        return value.hex()
    return int(value) if isinstance(value, enum.IntEnum) else value


def digest(value: object) -> str:
    return hashlib.blake2b(json.dumps(plain(value)).encode(), digest_size=4).hexdigest()


def outcome(kind: str, body: bytes) -> str:
    try:
        return digest(read(kind, body))
    except (ValueError, struct.error):
        return "e"
    except Exception as error:  # noqa: BLE001 # its name is compared
        return type(error).__name__


def damaged(body: bytes) -> Iterator[bytes]:
    """Cut, too long, or with an octet altered: in the order of the file."""
    cuts = range(len(body)) if len(body) < DAMAGED_LEAST else [*range(120), *range(len(body) - 40, len(body))]
    yield from (body[:cut] for cut in cuts)
    yield from (body + b"\0", body + b"more")
    seeded = random.Random(len(body))
    for _ in range(20 if body else 0):
        at = seeded.randrange(min(len(body), 400))
        yield body[:at] + bytes((seeded.randrange(256),)) + body[at + 1 :]


@pytest.mark.parametrize("kind", BY_KIND)
def test_a_body_of_before_is_read_and_written_octet_for_octet(kind):
    for one in BY_KIND[kind]:
        body, value = bytes.fromhex(one["body"]), read(kind, bytes.fromhex(one["body"]))
        assert (digest(value) if isinstance(one["value"], str) else plain(value)) == one["value"]
        assert written(kind, body) == body


@pytest.mark.parametrize("kind", BY_KIND)
def test_a_damaged_body_is_read_or_refused_as_before(kind):
    for one in BY_KIND[kind]:
        if one["damaged"]:
            found = [outcome(kind, body) for body in damaged(bytes.fromhex(one["body"]))]
            assert found == one["damaged"].split()


def test_what_a_later_gate_wrote_is_told_from_a_damaged_body():
    order = pack(operator_actions.Ordered(1.0, Order(257, "stop", (), 0.0, 9e9, "li", "x")))
    with pytest.raises(IndexError):  # a kind of order
        unpack(operator_actions.Ordered, order[:32] + b"\xff" + order[33:])
    event = pack(consents.BatchEvent(1.0, "proof", (1,), "li", "x", "ab"))
    with pytest.raises(TypeError):  # one more field
        unpack(consents.BatchEvent, event[:-1] + b",1]")


def test_every_kind_is_declared_once_and_has_a_body_in_the_file():
    assert set(RECORDS) == set(messages.KINDS), DECLARING
    assert len(set(RECORDS.values())) == len(RECORDS)
    assert set(BY_KIND) == set(messages.KINDS.values()) - {"erased", *LATER}
    assert (pack(erasure.Erased()), unpack(erasure.Erased, b"")) == (b"", ())
