"""The report of a day counts everything and contains no person."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pyroaring import BitMap

from proxy.archive.signed_heads import Head
from proxy.desk.backtest.commit_groups import groups_between, groups_of
from proxy.desk.reports.daily_report import DEFERRED, REFUSED, SENT, DayCounter, DayReport
from proxy.desk.reports.offline_html import page
from proxy.desk.reports.report_pdf import paper
from proxy.desk.reports.report_text import View, as_dict, as_text
from proxy.journal.encoding import pack
from proxy.journal.records import delivers, gate_events, messages, operator_actions, requests
from proxy.model.message import hash48
from proxy.model.recipient import OptOut
from proxy.wire import submit_sm_resp
from tests.harness import BEIJING, RULES, SHANGHAI, Harness

AD, OTHER = "【测试】双11好礼, 满100减50 拒收请回复R", "【别家】会员日秒杀, 全场5折 拒收请回复R"
DAY = 1_762_790_400.0  # 2025-11-11 00:00 in Shanghai
SHADOW = "  - {id: dark, mode: shadow, when: {text: 秒杀}, then: reject, reason: keyword}\n"
UNKNOWN = 19900000000


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    harness = Harness(tmp_path, rules=RULES + SHADOW)
    rules = harness.relay.rules
    harness.journal.append(
        messages.RULES, pack(gate_events.Rules(harness.now, rules.revision, tuple(rule.id for rule in rules.rules)))
    )
    harness.journal.write(harness.now)
    return harness


def sheet_of(harness: Harness, since: float = DAY) -> DayReport:
    return DayCounter(since, since + 86_400, harness.relay.rules.regions).read(groups_of(harness.disk))


def test_it_counts_what_was_sent_refused_and_put_off_by_reason_province_and_provider(harness: Harness) -> None:
    harness.submit("jia", SHANGHAI, AD)
    harness.submit("jia", SHANGHAI + 1, OTHER)
    harness.submit("yi", BEIJING, AD)
    harness.submit("yi", BEIJING, AD)  # a repeat is answered, and counted, without a verdict
    harness.route.up = False
    harness.submit("jia", SHANGHAI + 2, AD)
    harness.sends("jia", b"\0\0\0\x12\0\0\0\4\0\0\0\0\0\0\0\1\0\0")  # cannot be read
    sheet = sheet_of(harness)
    assert {fate: sheet.total(fate) for fate in (SENT, REFUSED, DEFERRED)} == {SENT: 2, REFUSED: 3, DEFERRED: 1}
    assert {name: one.total() for name, one in sheet.by("reason").items()} == {"region-ban": 2, "malformed": 1, "no-route": 1}
    assert sheet.by("province")["北京"] == {REFUSED: 2}
    assert sheet.by("province")["上海"] == {SENT: 2, DEFERRED: 1}
    assert sheet.by("provider")["yi"] == {REFUSED: 2}
    assert sheet.by("category")["unread"] == {REFUSED: 1}
    assert sheet.signatures == {
        ("测试", SENT): 1,
        ("别家", SENT): 1,
        ("测试", REFUSED): 1,
        ("测试", DEFERRED): 1,
        ("", REFUSED): 1,
    }
    assert sheet.hours == {(12, SENT): 2, (12, REFUSED): 2, (12, DEFERRED): 1}


def test_shadow_rules_are_told_by_what_went_out_that_they_would_have_stopped(harness: Harness) -> None:
    harness.submit("jia", SHANGHAI, OTHER)
    harness.submit("jia", BEIJING, OTHER)  # the ban refuses it anyhow
    sheet = sheet_of(harness)
    assert sheet.shadow == {("dark", "reject"): 1}
    assert sheet.hits == {"ban": 1}


def test_opt_outs_are_rated_by_the_advertisements_of_that_signature_and_provider(harness: Harness) -> None:
    for person in range(200):
        harness.submit("jia", SHANGHAI + person, AD)
    refusal = OptOut("advertiser", f"{hash48('测试'):012x}", int(harness.now), "reply", 0)
    port = OptOut("port", "1069001", int(harness.now), "reply", 0)
    entered = OptOut("all", "", int(harness.now), "officer", 0)
    for person, one in enumerate([refusal] * 10 + [port] * 2 + [entered]):
        harness.journal.append(
            messages.OPTOUT, pack(delivers.OptedOut(harness.now, SHANGHAI + person, one, "1069001", "jia", "R"))
        )
    harness.journal.write(harness.now)
    view = View(sheet_of(harness))
    assert [(one.name, one.count, one.sent, one.per_10k) for one in view.optouts_by_provider()] == [("jia", 12, 200, 600.0)]
    assert [(one.name, one.count, one.per_10k) for one in view.optouts_by_signature()] == [("测试", 10, 500.0)]


def test_how_soon_opt_outs_were_in_force_adds_up_and_other_channels_are_told_apart(harness: Harness) -> None:
    now = harness.now
    for person, took in enumerate([0, 0, 0.9, 1, 9, 59, 600, 90_000]):
        refusal = OptOut("all", "", int(now), "reply", 0)
        body = pack(delivers.OptedOut(int(now) + took, SHANGHAI + person, refusal, "1069001", "jia", "R"))
        harness.journal.append(messages.OPTOUT, body)
    called = OptOut("all", "", int(now), "hotline", 0)
    for lifted in ((), (called,)):
        added = () if lifted else (called, called)
        harness.journal.append(messages.SUPPRESSED, pack(operator_actions.Suppressed(now, SHANGHAI, added, lifted, "li", "x")))
    harness.journal.append(messages.RESTORED, pack(delivers.Restored(now, SHANGHAI, "1069001", "jia", "START", (called,))))
    harness.journal.write(now)
    sheet = sheet_of(harness)
    assert sheet.speeds == {"under 1 s": 3, "1 to 10 s": 2, "10 s to 1 min": 1, "1 min to 1 h": 1, "over 1 h": 1}
    assert sheet.slowest_s == 90_000
    assert (sheet.speeds.total(), sheet.entered, sheet.restored) == (sheet.optouts.total(), {"hotline": 1}, 1)
    both = DayReport(DAY, DAY)
    both.add(sheet)
    both.add(sheet)
    assert (both.optouts, both.restored, both.records, both.first) == ({"jia": 16}, 2, 2 * sheet.records, sheet.first)


def test_numbers_of_a_list_count_once_it_is_whole_and_those_taken_off_do_not(harness: Harness) -> None:
    refusals = (OptOut("all", "", int(harness.now), "hotline", 0), OptOut("all", "", int(harness.now), "complaint", 0))
    for takes_off, whole in ((False, True), (True, True), (False, False)):
        begun = operator_actions.ListBegun(harness.now, takes_off, refusals, "li", "x", "退订.csv")
        sequence = harness.journal.append(messages.LISTING, pack(begun))
        for key, numbers in ((0, (1, 2)), (0, (9,)), (1, (4,))):
            chunk = operator_actions.ListChunk(sequence, key, SHANGHAI >> 16, BitMap(numbers).serialize())
            harness.journal.append(messages.LISTED, pack(chunk))
        if whole:
            harness.journal.append(
                messages.LISTING_DONE, pack(operator_actions.ListDone(harness.now, sequence, 3, 4, bytes(16)))
            )
    harness.journal.write(harness.now)
    assert sheet_of(harness).entered == {"hotline": 3, "complaint": 1}


def test_a_reply_that_means_several_is_one_opt_out_of_its_provider_and_one_of_each_signature(harness: Harness) -> None:
    for person in range(200):
        harness.submit("jia", SHANGHAI + person, AD)
    shops = [OptOut("advertiser", f"{hash48(shop):012x}", int(harness.now), "reply", 0) for shop in ("测试", "别家")]
    everything = OptOut("category", "marketing", int(harness.now), "reply", 0)
    for person in range(12):
        for one in (*shops, everything, *shops) if person == 0 else shops:  # the first replies twice in one turn
            body = pack(delivers.OptedOut(harness.now, SHANGHAI + person, one, "1069001", "jia", "R"))
            harness.journal.append(messages.OPTOUT, body)
    harness.journal.write(harness.now)
    sheet = sheet_of(harness)
    assert (sheet.optouts, sheet.refused["测试"]) == ({"jia": 13}, 13)
    assert [(one.name, one.count) for one in View(sheet).optouts_by_provider()] == [("jia", 13)]


def test_what_carriers_said_and_people_nobody_can_place_are_counted(harness: Harness) -> None:
    for person in (SHANGHAI, SHANGHAI + 1, UNKNOWN):
        harness.submit("jia", person, AD)
    first, second, third = harness.at_carrier()
    harness.carrier_says(first, submit_sm_resp(1, 0, b"id\0"))
    harness.carrier_says(second, submit_sm_resp(1, 0x45, b""))
    harness.nobody_answers(third)
    sheet = sheet_of(harness)
    assert sheet.answers == {"accepted": 1, "taken-back": 1, "unknown": 1}
    assert sheet.by("province")["unknown"] == {SENT: 1}
    assert not View(sheet).unknown(), "of so few no share is told"
    assert View(sheet, 1).unknown() == []


def test_only_that_day_is_counted_and_repeats_of_what_was_refused_before_midnight_are(harness: Harness) -> None:
    harness.now = DAY + 86_400 - 60
    harness.submit("jia", SHANGHAI, "六合彩" + AD)
    harness.submit("jia", SHANGHAI + 1, AD)
    harness.journal.append(
        messages.REPEATED,
        pack(
            requests.Repeated(
                harness.now + 120, {max(one.sequence for one in harness.written() if one.kind == messages.VERDICT) - 1: 3}
            )
        ),
    )
    harness.journal.write(harness.now + 120)
    harness.now += 180
    harness.submit("jia", SHANGHAI + 2, AD)
    sheet = sheet_of(harness, DAY + 86_400)
    assert {name: one.total() for name, one in sheet.by("reason").items()} == {"keyword": 3}
    assert sheet.total(SENT) == 1


def test_nobody_is_in_it_and_strangers_words_are_escaped(harness: Harness) -> None:
    for person in range(40):
        harness.submit("jia", SHANGHAI + person, AD.replace("【测试】", "【<i>&\u202e】"))
    view = View(sheet_of(harness))
    html, pdf = page(view, "zh"), paper(view, "zh")
    assert "&lt;I&gt;&amp;" in html
    assert not re.search(r"<I>|<i>|<script|<link|<img|https?:|url\(|\u202e", html)
    assert pdf.startswith(b"%PDF-")
    assert not re.search(rb"/JavaScript|/URI|/Launch|/EmbeddedFile", pdf)
    whole = html + str(as_dict(view)) + "\n".join(as_text(view)) + pdf.decode("latin-1")
    assert str(SHANGHAI)[:8] not in whole
    assert "满100减50" not in whole
    assert paper(view, "zh") == pdf, "the same sheet is the same file"
    assert len(re.findall(rb"/Type /Font\b", pdf)) == len(re.findall(rb"/FontFile2", pdf)), "each font is embedded"


def test_small_counts_are_not_told(harness: Harness) -> None:
    for person in range(40):
        harness.submit("jia", SHANGHAI + person, AD)
    harness.submit("yi", BEIJING, AD)
    told = as_dict(View(sheet_of(harness)))
    assert told["submits"] == {"sent": 40, "refused": 1, "deferred": 0}
    assert told["by_province"] == {"(others)": {"sent": 40, "refused": "<10", "deferred": 0}}
    assert told["by_reason"] == {"(others)": "<10"}
    assert told["rule_hits"] == {"ban": "<10"}
    assert as_dict(View(sheet_of(harness), 1))["by_province"]["北京"] == {"sent": 0, "refused": 1, "deferred": 0}


def test_the_head_of_the_journal_stands_in_the_sheet_in_every_form_and_its_absence_is_said(harness: Harness) -> None:
    harness.submit("jia", SHANGHAI, AD)
    sheet, digest = sheet_of(harness), "ab" * 32
    view, bare = View(sheet, heads=[Head(3, "2025-11-11", 1, 4711, digest, "", ())]), View(sheet)
    assert as_dict(view)["heads"] == [{"node": 3, "last": 4711, "digest": digest}]
    assert f"head of the journal, node 3, up to record 4711: {digest}" in list(as_text(view))
    assert f"<p>node 3, up to record 4711: <code>{digest}</code></p>" in page(view, "en")
    assert paper(view, "en") != paper(bare, "en")
    assert "head of the journal: not signed yet (the day after, once it is rolled)" in list(as_text(bare))
    assert "尚未签名" in page(bare, "zh")


# -- a clock that was wrong


def sends_at(harness: Harness, *times: float) -> None:
    for number, harness.now in enumerate(times):
        harness.submit("jia", SHANGHAI + number, AD, sequence=number + 1)


def sent_on(harness: Harness, day: float) -> int:
    groups = groups_between(harness.disk, day - 900, day + 86_400)
    return DayCounter(day, day + 86_400, harness.relay.rules.regions).read(groups).total(SENT)


@pytest.mark.parametrize(
    "ahead",
    [[13 * 3600], [14 * 3600, 16 * 3600, 19 * 3600], [10 * 86_400]],
    ids=["for a moment", "by a time zone, for hours", "by days"],
)
def test_a_clock_that_was_ahead_and_was_set_right_hides_nothing_of_the_day(tmp_path: Path, ahead: list[int]) -> None:
    noon = DAY + 43_200
    harness = Harness(tmp_path, rules=RULES.partition("rules:")[0] + "rules: []\n")
    sends_at(
        harness,
        *(noon + one for one in (0, 1, 2)),
        *(noon + one for one in ahead),
        *(noon + 60 + 900 * one for one in range(30)),
    )
    after = [noon + 86_400 * day for day in range(11, 14)]
    sends_at(harness, *after)
    assert sent_on(harness, DAY) == 33
    assert sheet_of(harness).total(SENT) == 33
    assert sent_on(harness, DAY + 86_400 * 12) == 1


def test_what_lies_well_behind_the_day_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = Harness(tmp_path, rules="rules: []\n")
    sends_at(harness, *(DAY + 3600.5 * hour for hour in range(24 * 5)))
    names = harness.disk.list()
    assert len(names) == 24 * 5
    seen, read = set[str](), harness.disk.read

    def noted(name: str, size: int = -1, at: int = 0) -> bytes:
        if size < 0:
            seen.add(name)
        return read(name, size, at)

    monkeypatch.setattr(harness.disk, "read", noted)
    assert sent_on(harness, DAY + 86_400) == 24
    assert 24 + 12 <= len(seen) <= 24 + 12 + 5
