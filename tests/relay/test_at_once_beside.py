"""Recipients with lists, refusals or consents are judged at once like others, and as without the compiled parts."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from pyroaring import BitMap

from proxy.model.message import Category, hash48
from proxy.model.pseudonym import Pseudonymizer
from proxy.model.recipient import Entry, OptOut, Recipient
from proxy.policy.renamed_senders import refused_text
from proxy.state.lists.consent_lists import ConsentBatch
from proxy.state.lists.suppression_lists import ListedRecipient, SuppressionLists
from proxy.state.lists.suppression_lists import ListKey as Listing
from proxy.state.record import consent_facts as asked
from proxy.state.record import record, reply_ports
from proxy.state.record.consent_facts import Withdrawal, withdraw
from tests.harness import SHANGHAI, Harness
from tests.needs import needs
from tests.relay.test_at_once import LI, TEXT, WANG, carried, submit, without


def put(listed: SuppressionLists, scope: str, value: str, *people: int) -> None:
    for one in people:
        listed.add(Listing(scope, value, "import", 0), 1, one >> 20, BitMap((one & 0xFFFFF,)))


def lists(store: Any) -> None:
    put(store.listed, "all", "", WANG, SHANGHAI + 12, SHANGHAI + 30, 15_900_000_000)
    put(store.listed, "provider", "jia", LI, SHANGHAI + 12)
    put(store.listed, "provider", "bing", SHANGHAI + 13)
    put(store.listed, "advertiser", "别处", SHANGHAI + 14)


def forgotten(store: Any) -> None:
    store.listed.erased.named = named = Pseudonymizer(b"key")
    for one in (WANG, SHANGHAI + 14):
        store.listed.erased.add(named(one), one)


def forgotten_without_a_key(store: Any) -> None:
    store.listed.erased.add(4711, WANG)


def forgotten_by_some_other_name(store: Any) -> None:
    store.listed.erased.named = lambda number: number + 1
    store.listed.erased.add(WANG + 1, WANG)


def agreed(store: Any) -> None:
    store.listed.consented.put(ConsentBatch(1, "", "marketing", 1, 0, "1", "app", "", "", "a.csv", 1, "li", "why", 0))
    store.listed.consented.add(1, LI >> 20, BitMap((LI & 0xFFFFF,)))


REFUSED = [
    OptOut("all", "", 1, "reply", 0),
    OptOut("all", "", 1, "reply", 2),  # long over
    OptOut("advertiser", "青禾", 1, "reply", 0),
    OptOut("advertiser", "别处", 1, "reply", 0),
    OptOut("signature", "青禾", 1, "complaint", 0),
    OptOut("provider", "jia", 1, "reply", 0),
    OptOut("provider", "bing", 1, "complaint", 0),
    OptOut("port", "10690012", 1, "reply", 0),
    OptOut("category", "loan", 1, "officer", 0),
]


def refusals(store: Any) -> None:
    """In records: one, some, with what was said, with a reply, a consent taken back, a request for one."""
    packed = Entry(9, 1, 9, 9, 9, Category.NOTICE, 8, 9, 9, 1).pack()
    beside: list[Callable[[bytes], bytes]] = [
        lambda data: asked.refused_text(data, refused_text(hash48("别处"), 1, TEXT)),
        lambda data: asked.refused_text(data, refused_text(hash48("别处"), 1, "【别处】五金工具上新，电钻扳手套装满200减50")),
        lambda data: reply_ports.replied(data, REFUSED[3], 9),
        lambda data: withdraw(data, Withdrawal("别处", "", 1)),
        lambda data: data + asked.with_asked(b"", packed),
        lambda data: data + bytes((99, 1, 7)),
        lambda data: data,
    ]
    draw = random.Random(9)
    for person in (LI, WANG, *range(SHANGHAI + 5, SHANGHAI + 600)):
        data = record.EMPTY
        for one in draw.sample(REFUSED, draw.choice((1, 1, 2, 3))) if person != LI else REFUSED[3:4]:
            data = record.opt_out(data, one)
        store.hold(person, draw.choice(beside)(data))


def all_of_it(store: Any) -> None:
    for some in (lists, forgotten, agreed, refusals):
        some(store)


@needs("gcc")
@pytest.mark.parametrize(
    "beside", [lists, forgotten, forgotten_without_a_key, forgotten_by_some_other_name, agreed, refusals, all_of_it]
)
def test_who_is_on_lists_fares_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: Callable[[Any], None]) -> None:
    at_once = carried(tmp_path / "one", beside=beside)
    without(monkeypatch)
    assert carried(tmp_path / "other", beside=beside) == at_once
    assert (at_once == carried(tmp_path / "nobody")) is (beside is agreed), "they were refused something"


@needs("gcc")
def test_what_no_rule_kept_from_who_had_refused_it_is_counted_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = "rules:\n  - {id: words, when: {text: {words: [六合彩]}}, then: reject, reason: keyword}\n"
    at_once = carried(tmp_path / "one", beside=all_of_it, rules=rules)
    without(monkeypatch)
    assert carried(tmp_path / "other", beside=all_of_it, rules=rules) == at_once
    assert at_once[6] > 0, "sent after an opt-out"


@needs("gcc")
@pytest.mark.parametrize("beside", [lists, forgotten])
def test_who_is_on_no_list_has_nothing_beside_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: Callable[[Any], None]
) -> None:
    harness, asked = Harness(tmp_path), list[int]()
    beside(cast("Any", harness.store))
    harness.submit("jia", SHANGHAI, TEXT)  # the plan is made by this

    def noted(listed: SuppressionLists, record: Recipient, number: int) -> ListedRecipient:
        asked.append(number)
        return ListedRecipient(record, listed, number)

    monkeypatch.setattr(SuppressionLists, "beside", noted)
    frames = [submit(number, SHANGHAI + 1000 + number, TEXT) for number in range(1, 50)]
    frames.append(submit(50, WANG, TEXT))
    harness.relay.submit_all(cast("Any", harness.binds["jia"]), frames, harness.now, harness.now)
    harness.turn()
    assert asked == [WANG]
    assert [one.reason for one in harness.verdicts()] == [""] * 50 + ["suppressed"]


SHOPS = {
    "advertisers": "advertiser,licence,group,domains,phones,platform,shops\n青集平台\n禾苗店,,,,,青集平台\n麦田店,,,,,青集平台\n散市平台,,,,,,apart\n山货店,,,,,散市平台\n",
    "signatures": "青集,青集平台\n禾苗,禾苗店\n散市,散市平台\n山货,山货店\n",
}
SELLERS = ("青集", "禾苗", "麦田店", "散市", "山货", "旁人")
OF_SELLERS = [
    OptOut("advertiser", value, 1, "reply", 0)
    for name in (*SELLERS, "青集平台", "禾苗店", "山货店", "散市平台")
    for value in (name, f"{hash48(name):012x}")
]


def shopping(folder: Path) -> tuple[list[set[str]], int, list[bytes]]:
    """Each seller writes to people of whom each has refused one: what those refused who were left alone, what was counted, the journal."""
    (folder / "rules" / "registries").mkdir(parents=True)
    for name, rows in SHOPS.items():
        (folder / "rules" / "registries" / f"{name}.csv").write_text(rows, encoding="utf-8")
    harness = Harness(folder, rules="rules: [{id: x, when: {suppressed: true}, then: reject, reason: suppressed}]")
    said = dict(enumerate((one.value for one in OF_SELLERS), SHANGHAI)) | {SHANGHAI + 500: "on the list"}
    for person, one in enumerate(OF_SELLERS, SHANGHAI):
        cast("Any", harness.store).hold(person, record.opt_out(record.EMPTY, one))
    put(cast("Any", harness.store).listed, "advertiser", "青集平台", SHANGHAI + 500)
    kept: list[set[str]] = []
    for seller in SELLERS:
        frames = [submit(number, person, f"【{seller}】双11券 拒收请回复R") for number, person in enumerate(said, 1)]
        harness.relay.submit_all(cast("Any", harness.binds["jia"]), frames, harness.now, harness.now)
        harness.turn()
        harness.now += 100.0
        kept.append({said[one.recipient] for one in harness.verdicts()[-len(said) :] if one.reason})
    return kept, harness.tally.sent_after_optout, [one.body for one in harness.written()]


@needs("gcc")
def test_who_refused_a_platform_is_kept_from_its_shops_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = shopping(tmp_path / "one")
    without(monkeypatch)
    assert shopping(tmp_path / "other") == at_once
    kept, against, _ = at_once

    def named(*names: str) -> set[str]:
        return {value for name in names for value in (name, f"{hash48(name):012x}")}

    platform = named("青集", "青集平台") | {"on the list"}
    assert dict(zip(SELLERS, kept, strict=True)) == {
        "青集": platform,
        "禾苗": platform | named("禾苗", "禾苗店"),
        "麦田店": platform | named("麦田店"),
        "散市": named("散市", "散市平台"),
        "山货": named("山货", "山货店"),
        "旁人": named("旁人"),
    }
    assert against == 0


@needs("gcc")
@pytest.mark.parametrize("first", range(5))
def test_who_was_forgotten_is_known_wherever_in_a_turn_they_come(tmp_path: Path, first: int) -> None:
    """Names are made of four people at a time, of those left over one by one."""
    harness = Harness(tmp_path)
    strangers = [SHANGHAI + 1000 + number for number in range(26)]
    erased = cast("Any", harness.store).listed.erased
    erased.named = named = Pseudonymizer(b"key")
    gone = set(strangers[first::5])
    for one in gone:
        erased.add(named(one), one)
    harness.submit("jia", SHANGHAI, TEXT)  # the plan is made by this
    people = [*strangers, strangers[3], strangers[25], strangers[0]]  # some come again
    frames = [submit(number, person, TEXT) for number, person in enumerate(people, 1)]
    harness.relay.submit_all(cast("Any", harness.binds["jia"]), frames, harness.now, harness.now)
    harness.turn()
    kept = {verdict.recipient: verdict.reason for verdict in harness.verdicts()}
    assert {person for person, reason in kept.items() if reason == "suppressed"} == gone
