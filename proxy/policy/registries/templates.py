"""Matches texts against registered templates.

A template is a text with variables: ``【青禾商城】您的验证码是{code}，{minutes}分钟内有效``. A variable stands for 1 to 20 characters,
``{name:8}`` for at most 8. Width, spaces and traditional forms do not matter; digits are not compared (``9折`` is ``5折``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

import re2

from proxy.model.message import Category, hash48
from proxy.model.recipient import CONSENT_REQUEST
from proxy.policy.text.category import SUBCATEGORY_CODES
from proxy.policy.text.folding import fold, normal_signature, signature

VARIABLE = re.compile(r"\{([^{}:]*)(?::([0-9]{1,3}))?\}")
LETTERS_MAX, LETTERS_LONGEST = 20, 200
"""Characters of a variable: where nothing is said, and at most."""
BODY_BYTES_MAX = 8 << 20  # of the automaton for all templates of one signature
_DIGITS = str.maketrans("123456789", "000000000")


class TemplateRow(NamedTuple):
    name: str
    signature: str  # as it stands in the text
    provider: str  # empty = any
    category: Category | None
    subcategory: str
    text: str
    line: int = 0


def plain(text: str) -> str:
    """A text as templates are compared: folded, digits alike, no spaces."""
    return "".join(fold(text).split()).translate(_DIGITS)


def pattern_of(text: str) -> str:
    """RE2 for a template; ValueError when a variable is longer than is allowed."""
    parts: list[str] = []
    at = 0
    for match in VARIABLE.finditer(text):
        most = int(match[2]) if match[2] else LETTERS_MAX
        if not 1 <= most <= LETTERS_LONGEST:
            raise ValueError(f"a variable of {most} characters (1 to {LETTERS_LONGEST})")
        parts += [_literal(plain(text[at : match.start()])), f"(?s:.){{1,{most}}}"]
        at = match.end()
    parts.append(_literal(plain(text[at:])))
    return "".join(parts)


def _literal(text: str) -> str:
    """Runs of digits may be of any length: a price of three digits is a price of four."""
    return "0+".join(map(re2.escape, re.split("0+", text)))


class Templates:
    def __init__(self, rows: Iterable[TemplateRow] = ()) -> None:
        self.rows = tuple(rows)
        self.names = frozenset(row.name for row in self.rows)
        self.of_signature: dict[str, list[int]] = {}
        for index, row in enumerate(self.rows):
            self.of_signature.setdefault(normal_signature(row.signature), []).append(index)

    def __bool__(self) -> bool:
        return bool(self.rows)

    def fitting(self, signature: str, text: str) -> tuple[int, ...] | None:
        """Indexes of the rows that a text matches, for any provider; None if none is registered for its signature."""
        indices = self.of_signature.get(signature)
        if indices is None:
            return None
        found = self._sets[signature].Match(plain(text))
        return tuple(sorted(indices[place] for place in found or ()))

    def form(self, forms: tuple[int, ...] | None, provider: str) -> TemplateRow | None:
        """The first matching row that this provider may send."""
        return next((self.rows[index] for index in forms or () if self.rows[index].provider in ("", provider)), None)

    def value_of(self, forms: tuple[int, ...] | None, provider: str) -> str:
        """The value of ``template`` in a rule: a template's name, mismatched, or unregistered."""
        if forms is None:
            return "unregistered"
        form = self.form(forms, provider)
        return form.name if form is not None else "mismatched"

    def requests_of(self, signature_hash: int, provider: str) -> list[TemplateRow]:
        """The consent requests that are registered for a signature and a provider."""
        return [row for row in self._requests_of.get(signature_hash, ()) if row.provider in ("", provider)]

    @property
    def requests(self) -> list[TemplateRow]:
        """All consent requests."""
        return [row for row in self.rows if SUBCATEGORY_CODES.get(row.subcategory) == CONSENT_REQUEST]

    @cached_property
    def _requests_of(self) -> dict[int, list[TemplateRow]]:
        found: dict[int, list[TemplateRow]] = {}
        for row in self.requests:
            found.setdefault(hash48(normal_signature(row.signature)), []).append(row)
        return found

    @property
    def declare_categories(self) -> bool:
        """Whether some templates declare a category or sub-category: then every text is looked up, whatever rules ask."""
        return any(row.category is not None or row.subcategory for row in self.rows)

    @cached_property
    def _sets(self) -> dict[str, re2.Set]:
        return {name: self._set(indices) for name, indices in self.of_signature.items()}

    def _set(self, indices: list[int]) -> re2.Set:
        options = re2.Options()
        options.max_mem = BODY_BYTES_MAX
        options.log_errors = False
        made = re2.Set.FullMatchSet(options)
        for index in indices:
            made.Add(pattern_of(self.rows[index].text))
        made.Compile()
        return made


def signature_in(text: str) -> str:
    """The 【signature】 a template carries, normalised; empty if it has none."""
    return signature(text).name
