"""The way back with no loop, no socket and no clock: what a carrier is answered and when, what a provider is handed, what is written."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.access import Ports
from proxy.desk import entries, mail
from proxy.desk.journal import Journal, MemoryDisk, read
from proxy.hearing import Hearing, Manners
from proxy.relay import Relay
from proxy.state import open_store
from proxy.state.box import Item
from proxy.state.mailbox import Bounds
from proxy.tally import Tally
from proxy.way_back import NEWS_MAX, WayBack
from proxy.wire import Frame, deliver_sm, deliver_sm_resp

NOW = 1_762_833_600.0
ROK, LATER, FULL, NEVER, REJECTED = 0x00, 0x64, 0x14, 0x65, 0x66
PERSON, PORT = "8613800210001", "10690015"


class Link:
    carrier, owner = "bj", ""

    def __init__(self) -> None:
        self.answers: list[tuple[int, int]] = []
        """(sequence number, status), in order."""

    def answer(self, data: bytes) -> None:
        frame = Frame.of(data)
        self.answers.append((frame.sequence_number, frame.command_status))


class Bind:
    def __init__(self, room: int = 100) -> None:
        self.room = room
        self.handed: list[Item] = []

    def hand(self, data: bytes, ticket: Item) -> None:
        assert self.room > 0
        self.room -= 1
        self.handed.append(ticket)


class House:
    """A gate without its shell: the test says when the disk has synced."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.disk = MemoryDisk()
        self.journal = Journal(self.disk)
        self.store = open_store("sqlite::memory:")
        ports = Ports(
            cast("Any", (SimpleNamespace(name="jia", ports=("1069001",)), SimpleNamespace(name="yi", ports=("1069002",))))
        )
        self.relay = Relay(
            directory=cast("Any", SimpleNamespace(ports=ports, providers={"jia": 1, "yi": 1})),
            rules=cast("Any", SimpleNamespace(revision="", window_s=86_400, compares_texts=False)),
            store=self.store,
            journal=self.journal,
            routes=cast("Any", None),
            tally=Tally(),
            spawn=_at_once,
            wake=lambda: None,
            sync=lambda: None,
        )
        self.binds: dict[str, list[Bind]] = {"jia": [], "yi": []}
        self.now = NOW
        self.monotonic = 0.0
        self.link = Link()
        hearing = Hearing(self.relay, self.relay.tally, Manners(widen_after=0), lambda: self.now, lambda: self.monotonic)
        self.way = WayBack(
            self.relay,
            hearing,
            self.relay.tally,
            self.store.mailbox,
            lambda provider: cast("Any", self.binds[provider]),
            {},
            frozenset(),
            lambda: self.now,
        )
        self.way.open(bounds or Bounds(), ["jia", "yi"])

    def comes(self, sequence: int, text: bytes = b"hello", port: str = PORT, esm_class: int = 0) -> None:
        frame = Frame.of(deliver_sm(PERSON, port, text, esm_class=esm_class, sequence=sequence))
        self.way.deliver(cast("Any", self.link), frame, self.now)

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


def _at_once(coroutine: Any) -> None:
    with pytest.raises(StopIteration):
        coroutine.send(None)


@pytest.fixture
def house() -> House:
    return House()


def test_a_deliver_is_acknowledged_when_it_is_synced_and_not_before_though_nobody_is_there(house: House) -> None:
    house.comes(7)
    house.turn(synced=False)
    assert house.said(entries.DELIVER)
    assert house.link.answers == []
    house.turn()
    assert house.link.answers == [(7, ROK)]
    assert house.relay.tally.delivers == {("jia", "reply"): 1}


def test_it_is_handed_to_a_bind_only_once_it_is_synced(house: House) -> None:
    bind = house.binds_for("jia")
    house.comes(7)
    house.turn(synced=False)
    assert bind.handed == []
    house.turn()
    assert len(bind.handed) == 1


def test_a_disk_that_does_not_sync_leaves_the_deliver_with_the_carrier_within_a_second(house: House) -> None:
    bind = house.binds_for("jia")
    house.comes(7)
    house.turn(synced=False)
    for _ in range(10):
        assert house.now - NOW < 1
        if house.link.answers:
            break
        house.tick(0.1)
    assert house.link.answers == [(7, LATER)]
    house.turn()  # it syncs after all
    house.turn()
    assert house.link.answers == [(7, LATER)]
    assert bind.handed == []
    assert [mail.unpack_dropped(body).whys for body in house.said(entries.DROPPED)] == [("returned",)]
    assert house.relay.tally.delivers == {}
    assert house.relay.tally.delivers_returned == {("jia",): 1}
    assert house.relay.tally.mailbox_dropped == {}


def test_a_disk_that_is_full_leaves_it_with_the_carrier_at_once_and_the_next_try_is_taken(house: House) -> None:
    house.disk.free_bytes = 0
    house.comes(7)
    house.turn()
    assert house.link.answers == [(7, LATER)]
    house.disk.free_bytes = None
    house.tick(0.5)
    house.comes(8)
    house.turn()
    assert house.link.answers[-1] == (8, ROK)
    assert len(house.said(entries.DELIVER)) == 1


@pytest.mark.parametrize("clock_set_by", [-3600.0, -0.9, 0.9, 3600.0])
def test_a_clock_that_is_set_changes_nothing_of_how_long_the_carrier_waits(house: House, clock_set_by: float) -> None:
    house.comes(7)
    house.turn(synced=False)
    house.tick(0.5, clock_set_by)
    assert house.link.answers == []
    house.tick(0.5)
    assert house.link.answers == [(7, LATER)]


def test_a_refusal_is_acknowledged_when_both_it_and_the_deliver_are_synced(house: House) -> None:
    house.comes(7, b"TD")
    house.turn(synced=False)
    assert house.link.answers == []
    assert house.said(entries.OPTOUT)
    house.turn()
    assert house.link.answers == [(7, ROK)]
    assert house.relay.tally.delivers == {("jia", "optout"): 1}


def test_all_that_providers_acknowledge_in_one_turn_is_one_record(house: House) -> None:
    bind = house.binds_for("jia")
    for sequence in range(1, 51):
        house.comes(sequence)
    house.turn()
    items = list(bind.handed)
    numbers = tuple(item.number for item in items)
    assert numbers == tuple(sorted(numbers))
    house.answer(bind, ROK, *items)
    assert [mail.unpack_delivered(body).numbers for body in house.said(entries.DELIVERED)] == [numbers]


def test_no_record_is_longer_than_the_journal_can_hold_however_long_the_disk_was_full(house: House) -> None:
    house.disk.free_bytes = 0
    mailbox = house.store.mailbox
    for number in range(1, 2 * NEWS_MAX + 2):
        mailbox.ready(mailbox.put(number, "jia", NOW, "receipt", b""))
    items = mailbox.take("jia", 3 * NEWS_MAX, NOW)
    for item in items:
        house.way.delivered(item)
        house.turn()
    house.disk.free_bytes = None
    house.tick(1)
    house.turn()
    told = [mail.unpack_delivered(body).numbers for body in house.said(entries.DELIVERED)]
    assert [len(numbers) for numbers in told] == [NEWS_MAX, NEWS_MAX, 1]
    assert sorted(number for numbers in told for number in numbers) == list(range(1, 2 * NEWS_MAX + 2))


@pytest.mark.parametrize("status", [LATER, FULL, 0x58])
def test_not_now_is_asked_again_after_a_second(house: House, status: int) -> None:
    bind = house.binds_for("jia")
    house.comes(7)
    house.turn()
    house.answer(bind, status, bind.handed[0])
    house.tick(0.9)
    assert len(bind.handed) == 1
    house.tick(0.2)
    assert [item.number for item in bind.handed] == [bind.handed[0].number] * 2
    house.answer(bind, ROK, bind.handed[1])
    assert house.store.mailbox.boxes["jia"].count == 0


@pytest.mark.parametrize("status", [NEVER, REJECTED, 0x08, 0x03])
def test_any_other_refusal_is_for_good_counted_and_journalled(house: House, status: int) -> None:
    bind = house.binds_for("jia")
    house.comes(7)
    house.turn()
    house.answer(bind, status, bind.handed[0])
    house.turn()
    assert house.relay.tally.mailbox_dropped == {("jia", "refused"): 1}
    assert [mail.unpack_dropped(body).whys for body in house.said(entries.DROPPED)] == [("refused",)]
    house.tick(400)
    assert len(bind.handed) == 1


def test_binds_of_one_provider_share_and_none_gets_more_than_it_has_room_for(house: House) -> None:
    small, large = house.binds_for("jia", 2), house.binds_for("jia", 6)
    for sequence in range(1, 11):
        house.comes(sequence)
    house.turn()
    assert (len(small.handed), len(large.handed)) == (2, 6)
    house.answer(small, ROK, small.handed[0])
    assert len(small.handed) == 3


def test_what_a_lost_bind_had_is_handed_to_another_before_all_else(house: House) -> None:
    first = house.binds_for("jia", 2)
    for sequence in range(1, 5):
        house.comes(sequence)
    house.turn()
    house.binds["jia"].clear()
    house.way.lost(first.handed)
    second = house.binds_for("jia")
    assert [item.number for item in second.handed] == sorted(item.number for item in second.handed)
    assert second.handed[:2] == first.handed


def test_a_drain_hands_nothing_over_any_more_and_still_takes_what_comes(house: House) -> None:
    bind = house.binds_for("jia")
    house.way.closing = True
    house.comes(7)
    house.turn()
    assert house.link.answers == [(7, ROK)]
    assert bind.handed == []


def test_nobodys_port_is_acknowledged_kept_and_handed_to_nobody(house: House) -> None:
    binds = [house.binds_for("jia"), house.binds_for("yi")]
    house.comes(7, port="10690777")
    house.turn()
    assert house.link.answers == [(7, ROK)]
    assert house.relay.tally.delivers == {("unowned", "reply"): 1}
    assert not any(bind.handed for bind in binds)
    assert house.store.mailbox.boxes[""].count == 1


def test_what_cannot_be_read_is_answered_at_once_and_not_kept(house: House) -> None:
    data = bytearray(deliver_sm(PERSON, PORT, b"hello", sequence=9))
    data[-6] += 3  # sm_length
    house.way.deliver(cast("Any", house.link), Frame.of(bytes(data)), NOW)
    ((sequence, status),) = house.link.answers
    assert sequence == 9
    assert status not in (ROK, LATER)
    house.turn()
    assert house.said(entries.DELIVER) == []
