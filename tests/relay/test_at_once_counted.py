"""Aggregate limits count submits judged at once as one by one: the same verdicts, the same counts."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest

from proxy.journal.records import messages
from proxy.model.recipient import OptOut
from proxy.state.counters.aggregates import Aggregates
from proxy.state.record import record
from proxy.state.stores.sqlite import SqliteStore
from tests.examples import COMPARED_SEEDS, examples
from tests.harness import SHANGHAI
from tests.needs import needs
from tests.relay.test_at_once import TEXT, in_batches, lived, mixed_alike, submit, without
from tests.state.counters.test_shared_counters import Store as Books

LIMITS = [
    "{count: 3, per: 59s, key: [provider]}",
    "{count: 6, per: minute, key: [provider, category]}",
    "{count: 9, per: hour, key: [signature], then: defer}",
    "{count: 12, per: day, key: [provider]}",
    "{count: 15, per: week, key: [provider]}",
    "{count: 15, per: month, key: [advertiser]}",
    "{count: 30, per: 7d, key: [provider], then: tag}",
    "{count: 1, per: 1s, burst: 4, key: [provider], then: throttle}",
    "{share: 0.3, per: hour, key: [provider], least: 4}",
    "{share: 0.5, per: 10m, key: [provider], least: 2, of: {province: 上海}}",
    "{count: 4, per: 1h, key: [content]}",
    "{count: 4, per: 1h, key: [template]}",
    "{count: 2, per: minute, key: [port]}",
    "{count: 3, per: minute, key: [account, province]}",
]
WHENS = [
    "{category: marketing}",
    "{provider: [jia, yi]}",
    "{category: marketing, recipient_in: some}",
    "{category: marketing, suppressed: true}",
    "{text: {words: [券]}}",
]
EXEMPTIONS = [
    "",
    "  - {id: spared, exempt: true, when: {port: '10690011'}, skip: [stopped]}\n",
    "  - {id: spared, exempt: true, when: {recipient_in: some}, skip: [stopped, keyword]}\n",
]
RULES = (
    "lists: {some: {file: some.csv}}\nrules:\n  - {id: words, when: {text: {words: [六合彩]}}, then: reject, reason: keyword}\n"
)


def drawn(seed: int) -> str:
    draw, rules = random.Random(seed), RULES
    for number in range(draw.randint(1, 3)):
        limits = ", ".join(draw.sample(LIMITS, draw.choice((1, 1, 2))))
        mode = draw.choice(("", "", ", mode: shadow"))
        rules += (
            f"  - {{id: limit-{number}, when: {draw.choice(WHENS)}, limit: [{limits}], then: reject, reason: stopped{mode}}}\n"
        )
    return rules + draw.choice(EXEMPTIONS)


@needs("gcc")
@pytest.mark.parametrize("seeds", COMPARED_SEEDS, ids=lambda seeds: f"from {seeds[0]}")
@pytest.mark.parametrize("shared", [False, True], ids=["alone", "beside others"])
def test_what_is_counted_over_everybody_is_counted_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: range, shared: bool
) -> None:
    def left(name: str) -> list[Any]:
        return [lived(tmp_path / f"{name}-{seed}", seed, rules=drawn(seed), reads=40, books=books(seed)) for seed in seeds]

    def books(seed: int) -> Books | None:
        return Books(random.Random(seed), lost=0.2) if shared else None

    if shared:  # nothing is decided at once there, but in chains
        in_batches(monkeypatch)
    at_once = left("one")
    without(monkeypatch)
    assert left("other") == at_once


@needs("gcc")
@pytest.mark.parametrize("room", [1, 4])
def test_where_there_is_no_more_room_counts_give_way_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    def left(name: str) -> list[Any]:
        return [
            lived(tmp_path / f"{name}-{seed}", seed, rules=drawn(seed), reads=30, waiting=drawn(seed + 300) if seed % 2 else "")
            for seed in range(200, 200 + examples(30))
        ]

    made: list[Aggregates] = []

    def narrow(store: SqliteStore) -> Aggregates:
        made.append(Aggregates(room))
        return made[-1]

    monkeypatch.setattr(SqliteStore, "_counters", narrow)
    at_once = left("one")
    assert sum(one.dropped for one in made) > 30
    without(monkeypatch)
    assert left("other") == at_once


@needs("gcc")
def test_a_providers_quota_lets_as_many_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = mixed_alike(
        tmp_path / "one",
        RULES + "  - {id: quota, when: {provider: jia}, limit: {count: 20, per: day, key: [provider]}, then: reject,"
        " reason: provider-quota}\n",
    )
    harness.submit("jia", SHANGHAI, TEXT)  # the plan is made by this

    def asked(*given: Any) -> None:
        raise AssertionError("message by message")

    written = Mock(side_effect=messages.pack_verdict)
    monkeypatch.setattr(messages, "pack_verdict", written)
    frames = [submit(number, SHANGHAI + number, TEXT) for number in range(1, 31)]
    harness.relay.submit_all(cast("Any", harness.binds["jia"]), frames, harness.now, harness.now)
    harness.turn()
    said = harness.verdicts()
    assert [one.reason for one in said] == [""] * 20 + ["provider-quota"] * 11
    assert [len(one.takes) for one in said] == [1] * 20 + [0] * 11
    assert written.call_count <= 1, "the first of a reason"


@needs("gcc")
def test_who_is_asked_for_a_limit_of_a_person_counts_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = record.opt_out(record.EMPTY, OptOut("all", "", 1, "reply", 0))

    def reasons(name: str) -> list[str]:
        harness = mixed_alike(
            tmp_path / name,
            RULES + "  - {id: some, when: {suppressed: true}, limit: {count: 2, per: 1h, key: [provider]}, then: reject,"
            " reason: stopped}\n",
        )
        for number in range(0, 12, 2):
            cast("Any", harness.store).hold(SHANGHAI + number, refused)
        frames = [submit(number, SHANGHAI + number, TEXT) for number in range(12)]
        harness.relay.submit_all(cast("Any", harness.binds["jia"]), frames, harness.now, harness.now)
        harness.turn()
        return [one.reason for one in harness.verdicts()]

    at_once = reasons("one")
    assert at_once == ["", "", "", "", *["stopped", ""] * 4]
    without(monkeypatch)
    assert reasons("other") == at_once


LONG = [
    (
        "{count: 60, per: 1h, key: [provider]}",
        [(60, 1)] * 30 + [(0, 40)],
        30,
    ),  # seconds since the one before, and how many come
    (
        "{count: 40, per: 1h, key: [provider]}",
        [(60, 1)] * 30 + [(10, 5), (1, 5), (1, 5), (2400, 40)],
        9,
    ),  # and a bucket that is over in part
    ("{count: 2, per: 1s, burst: 4, key: [provider], then: throttle}", [(1, 5)] * 6 + [(4, 9)], 0),
    ("{share: 0.5, per: 1h, key: [provider], least: 25, of: {category: [marketing, otp]}}", [(60, 1)] * 20 + [(0, 40)], 5),
]


@needs("gcc")
@pytest.mark.parametrize(("limit", "reads", "last"), LONG)
@pytest.mark.parametrize("together", [True, False], ids=["at once", "one by one"])
def test_a_window_of_many_buckets_lets_as_many_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, reads: list[tuple[int, int]], last: int, together: bool
) -> None:
    """``last``: of the last read."""
    if not together:
        without(monkeypatch)
    harness = mixed_alike(
        tmp_path / "one",
        RULES + f"  - {{id: it, when: {{category: marketing}}, limit: {limit}, then: reject, reason: stopped}}\n",
    )
    number = passed = 0
    for later, many in reads:
        harness.now += later
        before = [one.reason for one in harness.verdicts()]
        frames = [submit(number + one, SHANGHAI + number + one, TEXT) for one in range(1, many + 1)]
        number += many
        harness.relay.submit_all(cast("Any", harness.binds["jia"]), frames, harness.now, harness.now)
        harness.turn()
        passed = [one.reason for one in harness.verdicts()][len(before) :].count("")
    assert passed == last
