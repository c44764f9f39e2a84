"""Opt-outs older than the journal count in a backtest.

They come from the gate's store, taken back to the moment asked for.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pyroaring import BitMap

from proxy.desk.backtest import runner
from proxy.desk.backtest.environment import KnownProvider
from proxy.desk.backtest.initial_state import facts_as_of, record_as_of
from proxy.desk.backtest.result_text import notes
from proxy.desk.backtest.runner import BacktestRequest, BacktestResult, backtest
from proxy.journal.disk import OsDisk
from proxy.journal.encoding import pack
from proxy.journal.records import gate_events, messages, operator_actions
from proxy.journal.records.consents import ConsentReply, Terms
from proxy.journal.write_ahead_log import Journal, read
from proxy.model.message import Category
from proxy.model.recipient import OptOut
from proxy.relay.effects.consents import consented_beside
from proxy.relay.effects.replay import replay
from proxy.state import open_store
from proxy.state.lists.consent_lists import ConsentBatch
from proxy.state.lists.suppression_lists import CHUNK_BITS, LOW_MASK
from proxy.state.record import record
from proxy.state.record.consent_facts import Withdrawal, withdraw
from tests.harness import SHANGHAI, Harness
from tests.journal.memory_disk import MemoryDisk

AD = "【测试】双11好礼, 满100减50 拒收请回复R"
EARLY, LATE, LISTED, BACK, UNLISTED = range(SHANGHAI, SHANGHAI + 5)
DAY_S = 86_400


class Gate:
    """A harness that has run for days, its store on disk, and the first hours of its journal removed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.harness = harness = Harness(folder)
        rules = harness.relay.rules
        self.writes(
            messages.RULES, pack(gate_events.Rules(harness.now, rules.revision, tuple(rule.id for rule in rules.rules)))
        )
        self.refuses(EARLY)
        self.refuses(BACK)
        self.lists(LISTED)
        self.lists(UNLISTED)
        self.removed = len(harness.disk.list())
        for _ in range(4):
            harness.now += DAY_S
            self.writes(messages.CLOCK, pack(messages.Clock(harness.now, 0.0)))
        harness.now += DAY_S
        self.since = harness.now
        for person in (EARLY, LATE, LISTED, BACK, UNLISTED):
            harness.submit("jia", person, AD)
        harness.now += 700
        self.refuses(LATE)
        self.takes_back(BACK)
        self.lists(UNLISTED, takes_off=True)
        harness.now += 700
        for person in (EARLY, LATE, LISTED, BACK, UNLISTED):
            harness.submit("jia", person, AD)

    def writes(self, kind: int, body: bytes) -> int:
        harness = self.harness
        sequence = harness.journal.append(kind, body)
        harness.journal.write(harness.now)
        harness.relay.refusals.clear()
        return sequence

    def refuses(self, person: int) -> None:
        refusal = OptOut("all", "", int(self.harness.now), "officer", 0)
        self.harness.store.update(person, lambda data: record.opt_out(data, refusal))
        self.writes(
            messages.SUPPRESSED, pack(operator_actions.Suppressed(self.harness.now, person, (refusal,), (), "li", "asked"))
        )

    def takes_back(self, person: int) -> None:
        (refusal,) = record.opt_outs(self.harness.store.load_now([person])[person][1])
        self.harness.store.update(person, lambda data: record.restore(data, refusal))
        self.writes(
            messages.SUPPRESSED, pack(operator_actions.Suppressed(self.harness.now, person, (), (refusal,), "li", "asked"))
        )

    def lists(self, person: int, takes_off: bool = False) -> None:
        harness = self.harness
        refusal = OptOut("all", "", int(harness.now), "import", 0)
        sequence = self.writes(
            messages.LISTING, pack(operator_actions.ListBegun(harness.now, takes_off, (refusal,), "li", "asked", "list.csv"))
        )
        from proxy.relay.effects.list_import import ListImport

        listing = ListImport(
            sequence, operator_actions.ListBegun(harness.now, takes_off, (refusal,), "li", "asked", "list.csv")
        )
        body = pack(operator_actions.ListChunk(sequence, 0, person >> CHUNK_BITS, BitMap((person & LOW_MASK,)).serialize()))
        self.writes(messages.LISTED, body)
        listing.add(body, 1)
        self.writes(messages.LISTING_DONE, listing.done(harness.now))
        for _ in listing.apply(harness.store.listed):
            pass

    def leaves(self) -> Path:
        """The store's file and what retention has left of the journal."""
        harness, path = self.harness, self.folder / "state.db"
        store = open_store(f"sqlite://{path}")
        found = replay(store, read(harness.disk, 1), 0)
        store.checkpoint_now(counted=found.last_sequence, open_from=1, highest_id=found.highest_id)
        store.close()
        (self.folder / "journal").mkdir()
        for name in harness.disk.list()[self.removed :]:
            (self.folder / "journal" / name).write_bytes(harness.disk.read(name))
        return path

    def asked(self, store: Path | None) -> BacktestResult:
        return backtest(self.request(store))

    def request(self, store: Path | None, last_s: float = 0.0) -> BacktestRequest:
        known = dict.fromkeys(("jia", "yi"), KnownProvider(Category.MARKETING))
        journals = ((self.folder / "journal", None),)
        return BacktestRequest(journals, self.folder / "rules", None, known, store, last_s, self.harness.now + 1e6)


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


def test_the_gate_had_refused_by_what_was_written_days_before(gate: Gate) -> None:
    first, second = gate.harness.verdicts()[:5], gate.harness.verdicts()[5:]
    assert [one.reason for one in first] == ["suppressed", "", "suppressed", "suppressed", "suppressed"]
    assert [one.reason for one in second] == ["suppressed", "suppressed", "suppressed", "", ""]


def test_without_the_store_refusals_from_before_the_journal_are_missed_and_that_is_told(gate: Gate) -> None:
    gate.leaves()
    answer = gate.asked(None)
    assert answer.differences.by("newly_allowed", "rule") == {"suppressed": 6}
    assert any("what people refused before is not known here" in one for one in notes(answer))


def test_with_it_nothing_comes_out_otherwise(gate: Gate) -> None:
    answer = gate.asked(gate.leaves())
    assert (answer.differences.messages, answer.differences.total) == (10, 0)
    assert not answer.whole
    assert any("what people refused before is taken from the store as it is now" in one for one in notes(answer))


def test_the_store_is_read_only_and_may_be_in_use(gate: Gate) -> None:
    path = gate.leaves()
    before = path.read_bytes()
    held = open_store(f"sqlite://{path}")  # a gate has it
    disk = MemoryDisk()
    store = facts_as_of(path, disk, gate.since)
    assert record.opt_outs(store.load_now([EARLY])[EARLY][1])
    assert not record.opt_outs(store.load_now([LATE])[LATE][1]), "that came later"
    held.close()
    assert len(path.read_bytes()) == len(before)


def test_a_long_journal_is_read_only_as_far_back_as_rules_look(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it is there, and too much to be read for the sake of old refusals."""
    gate.removed = 0
    path = gate.leaves()
    read: list[str] = []
    real = OsDisk.read

    def noted(disk: OsDisk, name: str, size: int = -1) -> bytes:
        if size < 0:
            read.append(name)
        return real(disk, name, size)

    monkeypatch.setattr(runner, "READ_OCTETS_MAX", 0)
    question = gate.request(path, last_s=gate.harness.now - gate.since + 10)
    monkeypatch.setattr(OsDisk, "read", noted)
    answer = backtest(question)
    assert (answer.differences.messages, answer.differences.total, answer.from_store) == (10, 0, True)
    assert any("the journal is long" in one for one in notes(answer))
    first = gate.harness.disk.list()[0]
    assert read.count(first) <= 1, "but for a look at when it begins"


def test_a_refusal_of_an_advertiser_by_name_goes_back_as_any_other() -> None:
    """A company's name may have as many characters as a hash has digits."""
    named = OptOut("advertiser", "北京青禾贸易发展有限公司", 2000, "officer", 0)
    assert len(named.value) == 12
    assert record_as_of(record.opt_out(record.EMPTY, named), 1000) == record_as_of(record.EMPTY, 1000)


def test_a_consent_by_reply_counts_from_when_it_was_given(tmp_path: Path) -> None:
    """Of two of one batch the later is not there yet."""
    store, disk = open_store(f"sqlite://{tmp_path}/state.db"), MemoryDisk()
    moment, journal = 1_800_000_000, Journal(disk, 0)
    for person, at in ((EARLY, moment - 9), (LATE, moment + 9)):
        terms = Terms("甲", "marketing", moment - 99, 0, "ask")
        said = ConsentReply(at, person, 1, terms, "同意请回Y", "jia", "1069001", 5, 6, at - 9, "Y", "Y", "the setting")
        journal.append(messages.CONSENT_REPLY, pack(said))
        journal.write(at)
        consented_beside(store.consented, said)
    journal.sync()
    store.checkpoint_now(counted=2, open_from=3, highest_id=0)
    store.close()
    then = facts_as_of(tmp_path / "state.db", disk, moment)
    assert [len(then.consented.of(person)) for person in (EARLY, LATE)] == [1, 0]


def test_consents_are_those_of_then(tmp_path: Path) -> None:
    """Handed in later: not there yet; looked at later: nobody had; taken back later: still given."""
    store = open_store(f"sqlite://{tmp_path}/state.db")
    moment = 1_800_000_000
    for number, imported, reviewed in ((1, moment - 9, moment - 5), (2, moment - 9, moment + 5), (3, moment + 1, 0)):
        batch = ConsentBatch(number, "甲", "", moment - 99, 0, "v1", "app", "", "ab", "f", imported, "li", "x", 0)
        store.consented.put(batch._replace(state="accepted" if reviewed else "unreviewed", reviewed=reviewed))
        store.consented.add(number, EARLY >> CHUNK_BITS, BitMap((EARLY & LOW_MASK,)))
    for at, advertiser in ((moment - 3, "乙"), (moment + 3, "甲")):
        store.update(EARLY, lambda data, at=at, one=advertiser: withdraw(data, Withdrawal(one, "", at)))
    store.checkpoint_now(counted=0, open_from=1, highest_id=0)
    store.close()
    then = facts_as_of(tmp_path / "state.db", MemoryDisk(), moment)
    assert [(one.number, one.state) for one in then.consented.of(EARLY)] == [(1, "accepted"), (2, "unreviewed")]
    _, data = then.load_now([EARLY])[EARLY]
    assert record.withdrawals(data) == [Withdrawal("乙", "", moment - 3)]
