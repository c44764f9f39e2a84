"""Analyses one text: forms, signature, notice, links, telephone numbers.

In: Content. Out: a TextAnalysis. Never: a cache of other texts; what rules make of it (policy/text_reader.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from proxy.model.message import Content
from proxy.policy.text import disguised
from proxy.policy.text.bidi import as_shown, display_orders
from proxy.policy.text.contacts import call_spans, contacts, links
from proxy.policy.text.folding import Signature, folding, masked, signature, squeeze, with_unseen, without_numbers
from proxy.policy.text.notices import Notice, notice
from proxy.policy.text.split_words import LETTERS_LEAST, split_runs

Spans = tuple[tuple[int, int], ...]
"""From where to where, in order."""


class TextAnalysis:
    """One text under analysis: the argument of conditions with scope ``text``."""

    __slots__ = (
        "text", "folded", "squeezed", "is_dressed", "signature", "notice", "links", "_contacts", "_split", "_domains",
        "_candidates",
    )  # fmt: skip

    def __init__(self, content: Content) -> None:
        self.text = content.text
        self.folded, is_dressed = folding(self.text)
        self.squeezed = squeeze(self.folded)
        self.is_dressed = is_dressed or (self.squeezed is not self.folded and _has_marks_less(self.folded, self.squeezed))
        """Whether words may be hidden in it."""
        self.signature: Signature = signature(self.text)
        self.notice: Notice = notice(self.squeezed)
        self.links = links(self.folded)
        self._contacts: tuple[str, ...] | None = None
        self._split: tuple[str, ...] | None = None
        self._domains: tuple[str, ...] | None = None
        self._candidates: tuple[disguised.DigitRun, ...] | None = None

    @property
    def scanned(self) -> bytes:
        """The text in the form the scanner reads."""
        return without_numbers(masked(self.squeezed))

    @property
    def contacts(self) -> tuple[str, ...]:
        if self._contacts is None:  # squeezing takes nothing from a number: it works between Chinese characters
            self._contacts = contacts(self.squeezed)
        return self._contacts

    @property
    def split(self) -> tuple[str, ...]:
        """Runs of letters that stand one by one between marks."""
        if self._split is None:
            runs = split_runs(self.folded)
            if self.is_dressed:
                runs = tuple(dict.fromkeys(runs + split_runs(with_unseen(self.text))))
            self._split = runs
        return self._split

    @property
    def disguised_links(self) -> tuple[str, ...]:
        """Candidates for disguised domains, to be looked up among known ones."""
        if self._domains is None:
            self._domains = disguised.domains(self.folded)
        return self._domains

    @property
    def disguised_contacts(self) -> tuple[disguised.DigitRun, ...]:
        """Candidates for disguised telephone numbers, to be looked up among known ones."""
        if self._candidates is None:
            self._candidates = disguised.candidates(self.folded)
        return self._candidates

    @property
    def all_links(self) -> tuple[str, ...]:
        """Links, and candidates for disguised ones."""
        return self.links + self.disguised_links

    @property
    def all_contacts(self) -> tuple[str, ...]:
        """Telephone numbers, and candidates for disguised ones."""
        return self.contacts + tuple(one.digits for one in self.disguised_contacts if one.is_number)

    def known(self, contacts: Iterable[str]) -> tuple[str, ...]:
        """Which of these links and numbers are in the text, even disguised."""
        return tuple(
            one
            for one in contacts
            if one in self.all_contacts or any(f".{link}".endswith(f".{one}") for link in self.all_links)
        )

    def says(self, word: str) -> bool:
        """Whether a word is in the text, even split letter by letter."""
        return word in self.squeezed or (len(word) >= LETTERS_LEAST and any(word in run for run in self.split))

    def may_call(self) -> bool | Spans:
        """Whether the text could contain other telephone numbers with other digits in the same places; and where, in the text as written, if
        folding has not moved them."""
        found = call_spans(self.folded)
        if self.disguised_contacts:
            found = tuple(sorted({*found, *(one.span for one in self.disguised_contacts)}))
        if not found and (self.squeezed is self.folded or not call_spans(self.squeezed)):
            return False
        moved = len(self.folded) != len(self.text) or any(self.folded[a:b] != self.text[a:b] for a, b in found)
        return True if moved or not found else found


def pages_of(content: Content) -> list[TextAnalysis]:
    """The text as it is written, and in each other order in which handsets show it."""
    others = display_orders(content.text)
    return [
        TextAnalysis(content),
        *(TextAnalysis(Content(text, content.state, b"")) for text in (others.texts if others is not None else ())),
    ]


def signer(text: str) -> str:
    """The signature of a text for rules: as it is displayed, else as it is written."""
    return signature(as_shown(text)).name or signature(text).name


def _has_marks_less(folded: str, squeezed: str) -> bool:
    """Whether squeezing took more than spaces."""
    return len(folded) - len(squeezed) > folded.count(" ") - squeezed.count(" ")
