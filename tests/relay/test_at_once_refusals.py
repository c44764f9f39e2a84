"""Refusals are the same for submits judged at once and in batches: verdicts, octets, counts and caches."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.model.message import Category
from proxy.model.recipient import OptOut
from proxy.policy.loading.load_rules import load
from proxy.policy.ruleset import RuleSet
from proxy.relay import refusal_cache
from proxy.relay.pending_submit import PendingSubmit
from proxy.state.record import record
from proxy.wire import Frame, submit_sm
from tests.e2e.pdus import pdu
from tests.examples import examples
from tests.harness import BEIJING, NOON, SHANGHAI, Harness
from tests.needs import needs
from tests.relay.test_at_once import without

RULES = """
lists: {friends: {file: friends.csv}, blocked: {file: blocked.csv}, vip: {file: vip.csv}}
rules:
  - {id: ban, when: {category: marketing, province: 北京}, then: reject, reason: region-ban}
  - {id: nowhere, when: {province: unknown}, then: reject, reason: region-unknown, mode: shadow}
  - {id: words, when: {text: {words: [稍后再发]}}, then: defer, reason: quiet-hours}
  - {id: looked-at, when: {text: {words: [待审]}}, then: review, reason: keyword}
  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
  - {id: blocked, when: {category: marketing, recipient_in: blocked}, then: reject, reason: protected}
  - {id: month, when: {category: marketing}, limit: {count: 9, per: month, key: [recipient]}, then: reject, reason: recipient-cap}
  - {id: day, when: {category: marketing}, limit: {count: 3, per: day, key: [recipient]}, then: reject, reason: recipient-cap}
  - id: week
    when: {category: marketing}
    limit: [{count: 4, per: week, key: [recipient]}, {count: 3, per: 7d, key: [recipient, provider], then: defer}]
    then: reject
    reason: advertiser-cap
  - {id: hour, when: {category: marketing}, limit: {count: 2, per: hour, key: [recipient, signature]}, then: defer, reason: category-cap}
  - {id: minute, limit: {count: 2, per: minute, key: [recipient, port]}, then: reject, reason: same-content}
  - id: otp
    when: {category: otp}
    limit: [{count: 1, per: 1m, key: [recipient, signature]}, {count: 3, per: 1h, key: [recipient, signature]}, {count: 4, per: 24h, key: [recipient]}]
    then: reject
    reason: otp-cap
  - {id: same, when: {category: [notice, marketing]}, limit: {count: 2, per: 59s, key: [recipient, content]}, then: reject, reason: same-content}
  - {id: few, when: {category: marketing, recipient_in: vip}, limit: {count: 1, per: 24h, key: [recipient]}, then: reject, reason: campaign-cap}
  - {id: tried, when: {category: marketing}, limit: {count: 1, per: day, key: [recipient, subcategory]}, then: reject, reason: category-cap, mode: shadow}
  - {id: told, limit: {count: 2, per: 2h, key: [recipient, category]}, then: tag, reason: recipient-cap}
  - {id: brand, when: {category: marketing}, limit: {count: 3, per: 9h, key: [recipient, advertiser]}, then: reject, reason: advertiser-cap}
  - {id: brand-says, when: {category: marketing}, limit: {count: 1, per: 30m, key: [recipient, advertiser, content]}, then: tag, reason: same-content}
  - {id: mercy, exempt: true, skip: [ban, day, week, few], when: {recipient_in: friends}}
  - {id: own, exempt: true, skip: [same-content], when: {category: notice, provider: yi}}
"""
PEOPLE = (SHANGHAI, SHANGHAI + 1, SHANGHAI + 2, SHANGHAI + 3, SHANGHAI + 4, BEIJING, BEIJING + 3, 19_999_999_999)
LISTS = {"friends.csv": (SHANGHAI + 3, BEIJING + 3), "blocked.csv": (SHANGHAI + 2,), "vip.csv": (SHANGHAI + 1, SHANGHAI + 3)}
SIGNED = "".join(f"{name},{of},,,,approved,,\n" for name, of in (
    ("测试", "测试公司"), ("别家", "别家公司"), ("别家店", "别家公司"), ("三家", "三家公司"), *((f"三家{n}店", "三家公司") for n in range(8)),
))  # fmt: skip
"""Advertisers of one signature, of two, and of more than are looked for one by one."""
SUPPRESSED = SHANGHAI + 4
TEXTS = (
    "【测试】双11券 拒收请回复R", "【测试】双11优惠券 拒收请回复R", "【别家】双11优惠券 拒收请回复T", "【测试】稍后再发的优惠券 拒收请回复R", "【测试】待审的优惠券 拒收请回复R",
    "【测试】验证码482913", "【测试】验证码77120", "【别家】您的快件已到驿站", "【别家】您的快件已签收",
    "【别家店】双11优惠券 拒收请回复T", "【三家】双11优惠券 拒收请回复T", "【三家1店】双11优惠券 拒收请回复T",
)  # fmt: skip


@contextmanager
def loaded_once(rules: RuleSet) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.harness.load", lambda folder: rules)
        yield


def _loaded(rules: str = RULES) -> RuleSet:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x.yaml").write_text(rules, encoding="utf-8")
        for name, people in LISTS.items():
            Path(folder, name).write_text("".join(f"{one}\n" for one in people), encoding="utf-8")
        Path(folder, "registries").mkdir()
        Path(folder, "registries", "signatures.csv").write_text(SIGNED, encoding="utf-8")
        return load(Path(folder))


@cache
def sets() -> tuple[RuleSet, RuleSet]:
    """One for submits judged at once, one for batches; the state of each persists over all examples."""
    return _loaded(), _loaded()


SUBMITS = st.lists(
    st.tuples(
        st.sampled_from(("jia", "jia", "yi")), st.sampled_from((*PEOPLE[:4] * 4, *PEOPLE)), st.sampled_from((*TEXTS[:3] * 3, *TEXTS)),
        st.sampled_from((None, None, 0, 1, 25, 61, 61, 1_900, 3_600, 40_000, -30)),  # None: in the turn of the one before
    ),
    min_size=1, max_size=50,
)  # fmt: skip


PROVIDERS: tuple[dict[str, str], ...] = ({}, {"statuses": "standard"}, {"status_detail": "tlv"})


class Street:
    """One gate and what becomes of all it is sent."""

    def __init__(self, folder: Path, rules: RuleSet, **provider: Any) -> None:
        with loaded_once(rules):
            self.harness = Harness(folder, **({"category": Category.OTP} | provider))
        self.judged: list[PendingSubmit] = []
        self.harness.store.update(SUPPRESSED, lambda old: record.opt_out(old, OptOut("all", "", int(NOON), "reply", 0)))

    def sends(self, name: str, frames: list[bytes]) -> None:
        harness = self.harness
        harness.relay.submit_all(
            cast("Any", harness.binds[name]), [Frame.of(data) for data in frames], harness.now, harness.now
        )

    def turns(self) -> None:
        harness = self.harness
        self.judged += harness.relay.batching.submits
        harness.turn()
        for number, transit in enumerate(harness.at_carrier()):
            harness.carrier_says(transit, pdu(0x80000004, transit.sequence, b"id\0", 0x58 if number == 2 else 0))

    def seen(self) -> tuple[Any, ...]:
        """All that is left behind."""
        harness, tally, kept = self.harness, self.harness.tally, self.harness.relay.refusals
        journal = [(one.sequence, one.kind, one.body) for one in harness.written()]
        told = {name: [one.data for one in harness.told(name)] for name in harness.binds}
        records = {person: harness.store.held(person) for person in PEOPLE}
        counts = (
            tally.submits,
            tally.rule_hits,
            tally.refused,
            tally.shadow,
            tally.unknown_region,
            tally.segments,
            tally.entries,
        )
        people = {person: _kept(found) for person, found in kept.people.items()}
        return (
            [_of(one) for one in self.judged],
            journal,
            told,
            records,
            counts,
            people,
            list(map(_kept, kept._order[kept._dropped :])),
        )


def _kept(found: Any) -> Any:
    """What is kept of a person without the verdicts and senders, of which each life makes its own: of these what they say."""
    if isinstance(found, dict):
        return [_kept(one) for one in found.values()]
    return found.until, found.person, found.sender.account, found.sender.port, found.digest, found.sequence


def _of(transit: PendingSubmit) -> tuple[Any, ...]:
    verdict = transit.verdict
    assert verdict is not None
    return (
        verdict.outcome, verdict.reason, verdict.rule, verdict.breaches, verdict.facts.category, verdict.province, verdict.template,
        verdict.takes, transit.status, transit.reason, transit.category, transit.packed, transit.entry_time, transit.recorded,
    )  # fmt: skip


def lived(street: Street, submits: list[tuple[str, int, str, int | None]]) -> tuple[Any, ...]:
    for number, (name, person, text, gap) in enumerate(submits, 1):
        if gap is not None:
            street.turns()
            street.harness.now += gap
        source = {"jia": f"1069001{number % 2}", "yi": "1069002"}[name]
        street.sends(name, [submit_sm(source, str(person), text.encode("utf-16-be"), data_coding=8, sequence=number)])
    street.turns()
    return street.seen()


def both(submits: list[tuple[str, int, str, int | None]], provider: dict[str, str], most: int) -> list[PendingSubmit]:
    """Runs everything at once and in batches; returns the verdicts."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(refusal_cache, "REFUSALS_MAX", most)
        one, other = (Street(Path(folder), rules, **provider) for rules in sets())
        found = lived(one, submits)
        without(patch)
        wanted = lived(other, submits)
    for mine, its in zip(found, wanted, strict=True):
        assert mine == its
    return one.judged


@needs("gcc")
@settings(max_examples=examples(60), deadline=None)
@given(SUBMITS, st.sampled_from(PROVIDERS), st.sampled_from((3, 65_536)))
def test_what_rules_object_to_leaves_the_same_behind(
    submits: list[tuple[str, int, str, int | None]], provider: dict[str, str], most: int
) -> None:
    both(submits, provider, most)


@needs("gcc")
def test_so_do_weeks_in_which_all_rules_object_many_at_once() -> None:
    found: Counter[tuple[str, ...]] = Counter()
    gaps = (None, 1, 1, 1, 5, 20, 61, 1_000, 9_000, 100_000)
    for seed in range(10):
        rng = random.Random(seed)
        people, texts = rng.sample(PEOPLE, 3), rng.sample(TEXTS, 4)
        submits = [
            (rng.choice(("jia", "jia", "yi")), rng.choice(people), rng.choice(texts), rng.choice(gaps[: 6 + seed % 5]))
            for _ in range(400)
        ]
        for transit in both(submits, PROVIDERS[seed % 3], 50):
            assert transit.verdict is not None
            found[tuple(one.rule for one in transit.verdict.breaches)] += 1
    said = {rule for rules in found for rule in rules}
    assert {"month", "day", "week", "hour", "minute", "otp", "same", "tried", "told", "few", "brand", "brand-says"} <= said
    assert sum(len(rules) > 2 for rules in found) > 10
