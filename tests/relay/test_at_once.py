"""Submits judged at once (embedded store) get the same results as submits judged in batches."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from proxy.journal.write_ahead_log import read
from proxy.model.message import Content
from proxy.model.rate import Rate
from proxy.policy.loading.load_rules import load
from proxy.relay.batching import Batching
from proxy.relay.multipart.handler import PartHandler
from proxy.relay.proposed_rules import CandidateRules
from proxy.relay.submit import Relay
from proxy.state.counters.rate_shares import LeasedRate
from proxy.state.counters.shared_counters import SharedCounters
from proxy.state.shared.lease_rules import RateGrant
from proxy.state.shared.multipart_record import Key, StoreGroup
from proxy.wire import ContentCache, Frame, submit_sm, submit_sm_resp
from proxy.wire.submit import read_submit
from tests.examples import COMPARED_SEEDS
from tests.harness import BEIJING, RULES, SHANGHAI, Harness, submit_each
from tests.needs import needs
from tests.scanners import scanners_kept
from tests.state.counters.test_shared_counters import START_S
from tests.state.counters.test_shared_counters import Store as Books

TEXT = "【青禾】双11优惠券满300减40 点击领取 拒收请回复R"
LONG = TEXT + "，满减活动今晚截止" * 12
PORTS = ("1069001", "1069001", "10690011")
LI, WANG = SHANGHAI + 1, SHANGHAI + 2


def submit(number: int, person: int, text: str, part: tuple[int, int] | None = None, port: str = "1069001") -> Frame:
    octets = text.encode("utf-16-be")
    if part is not None:
        octets = bytes((5, 0, 3, 7, part[1], part[0])) + octets
    return Frame.of(submit_sm(port, str(person), octets, data_coding=8, sequence=number, esm_class=0x40 if part else 0))


READS: list[list[Frame]] = [
    [submit(1, LI, TEXT), submit(2, WANG, TEXT), submit(3, LI, TEXT + "1")],  # one person twice, with somebody between
    [submit(4, BEIJING, TEXT), submit(5, SHANGHAI, TEXT)],  # refused, and known to be from now on
    [submit(6, WANG, TEXT + "2"), submit(7, BEIJING, TEXT), submit(8, BEIJING, TEXT + "3")],  # a repeat of it
    [
        submit(9, LI, LONG[:60], (1, 2)),
        submit(10, WANG, TEXT + "4"),
        submit(11, LI, LONG[60:], (2, 2)),
        submit(12, LI, TEXT + "5"),
    ],
    [
        submit(13, LI, TEXT + "6"),
        submit(14, WANG, "六合彩"),
        submit(15, WANG, TEXT + "7"),
        submit(16, WANG, TEXT + "8"),
    ],  # the cap
    [submit(17 + place, SHANGHAI + 10 + place, TEXT) for place in range(3000)],  # the table grows
    [
        submit(3020, BEIJING, LONG[:60], (1, 2)),
        submit(3021, BEIJING, LONG[60:], (2, 2)),
        submit(3022, WANG, TEXT),
    ],  # long, and refused
    [
        submit(3023, BEIJING, LONG[60:], (2, 2)),
        submit(3024, BEIJING, LONG[:60], (1, 2)),
        submit(3025, BEIJING, TEXT),
    ],  # the other way
]


def left_behind(harness: Harness, told: list[Any]) -> tuple[Any, ...]:
    table, proposal = cast("Any", harness.store)._table, harness.relay.admission.candidate
    written, counted = list(read(harness.disk, 1)), sorted(harness.tally.long_messages.items())
    return (
        told,
        written,
        table._buckets,
        len(table),
        bytes(table.changed),
        harness.relay.highest_id,
        harness.tally.sent_against_record,
        counted,
        harness.lanes["bj"].held,
        proposal and (proposal.judged, proposal.stricter, proposal.milder, proposal.errors),
        dict(harness.tally.shadow),
        dict(harness.tally.proposed),
    )


def await_approval(harness: Harness, folder: Path, rules: str) -> None:
    """These rules wait to be approved."""
    if rules:
        (folder / "waiting").mkdir()
        (folder / "waiting" / "some.csv").write_text(f"recipient\n{LI}\n", encoding="utf-8")
        (folder / "waiting" / "rules.yaml").write_text(rules, encoding="utf-8")
        with scanners_kept():
            harness.relay.admission.candidate = CandidateRules(load(folder / "waiting"), harness.tally)


class Sheets:
    """Of a store that other gates could be on, and that never waits."""

    def __init__(self, harness: Harness) -> None:
        self.held: dict[Key, tuple[int, bytes]] = {}
        self.harness = harness

    async def load(self, keys: Sequence[Key]) -> dict[Key, tuple[int, bytes]]:
        return {key: self.held.get(key, (0, b"")) for key in keys}

    async def swap(self, groups: Sequence[StoreGroup]) -> list[bool]:
        return [await self._swap(group) for group in groups]

    async def _swap(self, group: StoreGroup) -> bool:
        if any(self.held.get(key, (0, b""))[0] != version for key, version, _ in group.sheets):
            return False
        if group.record is not None and not (await self.harness.store.swap([group.record]))[0]:
            return False
        self.held.update({key: (version + 1, data) for key, version, data in group.sheets})
        return True


def sharing(harness: Harness) -> Sheets:
    sheets = Sheets(harness)
    harness.relay.share(cast("Any", sheets), 1, lambda: harness.now, lambda: harness.now)
    return sheets


def carried(
    folder: Path,
    *,
    shared: bool = False,
    beside: Callable[[Any], None] = lambda store: None,
    rules: str = RULES,
    waiting: str = "",
) -> tuple[Any, ...]:
    """What is left behind by all reads, each answered by the carrier before the next. ``shared``: other gates may be on the store, too.
    ``beside``: what the store knows of people."""
    harness = mixed_alike(folder, rules)
    await_approval(harness, folder, waiting)
    beside(cast("Any", harness.store))
    sheets = sharing(harness) if shared else None
    told: list[Any] = []
    bind = harness.binds["jia"]
    bind.window = 10_000
    for frames in READS:
        harness.relay.submit_all(cast("Any", bind), frames, harness.now, harness.now)
        harness.turn()
        told += [(one.sequence_number, one.command_status) for one in harness.told("jia")]
        for pending in harness.lanes["bj"].take(10_000):
            told.append((pending.sequence, pending.entry_id))
            harness.relay.answered(pending, Frame.of(submit_sm_resp(pending.sequence, 0, b"%d\0" % pending.sequence)))
        harness.turn()
        told += [(one.sequence_number, one.command_status) for one in harness.told("jia")]
        harness.now += 1.0
    assert harness.relay.idle
    assert harness.lanes["bj"].held == [0, 0, 0]
    assert harness.relay.parts.shared_parts is None or not harness.relay.parts.shared_parts.transactions.people
    return (*left_behind(harness, told), sheets and sheets.held)


def mixed_alike(folder: Path, rules: str = RULES, **provider: Any) -> Harness:
    (folder / "rules").mkdir(parents=True)
    (folder / "rules" / "some.csv").write_text(f"recipient\n{LI}\n{SHANGHAI + 3}\n", encoding="utf-8")
    harness = Harness(folder, rules=rules, **provider)
    cast("Any", harness.store)._table._mix = (1 << 28) + 12_345
    return harness


def rates_of(seed: int) -> tuple[Rate | LeasedRate, ...]:
    """None; one or two that are used up in the middle of a read; as a single gate has them, or one of several."""
    draw = random.Random(seed)
    leased = LeasedRate(draw.choice((2.0, 40.0)))
    leased.grant(0.0, RateGrant(leased.total, 1, 0.0, 0.0), 0.0)
    return draw.choice(
        [
            (),
            (Rate(3, 4),),
            (Rate(0.7, 30), Rate(9, 2)),
            (leased,),
            (Rate(5, 6), leased),
            (Rate(1e6, 1), Rate(1e6, 1), Rate(2, 5)),
        ]
    )


def checkpointed(harness: Harness, how_far: float) -> list[Any]:
    """A piece of a checkpoint of counters: it begins, goes on, ends."""
    counters = cast("Any", harness.store).counters
    if how_far < 0.2:
        counters.freeze()
    elif how_far > 0.8:
        counters.thaw()
    return sorted(counters.collect(2))


def beside_others(harness: Harness, books: Books) -> None:
    """Other gates take from the counters, too, and what is left is asked for."""
    counters = SharedCounters(1)

    async def fill() -> None:
        books.exchange(0, counters, all_used=False)

    cast("Any", harness.store).counters, cast("Any", harness.store).fill = counters, fill


def said_of(held: Any) -> dict[str, Any]:
    said = {name: getattr(held, name) for name in dir(held) if not name.startswith("_")}
    return {name: value for name, value in said.items() if not callable(value)}


def left_of(rate: Rate | LeasedRate, now: float) -> tuple[float, ...]:
    if isinstance(rate, Rate):
        return (rate._full_at,)
    rate.has_room(now)
    return round(rate._tokens, 4), rate._asked, rate._refused


def lived(
    folder: Path,
    seed: int,
    *,
    shared: bool = False,
    rules: str = RULES,
    reads: int = 12,
    books: Books | None = None,
    waiting: str = "",
    since: float | None = None,
) -> tuple[Any, ...]:
    """What is left behind by reads that are drawn: parts in order and out of it, some missing, some twice, some refused; a narrow lane, a
    narrow window, a carrier that says no or nothing; a checkpoint now and then. ``books``: of counters that other gates take from, too.
    ``since``: when the providers were taken on."""
    harness, draw = mixed_alike(folder, rules, since=since), random.Random(seed)
    await_approval(harness, folder, waiting)
    if books is not None:
        beside_others(harness, books)
    sheets = sharing(harness) if shared else None
    told: list[Any] = []
    bind, lane, number = harness.binds["jia"], harness.lanes["bj"], 0
    bind.window, out = draw.choice((6, 40)), []
    lane.limit_to(draw.choice((1, 1000)))
    rates, saved = rates_of(seed), list[Any]()
    bind.access.rates = rates
    for _ in range(reads):
        frames = []
        for _ in range(draw.randint(1, 8)):
            person, text = SHANGHAI + draw.randrange(6), draw.choice((TEXT, TEXT + "1", TEXT + "六合彩"))
            total = draw.choice((1, 1, 2, 3, 30))
            places = [*range(1, min(total, 4) + 1)]
            if draw.random() < 0.3:
                draw.shuffle(places)
            if draw.random() < 0.3:
                places.append(places.pop() if draw.random() < 0.5 else draw.choice(places))
            for place in places if draw.random() < 0.8 else places[:-1]:
                number += 1
                frames.append(submit(number, person, text, (place, total) if total > 1 else None, draw.choice(PORTS)))
        harness.relay.submit_all(cast("Any", bind), frames, harness.now, harness.now)
        harness.turn()
        taken = lane.take(draw.choice((3, 100)))
        told += [(pending.sequence, pending.entry_id, pending.packed, pending.gate_s) for pending in taken]
        out += taken
        draw.shuffle(out)
        for pending in [out.pop() for _ in range(draw.randint(0, len(out)))]:
            if draw.random() < 0.2:
                harness.relay.unanswered(pending)
            else:
                status = draw.choice((0, 0, 0x58, 0x45))
                harness.relay.answered(pending, Frame.of(submit_sm_resp(pending.sequence, status, b"%d\0" % pending.sequence)))
        harness.turn()
        saved += checkpointed(harness, draw.random())
        if books is not None:
            books.now_s = harness.now - START_S
            books.exchange(0, cast("Any", harness.store.counters), all_used=draw.random() < 0.5)
        harness.now += draw.choice((0.0, 0.1, 0.4, 3.0, 70.0))
        harness.relay.due(harness.now)
        harness.turn()
        told += [(one.sequence_number, one.command_status, one.data) for one in harness.told("jia")]
    board = harness.relay.parts.shared_parts
    return (
        *left_behind(harness, told),
        [left_of(rate, harness.now) for rate in rates],
        saved,
        {key: series.pack() for key, series in cast("Any", harness.store).counters.series()},
        {key: said_of(held) for part in getattr(harness.store.counters, "_held", ()) for key, held in part.items()},
        sheets and sheets.held,
        board and (dict(board.transactions.people), board.waiting, board.next_s),
    )


def in_batches(patch: pytest.MonkeyPatch) -> None:
    """Each recipient's submits are a batch, as where the store waits."""
    patch.setattr(Batching, "_judge_at_once", lambda batching, submits, now: False)


def without(patch: pytest.MonkeyPatch) -> None:
    """Submits are read one by one, and judged in batches."""
    in_batches(patch)
    patch.setattr(Relay, "submit_all", submit_each)


@needs("gcc")
def test_submits_judged_at_once_are_judged_as_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = carried(tmp_path / "one")
    without(monkeypatch)
    assert carried(tmp_path / "other") == at_once


@needs("gcc")
@pytest.mark.parametrize("seeds", COMPARED_SEEDS, ids=lambda seeds: f"from {seeds[0]}")
def test_parts_fare_alike_however_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: range) -> None:
    at_once = [lived(tmp_path / f"one-{seed}", seed) for seed in seeds]
    without(monkeypatch)
    for seed, wanted in zip(seeds, at_once, strict=True):
        assert lived(tmp_path / f"other-{seed}", seed) == wanted, f"seed {seed}"


@needs("gcc")
def test_batches_are_judged_alike_on_a_shared_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = carried(tmp_path / "one", shared=True)
    without(monkeypatch)
    assert carried(tmp_path / "other", shared=True) == at_once


@needs("gcc")
@pytest.mark.parametrize("seeds", COMPARED_SEEDS, ids=lambda seeds: f"from {seeds[0]}")
def test_parts_fare_alike_where_the_store_is_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: range) -> None:
    at_once = [lived(tmp_path / f"one-{seed}", seed, shared=True) for seed in seeds]
    without(monkeypatch)
    for seed, wanted in zip(seeds, at_once, strict=True):
        assert lived(tmp_path / f"other-{seed}", seed, shared=True) == wanted, f"seed {seed}"


@needs("gcc")
@pytest.mark.parametrize("shared", [False, True])
def test_a_message_that_comes_whole_waits_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool) -> None:
    def asked(*given: Any) -> None:
        raise AssertionError("part by part")

    harness = Harness(tmp_path)
    sheets = sharing(harness) if shared else None
    harness.submit("jia", SHANGHAI, LONG[:60] + LONG[60:120])  # the plan is made by this
    monkeypatch.setattr(PartHandler, "take", asked)
    frames = [submit(1, LI, LONG[:60], (1, 2)), submit(2, LI, LONG[60:120], (2, 2)), submit(3, WANG, TEXT)]
    harness.relay.submit_all(cast("Any", harness.binds["jia"]), frames, harness.now, harness.now)
    harness.turn()
    assert [pending.sequence for pending in harness.at_carrier()] == [1, 1, 2, 3]
    assert harness.tally.long_messages["complete",] == 1
    assert sheets is None or not sheets.held


@needs("gcc")
def test_a_plain_turn_makes_no_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chained(*given: Any) -> None:
        raise AssertionError("chains")

    harness = Harness(tmp_path)
    frames = [submit(number, SHANGHAI + number, TEXT) for number in range(1, 5)]
    harness.submit("jia", SHANGHAI, TEXT)  # the plan is made by this
    monkeypatch.setattr(Batching, "_batches_of", chained)
    harness.relay.submit_all(cast("Any", harness.binds["jia"]), frames, harness.now, harness.now)
    harness.turn()
    assert len(harness.verdicts()) == 5


@needs("gcc")
def test_texts_that_differ_in_one_letter_and_senders_in_one_digit_are_told_apart(tmp_path: Path) -> None:
    """Whatever is remembered of the text and the sender before."""
    harness, texts = Harness(tmp_path), [TEXT, "短", ""]
    known = harness.relay._contents
    texts += [TEXT[:place] + "变" + TEXT[place + 1 :] for place in range(len(TEXT))]
    frames = [
        submit(number, LI, text, port=port)
        for number, (text, port) in enumerate(
            [(text, port) for _ in range(3) for text in texts for port in ("1069001", "10690012", "10690013")]
        )
    ]
    bind = harness.binds["jia"]
    bind.window = 10_000
    harness.relay.submit_all(cast("Any", bind), frames, harness.now, harness.now)  # what comes but once is not remembered
    harness.relay.batching.submits.clear()
    for _ in range(2):  # then with nothing remembered
        harness.relay.submit_all(cast("Any", bind), frames, harness.now, harness.now)
        made = harness.relay.batching.submits
        fresh, shared = ContentCache(), dict[bytes, Content]()
        for frame, pending in zip(frames, made, strict=True):
            said = read_submit(frame, fresh, harness.now)
            assert pending.message is not None
            assert pending.message.content.text == said.content.text
            assert pending.message.content.digest == said.content.digest
            assert pending.message.sender.port == said.source
            tail = frame.data[-len(said.content.text) * 2 - 10 :]
            assert pending.message.content is shared.setdefault(tail, pending.message.content)
        harness.relay.batching.submits.clear()
        ContentCache.__init__(known)
        harness.relay.submit_all(cast("Any", bind), frames, harness.now, harness.now)
        harness.relay.batching.submits.clear()


@needs("gcc")
def test_texts_that_differ_where_nobody_looks_first_are_told_apart_within_a_read(tmp_path: Path) -> None:
    """What was met lately lies at places that a few octets say; here they are the same for all three, so that each takes another's place."""
    harness, draw = Harness(tmp_path), random.Random(5)
    jia = cast("Any", harness.binds["jia"])
    jia.window = 10_000
    texts = [f"【青禾】双{one}优惠券满300减40 点击领取，会员专享不限门店，今晚十二点截止 拒收请回复R" for one in "甲乙丙"]
    assert len({text.encode("utf-16-be")[:8] + text.encode("utf-16-be")[12:] for text in texts}) == 1
    for read_number in range(20):
        wanted = [draw.choice(texts) for _ in range(60)]
        frames = [submit(place, SHANGHAI + 100 * read_number + place, text) for place, text in enumerate(wanted, 1)]
        harness.relay.submit_all(jia, frames, harness.now, harness.now)
        assert [cast("Any", one.message).content.text for one in harness.relay.batching.submits] == wanted
        harness.turn()
