"""Each mistake that people make, as a bad file in tests/data/mistakes, with the exact message for its author."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from proxy.config import Account, Provider
from proxy.model.message import Category
from proxy.policy import time_windows
from proxy.policy.loading.check import check
from proxy.policy.loading.lint import lint
from proxy.policy.registries.regions import Regions
from tests.commands import app
from tests.examples import examples
from tests.policy.conftest import Write
from tests.policy.test_properties import (
    DRAFTS,
    EXEMPTIONS,
    MESSAGES,
    PEOPLE,
    SENDERS,
    TEXTS,
    WHENS,
    Draft,
    Sent,
    World,
    fits,
    rules_of,
)

FILES = Path(__file__).parent.parent / "data" / "mistakes"
JIA = Provider(
    "jia", (Account("jia", "x", None, None, None),), ("1069",), (), None, 4, 64, Category.MARKETING, "vendor", "none", None
)

MISTAKES = [
    ("anchor-bomb.yaml", 'anchor-bomb.yaml:1: aliases repeat more than 20000 values'),
    ("bad-date.yaml", "bad-date.yaml:4: active: '2026-02-29' is no date of the calendar"),
    ("bracket-left-open.yaml", "bracket-left-open.yaml:3: did not find expected ',' or ']' (a [ is not closed, or a comma is missing)"),
    ("chinese-colon.yaml", "chinese-colon.yaml:3: when: unknown key 'category：marketing' (： is no mark of YAML: write a colon and a space): write `    when: {category: marketing}`"),
    ("colon-in-text.yaml", 'colon-in-text.yaml:3: mapping values are not allowed in this context (a text with a colon needs quotes; or the line stands too deep)'),
    ("contradicting-exemptions.yaml", "contradicting-exemptions.yaml:6: rule 'b' keeps 'a', which 'c' (rules/contradicting-exemptions.yaml:10) switches off for the same messages (make one of the two say what is meant)"),
    ("contradicting-notices.yaml", "contradicting-notices.yaml:6: rule 'b' contradicts 'a' (rules/contradicting-notices.yaml:2): one refuses what the other asks for, nothing passes (drop one of the two)"),
    ("contradicting-provinces.yaml", "contradicting-provinces.yaml:6: rule 'b' contradicts 'a' (rules/contradicting-provinces.yaml:2): one refuses what the other asks for, nothing passes (drop one of the two)"),
    ("contradicting-rules.yaml", "contradicting-rules.yaml:6: rule 'b' contradicts 'a' (rules/contradicting-rules.yaml:2): one refuses what the other asks for, nothing passes (drop one of the two)"),
    ("date-in-another-order.yaml", "date-in-another-order.yaml:4: active: '11/11/2026' is no date (like 2026-11-11, or 2026-11-11 21:00)"),
    ("duplicate-id.yaml", "duplicate-id.yaml:6: id: 'a' is taken already (rules/duplicate-id.yaml:2)"),
    ("duplicate-key.yaml", "duplicate-key.yaml:5: a key stands here twice: 'then'"),
    ("indented-badly.yaml", "indented-badly.yaml:4: did not find expected '-' indicator (the line does not begin where those above it do)"),
    ("limit-beyond-history.yaml", 'limit-beyond-history.yaml:4: limit: per: 10000d needs more history than is kept (at most 366d)'),
    ("limit-beyond-record.yaml", 'limit-beyond-record.yaml:4: limit: count 100 needs more history than is kept (at most 64 messages a person)'),
    ("merge-key.yaml", 'merge-key.yaml:3: merge keys (<<) are not understood here: write the keys out'),
    ("no-space-behind-dash.yaml", 'no-space-behind-dash.yaml:1: rules: write a space behind each -'),
    ("number-that-is-a-name.yaml", "number-that-is-a-name.yaml:3: text: '618' is no text here: put it in quotes"),
    ("pattern-that-explodes.yaml", "pattern-that-explodes.yaml:3: text: pattern '((a{100}){100}){100}' is not understood: invalid repetition size: {100} (RE2 syntax, no back references)"),
    ("pattern-with-back-reference.yaml", "pattern-with-back-reference.yaml:3: text: pattern '(贷款)\\1' is not understood: invalid escape sequence: \\1 (RE2 syntax, no back references)"),
    ("province-of-yaml-1.1.yaml", "province-of-yaml-1.1.yaml:3: province: unknown province 'NO'; write its short name (江苏), or unknown"),
    ("python-tag.yaml", 'python-tag.yaml:1: tags (!…) are not understood here: a text that begins with ! needs quotes'),
    ("reversed-dates.yaml", 'reversed-dates.yaml:4: active: to is before from (swap them)'),
    ("saved-as-gbk.yaml", 'saved-as-gbk.yaml:1: not UTF-8: byte 0xb9, probably GBK (save the file as UTF-8)'),
    ("saved-as-utf-16.yaml", 'saved-as-utf-16.yaml:1: not UTF-8: it is UTF-16 (save the file as UTF-8)'),
    ("tab-inside.yaml", 'tab-inside.yaml:3: found a tab character that violates indentation (indent with spaces, not with tabs)'),
    ("tab.yaml", 'tab.yaml:2: a tab: indent with spaces'),
    ("time-of-yaml-1.1.yaml", "time-of-yaml-1.1.yaml:3: time: '22:00' is no span of time (write 21:00-08:00)"),
    ("two-documents.yaml", 'two-documents.yaml:6: a second document (---): one file holds one'),
    ("unknown-campaign.yaml", "unknown-campaign.yaml:4: active: campaign: unknown campaign '双12'; registries/campaigns.csv does not name it"),
    ("unknown-category.yaml", "unknown-category.yaml:3: category: unknown category 'marketting' (did you mean 'marketing'?)"),
    ("unknown-condition.yaml", "unknown-condition.yaml:3: when: unknown key 'provice' (did you mean 'province'?)"),
    ("unknown-consequence.yaml", "unknown-consequence.yaml:4: then: unknown value 'refuse' (one of reject, defer, review, tag, throttle)"),
    ("unknown-key.yaml", "unknown-key.yaml:3: rule: unknown key 'wehn' (did you mean 'when'?)"),
    ("unknown-list.yaml", "unknown-list.yaml:3: recipient_in: unknown list 'vpi' (did you mean 'vip'?); lists: at the top of a file names them"),
    ("unknown-provider.yaml", "unknown-provider.yaml:2: provider: unknown provider 'jai' (did you mean 'jia'?); the settings do not name it"),
    ("unknown-province.yaml", "unknown-province.yaml:3: province: unknown province '北京是' (did you mean '北京'?); write its short name (江苏), or unknown"),
    ("unknown-reason.yaml", "unknown-reason.yaml:5: reason: unknown reason 'keywords' (did you mean 'keyword'?)"),
    ("unknown-rule-in-exemption.yaml", "unknown-rule-in-exemption.yaml:9: exempt: unknown rule or reason 'keywrd' (did you mean 'keyword'?)"),
    ("unknown-rule-in-test.yaml", "unknown-rule-in-test.yaml:8: test: want: unknown rule 'aa' (did you mean 'a'?)"),
    ("unknown-subcategory.yaml", "unknown-subcategory.yaml:3: subcategory: unknown sub-category '贷款' (did you mean 'loan'?): write `    when: {subcategory: loan}`"),
    ("unreachable-behind-an-exemption.yaml", "unreachable-behind-an-exemption.yaml:2: rule 'a' can never apply: exemption 'b' (rules/unreachable-behind-an-exemption.yaml:6) switches it off wherever it would (narrow it, or drop the rule)"),
    ("unreachable-behind-another.yaml", "unreachable-behind-another.yaml:6: rule 'b' never decides: all that it is about is refused before by 'a' (rules/unreachable-behind-another.yaml:2) (drop one of the two, or switch it off)"),
    ("unreachable-category.yaml", "unreachable-category.yaml:2: rule 'a' can never apply: suppressed holds for marketing only, and the category is another (for lists that mean everything: recipient_in) (drop one of the conditions)"),
    ("unreachable-city.yaml", "unreachable-city.yaml:2: rule 'a' can never apply: city 南京 does not lie in the province that is asked for (drop one of the conditions)"),
    ("unreachable-declared.yaml", "unreachable-declared.yaml:2: rule 'a' can never apply: category, declared cannot be so together: category is the stricter of declared and classified (drop one of the conditions)"),
    ("unreachable-limit-of-one-rule.yaml", 'unreachable-limit-of-one-rule.yaml:6: limit: 5 per day is never reached: the same rule allows only 3 (drop it)'),
    ("unreachable-limit.yaml", "unreachable-limit.yaml:7: rule 'b' never decides: its limit is never reached before that of 'a' (rules/unreachable-limit.yaml:2) (drop one of the two, or switch it off)"),
    ("unreachable-not.yaml", "unreachable-not.yaml:2: rule 'a' can never apply: no category is left that fits (one of marketing but not marketing) (drop one of the conditions)"),
    ("unreachable-signature.yaml", "unreachable-signature.yaml:2: rule 'a' can never apply: signature asks for no signature, signature_state for one (drop one of the conditions)"),
    ("unreachable-while-off.yaml", "unreachable-while-off.yaml:2: rule 'a' can never apply: no category is left that fits (one of marketing but not marketing) (drop one of the conditions)"),
    ("wrong-type-flag.yaml", "wrong-type-flag.yaml:4: exempt: must be true or false, not 'ja'"),
    ("wrong-type-list.yaml", 'wrong-type-list.yaml:1: rules: must be a list (- …), not a mapping'),
    ("wrong-type-mapping.yaml", "wrong-type-mapping.yaml:3: when: must be a mapping (key: value), not 'category'"),
    ("wrong-type-number.yaml", "wrong-type-number.yaml:4: limit: count: must be a whole number from 1 to 1000000000000, not 'three'"),
    ("wrong-type-text.yaml", 'wrong-type-text.yaml:2: id: must be a word or a text, not a list'),
    ("campaigns-saved-as-utf-16.csv", 'registries/campaigns.csv:1: not UTF-8: it is UTF-16 (save the file as UTF-8)'),
    ("consents-bad-date.csv", "registries/consents.csv:1: time: '2026-13-01' is no date of the calendar"),
    ("contacts-with-chinese-commas.csv", 'registries/contacts.csv:1: one column: Chinese commas stand between the cells: save the file with commas (contact,advertiser,provider,kind,signature,template,shared)'),
    ("holidays-reversed.csv", 'registries/holidays.csv:1: to: is before from (swap them)'),
    ("ports-too-many-columns.csv", 'registries/ports.csv:1: 9 columns, expected prefix,province,categories,advertiser,carrier,from,to,responsible'),
    ("ports-twice.csv", "registries/ports.csv:2: prefix '10620' stands in line 1 already"),
    ("ports-unknown-province.csv", "registries/ports.csv:1: province: unknown province '江苏苏' (did you mean '江苏'?)"),
    ("ports-with-tabs.csv", 'registries/ports.csv:1: one column: tabs stand between the cells: save the file with commas (prefix,province,categories,advertiser,carrier,from,to,responsible)'),
    ("preferences-not-a-recipient.csv", 'registries/preferences.csv:1: recipient: a landline'),
    ("segments-saved-as-gbk.csv", 'registries/segments.csv:2: not UTF-8: byte 0xc9, probably GBK (save the file as UTF-8)'),
    ("signatures-saved-as-gbk.csv", 'registries/signatures.csv:2: not UTF-8: byte 0xbc, probably GBK (save the file as UTF-8)'),
    ("signatures-unknown-column.csv", "registries/signatures.csv:1: unknown column 'grop' (did you mean 'group'?); expected signature,advertiser,group,provider,port,state,from,to,source,link,responsible,handler,letter,use"),
    ("signatures-with-semicolons.csv", 'registries/signatures.csv:1: one column: semicolons stand between the cells: save the file with commas (signature,advertiser,group,provider,port,state,from,to,source,link,responsible,handler,letter,use)'),
    ("templates-twice.csv", "registries/templates.csv:2: template 't' stands in line 1 already"),
]  # fmt: skip


def folder_of(bad: Path, tmp: Path) -> Path:
    """A rules folder with a bad file in its place: a registry by the first word of its name."""
    folder = tmp / "rules"
    (folder / "registries").mkdir(parents=True)
    (folder / "vip.csv").write_text("13800250500\n")
    if bad.suffix == ".yaml":
        shutil.copy(bad, folder / bad.name)
    else:
        shutil.copy(bad, folder / "registries" / f"{bad.name.partition('-')[0]}.csv")
    return folder


@pytest.mark.parametrize(("name", "said"), MISTAKES, ids=[name for name, _ in MISTAKES])
def test_a_mistake_is_told_in_one_sentence_with_its_line(tmp_path: Path, name: str, said: str) -> None:
    providers = [JIA] if name == "unknown-provider.yaml" else None
    assert [str(problem) for problem in check(folder_of(FILES / name, tmp_path), providers).problems] == [f"rules/{said}"]


def test_every_bad_file_is_in_the_table() -> None:
    assert sorted(path.name for path in FILES.iterdir()) == sorted(name for name, _ in MISTAKES)


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    folder = folder_of(FILES / "unknown-key.yaml", tmp_path)
    for name in ("tab.yaml", "bad-date.yaml", "saved-as-gbk.yaml"):
        shutil.copy(FILES / name, folder / name)
    for name in ("signatures-saved-as-gbk", "ports-unknown-province", "segments-saved-as-gbk"):
        shutil.copy(FILES / f"{name}.csv", folder / "registries" / f"{name.partition('-')[0]}.csv")
    found = CliRunner().invoke(app, ["check", str(folder)])
    assert found.exit_code == 1
    told = [line.split(": ")[0] for line in found.stderr.splitlines()]
    assert told == [
        "rules/bad-date.yaml:4", "rules/registries/ports.csv:1", "rules/registries/segments.csv:2",
        "rules/registries/signatures.csv:2", "rules/saved-as-gbk.yaml:1", "rules/tab.yaml:2", "rules/unknown-key.yaml:3",
    ]  # fmt: skip


# --- what is only looked at

RULE = "rules:\n  - {id: a, when: {WHEN}, then: THEN, reason: keyword}\n"
TEST = (
    'tests:\n  - messages:\n      - {at: "2026-11-11 10:00", to: "13800250500", from: "1069", text: 禁词, want: {reject: a}}\n'
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RULE.replace("WHEN", "text: 禁词").replace("THEN", "reject") + TEST, []),
        (RULE.replace("WHEN", "text: 禁词").replace("THEN", "reject"), ["rule 'a' has no test (under tests: a message with want: {reject: a})"]),
        (RULE.replace("WHEN", "text: 禁词").replace("THEN", "tag"), []),
        (RULE.replace("WHEN", "text: 禁词, day: 2026-11-01").replace("THEN", "tag"), ["rule 'a' does not apply any more: its days are over (drop it, or switch it off)"]),
        (RULE.replace("WHEN", "text: 禁词, day: 2027-03-03, time: 08:00-09:00").replace("THEN", "tag"), []),
        (RULE.replace("{WHEN}", "{text: 禁词}, active: {from: 2031-01-01, to: 2031-01-02}").replace("THEN", "tag"), []),
        (RULE.replace("{WHEN}", "{text: 禁词}, active: {to: 2026-11-10}").replace("THEN", "tag"), ["rule 'a' does not apply any more: its days are over (drop it, or switch it off)"]),
    ],
)  # fmt: skip
def test_a_rule_without_test_and_one_that_is_over_are_warnings(write: Write, text: str, said: list[str]) -> None:
    report = check(write(text), now=time_windows.moment("2026-11-25 12:00")[0])
    assert ([problem.text for problem in report.problems], [doubt.text for doubt in report.warnings]) == ([], said)


@pytest.mark.parametrize(
    ("days", "said"), [("2025-10-01,2025-10-07", 1), ("2025-10-01,2025-10-07,国庆,holiday\n2026-12-01,2026-12-02", 0)]
)
def test_a_holiday_of_a_year_that_is_past_is_named(write: Write, days: str, said: int) -> None:
    text = RULE.replace("WHEN", "calendar: 国庆, time: 00:00-10:00").replace("THEN", "tag")
    files = {"registries/holidays.csv": f"from,to,name,kind\n{days},国庆,holiday\n"}
    report = check(write(text, files), now=time_windows.moment("2026-11-25 12:00")[0])
    over = "rule 'a' does not apply any more: registries/holidays.csv has none of its days from now on (add them, drop it, or switch it off)"
    assert [doubt.text for doubt in report.warnings] == [over] * said


def test_a_list_that_changes_nothing_is_a_warning(write: Write) -> None:
    lists = "lists:\n  vip: {file: a.csv}\n  red: {file: a.csv, suppress: global}\n  used: {file: a.csv}\n"
    rule = "rules: [{id: a, when: {recipient_in: used}, then: tag, reason: protected}]\n"
    report = check(write(lists + rule, {"a.csv": "13800250500\n"}))
    assert [str(doubt) for doubt in report.warnings] == [
        "rules/x.yaml:2: lists: 'vip' changes nothing: no rule asks recipient_in: vip",
        "rules/x.yaml:3: lists: 'red' changes nothing: no rule asks suppressed",
    ]
    assert report.problems == []


def test_a_registered_consent_request_that_nobody_can_answer_is_a_warning(write: Write) -> None:
    rows = "ask,甲店,,notice,consent-request,是否同意接收优惠短信\nask-too,甲店,,notice,consent-request,同意请回Y\n"
    text = RULE.replace("WHEN", "text: 禁词").replace("THEN", "reject") + TEST
    report = check(write(text, {"registries/templates.csv": f"template,signature,provider,category,subcategory,text\n{rows}"}))
    assert [str(doubt) for doubt in report.warnings] == [
        "rules/registries/templates.csv:2: template 'ask' asks for consent, but for no word to reply: no reply becomes a consent (name one, such as Y or 1)"
    ]
    assert report.problems == []


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_files_as_windows_and_old_macs_save_them_are_fine(write: Write, mark: str, end: str) -> None:
    folder = write("")
    text = mark + RULE.replace("WHEN", "text: 禁词").replace("THEN", "reject") + TEST
    (folder / "x.yaml").write_bytes(text.replace("\n", end).encode())
    (folder / "registries").mkdir()
    (folder / "registries" / "ports.csv").write_bytes(f"{mark}prefix,province\n1062,江苏\n".replace("\n", end).encode())
    report = check(folder)
    assert (report.problems, report.warnings, report.rules, report.tests) == ([], [], 1, 1)


def test_a_warning_has_its_line_and_is_no_failure(write: Write) -> None:
    found = CliRunner().invoke(app, ["check", str(write(RULE.replace("WHEN", "text: 禁词").replace("THEN", "reject")))])
    assert found.exit_code == 0
    assert found.stderr == "rules/x.yaml:2: warning: rule 'a' has no test (under tests: a message with want: {reject: a})\n"
    assert found.stdout.endswith("1 rules, 0 tests, 0 problems, 1 warnings\n")


BAN = """rules:
- {id: ban, say: x, when: {category: marketing, province: 北京}, then: reject, reason: region-ban}
- {id: unknown, say: y, when: {category: marketing, province: unknown}, then: reject, reason: region-unknown, mode: MODE}
"""


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_a_region_ban_that_numbers_of_unknown_region_pass_is_a_warning_with_their_share(write: Write, mode: str) -> None:
    share = f"{100 * Regions.load().unknown_share(time.time()):.1f} %"
    warned = f"rules/x.yaml:2: warning: rule 'ban' lets {share} of numbers pass, for their region is unknown"
    found = CliRunner().invoke(app, ["check", str(write(BAN.replace("MODE", mode)))])
    assert warned in found.stderr
    assert f"the region of {share} of numbers in use is unknown\n" in found.stdout
    enforced = CliRunner().invoke(app, ["check", str(write(BAN.replace("MODE", "enforce")))])
    assert "of numbers pass" not in enforced.stderr


def test_segments_that_the_carrier_knows_lower_the_share_of_unknown_regions(write: Write) -> None:
    folder = write(BAN.replace("MODE", "shadow"))
    (folder / "registries").mkdir()
    rows = "".join(f"{segment},北京,北京\n" for segment in range(1_540_100, 1_550_000))
    (folder / "registries" / "segments.csv").write_text(f"segment,province,city\n{rows}")
    told = json.loads(CliRunner().invoke(app, ["check", str(folder), "--json"]).stdout)
    assert 0 < told["unknown_region"] < Regions.load().unknown_share(time.time()) - 0.01


def test_programs_read_problems_and_warnings_as_JSON(write: Write) -> None:
    folder = write(RULE.replace("WHEN", "text: 禁词").replace("THEN", "reject"), {"y.yaml": "rules: [{say: x}]"})
    found = CliRunner().invoke(app, ["check", str(folder), "--json"])
    assert (found.exit_code, found.stderr) == (1, "")
    assert json.loads(found.stdout) == {
        "rules": 0, "tests": 0, "problems": [{"file": "rules/y.yaml", "line": 1, "text": "rule: 'id' is missing"}], "warnings": [],
        "unknown_region": None,
    }  # fmt: skip
    (folder / "y.yaml").unlink()
    found = CliRunner().invoke(app, ["check", str(folder), "--json"])
    (doubt,) = json.loads(found.stdout)["warnings"]
    assert (found.exit_code, doubt["line"]) == (0, 2)


# --- what is said to be never is never

PAIRS = st.builds(
    lambda draft, one, other: draft._replace(when=f"{{any: [{one}], not: {other}}}"),
    DRAFTS, st.sampled_from(WHENS), st.sampled_from([*WHENS, *(f"{{not: {when}}}" for when in WHENS)]),
).filter(lambda draft: "recipient" not in draft.limit)  # fmt: skip
NARROW = st.builds(
    Draft, st.sampled_from(("{category: marketing}", "{category: marketing, province: 北京}", "{category: otp, suppressed: true}")),
    st.sampled_from(("", "{count: 1, per: day, key: [recipient]}", "{count: 2, per: day, key: [recipient, signature]}")),
    st.sampled_from(("reject", "defer")), st.just("enforce"), st.just(False),
).filter(fits)  # fmt: skip


CAPS = [
    Draft("{category: marketing}", f"{{count: {count}, per: day, key: [recipient{more}]}}", "reject", "enforce", False)
    for count, more in ((2, ", signature"), (1, ""))
]
FREE = Draft("{port: '10621'}", "", "", "", True)
TWICE = [(SENDERS[0], PEOPLE[0], TEXTS[0], 0), (SENDERS[4], PEOPLE[0], TEXTS[0], 0), (SENDERS[0], PEOPLE[0], TEXTS[0], 0)]


@example([CAPS[0], FREE, CAPS[1]], TWICE).via("what an exemption lets pass counts, and then both caps are reached")
@given(st.lists(st.one_of(PAIRS, NARROW, DRAFTS, EXEMPTIONS), min_size=1, max_size=6), MESSAGES)
@settings(max_examples=examples(150), deadline=None)
def test_a_rule_that_is_said_to_be_unreachable_is_never_reached(drafts: list[Draft], sent: Sent) -> None:
    rules = rules_of(drafts)
    told = {
        (problem.text.split("'")[1], "can never apply" in problem.text)
        for problem in lint(rules)
        if "never" in problem.text[:30]
    }
    world = World()
    for message in world.messages(sent):
        verdict = world.judge(message, rules)
        assert not {(verdict.rule, False)} & told
        assert not {(breach.rule, True) for breach in verdict.breaches} & told
        world.remember(message, verdict)
