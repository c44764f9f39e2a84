"""Undelivered items survive a kill at any moment.

They are restored from the journal and the store's file.
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.journal.encoding import pack
from proxy.journal.records import delivers, messages
from proxy.journal.records import mailbox as mail
from proxy.journal.write_ahead_log import Journal, read
from proxy.relay.effects.replay import replay
from proxy.state import open_store
from proxy.state.mailbox.mailbox import RENUMBERED, UNOWNED, Bounds, Mailbox
from proxy.state.stores.sqlite import SqliteStore
from tests.examples import examples
from tests.journal.memory_disk import MemoryDisk

NOW = 1_700_000_000.0
PROVIDERS = ["jia", "yi"]


def opened(path: Path, **options) -> SqliteStore:
    store: SqliteStore = open_store(f"sqlite://{path}", **options)
    return store


class Life:
    """One gate's store and journal. What is not in either is lost when it ends."""

    def __init__(self, database: sqlite3.Connection, disk: MemoryDisk, providers: list[str] | None = None) -> None:
        self.store = SqliteStore(None, connection=database)
        position = self.store.position
        self.store.belongs_to(disk)
        replay(self.store, read(disk, position.open_from, position.counted), position.counted)
        self.journal = Journal(disk)
        self.mailbox: Mailbox = self.store.mailbox
        for name in self.mailbox.open(Bounds(), PROVIDERS if providers is None else providers):
            self.write(messages.DISOWNED, pack(mail.Disowned(NOW, (name,))))

    def write(self, kind: int, body: bytes) -> int:
        sequence = self.journal.append(kind, body)
        self.journal.write(NOW)
        self.journal.note_synced(self.journal.sync())
        return sequence

    def comes(self, provider: str) -> int:
        body = pack(delivers.DeliverRecord(NOW, "receipt", "13800210001", "106", provider, b"pdu"))
        number = self.write(messages.DELIVER, body)
        self.mailbox.ready(self.mailbox.put(number, provider, NOW, "receipt", b"pdu"))
        return number

    def fetch(self, provider: str, most: int) -> list[int]:
        items = self.mailbox.take(provider, most, NOW)
        for item in items:
            self.mailbox.delivered(item)
        numbers = [item.number for item in items]
        if numbers:
            self.write(messages.DELIVERED, pack(mail.Delivered(NOW, tuple(numbers))))
        return numbers

    def drop_oldest(self, provider: str) -> list[int]:
        found = self.mailbox.box(provider).items()[:1]
        for item in found:
            self.mailbox.drop(item, "expired")
            self.write(messages.DROPPED, pack(mail.Dropped(NOW, ((item.number, "expired"),))))
        return [item.number for item in found]

    def checkpoint(self, open_from: int | None = None) -> None:
        written = self.journal.written
        self.store.checkpoint_now(counted=written, open_from=open_from or written + 1, highest_id=1)

    def here(self) -> dict[int, str]:
        return {item.number: item.box.provider for item in self.mailbox.items()}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("comes"), st.sampled_from([*PROVIDERS, UNOWNED])),
        st.tuples(st.just("fetch"), st.sampled_from(PROVIDERS)),
        st.tuples(st.just("drop"), st.sampled_from([*PROVIDERS, UNOWNED])),
        st.tuples(st.just("checkpoint"), st.sampled_from(["", "earlier"])),
        st.tuples(st.just("restart"), st.just("")),
        st.tuples(st.just("disown"), st.sampled_from(PROVIDERS)),
    ),
    max_size=30,
)


@settings(max_examples=examples(150), deadline=None)
@given(STEPS)
def test_whenever_a_gate_dies_the_next_has_what_was_not_delivered_in_order_and_nothing_else(steps):
    database, disk = sqlite3.connect(":memory:", check_same_thread=False), MemoryDisk()
    life = Life(database, disk)
    model: dict[int, str] = {}
    for step, word in steps:
        if step == "comes":
            model[life.comes(word)] = word
        elif step == "fetch":
            for number in life.fetch(word, 2):
                assert model.pop(number) == word
        elif step == "drop":
            for number in life.drop_oldest(word):
                del model[number]
        elif step == "checkpoint":  # a verdict without an answer makes a replay begin earlier than the checkpoint
            life.checkpoint(max(1, life.journal.written // 2) if word else None)
        elif step == "disown":
            for name in life.mailbox.disown([name for name in PROVIDERS if name != word]):
                life.write(messages.DISOWNED, pack(mail.Disowned(NOW, (name,))))
            model = {number: UNOWNED if owner == word else owner for number, owner in model.items()}
        else:
            life = Life(database, disk)
        assert life.here() == model
    life = Life(database, disk)
    assert life.here() == model
    for name in PROVIDERS:
        assert life.fetch(name, 1000) == sorted(number for number, owner in model.items() if owner == name)


def test_what_was_for_a_provider_that_the_settings_no_longer_know_is_nobodys_for_good():
    database, disk = sqlite3.connect(":memory:", check_same_thread=False), MemoryDisk()
    life = Life(database, disk)
    old = life.comes("jia")
    life.checkpoint()
    assert Life(database, disk, ["yi"]).here() == {old: UNOWNED}
    life = Life(database, disk)  # it is back, or another company has its name
    new = life.comes("jia")
    assert life.here() == {old: UNOWNED, new: "jia"}
    life.checkpoint()
    assert Life(database, disk).here() == {old: UNOWNED, new: "jia"}


def test_a_hundred_thousand_that_went_leave_the_file_in_slices_and_the_loop_turns_meanwhile(tmp_path):
    store = opened(tmp_path / "state.db")
    mailbox, many = store.mailbox, 20_000
    mailbox.open(Bounds(), PROVIDERS)
    for number in range(1, many + 1):
        mailbox.ready(mailbox.put(number, "jia", NOW, "receipt", b"x" * 150))

    async def run() -> int:
        turns, done = 0, False

        async def count() -> None:
            nonlocal turns
            while not done:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        await store.checkpoint(counted=many, open_from=many + 1, highest_id=1)
        for item in mailbox.take("jia", many, NOW):
            mailbox.delivered(item)
        await store.checkpoint(counted=many + 1, open_from=many + 2, highest_id=1)
        done = True
        await counting
        return turns

    assert asyncio.run(run()) > many // 400
    store.close()
    again = opened(tmp_path / "state.db")
    assert list(again.mailbox.items()) == []
    again.close()


def test_a_checkpoint_whose_disk_is_full_keeps_the_mailbox_for_the_next(tmp_path):
    store = opened(tmp_path / "state.db")
    store.mailbox.open(Bounds(), PROVIDERS)
    store.mailbox.put(1, "jia", NOW, "receipt", b"pdu")
    commit = store._file.commit

    def fails(values):
        raise OSError("no space left on device")

    store._file.commit = fails  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no space"):
        store.checkpoint_now(counted=1, open_from=2, highest_id=1)
    store._file.commit = commit  # type: ignore[method-assign]
    store.checkpoint_now(counted=1, open_from=2, highest_id=1)
    store.close()
    again = opened(tmp_path / "state.db")
    assert [item.number for item in again.mailbox.items()] == [1]
    again.close()


def test_with_accepted_loss_of_the_journal_the_mailbox_stays_and_new_numbers_do_not_touch_it(tmp_path):
    store, disk = opened(tmp_path / "state.db"), MemoryDisk()
    store.belongs_to(disk)
    journal = Journal(disk)
    journal.append(messages.DELIVER, pack(delivers.DeliverRecord(NOW, "reply", "1", "106", "jia", b"old")))
    journal.close(NOW)
    store.mailbox.open(Bounds(), PROVIDERS)
    store.mailbox.put(1, "jia", NOW, "reply", b"old")
    store.checkpoint_now(counted=1, open_from=2, highest_id=1)
    store.close()
    another = MemoryDisk()
    again = opened(tmp_path / "state.db", accept_loss=True)
    again.belongs_to(another)
    journal = Journal(another)
    journal.append(messages.DELIVER, pack(delivers.DeliverRecord(NOW, "reply", "1", "106", "jia", b"new")))
    journal.append(messages.DELIVERED, pack(mail.Delivered(NOW, (1,))))
    journal.close(NOW)
    replay(again, read(another, 1), 0)
    assert [(item.number, item.data) for item in again.mailbox.items()] == [(RENUMBERED, b"old")]
    again.close()
