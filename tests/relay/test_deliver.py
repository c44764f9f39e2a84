"""Delivers without loop, socket or clock: answers to the carrier, items for the provider, journal records."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.journal.encoding import unpack
from proxy.journal.records import delivers, messages
from proxy.journal.records import mailbox as mail
from proxy.journal.write_ahead_log import Journal, read
from proxy.model.counters import GateCounters
from proxy.policy.ruleset import RuleSet
from proxy.relay import deliver
from proxy.relay.account_access import PortTable
from proxy.relay.deliver import ITEMS_PER_BIND, NEWS_MAX, DeliverRelay
from proxy.relay.deliver_batch import ReceiptBatch
from proxy.relay.optout_reply import OptOutSettings, ReplyHandler
from proxy.relay.submit import Relay
from proxy.state import open_store
from proxy.state.mailbox.deliver_queue import Item
from proxy.state.mailbox.mailbox import Bounds
from proxy.wire import Frame, deliver_sm, deliver_sm_resp
from tests.journal.memory_disk import MemoryDisk
from tests.simulation.world import the_rules

NOW = 1_762_833_600.0
ROK, LATER, FULL, NEVER, REJECTED = 0x00, 0x64, 0x14, 0x65, 0x66
PERSON, PORT = "8613800210001", "10690015"


@functools.cache
def _rules() -> RuleSet:
    return the_rules()


class Link:
    carrier, owner = "bj", ""

    def __init__(self) -> None:
        self.answers: list[tuple[int, int]] = []
        """(sequence number, status), in order."""
        self.bad: list[str] = []

    def answer(self, data: bytes) -> None:
        frame = Frame.of(data)
        self.answers.append((frame.sequence_number, frame.command_status))

    def answer_all(self, answers: Sequence[bytes]) -> None:
        for data in answers:
            self.answer(data)

    def count_bad(self, kinds: list[str]) -> None:
        self.bad += kinds


class Bind:
    def __init__(self, room: int = 100) -> None:
        self.room = room
        self.handed: list[Item] = []

    def hand_all(self, items: Sequence[Item]) -> None:
        assert self.room >= len(items)
        self.room -= len(items)
        self.handed += items


class Harness:
    """A gate without its shell: the test says when the disk has synced."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.disk = MemoryDisk()
        self.journal = Journal(self.disk)
        self.store = open_store("sqlite::memory:")
        ports = ports_of(jia="1069001", yi="1069002")
        self.relay = Relay(
            directory=cast("Any", SimpleNamespace(ports=ports, pacers={}, accesses={}, providers={"jia": 1, "yi": 1})),
            rules=_rules(),
            store=self.store,
            journal=self.journal,
            routes=cast("Any", SimpleNamespace(only=None)),
            tally=GateCounters(),
            spawn=_at_once,
            wake=lambda: None,
            sync=lambda: None,
        )
        self.binds: dict[str, list[Bind]] = {"jia": [], "yi": []}
        self.now = NOW
        self.monotonic = 0.0
        self.link = Link()
        reply_handler = ReplyHandler(
            self.relay, self.relay.tally, OptOutSettings(widen_after=0), lambda: self.now, lambda: self.monotonic
        )
        self.way = DeliverRelay(
            self.relay,
            reply_handler,
            self.relay.tally,
            self.store.mailbox,
            lambda provider: cast("Any", self.binds[provider]),
            {},
            frozenset(),
            lambda: self.now,
        )
        self.way.open(bounds or Bounds(), ["jia", "yi"])

    def comes(self, sequence: int, text: bytes = b"hello", port: str = PORT, esm_class: int = 0) -> None:
        self.come(deliver_sm(PERSON, port, text, esm_class=esm_class, sequence=sequence))

    def come(self, *pdus: bytes, link: Link | None = None) -> None:
        """One read of the carrier's."""
        self.way.deliver_all(cast("Any", link or self.link), [Frame.of(data) for data in pdus], self.now)

    def turn(self, synced: bool = True) -> None:
        self.relay.turn(self.now)
        if synced:
            self.journal.note_synced(self.journal.sync())
            self.relay.turn(self.now)
        self.way.turn(self.now)

    def tick(self, seconds: float, clock_set_by: float = 0.0) -> None:
        self.now += seconds + clock_set_by
        self.monotonic += seconds
        self.relay.tick(self.now)
        self.way.tick(self.now)
        self.turn(synced=False)

    def binds_for(self, provider: str, room: int = 100) -> Bind:
        bind = Bind(room)
        self.binds[provider].append(bind)
        self.way.bound(provider)
        self.turn()
        return bind

    def answer(self, bind: Bind, status: int, *items: Item) -> None:
        bind.room += len(items)
        self.way.answered([(item, Frame.of(deliver_sm_resp(1, status))) for item in items], self.now)
        self.turn()

    def said(self, kind: int) -> list[bytes]:
        return [record.body for record in read(self.disk, 1) if record.kind == kind]


def ports_of(**owned: str) -> PortTable:
    return PortTable(cast("Any", [SimpleNamespace(name=name, ports=(port,)) for name, port in owned.items()]))


def receipt(sequence: int, port: str = PORT, person: str = PERSON, **more: Any) -> bytes:
    return deliver_sm(person, port, b"id:%d stat:DELIVRD" % sequence, esm_class=4, sequence=sequence, **more)


def _at_once(coroutine: Any) -> None:
    with pytest.raises(StopIteration):
        coroutine.send(None)


@pytest.fixture
def harness() -> Harness:
    return Harness()


def test_a_deliver_is_acknowledged_when_it_is_synced_and_not_before_though_nobody_is_there(harness: Harness) -> None:
    harness.comes(7)
    harness.turn(synced=False)
    assert harness.said(messages.DELIVER)
    assert harness.link.answers == []
    harness.turn()
    assert harness.link.answers == [(7, ROK)]
    assert harness.relay.tally.delivers == {("jia", "reply"): 1}


def test_it_is_handed_to_a_bind_only_once_it_is_synced(harness: Harness) -> None:
    bind = harness.binds_for("jia")
    harness.comes(7)
    harness.turn(synced=False)
    assert bind.handed == []
    harness.turn()
    assert len(bind.handed) == 1


def test_a_disk_that_does_not_sync_leaves_the_deliver_with_the_carrier_within_a_second(harness: Harness) -> None:
    bind = harness.binds_for("jia")
    harness.comes(7)
    harness.turn(synced=False)
    for _ in range(10):
        assert harness.now - NOW < 1
        if harness.link.answers:
            break
        harness.tick(0.1)
    assert harness.link.answers == [(7, LATER)]
    harness.turn()  # it syncs after all
    harness.turn()
    assert harness.link.answers == [(7, LATER)]
    assert bind.handed == []
    assert [tuple(why for _, why in unpack(mail.Dropped, body).delivers) for body in harness.said(messages.DROPPED)] == [
        ("returned",)
    ]
    assert harness.relay.tally.delivers == {}
    assert harness.relay.tally.delivers_returned == {("jia",): 1}
    assert harness.relay.tally.mailbox_dropped == {}


def test_a_disk_that_is_full_leaves_it_with_the_carrier_at_once_and_the_next_try_is_taken(harness: Harness) -> None:
    harness.disk.free_bytes = 0
    harness.comes(7)
    harness.turn()
    assert harness.link.answers == [(7, LATER)]
    harness.disk.free_bytes = None
    harness.tick(0.5)
    harness.comes(8)
    harness.turn()
    assert harness.link.answers[-1] == (8, ROK)
    assert len(harness.said(messages.DELIVER)) == 1


@pytest.mark.parametrize("clock_set_by", [-3600.0, -0.9, 0.9, 3600.0])
def test_a_clock_that_is_set_changes_nothing_of_how_long_the_carrier_waits(harness: Harness, clock_set_by: float) -> None:
    harness.comes(7)
    harness.turn(synced=False)
    harness.tick(0.5, clock_set_by)
    assert harness.link.answers == []
    harness.tick(0.5)
    assert harness.link.answers == [(7, LATER)]


def test_a_refusal_is_acknowledged_when_both_it_and_the_deliver_are_synced(harness: Harness) -> None:
    harness.comes(7, b"TD")
    harness.turn(synced=False)
    assert harness.link.answers == []
    assert harness.said(messages.OPTOUT)
    harness.turn()
    assert harness.link.answers == [(7, ROK)]
    assert harness.relay.tally.delivers == {("jia", "optout"): 1}


def test_all_that_providers_acknowledge_in_one_turn_is_one_record(harness: Harness) -> None:
    bind = harness.binds_for("jia")
    for sequence in range(1, 51):
        harness.comes(sequence)
    harness.turn()
    items = list(bind.handed)
    numbers = tuple(item.number for item in items)
    assert numbers == tuple(sorted(numbers))
    harness.answer(bind, ROK, *items)
    assert [unpack(mail.Delivered, body).numbers for body in harness.said(messages.DELIVERED)] == [numbers]


def test_no_record_is_longer_than_the_journal_can_hold_however_long_the_disk_was_full(harness: Harness) -> None:
    harness.disk.free_bytes = 0
    mailbox = harness.store.mailbox
    for number in range(1, 2 * NEWS_MAX + 2):
        mailbox.ready(mailbox.put(number, "jia", NOW, "receipt", b""))
    items = mailbox.take("jia", 3 * NEWS_MAX, NOW)
    for item in items:
        harness.way.delivered(item)
        harness.turn()
    harness.disk.free_bytes = None
    harness.tick(1)
    harness.turn()
    told = [unpack(mail.Delivered, body).numbers for body in harness.said(messages.DELIVERED)]
    assert [len(numbers) for numbers in told] == [NEWS_MAX, NEWS_MAX, 1]
    assert sorted(number for numbers in told for number in numbers) == list(range(1, 2 * NEWS_MAX + 2))


@pytest.mark.parametrize("status", [LATER, FULL, 0x58])
def test_not_now_is_asked_again_after_a_second(harness: Harness, status: int) -> None:
    bind = harness.binds_for("jia")
    harness.comes(7)
    harness.turn()
    harness.answer(bind, status, bind.handed[0])
    harness.tick(0.9)
    assert len(bind.handed) == 1
    harness.tick(0.2)
    assert [item.number for item in bind.handed] == [bind.handed[0].number] * 2
    harness.answer(bind, ROK, bind.handed[1])
    assert harness.store.mailbox.boxes["jia"].count == 0


@pytest.mark.parametrize("status", [NEVER, REJECTED, 0x08, 0x03])
def test_any_other_refusal_is_for_good_counted_and_journalled(harness: Harness, status: int) -> None:
    bind = harness.binds_for("jia")
    harness.comes(7)
    harness.turn()
    harness.answer(bind, status, bind.handed[0])
    harness.turn()
    assert harness.relay.tally.mailbox_dropped == {("jia", "refused"): 1}
    assert [tuple(why for _, why in unpack(mail.Dropped, body).delivers) for body in harness.said(messages.DROPPED)] == [
        ("refused",)
    ]
    harness.tick(400)
    assert len(bind.handed) == 1


def test_binds_of_one_provider_share_and_none_gets_more_than_it_has_room_for(harness: Harness) -> None:
    small, large = harness.binds_for("jia", 2), harness.binds_for("jia", 6)
    for sequence in range(1, 11):
        harness.comes(sequence)
    harness.turn()
    assert (len(small.handed), len(large.handed)) == (2, 6)
    harness.answer(small, ROK, small.handed[0])
    assert len(small.handed) == 3


def test_what_a_lost_bind_had_is_handed_to_another_before_all_else(harness: Harness) -> None:
    first = harness.binds_for("jia", 2)
    for sequence in range(1, 5):
        harness.comes(sequence)
    harness.turn()
    harness.binds["jia"].clear()
    harness.way.lost(first.handed)
    second = harness.binds_for("jia")
    assert [item.number for item in second.handed] == sorted(item.number for item in second.handed)
    assert second.handed[:2] == first.handed


def test_a_drain_hands_nothing_over_any_more_and_still_takes_what_comes(harness: Harness) -> None:
    bind = harness.binds_for("jia")
    harness.way.closing = True
    harness.comes(7)
    harness.turn()
    assert harness.link.answers == [(7, ROK)]
    assert bind.handed == []


def test_nobodys_port_is_acknowledged_kept_and_handed_to_nobody(harness: Harness) -> None:
    binds = [harness.binds_for("jia"), harness.binds_for("yi")]
    harness.comes(7, port="10690777")
    harness.turn()
    assert harness.link.answers == [(7, ROK)]
    assert harness.relay.tally.delivers == {("unowned", "reply"): 1}
    assert not any(bind.handed for bind in binds)
    assert harness.store.mailbox.boxes[""].count == 1


def test_what_cannot_be_read_is_answered_at_once_and_not_kept(harness: Harness) -> None:
    data = bytearray(deliver_sm(PERSON, PORT, b"hello", sequence=9))
    data[-6] += 3  # sm_length
    harness.come(bytes(data))
    ((sequence, status),) = harness.link.answers
    assert sequence == 9
    assert status not in (ROK, LATER)
    harness.turn()
    assert harness.said(messages.DELIVER) == []


# ---------------------------------------------------------------------------------------------------------------- receipts


def test_receipts_of_one_read_are_acknowledged_when_all_are_synced_and_not_before(harness: Harness) -> None:
    bind = harness.binds_for("jia")
    harness.come(receipt(7), receipt(8), receipt(9))
    harness.turn(synced=False)
    assert len(harness.said(messages.DELIVER)) == 3
    assert (harness.link.answers, bind.handed) == ([], [])
    harness.turn()
    assert harness.link.answers == [(7, ROK), (8, ROK), (9, ROK)]
    assert [item.data for item in bind.handed] == [receipt(7), receipt(8), receipt(9)]
    assert harness.relay.tally.delivers == {("jia", "receipt"): 3}


def test_receipts_that_are_safe_are_let_go_of_and_not_kept_until_a_tick(harness: Harness) -> None:
    def kept() -> list[int]:
        return [len(one.items) for one in harness.way._arrivals if isinstance(one, ReceiptBatch)]

    harness.come(receipt(7), receipt(8))
    harness.turn(synced=False)
    assert kept() == [2]
    harness.turn()
    assert (kept(), harness.link.answers) == ([0], [(7, ROK), (8, ROK)])


@pytest.mark.parametrize("person", [PERSON, "", "10086", "\xe9t\xe9"])
@pytest.mark.parametrize("port", [PORT, "106900299", "777", ""])
def test_a_receipt_is_written_with_whom_it_is_about_the_port_and_its_owner(harness: Harness, person: str, port: str) -> None:
    harness.come(receipt(7, port, person))
    harness.turn()
    (body,) = harness.said(messages.DELIVER)
    owner = {PORT: "jia", "106900299": "yi"}.get(port, "")
    assert unpack(delivers.DeliverRecord, body) == delivers.DeliverRecord(
        NOW, "receipt", person, port, owner, receipt(7, port, person)
    )
    assert harness.relay.tally.delivers == {(owner or "unowned", "receipt"): 1}
    (item,) = harness.store.mailbox.boxes[owner].items()
    assert (item.kind, item.at, item.data) == ("receipt", NOW, receipt(7, port, person))


@pytest.mark.parametrize("code", ["86", "+86", "0086"])
@pytest.mark.parametrize("strip", ["", "86", "12530"])
def test_what_comes_to_a_port_with_the_countrys_code_finds_its_owner_receipt_or_reply(
    harness: Harness, code: str, strip: str
) -> None:
    harness.way._strip["bj"] = strip
    bind = harness.binds_for("jia")
    asked = receipt(7, code + PORT), deliver_sm(PERSON, code + PORT, b"hello", sequence=8)
    harness.come(*asked)
    harness.turn()
    assert [item.data for item in bind.handed] == list(asked)  # as they came
    assert [unpack(delivers.DeliverRecord, body).port for body in harness.said(messages.DELIVER)] == [PORT, PORT]


def test_receipts_and_replies_stay_in_the_order_in_which_they_came(harness: Harness) -> None:
    bind = harness.binds_for("jia")
    reply = deliver_sm("10086", PORT, b"hello", sequence=9)
    harness.come(receipt(7), receipt(8), reply, receipt(10))
    harness.come(receipt(11))
    harness.turn()
    assert [item.data for item in bind.handed] == [receipt(7), receipt(8), reply, receipt(10), receipt(11)]
    assert [item.number for item in bind.handed] == [1, 2, 3, 4, 5]
    assert harness.link.answers == [(7, ROK), (8, ROK), (9, ROK), (10, ROK), (11, ROK)]


def test_receipts_of_a_later_turn_are_a_group_of_their_own(harness: Harness) -> None:
    harness.come(receipt(7))
    harness.turn(synced=False)
    harness.come(receipt(8))
    harness.journal.note_synced(harness.journal.sync())
    harness.turn(synced=False)
    assert harness.link.answers == [(7, ROK)]
    harness.turn()
    assert harness.link.answers == [(7, ROK), (8, ROK)]


def test_each_link_is_told_of_its_own(harness: Harness) -> None:
    other = Link()
    harness.come(receipt(7), receipt(8))
    harness.come(receipt(7), link=other)
    harness.come(receipt(9))
    harness.turn()
    assert harness.link.answers == [(7, ROK), (8, ROK), (9, ROK)]
    assert other.answers == [(7, ROK)]


def test_what_comes_over_a_providers_own_account_is_that_providers(harness: Harness) -> None:
    own = Link()
    own.owner = "yi"
    harness.come(receipt(7), link=own)
    harness.come(receipt(8))
    harness.turn()
    assert harness.relay.tally.delivers == {("yi", "receipt"): 1, ("jia", "receipt"): 1}


def test_receipts_that_the_disk_does_not_sync_stay_with_the_carrier(harness: Harness) -> None:
    bind = harness.binds_for("jia")
    harness.come(receipt(7), receipt(8))
    harness.turn(synced=False)
    harness.tick(0.5)
    assert harness.link.answers == []
    harness.tick(0.4)
    assert harness.link.answers == [(7, LATER), (8, LATER)]
    harness.turn()
    harness.turn()
    assert harness.link.answers == [(7, LATER), (8, LATER)]
    assert bind.handed == []
    assert [tuple(why for _, why in unpack(mail.Dropped, body).delivers) for body in harness.said(messages.DROPPED)] == [
        ("returned", "returned")
    ]
    assert harness.relay.tally.delivers_returned == {("jia",): 2}
    assert harness.store.mailbox.bytes == 0


def test_receipts_that_a_full_disk_does_not_take_stay_with_the_carrier_at_once(harness: Harness) -> None:
    harness.disk.free_bytes = 0
    harness.come(receipt(7), receipt(8))
    harness.turn()
    assert harness.link.answers == [(7, LATER), (8, LATER)]
    harness.disk.free_bytes = None
    harness.tick(0.5)
    harness.come(receipt(9))
    harness.turn()
    assert harness.link.answers[2:] == [(9, ROK)]
    assert len(harness.said(messages.DELIVER)) == 1


def test_one_that_cannot_be_read_among_others_is_answered_at_once(harness: Harness) -> None:
    broken = bytearray(receipt(8))
    broken[-18] += 1  # sm_length
    harness.come(receipt(7), bytes(broken), receipt(9))
    ((sequence, status),) = harness.link.answers
    assert (sequence, status) == (8, 0x01)
    harness.turn()
    assert harness.link.answers[1:] == [(7, ROK), (9, ROK)]
    assert harness.link.bad == ["length"]


def test_a_port_that_another_owns_after_a_reload_is_that_ones(harness: Harness) -> None:
    harness.come(receipt(7))
    harness.turn()
    harness.relay.directory = cast("Any", SimpleNamespace(ports=ports_of(yi="1069001"), accesses={}, providers={"yi": 1}))
    harness.come(receipt(8))
    harness.turn()
    assert harness.relay.tally.delivers == {("jia", "receipt"): 1, ("yi", "receipt"): 1}


def test_ports_without_end_are_not_remembered_without_end(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "ROUTES_MAX", 3)
    harness.come(*[receipt(number, f"{PORT}{number}") for number in range(10)])
    assert len(harness.way.routes(cast("Any", harness.link))) <= 3
    harness.turn()
    assert [unpack(delivers.DeliverRecord, body).port for body in harness.said(messages.DELIVER)] == [
        f"{PORT}{n}" for n in range(10)
    ]


def test_a_box_that_is_full_loses_its_oldest_for_receipts_that_come_together() -> None:
    harness = Harness(Bounds(messages=3))
    harness.come(*[receipt(number) for number in range(1, 6)])
    harness.turn()
    assert [item.data for item in harness.store.mailbox.boxes["jia"].items()] == [receipt(3), receipt(4), receipt(5)]
    assert harness.relay.tally.mailbox_dropped == {("jia", "full"): 2}


def test_a_few_go_to_one_bind_and_many_are_shared_out(harness: Harness) -> None:
    binds = [harness.binds_for("jia"), harness.binds_for("jia")]
    harness.come(*[receipt(number) for number in range(ITEMS_PER_BIND)])
    harness.turn()
    assert [len(bind.handed) for bind in binds] == [ITEMS_PER_BIND, 0]
    harness.come(*[receipt(number) for number in range(4 * ITEMS_PER_BIND)])
    harness.turn()
    assert [len(bind.handed) for bind in binds] == [3 * ITEMS_PER_BIND, 2 * ITEMS_PER_BIND]
