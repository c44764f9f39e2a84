"""Chinese sentences have Chinese punctuation: no ASCII colon, comma or bracket behind a Chinese character."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from proxy.policy.explanation.explain import plainly
from proxy.policy.loading.load_rules import load
from tests.printed import PROXY

ASCII = re.compile(r"[\u4e00-\u9fa5”』】）]\s*[:;,!?(](?!//)|(?<![\w\s'\"}\])/])\s*[:;,!?] ?(?=[\u4e00-\u9fa5“])")
HAN = re.compile("[\u4e00-\u9fa5]")
NO_SENTENCE = re.compile(r"[A-Za-z]+ [a-z]+ [a-z]+|\(\?|[|\\*\n]|\[[^\]]*-|^[^\u4e00-\u9fa5]*\[")
"""English with a Chinese word in it, and regular expressions."""
CODE = re.compile(r"`[^`]*`|主机:端口|节点:记录|（名称: \{|（微: \[薇, 威\]|（键: 值|公众号:青禾优选|（!…）|以 ! 开头")
"""What is typed so: settings, rules, addresses."""
ROOTS = (PROXY, PROXY.parent / "rules")


def found_in(text: str) -> str | None:
    found = ASCII.search(CODE.sub("", text))
    return None if found is None else text


def of_yaml(node: Any, key: str = "") -> Iterator[str]:
    """The Chinese of catalogs and pages; of rules what they say in words."""
    if isinstance(node, dict):
        for name, one in node.items():
            yield from of_yaml(one, str(name))
    elif isinstance(node, list):
        for one in node:
            yield from of_yaml(one)
    elif isinstance(node, str) and HAN.search(node):
        yield node


def of_python(tree: ast.AST) -> Iterator[str]:
    """String literals but for docstrings; of an f-string the text with a character for each value."""
    parts = {id(part) for one in ast.walk(tree) if isinstance(one, ast.JoinedStr) for part in ast.walk(one) if part is not one}
    texts = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
    for one in ast.walk(tree):
        if isinstance(one, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "一" for part in one.values)
            own = "".join(str(part.value) for part in one.values if isinstance(part, ast.Constant))
        elif isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in parts | texts:
            text = own = one.value
        else:
            continue
        if HAN.search(own) and not NO_SENTENCE.search(own):
            yield text


SPELLINGS = ("policy/text/notices.py", "policy/text/contacts.py", "policy/text/handle", "policy/replies/", "policy/registries/table_words.py", "policy/registries/template_variables.py", "sim/", "time_windows.py",
             "relay/optout_reply.py", "desk/filings/filing_c", "desk/lexicon/rates.py", "desk/revisions/template_file.py")  # fmt: skip
"""Words that are looked for in texts of strangers, and texts of messages."""


@pytest.mark.parametrize("room", sorted({path.relative_to(PROXY).parts[0] for path in PROXY.rglob("*.py")}))
def test_literals(room: str) -> None:
    paths = [path for path in [*(PROXY / room).rglob("*.py")] if not any(one in str(path) for one in SPELLINGS)]
    wrong = {
        f"{path.relative_to(PROXY)}: {text}"
        for path in paths
        if HAN.search(source := path.read_text(encoding="utf-8"))
        for text in of_python(ast.parse(source))
        if found_in(text)
    }
    assert wrong == set()


def test_catalogs_pages_and_shipped_rules() -> None:
    wrong = {
        f"{path.name}: {text}"
        for root in ROOTS
        for path in root.rglob("*.yaml")
        for text in of_yaml(yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader))
        if found_in(text)
    }
    assert wrong == set()


def test_conditions_and_limits_in_words() -> None:
    """What the code joins."""
    rules = load(PROXY.parent / "rules").rules
    said = [plainly(rule.when).zh for rule in rules] + [limit.words.zh for rule in rules for limit in rule.limits]
    assert any("（" in one for one in said)
    assert [one for one in said if found_in(one) or re.search("[\u4e00-\u9fa5], ", one)] == []


def test_what_is_looked_for_is_found() -> None:
    for text in ("案件: 有效", "草稿, 尚未批准", "通道商 (停用)", "规则：没有; 请检查", ", 不限通道商", "【甲】(未报备)"):
        assert found_in(text), text
    for text in ("案件：有效", "每天 21:00 到 8:00", "写作 `code: 值`", "见 https://a.example", "valkey://主机:端口"):
        assert not found_in(text), text
