"""The index gives the same answers as reading everything, whatever happens to the journal."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from proxy.archive import search, segment_index
from proxy.archive.columns import RowReader, persons_of
from proxy.archive.coverage import LocalJournal
from proxy.archive.manifest import load, node_folder
from proxy.archive.query import PersonRow, Query
from proxy.archive.segment_index import SegmentIndex
from proxy.archive.unrolled_records import tail
from proxy.journal.disk import OsDisk
from proxy.journal.encoding import pack
from proxy.journal.erasure import erase
from proxy.journal.records import delivers, messages
from proxy.journal.sealing import KeyRing
from proxy.journal.write_ahead_log import Journal, JournalDamaged, read
from proxy.model.recipient import OptOut
from proxy.runtime import atomic_files
from proxy.wire import deliver_sm, receipt_text, submit_sm, submit_sm_resp
from proxy.wire.tables import ESM_RECEIPT, ESM_UDHI
from tests.archive.journals import HOUR, Shelf, busy, synced
from tests.examples import examples
from tests.harness import NOON, SHANGHAI, Harness

RINGS = {"plain": KeyRing(), "sealed": KeyRing([bytes(range(32))])}
PEOPLE = 9
TEXTS = ("【甲店】上新 拒收请回复R", "【乙店】六合彩内幕 拒收请回复R", "【甲店】您的验证码是 884211")
QUESTIONS = (
    {"to": SHANGHAI}, {"to": SHANGHAI + 3}, {"to": SHANGHAI + 3, "since": NOON + HOUR}, {"to": SHANGHAI + 99}, {"provider": "jia"},
    {"provider": "yi", "limit": 3}, {"verdict": "reject", "limit": 2}, {"text": "上新", "limit": 1}, {"signature": "乙", "limit": 5},
    {"reason": "keyword"}, {"sender": "69001", "since": NOON + 900, "until": NOON + 2 * HOUR, "limit": 4}, {"text": "nothing of this"},
)  # fmt: skip


class World:
    """A gate on a disk, its archive, and somebody who reads ahead."""

    def __init__(self, folder: Path, ring: KeyRing, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.harness, self.shelf = Harness(folder), Shelf(folder)
        self.disk = OsDisk(folder / "journal", ring)
        self.harness.journal = self.harness.relay.commit.journal = Journal(self.disk, 0)
        self.ahead = SegmentIndex(self.disk, self.shelf.keys, self.rolled)
        self.seen = 0

    def rolled(self) -> int:
        home = node_folder(self.shelf.folder, 0)
        return load(home).last if home.is_dir() else 0

    # -- what happens

    def sends(self) -> None:
        self.harness.submit(
            self.random.choice(("jia", "yi")), SHANGHAI + self.random.randrange(PEOPLE), self.random.choice(TEXTS)
        )

    def sends_long(self) -> None:
        self.seen += 1
        to = str(SHANGHAI + self.random.randrange(PEOPLE))
        for index in (1, 2):
            data = bytes((5, 0, 3, self.seen & 255, 2, index)) + f"【甲店】很长的第{index}段 R".encode("utf-16-be")
            self.harness.sends(
                "jia", submit_sm("1069001", to, data, data_coding=8, esm_class=ESM_UDHI, sequence=index)
            )  # the second comes with the next turn
            self.passes()

    def answers(self) -> None:
        for transit in self.harness.at_carrier():
            self.seen += 1
            status = self.random.choice((0, 0, 0, 0x45))
            self.harness.carrier_says(transit, submit_sm_resp(1, status, b"B%d" % self.seen))

    def receipt(self) -> None:
        to, text = (
            SHANGHAI + self.random.randrange(PEOPLE),
            receipt_text(
                f"B{self.random.randrange(self.seen + 1)}", "DELIVRD", submit_date="2511111200", done_date="2511111201"
            ),
        )
        data = deliver_sm(str(to), "1069001", text.encode(), esm_class=ESM_RECEIPT)
        self.harness.journal.append(
            messages.DELIVER, pack(delivers.DeliverRecord(self.harness.now, "receipt", f"+86{to}", "1069001", "jia", data))
        )
        self.harness.journal.write(self.harness.now)

    def refuses(self) -> None:
        refusal = OptOut("all", "", int(self.harness.now), "reply", 0)
        person = SHANGHAI + self.random.randrange(PEOPLE)
        self.harness.journal.append(
            messages.OPTOUT, pack(delivers.OptedOut(self.harness.now, person, refusal, "1069001", "jia", "R"))
        )
        self.harness.journal.write(self.harness.now)

    def passes(self) -> None:
        self.harness.now += self.random.choice((0.0, 0.2, 5.0, 120.0))

    def hour(self) -> None:
        self.harness.now += HOUR
        self.sends()

    def clock_is_put_back(self) -> None:
        self.harness.now -= 90

    def is_rolled(self) -> None:
        synced(self.harness)
        self.shelf.roll(self.disk, self.harness.now)

    def is_killed(self) -> None:
        """Amid a write; then it starts again."""
        synced(self.harness)
        self.harness.journal.close()
        newest = self.disk.path / self.disk.list()[-1]
        whole = newest.read_bytes()
        with newest.open("ab") as file:
            file.write(whole[-200:-20])
        self.asked()
        assert self.known()
        self.harness.journal = self.harness.relay.commit.journal = Journal(self.disk, 0)

    def is_erased(self) -> None:
        """Somebody is taken out of a segment that is closed."""
        names = self.disk.list()[:-1]
        if names:
            path = self.disk.path / self.random.choice(names)
            without = erase(path.read_bytes(), self.disk.ring, SHANGHAI + self.random.randrange(PEOPLE))
            if without is not None:
                atomic_files.write_file(path, without.data)

    def asked(self) -> None:
        """What is in no table, as it is told to who finds."""
        for question in (Query(**asked).checked() for asked in QUESTIONS):
            plain = tail(self.disk, self.rolled(), question, {})
            found = self.ahead.tail(self.rolled(), question, {}, question.limit + 1)
            if found is None:
                continue
            assert found[1:7] == plain[1:7]
            if question.to:
                assert found.rows == plain.rows
            else:
                wanted = newest(plain.rows, question)
                assert newest(found.rows, question) == wanted
                assert set(found.rows) <= set(plain.rows)

    def found(self) -> None:
        """And all the way, with tables and what became of each."""
        for place, question in enumerate((Query(**asked).checked() for asked in QUESTIONS[2:9]), self.seen):
            more = {"facets": True} if place % 2 else {}
            assert self.find(question, self.ahead, **more) == self.find(question, None, **more), question
        second = Query(provider="yi", limit=2, skip=3)
        assert self.find(second, self.ahead) == self.find(second, None)

    def find(self, question: Query, one: SegmentIndex | None, **more: Any) -> search.SearchResult:
        journals = [LocalJournal(self.disk, 0, one)]
        return search.find(self.shelf.folder, journals, self.shelf.keys, question, self.harness.now, **more)

    def known(self) -> bool:
        """Whether it was answered by who had read ahead."""
        return self.ahead.tail(self.rolled(), Query(to=SHANGHAI), {}) is not None


def newest(rows: list[PersonRow], question: Query) -> list[PersonRow]:
    """That fit, and one more than is asked for."""
    fits = [row for row in rows if question.matches(row)]
    return sorted(fits, key=lambda row: (row.time_ms, row.sequence), reverse=True)[: question.limit + 1]


@pytest.fixture(params=RINGS)
def ring(request: pytest.FixtureRequest) -> KeyRing:
    return RINGS[request.param]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_both_say_the_same(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_index, "STRETCH_BYTES", (700, 3_000, 64 * 1024, 1)[seed])
    monkeypatch.setattr(segment_index, "PIECE_BYTES", (150, 4_000, 1 << 20, 900)[seed])
    world = World(tmp_path, RINGS[("plain", "sealed")[seed % 2]], seed)
    often = (
        [World.sends] * 6
        + [World.answers] * 3
        + [World.receipt] * 3
        + [World.sends_long, World.refuses, World.passes, World.passes]
    )
    rare = [World.hour, World.hour, World.clock_is_put_back, World.is_rolled, World.is_killed, World.is_erased]
    for round_ in range(examples(24) // len(rare) * len(rare)):
        for _ in range(8):
            world.random.choice(often)(world)
        rare[round_ % len(rare)](world)
        world.asked()
        assert world.known()
        if round_ % 6 == 3:
            world.found()
    world.found()


def test_of_a_long_past_only_what_can_matter_is_read_again(
    tmp_path: Path, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_index, "STRETCH_BYTES", 2_000)
    world = World(tmp_path, ring)
    busy(world.harness, 6, people=PEOPLE)
    world.harness.submit("jia", SHANGHAI + 50, TEXTS[0])
    world.ahead.read_on()
    octets = list[int]()
    plain = OsDisk.read

    def counted(disk: OsDisk, name: str, size: int = -1, at: int = 0) -> bytes:
        octets.append(len((found := plain(disk, name, size, at)).rstrip(b"\0")))  # room that is kept free is no past
        return found

    monkeypatch.setattr(OsDisk, "read", counted)
    whole = sum(len(world.disk.read(name).rstrip(b"\0")) for name in world.disk.list())
    for question in (Query(to=SHANGHAI + 50), Query(provider="jia", limit=2)):
        octets.clear()
        assert world.ahead.tail(0, question, {}, question.limit + 1) is not None
        assert sum(octets) < whole / 3


def test_a_copy_that_is_put_back_is_read_anew(tmp_path: Path, ring: KeyRing) -> None:
    world = World(tmp_path, ring)
    busy(world.harness, 1)
    before = {name: (world.disk.path / name).read_bytes() for name in world.disk.list()}
    busy(world.harness, 1, people=7, start=1)
    world.asked()
    world.harness.journal.close()
    for name in world.disk.list():
        (world.disk.path / name).write_bytes(before[name]) if name in before else (world.disk.path / name).unlink()
    world.asked()
    world.harness.journal = world.harness.relay.commit.journal = Journal(world.disk, 0)
    busy(world.harness, 2, people=3)
    world.asked()
    assert world.known()


def test_another_journal_in_its_place_is_read_anew(tmp_path: Path, ring: KeyRing) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    world = World(tmp_path / "one", ring)
    busy(world.harness, 2)
    world.asked()
    other = World(tmp_path / "two", ring)
    busy(other.harness, 2, people=6)
    other.harness.journal.close()
    world.harness.journal.close()
    world.disk.path.rename(tmp_path / "gone")
    other.disk.path.rename(world.disk.path)
    world.asked()


def test_damage_is_told_as_it_always_was(tmp_path: Path, ring: KeyRing) -> None:
    world = World(tmp_path, ring)
    busy(world.harness, 2)
    world.asked()
    busy(world.harness, 1, start=2)
    world.harness.journal.close()
    later = world.disk.path / world.disk.list()[-1]
    broken = bytearray(later.read_bytes())
    broken[300] ^= 0xFF
    later.write_bytes(broken)
    for one in (world.ahead, None):
        with pytest.raises(JournalDamaged):
            world.find(Query(to=SHANGHAI), one)
    assert not world.known()


def test_without_the_key_it_is_said_which_is_missing(tmp_path: Path) -> None:
    world = World(tmp_path, RINGS["sealed"])
    busy(world.harness, 1)
    world.disk.ring = KeyRing([bytes(32)])
    with pytest.raises(Exception, match="is sealed with the key"):
        world.find(Query(to=SHANGHAI), world.ahead)


def test_beyond_what_may_be_remembered_all_is_read(tmp_path: Path, ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_index, "SEGMENTS_MAX", 2)
    world = World(tmp_path, ring)
    busy(world.harness, 4)
    world.asked()
    assert not world.known()
    world.is_rolled()
    world.asked()
    assert world.known()


def test_it_goes_on_where_it_was_told_to_stop(tmp_path: Path, ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_index, "PIECE_BYTES", 2_000)
    world = World(tmp_path, ring)
    busy(world.harness, 3)
    steps = 1
    while not world.ahead.read_on(until=0.0):
        steps += 1
    assert steps > 3
    world.asked()
    assert world.known()


def test_no_number_and_no_text_is_kept_and_not_much_else(tmp_path: Path) -> None:
    world = World(tmp_path, RINGS["sealed"])
    busy(world.harness, 2)
    world.ahead.read_on()
    kept = repr(world.ahead._segments)
    assert "上新" not in kept
    assert str(SHANGHAI) not in kept
    assert world.shelf.keys.person(SHANGHAI) & 0xFFFFFFFF in {
        part for one in world.ahead._segments for stretch in one.stretches for part in stretch.persons
    }


def test_whoever_a_row_is_about_is_told_of_its_record(tmp_path: Path, ring: KeyRing) -> None:
    world = World(tmp_path, ring, 5)
    for step in [World.sends, World.answers, World.receipt, World.refuses, World.sends_long] * 12:
        step(world)
    reader, kinds = RowReader({}), set[str]()
    for record in read(world.disk):
        rows = reader.rows(record)
        kinds |= {row.kind for row in rows}
        assert {row.number for row in rows} <= set(persons_of(record))
        for row in rows:
            assert row.time_ms == int.from_bytes(record.body[:8], "big")
    assert kinds >= {"verdict", "answer", "receipt", "stopped"}


def test_what_fits_a_question_is_the_same_in_a_table_and_before(tmp_path: Path) -> None:
    world = World(tmp_path, RINGS["plain"], 7)
    for step in [World.sends, World.answers, World.passes] * 20:
        step(world)
    for asked in QUESTIONS[4:]:
        question = Query(**asked)._replace(limit=1000)
        fits = {row.sequence for row in tail(world.disk, 0, question, {}).rows if question.matches(row)}
        assert fits == {number for hit in world.find(question, None).hits for number in hit.sequences}
