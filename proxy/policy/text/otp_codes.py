"""Scores how much else a one-time-code text says beside its code.

In: sample texts of codes and of offers (``lexicon/codes.csv``); then a text in its normal form. Out: whether it holds a code, and how much
else, in points. Never: a category (category.py), the owner of a link (policy/registries/registered_contacts.py).

    pair    two characters that stand together, or a Latin word; points = 10 · ln((offers with it + ½) / (codes with it + ½)), from -20 to 20;
            a pair of neither: 5
    points  of the stretch of the text that has most, so a code's usual words before and behind an offer take nothing from it

A contact (QQ, WeChat, a mobile number), an opt-out notice, a link of a stranger and a lexicon's offers add to that.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

from proxy.config.yaml_file import unknown
from proxy.policy.loading.problem import Problem
from proxy.policy.registries.rows import rows
from proxy.policy.text.folding import fold, squeeze
from proxy.policy.text.lazy_regex import lazy_regex

FILE = "codes.csv"
"""Texts of the lexicon that are no words; where a folder has none, the shipped ones are read."""
COLUMNS = ("text", "for", "note")
SORTS = ("code", "offer")
TEXT_LONGEST = 1_000
TEXTS_MAX = 20_000  # some 30 µs each to read
BETWEEN = "、"
"""Between the phrases of one row."""

POINTS_MAX = 20
STRANGE = 5
"""Points of a pair that no text of the file has."""
WORD_STRANGE = 10
"""Of a Latin word."""
ACCOUNT = 120
"""QQ, WeChat and others."""
NUMBER = 40
"""A mobile or area number: there are codes that say where to ask."""
OPT_OUT = 10
LINK = 35
OFFER = 3
"""For each point of the lexicon's offers above OFFERS_FREE."""
OFFERS_FREE = 2
HIDDEN = 100
"""Points for a hidden word of an offer."""
MOST = 60
"""The most code points in a text with a code."""

NEAR, FAR = 20, 60
"""Characters between a code and a word for one; where none of them is Chinese, FAR."""
# patterns begin with the characters that a find may begin with: that rules out most places quickly
_WORD = lazy_regex("码|口令|密钥|令牌|验证|输入|填写|填入|回填|code|password|otp|token|pin")
_NO_HOTLINE = r"(?=[0-9a-z#\-])(?<![0-9a-z])(?<!拨打)(?<!致电)(?<!电话)(?<!热线)"
_FIGURES = r"[0-9](?:[ \-./,、·_#】【]{0,3}[0-9]){3,8}"
_MIXED = r"(?=[a-z#\-]{0,11}[0-9])(?=[0-9#\-]{0,11}[a-z])[0-9a-z#\-]{4,12}"
_CODE = lazy_regex(f"{_NO_HOTLINE}(?:{_FIGURES}|{_MIXED})(?![0-9a-z])")
_APART = r"(?=[a-z \-]{0,8}[0-9])[0-9a-z](?:[ \-][0-9a-z]){3,8}|(?=[a-z]?[0-9])[0-9a-z]{2,4}(?:[ \-](?=[a-z]?[0-9])[0-9a-z]{2,4}){1,3}"
"""A B 1 2, N8 2K 5V."""
_MAYBE = lazy_regex(
    rf"{_NO_HOTLINE}(?<![￥¥$.])(?:{_FIGURES}|{_MIXED}|{_APART})(?![0-9a-z]|\.?[0-9]|[元万折年月])|[〇零一二三四五六七八九]{{4,8}}"
)
"""A sum is none."""
_DIGIT = lazy_regex("[0-9]")
_CHINESE = lazy_regex("[\u3400-\u9fff]")
_NAME = r"[【\[「『〔(〖][^】\]」』〕)〗]{1,12}[】\]」』〕)〗]"
_FIRST = lazy_regex(r"\s*" + _NAME)
_LAST = lazy_regex(_NAME + r"\s*$")
_LINK = lazy_regex(r"(?=[0-9a-z\-])(?:https?://[!-~]+|(?<![0-9a-z.\-])[0-9a-z\-]+(?:\.[0-9a-z\-]+)*\.[a-z]{2,18}(?:/[!-~]*)?)")
"""Asked about elsewhere (policy/registries/registered_contacts.py)."""
_NOTICE = lazy_regex(
    "(?=[拒退回发])(?:(?:拒收|退订)(?:请|回|复|发|送|至|到|[:, ]){0,6}[0-9a-z]{0,8}|(?:回复?|发送?)[: ]?[0-9a-z]{1,6}(?:拒收|退订))"
)
"""How to opt out: OPT_OUT stands for it."""
_RUN = lazy_regex(r"[\u3400-\u9fff]+|(?<![0-9a-z'*])[a-z']{2,}(?![0-9a-z'*])")
_FIGURE = r"[\dol〇零一二三四五六七八九幺]"
_MARK = r"[\W_]"
_ACCOUNT = lazy_regex(
    r"(?=[a-z@扣企微飞电薇威加群])"
    r"(?:(?:(?<![0-9a-z])(?:(?:qq|vx|wx|tg|telegram|whatsapp)(?![a-z])|[vq](?=[:+, ]|[0-9]{5}))"
    r"|扣扣|企鹅|微信|飞机|电报|[微薇威加]|群)(?:同?号)?"
    r"(?:[:+, ]{0,2}@?(?=[a-z_-]*[0-9_])[a-z0-9][a-z0-9_-]{3,}|:[a-z]{4,})|@[0-9a-z_]{4,}|(?<![0-9a-z])[a-z]{1,8}_[a-z0-9]{2,})"
)
_NUMBER = lazy_regex(
    rf"(?={_FIGURE})(?:(?<!{_FIGURE})(?<!{_FIGURE}{_MARK})(?:{_FIGURE}{_MARK}{{0,3}}){{10}}{_FIGURE}(?!{_FIGURE})"
    r"|(?<![0-9a-z])[0-9]{7}x{4}|(?<![0-9-])[0-9]{3,4}-[0-9]{4}[0-9x]{3,4}(?![0-9]))"
)
"""A hotline (95000, 400-800-1234) is none. Digits decide by being digits: what differs in them only reads alike."""


def has_code(squeezed: str) -> bool:
    """Whether a code stands beside a word for one: 482913, 4 8 2 9, 482-913, ab12cd."""
    for found in _CODE.finditer(squeezed):
        before = _DIGIT.split(squeezed[max(0, found.start() - FAR) : found.start()])[-1]
        after = _DIGIT.split(squeezed[found.end() : found.end() + FAR], maxsplit=1)[0]
        if _CHINESE.search(before):
            before = before[-NEAR:]
        if _CHINESE.search(after):
            after = after[:NEAR]
        if _WORD.search(before) or _WORD.search(after):
            return True
    return False


def may_hold_code(squeezed: str) -> bool:
    """Whether there may be a code, anywhere in the text."""
    return _MAYBE.search(squeezed) is not None


def pairs(text: str) -> list[str]:
    """In order; a Chinese character that stands alone is one by itself. ``text``: in its normal form."""
    found: list[str] = []
    for run in _RUN.findall(text):
        if run[0] > "z" and len(run) > 1:
            found += map("".join, pairwise(run))
        else:
            found.append(run)
    return found


def _unsigned(squeezed: str) -> str:
    """The text without its signature, opt-out notice and links."""
    if first := _FIRST.match(squeezed):
        squeezed = squeezed[first.end() :]
    elif last := _LAST.search(squeezed):
        squeezed = squeezed[: last.start()]
    return _NOTICE.sub(" ", _LINK.sub(" ", squeezed))


class CodeTexts:
    """Pairs in sample texts of codes and offers, with their points. Compared by identity."""

    __slots__ = ("points",)

    def __init__(self, codes: Iterable[str], offers: Iterable[str]) -> None:
        of_codes, of_offers = _counted(codes), _counted(offers)
        self.points: dict[str, int] = {}
        for pair in of_codes.keys() | of_offers.keys():
            points = round(10 * math.log((of_offers[pair] + 0.5) / (of_codes[pair] + 0.5)))
            self.points[pair] = max(-POINTS_MAX, min(POINTS_MAX, points))

    def beside(self, squeezed: str) -> int:
        """Points of a text with a code, contacts included."""
        text = _unsigned(squeezed)
        points, _, _ = self._most(pairs(text))
        if _ACCOUNT.search(text):
            return points + ACCOUNT
        return points + NUMBER if _NUMBER.search(text) else points

    def stretch(self, squeezed: str) -> str:
        """The stretch with the most points, to be shown to people."""
        text = _unsigned(squeezed)
        found = pairs(text)
        _, first, last = self._most(found)
        codes = ""
        for pair in found[first:last]:
            codes += pair[1:] if codes and pair[0] > "z" and codes[-1] == pair[0] and len(pair) > 1 else f" {pair}"
        contact = _ACCOUNT.search(text) or _NUMBER.search(text)
        return " ".join((codes.strip(), contact[0] if contact else "")).strip()

    def _most(self, found: list[str]) -> tuple[int, int, int]:
        """The most points of a stretch of pairs; from where to where it goes."""
        of = self.points.get
        most = so_far = first = last = start = 0
        for place, pair in enumerate(found):
            points = of(pair)
            if points is None:
                points = STRANGE if pair[0] > "z" else WORD_STRANGE
            so_far += points
            if so_far > most:
                most, first, last = so_far, start, place + 1
            elif so_far < 0:
                so_far, start = 0, place + 1
        return most, first, last


def _counted(texts: Iterable[str]) -> Counter[str]:
    """How many texts have a pair."""
    counts: Counter[str] = Counter()
    for text in texts:
        for phrase in text.split(BETWEEN):
            counts.update(set(pairs(_unsigned(squeeze(fold(phrase))))))
    return counts


@lru_cache(maxsize=2)  # they seldom change with the words: counting them takes a quarter of a second
def read_code_texts(label: str, data: bytes) -> tuple[CodeTexts, tuple[Problem, ...]]:
    """The rows of a file, and every one that cannot be used."""
    problems: list[Problem] = []
    found: dict[str, list[str]] = {sort: [] for sort in SORTS}
    for line, cells in rows(label, data, COLUMNS, problems):
        text, sort = cells["text"], cells["for"]
        if sort not in SORTS:
            problems.append(Problem(label, line, f"for: {unknown('purpose', sort, SORTS)}"))
        elif not pairs(squeeze(fold(text))):
            problems.append(Problem(label, line, f"text: '{text}' has no letters"))
        elif len(text) > TEXT_LONGEST:
            problems.append(Problem(label, line, f"text: longer than {TEXT_LONGEST} characters"))
        elif sum(map(len, found.values())) >= TEXTS_MAX:
            problems.append(Problem(label, line, f"more than {TEXTS_MAX} texts"))
            break
        else:
            found[sort].append(text)
    return CodeTexts(found["code"], found["offer"]), tuple(problems)
