"""Opt-outs as conversations: a recipient gets a message, replies, and gets another. One thread, no sockets, our own clock."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.desk.optouts.inbox import Inbox
from proxy.journal.encoding import pack, unpack
from proxy.journal.records import delivers, messages
from proxy.journal.records.doubtful_replies import DoubtDecision, Doubtful
from proxy.journal.write_ahead_log import Journal, read
from proxy.model.counters import GateCounters
from proxy.model.message import Category, hash16, hash32, hash48
from proxy.model.recipient import HOLD_S, Entry, EntryState, OptOut
from proxy.net.lane import Lane
from proxy.policy.loading.load_rules import load
from proxy.policy.ruleset import RuleSet
from proxy.relay.account_access import Access, PortTable
from proxy.relay.deliver import DeliverRelay
from proxy.relay.effects.optouts import ALL_MARKETING, ReplyTo, lift, refusals, refused_by, taken_back, widened
from proxy.relay.effects.replay import replay, settle_open
from proxy.relay.effects.suppression import DoubtSettled
from proxy.relay.optout_reply import OptOutSettings, ReplyHandler
from proxy.relay.pending_submit import PendingSubmit
from proxy.relay.submit import Relay
from proxy.state.mailbox.deliver_queue import Item
from proxy.state.mailbox.mailbox import Bounds
from proxy.state.record import record, reply_ports
from proxy.state.record.optout_candidates import Port
from proxy.state.record.record import EMPTY
from proxy.state.stores.sqlite import SqliteStore
from proxy.wire import Frame, deliver_sm, encode, read_fields, submit_sm, submit_sm_resp
from tests.examples import examples
from tests.journal.memory_disk import MemoryDisk

NOON = 1_762_833_600.0
DAY = 86_400.0
MING, HONG = 13800210001, 13800210002
JIA, YI, BING, NOBODYS = "1069001", "1069002", "1069003", "10680000"
OWNERS = {JIA: "jia", YI: "yi", BING: "bing"}
NOT_PERMITTED = 0x420
RULES = """
rules:
  - id: suppressed
    say: who refused is left alone
    when: {category: marketing, suppressed: true}
    then: reject
    reason: suppressed
  - id: cap
    say: twenty a day
    when: {category: marketing}
    limit: {count: 20, per: day, key: [recipient]}
    then: reject
    reason: recipient-cap
"""
SIGNATURES = (
    "signature,advertiser,group,provider,port,state\n青禾商城,青禾贸易,青禾,,,approved\n青禾会员,青禾贸易,青禾,,,approved\n"
)


@pytest.fixture(scope="session")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    folder: Path = tmp_path_factory.mktemp("rules")
    (folder / "rules.yaml").write_text(RULES)
    (folder / "registries").mkdir()
    (folder / "registries" / "signatures.csv").write_text(SIGNATURES)
    return load(folder)


class Bind:
    """A provider's bind; ``away``: nobody who could take a deliver."""

    def __init__(self, access: Access) -> None:
        self.access, self.window, self.unanswered, self.noise, self.peer_version = access, 64, 0, 0, 0x34
        self.told: list[int] = []
        self.got: list[str] = []
        self.away = False

    def answer_all(self, answers: list[bytes]) -> None:
        self.told += [Frame.of(data).command_status for data in answers]

    @property
    def room(self) -> int:
        return 0 if self.away else 9

    def hand_all(self, items: Sequence[Item]) -> None:
        self.got += [read_fields(Frame.of(item.data))["source_addr"].decode() for item in items]


class Harness:
    """A gate with three providers and one carrier, which takes everything at once unless told otherwise."""

    def __init__(self, rules: RuleSet, manners: OptOutSettings | None = None, disk: MemoryDisk | None = None) -> None:
        self.now = NOON
        self.tally = GateCounters()
        self.disk = disk or MemoryDisk()
        self.store = SqliteStore(None)
        found = replay(self.store, read(self.disk), 0)
        settle_open(self.store, found)
        self.journal = Journal(self.disk, 0)
        self.lane = Lane("bj", "B1", 1000, lambda: None)
        self.lane.up = True
        ports = PortTable(cast("Any", tuple(SimpleNamespace(name=name, ports=(port,)) for port, name in OWNERS.items())))
        self.accesses = {(name, category): _access(name, ports, category) for name in OWNERS.values() for category in Category}
        self.binds = {name: Bind(self.accesses[name, Category.MARKETING]) for name in OWNERS.values()}
        self.acknowledged: list[tuple[int, int]] = []  # (sequence of the deliver, status)
        self.left: list[PendingSubmit] = []
        """What went to the carrier."""
        self.carrier_says = 0
        self.silent = False
        self.sequence = 0
        self.relay = Relay(
            directory=cast("Any", SimpleNamespace(pacers={}, ports=ports, accesses={access.account.system_id: access for access in self.accesses.values()})), rules=rules, store=self.store, journal=self.journal,
            routes=cast("Any", SimpleNamespace(only=None, lane=lambda message, verdict: self.lane if self.lane.up else None)),
            tally=self.tally, spawn=_drive, wake=lambda: None, sync=lambda: None, first_id=found.highest_id + 1,
        )  # fmt: skip
        manners = manners or OptOutSettings(confirm={name: f"{name}: 退订已生效" for name in ("jia", "yi")})
        self.reply_handler = ReplyHandler(self.relay, self.tally, manners, lambda: self.now + 0.002, lambda: self.now)
        self.deliver_relay = DeliverRelay(
            self.relay, self.reply_handler, self.tally, self.store.mailbox, lambda name: [cast("Any", self.binds[name])], {},
            frozenset(), clock=lambda: self.now, ids={},
        )  # fmt: skip
        self.deliver_relay.open(Bounds(), [*OWNERS.values()])
        self.synced = True

    # -- what happens

    def turns(self) -> None:
        """Until nothing moves any more."""
        for _ in range(6):
            self.relay.turn(self.now)
            if self.synced:
                self.journal.note_synced(self.journal.sync())
            self.relay.turn(self.now)
            self.deliver_relay.turn(self.now)
            for pending in self.lane.take(100):
                self.left.append(pending)
                if not self.silent:
                    body = b"" if self.carrier_says else b"c1"
                    self.relay.answered(pending, Frame.of(submit_sm_resp(1, self.carrier_says, body)))

    def send(self, port: str, person: int, text: str, after_s: float = 60, category: Category = Category.MARKETING) -> int:
        """A provider sends what its settings declare so; the status it is told (-1: none)."""
        self.now += after_s
        self.sequence += 1
        owner = next(name for prefix, name in OWNERS.items() if port.startswith(prefix))
        bind = self.binds[owner]
        bind.access = self.accesses[owner, category]
        told = len(bind.told)
        octets, coding = encode(text)
        frame = Frame.of(submit_sm(port, str(person), octets, data_coding=coding, sequence=self.sequence))
        self.relay.submit(cast("Any", bind), frame, self.now, self.now)
        self.turns()
        return bind.told[told] if len(bind.told) > told else -1

    def reply(self, person: int | str, port: str, text: str | bytes, after_s: float = 60, coding: int = 8) -> int:
        """A person answers; the status the carrier is told (-1: none yet)."""
        self.now += after_s
        self.sequence += 1
        spelt = f"86{person}" if isinstance(person, int) else person
        octets = text if isinstance(text, bytes) else text.encode("utf-16-be")
        frame = Frame.of(deliver_sm(spelt, port, octets, data_coding=coding, sequence=self.sequence))
        sequence = self.sequence
        self.deliver_relay.deliver_all(cast("Any", self), [frame], self.now)
        self.turns()
        return next((status for number, status in self.acknowledged if number == sequence), -1)

    def note(self, refusal: OptOut) -> None:
        """Somebody at a desk, or another node, notes a refusal of 明."""
        self.store.update(MING, lambda data: record.opt_out(data, refusal))
        self.journal.append(messages.OPTOUT, pack(delivers.OptedOut(NOON, MING, refusal)))

    # -- as the carrier's link

    carrier, owner = "bj", ""

    def answer(self, data: bytes) -> None:
        frame = Frame.of(data)
        self.acknowledged.append((frame.sequence_number, frame.command_status))

    def answer_all(self, answers: Sequence[bytes]) -> None:
        for data in answers:
            self.answer(data)

    def count_bad(self, kinds: list[str]) -> None:
        raise AssertionError(kinds)

    # -- what is known

    def refused(self, person: int = MING) -> list[tuple[str, str]]:
        return [one[:2] for one in record.opt_outs(self.store._table.get(person) or EMPTY)]

    def words(self) -> list[str]:
        """The gate's own messages."""
        return [pending.message.content.text for pending in self.left if pending.message is not None and not pending.entry_id]

    def journalled(self, kind: int) -> list[bytes]:
        return [item.body for item in read(self.disk) if item.kind == kind]

    def kinds(self) -> list[str]:
        return [unpack(delivers.DeliverRecord, body).kind for body in self.journalled(messages.DELIVER)]


def _access(name: str, ports: PortTable, category: Category) -> Access:
    provider = SimpleNamespace(
        name=name,
        statuses="vendor",
        status_detail="none",
        replace=False,
        category=category,
        since=None,
        reserved_values="refuse",
    )
    return Access(cast("Any", provider), cast("Any", SimpleNamespace(system_id=name, ports=None)), (), ports)


def _drive(coroutine: Coroutine[Any, Any, None]) -> None:
    with pytest.raises(StopIteration):
        coroutine.send(None)


CODE, PARCEL = "【甲店】您的验证码是482913，5分钟内有效", "【甲店】您的快件已到，取件码5213，请当日领取"


def advertiser(sign: str) -> tuple[str, str]:
    return "advertiser", f"{hash48(sign):012x}"


def ad(sign: str, word: str = "R", what: str = "双11券") -> str:
    return f"【{sign}】{what} 拒收请回复{word}"


@pytest.fixture
def harness(rules: RuleSet) -> Iterator[Harness]:
    harness = Harness(rules)
    yield harness
    assert harness.tally.sent_against_record == 0
    again = Harness(rules, disk=harness.disk)  # what a restart finds is what was there
    for person in (MING, HONG):
        assert again.refused(person) == harness.refused(person)


# -- whose messages stop


def test_a_refusal_stops_the_advertiser_of_the_last_message_and_nobody_else(harness: Harness) -> None:
    assert harness.send(JIA, MING, ad("甲店")) == 0
    assert harness.reply(MING, JIA, "R") == 0
    assert harness.send(JIA, MING, ad("甲店")) == NOT_PERMITTED
    assert harness.send(YI, MING, ad("甲店")) == NOT_PERMITTED, "it follows the advertiser to another provider"
    assert harness.send(JIA, MING, ad("乙店")) == 0
    assert harness.send(JIA, HONG, ad("甲店")) == 0
    assert harness.kinds() == ["optout"]
    assert harness.tally.optouts == {("reply", "advertiser", "jia"): 1}


def test_the_last_word_holds_though_the_store_was_away_for_the_one_before(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(keys: object) -> dict[int, tuple[int, bytes]]:
        raise OSError("the store is away")

    harness.send(JIA, MING, ad("甲店"))
    harness.reply(MING, JIA, "TD")
    with monkeypatch.context() as patched:
        patched.setattr(harness.store, "load", away)
        assert harness.reply(MING, JIA, "START") == -1
    assert harness.reply(MING, JIA, "TD") == -1, "it waits behind what the store did not take"
    assert harness.reply(HONG, JIA, "TD") == 0, "others do not"
    harness.relay.tick(harness.now)
    harness.turns()
    assert [status for _, status in harness.acknowledged] == [0, 0, 0, 0]
    assert harness.send(JIA, MING, ad("甲店")) == NOT_PERMITTED


def test_an_advertiser_with_another_signature_is_the_same_one(harness: Harness) -> None:
    harness.send(JIA, MING, ad("青禾商城"))
    harness.reply(MING, JIA, "TD")
    assert harness.send(YI, MING, ad("青禾会员")) == NOT_PERMITTED


def test_the_message_that_asked_for_the_word_is_meant_though_another_came_later(harness: Harness) -> None:
    harness.send(JIA, MING, ad("甲店", "CKTD"))
    harness.send(JIA, MING, ad("乙店", "R"))
    harness.reply(MING, JIA, "cktd")
    assert harness.refused() == [("advertiser", f"{hash48('甲店'):012x}")]


def test_a_word_nobody_asked_for_means_the_newest_advertisement_and_not_the_code_behind_it(harness: Harness) -> None:
    harness.send(JIA, MING, ad("甲店", "CKTD"))
    harness.send(JIA, MING, CODE, category=Category.OTP)
    harness.reply(MING, JIA, "退订")
    assert harness.refused() == [("advertiser", f"{hash48('甲店'):012x}")]


@pytest.mark.parametrize("word", ["A", "1", "QXDY", "CC"])
def test_an_unusual_word_is_a_refusal_where_it_was_asked_for_and_nothing_where_it_was_not(harness: Harness, word: str) -> None:
    harness.send(JIA, MING, ad("甲店", word))
    harness.send(YI, MING, ad("乙店", "R"))
    assert harness.reply(MING, YI, word) == 0
    assert harness.reply(HONG, JIA, word) == 0
    assert harness.refused() == harness.refused(HONG) == []
    assert harness.reply(MING, JIA, word.lower()) == 0
    assert harness.refused() == [("advertiser", f"{hash48('甲店'):012x}")]
    assert harness.kinds() == ["reply", "reply", "optout"]


def test_a_single_letter_answers_the_last_message_and_a_code_is_no_message_to_answer(harness: Harness) -> None:
    harness.send(JIA, MING, ad("甲店", "A"))
    harness.send(JIA, MING, CODE, category=Category.OTP)
    harness.reply(MING, JIA, "A")
    assert harness.kinds() == ["optout"]
    harness.send(JIA, HONG, ad("甲店", "A"))
    harness.send(JIA, HONG, PARCEL, category=Category.NOTICE)
    harness.reply(HONG, JIA, "A")
    assert harness.kinds() == ["optout", "reply"]


@pytest.mark.parametrize("port", [JIA + "88", NOBODYS], ids=["a provider's", "nobody's"])
def test_somebody_nobody_has_written_to_refuses_all_behind_the_port_whoever_is_yet_to_come(harness: Harness, port: str) -> None:
    assert harness.reply(MING, port, "TD") == 0
    assert harness.refused() == [("port", JIA) if port != NOBODYS else ALL_MARKETING]
    if port != NOBODYS:
        assert harness.send(JIA + "99", MING, ad("新店")) == NOT_PERMITTED
        assert harness.send(YI, MING, ad("新店")) == 0


def test_a_message_without_a_signature_is_refused_with_all_behind_its_port(harness: Harness) -> None:
    harness.send(JIA, MING, ad("甲店"))
    harness.send(JIA, MING, "双11券满100减50 拒收请回复R", after_s=601)
    harness.reply(MING, JIA, "R", after_s=121)
    assert harness.refused() == [("port", JIA)]


@pytest.mark.parametrize("after_s", [0.1, 1, 300])
def test_two_advertisers_within_ten_minutes_are_not_told_apart(harness: Harness, after_s: float) -> None:
    harness.send(JIA, MING, ad("甲店"))
    harness.send(JIA, MING, ad("乙店"), after_s=after_s)
    harness.reply(MING, JIA, "R")
    assert {*harness.refused()} == {advertiser("甲店"), advertiser("乙店")}
    for shop in ("甲店", "乙店"):
        assert harness.send(YI, MING, ad(shop)) == NOT_PERMITTED
    assert harness.send(YI, MING, ad("丙店")) == 0


def test_what_may_not_have_arrived_does_not_hide_what_did(harness: Harness) -> None:
    harness.send(JIA, MING, ad("甲店"))
    harness.silent = True
    harness.send(JIA, MING, ad("乙店"))
    harness.relay.unanswered(harness.left[-1])
    harness.turns()
    harness.reply(MING, JIA, "R")
    assert {*harness.refused()} == {advertiser("甲店"), advertiser("乙店")}
    harness.silent = False
    for shop in ("甲店", "乙店"):
        assert harness.send(BING, MING, ad(shop)) == NOT_PERMITTED


@pytest.mark.parametrize(
    ("sent_from", "replied_to"),
    [
        (JIA + "8801", JIA), (JIA + "8801", JIA + "88"), (JIA + "88", JIA + "8801"), (JIA, JIA + "8801"), (JIA + "88", "1069"),
        (JIA + "88", "86" + JIA + "88"), (JIA + "88", "+86" + JIA + "88"), (JIA + "88", "0086" + JIA + "88"),
        (JIA + "8801", "86" + JIA), (JIA + "8801", JIA + "77"),
    ],
    ids=[
        "the base port", "a shorter extension", "a longer extension", "longer than the base", "shorter than the prefix", "86", "+86",
        "0086", "86 and the base", "another port of the owner",
    ],
)  # fmt: skip
def test_the_advertiser_is_stopped_whatever_port_of_the_provider_the_reply_goes_to(
    harness: Harness, sent_from: str, replied_to: str
) -> None:
    harness.send(sent_from, MING, ad("甲店"))
    assert harness.reply(MING, replied_to, "TD", after_s=DAY) == 0
    assert harness.refused() == [advertiser("甲店")]
    assert harness.send(YI, MING, ad("甲店")) == NOT_PERMITTED
    assert harness.send(YI, MING, ad("乙店")) == 0
    assert [unpack(delivers.DeliverRecord, body).provider for body in harness.journalled(messages.DELIVER)] == [
        "" if replied_to == "1069" else "jia"
    ]


def test_a_port_that_the_gate_has_forgotten_is_taken_for_a_longer_one(harness: Harness) -> None:
    harness.send(JIA + "8801", MING, ad("甲店"))
    harness.send(YI + "8801", MING, ad("乙店"))
    harness.reply_handler.learn_names()
    harness.store.dictionary.held.clear()
    harness.reply_handler.dictionary.held.clear()
    harness.reply(MING, JIA + "88", "TD", after_s=DAY)
    assert harness.refused() == [advertiser("甲店")]


@pytest.mark.parametrize("port", ["10086", NOBODYS])
def test_a_reply_to_a_port_that_nobody_owns_stops_all_marketing(harness: Harness, port: str) -> None:
    harness.send(JIA, MING, ad("甲店"))
    assert harness.reply(MING, port, "TD") == 0
    assert harness.refused() == [ALL_MARKETING]
    for shop in ("甲店", "新店"):
        assert harness.send(YI, MING, ad(shop)) == NOT_PERMITTED


@pytest.mark.parametrize("word", ["N", "R", "QX", "0000", "END", "CANCEL", "QUIT"])
def test_a_command_of_the_carriers_own_menus_is_doubtful_there(harness: Harness, word: str) -> None:
    harness.send(JIA, MING, ad("甲店"))
    assert harness.reply(MING, "10086", word) == 0
    assert harness.refused() == []
    assert harness.kinds() == ["review"]


def test_one_reply_counts_once_for_widening_and_is_confirmed_once_with_all_it_stopped(harness: Harness) -> None:
    for shop in ("甲店", "乙店", "丙店"):
        harness.send(JIA, MING, ad(shop), after_s=5)
    harness.reply(MING, JIA, "R", after_s=5)
    assert {*harness.refused()} == {advertiser(shop) for shop in ("甲店", "乙店", "丙店")}
    assert harness.words() == ["jia: 退订已生效(已停止: 【丙店】、【乙店】、【甲店】)"]
    assert harness.tally.optouts == {("reply", "advertiser", "jia"): 1}
    assert len(harness.journalled(messages.OPTOUT)) == 3
    refuse(harness, "丁店", after_s=DAY)
    assert ALL_MARKETING not in harness.refused()
    refuse(harness, "戊店", after_s=DAY)
    assert ALL_MARKETING in harness.refused()


def test_an_advertiser_that_was_refused_already_is_not_meant_again(harness: Harness) -> None:
    refuse(harness, "甲店")
    harness.send(JIA, MING, ad("乙店"))
    harness.reply(MING, JIA, "R")
    assert [unpack(delivers.OptedOut, body).opt_out[:2] for body in harness.journalled(messages.OPTOUT)] == [
        advertiser("甲店"),
        advertiser("乙店"),
    ]


def test_everything_ends_only_where_it_was_said(harness: Harness) -> None:
    harness.reply(MING, "10086", "退订")
    harness.send(JIA, MING, ad("甲店"))
    harness.reply(MING, JIA, "START")
    assert harness.refused() == [ALL_MARKETING]
    harness.reply(MING, "10086", "START")
    assert harness.refused() == []


def test_after_thirty_days_a_message_is_not_answered_any_more(harness: Harness) -> None:
    harness.send(JIA, MING, ad("甲店", "CC"))
    harness.reply(MING, JIA, "cc", after_s=30 * DAY + 60)
    assert harness.kinds() == ["reply"]
    harness.reply(MING, JIA, "退订")
    assert harness.refused() == [("port", JIA)]


# -- what it does not touch, and under what circumstances


def test_codes_and_notices_still_pass(harness: Harness) -> None:
    harness.send(JIA, MING, ad("甲店"))
    harness.reply(MING, JIA, "R")
    harness.reply(MING, JIA, "别再发了")
    harness.reply(MING, NOBODYS, "退订")
    assert harness.send(JIA, MING, ad("甲店")) == NOT_PERMITTED
    assert harness.send(JIA, MING, CODE, category=Category.OTP) == 0
    assert harness.send(JIA, MING, PARCEL, category=Category.NOTICE) == 0
    assert harness.send(JIA, MING, ad("甲店"), category=Category.OTP) == NOT_PERMITTED, "but not what only claims to be a code"


def test_what_is_likely_marketing_does_not_come_as_a_notice_from_a_refused_advertiser_and_from_others_it_does(
    tmp_path: Path,
) -> None:
    likely = "  - {id: likely, when: {category: [otp, notice], suppressed: {scope: advertiser, marketing: likely}}, then: reject, reason: suppressed}"
    (tmp_path / "rules.yaml").write_text(RULES + likely)
    harness = Harness(load(tmp_path))
    harness.send(JIA, MING, ad("甲店"))
    harness.reply(MING, JIA, "R")
    coupon = "【{}】您有一张优惠券即将到期 回T退订"
    sent = [
        harness.send(YI, person, coupon.format(shop), category=Category.NOTICE)
        for person in (MING, HONG)
        for shop in ("甲店", "乙店")
    ]
    assert sent == [NOT_PERMITTED, 0, 0, 0]


@pytest.mark.parametrize("spelt", ["13800210001", "8613800210001", "+8613800210001", "008613800210001", "013800210001"])
def test_the_person_is_the_same_however_the_carrier_spells_the_number(harness: Harness, spelt: str) -> None:
    harness.send(JIA, MING, ad("甲店"))
    assert harness.reply(spelt, JIA, "R") == 0
    assert harness.send(JIA, MING, ad("甲店")) == NOT_PERMITTED
    words = [read_fields(Frame.of(pending.data)) for pending in harness.left if not pending.entry_id]
    assert [one["destination_addr"].decode() for one in words] == [spelt.removeprefix("+")]
    assert [one["dest_addr_ton"] for one in words] == [int(spelt.removeprefix("+").startswith("86"))]


def test_it_is_in_force_though_the_provider_is_away(harness: Harness) -> None:
    harness.send(JIA, MING, ad("甲店"))
    harness.binds["jia"].away = True
    assert harness.reply(MING, JIA, "R") == 0
    assert harness.send(JIA, MING, ad("甲店")) == NOT_PERMITTED


def test_a_number_that_is_no_persons_changes_nothing_and_a_person_should_look(harness: Harness) -> None:
    assert harness.reply("10086", JIA, "TD") == 0
    assert harness.kinds() == ["review"]
    assert harness.journalled(messages.OPTOUT) == []


def test_a_reply_to_no_port_at_all_stops_nothing(harness: Harness) -> None:
    harness.send(JIA, MING, ad("甲店"))
    harness.reply(MING, "", "TD")
    assert harness.kinds() == ["review"]
    assert harness.refused() == []


@pytest.mark.parametrize(
    ("text", "kind"), [("怎么退订", "review"), ("不退订", "review"), ("退订失败", "review"), ("谢谢", "reply")]
)
def test_what_is_no_refusal_is_passed_on_and_nothing_stops(harness: Harness, text: str, kind: str) -> None:
    harness.send(JIA, MING, ad("甲店"))
    assert harness.reply(MING, JIA, text) == 0
    assert harness.kinds() == [kind]
    assert harness.binds["jia"].got == [f"86{MING}"]
    assert harness.send(JIA, MING, ad("甲店")) == 0
    assert harness.words() == []


GBK, UTF8 = "gb18030", "utf-8"


@pytest.mark.parametrize(
    ("octets", "coding", "kind"),
    [
        (b"TD", 15, "optout"), ("退订".encode(GBK), 15, "optout"), ("退订".encode(GBK), 0, "optout"), ("退订".encode(UTF8), 0, "optout"),
        (b"TD", 4, "optout"), (b"TD", 0xF5, "optout"), (b"TD", 8, "optout"), (b"TD ", 8, "optout"), (b"STOP", 8, "optout"),
        (b"\x06\x05\x04\x0b\x84\x23\xf0TD", 4, "review"), ("怎么退订".encode(GBK), 15, "review"), ("谢谢".encode(GBK), 15, "reply"),
        (b"START", 15, "review"), (b"START", 8, "review"), (b"\xff\xfe\x81", 15, "review"), (b"\x00\x01\x02", 4, "review"), (b"", 8, "reply"),
    ],
)  # fmt: skip
def test_an_opt_out_is_read_however_a_bridge_declares_its_alphabet(
    harness: Harness, octets: bytes, coding: int, kind: str
) -> None:
    harness.send(JIA, MING, ad("甲店"))
    assert harness.reply(MING, JIA, octets, coding=coding) == 0
    assert harness.kinds() == [kind]
    assert bool(harness.refused()) is (kind == "optout")


def test_a_word_that_was_asked_for_is_read_so_too(harness: Harness) -> None:
    harness.send(JIA, MING, ad("甲店", "QXDY"))
    assert harness.reply(MING, JIA, b"QXDY", coding=15) == 0
    assert harness.send(JIA, MING, ad("甲店")) == NOT_PERMITTED


def test_the_carrier_is_not_told_before_it_is_synced(harness: Harness) -> None:
    harness.send(JIA, MING, ad("甲店"))
    harness.synced = False
    assert harness.reply(MING, JIA, "R") == -1
    harness.send(JIA, MING, ad("甲店"))
    assert [pending.entry_id for pending in harness.left[1:]] == [], "it is in force at once, and nothing was said yet"
    harness.synced = True
    harness.turns()
    assert harness.binds["jia"].told[1:] == [NOT_PERMITTED]
    assert harness.acknowledged[-1][1] == 0
    assert len(harness.words()) == 1


@pytest.mark.parametrize(("shops", "everything"), [(63, False), (64, True)])
def test_who_was_written_to_by_more_shops_than_a_record_keeps_hears_of_none_after_a_refusal(
    harness: Harness, shops: int, everything: bool
) -> None:
    keep_s = int(30 * DAY)

    def crowd(data: bytes) -> bytes:
        for number in range(1, shops + 1):
            data = record.add(data, entry(number, sign=f"第{number}家", word="QXDY" if number == 9 else "R"), int(NOON), keep_s)
        return data

    for person, word in ((MING, "R"), (HONG, "QXDY")):
        harness.store.update(person, crowd)
        harness.reply(person, JIA, word, after_s=100)
    assert (harness.refused() == [ALL_MARKETING]) is everything
    assert len(harness.refused()) == (1 if everything else shops)
    assert harness.refused(HONG) == [advertiser("第9家")]


# -- widening


def refuse(harness: Harness, *shops: str, port: str = JIA, after_s: float = 60) -> None:
    for shop in shops:
        harness.send(port, MING, ad(shop), after_s=after_s)
        harness.reply(MING, port, "R")


def test_who_has_refused_three_advertisers_within_a_month_gets_no_marketing_at_all(harness: Harness) -> None:
    refuse(harness, "甲店", "乙店")
    assert harness.send(BING, MING, ad("丁店")) == 0
    refuse(harness, "丙店", port=YI)
    assert ALL_MARKETING in harness.refused()
    assert harness.send(BING, MING, ad("戊店")) == NOT_PERMITTED
    assert harness.tally.optouts["reply", "category", "yi"] == 1
    assert len(harness.journalled(messages.OPTOUT)) == 4


def test_the_same_advertiser_thrice_is_one_whatever_its_signatures(harness: Harness) -> None:
    refuse(harness, "青禾商城")
    harness.reply(MING, JIA, "R")
    harness.reply(MING, JIA, "TD")
    harness.note(OptOut("advertiser", f"{hash48('青禾会员'):012x}", int(NOON), "reply", 0))
    refuse(harness, "甲店")
    assert ALL_MARKETING not in harness.refused()


def test_refusals_of_another_month_do_not_add_up(harness: Harness) -> None:
    refuse(harness, "甲店", "乙店")
    refuse(harness, "丙店", after_s=31 * DAY)
    assert ALL_MARKETING not in harness.refused()


def test_widening_can_be_switched_off(rules: RuleSet) -> None:
    harness = Harness(rules, OptOutSettings(widen_after=0))
    refuse(harness, "甲店", "乙店", "丙店", "丁店")
    assert len(harness.refused()) == 4
    assert ALL_MARKETING not in harness.refused()


def test_what_somebody_refused_for_them_for_a_while_stands_for_no_refusal_of_their_own(harness: Harness) -> None:
    harness.note(OptOut("all", "", int(NOON), "officer", int(NOON + DAY)))
    harness.now += 2 * DAY
    refuse(harness, "甲店", "乙店", "丙店")
    assert harness.send(BING, MING, ad("丁店")) == NOT_PERMITTED


# -- what somebody else said of the same


def test_a_refusal_of_their_own_outlives_what_somebody_else_says_of_the_same_for_a_while(harness: Harness) -> None:
    harness.reply(MING, JIA, "TD")
    harness.note(OptOut("port", JIA, int(harness.now), "complaint", int(harness.now + 30 * DAY)))
    assert harness.refused() == [("port", JIA), ("port", JIA)]
    assert harness.send(JIA, MING, ad("甲店"), after_s=31 * DAY) == NOT_PERMITTED
    assert harness.reply(MING, JIA, "START") == 0
    assert harness.send(JIA, MING, ad("甲店")) == 0


def test_who_takes_their_own_word_back_has_not_taken_back_a_complaint(harness: Harness) -> None:
    harness.note(OptOut("port", JIA, int(NOON), "complaint", 0))
    harness.reply(MING, JIA, "TD")
    assert harness.reply(MING, JIA, "START") == 0
    assert harness.refused() == [("port", JIA)]
    assert harness.send(JIA, MING, ad("甲店")) == NOT_PERMITTED


# -- taking it back


@pytest.mark.parametrize("word", ["START", "取消退订", "unstop", "回复START"])
def test_what_replies_to_a_port_had_stopped_comes_again(harness: Harness, word: str) -> None:
    refuse(harness, "甲店")
    refuse(harness, "丙店", port=BING)
    assert harness.reply(MING, JIA, word) == 0
    assert harness.refused() == [advertiser("丙店")]
    assert harness.send(JIA, MING, ad("甲店")) == harness.send(YI, MING, ad("乙店")) == 0
    assert harness.kinds()[-1] == "restore"
    assert harness.tally.restores == {("jia",): 1}


def test_a_refusal_made_long_ago_is_taken_back_though_its_message_is_forgotten(harness: Harness) -> None:
    refuse(harness, "甲店")
    harness.now += 200 * DAY
    harness.store.update(MING, lambda data: record.prune(data, int(harness.now), 86_400))
    assert harness.reply(MING, JIA, "START") == 0
    assert harness.refused() == []


def test_what_was_stopped_elsewhere_or_by_an_officer_stays_so(harness: Harness) -> None:
    refuse(harness, "甲店", port=YI)
    harness.note(OptOut("port", JIA, int(NOON), "officer", 0))
    harness.reply(MING, JIA, "START")
    assert harness.refused() == [("port", JIA), ("advertiser", f"{hash48('甲店'):012x}")]
    assert unpack(delivers.Restored, harness.journalled(messages.RESTORED)[0]).lifted == ()


def test_a_refusal_of_all_marketing_that_grew_from_replies_ends_with_the_first_start(harness: Harness) -> None:
    refuse(harness, "甲店", "乙店")
    refuse(harness, "丙店", port=YI)
    harness.reply(MING, YI, "START")
    assert harness.refused() == [("advertiser", f"{hash48(shop):012x}") for shop in ("甲店", "乙店")]
    assert harness.send(YI, MING, ad("丙店")) == harness.send(BING, MING, ad("戊店")) == 0


def test_refusing_again_after_taking_back_counts(harness: Harness) -> None:
    refuse(harness, "甲店")
    harness.reply(MING, JIA, "START")
    harness.reply(MING, JIA, "R")
    assert harness.send(JIA, MING, ad("甲店")) == NOT_PERMITTED


def test_taking_back_what_was_never_refused_is_recorded_and_changes_nothing(harness: Harness) -> None:
    assert harness.reply(MING, JIA, "START") == 0
    assert len(harness.journalled(messages.RESTORED)) == 1
    assert harness.refused() == []


def test_what_was_refused_at_two_ports_comes_again_when_both_have_heard_start_also_after_a_restart(
    harness: Harness, rules: RuleSet
) -> None:
    for port in (JIA, YI):
        harness.send(port, MING, ad("甲店"))
    harness.send(YI, MING, ad("乙店"))
    harness.reply(MING, JIA, "TD")
    harness.reply(MING, YI, "TD")
    assert harness.words()[-1].endswith("(已停止: 【乙店】、【甲店】)")
    harness.reply(MING, JIA, "START")
    assert {*harness.refused()} == {advertiser("甲店"), advertiser("乙店")}
    assert harness.send(BING, MING, ad("甲店")) == NOT_PERMITTED
    again = Harness(rules, disk=harness.disk)
    assert harness.store.held(MING)[7:] == again.store.held(MING)[7:]
    harness.reply(MING, YI, "START")
    assert harness.refused() == []


def test_taking_back_is_synced_before_the_carrier_is_told(harness: Harness) -> None:
    refuse(harness, "甲店")
    harness.synced = False
    assert harness.reply(MING, JIA, "START") == -1
    harness.synced = True
    harness.turns()
    assert harness.acknowledged[-1][1] == 0


# -- the confirmation


def test_a_refusal_is_confirmed_once_from_the_same_port_without_a_receipt_and_counts_nowhere(harness: Harness) -> None:
    harness.send(JIA + "66", MING, ad("甲店"))
    before = record.entries(harness.store._table.get(MING) or EMPTY)
    assert harness.reply(MING, JIA + "66", "R") == 0
    (own,) = [pending for pending in harness.left if not pending.entry_id]
    fields = read_fields(Frame.of(own.data))
    assert (fields["source_addr"], fields["registered_delivery"], fields["data_coding"]) == (b"1069001" + b"66", 0, 8)
    assert fields["short_message"].decode("utf-16-be") == "jia: 退订已生效(已停止: 【甲店】)"
    assert record.entries(harness.store._table.get(MING) or EMPTY) == before
    assert harness.journalled(messages.ANSWER) == harness.journalled(messages.ANSWER)[:1], (
        "what the carrier answers to it is dropped"
    )
    assert sum(harness.lane.held) == 0
    assert harness.relay.idle
    assert harness.tally.confirmations == {("jia", "sent"): 1}
    harness.reply(MING, JIA + "66", "R", after_s=3600)
    harness.reply(MING, JIA + "66", "START", after_s=3600)
    harness.reply(MING, JIA + "66", "R", after_s=3600)
    assert len(harness.words()) == len(harness.journalled(messages.SAID)) == 1
    harness.reply(MING, JIA + "66", "R", after_s=DAY)
    assert len(harness.words()) == 2


def test_another_refusal_is_confirmed_for_itself(harness: Harness) -> None:
    refuse(harness, "甲店", "乙店")
    refuse(harness, "丙店", port=YI)
    assert harness.words() == [
        "jia: 退订已生效(已停止: 【甲店】)",
        "jia: 退订已生效(已停止: 【乙店】)",
        "yi: 退订已生效(已停止: 所有发送方)",
    ]


def test_what_a_reply_stops_for_the_first_time_is_said_though_another_of_it_was_said_today(
    harness: Harness, rules: RuleSet
) -> None:
    refuse(harness, "甲店")
    harness.reply(MING, JIA, "START")
    for shop in ("乙店", "甲店"):
        harness.send(JIA, MING, ad(shop))
    harness.reply(MING, JIA, "R")
    assert harness.words()[1:] == ["jia: 退订已生效(已停止: 【甲店】、【乙店】)"]
    harness.reply(MING, JIA, "R")
    harness.journal.close()
    again = Harness(rules, disk=harness.disk)
    again.now = harness.now
    again.reply(MING, JIA, "R")
    assert len(harness.words()) + len(again.words()) == 2


def test_a_restart_does_not_forget_that_it_was_said(harness: Harness, rules: RuleSet) -> None:
    refuse(harness, "甲店")
    harness.journal.close()
    again = Harness(rules, disk=harness.disk)
    again.now = harness.now
    again.reply(MING, JIA, "R")
    assert again.words() == []
    again.reply(MING, JIA, "R", after_s=DAY + 60)
    assert len(again.words()) == 1


@pytest.mark.parametrize("port", [BING, NOBODYS], ids=["a provider whose settings have no text", "nobody's port"])
def test_where_nobody_wants_it_nothing_is_said(harness: Harness, port: str) -> None:
    assert harness.reply(MING, port, "TD") == 0
    assert harness.words() == []
    assert harness.journalled(messages.SAID) == []


def test_without_a_link_it_is_not_said_and_nothing_waits_for_it(harness: Harness) -> None:
    harness.send(JIA, MING, ad("甲店"))
    harness.lane.up = False
    assert harness.reply(MING, JIA, "R") == 0
    assert harness.words() == []
    assert harness.relay.idle
    assert harness.tally.confirmations == {("jia", "unsent"): 1}


@pytest.mark.parametrize("how", ["refused", "unanswered", "unsent", "late"])
def test_what_becomes_of_it_concerns_nobody(harness: Harness, how: str) -> None:
    harness.send(JIA, MING, ad("甲店"))
    before = harness.store._table.get(MING)
    assert before
    harness.silent = True
    harness.reply(MING, JIA, "R")
    own = harness.left[-1]
    assert not own.entry_id
    answers = len(harness.journalled(messages.ANSWER))
    refusal = Frame.of(submit_sm_resp(1, 0x45))
    {
        "refused": lambda: harness.relay.answered(own, refusal),
        "unanswered": lambda: harness.relay.unanswered(own),
        "unsent": lambda: harness.relay.unsent(own, "no-route"),
        "late": lambda: harness.relay.answered_late(own, refusal),
    }[how]()
    harness.turns()
    assert len(harness.journalled(messages.ANSWER)) == answers
    assert harness.relay.idle
    assert harness.binds["jia"].told == [0]


# -- the pure parts


def entry(number: int, port: str = JIA, sign: str = "甲店", word: str = "", **said: Any) -> Entry:
    values: dict[str, Any] = {"category": Category.MARKETING, "state": EntryState.OPEN, "time": int(NOON) + number} | said
    return Entry(
        id=number, signature=hash48(sign) if sign else 0, provider=1, port=hash32(port), subcategory=0, template=number,
        keyword=hash16(word) if word else 0, **values,
    )  # fmt: skip


SIGNS, WORDS = st.sampled_from(["", "甲店", "乙店"]), st.sampled_from(["", "R", "CC"])
ENTRIES = st.lists(
    st.tuples(
        SIGNS, WORDS, st.sampled_from([Category.OTP, Category.NOTICE, Category.MARKETING]), st.sampled_from(list(EntryState))
    ),
    max_size=5,
)


TO = ReplyTo(Port(JIA + "8", "jia", frozenset()), JIA)


@given(ENTRIES)
def test_what_may_be_meant_is_refused_by_its_signature_or_with_the_port(some: list[Any]) -> None:
    there = [entry(n, sign=sign, word=w, category=c, state=s) for n, (sign, w, c, s) in enumerate(some, 1)]
    found = {one[:2] for one in refusals(there, TO, "reply", NOON)}
    wanted = {("advertiser", f"{one.signature:012x}") if one.signature else ("port", JIA) for one in there}
    assert found == (wanted or {("port", JIA)})


@pytest.mark.parametrize(("sent_from", "more"), [(JIA + "7", []), (YI, [("port", YI)]), ("", [])])
def test_who_has_no_signature_is_refused_where_the_message_came_from_too(sent_from: str, more: list[tuple[str, str]]) -> None:
    there = [entry(1, port=sent_from, sign="")]
    found = refusals(there, TO, "reply", NOON, word_of=lambda hashed: sent_from or None)
    assert [one[:2] for one in found] == [("port", JIA), *more]
    everybody = ReplyTo(Port("10690", "", frozenset()), "")
    assert [one[:2] for one in refusals(there, everybody, "reply", NOON, word_of=lambda hashed: sent_from)] == [ALL_MARKETING]


def test_an_alphanumeric_sender_is_refused_with_its_owner() -> None:
    to = ReplyTo(Port("JIA", "jia", frozenset()), "JIA")
    assert [one[:2] for one in refusals([], to, "reply", NOON)] == [("provider", "jia")]
    data = record.opt_out(EMPTY, OptOut("provider", "jia", int(NOON), "reply", 0))
    assert len(taken_back(data, to, NOON)) == 1


@given(st.lists(st.tuples(st.sampled_from("甲乙丙丁"), st.integers(0, 40), st.sampled_from(["reply", "officer"])), max_size=8))
def test_widening_counts_advertisers_and_replies_within_the_days(some: list[tuple[str, int, str]]) -> None:
    opt_outs = [OptOut("advertiser", f"{hash48(sign):012x}", int(NOON - days * DAY), source, 0) for sign, days, source in some]
    late = [(sign, days) for sign, days, source in some if source == "reply" and days < 30]
    wide = widened(opt_outs, 3, 30, NOON, lambda signature: f"{signature:012x}")
    assert (wide is not None) == (min(len({sign for sign, _ in late}), len({days for _, days in late})) >= 3)
    if wide:
        assert widened([*opt_outs, wide], 3, 30, NOON, lambda signature: f"{signature:012x}") is None


@settings(max_examples=examples(200))
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["replied", "confirmed", "forgotten", "refused", "entry"]), st.integers(0, 5), st.integers(0, 9)
        ),
        max_size=90,
    )
)
def test_what_joins_refusals_to_ports_disturbs_nothing_else_and_is_bounded(steps: list[tuple[str, int, int]]) -> None:
    data, joined, said = EMPTY, set(), dict[str, int]()
    for at, (what, value, hour) in enumerate(steps):
        one = OptOut("port", str(value), int(NOON), "reply", 0)
        before = (record.entries(data), record.opt_outs(data))
        now = int(NOON) + at * 60 + hour * 3600
        if what == "replied":
            data = reply_ports.replied(data, one, hour)
            joined.add((value, hour))
        elif what == "confirmed":
            data = reply_ports.with_confirmed(data, one, now)
            said[one.value] = max(now, said.get(one.value, 0))
        elif what == "forgotten":
            data = reply_ports.forgotten(data, one, now)
            joined = {(v, p) for v, p in joined if v != value}
            said = {v: t for v, t in said.items() if v != one.value or t > now - DAY}
        elif what == "refused":
            data = record.opt_out(data, one)
            continue
        else:
            data = record.add(data, entry(at + 1), int(NOON), 86_400)
            continue
        assert (record.entries(data), record.opt_outs(data)) == before
    for value in range(6):
        one = OptOut("port", str(value), int(NOON), "reply", 0)
        assert reply_ports.confirmed(data, one) == said.get(one.value, 0)
    for port in range(10):
        held = {reply_ports.name_of(OptOut("port", str(v), 0, "reply", 0)) for v, p in joined if p == port}
        assert held <= reply_ports.refused_at(data, port)


def test_a_person_who_refuses_at_a_thousand_ports_has_a_record_of_bounded_size() -> None:
    data = EMPTY
    for port in range(1000):
        one = OptOut("port", f"1069{port:04}", int(NOON), "reply", 0)
        data = reply_ports.replied(record.opt_out(data, one), one, port)
    assert len(data) < 4_000
    assert reply_ports.refused_at(data, 999)


# -- doubtful replies

DOUBTFUL = "这是退订吗"


def doubting(rules: RuleSet, manners: OptOutSettings, disk: MemoryDisk | None = None) -> Harness:
    """A gate with an inbox of doubtful replies."""
    harness = Harness(rules, manners, disk)
    harness.reply_handler.inbox = Inbox(harness.store.doubtful, harness.store.decisions)
    return harness


def inbox_of(harness: Harness) -> Inbox:
    assert isinstance(harness.reply_handler.inbox, Inbox)
    return harness.reply_handler.inbox


def settle(harness: Harness, *, yes: bool) -> list[DoubtSettled]:
    """An officer decides about the oldest row; the decision itself is not written."""
    key, found = next(inbox_of(harness).rows()), list[DoubtSettled]()
    for _, reply in inbox_of(harness).undecided(key, 100):
        kept = inbox_of(harness).held_by_other_rows(reply.recipient, key)
        to = harness.reply_handler.port_of(reply.port, reply.provider, reply.port)

        def refused(data: bytes, now: float, reply: Doubtful = reply, to: ReplyTo = to) -> tuple[OptOut, ...]:
            return refused_by(data, reply, to, harness.reply_handler.dictionary.port, now)

        found.append(
            DoubtSettled(
                reply, refused if yes else None, kept, harness.store.listed, "li", "read it", lambda change, recorded: None
            )
        )
        harness.relay.change(found[-1])
    harness.turns()
    return found


@pytest.mark.parametrize(("then", "afterwards"), [("refuse", NOT_PERMITTED), ("pass", 0)])
def test_a_hold_that_nobody_decides_about_is_a_refusal_or_ends_after_seven_days(
    rules: RuleSet, then: str, afterwards: int
) -> None:
    harness = doubting(rules, OptOutSettings(doubtful_then=then))
    assert harness.send(JIA, MING, "【甲店】双11券") == 0
    harness.reply(MING, JIA, DOUBTFUL)
    assert harness.send(JIA, MING, "【甲店】双11券", after_s=HOLD_S - 700) == NOT_PERMITTED
    assert (
        harness.send(JIA, MING, "【甲店】双11券", after_s=760) == afterwards
    )  # a repeat within 10 minutes is refused from memory
    assert harness.send(JIA, HONG, "【甲店】双11券") == 0


def test_where_doubtful_replies_pass_nothing_is_held_and_the_reply_is_listed(rules: RuleSet) -> None:
    harness = doubting(rules, OptOutSettings(doubtful="pass"))
    harness.send(JIA, MING, "【甲店】双11券")
    harness.reply(MING, JIA, DOUBTFUL)
    assert harness.send(JIA, MING, "【甲店】双11券") == 0
    assert inbox_of(harness).open == 1


def test_a_yes_refuses_all_who_may_be_meant_where_nothing_was_held(rules: RuleSet) -> None:
    harness = doubting(rules, OptOutSettings(doubtful="pass", widen_after=0))
    for sign in ("甲店", "乙店"):
        harness.send(JIA, MING, ad(sign))
    harness.reply(MING, JIA, DOUBTFUL)
    harness.send(JIA, MING, ad("丙店"))
    settle(harness, yes=True)
    assert set(harness.refused(MING)) == {advertiser("甲店"), advertiser("乙店")}


def test_what_a_person_takes_back_meanwhile_is_not_refused_by_a_yes_that_comes_later(rules: RuleSet) -> None:
    harness = doubting(rules, OptOutSettings())
    harness.send(JIA, MING, "【甲店】双11券")
    harness.reply(MING, JIA, DOUBTFUL)
    held = record.opt_outs(harness.store.held(MING))
    harness.store.update(MING, lambda data: lift(data, held, int(harness.now)))  # START, or an officer
    (settled,) = settle(harness, yes=True)
    assert (settled.added, settled.lifted) == ((), ())
    assert harness.send(JIA, MING, "【甲店】双11券") == 0


@pytest.mark.parametrize("yes", [True, False])
def test_the_person_ends_at_that_port_what_a_decision_made_or_left(rules: RuleSet, yes: bool) -> None:
    harness = doubting(rules, OptOutSettings(widen_after=0))
    harness.send(JIA, MING, "【甲店】双11券")
    if not yes:
        harness.reply(MING, JIA, "退订")
    harness.reply(MING, JIA, DOUBTFUL)
    settle(harness, yes=yes)
    for one in (harness, doubting(rules, OptOutSettings(widen_after=0), harness.disk)):
        (refusal,) = record.opt_outs(one.store.held(MING))
        assert reply_ports.name_of(refusal) in reply_ports.refused_at(one.store.held(MING), hash32(JIA))
    harness.reply(MING, JIA, "START")
    assert harness.send(JIA, MING, "【甲店】双11券") == 0


def test_a_no_lifts_what_no_other_reply_holds_and_nothing_a_person_has_said_for_certain(rules: RuleSet) -> None:
    harness = doubting(rules, OptOutSettings(widen_after=0))
    harness.send(JIA, MING, "【甲店】双11券")
    harness.reply(MING, JIA, DOUBTFUL)
    harness.reply(MING, JIA, "退订")
    settle(harness, yes=False)
    assert [one.source for one in record.opt_outs(harness.store.held(MING))] == ["reply"]
    assert harness.send(JIA, MING, "【甲店】双11券") == NOT_PERMITTED


def test_a_kill_after_any_record_leaves_a_row_that_is_decided_wholly_or_waits_still(rules: RuleSet) -> None:
    for yes in (True, False):
        harness = doubting(rules, OptOutSettings())
        for who in (MING, HONG):
            harness.send(JIA, who, "【甲店】双11券")
            harness.reply(who, JIA, DOUBTFUL)
        settle(harness, yes=yes)  # killed before the decision is written
        again = doubting(rules, OptOutSettings(), harness.disk)
        again.now = harness.now
        assert inbox_of(again).open == 2
        before = [record.opt_outs(again.store.held(who)) for who in (MING, HONG)]
        settle(again, yes=yes)
        kinds = [[(one.scope, one.value, one.source) for one in record.opt_outs(again.store.held(who))] for who in (MING, HONG)]
        assert kinds == [[(one.scope, one.value, one.source) for one in held] for held in before]
        assert again.send(JIA, MING, "【甲店】双11券") == (NOT_PERMITTED if yes else 0)


def test_a_standing_decision_is_asked_when_a_reply_comes(rules: RuleSet) -> None:
    for yes, status, kind in ((True, NOT_PERMITTED, "optout"), (False, 0, "reply")):
        harness = doubting(rules, OptOutSettings())
        harness.send(JIA, MING, "【甲店】双11券")
        harness.reply(MING, JIA, DOUBTFUL)
        key = next(inbox_of(harness).rows())
        ((number, reply),) = inbox_of(harness).undecided(key, 10)
        made = DoubtDecision(harness.now, "li", "x", yes, True, key, DOUBTFUL, reply.context, JIA, (number,))
        inbox_of(harness).decided(made, pack(made))
        harness.send(JIA, HONG, "【甲店】双11券")
        harness.reply(HONG, JIA, "這是退訂嗎？")
        assert harness.kinds()[-1] == kind
        assert (harness.send(JIA, HONG, "【甲店】双11券"), inbox_of(harness).open) == (status, 0)


def test_a_reply_that_cannot_be_read_is_listed_and_holds_nothing(rules: RuleSet) -> None:
    harness = doubting(rules, OptOutSettings())
    harness.send(JIA, MING, ad("甲店"))
    assert harness.reply(MING, JIA, b"\xff\xfe\x81", coding=15) == 0
    (key,) = inbox_of(harness).rows()
    row = inbox_of(harness).row(key)
    assert (harness.kinds(), row.holding) == (["review"], 0), row.first
    assert harness.send(JIA, MING, ad("甲店")) == 0


# -- wrongly declared alphabets, and ports that nobody owns


@pytest.mark.parametrize(
    ("octets", "coding"),
    [
        ("退订".encode("gbk"), 8), ("取消订阅".encode("gbk"), 8), ("拒收".encode(), 8), ("不要再发".encode(), 8), ("TD".encode("utf-16-le"), 8),
        ("退订".encode("gbk"), 3), ("退订".encode(), 3),
    ],
)  # fmt: skip
def test_a_refusal_is_read_though_another_alphabet_is_declared_that_has_these_octets(
    harness: Harness, octets: bytes, coding: int
) -> None:
    harness.send(JIA, MING, ad("甲店"))
    assert harness.reply(MING, JIA, octets, coding=coding) == 0
    assert harness.refused() == [advertiser("甲店")]


@pytest.mark.parametrize("text", ["好的谢谢", "안녕하세요", "Ça va très bien", "㐀㐁", "收到，马上到"])
def test_a_text_in_the_alphabet_that_is_declared_is_read_as_it_is(harness: Harness, text: str) -> None:
    harness.send(JIA, MING, ad("甲店"))
    assert harness.reply(MING, JIA, text) == 0
    assert harness.refused() == []
    assert harness.kinds() == ["reply"]


class _Undecided:
    """An inbox in which nothing is decided."""

    def standing(self, text: str, context: object, port: str) -> bool | None:
        return None

    def enter(self, body: bytes) -> None:
        return None


@pytest.mark.parametrize(("text", "held"), [("退订了吗没", [ALL_MARKETING]), ("QUIT", []), ("N", [])])
def test_a_doubtful_reply_to_a_port_that_nobody_owns_holds_all_marketing_but_for_commands_of_menus(
    harness: Harness, text: str, held: list[tuple[str, str]]
) -> None:
    harness.reply_handler.inbox = cast("Any", _Undecided())
    harness.send(JIA, MING, ad("甲店"))
    assert harness.reply(MING, "10086", text) == 0
    assert harness.refused() == held
    assert harness.kinds() == ["review"]
    assert harness.send(YI, MING, ad("乙店")) == (NOT_PERMITTED if held else 0)
