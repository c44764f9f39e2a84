"""Bodies that are written straight into the journal's buffer are those that are packed one by one."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.journal.records.messages import ACCEPTED, VERDICT, pack_verdict
from proxy.journal.segment import pack_record
from proxy.journal.write_ahead_log import Journal
from proxy.model.message import Breach, Category, Content, Facts, Message, Outcome, Sender, Take, Verdict
from proxy.model.reasons import RULE_REASONS
from proxy.model.recipient import Entry
from proxy.relay.pending_submit import PendingSubmit
from proxy.relay.submit_records import AcceptedBodies, VerdictBodies
from proxy.wire import Frame
from tests.journal.memory_disk import MemoryDisk

NOW, REVISION, KEEP_S = 1_700_000_000.123, "0123456789abcdef", 86_400
ENTRY = Entry(77, 1_700_000_000, 5, 6, 7, Category.MARKETING, 3, 9, 11, 0)
BREACHES = st.lists(
    st.builds(
        Breach, st.just("a-rule"), st.integers(0, 0xFFFF), st.sampled_from(list(Outcome)), st.sampled_from(list(RULE_REASONS.values())),
        st.booleans(),
    ),
    max_size=3,
)  # fmt: skip
TAKES = st.lists(st.builds(Take, st.integers(0, (1 << 64) - 1), st.integers(0, 99), st.integers(0, 99)), max_size=2)


@st.composite
def submits(draw: st.DrawFn) -> PendingSubmit:
    sender = Sender.of("jia", "a", draw(st.sampled_from(["106900", "10690015"])), "106900")
    access = SimpleNamespace(provider=SimpleNamespace(name="jia"), account=SimpleNamespace(system_id="a"))
    one = PendingSubmit(cast("Any", SimpleNamespace(access=access)), draw(st.integers(0, 9)), draw(st.binary(max_size=20)), 0.0)
    one.recorded, one.entry_id = draw(st.integers(1, 1 << 40)), draw(st.integers(0, 1 << 40))
    one.message = Message(
        sender, draw(st.integers(0, 1 << 40)), Content("", "readable", draw(st.sampled_from([b"", b"d" * 16])))
    )
    return one


def judge(one: PendingSubmit, breaches: list[Breach], takes: list[Take], entry: bytes, kind: str) -> None:
    """Gives it a verdict; ``kind``: what is special about it."""
    assert one.message is not None
    enforced = [breach for breach in breaches if not breach.shadow and breach.outcome is not Outcome.ALLOW]
    reported = enforced[0] if enforced else None
    category = Category(one.sequence % 3)
    facts = Facts(one.message.sender, category, category, category)
    outcome, reason = (reported.outcome, reported.reason) if reported else (Outcome.ALLOW, None)
    one.verdict = Verdict(outcome, reason, "", tuple(breaches), facts, "北京", 7, tuple(takes))
    one.category, one.takes = category, tuple(takes)
    if reason is not None:
        one.reason, one.status = reason.name, reason.status
    else:
        one.packed = entry
    one.late = kind == "late"
    if kind == "adopts":
        one.adopted = ENTRY
    elif kind == "of the gate":
        one.reason, one.status, one.packed = "queue-full", 0x58, b""


@given(
    st.lists(
        st.tuples(
            submits(),
            BREACHES,
            TAKES,
            st.sampled_from([b"", ENTRY.pack()]),
            st.sampled_from(["", "", "late", "adopts", "of the gate"]),
        ),
        max_size=12,
    )
)
def test_verdicts_written_together_are_those_written_one_by_one(
    made: list[tuple[PendingSubmit, list[Breach], list[Take], bytes, str]],
) -> None:
    for one in made:
        judge(*one)
    pending = [one[0] for one in made]
    wanted = [pack_verdict(NOW, cast("Any", one), REVISION, KEEP_S) for one in pending]
    assert [b"".join(pieces) for pieces in VerdictBodies(NOW, pending, REVISION, KEEP_S)] == wanted
    journal = Journal(MemoryDisk(), 0)
    assert journal.extend(VERDICT, VerdictBodies(NOW, pending, REVISION, KEEP_S)) == 1
    assert bytes(journal._buffer) == b"".join([pack_record(place, VERDICT, body) for place, body in enumerate(wanted, 1)])


@given(st.lists(st.tuples(submits(), st.binary(max_size=70)), max_size=12), st.integers(1, 400))
def test_what_carriers_took_is_packed_in_as_few_bodies_as_fit(made: list[tuple[PendingSubmit, bytes]], most: int) -> None:
    accepted = [(one, Frame.of(struct.pack(">IIII", 16 + len(said), 0x80000004, 0, 7) + said)) for one, said in made]
    wanted, body = [], b""
    for one, said in made:
        assert one.message is not None
        body += struct.pack(">QQQH", one.entry_id, one.message.recipient, one.recorded, len(said)) + said
        if len(body) > most:
            wanted.append(body)
            body = b""
    wanted += [body] if body else []
    time = struct.pack(">Q", int(NOW * 1000))
    assert [b"".join(pieces) for pieces in AcceptedBodies(NOW, accepted, most)] == [time + one for one in wanted]


def test_an_answer_that_no_record_can_hold_is_refused() -> None:
    journal = Journal(MemoryDisk(), 0)
    one = PendingSubmit(cast("Any", None), 1, b"", 0.0)
    one.message = Message(Sender.of("jia", "a", "106900", "106900"), 13_800_210_000, Content("", "readable", b""))
    with pytest.raises(ValueError, match="too long"):
        journal.extend(
            ACCEPTED, AcceptedBodies(NOW, [(one, Frame.of(struct.pack(">IIII", 70_016, 0x80000004, 0, 7) + bytes(70_000)))])
        )
    assert journal.extend(VERDICT, [[b"", b"body"]]) == 1
    assert bytes(journal._buffer) == pack_record(1, VERDICT, b"body")
