"""Searches find messages, parts, answers and receipts, and say what was searched."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from proxy.archive import manifest, search
from proxy.archive.coverage import LocalJournal
from proxy.archive.query import BadQuery, Query
from proxy.archive.search import HIDDEN, SearchResult
from proxy.journal.encoding import pack
from proxy.journal.records import delivers, messages
from proxy.journal.write_ahead_log import Journal
from proxy.model.message import Category
from proxy.model.recipient import OptOut
from proxy.wire import deliver_sm, receipt_text, submit_sm, submit_sm_resp
from proxy.wire.tables import ESM_RECEIPT, ESM_UDHI
from tests.archive.engines import two_nodes
from tests.archive.journals import DAY, HOUR, Shelf, busy, nights, synced
from tests.harness import NOON, SHANGHAI, Harness
from tests.journal.memory_disk import MemoryDisk


def ask(harness: Harness, shelf: Shelf, now: float = NOON + 10 * DAY, **asked: Any) -> SearchResult:
    return search.find(shelf.folder, [LocalJournal(harness.disk, 0)], shelf.keys, Query(**asked).checked(), now)


def receipt_comes(harness: Harness, person: int, message_id: str, stat: str = "DELIVRD") -> None:
    text = receipt_text(message_id, stat, submit_date="2511111200", done_date="2511111201")
    data = deliver_sm(str(person), "1069001", text.encode(), esm_class=ESM_RECEIPT)
    harness.journal.append(
        messages.DELIVER, pack(delivers.DeliverRecord(harness.now, "receipt", str(person), "1069001", "jia", data))
    )
    harness.journal.write(harness.now)


def test_a_message_is_found_by_person_and_about_when_before_it_is_in_any_table_and_after(
    harness: Harness, shelf: Shelf
) -> None:
    busy(harness, 3)
    when = {"to": SHANGHAI, "since": NOON + HOUR - 600, "until": NOON + HOUR + 600}
    before = ask(harness, shelf, **when)
    assert [(hit.text, hit.provider, hit.port) for hit in before.hits] == [("【甲店】第1号上新 拒收请回复R", "jia", "1069001")]
    shelf.roll(harness.disk, harness.now)
    after = ask(harness, shelf, **when)
    assert after.hits == before.hits
    assert len(after.covered.files) == 1


def test_tables_that_the_gate_merges_while_somebody_asks_are_not_missing(harness: Harness, shelf: Shelf) -> None:
    busy(harness, 2, start=9)
    nights(harness)
    shelf.roll(harness.disk, NOON)
    before = ask(harness, shelf, to=SHANGHAI)

    class Merged:
        """What was read of the journal before: it is asked once the manifests are loaded."""

        def tail(self, *_: object) -> None:
            shelf.roll(harness.disk, harness.now)

    found = search.find(
        shelf.folder,
        [LocalJournal(harness.disk, 0, cast("Any", Merged()))],
        shelf.keys,
        Query(to=SHANGHAI).checked(),
        NOON + 10 * DAY,
    )
    assert (found.hits, found.covered.missing, found.covered.faults) == (before.hits, (), ())
    assert len(found.covered.files) < len(before.covered.files)


def test_what_became_of_it_is_told_wherever_that_lies(harness: Harness, shelf: Shelf) -> None:
    harness.submit("jia", SHANGHAI, "【甲店】上新 拒收请回复R")
    harness.carrier_says(harness.at_carrier()[0], submit_sm_resp(1, 0, b"A77"))
    synced(harness)
    harness.now += 2 * HOUR
    receipt_comes(harness, SHANGHAI, "A77")
    receipt_comes(harness, SHANGHAI, "other")
    receipt_comes(harness, SHANGHAI + 1, "A77", "UNDELIV")
    synced(harness)
    busy(harness, 2, start=3)
    shelf.roll(harness.disk, harness.now)
    (hit,) = ask(harness, shelf, to=SHANGHAI, until=NOON + 60).hits
    assert [(fate.what, fate.state, fate.message_id) for fate in hit.fates] == [
        ("answer", "accepted", "A77"),
        ("receipt", "DELIVRD", "A77"),
    ]


def test_parts_of_a_long_message_are_one_message_with_its_whole_text(harness: Harness, shelf: Shelf) -> None:
    texts = ["【甲店】这是很长的一条短信, ", "分成两段发出 拒收请回复R"]
    for index, text in enumerate(texts, 1):
        data = bytes((5, 0, 3, 77, 2, index)) + text.encode("utf-16-be")
        harness.sends("jia", submit_sm("1069001", str(SHANGHAI), data, data_coding=8, esm_class=ESM_UDHI, sequence=index))
    for number, transit in enumerate(harness.at_carrier()):
        harness.carrier_says(transit, submit_sm_resp(1, 0, b"P%d" % number))
    synced(harness)
    busy(harness, 2, start=1)
    shelf.roll(harness.disk, harness.now)
    hits = ask(harness, shelf, to=SHANGHAI, until=NOON + 60).hits
    assert [(hit.text, hit.parts, len(hit.sequences)) for hit in hits] == [("".join(texts), 2, 2)]
    assert sorted(fate.message_id for fate in hits[0].fates) == ["P0", "P1"]
    assert ask(harness, shelf, text="分成两段").hits == hits, "the part that fits brings the other"


@pytest.mark.parametrize(
    "asked",
    [
        {"sender": "69002"},
        {"signature": "乙"},
        {"text": "六合"},
        {"provider": "yi"},
        {"verdict": "reject"},
        {"reason": "keyword"},
        {"since": NOON + 2 * HOUR - 60, "until": NOON + 2 * HOUR + 60, "provider": "yi"},
    ],
)
def test_without_a_person_it_is_found_by_anything_that_is_known_of_it(
    harness: Harness, shelf: Shelf, asked: dict[str, Any]
) -> None:
    busy(harness, 2)
    harness.now = NOON + 2 * HOUR
    harness.submit("yi", SHANGHAI + 50, "【乙店】六合彩内幕 拒收请回复R")
    synced(harness)
    for rolled in (False, True):
        if rolled:
            busy(harness, 2, start=3, people=1)
            shelf.roll(harness.disk, harness.now)
        (hit,) = [hit for hit in ask(harness, shelf, **asked).hits if hit.provider == "yi"]
        assert (hit.verdict, hit.reason, hit.port) == ("reject", "keyword", "1069002")
        assert shelf.keys.unseal(hit.sealed) == SHANGHAI + 50


def test_where_there_are_more_the_newest_are_told_and_that_there_are_more(harness: Harness, shelf: Shelf) -> None:
    nights(harness, people=2)
    shelf.roll(harness.disk, harness.now)
    found = ask(harness, shelf, provider="jia", limit=4)
    assert (len(found.hits), found.more) == (4, True)
    assert found.hits[0].at == harness.now
    assert [hit.at for hit in found.hits] == sorted((hit.at for hit in found.hits), reverse=True)


def test_what_a_person_did_is_told_beside_their_messages(harness: Harness, shelf: Shelf) -> None:
    busy(harness, 2, people=1)
    refusal = OptOut("signature", "甲店", int(harness.now), "reply", 0)
    harness.journal.append(messages.OPTOUT, pack(delivers.OptedOut(harness.now, SHANGHAI, refusal, "1069001", "jia", "R")))
    harness.journal.write(harness.now)
    synced(harness)
    found = ask(harness, shelf, to=SHANGHAI)
    assert [(one.what, one.state, one.text) for one in found.events] == [("stopped", "signature 甲店", "R")]
    assert ask(harness, shelf, to=SHANGHAI + 1).events == []


def test_a_young_password_is_hidden_and_an_older_one_has_no_digits(tmp_path: Path, shelf: Shelf) -> None:
    harness = Harness(tmp_path, category=Category.OTP)
    harness.submit("jia", SHANGHAI, "【甲店】您的验证码是482913")
    synced(harness)
    (young,) = ask(harness, shelf, now=NOON + 899, to=SHANGHAI).hits
    (older,) = ask(harness, shelf, now=NOON + 901, to=SHANGHAI).hits
    assert (young.text, older.text) == (HIDDEN, "【甲店】您的验证码是******")


def rolled(harness: Harness, shelf: Shelf) -> None:
    harness.now += 2 * HOUR
    busy(harness, 2, people=1, start=3)
    shelf.roll(harness.disk, harness.now)


def test_a_password_that_was_turned_away_before_any_rule_saw_it_is_one_all_the_same(tmp_path: Path, shelf: Shelf) -> None:
    harness = Harness(tmp_path, category=Category.OTP, tps=1)
    for number in range(3):
        harness.submit("jia", SHANGHAI + number, "【甲店】您的密钥 482913, 请勿告诉他人", sequence=number + 1)
    harness.binds["jia"].window = 0
    harness.submit("jia", SHANGHAI + 9, "【甲店】您的密钥 482913, 请勿告诉他人", sequence=9)
    synced(harness)
    asked = {"provider": "jia", "verdict": "defer", "until": NOON + 1}
    young = ask(harness, shelf, now=NOON + 899, **asked).hits
    assert {(hit.reason, hit.text) for hit in young} == {("rate-exceeded", HIDDEN), ("window-full", HIDDEN)}
    for at_rest in (False, True):
        if at_rest:
            rolled(harness, shelf)
        older = ask(harness, shelf, now=NOON + 901, **asked).hits
        assert {hit.text for hit in older} == {"【甲店】您的密钥 ******, 请勿告诉他人"}
    assert not any("482913" in row[0] for row in shelf.rows("text", "outcome = 'defer'"))


@pytest.mark.parametrize(
    "text",
    [
        "【甲店】您的验证码是482913",
        "【甲店】您的验证码是４８２９１３",
        "【甲店】您的驗證碼是482913",
        "【甲店】482913 is your PassWord",
        "【甲店】您的验证码是48\u200b2913",
        "【甲店】您的验证码是④⑧②⑨①③",
    ],
)
@pytest.mark.parametrize("category", [Category.NOTICE, Category.MARKETING])
def test_a_password_is_one_whatever_its_port_was_declared_for(
    tmp_path: Path, shelf: Shelf, category: Category, text: str
) -> None:
    harness = Harness(tmp_path, category=category)
    harness.submit("jia", SHANGHAI, text)
    synced(harness)
    (young,) = ask(harness, shelf, now=NOON + 899, to=SHANGHAI).hits
    assert young.text == HIDDEN
    for at_rest in (False, True):
        if at_rest:
            rolled(harness, shelf)
        (older,) = ask(harness, shelf, now=NOON + 901, to=SHANGHAI, until=NOON + 1).hits
        assert not any(one.isdigit() for one in older.text)
        assert older.text.startswith("【甲店】")


def test_a_password_whose_word_and_number_are_in_two_parts_is_one(tmp_path: Path, shelf: Shelf) -> None:
    harness = Harness(tmp_path, category=Category.NOTICE)
    for index, text in enumerate(["【甲店】尊敬的客户, 您的验证码是", "482913, 请勿告诉他人"], 1):
        data = bytes((5, 0, 3, 77, 2, index)) + text.encode("utf-16-be")
        harness.sends("jia", submit_sm("1069001", str(SHANGHAI), data, data_coding=8, esm_class=ESM_UDHI, sequence=index))
    synced(harness)
    (young,) = ask(harness, shelf, now=NOON + 899, to=SHANGHAI).hits
    (older,) = ask(harness, shelf, now=NOON + 901, to=SHANGHAI).hits
    assert (young.text, older.text) == (HIDDEN, "【甲店】尊敬的客户, 您的验证码是******, 请勿告诉他人")


def test_what_was_turned_away_unread_is_found_by_whom_it_was_sent_to(tmp_path: Path, shelf: Shelf) -> None:
    harness = Harness(tmp_path, tps=1)
    for person in range(3):
        harness.submit("jia", SHANGHAI + person, "【甲店】上新 拒收请回复R", sequence=person + 1)
    synced(harness)
    assert [said.recipient for said in harness.verdicts()] == [SHANGHAI, 0, 0]
    anybody = ask(harness, shelf, now=NOON + 901, reason="rate-exceeded").hits
    assert {shelf.keys.unseal(hit.sealed) for hit in anybody} == {SHANGHAI + 1, SHANGHAI + 2}
    rolled(harness, shelf)
    (hit,) = ask(harness, shelf, now=NOON + 901, to=SHANGHAI + 1, until=NOON + 1).hits
    assert (hit.reason, shelf.keys.unseal(hit.sealed)) == ("rate-exceeded", SHANGHAI + 1)


def test_prices_times_and_masked_numbers_make_no_password_of_an_offer(harness: Harness, shelf: Shelf) -> None:
    text = "【甲店】2025年上新, 满3000减100, 密不可分 138****0500 拒收请回复R"
    harness.submit("jia", SHANGHAI, text)
    synced(harness)
    (hit,) = ask(harness, shelf, now=NOON + 1, to=SHANGHAI).hits
    assert hit.text == text


# -- not found


def test_not_found_says_from_when_to_when_all_was_looked_through(harness: Harness, shelf: Shelf) -> None:
    nights(harness, people=1)
    shelf.roll(harness.disk, harness.now)
    found = ask(harness, shelf, to=SHANGHAI + 99)
    assert found.hits == []
    (span,) = found.covered.spans
    assert (span.first, span.last, span.since, span.until, span.live) == (
        1,
        harness.journal.written,
        NOON + 11 * HOUR,
        harness.now,
        True,
    )
    assert (found.covered.faults, found.covered.missing) == ((), ())


def test_where_a_table_is_missing_the_answer_is_not_complete_and_says_which_records(harness: Harness, shelf: Shelf) -> None:
    busy(harness, 5)
    shelf.roll(harness.disk, harness.now)
    table = shelf.manifest().tables[1]
    (shelf.folder / "node-0" / table.files[0].name).unlink()
    found = ask(harness, shelf, to=SHANGHAI + 99)
    assert [f"(records {table.first} to {table.last})" in fault for fault in found.covered.missing] == [True]


def test_where_a_table_was_taken_out_of_the_manifest_the_chain_does_not_hold(harness: Harness, shelf: Shelf) -> None:
    busy(harness, 5)
    shelf.roll(harness.disk, harness.now)
    kept = shelf.manifest()
    gone = kept.tables.pop(1)
    kept.write(manifest.node_folder(shelf.folder, 0))
    found = ask(harness, shelf, to=SHANGHAI + 99)
    span = "2025-11-11 12:00:00 to 2025-11-11 14:00:00"
    assert found.covered.faults == (f"node 0: records {gone.first} to {gone.last} ({span}) are in no table",)


def test_where_a_question_reaches_further_than_a_nodes_records_the_answer_says_so(tmp_path: Path) -> None:
    shelf, _ = two_nodes(tmp_path)
    asked = Query(to=SHANGHAI + 99, since=NOON - DAY, until=NOON + 3 * DAY)
    found = search.find(shelf.folder, [], shelf.keys, asked, NOON + 3 * DAY)
    assert [said.partition(" is there")[0] for said in found.covered.unreached] == [
        f"node {node}: nothing" for node in (0, 0, 1, 1)
    ]
    assert "from before 2025-11-11 23:00:00" in found.covered.unreached[0]
    assert "found on that node" in found.covered.unreached[1]
    inside = asked._replace(since=NOON + 12 * HOUR, until=NOON + 13 * HOUR)
    assert search.find(shelf.folder, [], shelf.keys, inside, NOON + 3 * DAY).covered.unreached == ()


def test_a_node_that_was_taken_away_is_missed_where_another_ones_head_names_it(tmp_path: Path) -> None:
    shelf, _ = two_nodes(tmp_path)
    (shelf.folder / "node-0").rename(tmp_path / "taken")
    found = search.find(shelf.folder, [], shelf.keys, Query(text="没有"), NOON + 3 * DAY)
    assert found.covered.missing == (
        "node-0 was there when node 1 signed 2025-11-11, and is not here any more: what it sent was not looked through",
    )


def harness_of(folder: Path, node: int, hours: int) -> Harness:
    """One of several nodes, in which somebody got something each hour from that of its number on."""
    (folder / str(node)).mkdir()
    harness = Harness(folder / str(node))
    harness.disk = MemoryDisk()
    harness.journal = harness.relay.commit.journal = Journal(harness.disk, node)
    busy(harness, hours, people=1, start=node)
    return harness


def test_two_nodes_are_looked_through_as_one(tmp_path: Path, shelf: Shelf) -> None:
    found = {node: harness_of(tmp_path, node, 3) for node in (0, 1)}
    for harness in found.values():
        shelf.roll(harness.disk, harness.now)
    both = search.find(shelf.folder, [LocalJournal(found[1].disk, 1)], shelf.keys, Query(to=SHANGHAI).checked(), NOON + DAY)
    assert {(hit.node, hit.text) for hit in both.hits if "第1号" in hit.text} == {
        (1, "【甲店】第1号上新 拒收请回复R"),
        (0, "【甲店】第1号上新 拒收请回复R"),
    }
    assert [(span.node, span.live) for span in both.covered.spans] == [(0, False), (1, True)]
    at_hand = [LocalJournal(found[node].disk, node) for node in (0, 1)]
    every = search.find(shelf.folder, at_hand, shelf.keys, Query(to=SHANGHAI).checked(), NOON + DAY)
    assert [(span.node, span.live) for span in every.covered.spans] == [(0, True), (1, True)]
    assert {hit.name for hit in every.hits} > {hit.name for hit in both.hits}, "the last hour of node 0 is in no table"
    assert not every.covered.faults


@pytest.mark.parametrize("rolled", [False, True], ids=["before anybody looked for what to roll", "and after"])
def test_of_journals_without_tables_each_has_its_messages_and_its_answers(tmp_path: Path, shelf: Shelf, rolled: bool) -> None:
    at_hand = [LocalJournal(harness_of(tmp_path, node, 1).disk, node) for node in (8, 9)]
    if rolled:
        assert [shelf.roll(one.disk, NOON + 3600).segments for one in at_hand] == [0, 0]
    found = search.find(shelf.folder, at_hand, shelf.keys, Query(to=SHANGHAI).checked(), NOON + DAY)
    assert {(hit.node, hit.text[4:8], hit.fates[0].what) for hit in found.hits} == {
        (8, "第8号上", "answer"),
        (9, "第9号上", "answer"),
    }
    assert [(span.node, span.live) for span in found.covered.spans] == [(8, True), (9, True)]


def test_a_journal_that_was_begun_anew_is_looked_through_beside_the_tables_of_the_old_one(tmp_path: Path, shelf: Shelf) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    old, new = Harness(tmp_path / "old"), Harness(tmp_path / "new")
    busy(old, 3, people=1)
    shelf.roll(old.disk, old.now)
    busy(new, 2, start=5, people=1)
    found = ask(new, shelf, to=SHANGHAI)
    assert {hit.text for hit in found.hits} == {f"【甲店】第{hour}号上新 拒收请回复R" for hour in (0, 1, 5, 6)}
    assert [span.live for span in found.covered.spans] == [False, True]
    assert found.covered.faults == ()


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({}, "say what is looked for"),
        ({"limit": 9}, "say what is looked for"),
        ({"since": 2.0, "until": 1.0}, "ends before it begins"),
        ({"verdict": "allowed"}, "unknown verdict"),
        ({"reason": "because"}, "unknown reason"),
        ({"provider": "jia", "limit": 0}, "from 1 to 1000"),
    ],
)
def test_what_is_no_question_is_told_so(asked: dict[str, Any], why: str) -> None:
    with pytest.raises(BadQuery, match=why):
        Query(**asked).checked()


def test_words_of_a_question_are_values_and_never_SQL(harness: Harness, shelf: Shelf) -> None:
    busy(harness, 2)
    shelf.roll(harness.disk, harness.now)
    for words in ("' OR true --", "%", "$person", "'; DROP TABLE tail; --", "\x00", "𠮷"):
        for field in ("text", "sender", "signature", "provider"):
            asked: dict[str, Any] = {field: words}
            assert ask(harness, shelf, **asked).hits == []


# -- a clock that was wrong


@pytest.fixture
def ahead(tmp_path: Path) -> Harness:
    """A clock that was ten days ahead for a moment, and was set right; the segment that was begun then holds what came after."""
    harness = Harness(tmp_path, rules="rules: []\n")
    times = [
        NOON,
        NOON + 10 * DAY,
        *(NOON + 60 + number for number in range(20)),
        *(NOON + 11 * DAY + HOUR * one for one in (0, 1, 2)),
    ]
    for number, harness.now in enumerate(times):
        harness.submit("jia", SHANGHAI + number, f"【甲店】第{number}条 拒收请回复R", sequence=number + 1)
    synced(harness)
    return harness


@pytest.mark.parametrize("asked", [{"to": SHANGHAI + 10}, {"text": "第10条"}], ids=str)
def test_what_was_written_after_a_clock_was_set_right_is_found_by_its_time_in_tables_too(
    ahead: Harness, shelf: Shelf, asked: dict[str, Any]
) -> None:
    when = {"since": NOON, "until": NOON + 600}
    for days in (0, 11, 20):  # no table, tables of hours, tables of days
        if days:
            shelf.roll(ahead.disk, NOON + days * DAY)
        assert [hit.text[4:8] for hit in ask(ahead, shelf, NOON + 20 * DAY, **asked, **when).hits] == ["第10条"[:4]]
    assert [table.since_ms for table in shelf.manifest().tables][1] == int(NOON + 60) * 1000


def test_the_newest_are_told_though_a_clock_that_was_ahead_wrote_them_first(
    tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FILES_A_STEP", 1)
    harness = Harness(tmp_path, rules="rules: []\n")
    for number, harness.now in enumerate(
        [NOON, NOON + 5 * HOUR, NOON + 60, *(NOON + HOUR * hour for hour in (6, 4.5, 4.6, 7))]
    ):
        harness.submit("jia", SHANGHAI + number, f"【甲店】第{number}条 拒收请回复R", sequence=number + 1)
    synced(harness)
    plain = [hit.at for hit in ask(harness, shelf, provider="jia", limit=3).hits]
    shelf.roll(harness.disk, harness.now)
    assert [hit.at for hit in ask(harness, shelf, provider="jia", limit=3).hits] == plain == sorted(plain, reverse=True)


# -- somebody of whom very much is known


@pytest.mark.parametrize("rolled", [False, True])
@pytest.mark.parametrize("asked", [{"text": "要找的"}, {"until": NOON + 1}, {"sender": "69001", "text": "要找的"}], ids=str)
def test_what_fits_is_found_behind_however_many_records_of_the_same_person(
    tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, rolled: bool, asked: dict[str, Any]
) -> None:
    harness = Harness(tmp_path, rules="rules: []\n")
    harness.submit("jia", SHANGHAI, "【甲店】要找的 拒收请回复R", sequence=1)
    harness.carrier_says(harness.at_carrier()[0], submit_sm_resp(1, 0, b"A0"))
    receipt_comes(harness, SHANGHAI, "A0")
    for number in range(30):
        harness.now += 60
        harness.submit("jia", SHANGHAI, f"【甲店】第{number}条 拒收请回复R", sequence=number + 2)
        harness.carrier_says(harness.at_carrier()[0], submit_sm_resp(1, 0, b"B%d" % number))
    synced(harness)
    if rolled:
        busy(harness, 2, start=5, people=1)
        shelf.roll(harness.disk, harness.now)
    whole = ask(harness, shelf, to=SHANGHAI, **asked)
    monkeypatch.setattr(search, "PERSON_ROWS_MAX", 20)
    found = ask(harness, shelf, to=SHANGHAI, **asked)
    assert found.hits == whole.hits
    assert [[fate.what for fate in hit.fates] for hit in found.hits] == [["answer", "receipt"]]
    assert whole.covered.missing == ()
    (said,) = found.covered.missing
    assert said.startswith("more than 20 records are about this person")


def test_of_so_many_the_newest_are_told_and_that_there_are_more(
    tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = Harness(tmp_path, rules="rules: []\n")
    for number in range(30):
        harness.now += 60
        harness.submit("jia", SHANGHAI, f"【甲店】第{number}条 拒收请回复R", sequence=number + 2)
    synced(harness)
    monkeypatch.setattr(search, "PERSON_ROWS_MAX", 10)
    found = ask(harness, shelf, to=SHANGHAI, limit=20)
    assert [hit.text[4:].partition("条")[0] for hit in found.hits] == [f"第{number}" for number in range(29, 9, -1)]
    assert (found.more, len(found.covered.missing)) == (True, 1)
    every = ask(harness, shelf, to=SHANGHAI, limit=50)
    assert (len(every.hits), every.more, len(every.covered.missing)) == (30, False, 1)


def test_parts_answers_and_receipts_come_with_what_fits_however_much_else_there_is_of_those_who_got_them(
    harness: Harness, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["【甲店】这是很长的一条短信, ", "分成两段发出 拒收请回复R"]
    for person in range(3):
        for index, text in enumerate(texts, 1):
            data = bytes((5, 0, 3, 77 + person, 2, index)) + text.encode("utf-16-be")
            sent = submit_sm("1069001", str(SHANGHAI + person), data, data_coding=8, esm_class=ESM_UDHI, sequence=index)
            harness.sends("jia", sent)
        for number, transit in enumerate(harness.at_carrier()):
            harness.carrier_says(transit, submit_sm_resp(1, 0, b"P%d%d" % (person, number)))
            receipt_comes(harness, SHANGHAI + person, f"P{person}{number}")
    for harness.now in (NOON + 1, NOON + 2):
        for person in range(3):
            harness.submit("jia", SHANGHAI + person, "【甲店】另一条 拒收请回复R", sequence=9)
    synced(harness)
    asks: list[dict[str, Any]] = [
        {"text": "分成两段"},
        {"to": SHANGHAI + 1, "text": "分成两段"},
        {"provider": "jia", "limit": 7},
    ]
    for rolled in (False, True):
        if rolled:
            busy(harness, 2, start=1)
            shelf.roll(harness.disk, harness.now)
        for asked in asks:
            whole = ask(harness, shelf, until=NOON + 60, **asked)
            with monkeypatch.context() as patch:
                patch.setattr(search, "PERSON_ROWS_MAX", 5)
                assert ask(harness, shelf, until=NOON + 60, **asked).hits == whole.hits
            assert any(len(hit.fates) == 4 for hit in whole.hits)


def test_pages_follow_each_other_and_a_long_message_is_on_one_of_them(harness: Harness, shelf: Shelf) -> None:
    for index in (1, 2):
        data = bytes((5, 0, 3, 77, 2, index)) + f"【甲店】第{index}段 拒收请回复R".encode("utf-16-be")
        harness.sends("jia", submit_sm("1069001", str(SHANGHAI), data, data_coding=8, esm_class=ESM_UDHI, sequence=index))
    synced(harness)
    busy(harness, 3)
    shelf.roll(harness.disk, harness.now)
    for asked in ({"to": SHANGHAI}, {"provider": "jia"}):
        whole = [hit.name for hit in ask(harness, shelf, **asked).hits]
        pages = [ask(harness, shelf, **asked, limit=2, skip=skip) for skip in range(0, len(whole), 2)]
        assert [hit.name for page in pages for hit in page.hits] == whole
        assert [page.more for page in pages] == [True] * (len(pages) - 1) + [False]
    with pytest.raises(BadQuery, match="are passed over"):
        ask(harness, shelf, provider="jia", skip=10**6)


def test_facets_count_messages_and_a_province_is_one(harness: Harness, shelf: Shelf) -> None:
    harness.submit("jia", SHANGHAI, "【甲店】甲 拒收请回复R")
    harness.submit("jia", SHANGHAI + 1, "【甲店】乙 拒收请回复R")
    harness.submit("yi", SHANGHAI, "【乙店】您的验证码是 283412, 请勿告诉他人")
    synced(harness)

    def ask_facets(**asked: Any) -> SearchResult:
        journals = [LocalJournal(harness.disk, 0)]
        province = {SHANGHAI: "上海", SHANGHAI + 1: "江苏"}.get
        return search.find(
            shelf.folder, journals, shelf.keys, Query(**asked).checked(), harness.now, province_of=lambda number: province(number, ""), facets=True
        )  # fmt: skip

    for _ in ("in the journal", "in tables"):
        found = ask_facets(since=NOON - DAY)
        assert found.facets is not None
        assert (found.facets.total, found.facets.complete) == (3, True)
        assert found.facets.counts["provider"] == {"jia": 2, "yi": 1}
        assert found.facets.counts["province"] == {"上海": 2, "江苏": 1}
        assert list(found.facets.counts["day"].values()) == [3]
        assert {hit.person for hit in ask_facets(province="江苏").hits} == {shelf.keys.person(SHANGHAI + 1)}
        assert [hit.provider for hit in ask_facets(province="上海", provider="yi").hits] == ["yi"]
        assert ask_facets(province="北京").hits == []
        for category, count in found.facets.counts["category"].items():
            assert [hit.category for hit in ask_facets(category=category).hits] == [category] * count
        shelf.roll(harness.disk, harness.now)
