"""Translates the gate's English sentences into Chinese.

Sentences are refusals, faults, mistakes in rules and settings, and rows of an import that were not taken.

In: a sentence as the command line, the control socket and JSON have it. Out: its Chinese, or the same sentence where no catalog
has it. Never: a change to the English sentence, which logs, the journal and programs keep; a stranger's text taken for a sentence
of the gate.

The English sentence is the key. Catalogs are the files ``sentences/*.yaml``, one for each package that makes sentences; a new
file there is used without registration. One line has both languages:

    "there is no batch {number} (gate106 consent lists them)": "没有批次 {number}（请在同意批次中核对）"

    {number}        any text: it is left as it is
    {fault:said}    a sentence or a noun of the catalogs
    {all:each}      several of them, with a semicolon between each and the next
    {which:counts}  ``recipient-cap 3, marketing 5/0/1``: words of COUNTED with numbers; names stay
    {which:names}   names, "or" or "and" between them
    {state:case}    a word of a closed list: CLOSED
    {found:any}     one of the catalogs' sentences where they have it, else left as it is
    {where:key}     a place in a file: limit, carriers[0].window
    {name:field}    an argument of a command, as forms call it, too: FIELDS
    {name:heading}  a column of a file, by its Chinese heading alone
    {known:listed}  names with commas between them
    {words:spelt}   ``complaint 投诉, import 名单导入``: the Chinese spellings alone
    {line:line}     a number: a line's, a case's
    {why:written}   what somebody wrote as the reason, behind "case 3: "
    {what:about}    the scope of an order or a refusal: ``signature 甲店 and category marketing``; values hold no blanks, so no sentence fits

If you change a sentence in the code, change its line in the catalog; a test reads all sentences from the source and looks them
up.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import re2
import yaml

from proxy.i18n import labels
from proxy.i18n.phrases import LANGUAGES, WORDS

SENTENCE_CHARACTERS_MAX = 2000  # a longer line is not looked up: the gate has no sentence of that length
DEPTH_MAX = 8  # nesting of sentences: a file's line, keys, the fault, the suggestion
COMPARISONS_MAX = 1600  # sentences that one line is compared with at most; a test checks that all sentences need fewer

SENTENCES_KEPT = 500  # translations cached: pages show the same sentences again and again

ROLES: Mapping[str, str] = {
    "viewer": "只读", "officer": "合规专员", "approver": "审批人", "auditor": "审计员", "admin": "管理员", "provider": "通道商",
    "nobody": "无角色",
}  # fmt: skip
FIELDS: Mapping[str, str] = {
    "why": "原因", "to": "号码", "for": "期限", "for_s": "期限", "until": "截止", "scope": "范围", "value": "对象",
    "source": "来源", "id": "编号", "provider": "通道商", "account": "账号", "province": "省份", "category": "类别",
    "subcategory": "细分类别", "signature": "签名", "advertiser": "广告主", "group": "集团", "port": "端口", "step": "处罚措施",
    "basis": "依据", "state": "状态", "message": "短信", "of": "重复案件", "text": "文案", "file": "文件", "batches": "批次",
    "proof": "凭证", "given": "同意时间", "revision": "版本", "on": "所改的版本",
}  # fmt: skip
"""Arguments of commands, as pages call them."""
DIMENSIONS: Mapping[str, str] = {
    name: FIELDS[name] for name in ("province", "provider", "account", "port", "signature", "advertiser", "group", "category", "subcategory")
} | {"rule": "规则", "link": "链路", "share": "保留速率"}  # fmt: skip
"""Dimensions of orders and opt-outs."""
TABLES: Mapping[str, str] = {
    "signatures": "签名", "filings": "报备", "advertisers": "企业", "licences": "资质", "ports": "端口",
}  # fmt: skip
"""Registries that sheets of filings fill."""
CLOSED: Mapping[str, Mapping[str, str]] = {
    "answer": labels.ANSWERS, "case": labels.CASES, "consent": labels.CONSENTS, "penalty": labels.PENALTIES, "feed": labels.FEEDS,
    "request": labels.REQUESTS,
    "reason": labels.REASONS, "event": labels.EVENTS, "fate": labels.FATES, "says": {"yes": "是", "no": "否"},
    "end": labels.ENDS, "change": {"added": "新增", "changed": "修改", "removed": "删除"}, "how": labels.HOW,
    "dimension": {**DIMENSIONS, "reason": "原因", "day": "日期"},
    "receipt": labels.RECEIPTS, "role": ROLES, "scope": labels.SCOPES, "table": TABLES, "step": labels.STEPS, "word": WORDS,
}  # fmt: skip
"""Closed lists of the gate's own words, with their Chinese."""

COUNTED: Mapping[str, str] = {
    **WORDS, **labels.REASONS, **labels.ANSWERS, **labels.GONE, "(none)": "（无）", "(the gate)": "（网关）", "(below)": "（合并）",
}  # fmt: skip
"""Words that a line counts."""

SAID, ANY, NAMES, KEY, FIELD, LINE, ABOUT, EACH, COUNTS = "said any names key field line about each counts".split()
WRITTEN, HEADING, SPELT, LISTED = "written", "heading", "spelt", "listed"
_SLOT = re.compile(r"\{(\w+)(?::(\w+))?\}")
_QUOTES = "'\""
_BETWEEN = re.compile("( or | and )")
_COUNT = re.compile(r"(.+?):? ([-\d,./<%–]+)")
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a surrogate pair: no sentence of the gate contains one
_CHINESE = re.compile("[\u4e00-\u9fff“”]")
_BARE = r"[^\s:'\"]+"
_ONE = f"(?:{'|'.join(DIMENSIONS)}) {_BARE}(?: or {_BARE})*"
FITS: Mapping[str, str] = {
    KEY: _BARE,
    FIELD: _BARE,
    HEADING: _BARE,
    SPELT: ".+",
    LISTED: ".+",
    LINE: r"\d+(?:,\d{3})*",
    ABOUT: f"{_ONE}(?: and {_ONE})*",
}
"""The pattern of a slot by kind; other kinds match any text."""


def _about(dimension: str, values: str) -> str:
    if dimension == "share":
        shown = f"{float(values):.0%}" if re.fullmatch(r"0\.\d+|1", values) else values
        return f"{DIMENSIONS[dimension]} {shown}"
    words = WORDS if dimension in ("category", "subcategory") else {}
    return f"{DIMENSIONS[dimension]} {'或'.join(words.get(one, one) for one in values.split(' or '))}"


def _counted(one: str) -> str:
    pair = _COUNT.fullmatch(one)
    return one if pair is None else f"{COUNTED.get(pair[1], pair[1])} {pair[2]}"


class Phrase:
    def __init__(self, english: str, chinese: str) -> None:
        self.english, self.chinese = english, chinese
        self.slots: list[tuple[str, str]] = _SLOT.findall(english)
        """(name, kind) of each; an empty kind: the value is left as it is."""
        literal = _SLOT.sub("\0", english).split("\0")
        self.first, self.last = literal[0].removesuffix("'"), literal[-1].removeprefix("'")
        self.core = max(literal, key=len).strip("'")
        self.known = len(_SLOT.sub("", english))  # characters outside the slots: the more there are, the surer a match is
        self.starts_with_slot = bool(self.slots) and english.startswith("{") and self.slots[0][1] in ("", ANY)
        """Whether it begins with a slot for any text: then a prefix such as a file name could be taken for a part of it."""
        self.has_own_text = bool(_CHINESE.search(chinese))  # whether its Chinese has text outside the slots
        self._patterns: list[Any] = []

    def may_match(self, text: str) -> bool:
        """A quick check before ``values``."""
        if not self.slots:
            return text == self.english
        return self.core in text and text.startswith(self.first) and text.endswith(self.last)

    def values(self, text: str) -> Iterator[tuple[str, ...]]:
        """What may stand in the slots of a text that ``may_match`` this: with the first as short as can be, then as long; nothing where it is
        another sentence."""
        if not self.slots:
            yield ()
            return
        if not self._patterns:
            self._patterns = [_compiled("".join(_pieces(self.english, some))) for some in (".+?", ".+")]
        found = [match.groups() for pattern in self._patterns if (match := pattern.fullmatch(text))]
        yield from dict.fromkeys(tuple(one for one in groups if one is not None) for groups in found)

    def filled(self, values: Mapping[str, str]) -> str:
        """The Chinese sentence with these values; blanks between two Chinese characters are removed."""
        chinese, at = "", 0
        for slot in _SLOT.finditer(self.chinese):
            chinese = _concatenate(chinese, self.chinese[at : slot.start()])
            chinese, at = _concatenate(chinese, values[slot[1]]), slot.end()
        return _concatenate(chinese, self.chinese[at:])


def _concatenate(before: str, after: str) -> str:
    blank = before.endswith(" ") and _CHINESE.match(before[-2:-1]) and _CHINESE.match(after[:1])
    other = after.startswith(" ") and _CHINESE.match(before[-1:]) and _CHINESE.match(after[1:2])
    return before[: -1 if blank else None] + after[1 if other else 0 :]


def _pieces(english: str, some: str) -> Iterator[str]:
    """The parts of a regular expression for the sentence. A quoted value may have either kind of quotes, or be cut off: it is the ``repr`` of a
    stranger's text."""
    at = 0
    for slot in _SLOT.finditer(english):
        before = english[at : slot.start()]
        quoted = before.endswith("'") and english[slot.end() : slot.end() + 1] == "'"
        yield re2.escape(before.removesuffix("'") if quoted else before)
        yield f"[{_QUOTES}](?:({some})[{_QUOTES}]|([^{_QUOTES}]+))" if quoted else f"({FITS.get(slot[2] or '', some)})"
        at = slot.end() + quoted
    yield re2.escape(english[at:])


def _compiled(pattern: str) -> Any:
    """Compiles with RE2, whose time is linear in the text: a name typed into a sentence cannot stall the console."""
    options = re2.Options()
    options.dot_nl = True
    return re2.compile(pattern, options)


class Catalog:
    def __init__(self, phrases: Mapping[str, str]) -> None:
        self.phrases = sorted((Phrase(*both) for both in phrases.items()), key=lambda one: (one.starts_with_slot, -one.known))

    def chinese(self, text: str) -> str:
        """Translates line by line; a line that no catalog has stays as it is."""
        return "\n".join(SentenceReader(self).line(line)[0] for line in text.split("\n"))

    def has(self, text: str) -> bool:
        """Whether the catalogs have all of the text, nested sentences included."""
        return all(SentenceReader(self).line(line)[1] for line in text.split("\n"))


class SentenceReader:
    """Translates one line and the sentences nested in it."""

    def __init__(self, book: Catalog) -> None:
        self._book = book
        self._read: dict[tuple[str, int], tuple[str, bool]] = {}
        self.comparisons_left = COMPARISONS_MAX  # comparisons that are still allowed for this line

    def line(self, text: str, depth: int = 0) -> tuple[str, bool]:
        """Returns its Chinese, and whether all of it was found."""
        if not text or len(text) > SENTENCE_CHARACTERS_MAX or depth > DEPTH_MAX or _SURROGATE.search(text):
            return text, not text
        found = self._read.get((text, depth))
        if found is None:
            found = self._read[text, depth] = self._translate(text, depth)
        return found

    def _translate(self, text: str, depth: int) -> tuple[str, bool]:
        best = ""
        for phrase in self._book.phrases:
            if not phrase.may_match(text):
                continue
            self.comparisons_left -= 1
            if self.comparisons_left < 0:
                break
            for values in phrase.values(text):
                filled, complete, translated = {}, True, phrase.has_own_text
                for (name, kind), value in zip(phrase.slots, values, strict=True):
                    filled[name], known = self.value(kind, value, depth)
                    complete &= known
                    translated |= filled[name] != value
                if complete:
                    return phrase.filled(filled), True
                if translated and not best:
                    best = phrase.filled(filled)
        return best or text, False

    def value(self, kind: str, value: str, depth: int) -> tuple[str, bool]:
        """Returns the Chinese of a slot's value, and whether all of it was found."""
        if kind == SAID:
            return self.line(value, depth + 1)
        if kind == ANY:
            return self.line(value, depth + 1)[0], True
        if kind == FIELD:
            return (f"{FIELDS[value]}（{value}）" if value in FIELDS else value), True
        if kind == HEADING:
            return FIELDS.get(value, value), True
        if kind == SPELT:
            return "、".join(one.partition(" ")[2] or one for one in value.split(", ")), True
        if kind == LISTED:
            return value.replace(", ", "、"), True
        if kind == EACH:
            found = [self.line(one, depth + 1) for one in value.split("; ")]
            return "；".join(chinese for chinese, _ in found), all(known for _, known in found)
        if kind == ABOUT:
            return "、".join(_about(*one.split(" ", 1)) for one in value.split(" and ")), True
        if kind == WRITTEN:
            return labels.reason_in_chinese(value), True
        if kind == COUNTS:
            return "，".join(map(_counted, value.split(", "))), True
        if kind == NAMES or kind in CLOSED:
            words = _BETWEEN.split(value)  # of closed lists, too, there may be several
            known = {**CLOSED.get(kind, {}), " or ": "或", " and ": "、"}
            return "".join(known.get(word, word) for word in words), kind == NAMES or all(word in known for word in words)
        return value, True


def catalog_files() -> Iterator[Path]:
    yield from sorted((Path(__file__).parent / "sentences").glob("*.yaml"))


def read(path: Path) -> dict[str, str]:
    """English → Chinese."""
    found = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    assert isinstance(found, dict), path
    return found


@lru_cache(maxsize=1)
def full_catalog() -> Catalog:
    return Catalog({english: chinese for path in catalog_files() for english, chinese in read(path).items()})


@lru_cache(maxsize=SENTENCES_KEPT)
def _chinese(text: str) -> str:
    return full_catalog().chinese(text)


def in_language(text: str, language: str) -> str:
    """A sentence of the gate in ``zh`` or ``en``."""
    assert language in LANGUAGES, language
    return _chinese(text) if language == LANGUAGES[0] else text
