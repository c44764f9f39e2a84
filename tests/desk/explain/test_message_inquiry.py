"""``gate106 explain --message`` shows a verdict, its fate and today's verdict."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from proxy.desk.backtest.result_text import iso
from proxy.desk.explain.message_explanation import EVERY, FoundMessage, Inquiry
from proxy.desk.explain.message_explanation_text import as_dict
from proxy.desk.explain.message_inquiry import sets_in_chinese
from proxy.journal.encoding import pack, unpack
from proxy.journal.records import delivers, gate_events, messages, operator_actions
from proxy.journal.records.consents import ConsentChange
from proxy.journal.write_ahead_log import OsDisk, read
from proxy.model.message import Category, Outcome, hash48
from proxy.model.recipient import OptOut
from proxy.state.record import record
from proxy.state.revision_store import RevisionStore
from proxy.wire import deliver_sm, receipt_text, submit_sm, submit_sm_resp
from tests.commands import app
from tests.desk.backtest.test_command import SETTINGS
from tests.harness import RULES, SHANGHAI, Harness

AD = "【测试】双11好礼, 满100减50, 电话13912345678 拒收请回复R"
QUOTA = "  - {id: quota, when: {category: marketing}, limit: {count: 9, per: day, key: [provider]}, then: reject, reason: provider-quota}\n"


class Desk:
    """A harness whose journal and settings an officer asks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.harness = Harness(folder, rules=RULES + QUOTA)
        self.noted()
        self.names: list[int] = []

    def noted(self) -> None:
        rules, harness = self.harness.relay.rules, self.harness
        harness.journal.append(
            messages.RULES, pack(gate_events.Rules(harness.now, rules.revision, tuple(rule.id for rule in rules.rules)))
        )
        harness.journal.write(harness.now)

    def sends(self, text: str = AD, person: int = SHANGHAI, answer: bytes = b"") -> str:
        """One message, and what the carrier says of it; its name in the journal."""
        harness = self.harness
        harness.now += 700
        harness.submit("jia", person, text)
        for transit in harness.at_carrier():
            harness.carrier_says(transit, submit_sm_resp(1, 0, answer + b"\0") if answer else submit_sm_resp(1, 0x45, b""))
        return f"0:{max(one.sequence for one in harness.written() if one.kind == messages.VERDICT)}"

    def writes(self, kind: int, body: bytes) -> None:
        self.harness.journal.append(kind, body)
        self.harness.journal.write(self.harness.now)

    def asked(self, name: str, *more: object) -> Result:
        (self.folder / "journal").mkdir(exist_ok=True)
        for segment in self.harness.disk.list():
            (self.folder / "journal" / segment).write_bytes(self.harness.disk.read(segment))
        settings = self.folder / "gate106.yaml"
        settings.write_text(SETTINGS.format(folder=self.folder), encoding="utf-8")
        return CliRunner().invoke(app, ["explain", "--message", name, "--config", str(settings), *map(str, more)])

    def told(self, name: str, *more: object) -> dict[str, Any]:
        done = self.asked(name, "--json", *more)
        assert done.exit_code == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def rules(self, text: str) -> None:
        """Other rules are today's."""
        (self.folder / "rules" / "rules.yaml").write_text(text, encoding="utf-8")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def why(told: dict[str, Any], rule: str) -> str:
    return next(str(one["why"]) for one in told["rules"] if one["rule"] == rule)


def test_a_refused_message_is_explained_by_the_counts_of_then(desk: Desk) -> None:
    desk.sends(person=SHANGHAI + 1, answer=b"id-0")
    for number in (1, 2, 3):
        desk.sends(answer=b"id-%d" % number)
    name = desk.sends()
    desk.sends(person=SHANGHAI + 2, answer=b"later")
    told = desk.told(name)
    assert (told["message"], told["verdict"], told["reason"], told["rule"]) == (name, "reject", "recipient-cap", "cap")
    assert (told["to"], told["from"], told["provider"], told["reproduced"]) == ("138****0000", "1069001", "jia", True)
    assert why(told["then"], "cap") == "3 used of 3 per day for each recipient"
    assert why(told["then"], "quota") == "4 used of 9 per day for each provider", (
        "those to others count, what came later does not"
    )
    assert [one["category"] for one in told["person"]["received"]] == ["marketing"] * 3
    assert str(SHANGHAI) not in json.dumps(told)
    assert told["text"] == "【测试】双11好礼, 满100减50, 电话139****5678 拒收请回复R"
    assert told["today"]["revision"] == told["revision"]


def test_in_chinese_rules_have_titles_and_sets_are_named_by_when_and_by_whom(desk: Desk) -> None:
    name = desk.sends()
    said = desk.asked(name, "--lang", "zh").stdout
    revision = desk.told(name)["revision"]
    assert f"当时，规则版本 {revision}：" in said, "no gate answers"
    assert not re.search(r"[a-z]: |jia（jia）", said), said
    events = [
        {"event": "approved", "revision": "b", "time": 1794447369.0, "who": "li", "how": "command", "why": ""},
        {"event": "proposed", "revision": "b", "time": 1794447369.0, "who": "wang (uid 1000)", "how": "push", "why": "双11"},
        {"event": "accepted", "revision": "a", "time": 1794447369.0, "who": "root (uid 0)", "how": "first start", "why": ""},
    ]
    assert sets_in_chinese(events) == {"b": "2026-11-12 09:36:09 · wang · 双11", "a": "2026-11-12 09:36:09 · 网关"}


def test_todays_rules_are_asked_with_what_was_known_then(desk: Desk) -> None:
    for number in (1, 2, 3):
        desk.sends(answer=b"id-%d" % number)
    name = desk.sends()
    before = (RULES + QUOTA).encode()
    RevisionStore(desk.folder / "revisions", 9).save(desk.harness.relay.rules.revision, {"rules.yaml": before})
    desk.rules(RULES.replace("count: 3", "count: 4"))
    told = desk.told(name)
    assert (told["verdict"], told["then"]["verdict"], told["today"]["verdict"]) == ("reject", "reject", "allow")
    assert why(told["today"], "cap") == "3 used of 4 per day for each recipient"
    words = desk.asked(name, "--lang", "zh").stdout
    assert "拒绝 这个号码收够了（cap）" in words
    assert "今天的规则" in words
    assert "放在当时" in words
    folder = desk.folder / "tried"
    folder.mkdir()
    (folder / "rules.yaml").write_text(RULES.replace("北京", "上海"), encoding="utf-8")
    assert desk.told(name, "--rules", folder)["today"]["rule"] == "ban", "or any other rules"


def test_where_the_rules_of_then_are_not_kept_the_journal_still_tells_them_by_name(desk: Desk) -> None:
    for number in (1, 2, 3):
        desk.sends(answer=b"id-%d" % number)
    name = desk.sends()
    desk.rules(RULES.replace("count: 3", "count: 4"))
    told = desk.told(name)
    assert (told["verdict"], told["rule"], told["then"], told["today"]) == ("reject", "cap", None, None)
    assert told["rules"] == [{"rule": "cap", "wants": "reject", "shadow": False}]
    assert "are not kept: the journal says all there is" in desk.asked(name, "--lang", "en").stdout


def test_a_message_is_found_by_the_id_its_provider_was_told_and_by_that_of_its_entry(desk: Desk) -> None:
    name = desk.sends(answer=b"c0ffee")
    other = desk.sends(person=SHANGHAI + 1, answer=b"c0ffee-2")
    told = desk.told("c0ffee")
    assert (told["message"], told["verdict"], told["answers"][0]["message_id"]) == (name, "allow", "c0ffee")
    assert desk.told(str(told["entry"]))["message"] == name
    assert desk.told("c0ffee-2")["message"] == other
    coded = desk.sends(person=SHANGHAI + 3, answer=b"B1cafe")
    assert desk.told("cafe")["message"] == desk.told("B1cafe")["message"] == coded


def test_an_id_that_may_be_several_messages_is_answered_with_their_names(desk: Desk) -> None:
    first = desk.sends(answer=b"7")
    second = desk.sends(person=SHANGHAI + 1, answer=b"7")
    done = desk.asked("7")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"gate106: --message: '7' may be several, say which: {first} (about ")
    assert f", {second} (about " in done.stderr
    assert desk.told(second)["answers"][0]["message_id"] == "7"


def test_all_parts_and_what_became_of_them_are_told_whichever_is_named(desk: Desk) -> None:
    harness = desk.harness
    octets = (AD * 3).encode("utf-16-be")
    parts = [octets[at : at + 134] for at in range(0, len(octets), 134)]
    for number, part in enumerate(parts, 1):
        header = bytes((5, 0, 3, 7, len(parts), number))
        harness.sends("jia", submit_sm("1069001", str(SHANGHAI), header + part, data_coding=8, esm_class=0x40, sequence=number))
    for number, transit in enumerate(harness.at_carrier()):
        harness.carrier_says(transit, submit_sm_resp(1, 0, b"part-%d\0" % number))
    whole = desk.told("part-1")
    assert (whole["parts"], len(whole["answers"])) == (len(parts), len(parts))
    assert whole["then"]["verdict"] == "allow"
    assert whole["reproduced"] is True
    assert whole["text"].startswith("【测试】双11好礼")


def test_refusals_of_then_the_receipt_and_what_was_refused_later_are_told(desk: Desk) -> None:
    harness = desk.harness
    refusal = OptOut("provider", "yi", int(harness.now), "reply", 0)
    harness.store.update(SHANGHAI, lambda data: record.opt_out(data, refusal))
    desk.writes(messages.OPTOUT, pack(delivers.OptedOut(harness.now, SHANGHAI, refusal, "1069002", "yi", "R")))
    desk.sends(answer=b"c0ffee")
    said = receipt_text("c0ffee", "UNDELIV", submit_date="2511111200", done_date="2511111201", err="004")
    receipt = deliver_sm(str(SHANGHAI), "1069001", said.encode(), esm_class=4, sequence=9)
    desk.writes(
        messages.DELIVER, pack(delivers.DeliverRecord(harness.now + 1, "receipt", str(SHANGHAI), "1069001", "jia", receipt))
    )
    later = OptOut("port", "1069001", int(harness.now) + 60, "reply", 0)
    desk.writes(messages.OPTOUT, pack(delivers.OptedOut(harness.now + 60, SHANGHAI, later, "1069001", "jia", "R")))
    told = desk.told("c0ffee")
    assert [(one["scope"], one["value"], one["source"]) for one in told["person"]["refusals"]] == [("provider", "yi", "reply")]
    assert [(one["state"], one["error"]) for one in told["receipts"]] == [("UNDELIV", "004")]
    assert [one["value"] for one in told["person"]["refused_later"]] == ["1069001"]
    words = desk.asked("c0ffee", "--lang", "en").stdout
    for line in ("had refused provider yi (reply, ", "UNDELIV (004)", "refused later port 1069001", "accepted c0ffee"):
        assert line in words


def test_whom_the_person_refused_is_told_by_name_or_why_it_is_not_known(desk: Desk) -> None:
    harness = desk.harness
    RevisionStore(desk.folder / "revisions", 9).save(harness.relay.rules.revision, {"rules.yaml": (RULES + QUOTA).encode()})
    (desk.folder / "rules" / "registries").mkdir()
    (desk.folder / "rules" / "registries" / "signatures.csv").write_text("甲店,甲公司\n", encoding="utf-8")
    registered, earlier, unknown, own = (
        OptOut("advertiser", f"{hash48(name):012x}", int(harness.now), "reply", 0) for name in ("甲店", "乙店", "丙店", "测试")
    )
    desk.sends("【乙 店】双11 拒收请回复R", answer=b"earlier")
    for one in (registered, earlier, unknown):
        harness.store.update(SHANGHAI, lambda data, one=one: record.opt_out(data, one))
        desk.writes(messages.OPTOUT, pack(delivers.OptedOut(harness.now, SHANGHAI, one, "1069001", "jia", "R")))
    desk.sends(answer=b"c0ffee")
    desk.writes(messages.OPTOUT, pack(delivers.OptedOut(harness.now + 60, SHANGHAI, own, "1069001", "jia", "R")))
    person = desk.told("c0ffee")["person"]
    assert [one["value"] for one in person["refusals"]] == [registered.value, earlier.value, unknown.value]
    assert [one["about"] for one in person["refusals"]] == [
        "advertiser 甲公司【甲店】", "advertiser 【乙 店】 (not registered)",
        f"advertiser, signature unknown ({unknown.value}): its message is no longer in the journal",
    ]  # fmt: skip
    assert [one["about_zh"] for one in person["refused_later"]] == ["广告主【测试】（未报备）"]
    words = desk.asked("c0ffee", "--lang", "zh").stdout
    assert "当时已拒收 广告主 甲公司【甲店】（回复退订，" in words
    assert f"当时已拒收 广告主，签名未知（{unknown.value}）：该短信已不在保存的日志里（回复退订，" in words
    assert "之后拒收 广告主【测试】（未报备） · " in words


def test_a_message_names_what_the_record_held_and_nothing_once_the_person_is_erased(desk: Desk) -> None:
    desk.sends(answer=b"1")
    desk.harness.now += 3 * 86_400
    desk.sends(answer=b"2")
    desk.harness.now += 700
    for _ in range(2 * EVERY):  # what is older than these is rebuilt, not judged again
        desk.noted()
    name = desk.sends(answer=b"3")
    held = record.entries(desk.harness.store.held(SHANGHAI))[:-1]
    assert [one["at"] for one in desk.told(name)["person"]["received"]] == [iso(one.time) for one in held]
    assert len(held) == 1, "the record forgets what no cap counts"
    desk.writes(messages.PERSON, pack(ConsentChange(desk.harness.now + 60, SHANGHAI + 1, "erased", "li", "asked for it")))
    assert desk.told(name)["person"]["erased"] is None, "somebody else was"
    desk.writes(messages.PERSON, pack(ConsentChange(desk.harness.now + 60, SHANGHAI, "erased", "li", "asked for it")))
    person = desk.told(name)["person"]
    assert (person["received"], person["erased"]) == ([], iso(desk.harness.now + 60))
    words = desk.asked(name, "--lang", "zh").stdout
    assert "已按本人要求删除" in words
    assert "当时计数的短信" not in words


def test_what_the_carrier_refused_and_what_came_again_is_told(desk: Desk) -> None:
    refused = desk.sends()
    assert [(one["effect"], one["status"]) for one in desk.told(refused)["answers"]] == [("taken-back", 0x45)]
    banned = desk.sends("六合彩" + AD)
    for _ in range(2):
        desk.harness.submit("jia", SHANGHAI, "六合彩" + AD)
    told = desk.told(banned)
    assert (told["rule"], told["repeats"], told["answers"]) == ("words", 2, [])


def test_a_code_is_shown_without_its_digits(desk: Desk) -> None:
    name = desk.sends("【测试】您的验证码是482913, 5分钟内有效", answer=b"id")
    told = desk.told(name)
    assert told["then"]["classified"] == "otp"
    assert told["text"] == "【测试】您的验证码是******, *分钟内有效"


def test_what_no_rule_ever_saw_may_be_a_code_and_is_shown_like_one() -> None:
    sent = messages.VerdictRecord(
        1e9, "jia", "jia", "1069001", 13800210000, Outcome.DEFER, "store-down", 0x14, Category.MARKETING, "", (), (), None, 0, 0, b"", b""
    )  # fmt: skip
    found = Inquiry(FoundMessage(7, 0, 13800210000, 1e9), {7: sent}, text="【甲店】您的密钥 482913")
    assert as_dict(found, 1, 1e9 + 899)["text"] is None
    assert as_dict(found, 1, 1e9 + 901)["text"] == "【甲店】您的密钥 ******"
    found.said[7] = sent._replace(reason="queue-full")
    assert as_dict(found, 1, 1e9)["text"] == found.text, "the rules had looked at it"


def test_a_whole_number_is_shown_only_once_it_is_written_down_who_saw_it(desk: Desk) -> None:
    desk.sends(answer=b"id")
    assert desk.asked("id", "--unmasked").stderr == (
        "gate106: --unmasked: say --why: the journal keeps who saw a whole number, and why\n"
    )
    told = desk.told("id", "--unmasked", "--why", "case 4711")
    assert told["to"] == str(SHANGHAI)
    (kept,) = [one for one in read(OsDisk(desk.folder / "archive" / "looked")) if one.kind == messages.OPERATED]
    said = unpack(operator_actions.Operated, kept.body)
    assert (said.command, said.why, said.details) == ("explain --message --unmasked", "case 4711", told["message"])
    (desk.folder / "archive" / "looked").rename(desk.folder / "gone")
    (desk.folder / "archive" / "looked").write_text("no folder")
    done = desk.asked("id", "--unmasked", "--why", "case 4711")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "so nothing is shown" in done.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--message", "nobody"), "--message: no message of the journal is called so"),
        (("--message", "0:99999"), "--message: no verdict stands there"),
        (("--message", "3:1"), "--message: 3:1 is of node 3, the settings are those of node 0"),
        (("--to", "13800210500", "--from", "1069", "--text", "x", "--unmasked"), "--unmasked: goes with --message"),
        (("--message", " "), "--message: is empty"),
        (("--message", "x", "--to", "13800210500"), "--message: the journal says the rest"),
        (("--message", "x", "--record"), "--message: the journal says the rest"),
        (("--message", "x", "--journal", "/nowhere"), "/nowhere: no such folder"),
        (("--to", "", "--from", "1069", "--text", "x"), "--to: empty"),
        (("--to", "me", "--from", "1069", "--text", "x"), "--to: holds characters that are no digits, spaces or dashes"),
        (
            ("--to", "13800210500", "--from", "1069", "--text", "x", "--category", "ad"),
            "unknown category 'ad' (one of otp, notice, ",
        ),
        (("--to", "13800210500", "--text", "x"), "explain: say --to, --from and --text, or --message"),
        (("--to", "13800210500", "--from", "1069", "--text", "x", "--journal", "j"), "--journal: goes with --message"),
    ],
)
def test_what_cannot_be_answered_is_one_line(desk: Desk, more: tuple[str, ...], said: str) -> None:
    desk.sends(answer=b"id")
    desk.asked("id")
    done = CliRunner().invoke(app, ["explain", "--config", str(desk.folder / "gate106.yaml"), *more])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"gate106: {said}")
    assert done.stderr.count("\n") == 1
