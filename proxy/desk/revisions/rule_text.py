"""Puts rules and their tests into words, and files into differences.

In: what the loader has read. Out: plain values for JSON: a rule in words and as it stands in its file, the tests that name it, differing lines.
Never: words of its own: they are the rules' and the policy's.

It also switches a rule on, off or into shadow in its file. Never: another line of it touched: a rule that is written otherwise than usual is
refused (ValueError).
"""

from __future__ import annotations

import contextlib
import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from proxy.desk.revisions.comparison import IDLE
from proxy.i18n.phrases import both
from proxy.policy import rule_dates
from proxy.policy.condition import All, Test, Tree
from proxy.policy.evaluation_plan import Rule
from proxy.policy.explanation.explain import plainly
from proxy.policy.loading.draft import MODES
from proxy.policy.loading.load_rules import Loaded
from proxy.policy.loading.problem import Problem, RulesError
from proxy.policy.loading.source import Node, read
from proxy.policy.recipient_share import WORD, percent
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
        lines = data.decode("utf-8", "replace").splitlines()
        for rule, node in _rules(data, f"{folder}/{name}"):
            yield rule, "\n".join(block(lines, node.line))


def _rules(data: bytes, file: str = "") -> Iterator[tuple[str, Node]]:
    """The rules of a file that have an id, by it."""
    root = read(data, file)
    rules = root.value.get("rules") if isinstance(root.value, dict) else None
    for one in rules.value if rules is not None and isinstance(rules.value, list) else ():
        if isinstance(one.value, dict) and "id" in one.value:
            yield str(one.value["id"].value), one


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


def switched(files: Mapping[str, bytes], rule: str, mode: str, share: str) -> tuple[str, str]:
    """(file, text). ``share``: ``10%``, of the recipients for whom a rule in shadow decides; empty: for none."""
    if mode not in MODES:
        raise ValueError(f"'{mode}' is no mode of a rule")
    if share and mode != "shadow":
        raise ValueError("a share of recipients goes with shadow: the rule decides for them, and is in shadow for others")
    share = unicodedata.normalize("NFKC", share).replace(" ", "")
    wanted = {"mode": mode if mode != "enforce" else "", WORD: f"{share.removesuffix('%')}%" if share else ""}
    for name, data in rules_files(files):
        if (found := _rule(data, rule)) is None:
            continue
        now, text = None, "\n".join(_written(data.decode().split("\n"), found, wanted))
        with contextlib.suppress(RulesError):
            now = _rule(text.encode(), rule)
        if now is None or {word: _value(now, word) for word in wanted} != wanted or _others(now) != _others(found):
            raise ValueError(f"{name}:{found.line}: rule '{rule}' is written so that only an editor can change its mode")
        return name, text
    raise ValueError(f"there is no rule '{rule}'")


def _rule(data: bytes, rule: str) -> Node | None:
    return next((node for name, node in _rules(data) if name == rule), None)


def _written(lines: list[str], rule: Node, wanted: Mapping[str, str]) -> list[str]:
    assert isinstance(rule.value, dict)
    first = rule.line - 1
    new = [f"{word}: {value}" for word, value in wanted.items() if value]
    if brace := re.match(r"\s*-\s*\{", lines[first]):  # {id: …, mode: off} in one line
        rest = re.sub(rf",\s*(?:mode|{WORD}):\s*[^,{{}}\[\]]+(?=[,}}])", "", lines[first][brace.end() :])
        head, comma, tail = rest.partition(",")
        return [*lines[:first], brace[0] + head + "".join(f", {one}" for one in new) + comma + tail, *lines[first + 1 :]]
    old = sorted(rule.value[word].line - 1 for word in wanted if word in rule.value)
    inset = re.match(r"\s*-?\s*", lines[first])
    assert inset is not None
    at = old[0] if old else _end(lines, first)
    kept = [(place, line) for place, line in enumerate(lines) if place not in old]
    before, after = ([line for place, line in kept if (place < at) is here] for here in (True, False))
    return [*before, *(" " * len(inset[0]) + one for one in new), *after]


def _end(lines: list[str], first: int) -> int:
    """Behind the last line of a list's item that begins in line ``first``; blank lines and comments at its end are left out."""
    item = block(lines, first + 1)
    while len(item) > 1 and item[-1].lstrip()[:1] in ("", "#"):
        item.pop()
    return first + len(item)


def _value(rule: Node, word: str) -> str:
    found = rule.value.get(word) if isinstance(rule.value, dict) else None
    value = "" if found is None else str(found.value)
    return "" if (word, value) == ("mode", "enforce") else value


def _others(rule: Node) -> object:
    """All but its mode and share, as plain values."""

    def plain(node: Node) -> object:
        if isinstance(node.value, dict):
            return {key: plain(one) for key, one in node.value.items()}
        return [plain(one) for one in node.value] if isinstance(node.value, list) else node.value

    assert isinstance(rule.value, dict)
    return {key: plain(one) for key, one in rule.value.items() if key not in ("mode", WORD)}
