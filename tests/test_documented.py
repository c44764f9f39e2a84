"""The documents name every setting, metric, command, rule key and reason of the code, and no other; their examples work."""

from __future__ import annotations

import ast
import copy
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from prometheus_client.parser import text_string_to_metric_families

from proxy import config
from proxy.config import yaml_file
from proxy.config.mapping_reader import Fields
from proxy.journal.records.messages import KINDS
from proxy.model.counters import GateCounters
from proxy.model.message import Category
from proxy.model.reasons import GATE_REASONS, RULE_REASONS
from proxy.operations.metrics import COUNTERS, GAUGES, Gauges, exposition
from proxy.policy import limit, penalty_rules, renamed_senders, time_windows
from proxy.policy.kinds import consent, day, preferences, scheduled, suppressed, when_kinds
from proxy.policy.kinds.fields import TEMPLATE_WORDS, TEXT_STATES
from proxy.policy.loading import load_rules
from proxy.policy.loading.check import STEP_KEYS, check
from proxy.policy.loading.draft import MODES, RULE_KEYS
from proxy.policy.loading.load_rules import load
from proxy.policy.loading.problem import RulesError
from proxy.policy.registries import filings, people, registry, typed_rows
from proxy.policy.registries.holidays import WORDS as CALENDAR_WORDS
from proxy.policy.reply_paths import STATES as PATH_STATES
from proxy.policy.text import category, lexicon
from proxy.policy.text.category import (
    ASKING,
    BANDS,
    CALLS_MOST,
    EVASION,
    LIKELY,
    LINK,
    OPT_OUT,
    PURPOSES,
    SUBCATEGORIES,
    SURELY,
)
from proxy.policy.text.found_contacts import ALL_KINDS
from proxy.server.workers.http import PoolHttpServer
from proxy.server.workers.merged_metrics import text_of
from proxy.server.workers.pool import WorkerPool
from proxy.wire import status_name
from proxy.wire.tables import BAD_KINDS
from tests.bench.__main__ import app as measuring_tools
from tests.commands import app
from tests.guide import JOURNAL, LOG_EVENTS, PERFORMANCE, journal_page, log_events_page, performance_page, settings_page
from tests.guide import PAGE as PAGE_OF_SETTINGS
from tests.log_events import log_events

TOP = Path(__file__).parent.parent
README, RULES, METRICS = (TOP / name for name in ("README.md", "rules/README.md", "grafana/README.md"))
GUIDE = TOP / "docs"
DOCUMENTS = [README, RULES, METRICS, *sorted(GUIDE.glob("*.md"))]
EXAMPLE = TOP / "tests" / "data" / "gate106.example.yaml"


# --- reading the documents


def section(path: Path, heading: str) -> str:
    """What stands under a heading, up to the next of its level."""
    parts = re.split(r"^## (.+)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[heading]


def table(text: str, first: str) -> list[list[str]]:
    """The rows of all tables whose first column is headed so."""
    rows: list[list[str]] = []
    width = 0
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            width = 0
        elif cells[0] == first:
            width = len(cells)
        elif width and not cells[0].startswith("---"):
            assert len(cells) == width, line
            rows.append(cells)
    assert rows, f"no table of {first!r}"
    return rows


def code(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def named(rows: Iterable[list[str]]) -> list[str]:
    """The one name in each first cell."""
    return [name for row in rows for name in code(row[0])]


def words_in(text: str) -> set[str]:
    """Every single word that stands in backticks, alone or in an example."""
    return {word for span in code(text) for word in re.findall(r"[\w-]+", span)}


class Block(NamedTuple):
    where: str
    text: str

    def __str__(self) -> str:
        return self.where


def blocks(language: str) -> Iterator[Block]:
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            yield Block(f"{path.relative_to(TOP)}:{text.count(chr(10), 0, match.start()) + 1}", match[1])


def keys_of(block: Block) -> set[str]:
    value = yaml_file.load(block.text).value
    return set(value) if isinstance(value, dict) else set()


# --- the documents' links and figures


def anchors(path: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(TOP)))
def test_every_link_leads_somewhere(path: Path) -> None:
    for file, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", path.read_text(encoding="utf-8")):
        target = path.parent / file if file else path
        assert target.exists(), file
        assert not anchor or anchor in anchors(target), f"{file}#{anchor}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(TOP)))
def test_nothing_stands_twice_and_no_row_of_a_table_lost_its_beginning(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ .+$", text, re.MULTILINE)
    paragraphs = [one for one in text.split("\n\n") if len(one) > 80]
    for pieces in (headings, paragraphs):
        assert not [one for one in set(pieces) if pieces.count(one) > 1]
    assert not [line for line in text.splitlines() if line.endswith(" |") and not line.startswith("|")]


def test_every_page_of_the_guide_is_in_its_index_which_the_README_links() -> None:
    linked = {
        "docs/README.md",
        *(f"docs/{name}" for name in re.findall(r"\]\(([\w-]+\.md)\)", (GUIDE / "README.md").read_text(encoding="utf-8"))),
    }
    assert {TOP / name for name in linked} == set(GUIDE.glob("*.md"))


SIZES = table((GUIDE / "sizing.md").read_text(encoding="utf-8"), "what")


@pytest.mark.parametrize("row", SIZES, ids=lambda row: row[0])
def test_every_figure_of_sizing_is_the_one_that_was_measured(row: list[str]) -> None:
    file, place = code(row[2])
    found: Any = json.loads((TOP / "tests" / "data" / "numbers" / file).read_text())
    for key in place.split("."):
        found = found[key]
    assert row[1].split()[0] == f"{found:,}"


def test_the_tables_of_performance_are_what_was_measured() -> None:
    text = PERFORMANCE.read_text(encoding="utf-8")
    assert performance_page(text) == text, "make guide"


def test_every_option_of_the_bench_is_explained_on_the_page_of_performance_or_is_not_about_it() -> None:
    explained = {flag for row in table(PERFORMANCE.read_text(encoding="utf-8"), "option") for flag in code(row[0])}
    known = {one.opts[0] for one in COMMANDS["gate106 bench"].params}
    assert known - explained == {"--seconds", "--json", "--lang"}
    assert explained <= known


def test_every_measuring_tool_is_explained_on_the_page_of_performance() -> None:
    explained = {
        words.split()[0] for row in table(PERFORMANCE.read_text(encoding="utf-8"), "measuring tool") for words in code(row[0])
    }
    commands: Any = typer.main.get_command(measuring_tools)
    assert explained == set(commands.commands)


def test_what_the_guide_quotes_of_errors_stands_in_the_code() -> None:
    said = "\n".join(path.read_text(encoding="utf-8") for path in (TOP / "proxy").rglob("*.py"))
    for row in table((GUIDE / "trouble.md").read_text(encoding="utf-8"), "the line says"):
        for quoted in code(row[0]):
            if quoted.startswith("…"):  # the others are examples of a line of a file
                assert all(words.strip() in said for words in quoted.split("…")), quoted


# --- rules


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A folder with the shipped lists and registries and no rule."""
    for name in ("lists", "registries"):
        shutil.copytree(TOP / "rules" / name, tmp_path / "rules" / name)
    return tmp_path / "rules"


WHEN = table(section(RULES, "`when`"), "key")
LIMIT = section(RULES, "`limit`")
SETTINGS_BLOCKS = [
    block
    for block in blocks("yaml")
    if keys_of(block) & {"store", "http", "retention", "smpp", "people", "console", "stream", "follower"}
]
SCRAPE_BLOCKS = [block for block in blocks("yaml") if "scrape_configs" in keys_of(block)]
RULE_BLOCKS = [block for block in blocks("yaml") if block not in SETTINGS_BLOCKS + SCRAPE_BLOCKS]


RECIPES = section(RULES, "Ten recipes")
CHINESE = re.compile("[一-鿿]")
SHIPPED = sorted(path.name for path in (TOP / "rules").glob("*.yaml"))


def test_there_are_ten_recipes_each_in_both_languages_with_a_test_for_every_rule(rules: Path) -> None:
    heads = re.findall(r"^### (\d+)\. (.+) · (.+)$", RECIPES, re.MULTILINE)
    texts = re.findall(r"^```yaml\n(.*?)^```$", RECIPES, re.MULTILINE | re.DOTALL)
    assert [int(number) for number, _, _ in heads] == list(range(1, 11))
    assert len(texts) == 10
    assert all(CHINESE.search(chinese) and not CHINESE.search(english) for _, chinese, english in heads)
    for text in texts:
        (rules / "x.yaml").write_text(text, encoding="utf-8")
        report = check(rules, now=time_windows.moment("2026-11-25")[0])
        # a recipe stands beside the shipped rules, and with them unknown-region-marketing
        warnings = [doubt for doubt in report.warnings if "their region is unknown" not in doubt.text]
        assert (report.problems, warnings) == ([], []), text
        assert report.rules >= 1
        assert report.tests >= 1
    (rules / "x.yaml").unlink()
    for number, text in enumerate(texts):
        (rules / f"recipe-{number}.yaml").write_text(text, encoding="utf-8")
    assert len(load(rules).rules) == 13, "all of them together are a set, too"


def test_each_recipe_works_in_the_set_that_ships_in_place_of_the_rules_that_it_says_are_there_already(tmp_path: Path) -> None:
    shipped = {name: yaml_file.load(TOP / "rules" / name).value for name in SHIPPED}
    for number, recipe in enumerate(re.split(r"^### ", RECIPES, flags=re.MULTILINE)[1:], start=1):
        (text,) = re.findall(r"^```yaml\n(.*?)^```$", recipe, re.MULTILINE | re.DOTALL)
        already = re.search(r"There already: (.+) in `(\w+\.yaml)`", recipe)
        names = set(code(already[1])) if already else set()
        folder = tmp_path / str(number)
        shutil.copytree(TOP / "rules", folder)
        for name, said in shipped.items():
            kept = without(said, names) if already and name == already[2] else said
            assert already is None or (kept == said) == (name != already[2]), f"{name} has {names}"
            (folder / name).write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")  # which is YAML, too
        (folder / "mine.yaml").write_text(text, encoding="utf-8")
        report = check(folder, now=time_windows.moment("2026-11-25")[0])
        assert (report.problems, report.warnings) == ([], []), text


def without(said: Any, names: set[str]) -> Any:
    """A file of rules without some, and without the tests that are about them."""
    assert names <= {rule["id"] for rule in said["rules"]}
    about = [{name for step in test["messages"] for name in wanted(step)} for test in said["tests"]]
    return said | {
        "rules": [rule for rule in said["rules"] if rule["id"] not in names],
        "tests": [test for test, rules in zip(said["tests"], about, strict=True) if not rules & names],
    }


def wanted(step: Any) -> list[str]:
    """The rule that a step of a test wants to decide."""
    want = step.get("want", {})
    return [] if want == "allow" else list(want.values())


def test_the_guide_speaks_chinese_in_every_section_and_in_every_row_of_a_table() -> None:
    for heading in re.findall(r"^## (.+)$", RULES.read_text(encoding="utf-8"), re.MULTILINE):
        body = section(RULES, heading)
        assert CHINESE.search(body.split("\n\n")[0]), heading
        rows = [line for line in body.splitlines() if line.startswith("| ")]
        assert all(CHINESE.search(row.strip("|").split("|")[-1]) for row in rows), heading


def test_every_key_of_when_is_documented_and_no_other() -> None:
    assert sorted(named(WHEN)) == sorted([*when_kinds(), "not", "any"])


def test_the_guide_and_editors_say_the_same_of_a_key_of_when() -> None:
    said = {code(row[0])[0]: row[-1] for row in WHEN}
    assert {word: kind.about.zh for word, kind in when_kinds().items()} == {word: said[word] for word in when_kinds()}


@pytest.mark.parametrize("row", WHEN, ids=lambda row: row[0])
def test_every_example_of_when_loads_and_is_of_its_key(row: list[str], rules: Path) -> None:
    (key,), (example,) = code(row[0]), code(row[1])
    beside = [span for span in code(row[2]) if span.startswith(f"{key}: ")]
    lists = "lists: {test-numbers: {file: lists/test-numbers.csv}}\n"
    for said in (example, *beside):
        assert said.startswith(f"{key}: ")
        (rules / "x.yaml").write_text(f"{lists}rules: [{{id: x, when: {{{said}}}, then: reject, reason: keyword}}]\n")
        assert len(load(rules).rules) == 1


CLOSED = {
    "category": {one.word for one in Category},
    "classified": {*(one.word for one in Category), *BANDS},
    "subcategory": {*SUBCATEGORIES[1:], "none"},
    "text_state": {*TEXT_STATES},
    "signature_state": {*registry.STATE_WORDS},
    "filing": {
        *filings.FILING_WORDS,
        *filings.LICENCE_WORDS,
        *registry.PORT_USERS,
        *registry.LETTERS,
        "licence",
        "letter",
        "port",
    },
    "suppressed": {
        *suppressed.SCOPES,
        *suppressed.SOURCES,
        *renamed_senders.WAYS,
        "scope",
        "source",
        "max_age",
        "match",
        "similarity",
    },
    "calendar": {*CALENDAR_WORDS, "before", "after"},
    "consent": {*consent.WORDS, *people.CONSENT_STATES},
    "preferences": {*preferences.WORDS},
    "scheduled": {*scheduled.WORDS},
    "template": {*TEMPLATE_WORDS},
    "time": {"between", "zone"},
    "day": {*day._WEEKDAYS, *day._GROUPS, "from", "to"},
    "province": {"unknown", "port"},
    "signature": {"none", "several"},
    "notice": {"missing", "present", "tail"},
    "url": {"none", "present", "outside", "registered"},
    "contact": {"none", "present", "outside", "registered", "kind", "any", *ALL_KINDS},
    "text": {"words", "patterns", "file", "groups", "all"},
    "provider_age": {"below", "above"},
    "reply_path": {*PATH_STATES, "after"},
}


@pytest.mark.parametrize("key", CLOSED)
def test_the_words_a_key_of_when_knows_are_all_listed(key: str) -> None:
    (row,) = (row for row in WHEN if code(row[0]) == [key])
    assert CLOSED[key] <= words_in("".join(row[1:]))


def test_every_key_of_a_rule_is_documented_and_no_other() -> None:
    assert sorted(named(table(section(RULES, "A rule"), "key"))) == sorted(RULE_KEYS)


def test_every_key_of_a_limit_what_it_counts_by_and_its_windows_are_documented_and_no_other() -> None:
    rows = {code(row[0])[0]: row[1] for row in table(LIMIT, "key")}
    assert set(rows) == set(limit.LIMIT_KEYS)
    windows = code(rows["per"])
    assert set(time_windows.CALENDAR_S) <= set(windows)
    rolling = set(windows) - set(time_windows.CALENDAR_S)
    assert {window[-1] for window in rolling} == set(time_windows._UNIT_S)
    assert all(time_windows.duration(window) for window in rolling)
    assert f"at most {time_windows.WINDOW_MAX_S // time_windows.DAY_S}d" in rows["per"]
    assert f"`count` is at most {limit.ENTRIES_KEPT}" in LIMIT
    assert named(table(LIMIT, "word of `key`")) == list(limit.KEYS)


def test_what_a_cap_of_a_person_cannot_ask_is_listed() -> None:
    cannot = re.search(r"What a record does not keep[^:]*:(.*?)\n- ", LIMIT, re.DOTALL)
    assert cannot is not None
    assert code(cannot[1]) == sorted(word for word, kind in when_kinds().items() if not kind.in_record)


def test_every_mode_and_every_consequence_is_documented_and_no_other() -> None:
    assert named(table(section(RULES, "`mode`"), "word")) == list(MODES)
    assert sorted(named(table(section(RULES, "`then`"), "word"))) == sorted(limit.THENS)


def test_every_reason_stands_there_with_its_status_in_the_order_of_reporting() -> None:
    rows = table(section(RULES, "Reasons"), "reason")
    assert named(rows) == [*RULE_REASONS, *GATE_REASONS]
    for row in rows:
        (name,) = code(row[0])
        if name in RULE_REASONS:
            assert row[1] == f"0x{RULE_REASONS[name].status:03X}"
        elif status := GATE_REASONS[name].status:
            assert row[1] == (f"0x{status:02X} {status_name(status)}" if status < 0x400 else f"0x{status:03X}")
        else:
            assert row[1] in ("of the fault", "of the rule")
    assert {reason.status for reason in RULE_REASONS.values() if reason.public == "not-permitted"} == {0x420}
    assert {reason.public for reason in RULE_REASONS.values() if reason.status == 0x420} == {"not-permitted"}


def test_the_keys_of_a_file_of_a_list_and_of_a_step_are_documented_and_no_other() -> None:
    assert sorted(named(table(section(RULES, "The top of a file"), "key"))) == sorted(load_rules.TOP_KEYS)
    rows = table(section(RULES, "`lists:`"), "key")
    assert named(rows) == ["file", "suppress"]
    assert set(suppressed.SCOPES) | {"scope", "value"} <= words_in(rows[1][1])


def test_the_keys_of_a_penalty_what_it_watches_and_its_steps_are_documented_and_no_other() -> None:
    text = re.sub(r"^```.*?^```$", "", section(RULES, "`penalties:`"), flags=re.MULTILINE | re.DOTALL)
    assert sorted(named(table(text, "key of a penalty"))) == sorted(penalty_rules.KEYS)
    assert named(table(text, "word of `watch`")) == list(penalty_rules.WATCHES)
    assert named(table(text, "word of `by`")) == list(penalty_rules.BY)
    steps = {code(row[0])[0]: row[1] for row in table(text, "key of a step")}
    assert set(steps) == set(penalty_rules.STEP_KEYS)
    assert set(penalty_rules.STEPS) <= set(code(steps["then"]))
    assert {*penalty_rules.AGAIN_KEYS, *penalty_rules.LEAST_KEYS, *penalty_rules.APPROVALS, *penalty_rules.MODES} <= words_in(
        text
    )
    assert f"{{forward: {penalty_rules.FORWARD_DAYS}, answer: {penalty_rules.ANSWER_DAYS}}}" in section(
        RULES, "The top of a file"
    )


def test_the_keys_of_a_step_of_a_test_are_documented_and_no_other() -> None:
    assert sorted(named(table(section(RULES, "`tests:`"), "key"))) == sorted(STEP_KEYS)


@pytest.mark.parametrize("block", RULE_BLOCKS, ids=str)
def test_every_example_of_rules_loads_and_its_tests_hold(block: Block, rules: Path) -> None:
    (rules / "x.yaml").write_text(block.text, encoding="utf-8")
    assert load(rules).rules
    assert check(rules).problems == []


def test_the_registries_have_the_columns_that_are_documented(rules: Path) -> None:
    text = RULES.read_text(encoding="utf-8")
    files = dict(
        re.findall(
            r"^`((?:registries|lists|lexicon)/[\w.-]+)`:(?:(?!```).)*^```csv\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
        )
    )
    assert set(files) == {
        "lists/do-not-disturb.csv", "lexicon/own.csv",
        *(f"registries/{name}.csv" for name in typed_rows.COLUMNS),
    }  # fmt: skip
    for table_name, columns in typed_rows.COLUMNS.items():
        assert files[f"registries/{table_name}.csv"].splitlines()[0] == ",".join(columns)
    assert files["lexicon/own.csv"].splitlines()[0] == ",".join(lexicon.COLUMNS)
    for name, content in files.items():
        (rules / name).parent.mkdir(exist_ok=True)
        (rules / name).write_text(content, encoding="utf-8")
    (rules / "x.yaml").write_text(
        "lists: {x: {file: lists/do-not-disturb.csv}}\n"
        "rules: [{id: x, when: {recipient_in: x, group: 青禾集团}, then: reject, reason: protected}]\n"
    )
    found = load(rules)
    assert found.regions.of(19900001234) == ("江苏", "南京")
    port = found.registry.port("10620025001")
    assert port is not None
    assert port.province == "江苏"
    assert 13800250999 in found.lists["x"].numbers
    assert 13900001234 in found.lists["x"].numbers
    for name, read in vars(found.registry.rows).items():  # nothing that is shown is left out
        assert list(read.rows() if callable(getattr(read, "rows", None)) else getattr(read, "rows", read)), name
    assert check(rules).problems == []


def test_the_ways_of_knowing_a_sender_again_are_documented_and_no_other() -> None:
    assert named(table(section(RULES, "Renamed senders"), "way")) == list(renamed_senders.WAYS)


def test_what_a_word_may_speak_for_and_what_it_adds_is_documented() -> None:
    text = section(RULES, "What a text says it is")
    assert sorted(named(table(text, "a word `for`"))) == sorted(PURPOSES)
    bands = {code(row[0])[0]: row[1] for row in table(text, "band")}
    assert set(bands) == set(BANDS)
    assert bands["surely"].startswith(f"{SURELY} or more")
    assert f"or {LIKELY} of prices and topics" in bands["surely"]
    assert bands["likely"].startswith(f"{LIKELY} or {SURELY - 1}")
    assert named(table(text, "column")) == list(lexicon.COLUMNS)
    assert f"A link adds {LINK} and an opt-out notice {OPT_OUT}" in text
    assert f"was **hidden** adds {EVASION}:" in text
    assert f"together at most {CALLS_MOST}" in text
    assert f"from {ASKING} on the text asks" in text
    assert f"1 to {category.WEIGHT_MAX};" in text
    assert f"at most {lexicon.WORD_LONGEST} characters" in text


def test_the_mistake_that_the_README_shows_is_told_in_these_words(rules: Path) -> None:
    shown = re.search(r"`(rules/x\.yaml:14: [^`]+)`", README.read_text(encoding="utf-8"))
    assert shown is not None
    rule = "rules:\n  - id: daily-cap\n    when: {category: marketing}\n    limit: {coutn: 3, per: day, key: [recipient]}\n"
    (rules / "x.yaml").write_text("#\n" * 10 + rule + "    then: reject\n    reason: recipient-cap\n")
    with pytest.raises(RulesError) as caught:
        load(rules)
    assert str(caught.value) == shown[1]


# --- settings

BASE: dict[str, Any] = {
    "store": "valkey://valkey/0",
    "journal": "journal",
    "rules": "rules",
    "shared": {"secret": "of sixteen or more"},
    "follower": {"address": "127.0.0.1:3551", "mode": "async"},
    "retention": {"hold": [{"from": "2026-03-01", "why": "x"}]},
    "smpp": {"tls": {"listen": "127.0.0.1:3550", "cert": "x", "key": "x"}},
    "stream": {"url": "kafka://broker:9092/gate106"},
    "http": {"tokens": [{"name": "prometheus", "token": f"sha256${'00' * 32}"}]},
    "people": [{"name": "li", "token": f"scrypt${'00' * 16}${'00' * 32}"}],
    "carriers": [{"name": "bj", "host": "127.0.0.1", "port": 2776, "system_id": "gate106", "password": "x"}],
    "providers": [
        {"name": "jia", "system_id": "jia", "password": "x"},
        {
            "name": "yi",
            "accounts": [{"system_id": "yi1", "password": "x"}],
            "upstream": {"carrier": "bj", "system_id": "yi", "password": "x"},
        },
    ],
}  # fmt: skip
SETTINGS = table(PAGE_OF_SETTINGS.read_text(encoding="utf-8"), "setting")


def settings_of(values: dict[str, Any], path: Path) -> config.Settings:
    path.write_text(json.dumps(values), encoding="utf-8")
    return config.load(path)


def holder_of(values: dict[str, Any], setting: str) -> tuple[dict[str, Any], str]:
    """The mapping a setting stands in, made where it is missing, and its last word."""
    *way, last = setting.split(".")
    at = values
    for step in way:
        if step == "accounts[]":
            at = values["providers"][1]["accounts"][0]
        elif step == "upstream":
            at = values["providers"][1]["upstream"]
        else:
            at = at[step[:-2]][0] if step.endswith("[]") else at.setdefault(step, {})
    return at, last


def test_every_setting_is_documented_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, set[str]] = {}
    done = Fields.done

    def noting(fields: Fields) -> None:
        place = re.sub(r"\[[0-9]+\]", "[]", yaml_file.spell(fields.place))
        asked.setdefault(f"{place}." if place else "", set()).update(fields.known)
        done(fields)

    monkeypatch.setattr(Fields, "done", noting)
    monkeypatch.setenv("BJ_PASSWORD", "x")
    config.load(EXAMPLE)  # in which every setting stands (test_config)
    known = {place + key for place, keys in asked.items() for key in keys}
    sections = {name for name in known if f"{name}." in asked or f"{name}[]." in asked}
    assert sorted(named(SETTINGS)) == sorted(known - sections)


def test_the_table_of_settings_is_what_the_code_says_of_them() -> None:
    text = PAGE_OF_SETTINGS.read_text(encoding="utf-8")
    assert settings_page(text) == text, "make guide"


def test_the_table_of_record_kinds_is_what_is_declared() -> None:
    text = JOURNAL.read_text(encoding="utf-8")
    assert journal_page(text) == text, "make guide"
    assert all(f"`{name}`" in text for name in KINDS.values())


def test_every_log_event_is_documented_with_its_levels_and_keys_and_no_other() -> None:
    text = LOG_EVENTS.read_text(encoding="utf-8")
    assert log_events_page(text) == text, "make guide"
    assert "TODO" not in text, "say what to do about the event"


def test_every_event_that_the_guide_tells_to_look_for_exists() -> None:
    events = set(log_events())
    renamed = {code(row[0])[0] for row in table(LOG_EVENTS.read_text(encoding="utf-8"), "event before")}
    assert not renamed & events
    for row in table(LOG_EVENTS.read_text(encoding="utf-8"), "event before"):
        assert set(code(row[1])) <= events, row


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row[0])
def test_every_default_is_the_one_that_is_documented(row: list[str], tmp_path: Path) -> None:
    ((setting,), default) = code(row[0]), row[1]
    values = copy.deepcopy(BASE)
    holder, key = holder_of(values, setting)
    if default == "required":
        del holder[key]
        with pytest.raises(config.SettingsError, match="is missing"):
            settings_of(values, tmp_path / "gate106.yaml")
        return
    assert key not in holder
    plain = settings_of(BASE, tmp_path / "gate106.yaml")
    if written := code(default):
        holder[key] = yaml_file.load(written[0]).value
    assert settings_of(values, tmp_path / "gate106.yaml") == plain


def test_every_example_of_settings_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{'x' * 32}\n")
    password = tmp_path / "password"
    password.write_text("x\n")
    monkeypatch.setenv("BJ_PASSWORD", "x")
    alone = {key: value for key, value in BASE.items() if key != "shared"} | {"store": "sqlite:x/state.db"}
    for block in SETTINGS_BLOCKS:
        text = re.sub(r"(password: \"?)file:[\w/]+", rf"\1file:{password}", block.text)
        value = yaml_file.load(re.sub(rf"file:(?!{password})[\w/]+", f"file:{secret}", text)).value
        assert isinstance(value, dict)
        assert settings_of(alone | value, tmp_path / "gate106.yaml").store
    assert keys_of(SETTINGS_BLOCKS[0]) >= set(alone) - {"retention", "people", "stream", "follower"}, (
        "the README's can be used as it stands"
    )


def test_the_example_for_Prometheus_asks_where_the_gate_listens(tmp_path: Path) -> None:
    here, there = (yaml_file.load(block.text) for block in SCRAPE_BLOCKS)
    listen = settings_of(BASE, tmp_path / "gate106.yaml").http.listen
    targets = ("scrape_configs", 0, "static_configs", 0, "targets")
    assert here.at(targets) == [f"{listen.host}:{listen.port}"]
    assert there.at(targets) == [f"gate.example:{listen.port}"]


# --- metrics


@cache
def exposed() -> dict[str, set[str]]:
    """Every metric of a gate in which everything has been counted once, with its labels."""
    tally = GateCounters()
    for attribute, labels, _ in COUNTERS:
        getattr(tally, attribute)[labels] += 1
    tally.submit_seconds["carrier"].observe(1.0)
    gauges = Gauges(**{attribute: {labels: 1.0} for attribute, _, labels, _ in GAUGES})  # type: ignore[arg-type]
    found: dict[str, set[str]] = {}
    text = exposition(tally, gauges) + text_of(PoolHttpServer(WorkerPool(2, [])).own())
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            name = re.sub("_(bucket|sum|count)$", "", sample.name) if family.type == "histogram" else sample.name
            found.setdefault(name, set()).update(set(sample.labels) - {"le"})
    return found


def test_every_metric_is_documented_with_its_labels_and_no_other() -> None:
    rows = table(METRICS.read_text(encoding="utf-8"), "metric")
    assert {code(row[0])[0]: set(code(row[1])) for row in rows} == exposed()
    assert len(rows) == len(exposed())
    (bad,) = (row for row in rows if code(row[0]) == ["gate106_bad_pdus_total"])
    assert set(BAD_KINDS) <= words_in(bad[2])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(TOP)))
def test_no_text_names_a_metric_that_is_not(path: Path) -> None:
    names = set(re.findall(r"\b(?:gate106|process)_\w+", path.read_text(encoding="utf-8")))
    assert {re.sub("(?<=_seconds)_(bucket|sum|count)$", "", name) for name in names} <= set(exposed())


# --- commands


def commands(group: Any = None, path: str = "gate106") -> Iterator[tuple[str, Any]]:
    top: Any = typer.main.get_command(app)
    for name, command in (group or top).commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield f"{path} {name}", command


COMMANDS = dict(commands())


PAGE = (GUIDE / "commands.md").read_text(encoding="utf-8")
OPERATING = section(GUIDE / "commands.md", "Operating a running gate")
(COMMON,) = re.findall(r"All of these take `([^`]+)`", OPERATING)
(EVERYWHERE,) = re.findall(r"Every command takes `([^ `]+)", PAGE)
USAGES = {
    re.split(r" (?=[\[\-A-Z])", usage)[0]: usage
    for usage in (
        *named(table(PAGE, "command")),
        *(f"{row} {COMMON}" for row in (code(row[0])[0] for row in table(OPERATING, "command of a running gate"))),
    )
}


def test_every_command_is_documented_and_no_other() -> None:
    assert sorted(USAGES) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_of_a_command_are_documented_and_no_other(name: str) -> None:
    usage = USAGES[name].removeprefix(name)
    written = dict(re.findall(r"(--[a-z-]+)(?: ([^\]\s]+))?", usage))
    parameters = COMMANDS[name].params
    options = [
        one
        for one in parameters
        if one.param_type_name == "option" and not one.hidden and (EVERYWHERE not in one.opts or EVERYWHERE in written)
    ]
    assert EVERYWHERE in {flag for one in parameters for flag in one.opts}
    assert set(written) <= {flag for one in options for flag in (*one.opts, *one.secondary_opts)}
    for one in options:
        (flag,) = set(written) & {*one.opts, *one.secondary_opts}
        assert (re.search(rf"\[{flag}(?![a-z-])", usage) is None) == one.required, flag
        if written[flag] and not written[flag].isupper():
            assert type(one.default)(written[flag]) == one.default, flag
    arguments = re.sub(r"\[--[^\]]*\]|--\S+ \S+", "", usage).split()
    assert len(arguments) == sum(one.param_type_name == "argument" for one in parameters)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(TOP)))
def test_no_text_names_a_command_or_a_target_of_make_that_is_not(path: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    quoted = [*code(text), *(line for block in blocks("sh") for line in block.text.splitlines())]
    words = {name.split()[1] for name in COMMANDS}
    for span in quoted:
        for called in re.findall(r"^(?:\.venv/bin/)?gate106 (?!-|runs$)(\S+)", span):
            assert called in words, span
        for target in re.findall(r"^make ([\w-]+)", span):
            assert re.search(rf"^{target}:", (TOP / "Makefile").read_text(encoding="utf-8"), re.MULTILINE), span


# --- promises


@cache
def functions(path: Path) -> set[str]:
    """The tests that pytest would find in a file."""
    found = ast.parse(path.read_text(encoding="utf-8")).body
    return {
        one.name for one in found if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name.startswith("test_")
    }


def test_every_promise_stands_beside_tests_that_exist() -> None:
    rows = table((GUIDE / "promises.md").read_text(encoding="utf-8"), "promise")
    assert len(rows) >= 50, "DESIGN promises more than that"
    missing = []
    for promise, proofs in rows:
        named = re.findall(r"`([^`]+)`", proofs)
        assert named, promise
        for name in named:
            file, _, test = name.partition("::")
            if not (TOP / file).is_file() or test not in functions(TOP / file):
                missing.append(name)
    assert not missing
