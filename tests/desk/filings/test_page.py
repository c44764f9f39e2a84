"""Filings at the command line and in the console, against a real gate: tasks, import, export, letters."""

from __future__ import annotations

import csv
import hashlib
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.console.world import Browser, World, hidden, token_of
from tests.e2e.gate import Gate, keep_secret, run

RULES = """\
rules:
  - id: refused-filing
    say: 报备被驳回的不放行
    basis: carrier policy
    when: {filing: refused}
    then: reject
    reason: filing-expired
"""
REFUSED, SENT = 0x446, 0
TEXT = "【甲苑】春风十里，静候君来 拒收请回复R"
NANJING = "13800250508"


def with_rules(gate: Gate) -> None:
    gate.write_rules(RULES)
    (gate.rules / "registries").mkdir(exist_ok=True)
    (gate.rules / "registries" / "signatures.csv").write_text("甲苑,甲置业,,,,approved,,,company,,陈一,林二,,own\n")
    (gate.rules / "registries" / "licences.csv").write_text("甲置业,预售许可证,1,,2020-12-31\n")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    found = World(tmp_path_factory.mktemp("filings"), before=with_rules)
    yield found
    found.stop()


@pytest.fixture(autouse=True)
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE106_TOKEN_FILE", str(keep_secret(tmp_path / "token", token_of("song"))))


def ask(world: World, *words: str | Path, code: int = 0) -> Any:
    done = run(*words, "--config", world.gate.config, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if done.stdout else done.stderr


def sheet(folder: Path, *rows: str, coding: str = "utf-8-sig") -> Path:
    path = folder / "报备.csv"
    path.write_text("\n".join(("签名,运营商,省份,报备状态,驳回原因", *rows)) + "\n", encoding=coding)
    return path


def test_a_sheet_comes_into_force_with_the_next_message_and_a_bad_one_changes_nothing(world: World, tmp_path: Path) -> None:
    assert world.send("jia", NANJING, TEXT) == SENT
    file = sheet(tmp_path, "甲苑,移动,江苏,驳回,授权书不清", "没有,移动,江苏,驳回,", "甲苑,移通,江苏,驳回,", coding="gb18030")
    said = ask(world, "filing", "import", file, "--why", "x", code=2)
    assert "报备.csv:3: 签名: '没有' is not registered" in said
    assert "报备.csv:4: 运营商: unknown carrier '移通'" in said
    assert "2 bad rows of 3: nothing was imported" in said
    assert world.send("jia", NANJING, TEXT) == SENT
    good = sheet(tmp_path, "甲苑,移动,江苏,驳回,授权书不清")
    assert ask(world, "filing", "import", good, "--why", "x", "--check")["added"] == {"filings": 1}
    assert world.send("jia", NANJING, TEXT) == SENT
    assert ask(world, "filing", "import", good, "--why", "results")["added"] == {"filings": 1}
    assert world.send("jia", NANJING, TEXT) == REFUSED
    assert ask(world, "filing", "import", good, "--why", "again")["revision"] == ""


def test_tasks_name_what_is_due_and_who_answers(world: World, tmp_path: Path) -> None:
    tasks = ask(world, "filing", "list-tasks")["tasks"]
    assert [(one["kind"], one["who"], one["overdue"]) for one in tasks if one["kind"] == "licence-expires"] == [
        ("licence-expires", "林二", True)
    ]
    lines = run("filing", "list-tasks", "--kind", "licence-expires", "--config", world.gate.config).stdout.splitlines()
    assert "2020-12-31 overdue" in lines[-1]
    assert ask(world, "filing", "list-tasks", "--who", "nobody")["tasks"] == []


def test_a_registry_goes_out_as_a_sheet_and_comes_back_the_same(world: World, tmp_path: Path) -> None:
    for name, lang in (("a.csv", "en"), ("b.xlsx", "zh")):
        file = tmp_path / name
        assert ask(world, "filing", "export", file, "--table", "signatures", "--lang", lang)["rows"] == 1
        assert ask(world, "filing", "import", file, "--why", "x")["revision"] == ""
    assert next(csv.reader((tmp_path / "a.csv").open(encoding="utf-8-sig")))[:2] == ["signature", "advertiser"]
    rows = openpyxl.load_workbook(tmp_path / "b.xlsx").active
    assert rows is not None
    assert [cell.value for cell in next(rows.iter_rows())][:2] == ["签名", "企业名称"]


def test_a_letter_is_registered_by_its_digest_and_proved_later(world: World, tmp_path: Path) -> None:
    letter, other = tmp_path / "letter.pdf", tmp_path / "other.pdf"
    letter.write_bytes(b"a letter")
    other.write_bytes(b"another")
    told = ask(world, "filing", "register-letter", letter, "--of", "甲苑", "--why", "sent by post")
    assert (told["rows"], told["sha256"]) == (1, hashlib.sha256(b"a letter").hexdigest())
    assert ask(world, "filing", "register-letter", letter, "--of", "甲苑", "--check")["registered"] is True
    assert ask(world, "filing", "register-letter", other, "--of", "甲苑", "--check", code=1)["registered"] is False
    assert (
        ask(world, "filing", "register-letter", other, "--of", "甲置业", "--licence", "预售许可证", "--why", "x")["rows"] == 1
    )
    assert "no signature '没有' is registered" in ask(
        world, "filing", "register-letter", letter, "--of", "没有", "--why", "x", code=2
    )
    assert "--why is missing" in ask(world, "filing", "register-letter", other, "--of", "甲苑", code=2)


def test_a_letter_that_waits_for_a_second_person_is_not_registered_yet(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    two = World(tmp_path_factory.mktemp("two"), before=with_rules, revisions={"four_eyes": True})
    try:
        letter = tmp_path / "letter.pdf"
        letter.write_bytes(b"a letter")
        assert ask(two, "filing", "register-letter", letter, "--of", "甲苑", "--why", "sent by post")["proposed"] is True
        assert ask(two, "filing", "register-letter", letter, "--of", "甲苑", "--check", code=1)["registered"] is False
        two.ask("lin", "rules.approve", revision=two.ask("wu", "rules")["proposed"]["revision"])
        assert ask(two, "filing", "register-letter", letter, "--of", "甲苑", "--check")["registered"] is True
    finally:
        two.stop()


def test_today_says_what_is_to_be_done_about_filings_and_leads_to_as_many(tmp_path: Path) -> None:
    def with_a_refused_one(gate: Gate) -> None:
        with_rules(gate)
        (gate.rules / "registries" / "signatures.csv").write_text("甲苑,甲置业,,,,approved,,,company,,陈一,lin,,own\n")
        (gate.rules / "registries" / "filings.csv").write_text("甲苑,移动,,refused,,,,无资质\n")

    world = World(tmp_path, before=with_a_refused_one)
    try:
        here = Browser(world, "lin")
        text = here.part("/today/waits").text
        assert "项由您经办的报备被驳回" in text, text
        assert "报备已到期" not in text
        (link,) = re.findall(r'href="(/filings[^"]*kind=refused[^"]*)"', text)
        assert "1 件待办" in here.get(html.unescape(link)).text
    finally:
        world.stop()


@pytest.mark.parametrize(("language", "title", "due"), [("zh", "签名报备", "逾期"), ("en", "Filings", "overdue")])
def test_the_page_lists_tasks_in_both_languages(world: World, language: str, title: str, due: str) -> None:
    page = Browser(world, "wu", language).get("/filings").text
    assert f"<h1>{title}</h1>" in page
    assert due in page
    assert "林二" in page
    assert 'action="/filings/import"' not in page
    assert 'action="/filings/import"' in Browser(world, "chen", language).get("/filings").text


def test_the_page_takes_sheets_in_gives_them_out_and_registers_letters(world: World) -> None:
    officer = Browser(world, "chen", "zh")
    rows = "签名,运营商,省份,报备状态,备注\n甲苑,联通,浙江,{},老客户\n"
    bad = officer.post("/filings/import", files={"file": ("a.csv", rows.format("好").encode())}, why="x")
    assert bad.status_code == 409
    assert "第 2 行" in bad.text
    checked = officer.post("/filings/import", files={"file": ("a.csv", rows.format("已报备").encode())}, why="x", check="yes")
    assert checked.headers["location"] == "/filings"
    told = officer.get("/filings").text
    assert "将新增 1 行" in told
    assert "没有读的列：备注" in told
    file = {"file": ("a.csv", rows.format("已报备").encode())}
    seen = officer.post("/filings/preview", files=file)
    assert "不读取无法识别的列：“备注”" in seen.text
    assert "将新增 1 行" in seen.text
    lost = officer.post("/filings/import", files=file, why="结果", seen=hidden(seen.text, "seen"))
    assert '<details class="dialog" name="dialogs" open>' in lost.text, "to choose the file again"
    assert (lost.status_code, "无法识别“备注”列" in lost.text) == (409, True)
    done = officer.post("/filings/import", files=file, why="结果", ignore="备注")
    assert done.status_code == 303, done.text
    assert "新增 1 行" in officer.get("/filings").text
    assert officer.post("/filings/letter", files={"file": ("l.pdf", b"new letter")}, of="甲苑", why="x").status_code == 303
    other = officer.post(
        "/filings/preview",
        files={"file": ("b.csv", "签名,经办人\n甲苑,林二\n".encode())},
        ignore="备注",
        seen="of another file",
    )
    assert ("共 1 行" in other.text, "备注" in other.text) == (True, False), "what was dropped of another file is not asked for"
    out = Browser(world, "zhou", "zh").post("/filings/export", table="filings", end=".csv")
    assert out.status_code == 200, out.text
    assert "甲苑,联通,浙江,filed" in out.text
    assert Browser(world, "wu").post("/filings/export", table="filings", end=".csv").status_code == 403


def test_the_tables_page_edits_filings_with_their_own_states(world: World) -> None:
    officer = Browser(world, "chen", "zh")
    page = officer.get("/tables/one", file="registries/filings.csv").text
    assert "复审截止" in page
    form = {name: hidden(page, name) for name in ("base", "file")}
    assert "被驳回" in officer.post("/tables/row", text="", at="", **form).text
    form["file"] = "registries/signatures.csv"
    assert "被驳回" not in officer.post("/tables/row", text="", at="", **form).text
