"""Switches a rule on, off or into shadow in its file.

In: rules files by name, a rule's id, a mode, a share of recipients. Out: the one file that changes, as text. Never: another line of it
touched: a rule that is written otherwise than usual is refused (ValueError).
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Mapping

from proxy.desk.revisions.rule_text import rules_files
from proxy.policy.loading.draft import MODES
from proxy.policy.loading.problem import RulesError
from proxy.policy.loading.source import Node, read
from proxy.policy.recipient_share import WORD


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
    root = read(data, "")
    rules = root.value.get("rules") if isinstance(root.value, dict) else None
    for one in rules.value if rules is not None and isinstance(rules.value, list) else ():
        if isinstance(one.value, dict) and "id" in one.value and str(one.value["id"].value) == rule:
            return one
    return None


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
    at = old[0] if old else _end(lines, first, len(lines[first]) - len(lines[first].lstrip()))
    kept = [(place, line) for place, line in enumerate(lines) if place not in old]
    before, after = ([line for place, line in kept if (place < at) is here] for here in (True, False))
    return [*before, *(" " * len(inset[0]) + one for one in new), *after]


def _end(lines: list[str], first: int, wide: int) -> int:
    """Behind the last line of a list's item that begins in line ``first``."""
    end = first + 1
    for place in range(first + 1, len(lines)):
        line = lines[place]
        if line.strip() and len(line) - len(line.lstrip()) <= wide:
            break
        if line.strip() and not line.lstrip().startswith("#"):
            end = place + 1
    return end


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
