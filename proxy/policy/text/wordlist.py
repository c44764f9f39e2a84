"""Reads a YAML word list with groups and substitute characters (谐音, 形近).

    alike:                      written for            words:
      微: [薇, 威]              薇信 for 微信            invoice: [代开发票, 票据代开]
      信: [芯]                                         contact: [加微信]

Width, traditional forms, invisible characters and marks between characters need not be listed: every text is folded before words are
looked for.
"""

from __future__ import annotations

from itertools import product

from proxy.policy.loading.problem import RuleFault
from proxy.policy.loading.source import Node

SPELLINGS_MAX = 256
"""Of one word: each character that has others written for it multiplies them."""


def read_words(node: Node, wanted: list[str] | None, what: str) -> list[str]:
    """The words of the groups that are wanted (None: of all), with all their spellings; RuleFault with the line in the file."""
    keys = node.mapping(what, ("words", "alike", "version"))
    alike = _alike(keys["alike"], what) if "alike" in keys else {}
    if "words" not in keys or not isinstance(keys["words"].value, dict):
        raise node.fault(f"{what}: 'words' is missing (a mapping: name of a group → its words)")
    groups: dict[str, Node] = keys["words"].value
    found: list[str] = []
    for name, item in groups.items():
        if wanted is None or name in wanted:
            for one in item.items():
                found += spellings(one.text(f"{what}: {name}", digits=True), alike, one.line, what)
        else:
            item.texts(f"{what}: {name}", digits=True)
    return found


def groups_of(node: Node) -> list[str]:
    """Names of its groups, for a hint."""
    words = node.value.get("words") if isinstance(node.value, dict) else None
    return list(words.value) if words is not None and isinstance(words.value, dict) else []


def _alike(node: Node, what: str) -> dict[str, list[str]]:
    if not isinstance(node.value, dict):
        raise node.fault(f"{what}: alike must be a mapping (微: [薇, 威]), not {node.shape}")
    return {character: item.texts(f"{what}: alike: {character}", digits=True) for character, item in node.value.items()}


def spellings(word: str, alike: dict[str, list[str]], line: int, what: str) -> list[str]:
    """The word and every way of writing others for its characters."""
    choices = [[character, *alike.get(character, ())] for character in word]
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > SPELLINGS_MAX:
        raise RuleFault(line, f"{what}: '{word}' could be spelt in {count} ways (at most {SPELLINGS_MAX}): list fewer in alike")
    return ["".join(letters) for letters in product(*choices)]
