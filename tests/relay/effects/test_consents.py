"""Consents from their file to a verdict, without a socket.

A restart knows what the journal has, half a file counts as none, and rules use a recipient's newest word."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyroaring import BitMap

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import consents, gate_events, messages
from proxy.journal.records.consents import BatchEvent, ConsentChange, ConsentFile, ConsentReply, Terms
from proxy.journal.write_ahead_log import JournalRecord
from proxy.model.message import Category, Content, Message, Sender
from proxy.model.recipient import OptOut
from proxy.policy.judge import judge
from proxy.policy.loading.load_rules import load
from proxy.policy.ruleset import RuleSet
from proxy.relay.effects.consents import ConsentImport, IncompleteConsents, PersonChange, apply_event
from proxy.relay.effects.replay import replay
from proxy.state import open_store
from proxy.state.lists.suppression_lists import CHUNK_BITS, LOW_MASK
from proxy.state.record import record
from proxy.state.stores.sqlite import SqliteStore

NOW = 1_800_000_000
LI, WANG, ZHAO = 13800210500, 13800210501, 13900210500
RULES = """
rules:
  - {id: needs-consent, when: {category: marketing, consent: [absent, expired, revoked, unreviewed]}, then: reject, reason: consent-missing}
"""
SIGNATURES = "signature,advertiser,group,provider,port,state,from,to\n测试,甲公司,,,,approved,,\n乙店,乙公司,,,,approved,,\n"


REPLY = ConsentReply(
    1.5, LI, 7, Terms("甲公司", "marketing", NOW, 0, "ask"), "同意请回Y", "jia", "1069001", 2**48 - 1, 2**48 - 1, NOW, "ｙ", "Y", "",
)  # fmt: skip


class Desk:
    """A store, and what was journalled of it."""

    def __init__(self) -> None:
        self.store: SqliteStore = open_store("sqlite::memory:")
        self.journal: list[JournalRecord] = []

    def write(self, kind: int, body: bytes) -> int:
        self.journal.append(JournalRecord(len(self.journal) + 1, kind, body))
        return len(self.journal)

    def begin(self, *terms: Terms, proof: str = "ab" * 32) -> ConsentImport:
        body = pack(ConsentFile(NOW, terms, "app", "jia", proof, "f.csv", NOW + 9, "li (uid 1, pid 2)", "x"))
        return ConsentImport(self.write(messages.CONSENT_FILE, body), unpack(consents.ConsentFile, body))

    def numbers(self, incoming: ConsentImport, batch: int, *people: int) -> None:
        for person in people:
            lows = BitMap((person & LOW_MASK,)).serialize()
            body = pack(consents.Chunk(incoming.sequence, batch, person >> CHUNK_BITS, lows))
            self.write(messages.CONSENTS, body)
            incoming.add(body, 1)

    def end(self, incoming: ConsentImport) -> tuple[int, ...]:
        event = incoming.whole(NOW, self.store.consented)
        self.write(messages.CONSENT_EVENT, pack(event))
        assert sum(incoming.apply(event, self.store.consented)) == incoming.numbers
        return event.batches

    def take(self, terms: Terms, *people: int) -> int:
        incoming = self.begin(terms)
        self.numbers(incoming, 0, *people)
        return self.end(incoming)[0]

    def review(self, batch: int, verdict: str) -> None:
        event = BatchEvent(NOW, "reviewed", (batch,), "wang (uid 1, pid 2)", "looked", verdict)
        self.write(messages.CONSENT_EVENT, pack(event))
        apply_event(self.store.consented, event)

    def befalls(self, said: ConsentChange) -> PersonChange:
        change = PersonChange(said, self.store, lambda change, recorded: None)
        self.store.update(said.recipient, lambda data: change.apply(data, said.time))
        change.done(self.write(*change.written(said.time)))
        return change

    def again(self) -> SqliteStore:
        """After a restart without a checkpoint."""
        store: SqliteStore = open_store("sqlite::memory:")
        replay(store, self.journal, 0)
        return store


def agreed(advertiser: str = "甲公司", given: int = NOW - 100, until: int = 0) -> Terms:
    return Terms(advertiser, "", given, until, "v1")


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    folder: Path = tmp_path_factory.mktemp("rules")
    (folder / "rules.yaml").write_text(RULES, encoding="utf-8")
    (folder / "registries").mkdir()
    (folder / "registries" / "signatures.csv").write_text(SIGNATURES, encoding="utf-8")
    return load(folder)


def says(
    rules: RuleSet,
    store: SqliteStore,
    person: int,
    text: str = "【测试】双11券",
    at: float = NOW,
    scheduled: float | None = None,
) -> str:
    """Why an advertisement to somebody is refused; empty: it is not."""
    sender = Sender.of("jia", "jia", "1069001", "1069001", Category.MARKETING)
    _, data = store.load_now([person])[person]
    seen = store.listed.beside(record.Record(data), person)
    content = Content(text, "readable", b"", scheduled=scheduled)
    verdict = judge(Message(sender, person, content), seen, rules, at, store.counters)
    return verdict.reason.name if verdict.reason is not None else ""


def test_a_consent_counts_once_its_proof_was_looked_at_and_for_its_advertiser_only(desk: Desk, rules: RuleSet) -> None:
    batch = desk.take(agreed(), LI)
    assert says(rules, desk.store, LI) == "consent-missing", "nobody has looked at its proof"
    desk.review(batch, "accepted")
    for store in (desk.store, desk.again()):
        assert says(rules, store, LI) == ""
        assert says(rules, store, WANG) == "consent-missing"
        assert says(rules, store, LI, "【乙店】双11券") == "consent-missing"
    desk.review(batch, "rejected")
    assert [says(rules, store, LI) for store in (desk.store, desk.again())] == ["consent-missing"] * 2


def test_a_consent_ends_with_its_day_and_a_newer_one_goes_on(desk: Desk, rules: RuleSet) -> None:
    desk.review(desk.take(agreed(until=NOW + 10), LI), "accepted")
    assert [says(rules, desk.store, LI, at=NOW + s) for s in (9, 10)] == ["", "consent-missing"]
    assert [says(rules, desk.store, LI, scheduled=NOW + s) for s in (9, 10)] == ["", "consent-missing"], (
        "it holds until delivery"
    )
    desk.review(desk.take(agreed(given=NOW - 50), LI), "accepted")
    assert says(rules, desk.store, LI, at=NOW + 10) == ""


def test_what_a_person_takes_back_is_over_at_once_and_what_they_agree_to_later_counts(desk: Desk, rules: RuleSet) -> None:
    desk.review(desk.take(agreed(), LI, WANG), "accepted")
    desk.befalls(ConsentChange(NOW - 20, LI, "withdrawn", "li (uid 1, pid 2)", "by phone", "甲公司"))
    for store in (desk.store, desk.again()):
        assert [says(rules, store, person) for person in (LI, WANG)] == ["consent-missing", ""]
    desk.befalls(ConsentChange(NOW - 20, WANG, "withdrawn", "li (uid 1, pid 2)", "by phone", "乙公司"))
    assert says(rules, desk.store, WANG) == "", "of another advertiser"
    desk.review(desk.take(agreed(given=NOW - 10), LI), "accepted")
    assert says(rules, desk.store, LI) == ""


@pytest.mark.parametrize(
    ("scope", "value", "ends"),
    [
        ("all", "", True),
        ("advertiser", "甲公司", True),
        ("advertiser", "乙公司", False),
        ("category", "marketing", True),
        ("provider", "yi", False),
    ],
)
def test_a_refusal_takes_back_what_was_agreed_to_before_it(
    desk: Desk, rules: RuleSet, scope: str, value: str, ends: bool
) -> None:
    desk.review(desk.take(agreed(), LI), "accepted")
    desk.store.update(LI, lambda data: record.opt_out(data, OptOut(scope, value, NOW - 50, "reply", 0)))
    assert says(rules, desk.store, LI) == ("consent-missing" if ends else "")
    desk.review(desk.take(agreed(given=NOW - 10), LI), "accepted")
    assert says(rules, desk.store, LI) == "", "they agreed again"


def test_half_a_file_is_none_also_after_a_restart(desk: Desk) -> None:
    incoming = desk.begin(agreed(), agreed("乙公司"))
    desk.numbers(incoming, 0, LI)
    desk.write(messages.START, pack(gate_events.Start(NOW, 0, 1)))
    store = desk.again()
    assert len(store.consented) == 0
    assert store.consented.of(LI) == []


def test_a_file_that_lost_a_chunk_is_a_damaged_journal(desk: Desk) -> None:
    incoming = desk.begin(agreed())
    desk.numbers(incoming, 0, LI, ZHAO)
    desk.end(incoming)
    del desk.journal[1]
    with pytest.raises(IncompleteConsents, match="record 1 of the journal begins are not whole"):
        desk.again()


def test_replayed_over_a_checkpoint_that_is_newer_all_is_as_it_was(desk: Desk) -> None:
    first = desk.take(agreed(), LI, ZHAO)
    desk.review(first, "accepted")
    second = desk.take(agreed("乙公司"), LI)
    desk.befalls(ConsentChange(NOW, LI, "recycled", "li (uid 1, pid 2)", "list", before=NOW - 99))
    before = desk.store.consented.batches()
    replay(desk.store, desk.journal, 0)
    assert desk.store.consented.batches() == before
    assert [(one.number, one.state) for one, _ in before] == [(first, "accepted"), (second, "unreviewed")]
    assert [one.number for one in desk.store.consented.of(ZHAO)] == [first]


def test_a_number_that_is_somebody_elses_has_no_history_of_before(desk: Desk) -> None:
    desk.take(agreed(given=NOW - 1000), LI)
    later = desk.take(agreed(given=NOW - 10), LI)
    for at in (NOW - 1000, NOW - 10):
        desk.store.update(LI, lambda data, at=at: record.opt_out(data, OptOut("provider", f"p{at}", at, "reply", 0)))  # type: ignore[misc]
    change = desk.befalls(ConsentChange(NOW, LI, "recycled", "li (uid 1, pid 2)", "list of November", before=NOW - 500))
    assert change.removed == 1
    _, data = desk.store.load_now([LI])[LI]
    assert [one.time for one in record.opt_outs(data)] == [NOW - 10]
    assert [one.number for one in desk.store.consented.of(LI)] == [later]


def test_who_is_erased_is_known_by_a_name_alone_and_still_gets_no_marketing(desk: Desk) -> None:
    desk.take(agreed(), LI)
    desk.store.update(LI, lambda data: record.opt_out(data, OptOut("provider", "jia", NOW, "reply", 0)))
    desk.befalls(ConsentChange(NOW, LI, "erased", "li (uid 1, pid 2)", "asked in writing", name=4711))
    for store in (desk.store, desk.again()):
        store.erased.named = lambda number: 4711 if number == LI else 1
        assert store.consented.of(LI) == []
        _, data = store.load_now([LI])[LI]
        assert record.opt_outs(data) == []
        beside = store.listed.beside(record.Record(data), LI)
        assert [(one.scope, one.source) for one in beside.opt_outs()] == [("all", "officer")]
        assert not beside.bare
        assert store.listed.beside(record.Record(record.EMPTY), WANG).opt_outs() == ()


@pytest.mark.parametrize(
    "value",
    [
        ConsentFile(1.5, (agreed(), agreed("")), "应用", "", "", "表.csv", 9, "li", "why"),
        BatchEvent(1.5, "whole", (1, 2), "li", "x", "ab", 7, 3),
        ConsentChange(1.5, LI, "withdrawn", "li", "x", "甲", "loan"),
        ConsentChange(1.5, LI, "erased", "li", "x", name=1 << 63),
        REPLY,
    ],
    ids=["file", "event", "person", "erased", "reply"],
)
def test_a_record_reads_back_as_it_was_written(value) -> None:
    assert unpack(type(value), pack(value)) == value


def test_a_record_of_a_person_shows_no_number() -> None:
    assert str(LI) not in repr(ConsentChange(1.5, LI, "withdrawn", "li", "x"))
    assert str(LI) not in repr(REPLY)
    assert str(LI) not in repr(unpack(consents.Chunk, pack(consents.Chunk(1, 2, 3, BitMap((4,)).serialize()))))
