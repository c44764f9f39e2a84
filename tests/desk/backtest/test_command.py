"""``gate106 backtest`` on a journal: output, files and errors."""

from __future__ import annotations

import gc
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from proxy.journal.encoding import pack
from proxy.journal.records import gate_events, messages
from proxy.policy.loading.load_rules import load
from proxy.state.revision_store import RevisionStore
from tests.commands import app
from tests.harness import BEIJING, RULES, SHANGHAI, Harness

AD = "【测试】<b>双11</b>好礼&满100减50, 电话13912345678 拒收请回复R"
SETTINGS = """
store: sqlite:///{folder}/state.db
journal: {folder}/journal
rules: {folder}/rules
carriers: [{{name: bj, code: B1, host: 127.0.0.1, port: 2776, system_id: gate106, password: secret}}]
providers:
  - {{name: jia, system_id: jia, password: secret, ports: ["1069001"], category: marketing}}
  - {{name: yi, system_id: yi, password: secret, ports: ["1069002"], category: marketing}}
"""


@pytest.fixture(autouse=True)
def uncollected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backtest collects what its own process has; here that is all that the tests before have left, a tenth of a second each time."""
    monkeypatch.setattr(gc, "collect", lambda *_: 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made(tmp_path)


def made(tmp_path: Path, text: str = RULES) -> Path:
    """Settings, rules and a journal: six messages, of which two were refused."""
    harness = Harness(tmp_path, rules=text)
    rules = harness.relay.rules
    harness.journal.append(
        messages.RULES, pack(gate_events.Rules(harness.now, rules.revision, tuple(rule.id for rule in rules.rules)))
    )
    harness.journal.write(harness.now)
    for person in (SHANGHAI, SHANGHAI, SHANGHAI, SHANGHAI, SHANGHAI + 1, BEIJING):
        harness.now += 700
        harness.submit("jia", person, AD)
    (tmp_path / "journal").mkdir()
    for name in harness.disk.list():
        (tmp_path / "journal" / name).write_bytes(harness.disk.read(name))
    (tmp_path / "gate106.yaml").write_text(SETTINGS.format(folder=tmp_path), encoding="utf-8")
    return tmp_path


def asked(folder: Path, *more: object) -> Result:
    return CliRunner().invoke(app, ["backtest", "--config", str(folder / "gate106.yaml"), *map(str, more)])


BAN = "  - {id: ban-sh, say: 上海不发, when: {province: 上海}, DATES then: reject, reason: region-ban}\n"


def with_ban(folder: Path, dates: str) -> Path:
    (folder / "new").mkdir()
    (folder / "new" / "rules.yaml").write_text(RULES + BAN.replace("DATES", dates), encoding="utf-8")
    return folder / "new"


def lower_cap(folder: Path) -> Path:
    (folder / "new").mkdir()
    (folder / "new" / "rules.yaml").write_text(RULES.replace("count: 3", "count: 2"), encoding="utf-8")
    return folder / "new"


LATER = "2025-11-11 20:00"
"""After the journal's end."""


@pytest.mark.parametrize(
    "dates",
    [
        f'active: {{from: "{LATER}"}},',
        f'active: [{{from: "{LATER}", to: 2026-01-01}}, {{from: 2027-01-01}}],',
        f'trial: {{until: "{LATER}"}},',
        f'active: {{from: "{LATER}"}}, trial: {{until: 2026-01-01}},',
    ],
)
def test_a_rule_of_next_week_is_judged_as_if_it_were_in_force_and_the_result_says_so(folder: Path, dates: str) -> None:
    new = with_ban(folder, dates)
    told = json.loads(asked(folder, "--rules", new, "--json").stdout)
    assert (told["newly_refused"]["by_rule"], told["as_begun"]) == ({"ban-sh": 4}, ["ban-sh"]), "of six two were refused then"
    note = "hypothetical, for these rules decide later and are judged as if they did already: ban-sh"
    assert (told["notes"], told["says"]) == ([note], {"ban-sh": "上海不发"})
    assert asked(folder, "--rules", new, "--html", folder / "page.html", "--lang", "zh").exit_code == 1
    assert (
        "假设结果：以下规则尚未到执行时间" in (folder / "page.html").read_text(encoding="utf-8").partition('class="tiles"')[0]
    )

    dated = json.loads(asked(folder, "--rules", new, "--as-dated", "--json").stdout)
    assert (dated["differences"], dated["as_begun"]) == (0, [])
    assert any("decided nothing, for they are not active yet: ban-sh" in one for one in dated["notes"]) is ("active" in dates)
    assert ("ban-sh" in dated["to_come"]) is ("active" in dates)


@pytest.mark.parametrize("dates", ["active: {from: 2025-11-01},", "active: {to: 2025-11-01},", ""])
def test_a_rule_that_does_not_wait_is_judged_by_its_dates(folder: Path, dates: str) -> None:
    told = json.loads(asked(folder, "--rules", with_ban(folder, dates), "--json").stdout)
    assert told["as_begun"] == told["notes"] == []
    assert told["newly_refused"]["by_rule"] == ({} if "to" in dates else {"ban-sh": 4}), "what is over stays over"


@pytest.mark.parametrize("where", ["kept", "folder"])
def test_what_waits_in_the_set_in_force_waits_in_the_rehearsal_of_another(tmp_path: Path, where: str) -> None:
    """Only what would be new is rehearsed. The set in force is found among those that are kept, or in the folder."""
    waits = RULES + BAN.replace("DATES", f'active: {{from: "{LATER}"}},')
    folder = made(tmp_path, waits)
    revision = load(folder / "rules").revision
    if where == "kept":
        RevisionStore(folder / "revisions", 10).save(revision, {"rules.yaml": waits.encode()})
        (folder / "rules" / "rules.yaml").write_text(RULES, encoding="utf-8")
    assert json.loads(asked(folder, "--rules", revision if where == "kept" else "", "--json").stdout)["differences"] == 0
    for changed, begun, newly in (("count: 2", [], {"cap": 1}), ("21:00", ["ban-sh"], {"ban-sh": 4})):
        other = folder / f"other {changed[0]}"
        other.mkdir()
        text = waits.replace("count: 3" if changed.startswith("count") else "20:00", changed)
        (other / "rules.yaml").write_text(text, encoding="utf-8")
        told = json.loads(asked(folder, "--rules", other, "--json").stdout)
        assert (told["as_begun"], told["newly_refused"]["by_rule"]) == (begun, newly)


def test_by_the_rules_in_force_nothing_is_otherwise(folder: Path) -> None:
    done = asked(folder)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "6 messages judged again" in done.stdout
    assert "no differences" in done.stdout
    told = json.loads(asked(folder, "--json").stdout)
    assert (told["differences"], told["then"], told["now"]) == (0, told["now"], {"allow": 4, "defer": 0, "reject": 2})


def test_other_rules_are_told_in_words_and_for_programs(folder: Path) -> None:
    new = lower_cap(folder)
    done = asked(folder, "--rules", new)
    assert done.exit_code == 1
    assert re.search(
        r"newly refused: 1\n  by rule: cap 1\n  by provider: jia 1\n  by province: 上海 1\n  by category: marketing 1\n",
        done.stdout,
    )
    assert "138****0000: allow → reject recipient-cap (cap): 【测试】<b>双11</b>好礼&满100减50, 电话139****5678" in done.stdout
    assert str(SHANGHAI) not in done.stdout
    told: dict[str, Any] = json.loads(asked(folder, "--rules", new, "--json").stdout)
    assert told["newly_refused"] == {
        "total": 1, "by_rule": {"cap": 1}, "by_provider": {"jia": 1}, "by_province": {"上海": 1}, "by_category": {"marketing": 1},
    }  # fmt: skip
    (example,) = told["examples"]
    assert (example["then"]["outcome"], example["now"]["rule"], example["recipient"]) == ("allow", "cap", "138****0000")
    assert sum(one["newly_refused"] for one in told["hours"]) == 1


def test_the_page_opens_offline_and_escapes_what_strangers_wrote(folder: Path) -> None:
    html = folder / "page.html"
    assert asked(folder, "--rules", lower_cap(folder), "--html", html, "--lang", "zh").exit_code == 1
    page = html.read_text(encoding="utf-8")
    assert "这套规则会带来什么变化" in page
    assert "&lt;b&gt;双11&lt;/b&gt;好礼&amp;满100" in page
    assert page.count("<svg") == 5, "the hours, and newly refused by rule, provider, province, category"
    assert not re.search(r"<script|<link|<img|https?:|url\(|@import|\son\w+=", page), "nothing runs, nothing is fetched"
    assert str(SHANGHAI) not in page
    assert "13912345678" not in page
    assert html.stat().st_mode & 0o077 == 0
    assert asked(folder, "--html", html, "--lang", "en").exit_code == 0
    assert "No differences" in html.read_text(encoding="utf-8")


def test_a_set_that_was_in_force_is_named_by_its_first_digits(folder: Path) -> None:
    kept = RevisionStore(folder / "revisions", 10)
    kept.save("0123456789abcdef", {"rules.yaml": RULES.replace("count: 3", "count: 2").encode()})
    done = asked(folder, "--rules", "0123")
    assert (done.exit_code, "newly refused: 1" in done.stdout) == (1, True)
    kept.save("0123f00000000000", {"rules.yaml": RULES.encode()})
    done = asked(folder, "--rules", "0123")
    assert done.stderr == "gate106: --rules: '0123' may be 0123456789abcdef or 0123f00000000000: give more digits\n"


def test_only_the_time_that_is_asked_for_is_judged(folder: Path) -> None:
    told = json.loads(asked(folder, "--since", "20m", "--json").stdout)
    assert (told["messages"], told["differences"]) == (2, 0)
    assert json.loads(asked(folder, "--since", "all", "--json").stdout)["messages"] == 6


@pytest.mark.parametrize("processes", [2, 0])
def test_several_processes_say_the_same(folder: Path, processes: int) -> None:
    new = lower_cap(folder)
    one, more = (json.loads(asked(folder, "--rules", new, "--json", "--processes", n).stdout) for n in (1, processes))
    for clock in ("seconds", "processes", "messages_per_second"):
        del one[clock], more[clock]
    assert one == more


def test_a_provider_that_the_settings_do_not_name_is_told(folder: Path) -> None:
    settings = folder / "gate106.yaml"
    settings.write_text(settings.read_text().replace("name: jia, system_id: jia", "name: bing, system_id: bing"))
    assert "note: the settings do not name jia: their default category is taken to be marketing" in asked(folder).stdout


def test_what_cannot_be_done_is_one_line_and_exit_2(folder: Path) -> None:
    bad, empty = folder / "bad", folder / "empty"
    bad.mkdir()
    empty.mkdir()
    (bad / "rules.yaml").write_text("rules:\n  - {id: x, when: {categroy: otp}, then: reject, reason: otp-cap}\n")
    torn = min((folder / "journal").glob("*.journal"))
    for more, said in (
        (("--rules", bad), "rules.yaml:2: "),
        (("--rules", "0123"), "--rules: '0123' is neither a folder nor a set that is kept"),
        (("--rules", "ab"), "--rules: 'ab' is neither a folder"),
        (("--since", "soon"), "--since: 'soon' is no duration"),
        (("--journal", folder / "nowhere"), "no such folder"),
        (("--journal", empty), "the journal is empty"),
        (("--html", folder / "nowhere" / "page.html"), "No such file or directory"),
    ):
        done = asked(folder, *more)
        assert (done.exit_code, done.stdout) == (2, ""), more
        assert done.stderr.startswith("gate106: ")
        assert said in done.stderr
    data = bytearray(torn.read_bytes())
    data[200] ^= 1
    torn.write_bytes(data)
    done = asked(folder)
    assert done.exit_code == 2
    assert "is damaged at offset" in done.stderr
