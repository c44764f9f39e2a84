"""Parts of long messages in the relay: conversations of a provider, the gate and a carrier, without a socket."""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.desk.backtest.commit_groups import groups_of
from proxy.desk.backtest.environment import KnownProvider, Senders
from proxy.desk.backtest.rerun import Rerun
from proxy.desk.backtest.submit_case import SubmitCase
from proxy.journal.records import messages
from proxy.journal.write_ahead_log import Journal, read
from proxy.model.counters import GateCounters
from proxy.model.message import Category, hash48
from proxy.model.rate import Rate
from proxy.model.recipient import Entry, EntryState, OptOut
from proxy.net.lane import Lane
from proxy.policy.loading.load_rules import load
from proxy.policy.text.category import SUBCATEGORY_CODES
from proxy.relay.account_access import Access, PortTable
from proxy.relay.effects.replay import replay, settle_open
from proxy.relay.multipart.assembler import INHERIT_S, WAIT_MAX_S
from proxy.relay.multipart.handler import PartBounds, PartHandler
from proxy.relay.pending_submit import PendingSubmit
from proxy.relay.submit import Relay
from proxy.state import open_store
from proxy.state.counters.aggregates import Aggregates
from proxy.state.lists.desk_records import DeskRecords
from proxy.state.lists.suppression_lists import SuppressionLists
from proxy.state.mailbox.mailbox import Mailbox
from proxy.state.record import incomplete_multipart, record
from proxy.state.record.incomplete_multipart import TornKeys
from proxy.wire import Frame, submit_sm, submit_sm_resp
from tests.journal.memory_disk import MemoryDisk

NOON = 1_762_833_600.0  # 2025-11-11 12:00 in Shanghai
PERSON, BEIJING = 13800210500, 13800100500
OK, SYSERR, INVMSGLEN, MSGQFUL, SUBMITFAIL, THROTTLED = 0x00, 0x08, 0x01, 0x14, 0x45, 0x58
CAP, KEYWORD, NOT_PERMITTED, REGION_BAN, QUOTA = 0x410, 0x450, 0x420, 0x400, 0x470
TEXT = "【青禾】双11优惠券满300减40 点击领取 拒收请回复R"
RULES = """
rules:
  - {id: ban, say: x, when: {category: marketing, province: 北京}, then: reject, reason: region-ban}
  - {id: suppressed, say: x, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
  - {id: cap, say: x, when: {category: marketing}, limit: {count: 2, per: day, key: [recipient]}, then: reject, reason: recipient-cap}
  - {id: quota, say: x, when: {category: marketing}, limit: {count: 9, per: day, key: [provider]}, then: reject, reason: provider-quota}
  - {id: words, say: x, when: {text: 代开发票}, then: reject, reason: keyword}
  - {id: watch, say: x, when: {notice: missing}, then: reject, reason: notice-missing, mode: shadow}
"""


class Store:
    waits = False
    shared = False

    def __init__(self) -> None:
        self.records: dict[int, tuple[int, bytes]] = {}
        self.counters = Aggregates()
        self.mailbox = Mailbox()
        self.listed = SuppressionLists()
        self.consented, self.erased = self.listed.consented, self.listed.erased
        self.orders = DeskRecords()
        self.doubtful, self.decisions = DeskRecords(), DeskRecords()
        self.away = False
        self.torn_keys = TornKeys()

    async def load(self, keys: Iterable[int]) -> dict[int, tuple[int, bytes]]:
        if self.away:
            raise OSError("away")
        return {key: self.records.get(key, (0, record.EMPTY)) for key in keys}

    async def swap(self, items: list[tuple[int, int, bytes]]) -> list[bool]:
        for key, version, data in items:
            self.records[key] = (version + 1, data)
        return [True] * len(items)

    def update(self, key: int, change: Callable[[bytes], bytes]) -> None:
        version, data = self.records.get(key, (0, record.EMPTY))
        self.records[key] = (version + 1, change(data))


class Bind:
    """A provider's bind and what it was told, by sequence number."""

    window, peer_version = 64, 0x34

    def __init__(self, access: Access) -> None:
        self.access = access
        self.unanswered = self.noise = 0
        self.told: dict[int, int] = {}

    def answer_all(self, answers: list[bytes]) -> None:
        for data in answers:
            frame = Frame.of(data)
            assert frame.sequence_number not in self.told, "answered twice"
            self.told[frame.sequence_number] = frame.command_status


class Harness:
    def __init__(self, folder: Path, rate: Rate | None = None) -> None:
        (folder / "rules").mkdir(exist_ok=True)
        (folder / "rules" / "x.yaml").write_text(RULES)
        self.rules = load(folder / "rules")
        self.store = Store()
        self.disk = MemoryDisk()
        self.journal = Journal(self.disk, 0)
        self.tally = GateCounters()
        self.lane = Lane("bj", "B1", 1000, lambda: None)
        self.lane.up = True
        self.now_s = 1000.0
        self.numbers = itertools.count(1)
        self.at_carrier: list[PendingSubmit] = []
        ports = PortTable(cast("Any", (SimpleNamespace(name="jia", ports=("1069001",)),)))
        provider = SimpleNamespace(
            name="jia",
            statuses="vendor",
            status_detail="none",
            replace=False,
            category=Category.MARKETING,
            since=None,
            reserved_values="relay",  # what impossible part numbers mean is asked here
        )
        access = Access(
            cast("Any", provider), cast("Any", SimpleNamespace(system_id="jia", ports=None)), (rate,) if rate else (), ports
        )
        self.first, self.second = Bind(access), Bind(access)
        self.relay = Relay(
            directory=cast("Any", SimpleNamespace(ports=ports, pacers={})),
            rules=self.rules,
            store=cast("Any", self.store),
            journal=self.journal,
            routes=cast("Any", SimpleNamespace(only=None, lane=lambda message, verdict: self.lane if self.lane.up else None)),
            tally=self.tally,
            spawn=_drive,
            wake=lambda: None,
            sync=lambda: None,
        )

    @property
    def now(self) -> float:
        return NOON + self.now_s - 1000.0

    def sends(self, pdu: bytes, bind: Bind | None = None) -> int:
        """Hands a submit in without looking after it; its sequence number."""
        number = next(self.numbers)
        frame = Frame.of(pdu[:12] + number.to_bytes(4, "big") + pdu[16:])
        self.relay.submit_all(cast("Any", bind or self.first), [frame], self.now, self.now_s)
        return number

    def turns(self, seconds: float = 0.0) -> None:
        """Time passes as timers have it; then a turn, a sync, and what waited for that."""
        until_s = self.now_s + seconds
        while (next_s := self.relay.parts.next_s) is not None and next_s <= until_s:
            self.now_s = max(self.now_s, next_s)
            self.relay.due(self.now_s)
            self._turn()
        self.now_s = until_s
        self.relay.due(self.now_s)
        self._turn()

    def _turn(self) -> None:
        self.relay.turn(self.now)
        self.journal.note_synced(self.journal.sync())
        self.relay.turn(self.now)
        self.at_carrier += self.lane.take(1000)

    def carrier_says(self, status: int, *, which: int = -1, late: bool = False) -> None:
        """The carrier answers one submit (the newest, unless said otherwise)."""
        pending = self.at_carrier[which]
        frame = Frame.of(submit_sm_resp(1, status, b"" if status else b"id"))
        (self.relay.answered_late if late else self.relay.answered)(pending, frame)
        self.turns()

    def carrier_takes_all(self) -> None:
        for pending in [one for one in self.at_carrier if one.recorded in self.relay.in_flight]:
            self.relay.answered(pending, Frame.of(submit_sm_resp(1, 0, b"id")))
        self.turns()

    def told(self, *numbers: int) -> list[int | None]:
        return [{**self.first.told, **self.second.told}.get(number) for number in numbers]

    def known(self, person: int = PERSON) -> list[Any]:
        return record.entries(self.store.records.get(person, (0, record.EMPTY))[1])

    def journalled(self) -> list[messages.VerdictRecord]:
        return [messages.unpack_verdict(one.body) for one in read(self.disk, 1) if one.kind == messages.VERDICT]

    def outcomes(self) -> dict[str, int]:
        return {outcome: n for (outcome,), n in self.tally.long_messages.items()}

    def check_replay(self) -> None:
        """A restart finds the same, but for what is still on its way, which is unknown then."""
        fresh = Store()
        settle_open(cast("Any", fresh), replay(cast("Any", fresh), read(self.disk, 1), 0))
        for person in self.store.records:
            mine = {one.id: one for one in self.known(person)}
            theirs = {one.id: one for one in record.entries(fresh.records.get(person, (0, record.EMPTY))[1])}
            on_their_way = {one.entry_id for one in self.relay.in_flight.values()}
            for number, one in mine.items():
                if number in on_their_way:
                    assert theirs[number].state == EntryState.UNKNOWN
                    mine[number] = one._replace(state=EntryState.UNKNOWN)
            assert theirs == mine
            torn_here, torn_there = (
                [*incomplete_multipart.torn(store.records.get(person, (0, record.EMPTY))[1])] for store in (self.store, fresh)
            )
            assert torn_there == torn_here

        def counts(of: Aggregates) -> dict[int, int]:
            return {key: sum(series.counts) for key, series in of.series() if any(series.counts)}

        assert counts(fresh.counters) == counts(self.store.counters)

    def check_judged_again(self) -> None:
        """By the same rules every message comes out as it did, to the last bit of its entry."""
        senders, found = Senders({"jia": KnownProvider(Category.MARKETING, None, True)}), list[SubmitCase]()
        Rerun(open_store("sqlite::memory:"), lambda _: self.rules, senders, found.append, lambda _: None).run(
            groups_of(self.disk)
        )
        then = [(said.entry.pack() if said.entry else b"", said.reason) for said in self.journalled()]
        assert [(one.packed, one.reason) for one in found] == then


def _drive(coroutine: Any) -> None:
    with pytest.raises(StopIteration):
        coroutine.send(None)


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def parts(text: str = TEXT, total: int = 3, reference: int = 7, to: int = PERSON) -> list[bytes]:
    octets = text.encode("utf-16-be")
    size = -(-len(octets) // total)
    return [
        submit_sm(
            "1069001", f"86{to}", bytes((5, 0, 3, reference, total, index)) + octets[(index - 1) * size : index * size],
            data_coding=8, esm_class=0x40,
        )
        for index in range(1, total + 1)
    ]  # fmt: skip


def test_three_parts_are_one_message_with_one_entry_and_three_answers(harness: Harness):
    numbers = [harness.sends(pdu) for pdu in reversed(parts())]
    harness.turns()
    assert len(harness.at_carrier) == 3
    assert len({one.entry_id for one in harness.at_carrier}) == 1
    assert [one.data[16:] for one in harness.at_carrier] == [
        pdu[16:] for pdu in parts()
    ]  # byte for byte, in the order of the text
    assert len(harness.known()) == 1
    assert harness.told(*numbers) == [None] * 3
    harness.carrier_takes_all()
    assert harness.told(*numbers) == [OK] * 3
    assert harness.relay.idle
    said = harness.journalled()
    assert [one.entry == said[0].entry for one in said] == [True] * 3
    assert [len(one.takes) for one in said] == [1, 0, 0]
    assert harness.outcomes() == {"complete": 1}
    assert harness.tally.segments["jia",] == 3
    harness.check_replay()


def test_what_a_part_waits_for_the_others_is_not_our_own_part_of_its_way(harness: Harness):
    for pdu in parts():
        harness.turns(0.1)
        harness.sends(pdu)
    harness.turns()
    assert [one.gate_s for one in harness.at_carrier] == pytest.approx([-0.2, -0.1, 0.0])


def test_a_cap_counts_messages_not_parts_and_never_splits_one(harness: Harness):
    for reference in (1, 2, 3):
        for pdu in parts(reference=reference):
            harness.sends(pdu)
        harness.turns()
        harness.carrier_takes_all()
    assert harness.told(*range(1, 10)) == [OK] * 6 + [CAP] * 3
    assert len(harness.known()) == 2
    ((_, series),) = harness.store.counters.series()
    assert sum(series.counts) == 2


def test_a_word_split_over_parts_is_found_and_nothing_of_the_message_leaves(harness: Harness):
    numbers = [harness.sends(pdu) for pdu in parts("【青禾】代开发票", 4)]
    harness.turns()
    assert harness.told(*numbers) == [KEYWORD] * 4
    assert harness.at_carrier == []
    assert harness.known() == []
    assert harness.relay.idle


def test_a_notice_in_the_last_part_is_the_messages_notice(harness: Harness):
    for pdu in parts():
        harness.sends(pdu)
    harness.turns()
    assert harness.known()[0].keyword != 0
    assert harness.tally.shadow == {}


def test_a_client_whose_window_is_one_part_gets_one_message_through(harness: Harness):
    told = []
    for pdu in parts():
        number = harness.sends(pdu)
        harness.turns(0.3)
        harness.carrier_takes_all()
        told += harness.told(number)
    assert told == [OK] * 3
    assert len(harness.known()) == 1
    assert harness.outcomes() == {"incomplete": 1, "inherited": 2}
    assert harness.known()[0].keyword != 0  # the notice stood in the last part
    harness.check_replay()


def test_parts_come_over_two_binds_and_each_is_answered_where_it_came_from(harness: Harness):
    one, two = parts(total=2)
    here, there = harness.sends(two, harness.second), harness.sends(one, harness.first)
    harness.turns()
    harness.carrier_takes_all()
    assert (harness.second.told, harness.first.told) == ({here: OK}, {there: OK})
    assert len(harness.known()) == 1


def test_a_late_part_that_makes_the_text_break_a_rule_is_refused_and_journalled_as_such(harness: Harness):
    one, two = parts("【青禾】上新 代开发票请联系客服", 2)
    first = harness.sends(one)
    harness.turns(0.3)
    harness.carrier_takes_all()
    late = harness.sends(two)
    harness.turns()
    assert harness.told(first, late) == [OK, KEYWORD]
    assert len(harness.at_carrier) == 1
    said = harness.journalled()[-1]
    assert (said.reason, said.status, said.entry) == ("late-breach", KEYWORD, None)
    assert [harness.rules.rules[number].id for number, _, shadow in said.breaches if not shadow] == ["words"]
    assert harness.outcomes() == {"incomplete": 1, "late-breach": 1}
    assert harness.tally.submits["jia", "marketing", "reject", "late-breach"] == 1
    again = harness.sends(two)  # the same message still
    harness.turns(2.0)
    assert harness.told(again) == [KEYWORD]
    assert len(harness.known()) == 1
    harness.check_replay()


def test_a_shadow_rule_is_counted_when_the_text_is_whole(harness: Harness):
    one, two = parts("【青禾】双11优惠券满300减40", 2)
    harness.sends(one)
    harness.turns(0.3)
    assert harness.tally.shadow == {}
    harness.sends(two)
    harness.turns()
    assert harness.tally.shadow == {("watch", "reject"): 1}


def test_the_journal_says_which_part_came_between_the_judgement_of_the_others_and_the_writing_of_it(harness: Harness):
    one, two, three = parts()
    harness.sends(one)
    harness.now_s += WAIT_MAX_S
    harness.relay.due(harness.now_s)  # handed in, to be judged in the coming turn
    harness.sends(two)
    harness.turns()
    harness.sends(three)
    harness.turns()
    said = harness.journalled()
    assert [part.late for part in said] == [False, True, False], (
        "the third has a turn of its own, which shows that it came late"
    )
    assert [part.entry == said[0].entry for part in said[:2]] == [True, True], "else nothing would tell"


PROTECTED = """
lists:
  young: {file: young.csv}
rules:
  - {id: suppressed, say: x, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
  - {id: young, say: x, when: {category: marketing, subcategory: loan, recipient_in: young}, then: reject, reason: protected}
  - {id: loans, say: x, when: {category: marketing, subcategory: loan}, limit: {count: 1, per: 7d, key: [recipient, subcategory]}, then: reject, reason: category-cap}
  - {id: night, say: x, when: {category: marketing, time: 21:00-08:00}, then: reject, reason: quiet-hours}
"""
LOAN = "【青禾】新品上架，秋冬好物都在这里，欢迎到店看看，无抵押贷款当天放款 拒收请回复R"


@pytest.mark.parametrize("how", ["protected", "refused", "had enough", "nothing of it"])
def test_what_the_last_part_brings_out_about_the_person_is_asked_though_it_is_late(tmp_path: Path, how: str):
    harness = Harness(tmp_path)
    (tmp_path / "rules" / "x.yaml").write_text(PROTECTED)
    (tmp_path / "rules" / "young.csv").write_text(f"{PERSON if how == 'protected' else PERSON + 1}\n")
    harness.relay.admission.rules = load(tmp_path / "rules")
    if how == "refused":
        refusal = OptOut("category", "loan", int(NOON) - 60, "reply", 0)
        harness.store.update(PERSON, lambda data: record.opt_out(data, refusal))
    if how == "had enough":
        loan = Entry(5, int(harness.now) - 3600, 77, 1, 1, Category.MARKETING, SUBCATEGORY_CODES["loan"], 9, 0, 1)
        harness.store.update(PERSON, lambda data: record.add(data, loan, int(harness.now), 30 * 86_400))
    one, two = parts(LOAN, 2)
    first = harness.sends(one)
    harness.turns(0.3)
    harness.carrier_takes_all()
    late = harness.sends(two)
    harness.turns()
    says = {"protected": NOT_PERMITTED, "refused": NOT_PERMITTED, "had enough": 0x412, "nothing of it": None}[how]
    if says is None:
        harness.carrier_takes_all()
        says = OK
    assert harness.told(first, late) == [OK, says]
    assert len(harness.known()) == 1 + (how == "had enough")


LIMITED = {
    "a signature": "{signature: [青禾]}, limit: {count: 2, per: day, key: [signature]}, then: reject, reason: campaign-cap",
    "a kind": "{category: marketing, subcategory: loan}, limit: {count: 2, per: day, key: [provider]}, then: reject, reason: provider-quota",
}
SIGNED_LAST = "新品上架，秋冬好物都在这里，欢迎到店看看，无抵押贷款当天放款 拒收请回复R【青禾】"


@pytest.mark.parametrize("what", LIMITED)
def test_a_limit_that_only_the_late_part_brings_counts_the_message_once(tmp_path: Path, what: str):
    """Whoever sends the part that decides a moment later has the same limit as who does not."""
    harness = Harness(tmp_path)
    (tmp_path / "rules" / "x.yaml").write_text(f"rules:\n  - {{id: limit, say: x, when: {LIMITED[what]}}}\n")
    harness.rules = harness.relay.admission.rules = load(tmp_path / "rules")
    told: list[int | None] = []
    for place in range(4):
        one, two, three = parts(SIGNED_LAST, 3, to=PERSON + place)
        harness.sends(one)
        harness.turns(0.3)
        late = [harness.sends(three), harness.sends(two)]  # the last comes first, and both in one turn
        harness.turns()
        harness.carrier_takes_all()
        told += harness.told(*late)
    assert told[:4] == [OK] * 4
    assert OK not in told[4:6] or OK not in told[6:], told
    (_, series), *others = harness.store.counters.series()
    assert not others
    assert sum(series.counts) == 2
    harness.check_replay()


def test_a_late_part_of_a_message_that_stands_in_for_an_unknown_one_takes_nothing_again(harness: Harness):
    harness.relay.parts.bounds = PartBounds(remembered_s=0.0)
    one, two = parts(total=2)
    harness.sends(one)
    harness.turns(0.3)
    harness.relay.unanswered(harness.at_carrier[-1])
    harness.turns(INHERIT_S + 1)
    again = harness.sends(one)
    harness.turns(0.3)
    assert harness.at_carrier[-1].adopted is not None
    harness.carrier_says(OK)
    late = harness.sends(two)
    harness.turns()
    harness.carrier_says(OK)
    assert harness.told(again, late) == [OK, OK]
    assert len(harness.known()) == 1
    ((_, series),) = harness.store.counters.series()
    assert sum(series.counts) == 1
    harness.check_replay()


def test_what_a_late_part_took_is_given_back_with_all_else_and_when_it_cannot_be_written(tmp_path: Path):
    harness = Harness(tmp_path)
    (tmp_path / "rules" / "x.yaml").write_text(f"rules:\n  - {{id: limit, say: x, when: {LIMITED['a signature']}}}\n")
    harness.rules = harness.relay.admission.rules = load(tmp_path / "rules")
    one, two = parts(SIGNED_LAST, 2)

    def taken() -> int:
        return sum(sum(series.counts) for _, series in harness.store.counters.series())

    harness.sends(one)
    harness.turns(0.3)
    harness.disk.free_bytes = 0
    late = harness.sends(two)
    harness.turns()
    assert (harness.told(late), taken()) == ([MSGQFUL], 0)
    harness.disk.free_bytes = None
    harness.relay.tick(harness.now)
    harness.sends(two)
    harness.turns()
    assert taken() == 1
    for which in (-2, -1):
        harness.carrier_says(SUBMITFAIL, which=which)
    assert (taken(), harness.known()) == (0, [])
    harness.check_replay()


def test_what_is_refused_on_what_is_there_is_refused_for_later_parts_too(harness: Harness):
    one, two = parts(total=2, to=BEIJING)
    numbers = [harness.sends(one)]
    harness.turns(0.3)
    numbers.append(harness.sends(two))
    harness.turns()
    assert harness.told(*numbers) == [REGION_BAN] * 2
    assert harness.outcomes() == {"incomplete": 1, "inherited": 1}


def test_a_part_that_brings_the_signature_brings_the_opt_out_into_force(harness: Harness):
    one, two = parts("双11优惠券满300减40 点击领取 拒收请回复R 【青禾】", 2)
    refusal = OptOut("advertiser", f"{hash48('青禾'):012x}", int(NOON) - 60, "reply", 0)
    harness.store.update(PERSON, lambda data: record.opt_out(data, refusal))
    early = harness.sends(one)  # says nothing of whose it is
    harness.turns(0.3)
    harness.carrier_takes_all()
    late = harness.sends(two)
    harness.turns()
    assert harness.told(early, late) == [OK, NOT_PERMITTED]
    assert harness.journalled()[-1].reason == "late-breach"
    assert harness.tally.sent_against_record == 0


def test_the_carriers_refusal_of_every_part_gives_all_back(harness: Harness):
    numbers = [harness.sends(pdu) for pdu in parts()]
    harness.turns()
    for which in (0, 1):
        harness.carrier_says(SUBMITFAIL, which=which)
        assert len(harness.known()) == 1
    harness.carrier_says(SUBMITFAIL, which=2)
    assert harness.told(*numbers) == [SUBMITFAIL] * 3
    assert harness.known() == []
    ((_, series),) = harness.store.counters.series()
    assert sum(series.counts) == 0
    assert harness.tally.entries["taken_back",] == 1
    harness.check_replay()
    again = [harness.sends(pdu) for pdu in parts()]
    harness.turns()
    harness.carrier_takes_all()
    assert harness.told(*again) == [OK] * 3
    assert len(harness.known()) == 1


def test_one_part_taken_keeps_the_entry_and_a_refused_part_may_be_sent_again_within_the_message(harness: Harness):
    numbers = [harness.sends(pdu) for pdu in parts(total=2)]
    harness.turns()
    harness.carrier_says(OK, which=0)
    harness.carrier_says(MSGQFUL, which=1)
    assert harness.told(*numbers) == [OK, MSGQFUL]
    entry = harness.known()[0].id
    again = harness.sends(parts(total=2)[1])
    harness.turns()
    assert harness.at_carrier[-1].entry_id == entry
    harness.carrier_takes_all()
    assert harness.told(again) == [OK]
    assert [one.id for one in harness.known()] == [entry]
    harness.check_replay()


def test_a_part_nobody_answered_for_makes_the_entry_unknown_until_it_is_sent_again(harness: Harness):
    harness.sends(parts(total=2)[0])
    two = harness.sends(parts(total=2)[1])
    harness.turns()
    harness.carrier_says(OK, which=0)
    harness.relay.unanswered(harness.at_carrier[1])
    harness.turns()
    assert harness.told(two) == [SYSERR]
    assert [one.state for one in harness.known()] == [EntryState.UNKNOWN]
    harness.check_replay()
    again = harness.sends(parts(total=2)[1])
    harness.turns()
    assert [one.state for one in harness.known()] == [EntryState.SENT_TWICE]
    harness.carrier_takes_all()
    assert harness.told(again) == [OK]
    assert [one.state for one in harness.known()] == [EntryState.ACCEPTED]
    assert len(harness.known()) == 1
    harness.check_replay()
    harness.carrier_says(OK, which=1, late=True)
    assert len(harness.known()) == 1


def test_the_whole_message_again_stands_in_for_one_of_which_nobody_knows(harness: Harness):
    for pdu in parts(total=2):
        harness.sends(pdu)
    harness.turns()
    harness.carrier_says(OK, which=0)
    harness.relay.unanswered(harness.at_carrier[1])
    harness.turns(61.0)
    again = [harness.sends(pdu) for pdu in parts(total=2)]
    harness.turns()
    harness.carrier_takes_all()
    assert harness.told(*again) == [OK, OK]
    assert len(harness.known()) == 1
    assert harness.tally.entries["adopted",] == 1
    harness.check_replay()


def silences(harness: Harness, *pdus: bytes) -> list[int | None]:
    """These are sent, and the carrier answers none of them; what the provider is told."""
    numbers = [harness.sends(pdu) for pdu in pdus]
    harness.turns(2.0)
    for pending in [one for one in harness.at_carrier if one.recorded in harness.relay.in_flight]:
        harness.relay.unanswered(pending)
    harness.turns()
    return harness.told(*numbers)


def test_a_part_nobody_answers_for_goes_out_twice_at_most(harness: Harness):
    one, two = parts(total=2)
    assert silences(harness, one, two) == [SYSERR, SYSERR]
    assert silences(harness, two) == [SYSERR]
    for _ in range(5):
        assert silences(harness, two) == [MSGQFUL]
        harness.check_replay()
    assert silences(harness, one) == [SYSERR], "that part went out once"
    assert silences(harness, one, two) == [MSGQFUL, MSGQFUL]
    assert len(harness.at_carrier) == 4
    assert [entry.state for entry in harness.known()] == [EntryState.SENT_TWICE]
    harness.check_replay()


def test_a_part_that_was_refused_the_second_time_may_go_again(harness: Harness):
    one, two = parts(total=2)
    silences(harness, one, two)
    harness.sends(two)
    harness.turns()
    harness.carrier_says(THROTTLED)
    assert silences(harness, two) == [SYSERR]
    assert silences(harness, two) == [MSGQFUL]
    harness.check_replay()


def test_a_long_message_goes_out_once_in_the_stead_of_an_unknown_one(harness: Harness):
    silences(harness, *parts(total=2))
    harness.turns(INHERIT_S)
    assert silences(harness, *parts(total=2)) == [SYSERR, SYSERR]
    assert harness.tally.entries["adopted",] == 1
    for _ in range(3):
        assert silences(harness, *parts(total=2)) == [MSGQFUL, MSGQFUL], "the parts are known, or else the message is"
        harness.turns(INHERIT_S)
    assert len(harness.at_carrier) == 4
    assert [entry.state for entry in harness.known()] == [EntryState.SENT_TWICE]
    harness.check_replay()
    harness.turns(600.0)
    assert silences(harness, *parts(total=2)) == [SYSERR, SYSERR]
    assert len(harness.known()) == 2


def test_a_message_that_was_sent_again_part_by_part_is_not_sent_again_as_a_whole(harness: Harness):
    silences(harness, *parts(total=2))
    assert silences(harness, *parts(total=2)) == [SYSERR, SYSERR]
    for _ in range(3):
        assert silences(harness, *parts(total=2)) == [MSGQFUL, MSGQFUL]
        harness.turns(INHERIT_S)
    assert len(harness.at_carrier) == 4
    harness.check_replay()


def test_of_a_message_in_anothers_stead_one_part_is_taken_and_the_other_not_answered(harness: Harness):
    """No part of it goes out a third time."""
    silences(harness, *parts(total=2))
    harness.turns(INHERIT_S)
    one, two = [harness.sends(pdu) for pdu in parts(total=2)]
    harness.turns()
    harness.carrier_says(OK, which=2)
    harness.relay.unanswered(harness.at_carrier[3])
    harness.turns()
    assert harness.told(one, two) == [OK, SYSERR]
    harness.check_replay()
    assert silences(harness, parts(total=2)[1]) == [MSGQFUL]
    harness.turns(INHERIT_S)
    assert silences(harness, *parts(total=2)) == [MSGQFUL, MSGQFUL]
    harness.check_replay()


def test_the_carrier_takes_a_long_message_in_anothers_stead_and_the_next_counts(harness: Harness):
    silences(harness, *parts(total=2))
    harness.turns(INHERIT_S)
    for pdu in parts(total=2):
        harness.sends(pdu)
    harness.turns()
    harness.carrier_takes_all()
    assert [entry.state for entry in harness.known()] == [EntryState.ACCEPTED]
    silences(harness, *parts(total=2))
    assert len(harness.known()) == 2
    harness.check_replay()


def test_a_late_no_to_every_part_gives_all_back(harness: Harness):
    for pdu in parts(total=2):
        harness.sends(pdu)
    harness.turns()
    for which in (0, 1):
        harness.relay.unanswered(harness.at_carrier[which])
    harness.turns()
    harness.carrier_says(SUBMITFAIL, which=0, late=True)
    assert len(harness.known()) == 1
    harness.carrier_says(SUBMITFAIL, which=1, late=True)
    assert harness.known() == []
    harness.check_replay()


def test_a_late_yes_to_every_part_settles_the_entry(harness: Harness):
    for pdu in parts(total=2):
        harness.sends(pdu)
    harness.turns()
    for which in (0, 1):
        harness.relay.unanswered(harness.at_carrier[which])
    harness.turns()
    harness.carrier_says(OK, which=0, late=True)
    assert harness.known()[0].state == EntryState.UNKNOWN
    harness.carrier_says(OK, which=1, late=True)
    assert harness.known()[0].state == EntryState.ACCEPTED
    harness.check_replay()


def test_a_late_answer_in_the_turn_in_which_its_part_comes_again_is_not_forgotten(harness: Harness):
    """In a turn records change before messages are judged, and the journal has them the other way round."""
    one, two = parts(total=2)
    harness.sends(one)
    harness.sends(two)
    harness.turns()
    harness.carrier_says(OK, which=0)
    harness.carrier_says(SUBMITFAIL, which=1)
    harness.sends(two)
    harness.turns()
    harness.relay.unanswered(harness.at_carrier[2])
    harness.turns()
    harness.sends(two)
    harness.carrier_says(OK, which=2, late=True)
    assert len(harness.at_carrier) == 4
    harness.carrier_takes_all()
    (entry,) = harness.known()
    assert entry.state == EntryState.ACCEPTED
    harness.check_replay()


def test_the_journal_refuses_the_group_and_nothing_of_the_message_is_left(harness: Harness):
    harness.disk.free_bytes = 0
    numbers = [harness.sends(pdu) for pdu in parts()]
    harness.turns()
    assert harness.told(*numbers) == [MSGQFUL] * 3
    assert harness.known() == []
    assert harness.at_carrier == []
    assert not any(harness.lane.held)
    harness.disk.free_bytes = None
    harness.relay.tick(harness.now)
    again = [harness.sends(pdu) for pdu in parts()]
    harness.turns()
    harness.carrier_takes_all()
    assert harness.told(*again) == [OK] * 3
    assert len(harness.known()) == 1
    harness.check_replay()


def test_the_journal_refuses_a_late_part_and_the_entry_is_what_it_was(harness: Harness):
    one, two = parts(total=2)
    harness.sends(one)
    harness.turns(0.3)
    harness.carrier_takes_all()
    before = harness.known()
    harness.disk.free_bytes = 0
    late = harness.sends(two)
    harness.turns()
    harness.turns()
    assert harness.told(late) == [MSGQFUL]
    assert harness.known() == before
    harness.disk.free_bytes = None
    harness.relay.tick(harness.now)
    again = harness.sends(two)
    harness.turns()
    harness.carrier_takes_all()
    assert harness.told(again) == [OK]
    assert len(harness.known()) == 1
    harness.check_replay()


def test_what_the_gate_itself_could_not_take_speaks_against_no_other_part(harness: Harness):
    """The journal knows nothing of it, either: judged again, the others must come out the same."""
    first, middle, last = parts("【青禾】双11满减券即将到期，拒收请回复R 代开发票")
    harness.sends(first)
    harness.turns(0.3)
    harness.carrier_takes_all()
    harness.disk.free_bytes = 0
    refused = harness.sends(last)
    harness.turns()
    assert harness.told(refused) == [MSGQFUL]
    harness.disk.free_bytes = None
    harness.relay.tick(harness.now)
    numbers = [harness.sends(middle)]
    harness.turns()
    harness.carrier_takes_all()
    numbers.append(harness.sends(last))
    harness.turns()
    harness.carrier_takes_all()
    assert harness.told(*numbers) == [OK, KEYWORD]
    harness.check_replay()


def test_the_store_is_away_and_the_next_try_is_a_new_message(harness: Harness):
    harness.store.away = True
    numbers = [harness.sends(pdu) for pdu in parts()]
    harness.turns()
    assert harness.told(*numbers) == [MSGQFUL] * 3
    harness.store.away = False
    again = [harness.sends(pdu) for pdu in parts()]
    harness.turns()
    harness.carrier_takes_all()
    assert harness.told(*again) == [OK] * 3
    assert (len(harness.known()), harness.relay.idle) == (1, True)


def test_what_the_store_did_not_take_comes_before_the_part_that_has_come_since(harness: Harness):
    """Else the part would be judged against a record that is behind what the gate knows of its message, and the journal could not say why."""
    one, two, three = parts()
    harness.sends(one)
    last = harness.sends(three)
    harness.turns(WAIT_MAX_S)
    harness.carrier_says(OK, which=0)
    harness.store.away = True
    harness.relay.unanswered(harness.at_carrier[1])
    harness.turns()
    harness.store.away = False
    assert (harness.told(last), [one.state for one in harness.known()]) == ([None], [EntryState.OPEN])
    harness.sends(two)
    harness.turns()
    assert harness.told(last) == [SYSERR]
    said, (entry,) = harness.journalled(), harness.known()
    assert (said[-1].entry, entry.state) == (entry, EntryState.UNKNOWN)
    assert record.has_unknown(harness.store.records[PERSON][1])
    harness.carrier_takes_all()
    harness.check_judged_again()


def test_a_part_that_comes_again_stands_in_for_one_of_which_the_store_was_not_told(harness: Harness):
    one, two = parts(total=2)
    harness.sends(one)
    harness.sends(two)
    harness.turns()
    harness.carrier_says(OK, which=0)
    harness.store.away = True
    harness.relay.unanswered(harness.at_carrier[1])
    harness.turns()
    harness.store.away = False
    again = harness.sends(two)
    harness.turns()
    harness.relay.tick(harness.now)
    harness.turns()
    harness.carrier_takes_all()
    assert harness.told(again) == [OK]
    assert [one.state for one in harness.known()] == [EntryState.ACCEPTED]
    assert not record.has_unknown(harness.store.records[PERSON][1])  # else the same again would go out, and count as this one
    harness.check_judged_again()


def test_a_lane_without_room_for_all_parts_takes_none(harness: Harness):
    while harness.lane.hold(Category.MARKETING):
        pass
    harness.lane.release(Category.MARKETING)
    held = list(harness.lane.held)
    numbers = [harness.sends(pdu) for pdu in parts()]
    harness.turns()
    assert harness.told(*numbers) == [MSGQFUL] * 3
    assert harness.lane.held == held
    assert harness.known() == []


def test_the_last_refusal_is_the_gates_own_and_gives_all_back_too(harness: Harness):
    one, two = parts("【青禾】上新 代开发票请联系客服", 2)
    harness.sends(one)
    harness.turns(0.3)
    harness.sends(two)  # on its way to being judged when the carrier refuses the first
    harness.relay.answered(harness.at_carrier[0], Frame.of(submit_sm_resp(1, SUBMITFAIL, b"")))
    harness.turns()
    harness.turns()
    assert harness.told(1, 2) == [SUBMITFAIL, MSGQFUL]
    assert harness.known() == []
    assert harness.tally.entries["taken_back",] == 1
    harness.check_replay()


def test_a_message_of_21_parts_is_refused(harness: Harness):
    numbers = [harness.sends(pdu) for pdu in parts(TEXT * 2, 21)[:3]]
    harness.turns()
    assert harness.told(*numbers) == [INVMSGLEN] * 3
    assert (harness.at_carrier, harness.relay.parts.waiting) == ([], 0)
    twenty = [harness.sends(pdu) for pdu in parts(TEXT * 2, 20)]
    harness.turns()
    harness.carrier_takes_all()
    assert harness.told(*twenty) == [OK] * 20


def test_a_rate_counts_parts_and_splits_no_message(tmp_path: Path):
    harness = Harness(tmp_path, Rate(2, 2))
    numbers = [harness.sends(pdu) for pdu in (*parts(total=4), *parts(total=4, reference=8))]
    harness.turns()
    harness.carrier_takes_all()
    assert harness.told(*numbers) == [OK] * 4 + [THROTTLED] * 4
    assert harness.told(harness.sends(parts(total=2, reference=9)[0])) == [None]
    harness.turns(0.9)  # four went, the burst was two: a second is owed
    assert harness.told(9) == [THROTTLED]
    harness.turns(1.0)
    later = [harness.sends(pdu) for pdu in parts(total=2, reference=10)]
    harness.turns()
    harness.carrier_takes_all()
    assert harness.told(*later) == [OK, OK]


def test_siblings_of_a_part_the_rate_refused_do_not_go_without_it(tmp_path: Path):
    harness = Harness(tmp_path, Rate(10, 2))
    for pdu in parts(total=2):
        harness.sends(pdu)
    one, two = parts(total=2, reference=8, to=PERSON + 1)
    first = harness.sends(one)
    harness.turns(0.15)
    other = harness.sends(parts(total=2, reference=9)[0])  # one more may go by now …
    harness.turns(0.1)
    second = harness.sends(two)  # … but not without the first
    harness.turns()
    assert harness.told(first, other, second) == [THROTTLED, None, THROTTLED]
    harness.turns(0.3)
    again = [harness.sends(pdu) for pdu in (one, two)]
    harness.turns()
    harness.carrier_takes_all()
    assert harness.told(*again) == [OK, OK]


def test_draining_judges_what_waits_and_takes_no_more(harness: Harness):
    one, two = parts(total=2)
    waits = harness.sends(one)
    harness.turns()
    assert not harness.relay.idle
    harness.relay.drain()
    refused = harness.sends(two)
    harness.turns()
    harness.carrier_takes_all()
    assert harness.told(waits, refused) == [OK, MSGQFUL]
    assert harness.relay.idle


def test_a_payload_of_any_length_is_one_message(harness: Harness):
    long = "【青禾】" + "双11优惠券" * 200
    for text, status in ((long + " 拒收请回复R", OK), (long + "代开发票", KEYWORD)):
        number = harness.sends(
            submit_sm("1069001", f"86{PERSON}", b"", data_coding=8, tlvs=[(0x0424, text.encode("utf-16-be"))])
        )
        harness.turns()
        harness.carrier_takes_all()
        assert harness.told(number) == [status]
    assert harness.outcomes() == {}


def test_a_nonsensical_header_makes_an_ordinary_message_byte_for_byte(harness: Harness):
    for header in (bytes((5, 0, 3, 7, 2, 3)), bytes((5, 0, 3, 7, 0, 0)), bytes((5, 0, 3, 7, 1, 1))):
        pdu = submit_sm(
            "1069001", f"86{PERSON + header[4]}", header + "【青禾】好".encode("utf-16-be"), data_coding=8, esm_class=0x40
        )
        harness.sends(pdu)
        harness.turns()
        assert harness.at_carrier[-1].data[16:] == pdu[16:]
    assert harness.outcomes() == {}


def test_new_rules_between_two_parts_do_not_name_the_old_ones_breaches(harness: Harness, tmp_path: Path):
    one, two = parts(total=2, to=BEIJING)
    harness.sends(one)
    harness.turns(0.3)
    (tmp_path / "rules" / "x.yaml").write_text(RULES.replace("id: ban,", "id: other-ban,"))
    harness.relay.rules = load(tmp_path / "rules")
    late = harness.sends(two)
    harness.turns()
    assert harness.told(late) == [REGION_BAN]
    assert [len(one.breaches) > 0 for one in harness.journalled()] == [True, False]


# --- what handsets tell apart, and what they do not


def written(how: str, text: str, total: int, index: int, reference: int = 7) -> bytes:
    octets = text.encode("utf-16-be")
    if how == "sar":
        tlvs = [(0x20C, reference.to_bytes(2, "big")), (0x20E, bytes((total,))), (0x20F, bytes((index,)))]
        return submit_sm("1069001", f"86{PERSON}", octets, data_coding=8, tlvs=tlvs)
    header = {
        "8": bytes((5, 0, 3, reference, total, index)),
        "16": bytes((6, 8, 4, 0, reference, total, index)),
        "8, then nonsense": bytes((10, 0, 3, reference, total, index, 0, 3, reference, total, 0)),
    }[how]
    return submit_sm("1069001", f"86{PERSON}", header + octets, data_coding=8, esm_class=0x40)


@pytest.mark.parametrize("ways", list(itertools.permutations(("8", "16", "sar"), 2)))
def test_parts_are_of_one_message_whatever_carries_the_reference(harness: Harness, ways: tuple[str, str]):
    """A carrier may turn one into the other, and a handset then joins them."""
    numbers = [
        harness.sends(written(how, text, 2, place))
        for how, text, place in zip(ways, ("【青禾】代开", "发票"), (1, 2), strict=True)
    ]
    harness.turns()
    assert harness.told(*numbers) == [KEYWORD] * 2
    assert harness.outcomes() == {"complete": 1}


@pytest.mark.parametrize(("how", "reference"), [("16", 0x107), ("sar", 0x3007)])
def test_of_a_reference_of_sixteen_bits_the_low_octet_counts(harness: Harness, how: str, reference: int):
    first = harness.sends(written("8", "【青禾】新店", 2, 1))
    harness.turns(0.3)
    header = bytes((6, 8, 4, *reference.to_bytes(2, "big"), 2, 2))
    late = (
        written("sar", "代开发票", 2, 2, reference)
        if how == "sar"
        else submit_sm("1069001", f"86{PERSON}", header + "代开发票".encode("utf-16-be"), data_coding=8, esm_class=0x40)
    )
    second = harness.sends(late)
    harness.turns()
    harness.carrier_takes_all()
    assert harness.told(first, second) == [OK, KEYWORD]


def test_an_element_that_handsets_ignore_does_not_hide_one_that_they_do_not(harness: Harness):
    numbers = [harness.sends(written("8, then nonsense", text, 2, place)) for place, text in ((1, "【青禾】代开"), (2, "发票"))]
    harness.turns()
    assert harness.told(*numbers) == [KEYWORD] * 2


@pytest.mark.parametrize(("total", "index"), [(1, 1), (0, 0), (2, 0), (2, 3), (0, 1)])
@pytest.mark.parametrize("how", ["8", "16", "sar"])
def test_an_impossible_place_makes_a_message_of_its_own(harness: Harness, how: str, total: int, index: int):
    """As handsets have it: each is shown alone, so each is judged, and counts, alone."""
    numbers = [harness.sends(written(how, "【青禾】代开发票", total, index))]
    numbers += [harness.sends(written(how, f"【青禾】第{n}张券", total, index)) for n in range(3)]
    harness.turns()
    harness.carrier_takes_all()
    assert harness.told(*numbers) == [KEYWORD, OK, OK, CAP]
    assert harness.outcomes() == {}


def test_after_the_carrier_refused_one_part_that_one_may_come_again_and_the_other_waits_for_it(harness: Harness):
    one, two = parts(total=2)
    numbers = [harness.sends(one), harness.sends(two)]
    harness.turns()
    harness.carrier_says(OK, which=0)
    harness.carrier_says(SUBMITFAIL, which=1)
    assert harness.told(*numbers) == [OK, SUBMITFAIL]
    assert len(harness.known()) == 1
    again = harness.sends(one)
    harness.turns(0.3)
    assert harness.told(again) == [MSGQFUL]
    last = harness.sends(two)
    harness.turns()
    harness.carrier_says(OK)
    assert harness.told(last) == [OK]
    assert len(harness.known()) == 1
    harness.check_replay()


# -- what is left of them


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _gone(harness: Harness) -> bool:
    """Whether all parts that went to the carrier, and are forgotten by everybody, are freed."""
    known = [weakref.ref(one) for one in harness.at_carrier]
    harness.at_carrier.clear()
    harness.relay.handed.clear()
    harness.relay.completed.clear()
    assert known
    return not any(one() for one in known)


@pytest.mark.usefixtures("without_collector")
def test_a_long_message_whose_parts_are_answered_is_freed_without_the_collector(harness: Harness):
    for pdu in parts():
        harness.sends(pdu)
    harness.turns()
    harness.carrier_takes_all()
    assert _gone(harness)


@pytest.mark.usefixtures("without_collector")
def test_so_is_one_that_the_carrier_refused_and_that_is_over(harness: Harness):
    for pdu in parts():
        harness.sends(pdu)
    harness.turns()
    for which in range(3):
        harness.carrier_says(SUBMITFAIL, which=which)
    harness.turns(INHERIT_S + WAIT_MAX_S)
    assert _gone(harness)


@pytest.mark.usefixtures("without_collector")
def test_so_is_one_whose_parts_came_one_by_one(harness: Harness):
    for pdu in parts():
        harness.sends(pdu)
        harness.turns(0.3)
        harness.carrier_takes_all()
    harness.turns(INHERIT_S)
    assert _gone(harness)


@pytest.mark.usefixtures("without_collector")
def test_so_is_one_that_was_answered_when_its_providers_had_been_told_that_nobody_knows(harness: Harness):
    for pdu in parts():
        harness.sends(pdu)
    harness.turns()
    for which in range(3):
        harness.relay.unanswered(harness.at_carrier[which])
    harness.turns()
    assert all(one.long is not None for one in harness.at_carrier)
    for which in range(3):
        harness.carrier_says(OK, which=which, late=True)
    harness.turns(INHERIT_S + WAIT_MAX_S)
    assert _gone(harness)


@pytest.mark.usefixtures("without_collector")
def test_so_is_one_that_a_rule_refused(harness: Harness, monkeypatch: pytest.MonkeyPatch):
    known: list[weakref.ref[PendingSubmit]] = []
    settle = PartHandler.settle

    def noted(parts: PartHandler, decided: list[PendingSubmit]) -> None:
        known.extend(map(weakref.ref, decided))
        settle(parts, decided)

    monkeypatch.setattr(PartHandler, "settle", noted)
    for pdu in parts("【青禾】代开发票", 4):
        harness.sends(pdu)
    harness.turns(INHERIT_S + WAIT_MAX_S)
    harness.relay.completed.clear()
    assert (len(known), [one() for one in known]) == (4, [None] * 4)
