"""Puts rules and their tests into words, and files into differences.

In: what the loader has read. Out: plain values for JSON: a rule in words and as it stands in its file, the tests that name it, differing lines.
Never: words of its own: they are the rules' and the policy's.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from proxy.desk.revisions.comparison import IDLE
from proxy.i18n.phrases import both
from proxy.policy import rule_dates
from proxy.policy.condition import All, Test, Tree
from proxy.policy.evaluation_plan import Rule
from proxy.policy.explanation.explain import plainly
from proxy.policy.loading.load_rules import Loaded
from proxy.policy.loading.problem import Problem
from proxy.policy.loading.source import Node, read
from proxy.policy.recipient_share import percent
from proxy.state.revision_store import RULES_FILE

QUOTED = re.compile("'([^']+)'")
PLACE = re.compile(r" \([^()]+:\d+\)")
"""Where the other rule stands, of which a problem is."""
YAML = (".yaml", ".yml")


def both_languages(words: str) -> list[str]:
    """[Chinese, English]."""
    text = both(words)
    return [text.zh, str(text)]


def titled(problems: Iterable[Problem], says: Mapping[str, str], *, places: bool = False) -> list[Problem]:
    """With rules' titles, ``says`` by their ids, instead of the ids and, but for ``places``, of the places of other rules."""

    def text(of: str) -> str:
        return QUOTED.sub(
            lambda found: f"'{says.get(found[1], found[1])}'", PLACE.sub("", of) if IDLE.match(of) and not places else of
        )

    return [one._replace(text=text(one.text)) for one in problems]


def rule_in_words(rule: Rule) -> dict[str, Any]:
    parts = list(_parts(rule.when))
    dates = [part for part in parts if isinstance(part, Test) and part.word == "active"]
    begins, ends = rule_dates.active_from_to(rule.when)
    return {
        "rule": rule.id, "say": rule.say, "basis": rule.basis, "mode": rule.mode, "file": rule.file.rpartition("/")[2],
        "line": rule.line, "when": [both_languages(plainly(part)) for part in parts if part not in dates],
        "dates": [both_languages(plainly(part)) for part in dates],
        "limits": [both_languages(limit.words) for limit in rule.limits],
        "then": rule.then or next((limit.then for limit in rule.limits if limit.then), ""), "exempt": rule.exempt,
        "reason": rule.reason.name if rule.reason else "", "trial_until": max(0.0, rule.trial_until),
        "begins": begins, "ends": ends,
        "share": percent(rule.share_ppm) if rule.share_ppm else "",
    }  # fmt: skip


def _parts(when: Tree) -> Iterator[Tree]:
    """What must hold together."""
    if isinstance(when, All):
        for part in when.parts:
            yield from _parts(part)
    else:
        yield when


def yaml_files(files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Files for the editor: rules first, then lists of words."""
    yield from rules_files(files)
    yield from sorted((name, data) for name, data in files.items() if "/" in name and RULES_FILE.fullmatch(name))


def rules_files(files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    return ((name, data) for name, data in files.items() if name.endswith(YAML) and "/" not in name)


def rules_as_written(files: Mapping[str, bytes], folder: str) -> Iterator[tuple[str, str]]:
    """Each rule as it stands in its file, by id."""
    for name, data in rules_files(files):
        root = read(data, f"{folder}/{name}")
        rules = root.value.get("rules") if isinstance(root.value, dict) else None
        if rules is None or not isinstance(rules.value, list):
            continue
        lines = data.decode("utf-8", "replace").splitlines()
        for one in rules.value:
            if isinstance(one.value, dict) and "id" in one.value:
                yield str(one.value["id"].value), "\n".join(block(lines, one.line))


def block(lines: list[str], first: int) -> list[str]:
    """From a list's item on, as long as lines are further in than its dash."""
    found = [lines[first - 1]]
    wide = len(found[0]) - len(found[0].lstrip())
    for line in lines[first:]:
        if line.strip() and len(line) - len(line.lstrip()) <= wide:
            break
        found.append(line)
    while found and not found[-1].strip():
        found.pop()
    return [line[wide:] for line in found]


def tests_of(loaded: Loaded, problems: list[Problem]) -> Iterator[dict[str, Any]]:
    failed = {(one.file, one.line): one.text for one in problems}
    for file, node in loaded.tests:
        lines = sorted(_lines(node))
        wrong = next((failed[file, line] for line in lines if (file, line) in failed), "")
        note = node.value.get("note") if isinstance(node.value, dict) else None
        yield {
            "note": str(note.value) if note is not None else "", "file": file.rpartition("/")[2], "line": node.line,
            "rules": sorted(set(_wanted(node))), "wrong": wrong,
        }  # fmt: skip


def _lines(node: Node) -> Iterator[int]:
    yield node.line
    for one in node.value if isinstance(node.value, list) else node.value.values() if isinstance(node.value, dict) else ():
        yield from _lines(one)


def _wanted(node: Node) -> Iterator[str]:
    """Rules that a test names."""
    if not isinstance(node.value, dict) or not isinstance((steps := node.value.get("messages", node)).value, list):
        return
    for step in steps.value:
        want = step.value.get("want") if isinstance(step.value, dict) else None
        if want is not None and isinstance(want.value, dict):
            yield from (str(one.value) for one in want.value.values())


def difference(left: bytes, right: bytes) -> Iterator[list[str]]:
    """[how, line]: ``-``, ``+``, a blank for what stayed, ``@`` for what was left out between."""
    old, new = (data.decode("utf-8", "replace").splitlines() for data in (left, right))
    for place, line in enumerate(difflib.unified_diff(old, new, lineterm="", n=3)):
        if place >= 2:  # behind the names
            yield ["@", line.split("@@")[1].strip()] if line.startswith("@@") else [line[0], line[1:]]
