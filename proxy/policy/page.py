"""Page: one text under analysis, and what is found in it: its forms, signature, notice, links, telephone numbers.

In: Content. Out: Page. Never: a memory of other texts, what rules make of it (reading.py).
"""

from __future__ import annotations

from proxy.message import Content

from .contacts import call_spans, contacts, links
from .drawn import as_shown, drawn
from .notices import Notice, notice
from .text import Signature, folding, masked, signature, squeeze, without_numbers

Spans = tuple[tuple[int, int], ...]
"""From where to where, in order."""


class Page:
    """What tests of scope ``text`` are asked with."""

    __slots__ = ("text", "folded", "squeezed", "is_dressed", "signature", "notice", "links", "_contacts")

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

    @property
    def scanned(self) -> bytes:
        """The text in the form the scanner reads."""
        return without_numbers(masked(self.squeezed))

    @property
    def contacts(self) -> tuple[str, ...]:
        if self._contacts is None:  # squeezing takes nothing from a number: it works between Chinese characters
            self._contacts = contacts(self.squeezed)
        return self._contacts

    def may_call(self) -> bool | Spans:
        """Whether with other digits in the same places there may be other telephone numbers; where, in the text as it was written, if folding
        has not moved that."""
        found = call_spans(self.folded)
        if not found and (self.squeezed is self.folded or not call_spans(self.squeezed)):
            return False
        moved = len(self.folded) != len(self.text) or any(self.folded[a:b] != self.text[a:b] for a, b in found)
        return True if moved or not found else found


def pages_of(content: Content) -> list[Page]:
    """The text as it is written, and in each other order in which handsets show it."""
    others = drawn(content.text)
    return [Page(content), *(Page(Content(text, content.state, b"")) for text in (others.texts if others is not None else ()))]


def signer(text: str) -> str:
    """The signature by which rules know a text: as it is shown, else as it is written."""
    return signature(as_shown(text)).name or signature(text).name


def _has_marks_less(folded: str, squeezed: str) -> bool:
    """Whether squeezing took more than spaces."""
    return len(folded) - len(squeezed) > folded.count(" ") - squeezed.count(" ")
