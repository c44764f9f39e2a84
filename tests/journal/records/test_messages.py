"""Every kind of journal record is read back as packed."""

from __future__ import annotations

import contextlib
import struct
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.journal.encoding import RECORDS, pack, unpack
from proxy.journal.record_text import DECLARING
from proxy.journal.records import answers, delivers, gate_events, messages, requests
from proxy.model.message import Breach, Category, Content, Facts, Message, Outcome, Sender, Take, Verdict
from proxy.model.reasons import REASONS
from proxy.model.recipient import Entry, OptOut

MODULES = {module.__name__ for module in DECLARING}
NOW = 1_700_000_000.123
SENDER = Sender.of("jia", "jia-1", "1069012345", "1069012")
FACTS = Facts(SENDER, Category.MARKETING, Category.MARKETING, Category.MARKETING)
CONTENT = Content("【测试】双11券 拒收请回复R", "readable", bytes(range(16)))
ENTRY = Entry(77, 1_700_000_000, 5, SENDER.provider_hash, SENDER.port_hash, Category.MARKETING, 3, 9, 11, 0)
REVISION = "0123456789abcdef"
BIND = SimpleNamespace(access=SimpleNamespace(provider=SimpleNamespace(name="jia"), account=SimpleNamespace(system_id="jia-1")))


def decided(**said):
    base = {"bind": BIND, "data": b"the whole PDU", "message": Message(SENDER, 13800138000, CONTENT), "verdict": None}
    return SimpleNamespace(
        **{**base, "status": 0, "reason": "", "packed": b"", "adopts": 0, "takes": (), "late": False, **said}
    )


def verdict(*breaches: Breach, takes: tuple[Take, ...] = ()) -> Verdict:
    first = breaches[0] if breaches and not breaches[0].shadow else None
    outcome = first.outcome if first else Outcome.ALLOW
    return Verdict(outcome, first.reason if first else None, first.rule if first else "", breaches, FACTS, "北京", 9, takes)


def test_an_allowed_submit_is_recorded_with_its_entry_and_all_it_took():
    takes = (Take((1 << 64) - 1, 60, 3600), Take(0, 1, 86_400))
    shadow = Breach("trial", 4, Outcome.REJECT, REASONS["keyword"], shadow=True)
    body = messages.pack_verdict(
        NOW, decided(verdict=verdict(shadow, takes=takes), packed=ENTRY.pack(), takes=takes, adopts=12), REVISION, 86_400
    )
    said = messages.unpack_verdict(body)
    assert (said.time, said.provider, said.account, said.port) == (NOW, "jia", "jia-1", "1069012345")
    assert (said.recipient, said.outcome, said.reason, said.status) == (13800138000, Outcome.ALLOW, "", 0)
    assert (said.category, said.revision, said.keep_s) == (Category.MARKETING, REVISION, 86_400)
    assert (said.entry, said.adopts, said.takes) == (ENTRY, 12, takes)
    assert said.breaches == ((4, Outcome.REJECT, True),)
    assert (said.digest, said.data) == (CONTENT.digest, b"the whole PDU")


def test_a_part_that_came_late_is_told_from_those_it_was_not_read_with():
    for late in (False, True):
        transit = decided(verdict=verdict(), packed=ENTRY.pack(), late=late)
        said = messages.unpack_verdict(messages.pack_verdict(NOW, transit, REVISION, 86_400))
        assert (said.late, said.outcome, said.entry) == (late, Outcome.ALLOW, ENTRY)


def test_a_rejected_submit_is_recorded_with_every_rule_that_objects_and_takes_nothing():
    breaches = (
        Breach("ban", 3, Outcome.REJECT, REASONS["region-ban"]),
        Breach("cap", 700, Outcome.DEFER, REASONS["recipient-cap"]),
    )
    said = messages.unpack_verdict(
        messages.pack_verdict(
            NOW, decided(verdict=verdict(*breaches, takes=(Take(1, 1, 1),)), reason="region-ban", status=0x400), REVISION
        )
    )
    assert (said.outcome, said.reason, said.status) == (Outcome.REJECT, "region-ban", 0x400)
    assert said.breaches == ((3, Outcome.REJECT, False), (700, Outcome.DEFER, False))
    assert (said.entry, said.takes) == (None, ())


def test_a_submit_nobody_could_read_is_recorded_as_it_came():
    said = messages.unpack_verdict(messages.pack_verdict(NOW, decided(message=None, reason="malformed", status=0x0B), ""))
    assert (said.provider, said.account, said.port, said.recipient) == ("jia", "jia-1", "", 0)
    assert (said.outcome, said.reason, said.revision, said.digest) == (Outcome.REJECT, "malformed", "", b"")
    assert said.data == b"the whole PDU"


@pytest.mark.parametrize(("reason", "status"), [("window-full", 0x58), ("journal-down", 0x14)])
def test_what_may_be_tried_again_is_recorded_as_deferred(reason, status):
    said = messages.unpack_verdict(messages.pack_verdict(NOW, decided(reason=reason, status=status), REVISION))
    assert (said.outcome, said.reason) == (Outcome.DEFER, reason)


def test_an_allowed_message_whose_way_was_blocked_is_not_recorded_as_allowed():
    said = messages.unpack_verdict(
        messages.pack_verdict(NOW, decided(verdict=verdict(), reason="queue-full", status=0x14), REVISION)
    )
    assert (said.outcome, said.reason, said.entry) == (Outcome.DEFER, "queue-full", None)


def test_identical_submits_have_one_fingerprint_and_others_another():
    def printed(sender: Sender, digest: bytes) -> int:
        message = Message(sender, 13800138000, Content("x", "readable", digest))
        return messages.unpack_verdict(messages.pack_verdict(NOW, decided(message=message), REVISION)).fingerprint

    one = printed(SENDER, b"a" * 16)
    assert one == printed(Sender.of("jia", "jia-2", "1069012345", "1069012"), b"a" * 16)  # another account of the company
    assert one != printed(SENDER, b"b" * 16)
    assert one != printed(Sender.of("jia", "jia-1", "1069012346", "1069012"), b"a" * 16)
    assert one != printed(Sender.of("yi", "jia-1", "1069012345", "1069012"), b"a" * 16)
    assert 0 <= one < 1 << 48


def test_the_memo_of_who_wrote_does_not_grow_without_end(monkeypatch):
    monkeypatch.setattr(messages, "_WHOS_MAX", 10)
    for number in range(50):
        sender = Sender.of("jia", "jia-1", f"1069012{number}", "1069012")
        for _ in range(2):  # as it is made, and as the sender remembers it
            body = messages.pack_verdict(NOW, decided(message=Message(sender, 13800138000, CONTENT)), REVISION)
            assert messages.unpack_verdict(body).port == f"1069012{number}"
    assert len(messages._whos) <= 10


words = st.text(max_size=40)
times = st.integers(0, 4_000_000_000_000).map(lambda ms: ms / 1000)
u32, u64 = st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 64) - 1)


takes_ = st.lists(st.builds(Take, u64, u32, u32), max_size=5).map(tuple)


@given(times, u64, u64, st.integers(0, 6), u32, st.binary(max_size=70), u64, u64, u32, takes_)
def test_an_answer_comes_back_whole(now, entry_id, recipient, effect, status, carrier_id, sequence, fingerprint, time, takes):
    some = answers.CarrierAnswer(now, entry_id, recipient, effect, status, sequence, fingerprint, time, takes, carrier_id)
    body = pack(some)
    said = unpack(answers.CarrierAnswer, body)
    assert abs(said.time - now) < 0.002
    assert said[1:] == (entry_id, recipient, effect, status, sequence, fingerprint, time, takes, carrier_id)


@given(times, words, words, words, words, st.binary(max_size=300))
def test_a_deliver_comes_back_whole(now, kind, source, port, provider, data):
    said = unpack(
        delivers.DeliverRecord,
        pack(delivers.DeliverRecord(now, kind=kind, source=source, port=port, provider=provider, data=data)),
    )
    assert said[1:] == (kind, source, port, provider, data)


@given(times, u64, st.builds(OptOut, words, words, u64, words, u64), words, words, words)
def test_an_opt_out_comes_back_whole(now, recipient, opt_out, port, provider, keyword):
    said = unpack(delivers.OptedOut, pack(delivers.OptedOut(now, recipient, opt_out, port, provider, keyword)))
    assert said[1:] == (recipient, opt_out, port, provider, keyword)


@given(times, words, st.lists(words, max_size=20), u32, st.floats(allow_nan=False))
def test_what_the_gate_says_of_itself_comes_back_whole(now, revision, ids, number, step):
    assert unpack(gate_events.Rules, pack(gate_events.Rules(now, revision, ids)))[1:] == (revision, tuple(ids))
    assert unpack(gate_events.Start, pack(gate_events.Start(now, number, number << 16)))[1:] == (number, number << 16)
    assert unpack(gate_events.Stop, pack(gate_events.Stop(now, number)))[1:] == (number,)
    assert unpack(messages.Clock, pack(messages.Clock(now, step)))[1:] == (step,)


@given(times, words, words, words, words, words, u32, st.binary(max_size=300), st.binary(max_size=70))
def test_a_question_comes_back_whole(now, provider, account, port, carrier, reason, status, data, body):
    said = unpack(
        requests.MessageRequest,
        pack(requests.MessageRequest(now, provider, account, port, carrier, reason, status, data, body)),
    )
    assert said[1:] == (provider, account, port, carrier, reason, status, data, body)


@given(times, st.dictionaries(u64, u32, max_size=20), u64, u64, u32)
def test_repeats_and_a_unreplaced_entry_come_back_whole(now, counts, recipient, entry_id, status):
    assert unpack(requests.Repeated, pack(requests.Repeated(now, counts))).counts == counts
    entry = Entry(7, 8, 9, 10, 11, Category.NOTICE, 1, 12, 13, 1)
    assert unpack(requests.Unreplaced, pack(requests.Unreplaced(now, recipient, entry_id, 7, status, entry)))[1:] == (
        recipient, entry_id, 7, status, entry,
    )  # fmt: skip


takes = st.lists(st.builds(Take, u64, u32, u32), max_size=20).map(tuple)


@given(times, u64, u32, st.booleans(), takes)
def test_what_a_message_has_in_aggregates_comes_back_whole(now, verdict_sequence, entry_time, given_back, some):
    said = unpack(requests.CounterShare, pack(requests.CounterShare(now, verdict_sequence, entry_time, given_back, some)))
    assert said[1:] == (verdict_sequence, entry_time, given_back, some)
    assert (messages.SHARE, messages.KINDS[messages.SHARE]) == (37, "share")


@pytest.mark.parametrize("kind", [cls for cls in RECORDS.values() if cls.__module__ in MODULES], ids=lambda kind: kind.__name__)
@settings(max_examples=20)
@given(body=st.binary(max_size=200))
def test_bytes_that_are_no_such_body_raise_and_nothing_worse(kind, body):
    with contextlib.suppress(ValueError, struct.error, IndexError):
        unpack(kind, body)
