"""Knows which texts a clerk has released or refused.

In: rows of ``registries/reviewed.csv``; an analysed text. Out: the key under which a text is released; conditions for rules with
``then: review``. Never: files; a text without a review.

The key covers the text without its harmless variations: digits are masked, and so is the name in a greeting at the beginning. Links and
other contacts are kept as they are, for a sender would exchange these after the review.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from proxy.i18n.phrases import Bilingual
from proxy.model.message import Content
from proxy.policy import time_windows
from proxy.policy.condition import All, AnyOf, OneOf, Test, Tree, never
from proxy.policy.text.bidi import display_orders
from proxy.policy.text.found_contacts import found_contacts
from proxy.policy.text.text_analysis import TextAnalysis

VERDICTS = ("released", "refused")
_DIGIT = re.compile("[0-9]")
KEY = re.compile(r"[0-9a-f]{16}")


def _greeted() -> re.Pattern[bytes]:
    name = rb"((?:[\xe4-\xe9][\x80-\xbf]{2}){1,4}?)"  # Chinese characters in UTF-8
    patterns = {b"NAME": name, b"TITLE": "(?:先生|女士|小姐|同学)".encode(), b"HELLO": "(?:您|你)好".encode()}
    pattern = "(?:【(?:(?!】).){0,64}】)?(?:HELLO[,:!]?)?(?:(?:尊敬的|亲爱的)NAME(?=TITLE|HELLO|[,:!])|NAME(?=TITLE|[,:!]?HELLO))".encode()
    for word, meaning in patterns.items():
        pattern = pattern.replace(word, meaning)
    return re.compile(pattern, re.DOTALL)


_GREETED = _greeted()
"""Whom a text greets: behind its signature and a hello, before a title or a hello; where it says how dear, before a mark as well."""


def key_of(page: TextAnalysis) -> str:
    """The review key of a text: 16 hex digits. Cryptographic, so that no sender can forge a text with a released key."""
    words = nameless(page.scanned)
    others = None if page.is_plain else display_orders(page.text)
    told = dict.fromkeys((*page.contacts, *(one.key for one in found_contacts(page) if _DIGIT.search(one.key))))
    beside = "\0".join((*page.links, *told, *(others.texts if others is not None else ()))).encode("utf-8", "surrogatepass")
    return blake2b(words + b"\0" + beside, digest_size=8).hexdigest()


def nameless(scanned: bytes) -> bytes:
    """The scanned text without the name (one to four Chinese characters) of a greeting at its beginning."""
    greeted = _GREETED.match(scanned)
    if greeted is None:
        return scanned
    start, end = greeted.span(greeted.lastindex or 0)
    return scanned[:start] + scanned[end:]


def review_key(content: Content) -> str:
    """``key_of`` for a text that is not under analysis."""
    return key_of(TextAnalysis(content))


class ReviewedRow(NamedTuple):
    key: str
    provider: str  # empty = any
    verdict: str
    by: str
    until: float
    line: int = 0


class Reviewed:
    def __init__(self, rows: Iterable[ReviewedRow] = ()) -> None:
        self.rows = tuple(rows)
        self._trees = {verdict: self._tree(verdict) for verdict in VERDICTS}

    def tree(self, verdict: str) -> Tree | None:
        """A condition that holds for texts with this verdict; None if there are none."""
        return self._trees[verdict]

    def _tree(self, verdict: str) -> Tree | None:
        groups: dict[tuple[str, float], list[str]] = {}
        for row in self.rows:
            if row.verdict == verdict:
                groups.setdefault((row.provider, row.until), []).append(row.key)
        parts = [_group(verdict, provider, until, keys) for (provider, until), keys in groups.items()]
        return None if not parts else parts[0] if len(parts) == 1 else AnyOf(tuple(parts))


def _group(verdict: str, provider: str, until: float, keys: list[str]) -> Tree:
    parts: list[Tree] = [
        Test(
            "reviewed",
            never,
            Bilingual(f"a clerk has {verdict} the text", f"文案已由人工{'放行' if verdict == 'released' else '拒绝'}"),
            "reviewed",
            vocabulary=tuple(keys),
        )
    ]
    if provider:
        parts.append(OneOf("provider", frozenset((provider,))))
    if until != time_windows.NEVER:
        time = time_windows.between(
            [(-time_windows.NEVER, until)], Bilingual("the clerk's decision holds", "人工结论在有效期内")
        )
        parts.append(Test("time", time.holds, time.words, "active", time=time))
    return parts[0] if len(parts) == 1 else All(tuple(parts))
