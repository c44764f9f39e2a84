"""Chinese pages contain no English, also in errors and refusals."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from proxy.console.app import found_pages
from proxy.console.page import FORM_BYTES_MAX, PageRoute
from tests.console.world import AD, ANNA, BOB, PEOPLE, Browser, World
from tests.desk.revisions.test_page import draft
from tests.e2e.gate import SHANGHAI, run
from tests.e2e.waiting import until

Desk = Callable[..., Browser]
CHINESE = re.compile("[\u4e00-\u9fff]")
ENGLISH = re.compile(r"(?<![-`\w./])[A-Za-z]{2,}(?: [a-z']{2,}){2,}")
"""Three words of a sentence; names, ids and commands have fewer."""
HIDDEN = re.compile(r"<(script|style|textarea|pre|code)\b.*?</\1>|<[^>]*>", re.DOTALL)
WAYS = [way for page in found_pages() for way in page.ways]
PATHS = {
    "number": "999",
    "id": "999",
    "name": "nowhere",
    "rule": "nowhere",
    "revision": "0" * 16,
    "kind": "page",
    "step": "reopen",
    "row": "0" * 12,
}
WRONG: dict[str, list[str]] = {
    "to": ["4001234567", "13800210599"], "why": ["一个理由", ""], "scope": ["advertiser", "nothing"], "value": ["", "x" * 300], "lasts": ["30d"],
    "state": ["duplicate", "nothing"], "of": ["999"], "suppress": ["signature", "nothing"], "message": ["0:99999", "x"], "stop": ["signature", "x"],
    "step": ["throttle", "nothing"], "share": ["0.5"], "province": ["北京", "北平"], "provider": ["jia", "nowhere"], "category": ["otp", "loans"],
    "port": ["1069", "abc"], "source": ["nobody"], "verdict": ["accepted"], "says": ["yes", "perhaps"], "revision": ["12", "f" * 16], "at": ["2026-13-45", "soon"],
    "since": ["soon"], "from": ["nowhere"], "until": ["2020-01-01"], "given": ["2099-01-01", "soon"], "day": ["2020-01-01", "x"], "seen": ["yes"],
    "whole": ["yes"], "text": ["", "rules: {"], "file": ["x.yaml", "../x"], "base": ["0" * 16], "signature": ["【" + "x" * 70 + "】"],
    "advertiser": ["没有这家"], "try_to": ["12"], "try_from": ["1069001"], "try_at": ["soon"], "reference": ["x"], "limit": ["x"], "skip": ["x"],
}  # fmt: skip
"""What fields of forms and words of addresses are sent: first what the gate refuses for what there is not, then what is none."""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A gate of this module's own, whose rules take two persons; tables of the journal are made, as with every gate that is older."""
    found = World(tmp_path_factory.mktemp("chinese"), revisions={"four_eyes": True})
    try:
        found.send("jia", ANNA, AD)
        found.send("jia", BOB, AD)
        assert run("journal", "roll", "--config", found.gate.config).returncode == 0
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def desk(two: World) -> Desk:
    """Who has logged in stays so."""
    return cache(lambda name, language="zh": Browser(two, name, language))


def shown(text: str) -> str:
    """What a reader sees of a page, but what people wrote and what stands in files."""
    return html.unescape(HIDDEN.sub("\n", text))


def english(text: str) -> list[str]:
    said = re.sub(r"gate106 [a-z]+(?: [a-z]+)*", "", shown(text))
    return [found[0] for found in ENGLISH.finditer(said)]


def problems(answer: Any) -> str:
    return "\n".join(
        html.unescape(re.sub("<[^>]*>", "\n", one))
        for one in re.findall(r'<div class="problem".*?</div>', answer.text, re.DOTALL)
    )


def path_of(way: PageRoute) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: PATHS[found[1]], way.path)


def asked(here: Browser, way: PageRoute, place: int, **more: str) -> Any:
    said = {name: words[min(place, len(words) - 1)] for name, words in WRONG.items()} | more
    if way.method == "GET":
        return here.part(path_of(way), **said) if place else here.get(path_of(way), **said)
    files = (
        {"file": ("rows.csv", b"number\n12\nx,y,z\n\n4001234567\n"), "proof": ("proof.pdf", b"%PDF-")}
        if way.body_max > FORM_BYTES_MAX
        else None
    )
    if files:
        del said["file"]
    return here.post(path_of(way), files=files, **said)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.method} {way.path}")
def test_whatever_is_refused_is_said_in_chinese(way: PageRoute, desk: Desk) -> None:
    for name in ("jia",) if way.path.startswith("/own") else ("song", "wu"):
        here = desk(name)
        for place in (0, 1):
            answer = asked(here, way, place)
            assert answer.status_code < 500, answer.text
            if answer.headers.get("content-type", "").startswith("text/html"):
                assert not english(answer.text), (name, place, english(answer.text), problems(answer))
                if answer.status_code >= 400:
                    assert CHINESE.search(problems(answer) or shown(answer.text)), answer.text


def test_what_is_looked_for_is_found_in_english() -> None:
    """The sieve holds: the same refusals would be seen if they came as they are raised."""
    for said in ("there is no case 999 (`gate106 complaint list` lists them)", "case 3 is open, and more of it"):
        assert english(f"<p>{said}</p>")
    assert not english("<p>没有案件 999（用 gate106 complaint list 查看）</p><code>not for people at all</code>")


REFUSED: list[tuple[str, str, dict[str, str], str]] = [
    ("song", "/complaints/case/999/decide", {"state": "valid", "why": "x"}, "没有案件 999（请在投诉列表中核对）"),
    ("song", "/optouts/remove", {"to": ANNA, "scope": "provider", "value": "jia", "why": "x"}, "没有这样的退订"),
    ("song", "/optouts/add", {"to": ANNA, "scope": "signature", "value": "", "why": "x"}, "范围“签名”须填写对象"),
    ("song", "/optouts/add", {"to": ANNA, "scope": "category", "value": "loans", "why": "x"}, "无法识别的营销细分类别“loans”（是否应为“loan”？）"),
    ("song", "/optouts/add", {"to": ANNA, "scope": "all", "value": "x", "why": "x"}, "“全部营销”不填对象"),
    ("song", "/optouts/add", {"to": ANNA, "scope": "all"}, "原因（why）：须为 1 至 500 个字的文字"),
    ("song", "/optouts/consents/7/review", {"verdict": "accepted", "why": "x"}, "没有批次 7（请在同意批次中核对）"),
    ("song", "/doubtful/000000000000/decide", {"says": "yes"}, "没有待判定的行 000000000000（可能已由他人判定：请刷新）"),
    ("song", "/doubtful/000000000000/end", {"why": "x"}, "没有长期判定"),
    ("song", "/penalties/one/77/lift", {"why": "x"}, "没有处罚 77（请在处罚列表中核对）"),
    ("song", "/providers/stop", {"why": "x"}, "请写明停发什么"),
    ("song", "/providers/stop", {"why": "x", "provider": "ja"}, "设置中没有通道商“ja”"),
    ("song", "/providers/orders/stop-99/lift", {"why": "x"}, "没有正在生效的指令“stop-99”"),
    ("song", "/providers/one/jia/resume", {"why": "x"}, "“jia”没有正在生效的暂停"),
    ("song", "/providers/one/jia/kick", {"why": "x"}, "没有这个连接"),
    ("song", "/providers/one/jia/penalty", {"step": "throttle", "why": "x"}, "限速须保留通道商速率的 0.01 至 0.99"),
    ("song", "/rules/rollback", {"revision": "f" * 16, "why": "x"}, "不是生效过的版本"),
    ("song", "/rules/take", {"why": "x"}, "没有被搁置的规则"),
    ("song", "/proposal/approve", {"revision": "f" * 16, "why": "x"}, "没有等待批准的规则"),
]  # fmt: skip


@pytest.mark.parametrize(("who", "path", "form", "words"), REFUSED, ids=range(len(REFUSED)))
def test_a_refusal_is_said_as_an_officer_would_and_in_english_to_who_reads_that(
    who: str, path: str, form: dict[str, str], words: str, desk: Desk
) -> None:
    answer = desk(who).post(path, **form)
    assert answer.status_code == 409, answer.text
    assert words in problems(answer), problems(answer)
    assert not CHINESE.search(re.sub("【.*?】", "", problems(desk(who, "en").post(path, **form))))


def test_bad_rows_are_said_one_by_one_with_file_and_line(desk: Desk) -> None:
    here = desk("song")
    for path, name, rows, words in (
        ("/complaints/import", "12321.csv", "投诉号码,接收时间\n12,\n138****0500,昨天\n", ["12321.csv 第 2 行：投诉号码：2 位数字，应为 11 位", "12321.csv 第 3 行：“昨天”不是时间（如 2026-11-11 10:05）", "2 行有误：没有立案"]),
        ("/complaints/import", "12321.csv", "编号,内容\n1,x\n", ["没有投诉人号码一列"]),
        ("/optouts/lists/import", "list.csv", "12\n13800210500\n4001234567\n", ["list.csv 第 1 行：不是有效的手机号码：2 位数字，应为 11 位", "400 客服号码，不是个人号码", "共 3 行，2 行有误：没有导入"]),
        ("/optouts/lists/import", "list.csv", "", ["list.csv：没有号码：没有导入"]),
        ("/optouts/lists/import", "list.xls", "\u00d0\u00cf", ["list.xls"]),
        ("/optouts/consents/import", "consents.csv", "number,given\n13800210500,明天\n", ["consents.csv 第 2 行：同意时间：“明天”不是日期"]),
    ):  # fmt: skip
        terms = {
            "why": "一批",
            "source": "import",
            "provider": "jia",
            "lasts": "good",
            "advertiser": "任何",
            "until": "2040-12-31",
        }
        answer = here.post(path, files={"file": (name, rows.encode())}, **terms)
        assert answer.status_code == 409, answer.text
        for word in words:
            assert word in problems(answer), problems(answer)
        assert not english(answer.text), english(answer.text)


def test_a_draft_s_mistakes_are_taught_in_chinese_while_it_is_written(desk: Desk) -> None:
    here = desk("tang")
    for text, words in (
        ("rules:\n  - {id: a, wen: {category: otp}}\n", "无法识别的键“wen”（是否应为“when”？）"),
        ("rules:\n  - {id: a, when: {category: otp}, then: reject, reason: keyword}\n", "规则“a”没有测试"),
        ("rules:\n\t- a\n", "这里有制表符：请用空格缩进"),
        ("rules: [", "缺少内容：[ ] 或 { } 没有写完"),
    ):
        form = draft(here) | {"text": text}
        answer = here.post("/drafts/check", **form)
        assert words in shown(answer.text), shown(answer.text)
        assert not english(answer.text), english(answer.text)
    here.post("/drafts/discard")
    tried = here.post("/drafts/try", **draft(here), try_to="4001234567", try_from="1069001", try_text=AD)
    assert "400 客服号码，不是个人号码" in problems(tried)


def test_who_proposed_is_told_in_chinese_that_another_must_approve(desk: Desk, two: World) -> None:
    made = two.ask("tang", "penalty.propose", provider="jia", step="warn", why="试")
    refused = desk("tang").post(f"/penalties/one/{made['id']}/approve")
    assert f"处罚 {made['id']} 由 tang 提出，须由另一人批准" in problems(refused)
    two.ask("lin", "penalty.reject", id=str(made["id"]), why="试")
    late = desk("lin").post(f"/penalties/one/{made['id']}/approve")
    assert f"处罚 {made['id']} 的状态是“未通过”，不是“待批准”" in problems(late)


def test_a_stranger_s_words_are_not_taken_for_ours(desk: Desk) -> None:
    answer = desk("song").post("/providers/stop", why="x", provider="unknown key 'x' (one of a, b)<b>")
    assert "设置中没有通道商" in problems(answer)
    assert "unknown key" in problems(answer), "it is shown as it was typed"
    assert "<b>)" not in answer.text


def test_people_of_the_desk_have_roles_here() -> None:
    assert "admin" in PEOPLE["song"]
    assert SHANGHAI.format(1) == ANNA


def test_what_was_done_with_a_case_is_told_in_chinese_too(desk: Desk, two: World) -> None:
    """Matched, suppressed, its campaign stopped, proof handed out, the person forgotten: the gate's own words, though an officer's stay
    as they are."""
    chen, song = desk("chen"), desk("song")
    rows = f"投诉编号,投诉号码,端口,短信内容\nZ1,{ANNA},1069001,{AD}\n"
    filed = chen.post("/complaints/import", files={"file": ("b.csv", rows.encode())}, why="一批", source="12321")
    assert filed.status_code == 303, problems(filed)
    number = max(int(one["id"]) for one in two.ask("chen", "complaint.list", limit=1000)["cases"])
    at = f"/complaints/case/{number}"
    (message,) = re.findall(r'name="message" value="([^"]+)"', chen.part(f"{at}/candidates").text)
    for path, form in (
        (f"{at}/match", {"message": message, "why": "look alike"}),
        (f"{at}/decide", {"state": "valid", "suppress": "provider", "lasts": "30d", "why": "没有同意"}),
        (f"{at}/stop", {"stop": "signature", "lasts": "24h", "why": "没有同意"}),
        (f"/complaints/evidence/{number}", {"why": "来函"}),
        (f"/complaints/penalty/{number}", {"step": "warn", "days": "30", "why": "没有同意"}),
    ):
        done = chen.post(path, **form)
        assert done.status_code in (200, 303), (path, problems(done))
    request = two.ask("song", "subject.erase", to=ANNA, why="本人要求")["request"]
    two.ask("lin", "subject.approve", id=str(request))
    for _ in range(3):
        two.send("jia", BOB, AD)
    shown_of = {
        path: song.get(path).text for path in (at, "/providers", "/providers/one/jia", "/penalties", "/find?provider=jia")
    }
    shown_of |= {path: song.part(path).text for path in ("/today/waits", f"{at}/candidates")}
    for path, text in shown_of.items():
        assert not english(text.replace("look alike", "")), (path, english(text))
    case = shown(shown_of[at])
    for words in ("look alike（吻合 ", "号码一致", "通道商 jia", "停发指令 1：签名 青禾、类别 营销", "本人信息已删除"):
        assert words in case, case
    assert "停发：签名 青禾、类别 营销，至 " in shown(shown_of["/today/waits"])
    assert "look alike (score " in shown(desk("song", "en").get(at).text)
    for order in two.ask("song", "stop.list")["orders"]:
        two.ask("song", "stop.lift", id=order["name"], why="试")


def test_what_somebody_should_mend_stands_on_the_front_page_in_chinese(desk: Desk, two: World) -> None:
    rules = two.gate.rules / "rules.yaml"
    before = rules.read_text(encoding="utf-8")
    two.gate.write_rules(before.replace("then: reject", "then: rejekt"))
    try:
        assert two.ask("song", "rules.reload")["problems"]
        two.carrier.stop()
        until(lambda: "没有可用链路" in desk("song").part("/today/waits").text, "the carrier is away")
        for path, words in (
            ("/today/waits", "then：无法识别的值“rejekt”（是否应为“reject”？）"),
            ("/rules", "是否应为“reject”"),
        ):
            text = desk("song").part(path).text
            assert words in text, shown(text)
            assert not english(text), english(text)
    finally:
        two.gate.write_rules(before)
