"""Lists what in a text speaks for its category, for people.

In: a Content and the Reader of the rules that judged it. Out: CategoryEvidence, always the same for the same text and revision: the journal
keeps both, so it need not keep the evidence. Never: on a message's way; another opinion than category.py's.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from proxy.model.message import Content
from proxy.native.text_units import masked
from proxy.policy.text.category import EVASION, INVITING, LINK, OPT_OUT, Classified, is_inviting
from proxy.policy.text.folding import fold, squeeze
from proxy.policy.text.text_analysis import pages_of
from proxy.policy.text_reader import Reader

FEATURES_MAX = 200  # shown of one text; a text of 20 parts may hold more
STRETCH_MAX = 60  # characters of what stands beside a code
HIDDEN = " is hidden"
_DIGITS = re.compile(r"\d+|\*+")


class Feature(NamedTuple):
    """One thing that was found."""

    kind: str  # a purpose of the lexicon, or: link, opt-out, evasion, beside-code
    what: str  # the word as the lexicon has it, the domain, the keyword, how it was hidden, what is said beside a code
    weight: int
    subcategory: str
    at: int  # first character in the text, from 0; -1 where it stands in no one place
    written: str  # as it stands in the text

    @property
    def shown(self) -> str:
        """The word as it stands in the text, and what it is read as where more than its numbers differs."""
        what = self.what.removesuffix(HIDDEN).strip("【】")
        written = "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in self.written.strip("【】"))
        return what if not written else written if _DIGITS.sub("0", written) == what else f"{written} → {what}"

    def __str__(self) -> str:
        place = f" at {self.at}" if self.at >= 0 else ""
        of = f" ({self.subcategory})" if self.subcategory else ""
        return f"{self.kind} {self.weight}{of}: {self.shown}{place}"


class CategoryEvidence(NamedTuple):
    classified: Classified
    features: tuple[Feature, ...]


def evidence(reader: Reader, content: Content) -> CategoryEvidence:
    """All that was found in a text, in order, and what came of it."""
    page = max(pages_of(content), key=lambda one: reader.classified(one).category)
    text = page.text
    data, matches = reader.matches(page, page.scanned)
    scanner = reader.scanner
    found = frozenset(match[0] for match in matches)
    counted = scanner.counted(found, data, matches)
    standing = [match for match in scanner.standing(data, matches) if match[0] in counted]
    hidden = reader.hidden(page, found) if page.is_dressed or len(data) > len(page.scanned) else set()
    spans = _spans(text)
    if len(spans) != len(page.scanned):  # folding that looks at more than one character: then say what, not where
        spans = []
    features: list[Feature] = []
    for place, start, end in standing[:FEATURES_MAX]:
        word = scanner.lexicon.words[place]
        in_one_place = end <= len(spans)  # a word that is split letter by letter stands in no one place
        at, last = (spans[start][0], spans[end - 1][1]) if in_one_place else (-1, -1)
        written = text[at : last + 1] if in_one_place else ""
        features.append(Feature(word.purpose, word.text, word.weight, word.subcategory, at, written))
        if place in hidden:
            features.append(Feature("evasion", f"{word.text}{HIDDEN}", EVASION, "", at, written))
    inviting = bool(counted) and page.notice.found and is_inviting(scanner.total(counted))
    features += [Feature("link", domain, LINK + INVITING * inviting, "", -1, "") for domain in page.links[:1]]
    if page.notice.found:
        features.append(Feature("opt-out", page.notice.keyword, OPT_OUT, "", -1, ""))
    if (points := reader.beside(reader.weighed(page), page)) is not None:
        code_text = reader.scanner.lexicon.codes.stretch(page.squeezed)[:STRETCH_MAX]
        features.append(Feature("beside-code", code_text, points, "", -1, ""))
    return CategoryEvidence(reader.classified(page), tuple(features))


def _spans(text: str) -> list[tuple[int, int]]:
    """For each byte of what the scanner reads, the first and the last character of the text it comes from."""
    folded: list[tuple[str, int]] = [(one, at) for at, character in enumerate(text) for one in fold(character)]
    whole = "".join(one for one, _ in folded)
    squeezed = squeeze(whole)
    kept: list[tuple[str, int]] = []
    rest = iter(squeezed)
    wanted = next(rest, "")
    for one, at in folded:  # squeezing only leaves out
        if one == wanted:
            kept.append((one, at))
            wanted = next(rest, "")
    spans: list[tuple[int, int]] = []
    before = b""
    for one, at in kept:
        mask = masked(one)
        if mask == b"0" == before:
            spans[-1] = (spans[-1][0], at)
        else:
            spans += [(at, at)] * len(mask)
        before = mask
    return spans
