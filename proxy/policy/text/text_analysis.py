"""Analyses one text: forms, signature, notice, links, telephone numbers.

In: Content. Out: a TextAnalysis. Never: a cache of other texts; what rules make of it (policy/text_reader.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from string import ascii_lowercase, digits
from typing import Any

import cython

from proxy.model.message import Content
from proxy.native.characters import character
from proxy.native.text_units import without_numbers
from proxy.policy.text import notices
from proxy.policy.text.bidi import as_shown, display_orders
from proxy.policy.text.contacts import Names, Spans, call_spans, links_between
from proxy.policy.text.contacts import contacts as contacts_in
from proxy.policy.text.disguised import DOTS, KIND_TABLE, DigitRun, DigitRuns, candidates, domains
from proxy.policy.text.folding import MARKS, Signature, easily_folded, folding, squeeze, with_unseen
from proxy.policy.text.folding import signature as signature_of
from proxy.policy.text.handles import Handle, handle_spans
from proxy.policy.text.handles import handles as handles_in
from proxy.policy.text.notices import TAIL_KNOWN, Notice, asks, is_gate, notice_at
from proxy.policy.text.notices import notice as notice_in
from proxy.policy.text.split_words import LETTERS_LEAST, split_runs

BoolOrSpans = bool | Spans
DIGIT_LIKE, LETTER, MARK, LATIN, DOT, CODES, OTHER_DOT, NOTED = 1, 2, 4, 8, 16, 32, 64, 128
SQUEEZES, HIDES, ADDRESS, BRACKETS = 256, 512, 1024, 2048
"""Of a text: marks stand between Chinese characters, and not only spaces; a colon and a slash; more than one 【."""


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
    for code, of in enumerate(notices.KIND_TABLE):
        if of & notices.GATES:
            kinds[code] |= NOTED
    for one in "点号":
        kinds[ord(one)] |= NOTED
    return bytes(kinds)


_TABLE = _kinds()
_kind: cython.p_uchar = _TABLE
_tail_known: cython.Py_ssize_t = TAIL_KNOWN
_seven = cython.declare(cython.ulonglong, 1 << 56)
_many = cython.declare(cython.ulonglong, (1 << 64) - 1)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _with_place(places: cython.ulonglong, place: cython.Py_ssize_t) -> cython.ulonglong:
    """``TextAnalysis.alone`` with one more place."""
    return places << 8 | place if places < _seven and place < 256 else _many


@cython.final
@cython.no_gc
@cython.freelist(8)
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
    """From where on domains may be written with other signs or gaps; -1 if there are none. This place and others are in ``folded``."""
    answer_at: cython.Py_ssize_t
    """The place of the only word for answering, but in ``squeezed``; -1: there is none, -2: perhaps several (notices.py)."""
    gate_at: cython.Py_ssize_t
    last_gate_at: cython.Py_ssize_t
    """The first gate of a notice, and the first among the last characters; -1 if there is none."""
    dot_at: cython.Py_ssize_t
    last_dot_at: cython.Py_ssize_t
    """The first and the last ASCII dot, if there is one."""
    alone: cython.ulonglong
    """The places of letters that stand alone between marks or letters of the other kind, an octet each: at most eight, in the first 256
    characters. All bits are set where there are more."""
    found: Any
    """Contacts of all kinds but links, once they were asked for (found_contacts.py)."""
    _handles: tuple[Handle, ...] | None
    _contacts: tuple[str, ...] | None
    _split: tuple[str, ...] | None
    _domains: tuple[str, ...] | None
    _candidates: tuple[DigitRun, ...] | None

    def __init__(self, content: Content) -> None:
        self.read(content.text)

    @cython.ccall
    @cython.nonecheck(False)
    def read(self, text: str) -> cython.void:
        """Analyses a text: once."""
        self.found = self._handles = self._contacts = self._split = self._domains = self._candidates = None
        folded: str | None = easily_folded(text)
        self.text = text
        self.is_plain = folded is not None
        self.is_dressed = False
        if folded is None:
            folded, self.is_dressed = folding(text)
        self.folded = self.squeezed = folded
        kinds: cython.int = self._kinds()
        if kinds & 256:
            self.squeezed = squeeze(folded)
            self.is_dressed = self.is_dressed or kinds & 512 != 0
            self.notice = notice_in(self.squeezed)
            if self.answer_at >= 0:
                self.answer_at = self.squeezed.find("回")
                if self.answer_at < 0:
                    self.answer_at = self.squeezed.find("复")
        else:
            self.notice = notice_at(folded, self.gate_at, self.last_gate_at)
        self.signature = signature_of(text, kinds & 2048 == 0)
        self.name = cython.cast(tuple, self.signature)[0]
        self.keyword = cython.cast(tuple, self.notice)[0]
        self.has_notice = cython.cast(tuple, self.notice)[2]
        self.links = links_between(folded, self.dot_at, self.last_dot_at, kinds & 1024 != 0) if kinds & (16 | 1024) else ()

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.nonecheck(False)
    def _kinds(self) -> cython.int:  # noqa: C901, PLR0912, PLR0915 # one pass over the text
        """The kinds of its characters, and those of the whole text. Sets ``holds_…`` and ``…_at``."""
        kinds: cython.int = 0
        kind: cython.int
        before: cython.int = 0  # the kind of the letter before
        gap: cython.int = 0  # characters since then
        marks: cython.int = -1  # since the last Chinese character; -1: not only marks stand there
        many: cython.int = 0  # digits
        last: cython.Py_UCS4 = " "  # the character before, but for Chinese ones
        one: cython.Py_UCS4
        calm: cython.bint = False  # whether the character before is a Chinese letter
        dotted: cython.bint = False  # whether a dot stands behind the letter before
        behind: cython.bint = False  # whether other marks than dots stand between Latin letters here
        bracketed: cython.bint = False  # whether there was a 【
        hidden: cython.bint = False  # whether one of ``marks`` is no space
        plain: cython.bint
        at: cython.Py_ssize_t
        alone: cython.ulonglong = 0
        stretch: cython.Py_ssize_t = 0  # where Latin letters begin that no Chinese ones part
        apart: cython.Py_ssize_t = -9  # the last character that is not Chinese
        single: cython.Py_ssize_t = -9  # the last Latin letter behind a mark
        point: cython.Py_ssize_t = -9  # the last 点 or 号
        back: cython.Py_ssize_t = -9  # the last 回
        tail: cython.Py_ssize_t = len(self.folded) - _tail_known
        self.holds_number = False
        self.domain_at = self.answer_at = self.gate_at = self.last_gate_at = self.dot_at = self.last_dot_at = -1
        for at, one in enumerate(self.folded):
            kind = _kind[ord(one)] if one <= "\uffff" else 0
            if kind == 2 and calm:  # nearly every character: a Chinese letter behind another one
                continue
            kinds |= kind
            if kind & 1:
                many += 1
                if many == 5:
                    self.holds_number = True
            elif kind & 2:
                many = 0
            if kind & 8:
                if before & 8 and not gap:  # within a word or a number
                    if one == "y" and last == "l":  # perhaps reply
                        self.answer_at = -2
                    apart = at
                    last = one
                    continue
                if at == apart + 2:
                    alone = _with_place(alone, at - 1)
                if point == at - gap - 1:
                    self.domain_at = 0
                elif not before & 8:
                    stretch = at
                    behind = False
                elif gap:
                    plain = gap == 1 and last == "."
                    if behind if plain else dotted or last == "-" or one == "d":
                        self.domain_at = stretch if self.domain_at < 0 else self.domain_at
                    behind = (behind or not plain) and not (gap == 3 and last == "/" and self.folded[at - 3] == ":")
                if gap:
                    single = at
                before = kind
                gap = 0
                marks = -1
                apart = at
                calm = dotted = False
            elif "\u3400" <= one <= "\u9fff":
                if 0 < marks <= 3:
                    kinds |= 256 | 512 if hidden else 256
                before = gap = marks = 0
                dotted = hidden = False
                calm = kind & 1 == 0
                if kind & 128:
                    if one == "点" or one == "号":
                        point = at
                        continue
                    if one == "回" or (one == "复" and back != at - 1):
                        self.answer_at = at if self.answer_at == -1 else -2
                        back = at
                    if self.gate_at < 0:
                        if is_gate(self.folded, at):
                            self.gate_at = at
                            if at >= tail:
                                self.last_gate_at = at
                    elif self.last_gate_at < 0 and at >= tail and is_gate(self.folded, at):
                        self.last_gate_at = at
            else:
                if at == apart + 2 or at == single + 1:
                    alone = _with_place(alone, at - 1)
                if kind & 16:
                    if self.dot_at < 0:
                        self.dot_at = at
                    self.last_dot_at = at
                elif one == "/":
                    if last == ":":
                        kinds |= 1024
                elif one == "【":
                    kinds |= 2048 if bracketed else 0
                    bracketed = True
                gap += 1
                dotted = dotted or kind & (16 | 64) != 0 or one > "\uffff"
                if marks >= 0:
                    marks = marks + 1 if kind & 4 else -1
                    hidden = hidden or one != " "
                apart = at
                calm = False
            last = one
        self.alone = alone
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
        return found if self.folded is self.text or _are_written_so(self.text, self.folded, found) else True


@cython.cfunc
def _are_written_so(text: str, folded: str, spans: Spans) -> cython.bint:
    """Whether folding changed nothing in these spans."""
    start: cython.Py_ssize_t
    end: cython.Py_ssize_t
    at: cython.Py_ssize_t
    if len(folded) != len(text):
        return False
    for start, end in spans:
        for at in range(start, end):
            if character(text, at) != character(folded, at):
                return False
    return True


def missing(page: TextAnalysis) -> bool:
    """Whether there is no opt-out notice: a condition of rules, like the following."""
    return not page.notice.found


def present(page: TextAnalysis) -> bool:
    return page.notice.found


def at_tail(page: TextAnalysis) -> bool:
    return page.notice.at_tail


def asking(page: TextAnalysis) -> bool:
    """Whether it wants an answer that is no refusal."""
    return asks(page.squeezed, page.notice, page.answer_at)


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
