"""The text contains one of these words.
``text: [代开发票, 六合彩]``, or ``{words: …, patterns: …, file: lists/banned.txt}``; ``{all: …}``: each of these. A file may be YAML
(policy/loading/folder.py): words in groups, with substitute characters.

Words are looked for in the normalised text (full width, traditional, zero-width and split forms do not help); patterns are RE2, on the same
text and on letters that stand one by one between marks (policy/text/split_words.py), and may be written in any of these forms.
"""

from __future__ import annotations

import re

import re2

from proxy.i18n.phrases import COMMA, Bilingual, joined
from proxy.policy.condition import All, AnyOf, Test, Tree, never
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import NAME, TEXT, either, mapping, some
from proxy.policy.loading.source import Node
from proxy.policy.text.folding import SPLITTERS, fold, squeeze
from proxy.policy.text.split_words import LETTERS_LEAST
from proxy.policy.text.text_analysis import TextAnalysis
from proxy.runtime.yield_point import Rest, with_yield_points

IN_RECORD = ""
PATTERN_LONGEST = 500
PATTERN_BYTES_MAX = 1 << 20
KEYS = ("words", "patterns", "file", "groups", "all")
CHINESE = "文中有这些词之一，拆字、全角、繁体、夹隐形字符也算；`file` 读词表，`patterns` 是 RE2 正则，`all` 要每个词都有"
MEND = Bilingual("take out the words that were found", "去掉命中的字词")
_AROUND = re.compile(r"\\[bBAzQ\[]|(?<!\[)\^|\$")
"""What stands before or behind a match may decide about it: ^, $, \\b and their like (also where only quoted)."""
SHAPE = either(
    some(TEXT),
    mapping(KEYS, {"words": some(TEXT), "patterns": some(NAME), "file": TEXT, "groups": some(NAME), "all": some(TEXT)}),
)


def condition(node: Node, context: KindContext) -> Tree:
    if not isinstance(node.value, dict):
        return _words(node.texts("text"), node, context.rest)
    keys = node.mapping("text", KEYS)
    words: list[str] = []
    if "words" in keys:
        words += keys["words"].texts("text: words")
    if "file" in keys:
        words += context.word_file(keys["file"], "text: file", keys.get("groups"))
    elif "groups" in keys:
        raise keys["groups"].fault("text: groups are of a file (file: lists/banned.yaml)")
    parts: list[Tree] = [_words(words, node, context.rest)] if words else []
    if "patterns" in keys:
        parts += [_pattern(item) for item in keys["patterns"].items()]
    if len(parts) > 1:
        parts = [AnyOf(tuple(parts))]
    if "all" in keys:
        parts += [_words([word], keys["all"], context.rest) for word in keys["all"].texts("text: all")]
    if not parts:
        raise node.fault("text: says nothing to look for (words, all, patterns or file)")
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _words(words: list[str], node: Node, rest: Rest) -> Test:
    vocabulary = tuple(dict.fromkeys(squeeze(fold(word)).strip() for word in with_yield_points(words, rest)))
    for word in with_yield_points(vocabulary, rest):
        if not word.strip(SPLITTERS):
            raise node.fault("text: a word of nothing but spaces and marks would match every text")
    some = joined(COMMA, words[:5])
    shown = some + (f" … ({len(words)} words)" if len(words) > 5 else "")
    shown_zh = some.zh + (f" 等{len(words)}个词之一" if len(words) > 5 else "")
    return Test(
        "words", never, Bilingual(f"text says {shown}", f"文中有 {shown_zh}"), "text", vocabulary=vocabulary, finds=True
    )


def _pattern(node: Node) -> Test:
    written = node.text("text: patterns", digits=True)
    if len(written) > PATTERN_LONGEST:
        raise node.fault(f"text: pattern longer than {PATTERN_LONGEST} characters")
    options = re2.Options()
    options.max_mem = PATTERN_BYTES_MAX
    options.log_errors = False
    options.case_sensitive = False
    try:
        compiled = re2.compile(_as_read(written), options)
    except re2.error as fault:
        message = fault.args[0] if fault.args else ""
        message = message.decode() if isinstance(message, bytes) else str(message)
        raise node.fault(f"text: pattern '{written}' is not understood: {message} (RE2 syntax, no back references)") from None

    if compiled.search("") and compiled.search("字"):
        raise node.fault(f"text: pattern '{written}' fits every text")

    def holds(page: TextAnalysis) -> bool:
        return compiled.search(page.squeezed) is not None or any(
            len(found.group()) >= LETTERS_LEAST for run in page.split for found in compiled.finditer(run)
        )

    words = Bilingual(f"text matches {written}", f"文本匹配 {written}")
    return Test("text", holds, words, "text", reads="digits", finds=_AROUND.search(written) is None)


def _as_read(pattern: str) -> str:
    """The pattern in the form in which texts are read: who writes 刻章辦證 means 刻章办证, too. A span of characters (一-龥) stays as it is."""
    read = [
        mark if mark.isascii() or "-" in pattern[max(place - 1, 0) : place + 2] else fold(mark)
        for place, mark in enumerate(pattern)
    ]
    return "".join(new if new == old else re2.escape(new) for old, new in zip(pattern, read, strict=True))
