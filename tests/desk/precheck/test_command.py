"""``gate106 precheck`` says what would become of each text of a campaign."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.commands import app

RULES = """
lists: {protected: {file: protected.csv}}
rules:
  - {id: ban, say: 北京不发, when: {category: marketing, province: 北京}, then: reject, reason: region-ban}
  - {id: words, when: {text: 代开发票}, then: reject, reason: keyword}
  - {id: tail, when: {category: marketing, not: {notice: tail}}, then: reject, reason: notice-missing}
  - {id: cap, when: {category: marketing}, limit: {count: 2, per: day, key: [recipient]}, then: reject, reason: recipient-cap}
  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
  - {id: minors, when: {recipient_in: protected}, then: reject, reason: protected}
  - {id: trial, when: {category: marketing}, then: reject, reason: keyword, mode: shadow}
"""
FINE, BAD, CODE = "【甲店】双11券 拒收请回复R", "【甲店】代开发票 电13912345678", "【甲店】验证码482913"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "x.yaml").write_text(RULES)
    (tmp_path / "rules" / "protected.csv").write_text("13800250777\n")
    return tmp_path / "rules"


def ask(rules: Path, content: bytes | str, *more: str, name: str = "campaign.csv") -> Any:
    file = rules.parent / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return CliRunner().invoke(app, ["precheck", str(file), "--rules", str(rules), "--at", "2026-11-11 10:00", *more])


def told(rules: Path, content: bytes | str, *more: str, name: str = "campaign.csv") -> list[dict[str, Any]]:
    done = ask(rules, content, "--from", "10690001", "--json", *more, name=name)
    assert done.exit_code in (0, 1), done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["texts"]
    return found


def test_a_person_of_whom_nothing_is_to_be_said_is_a_count_in_words_too(rules: Path) -> None:
    done = ask(rules, f"text,to\n{FINE},13800250777\n{FINE},13800210500\n{FINE},13800100500\n", "--from", "10690001")
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert "号码 3 个：放行 1；" in done.stdout
    assert "不得发送给该号码 1" in done.stdout
    assert "该省号码不得接收 1（138****0500）" in done.stdout
    assert "138****0777" not in done.stdout


def test_a_text_is_told_what_is_known_whoever_gets_it_where_it_is_not_and_what_depends(rules: Path) -> None:
    fine, bad = told(rules, f"{FINE}\n{BAD}\n", name="campaign.txt")
    assert (fine["verdict"], fine["objections"], fine["recipients"]) == ("allow", [], None)
    assert [(one["rule"], one["where"], one["change"]) for one in fine["somewhere"]] == [
        ("ban", ["北京"], "leave out people who live there")
    ]
    assert [(one["rule"], one["reason"]) for one in fine["depends"]] == [
        ("refused", "not-permitted"), ("minors", "not-permitted"), ("cap", "recipient-cap"),
    ]  # fmt: skip
    assert (bad["verdict"], [one["rule"] for one in bad["objections"]]) == ("reject", ["tail", "words"])
    assert bad["objections"][1]["change"] == "take out the words that were found"


def test_people_are_judged_in_turn_and_those_of_whom_a_list_knows_something_are_only_counted(rules: Path) -> None:
    people = ["13800250500", "+86 138 0025 0500", "13800250500", "13800100500", "13800250777"]
    (fine,) = told(rules, "text,to\n" + "".join(f"{FINE},{one}\n" for one in people))
    assert fine["recipients"] == {
        "total": 5, "allow": 2, "refused": {"recipient-cap": 1, "region-ban": 1, "not-permitted": 1},
        "shown": {"recipient-cap": ["138****0500"], "region-ban": ["138****0500"]},
    }  # fmt: skip


def test_caps_count_over_the_whole_campaign(rules: Path) -> None:
    texts = told(rules, "text,to\n" + "".join(f"【甲店】第{n}款 拒收请回复R,13800250500\n" for n in "一二三"))
    assert [one["recipients"]["allow"] for one in texts] == [1, 1, 0]


def test_no_whole_number_and_no_code_is_shown(rules: Path) -> None:
    content = f"text,to\n{BAD},13800250500\n{CODE},13800250501\n"
    for more in (("--json",), ("--lang", "zh"), ("--lang", "en")):
        shown = ask(rules, content, "--from", "10690001", *more).output
        assert "139****5678" in shown
        for secret in ("13912345678", "13800250500", "13800250501", "482913"):
            assert secret not in shown


def test_the_answer_in_chinese(rules: Path) -> None:
    done = ask(rules, f"text,to\n{FINE},13800250500\n{BAD},\n", "--from", "10690001", "--lang", "zh")
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "第 2 行：放行：【甲店】双11券 拒收请回复R",
        "  拒绝 该省号码不得接收（ban），归属地 北京：北京不发",
        "    要通过：不发给归属地在那里的号码",
        "  取决于号码：refused, minors, cap",
        "  号码 1 个：放行 1",
        "第 3 行：拒绝：【甲店】代开发票 电139****5678",
        "  拒绝 没有退订方式或位置不对（tail）",
        "    要通过：按规则要求在末尾写明退订方式（拒收请回复R）",
        "  拒绝 禁发词（words）",
        "    要通过：去掉命中的字词",
        "  拒绝 该省号码不得接收（ban），归属地 北京：北京不发",
        "    要通过：不发给归属地在那里的号码",
        "  取决于号码：refused, minors, cap",
        "refused（不得发送给该号码）要看：号码拒收这类短信",
        "minors（不得发送给该号码）要看：号码在名单 保护号码 上",
        "cap（这个号码收够了）要看：同一号码每天 2 条",
        "共 2 条文案，1 条无论发给谁都会被拒。号码收过什么、是否回复过退订，这里不知道。",
    ]


def test_exit_0_when_nothing_is_refused_whoever_gets_it(rules: Path) -> None:
    assert ask(rules, FINE, "--from", "10690001", name="a.txt").exit_code == 0
    assert ask(rules, BAD, "--from", "10690001", name="a.txt").exit_code == 1


@pytest.mark.parametrize(
    "content",
    [
        f"text,to\r\n{FINE},13800250500\r\n".encode(), f"\ufefftext,to\n{FINE},13800250500\n".encode(),
        f"内容,姓名,手机号\n{FINE},某某,13800250500\n".encode("gbk"), f"号码,短信内容\n13800250500,{FINE}\n".encode("utf-16"),
        f"to,text,from\n13800250500,{FINE},10690001\n\n".encode(),
    ],
    ids=["crlf", "bom", "gbk", "utf-16", "columns"],
)  # fmt: skip
def test_files_as_people_save_them(rules: Path, content: bytes) -> None:
    (one,) = told(rules, content)
    assert (one["line"], one["text"], one["recipients"]["allow"]) == (2, FINE, 1)


@pytest.mark.parametrize(
    ("content", "more", "said"),
    [
        ("", ("--from", "1069"), "campaign.csv:1: no column 'text' in the heading (text,to,from; a file of plain lines ends in .txt)"),
        ("text,to\n", ("--from", "1069"), "campaign.csv: holds no text (one a line, or CSV with a column text)"),
        ("texts,to\nx,1\n", ("--from", "1069"), "campaign.csv:1: no column 'text' in the heading (text,to,from; a file of plain lines ends in .txt)"),
        (f"text,to\n{FINE},02512345678\n", ("--from", "1069"), "campaign.csv:2: to: a landline"),
        (f"text,to\n{FINE},13800250500\n,13800250500\n", ("--from", "1069"), "campaign.csv:3: text: is empty"),
        (f"text,from\n{FINE},jia\n", (), "campaign.csv:2: from: 'jia' is no port (at most 20 digits)"),
        (f"text\n{FINE}\n", (), "campaign.csv:2: no port (say --from, or add a column from)"),
        (f"text,\n{FINE},\n【甲店】退款1,280.00元,x\n", ("--from", "1069"), "campaign.csv:3: 3 columns, the heading has 2"),
        (f"text\n{'长' * 4000}\n", ("--from", "1069"), "campaign.csv:2: text: longer than 3060 characters"),
        (f"text\n{FINE}\n", ("--from", "1069", "--category", "ad"), "unknown category 'ad' (one of otp, notice, marketing)"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line_and_exit_2(rules: Path, content: str, more: tuple[str, ...], said: str) -> None:
    done = ask(rules, content, *more)
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("gate106: ")
    assert said in line


def test_a_file_that_is_not_there_and_ports_of_others_are_told(rules: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["precheck", str(tmp_path / "none.csv"), "--rules", str(rules), "--from", "1069"])
    assert (done.exit_code, done.stderr) == (2, f"gate106: {tmp_path}/none.csv: cannot be read: No such file or directory\n")
    settings = tmp_path / "gate106.yaml"
    settings.write_text(
        f"store: sqlite:///{tmp_path}/s.db\njournal: {tmp_path}/j\nrules: {rules}\n"
        "carriers: [{name: bj, host: h, port: 1, system_id: g, password: x}]\n"
        "providers: [{name: jia, system_id: jia, password: x, ports: ['1069001']}]\n"
    )
    done = ask(rules, f"text\n{FINE}\n", "--config", str(settings), "--provider", "jia", "--from", "1069002")
    assert done.exit_code == 2
    assert done.stderr.endswith("campaign.csv:2: from: 1069002 is none of the ports of 'jia' in the settings\n")
    done = ask(rules, f"text\n{FINE}\n", "--config", str(settings), "--provider", "jia", "--from", "10690011")
    assert done.exit_code == 0
    assert "no gate answers at" in done.stderr, "nobody could be asked for orders"


def test_a_text_that_is_no_template_is_told_which_variable_did_not_fit(rules: Path) -> None:
    (rules / "x.yaml").write_text(
        "rules:\n  - {id: filed, when: {template: mismatched}, then: reject, reason: template-mismatch}\n"
    )
    (rules / "registries").mkdir()
    (rules / "registries" / "templates.csv").write_text("due,甲店,,notice,,请于{date}前还款{money}元\n")
    (one,) = told(rules, "【甲店】请于11月41日前还款100元\n", name="campaign.txt")
    (objection,) = one["objections"]
    assert "template 'due': {date} '11月41日' is not what was filed: a date" in objection["change"]
    done = ask(rules, "【甲店】请于11月41日前还款100元\n", "--from", "10690001", "--lang", "zh", name="campaign.txt")
    assert "模板“due”：{date} “11月41日” 与报备的不符：应为日期" in done.stdout
