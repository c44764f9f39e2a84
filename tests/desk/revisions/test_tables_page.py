"""Registries are shown, edited in a draft, checked, proposed and approved.

The tests run against a real gate with four eyes on.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.desk.revisions.draft_store import FOLDER
from proxy.operations import client
from tests.console.world import AD, Browser, World, hidden, token_of
from tests.e2e.gate import SHANGHAI, run

Open = Callable[..., Browser]
SIGNATURES, WORDS = "registries/signatures.csv", "lists/banned.txt"
RULES = """\
rules:
  - id: unregistered
    say: 没有登记的签名不放行
    basis: carrier policy
    when: {category: marketing, signature_state: unregistered}
    then: reject
    reason: signature-unregistered
  - id: banned-words
    say: 禁发词
    basis: carrier policy
    when: {text: {file: lists/banned.txt}}
    then: reject
    reason: keyword
  - id: misspelt-words
    say: 禁发词的谐音也算
    basis: carrier policy
    when: {text: {file: lists/misspelt.yaml}}
    then: reject
    reason: keyword
"""
MISSPELT = """\
# 谐音、形近的写法
alike:
  票: [漂]
words:
  invoice: [代开发票]
"""
UNREGISTERED, KEYWORD = 0x442, 0x450


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    found = World(tmp_path_factory.mktemp("tables"), revisions={"four_eyes": True}, before=with_rules)
    yield found
    found.stop()


def with_rules(gate: Any) -> None:
    gate.write_rules(RULES)
    (gate.rules / "lists").mkdir()
    (gate.rules / "lists" / "banned.txt").write_text("# one a line\n代开发票\n六合彩\n")
    (gate.rules / "lists" / "misspelt.yaml").write_text(MISSPELT)
    (gate.rules / "lists" / "protected.csv").write_text("recipient\n13800210999\n")


@pytest.fixture
def desk(two: World) -> Open:
    shutil.rmtree(two.gate.folder / "revisions" / FOLDER, ignore_errors=True)  # no draft of another test
    return lambda name, language="zh": Browser(two, name, language)


def held(page: str) -> dict[str, str]:
    """What the draft's form holds."""
    found = re.search(r'<textarea name="text"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    assert found is not None, page
    return {"base": hidden(page, "base"), "file": hidden(page, "file"), "text": html.unescape(found[1])}


def opened(here: Browser, file: str) -> dict[str, str]:
    return held(here.get("/tables/one", file=file).text)


def changed(here: Browser, draft: dict[str, str], **said: str) -> dict[str, str]:
    answer = here.post("/tables/change", **draft, **said)
    assert answer.status_code == 200, answer.text
    return held(answer.text)


def in_words(page: str) -> str:
    return html.unescape(re.sub("<[^>]*>", " ", page))


def test_whoever_sees_the_gate_sees_what_is_registered_and_no_list_of_people(desk: Open) -> None:
    here = desk("wu", "en")
    text = here.get("/tables").text
    for said in ("Signatures", "Banned words", "Lexicon"):
        assert said in text
    assert "protected" not in text
    assert "代开发票" in (page := here.get("/tables/one", file=WORDS).text)
    assert "/tables/change" not in page
    for file in ("lists/protected.csv", "registries/consents.csv", "rules.yaml", "../gate106.yaml", ""):
        assert here.get("/tables/one", file=file).status_code == 404, file
        assert here.get("/tables/file", file=file).status_code == 404, file
    assert here.post("/tables/change", base="", file=WORDS, text="x").status_code == 403


def test_rows_are_searched_also_in_a_draft(desk: Open) -> None:
    here = desk("chen")
    draft = changed(here, opened(here, WORDS), do="add", cell_0="彩金")
    found = here.post("/tables/rows", **draft, q="彩").text
    assert ("六合彩" in found, "彩金" in found, "代开发票" in found) == (True, True, False)
    assert "没有符合的行" in here.post("/tables/rows", **draft, q="nothing").text


def test_a_signature_is_entered_by_one_and_counts_when_another_agrees(desk: Open, two: World) -> None:
    assert two.send("jia", SHANGHAI.format(1), AD) == UNREGISTERED
    chen, lin = desk("chen"), desk("lin")
    draft = changed(chen, opened(chen, SIGNATURES), do="add", cell_0="青禾", cell_1="青禾贸易", cell_5="approvd")
    assert "approvd" in chen.post("/tables/check", **draft).text
    assert "签名第 2 行" in in_words(chen.post("/tables/check", **draft).text)
    assert chen.post("/tables/propose", **draft, why="新客户").status_code == 422, "a mistake is mended first"
    at = re.search(r'"at": "(\d+)"', chen.post("/tables/rows", **draft, q="青禾").text)
    assert at is not None
    assert "<option selected>approvd</option>" in chen.post("/tables/row", **draft, at=at[1]).text
    draft = changed(chen, draft, do="change", at=at[1], cell_0="青禾", cell_1="青禾贸易", cell_5="approved")
    assert "没有问题" in chen.post("/tables/check", **draft).text
    assert chen.post("/tables/propose", **draft, why="新客户").headers["location"] == "/proposal"
    assert two.send("jia", SHANGHAI.format(2), AD) == UNREGISTERED, "it waits"
    page = in_words(lin.get("/proposal").text)
    assert "规则没有变化，变的是：" in page
    assert "新增  签名：青禾，广告主：青禾贸易，状态：通过" in page, page
    assert "青禾,青禾贸易,,,,approved,," in page, "as it is written, below"
    assert lin.post("/proposal/approve", revision=hidden(lin.get("/proposal").text, "revision")).status_code == 303
    assert two.send("jia", SHANGHAI.format(3), AD) == 0

    draft = opened(chen, SIGNATURES)
    ended = changed(chen, draft, do="end", at="1")
    assert re.search(r"青禾,青禾贸易,,,,approved,,\d{4}-\d\d-\d\d,,,,,,\n", ended["text"])
    assert changed(chen, ended, do="undo")["text"] == draft["text"]
    assert changed(chen, draft, do="remove", at="1")["text"] == draft["text"].splitlines()[0] + "\n"


def test_a_draft_on_rules_whose_own_tests_fail_is_not_said_to_hold(desk: Open) -> None:
    here = desk("chen")
    edited = here.get("/drafts/edit", file="rules.yaml").text
    failing = RULES + "tests:\n  - messages:\n      - {text: 代开发票, want: allow}\n"
    draft = {"base": hidden(edited, "base"), "file": "rules.yaml", "text": failing}
    answer = here.post("/drafts/propose", **draft, why="x", seen="yes")
    assert answer.headers.get("location") == "/proposal", in_words(answer.text)
    try:
        said = in_words(here.post("/tables/check", **changed(here, opened(here, WORDS), do="add", cell_0="彩金")).text)
        assert ("没有新的问题" in said, "现行规则已有的 1 处" in said, "都符合" in said) == (True, True, False), said
    finally:
        here.post("/proposal/withdraw", revision=hidden(here.get("/proposal").text, "revision"), why="over")


@pytest.mark.parametrize(
    ("tongue", "shops"), [("zh", ("退订平台时店铺", "一起停", "照发")), ("en", ("Its shops", "stopped with it", "go on"))]
)
def test_whose_shop_an_advertiser_is_is_entered_in_words(desk: Open, tongue: str, shops: tuple[str, ...]) -> None:
    here, file = desk("chen", tongue), "registries/advertisers.csv"
    draft = changed(here, opened(here, file), do="add", cell_0="青集平台", cell_6="apart")
    draft = changed(here, draft, do="add", cell_0="禾苗店", cell_5="青集平合")
    assert all(word in in_words(here.post("/tables/row", **draft, at="1").text) for word in shops)
    unknown = "无法识别的平台" if tongue == "zh" else "unknown platform"
    assert unknown in in_words(here.post("/tables/check", **draft).text)
    draft = changed(here, draft, do="change", at="2", cell_0="禾苗店", cell_5="青集平台")
    assert draft["text"].endswith("青集平台,,,,,,apart,\n禾苗店,,,,,青集平台,,\n")
    assert "platform" not in in_words(here.post("/tables/check", **draft).text)


def test_a_file_is_brought_as_spreadsheets_save_it_and_taken_away(desk: Open) -> None:
    here = desk("chen")
    taken = here.get("/tables/file", file=WORDS)
    assert taken.content.decode("utf-8-sig").startswith("# one a line\n代开发票")
    draft, csrf = opened(here, WORDS), here.csrf
    for data in ("代开发票\r\n刷单\r\n".encode("gbk"), "\ufeff代开发票\n刷单".encode()):
        answer = here.client.post(
            "/tables/change", data={"csrf": csrf, **draft, "do": "upload"}, files={"csv": ("x.txt", data)}
        )
        assert held(answer.text)["text"] == "代开发票\n刷单\n"
    assert here.post("/tables/change", **draft, do="upload").status_code == 422


def test_a_registry_is_brought_with_chinese_headings_in_any_order(desk: Open) -> None:
    here, file = desk("chen"), "registries/signatures.csv"
    draft, csrf = opened(here, file), here.csrf
    rows = "状态,企业名称,签名,到期日期,备注\n已报备,青禾公司,青禾,2027/6/30,x\n".encode("gbk")

    def bring(**said: str) -> str:
        form = {"csrf": csrf, **draft, "do": "upload", **said}
        return here.client.post("/tables/change", data=form, files={"csv": ("签名.csv", rows)}).text

    assert "无法识别的列：备注" in bring()
    assert "“备注1”" in bring(ignore="备注、备注1"), "the file has no such column"
    found = held(bring(ignore="备注"))["text"].splitlines()
    assert found[1] == "青禾,青禾公司,,,,approved,,2027/6/30,,,,,,"
    assert found[0].startswith("signature,advertiser,group,")


@pytest.mark.parametrize(
    "said", [{"do": "add"}, {"do": "change", "at": "99"}, {"do": "remove", "at": "x"}, {"do": "change", "at": "1"}]
)
def test_a_change_that_cannot_be_made_says_why_and_keeps_the_draft(desk: Open, said: dict[str, str]) -> None:
    here = desk("chen")
    draft = changed(here, opened(here, WORDS), do="add", cell_0="刷单")
    answer = here.post("/tables/change", **draft, **said)
    assert answer.status_code == 422
    assert held(answer.text)["text"] == draft["text"]


@pytest.mark.parametrize(
    "file",
    ["lists/protected.csv", "registries/consents.csv", "registries/../caps.yaml", "lists/../../x.txt", "lexicon/a/b.csv"],
)
def test_the_gate_takes_no_file_about_people_and_none_elsewhere(two: World, file: str) -> None:
    def push() -> None:
        args = {"on": two.ask("chen", "rules")["revision"], "why": "x"}
        with client.Conversation(two.gate.folder / "control.sock", "rules.push", args, token_of("chen")) as talk:
            client.push_files(talk, {file: "recipient\n"})
            talk.answer()

    with pytest.raises(client.CannotAsk, match="must be the name of a rules file, a registry or a list of words"):
        push()


def test_a_list_of_words_in_yaml_stands_there_too_and_is_written_in_the_editor(desk: Open, two: World) -> None:
    """One with groups and look-alike characters is no table: it opens as the rules' files do, is checked as they are, and goes their way."""
    here = desk("tang")
    page = here.get("/tables").text
    assert 'href="/drafts/edit?file=lists/misspelt.yaml"' in page.replace("%2F", "/")
    assert "/drafts/edit" not in desk("wu").get("/tables").text, "a viewer sees that it is there"
    assert "misspelt.yaml" in desk("wu").get("/tables").text
    draft = written(here.get("/drafts/edit", file="lists/misspelt.yaml").text)
    assert draft["text"] == MISSPELT
    wrong = here.post("/drafts/check", **draft | {"text": MISSPELT.replace("alike:", "alikee:")})
    assert "无法识别的键“alikee”（是否应为“alike”？）" in in_words(wrong.text)
    assert two.send("jia", SHANGHAI.format(61), "刻嶂办证") != KEYWORD
    more = MISSPELT.replace("[代开发票]", "[代开发票, 刻章办证]").replace("  票: [漂]", "  票: [漂]\n  章: [嶂]")
    answer = here.post("/drafts/propose", **draft | {"text": more}, why="新的写法", seen="yes")
    assert answer.status_code == 303, in_words(answer.text)
    waits = two.ask("lin", "rules")["proposed"]["revision"]
    assert "刻章办证" in desk("lin").get("/proposal").text
    two.ask("lin", "rules.approve", revision=waits)
    assert two.send("jia", SHANGHAI.format(62), "刻嶂办证") == KEYWORD


def written(page: str) -> dict[str, str]:
    """What the editor's form holds."""
    found = re.search(r'<textarea name="text"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL)
    assert found is not None, page
    return {"base": hidden(page, "base"), "file": hidden(page, "file"), "text": html.unescape(found[1])}


TEMPLATES = "registries/templates.csv"
LIST = "模板CODE,模板类型,模板内容,签名,审核状态\nSMS_1,验证码,您的验证码是${code}，${minutes}分钟内有效,青禾,审核通过\nSMS_2,通知,${who}您好,青禾,审核中\n"


def given(here: Browser, draft: dict[str, str], data: bytes, name: str = "list.csv", **said: str) -> Any:
    form = {"csrf": here.csrf, **draft, "do": "import", **said}
    return here.client.post("/tables/change", data=form, files={"list": (name, data)})


@pytest.mark.parametrize("coding", ["utf-8", "gb18030"])
def test_a_template_list_of_a_cloud_is_read_into_the_draft(desk: Open, coding: str) -> None:
    here = desk("chen", "en")
    draft = changed(here, opened(here, TEMPLATES), do="add", cell_0="SMS_1", cell_1="青禾", cell_5="您好", cell_2="yi")
    answer = given(here, draft, LIST.encode(coding), list_provider="jia")
    text = held(answer.text)["text"]
    assert "SMS_1,青禾,jia,otp,,您的验证码是{code:4-8}，{minutes}分钟内有效,\n" in text
    assert "您好" not in text, "it takes the place of the row with its code"
    said = in_words(answer.text)
    assert "0 added, 1 changed" in said or "1 added" in said
    assert "line 3: SMS_2, 审核中" in said
    assert "Nothing wrong" in here.post("/tables/check", **held(answer.text)).text


def test_what_a_template_list_leaves_open_is_said(desk: Open) -> None:
    here = desk("chen", "en")
    data = "模板CODE,模板内容,签名,备注\nSMS_1,尊敬的**先生您好,青禾,\nSMS_2,手机138****8000已绑定,青禾,\n".encode()
    said = in_words(given(here, opened(here, TEMPLATES), data).text)
    assert "line 2, SMS_1: {x1} may hold any text without a contact" in said
    assert "line 3, SMS_2: **** is compared as fixed text" in said
    assert "Columns that are not read: 备注" in said


def test_of_a_template_list_with_a_bad_row_nothing_is_read(desk: Open) -> None:
    here = desk("chen", "en")
    draft = opened(here, TEMPLATES)
    answer = given(here, draft, (LIST + "SMS_3,彩信,您好,青禾,审核通过\n").encode())
    assert (answer.status_code, held(answer.text)["text"]) == (422, draft["text"])
    assert "list.csv:4: category: &#39;彩信&#39; is none" in answer.text
    assert given(here, draft, b"", "empty.csv").status_code == 422


def test_a_template_list_is_imported_by_command_and_waits_for_a_second_person(desk: Open, two: World, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(LIST, encoding="gb18030")
    secret = tmp_path / "token"
    secret.write_text(token_of("chen"))
    secret.chmod(0o600)
    here = ("rules", "import-templates", file, "--why", "a list", "--config", two.gate.config, "--token-file", secret)
    shown = run(*here, "--check")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "  added SMS_1: 【青禾】 您的验证码是{code:4-8}，{minutes}分钟内有效" in shown.stdout.splitlines()
    assert two.ask("chen", "rules")["proposed"] is None, "nothing has changed"
    done = run(*here, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["added"], answer["changed"], answer["same"]) == (1, 0, 0)
    assert answer["left_out"] == [{"line": 3, "template": "SMS_2", "state": "审核中"}]
    assert answer["proposed"] == answer["revision"] != answer["in_force"]
    assert "您的验证码是{code:4-8}" in in_words(desk("lin").get("/proposal").text)
    again = json.loads(run(*here, "--json").stdout)
    assert (again["same"], again["proposed"]) == (1, ""), "the list is in what waits"
    file.write_text(LIST.replace("审核中", "9"))
    refused = run(*here)
    assert refused.returncode == 2
    assert "list.csv:3: state: '9' says not whether it was approved" in refused.stderr
    assert "1 bad rows of" in refused.stderr
    two.ask("chen", "rules.withdraw", revision=answer["revision"], why="a test")


def test_a_signature_and_its_advertiser_are_one_proposal_by_one_form(desk: Open, two: World) -> None:
    chen, lin = desk("chen"), desk("lin")
    assert 'class="sheet" id="signature"' in chen.get("/tables").text  # where Today leads
    said = {
        "signature": "云帆学堂",
        "advertiser": "云帆教育有限公司",
        "licence": "91000000SYNTH00101",
        "provider": "jia",
        "to": "2037/6/30",
    }
    done = chen.post("/tables/signature", **said, why="新客户", seen="yes")  # the registry of advertisers may be the first
    assert done.headers.get("location") == "/proposal", in_words(chen.post("/tables/check", **held(done.text)).text)
    page = in_words(lin.get("/proposal").text)
    for words in (
        "签名：云帆学堂，广告主：云帆教育有限公司，通道商：jia，状态：通过",
        "广告主：云帆教育有限公司，执照号：91000000SYNTH00101",
    ):
        assert words in page, page
    lin.post("/proposal/approve", revision=hidden(lin.get("/proposal").text, "revision"))
    ad = AD.replace(AD[1 : AD.index("】")], "云帆学堂")
    assert (two.send("jia", SHANGHAI.format(31), ad), two.send("jia", SHANGHAI.format(32), AD.replace("【", "【无"))) == (
        0,
        UNREGISTERED,
    )
    other = said | {"signature": "云上", "advertiser": "云上教育有限公司", "licence": "91000000SYNTH00102"}
    for licence in ("91000000SYNTH00102", "91000000SYNTH00103"):  # beside what waits already, and of the same
        done = chen.post("/tables/signature", **other | {"licence": licence}, why="新客户", seen="yes")
        assert done.headers.get("location") == "/proposal", in_words(done.text)
    page = in_words(lin.get("/proposal").text)
    assert (page.count("签名：云上，"), page.count("执照号：91000000SYNTH00103"), "SYNTH00102" in page) == (1, 1, False), page
    chen.post("/proposal/withdraw", revision=hidden(chen.get("/proposal").text, "revision"), why="over")
    again = chen.post("/tables/signature", **said | {"signature": "云帆", "to": "nonsense"}, why="x")
    assert (again.status_code, "有错误" in again.text or "错误" in again.text) == (422, True), again.text
