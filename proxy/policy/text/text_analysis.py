"""Analyses one text: forms, signature, notice, links, telephone numbers.

In: Content. Out: a TextAnalysis. Never: a cache of other texts; what rules make of it (policy/text_reader.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from string import ascii_lowercase, digits
from typing import Any

import cython

from proxy.model.message import Content
from proxy.native.text_units import without_numbers
from proxy.policy.text.bidi import as_shown, display_orders
from proxy.policy.text.contacts import Names, Spans, call_spans
from proxy.policy.text.contacts import contacts as contacts_in
from proxy.policy.text.contacts import links as links_in
from proxy.policy.text.disguised import DOTS, KIND_TABLE, DigitRun, DigitRuns, candidates, domains
from proxy.policy.text.folding import MARKS, Signature, easily_folded, folding, squeeze, with_unseen
from proxy.policy.text.folding import signature as signature_of
from proxy.policy.text.handles import Handle, handle_spans
from proxy.policy.text.handles import handles as handles_in
from proxy.policy.text.notices import Notice, asks
from proxy.policy.text.notices import notice as notice_in
from proxy.policy.text.split_words import LETTERS_LEAST, split_runs

BoolOrSpans = bool | Spans
DIGIT_LIKE, LETTER, MARK, LATIN, DOT, CODES, OTHER_DOT, COLON = 1, 2, 4, 8, 16, 32, 64, 128


def _kinds() -> bytes:
    """The kinds of each of the first 65,536 characters of folded texts. Letters are those which are not written for digits."""
    kinds = bytearray(of & 3 for of in KIND_TABLE)
    for one in digits + ascii_lowercase:
        kinds[ord(one)] |= LATIN
    for one in "%&":
        kinds[ord(one)] |= CODES
    for one in MARKS:
        kinds[ord(one)] |= MARK
    for one in DOTS:
        if one <= "\uffff":
            kinds[ord(one)] |= OTHER_DOT
    kinds[ord(".")] = MARK | DOT
    kinds[ord(":")] |= COLON
    return bytes(kinds)


_TABLE = _kinds()
_kind: cython.p_uchar = _TABLE


@cython.final
@cython.cclass
class TextAnalysis:
    """One text under analysis: the argument of conditions with scope ``text``."""

    text: str
    folded: str
    squeezed: str
    is_plain: bool
    """Whether folding it is easy: then nothing in it turns the order of display, and no character is decorative."""
    is_dressed: bool
    """Whether words may be hidden in it."""
    signature: Signature
    name: str
    """Of the signature."""
    notice: Notice
    keyword: str
    has_notice: bool
    links: tuple[str, ...]
    holds_number: bool
    """Whether there are as many digits, or what is written for digits, as a telephone number has: no other letter stands between them."""
    holds_codes: bool
    """Whether encoded characters may stand in it."""
    domain_at: cython.Py_ssize_t
    """From where on domains may be written with other signs or gaps; -1 if there are none."""
    found: Any
    """Contacts of all kinds but links, once they were asked for (found_contacts.py)."""
    _handles: tuple[Handle, ...] | None
    _contacts: tuple[str, ...] | None
    _split: tuple[str, ...] | None
    _domains: tuple[str, ...] | None
    _candidates: tuple[DigitRun, ...] | None

    def __init__(self, content: Content) -> None:
        self.text = content.text
        folded: str | None = easily_folded(self.text)
        self.is_plain = folded is not None
        self.is_dressed = False
        if folded is None:
            folded, self.is_dressed = folding(self.text)
        self.folded = folded
        kinds: cython.int = self._kinds()
        self.squeezed = squeeze(folded) if kinds & 256 else folded
        if self.squeezed is not folded and _has_marks_less(folded, self.squeezed):
            self.is_dressed = True
        self.signature = signature_of(self.text)
        self.name = cython.cast(tuple, self.signature)[0]
        self.notice = notice_in(self.squeezed)
        self.keyword = cython.cast(tuple, self.notice)[0]
        self.has_notice = cython.cast(tuple, self.notice)[2]
        self.links = links_in(folded, kinds & 128 != 0) if kinds & 16 else ()
        self.found = None
        self._handles = None
        self._contacts = None
        self._split = None
        self._domains = None
        self._candidates = None

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _kinds(self) -> cython.int:  # noqa: C901, PLR0912, PLR0915 # one pass over the text
        """The kinds of its characters, and 256 where marks stand between Chinese characters. Sets ``holds_…``."""
        kinds: cython.int = 0
        kind: cython.int
        before: cython.int = 0  # the kind of the letter before
        gap: cython.int = 0  # characters since then
        marks: cython.int = -1  # since the last Chinese character; -1: not only marks stand there
        many: cython.int = 0  # digits
        last: cython.Py_UCS4 = " "  # the character before; and the letter before
        letter: cython.Py_UCS4 = " "
        one: cython.Py_UCS4
        dotted: cython.bint = False  # whether a dot stands behind the letter before
        behind: cython.bint = False  # whether other marks than dots stand between Latin letters here
        plain: cython.bint
        at: cython.Py_ssize_t
        stretch: cython.Py_ssize_t = 0  # where Latin letters begin that no Chinese ones part
        self.holds_number = False
        self.domain_at = -1
        for at, one in enumerate(self.folded):
            kind = _kind[ord(one)] if one <= "\uffff" else 0
            if kind == 2:  # nearly every character: a Chinese one that is no numeral
                if 0 < marks <= 3:
                    kinds |= 256
                before = marks = many = gap = 0
                letter = one
                dotted = False
                continue
            kinds |= kind
            if kind & 1:
                many += 1
                if many == 5:
                    self.holds_number = True
            elif kind & 2:
                many = 0
            if kind & 8:
                if letter == "点" or letter == "号":
                    self.domain_at = 0
                elif not before & 8:
                    stretch = at
                    behind = False
                elif gap:
                    plain = gap == 1 and last == "."
                    if behind if plain else dotted or last == "-" or one == "d":
                        self.domain_at = stretch if self.domain_at < 0 else self.domain_at
                    behind = (behind or not plain) and not (gap == 3 and last == "/" and self.folded[at - 3] == ":")
                before = kind
                gap = 0
                marks = -1
                letter = one
                dotted = False
            elif "\u3400" <= one <= "\u9fff":
                if 0 < marks <= 3:
                    kinds |= 256
                before = gap = marks = 0
                letter = one
                dotted = False
            else:
                gap += 1
                dotted = dotted or kind & (16 | 64) != 0 or one > "\uffff"
                if marks >= 0:
                    marks = marks + 1 if kind & 4 else -1
            last = one
        self.holds_codes = kinds & 32 != 0
        if self.holds_codes:
            self.domain_at = 0
        return kinds

    @property
    def scanned(self) -> bytes:
        """The text in the form the scanner reads."""
        return without_numbers(self.squeezed)

    @property
    def contacts(self) -> Names:
        return self.find_contacts()

    @property
    def split(self) -> Names:
        """Runs of letters that stand one by one between marks."""
        return self.find_split()

    @property
    def all_links(self) -> Names:
        """Links, and candidates for disguised ones, to be looked up among known ones."""
        return self.find_all_links()

    @property
    def all_contacts(self) -> Names:
        """Telephone numbers, and candidates for disguised ones, likewise."""
        return self.find_all_contacts()

    # what the properties give, for compiled callers

    @cython.ccall
    def find_contacts(self) -> Names:
        if self._contacts is None:  # squeezing takes nothing from a number: it works between Chinese characters
            self._contacts = contacts_in(self.squeezed) if self.holds_number else ()
        return self._contacts

    @cython.ccall
    def find_split(self) -> Names:
        if self._split is None:
            runs: tuple[str, ...] = split_runs(self.folded)
            if self.is_dressed:
                runs = tuple(dict.fromkeys(runs + split_runs(with_unseen(self.text))))
            self._split = runs
        return self._split

    @cython.ccall
    def find_disguised_links(self) -> Names:
        if self._domains is None:
            self._domains = domains(self.folded, self.domain_at) if self.domain_at >= 0 else ()
        return self._domains

    @cython.ccall
    def find_disguised_contacts(self) -> DigitRuns:
        if self._candidates is None:
            self._candidates = candidates(self.folded) if self.holds_number else ()
        return self._candidates

    @cython.ccall
    def find_all_links(self) -> Names:
        disguised_links: tuple[str, ...] = self.find_disguised_links()
        return self.links + disguised_links if disguised_links else self.links

    @cython.ccall
    def find_all_contacts(self) -> Names:
        disguised_contacts: tuple[DigitRun, ...] = self.find_disguised_contacts()
        plain: tuple[str, ...] = self.find_contacts()
        return plain + tuple([one.digits for one in disguised_contacts if one.is_number]) if disguised_contacts else plain

    @cython.ccall
    def find_handles(self) -> tuple[Handle, ...]:
        if self._handles is None:
            self._handles = handles_in(self.squeezed)
        return self._handles

    def known(self, contacts: Iterable[str]) -> tuple[str, ...]:
        """Which of these links, numbers and handles are in the text, even disguised."""
        return tuple(
            one
            for one in contacts
            if one in self.all_contacts
            or any(f".{link}".endswith(f".{one}") for link in self.all_links)
            or any(handle.key == one for handle in self.find_handles())
        )

    def says(self, word: str) -> bool:
        """Whether a word is in the text, even split letter by letter."""
        return word in self.squeezed or (len(word) >= LETTERS_LEAST and any(word in run for run in self.split))

    @cython.ccall
    def may_call(self, reads_handles: cython.bint = False) -> BoolOrSpans:
        """Whether the text could contain other telephone numbers (or handles) with other digits in the same places; and where, in the text as
        written, if folding has not moved them."""
        spans: tuple[tuple[int, int], ...] = handle_spans(self.squeezed, self.find_handles()) if reads_handles else ()
        if spans and (self.squeezed is not self.folded or len(self.folded) != len(self.text)):
            return True
        numbers = self._may_call() if self.holds_number else False
        return numbers if not spans or numbers is True else spans if numbers is False else numbers + spans

    @cython.cfunc
    def _may_call(self) -> BoolOrSpans:
        found: tuple[tuple[int, int], ...] = call_spans(self.folded)
        disguised_contacts: tuple[DigitRun, ...] = self.find_disguised_contacts()
        if disguised_contacts:
            found = tuple(sorted({*found, *[one.span for one in disguised_contacts]}))
        if not found:
            return self.squeezed is not self.folded and bool(call_spans(self.squeezed))
        moved = self.folded is not self.text and (
            len(self.folded) != len(self.text) or any([self.folded[a:b] != self.text[a:b] for a, b in found])
        )
        return True if moved else found


def missing(page: TextAnalysis) -> bool:
    """Whether there is no opt-out notice: a condition of rules, like the following."""
    return not page.notice.found


def present(page: TextAnalysis) -> bool:
    return page.notice.found


def at_tail(page: TextAnalysis) -> bool:
    return page.notice.at_tail


def asking(page: TextAnalysis) -> bool:
    """Whether it wants an answer that is no refusal."""
    return asks(page.squeezed, page.notice)


def several(page: TextAnalysis) -> bool:
    return page.signature.edges > 1


def pages_of(content: Content) -> list[TextAnalysis]:
    """The text as it is written, and in each other order in which handsets show it."""
    others = display_orders(content.text)
    return [
        TextAnalysis(content),
        *(TextAnalysis(Content(text, content.state, b"")) for text in (others.texts if others is not None else ())),
    ]


def signer(text: str) -> str:
    """The signature of a text for rules: as it is displayed, else as it is written."""
    return signature_of(as_shown(text)).name or signature_of(text).name


@cython.cfunc
def _has_marks_less(folded: str, squeezed: str) -> cython.bint:
    """Whether squeezing took more than spaces."""
    return len(folded) - len(squeezed) > folded.count(" ") - squeezed.count(" ")
