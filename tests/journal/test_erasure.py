"""Erasure takes one person out of a closed segment, and no alteration passes as one."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from proxy.archive.secret_keys import signed_by
from proxy.journal.encoding import pack, unpack
from proxy.journal.erasure import (
    Erasure,
    RedactedGroup,
    RedactedSegment,
    erase,
    in_batches,
    signed_bytes,
    unexplained_redaction,
    unfinished,
)
from proxy.journal.records import answers, delivers, evidence, messages
from proxy.journal.records.doubtful_replies import NO_CONTEXT, DoubtDecision, Doubtful, id_of
from proxy.journal.records.gate_events import ReplicatedRecord
from proxy.journal.sealing import KeyRing
from proxy.journal.write_ahead_log import Journal, JournalDamaged, JournalRecord, JournalSealed, read, verify
from proxy.model.recipient import OptOut, RefusedText
from proxy.wire import submit_sm, submit_sm_resp
from tests.harness import BEIJING, SHANGHAI, Harness
from tests.journal.earlier import written_earlier
from tests.journal.memory_disk import MemoryDisk

AD, OTHER = "【测试】双11好礼 拒收请回复R", "【测试】会员日 拒收请回复R"
KEY = KeyRing([bytes(range(32))])
RINGS = {"plain": KeyRing(), "sealed": KEY, "plain, of an earlier gate": KeyRing(), "sealed, of an earlier gate": KEY}
HEAD = Ed25519PrivateKey.from_private_bytes(bytes(32))
REFUSAL = OptOut("all", "", 1, "reply", 0)


@pytest.fixture(params=RINGS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> MemoryDisk:
    """A gate's records of two persons, in groups that they share, and a refusal of the one who is to be erased."""
    harness = Harness(tmp_path)
    for person, text in ((SHANGHAI, AD), (BEIJING + 1, OTHER), (SHANGHAI + 1, OTHER)):
        harness.submit("jia", person, text)
    for transit in harness.at_carrier():
        harness.carrier_says(transit, submit_sm_resp(1, 0, b"B1"))
    harness.journal.append(messages.OPTOUT, pack(delivers.OptedOut(harness.now, SHANGHAI, REFUSAL, "1069001", "jia", "R")))
    harness.journal.write(harness.now)
    taken = [one.body for one in read(harness.disk) if one.kind == messages.ACCEPTED]
    both = taken[0] + b"".join(body[8:] for body in taken[1:])  # accepts of one turn are one record
    records = [(one.kind, one.body) for one in read(harness.disk) if one.kind != messages.ACCEPTED] + [
        (messages.ACCEPTED, both)
    ]
    found = MemoryDisk(RINGS[request.param])
    journal = Journal(found, 0)
    for at in range(0, len(records), 2):
        for kind, body in records[at : at + 2]:
            journal.append(kind, body)
        journal.write(harness.now)
    journal.note_synced(journal.sync())
    journal.mark(harness.now)
    return written_earlier(found) if "earlier" in request.param else found


def erased(disk: MemoryDisk, person: int = SHANGHAI) -> RedactedSegment:
    (name,) = disk.list()
    found = erase(disk.read(name), disk.ring, person)
    assert found is not None
    disk.truncate(name, 0)
    disk.append(name, 0, found.data)
    return found


def records_of(disk: MemoryDisk) -> list[JournalRecord]:
    return list(read(disk))


def about(record: JournalRecord, person: int) -> bool:
    if record.kind == messages.VERDICT:
        return messages.unpack_verdict(record.body).recipient == person
    return any(answer.recipient == person for answer in answers.unpack_answers(record))


def test_a_person_is_gone_and_all_others_are_as_they_were_record_for_record(disk: MemoryDisk) -> None:
    before = records_of(disk)
    assert any(about(one, SHANGHAI) for one in before)
    found = erased(disk)
    after = records_of(disk)
    assert [one.sequence for one in after] == [one.sequence for one in before]
    assert not any(about(one, SHANGHAI) for one in after)
    for person in (BEIJING + 1, SHANGHAI + 1):
        assert sum(about(one, person) for one in after) == sum(about(one, person) for one in before) > 0
    assert found.records == sum(one != other for one, other in zip(before, after, strict=True))
    assert {one.kind for one, other in zip(after, before, strict=True) if one != other} == {messages.ERASED, messages.ACCEPTED}
    data = b"".join(record.body for record in after if record.kind != messages.OPTOUT)
    assert SHANGHAI.to_bytes(8, "big") not in data
    assert str(SHANGHAI).encode() not in data
    assert AD.encode("utf-16-be") not in data


def test_what_was_turned_away_unread_goes_by_the_address_that_nobody_read(tmp_path: Path) -> None:
    harness = Harness(tmp_path, tps=1)
    for person, spelling in ((SHANGHAI + 1, ""), (SHANGHAI, ""), (SHANGHAI, "+86 138-0021-0000"), (SHANGHAI + 1, "")):
        harness.sends("jia", submit_sm("1069001", spelling or str(person), AD.encode("utf-16-be"), data_coding=8))
    broken = submit_sm("1069001", str(SHANGHAI), AD.encode("utf-16-be"), data_coding=8)
    harness.sends("yi", broken[:2] + (len(broken) - 1).to_bytes(2, "big") + broken[4:-1])
    assert [said.recipient for said in harness.verdicts()] == [SHANGHAI + 1, 0, 0, 0, 0]
    erased(harness.disk)
    after = records_of(harness.disk)
    assert [messages.KINDS[one.kind] for one in after][:5] == ["verdict", "erased", "erased", "verdict", "erased"]
    assert str(SHANGHAI).encode() not in b"".join(one.body for one in after)


def test_a_text_that_a_clerk_is_to_look_at_goes_with_the_message_it_is_of(tmp_path: Path) -> None:
    look = "rules:\n  - {id: look, when: {category: marketing}, then: review, reason: in-review}\n"
    harness = Harness(tmp_path, rules=look)
    harness.submit("jia", SHANGHAI, "【甲店】王小明先生, 合同4711到期 拒收请回复R")
    harness.submit("yi", SHANGHAI + 1, OTHER)
    kinds = [one.kind for one in harness.written()]
    assert kinds.count(messages.REVIEW) == 2
    erased(harness.disk)
    (left,) = [unpack(evidence.Review, one.body) for one in records_of(harness.disk) if one.kind == messages.REVIEW]
    assert left.text == OTHER


def test_what_another_gate_told_of_them_goes_as_it_goes_there() -> None:
    """A text that was sent to them goes; what they refused stays, and so does what is about others."""
    text = RefusedText(1, 4711, AD)
    told = [
        (messages.REFUSED_SAID, pack(evidence.OptOutWording(1e9, SHANGHAI, (text,)))),
        (messages.OPTOUT, pack(delivers.OptedOut(1e9, SHANGHAI, REFUSAL))),
        (messages.REFUSED_SAID, pack(evidence.OptOutWording(1e9, SHANGHAI + 1, (text,)))),
    ]
    disk = MemoryDisk(KeyRing())
    journal = Journal(disk, 0)
    for number, (kind, body) in enumerate(told):
        journal.append(messages.HEARD, pack(ReplicatedRecord(1e9, (1, number), 3, number, kind, body)))
    journal.write(1e9)
    assert erased(disk).records == 1
    assert [messages.KINDS[one.kind] for one in records_of(disk)][:3] == ["erased", "heard", "heard"]


def test_one_that_an_earlier_erasure_left_behind_goes_with_the_next_in_whichever_segment_it_is(disk: MemoryDisk) -> None:
    (verdict,) = [one.sequence for one in records_of(disk) if one.kind == messages.VERDICT and about(one, SHANGHAI)]
    erased(disk)
    later = MemoryDisk(disk.ring)
    journal = Journal(later, 0)
    for number in (verdict, verdict + 1_000):
        journal.append(messages.REVIEW, pack(evidence.Review(1e9, number, "look", "jia", "1069001", "key", AD)))
    journal.write(1e9)
    gone: set[int] = set()
    (name,), (other,) = disk.list(), later.list()
    assert erase(disk.read(name), disk.ring, SHANGHAI, gone) is None
    assert gone == {verdict}
    found = erase(later.read(other), later.ring, SHANGHAI, gone)
    assert found is not None
    assert found.records == 1


def test_what_the_person_refused_stays_for_a_gate_built_anew_must_not_send_to_them(disk: MemoryDisk) -> None:
    erased(disk)
    (refusal,) = [unpack(delivers.OptedOut, one.body) for one in records_of(disk) if one.kind == messages.OPTOUT]
    assert (refusal.recipient, refusal.opt_out) == (SHANGHAI, REFUSAL)


def test_the_chain_goes_on_over_it_so_what_was_published_holds_and_the_journal_is_written_on(disk: MemoryDisk) -> None:
    whole = verify(disk)
    erased(disk)
    found = verify(disk)
    assert (found.chain, found.damage, found.cut, found.records) == (whole.chain, None, None, whole.records)
    journal = Journal(disk)
    journal.append(1, b"on")
    journal.write(2e9)
    assert records_of(disk)[-1].body == b"on"
    assert verify(disk).damage is None


def test_who_is_in_no_record_changes_nothing_and_a_second_erasure_finds_nothing(disk: MemoryDisk) -> None:
    (name,) = disk.list()
    assert erase(disk.read(name), disk.ring, SHANGHAI + 99) is None
    erased(disk)
    assert erase(disk.read(name), disk.ring, SHANGHAI) is None
    assert erased(disk, BEIJING + 1).changes
    assert not any(about(one, BEIJING + 1) for one in records_of(disk))
    assert verify(disk).damage is None


def test_every_byte_of_what_stands_there_now_is_proved_as_before(disk: MemoryDisk) -> None:
    erased(disk)
    (name,) = disk.list()
    data = disk.read(name)
    for offset in range(88, len(data) - 80, 7):
        hurt = MemoryDisk(disk.ring)
        hurt.append(name, 0, data)
        hurt.flip(name, offset)
        with pytest.raises(JournalDamaged):
            records_of(hurt)


def test_without_the_key_of_a_sealed_one_nothing_is_erased_and_the_chain_is_proved(disk: MemoryDisk) -> None:
    if not disk.ring:
        return
    erased(disk)
    disk.ring = KeyRing()
    found = verify(disk, closed=True)
    assert (found.damage, found.closed) == (None, True)
    assert found.redactions
    with pytest.raises(JournalSealed):
        records_of(disk)


# -- the record of it


def erasure(identity: bytes, changes: tuple[RedactedGroup, ...], key: Ed25519PrivateKey = HEAD) -> Erasure:
    return Erasure(1.0, 2, 1, changes, key.sign(signed_bytes(identity, 1, changes)), "wang", "asked for by mail")


def account(disk: MemoryDisk, *erasures: Erasure) -> str:
    identity, public = bytes.fromhex(disk.identity()), HEAD.public_key().public_bytes_raw()
    return unexplained_redaction(
        verify(disk).redactions,
        erasures,
        lambda one: signed_by(public, one.signature, signed_bytes(identity, one.first, one.changes)),
    )


def test_an_erasure_is_told_from_an_alteration_by_a_record_that_is_signed(disk: MemoryDisk) -> None:
    found = erased(disk)
    identity = bytes.fromhex(disk.identity())
    good = erasure(identity, found.changes)
    last = found.changes[0].last
    assert account(disk, good) == ""
    assert account(disk) == (
        f"the group that ends with record {last} was altered: it says that something was erased, and no record of that does"
    )
    stranger = erasure(identity, found.changes, Ed25519PrivateKey.generate())
    other_journal = erasure(bytes(16), found.changes)
    moved = good._replace(changes=tuple(one._replace(now=bytes(32)) for one in good.changes))
    for bad in (stranger, other_journal, moved):
        assert "was altered" in account(disk, bad)


@pytest.mark.parametrize(
    ("there", "lacking"), [(None, "first, second"), ("first", "second"), ("second", ""), ("second, again", "")]
)
def test_a_copy_that_lacks_the_altered_group_lacks_each_erasure_from_it(there: str | None, lacking: str) -> None:
    def one(name: str) -> Erasure:
        return erasure(bytes(16), (RedactedGroup(7, bytes(32), name.encode()),))._replace(why=name)

    done = [one("first"), one("second")] + [one("second, again")] * (there == "second, again")
    redactions = [] if there is None else [(7, bytes(32), there.encode())]
    assert ", ".join(each.why for each in unfinished(redactions, done, 1)) == lacking
    assert unfinished(redactions, done, 8) == [], "retention has removed it"


def test_of_a_decision_the_words_go_that_nobody_else_wrote() -> None:
    found, reply = MemoryDisk(KeyRing()), Doubtful(1.0, SHANGHAI, "86", "1069001", "jia", "我是明", NO_CONTEXT, ())
    hers, other = pack(reply), pack(reply._replace(recipient=SHANGHAI + 1))
    made = DoubtDecision(2.0, "li", "why", True, False, 7, "我是明", NO_CONTEXT, "1069001", (id_of(hers),))
    both = made._replace(ids=(id_of(hers), id_of(other)))
    told = pack(ReplicatedRecord(3.0, (1, 2), 2, 9, messages.DECISION, pack(made)))
    journal = Journal(found, 0)
    records = [
        (messages.DOUBTFUL, hers), (messages.DOUBTFUL, other), (messages.DECISION, pack(made)), (messages.DECISION, pack(both)),
        (messages.HEARD, told),
    ]  # fmt: skip
    for kind, body in records:
        journal.append(kind, body)
    journal.write(4.0)
    journal.note_synced(journal.sync())
    assert erased(found).records == 3
    left = records_of(found)
    assert [one.kind for one in left] == [messages.ERASED, *(kind for kind, _ in records[1:])]
    assert unpack(DoubtDecision, left[2].body) == made._replace(words="")
    assert unpack(DoubtDecision, left[3].body) == both
    assert unpack(DoubtDecision, unpack(ReplicatedRecord, left[4].body).body) == made._replace(words="")


def test_an_erasure_comes_back_whole_and_many_changes_are_several_records() -> None:
    changes = tuple(RedactedGroup(number, bytes([number % 256]) * 32, bytes(32)) for number in range(450))
    assert [len(piece) for piece in in_batches(changes)] == [200, 200, 50]
    one = erasure(bytes(16), changes[:200])
    assert unpack(Erasure, pack(one)) == one
