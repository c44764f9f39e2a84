"""Matches texts against the registered templates of their signatures.

A text is compared with the templates of its signature. Templates whose longest fixed part it lacks are skipped; the others
are tried part by part, in time linear in the text (template_text.py). ``{phone}`` holds a masked number or one that is registered
for the signature's advertiser, for the provider or for everybody, or any number where the filing allows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from functools import cached_property
from typing import NamedTuple, Protocol

from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

from proxy.i18n.phrases import Bilingual
from proxy.model.message import Category, hash48
from proxy.model.recipient import CONSENT_REQUEST
from proxy.policy.registries.template_text import VALUE_SHOWN, FiledTemplate, Obstacle, ValueSpan, body, plain, read_template
from proxy.policy.registries.template_variables import number_of
from proxy.policy.text.category import SUBCATEGORY_CODES
from proxy.policy.text.folding import normal_signature

INDEXED_FROM = 24
"""Templates of one signature: fewer are tried one by one."""
HOW = Implementation.NoncontiguousNFA  # built in a tenth of the time of the others


IsOffer = Callable[[str], bool]


def _never(_: str) -> bool:
    return False


class TemplateRow(NamedTuple):
    name: str
    signature: str  # as it stands in the text
    provider: str  # empty = any
    category: Category | None
    subcategory: str
    text: str
    line: int = 0
    allows: frozenset[str] = frozenset()


class Fit(NamedTuple):
    """A template that a text is."""

    row: int
    providers: frozenset[str] | None = None
    """Providers for whom its telephone numbers are registered; None: any."""


class Misfit(NamedTuple):
    """The template that a text comes nearest to, and where it differs."""

    template: str
    variable: str
    """As the filing has it; empty: a fixed part differs."""
    value: str
    why: Bilingual


class ContactUse(NamedTuple):
    """Who may use a contact, and where: all that is named must hold."""

    provider: str  # empty = any, as with the others
    advertiser: str
    signature: str  # normalised
    template: str


class _Owners(Protocol):
    @property
    def advertisers(self) -> frozenset[str]: ...
    @property
    def providers(self) -> frozenset[str]: ...
    @property
    def everybody(self) -> bool: ...
    @property
    def uses(self) -> tuple[ContactUse, ...]: ...


class ContactOwners(Protocol):
    """The registry that says whose a telephone number is."""

    def owners(self, contact: str) -> _Owners | None: ...
    def advertiser_of(self, signature_hash: int) -> str: ...


class _OfSignature:
    """The templates of one signature."""

    def __init__(self, rows: list[tuple[int, TemplateRow]]) -> None:
        self.templates = [(number, read_template(row.text, row.allows)) for number, row in rows]
        self.by_digits = any(template.by_digits for _, template in self.templates)
        keys = [template.key for _, template in self.templates]
        self._parts = sorted({key for key in keys if key})
        places = {part: place for place, part in enumerate(self._parts)}
        self._by_part: list[list[int]] = [[] for _ in self._parts]
        self._always = [place for place, key in enumerate(keys) if not key]
        for place, key in enumerate(keys):
            if key:
                self._by_part[places[key]].append(place)
        is_indexed = len(self.templates) >= INDEXED_FROM and self._parts
        self._index = AhoCorasick(self._parts, matchkind=MatchKind.Standard, implementation=HOW) if is_indexed else None

    def candidates(self, text: str) -> Iterator[tuple[int, FiledTemplate]]:
        """Templates that may fit, in the order of their rows."""
        if self._index is None:
            chosen: Iterable[int] = range(len(self.templates))
        else:
            matches = self._index.find_matches_as_indexes(text, overlapping=True)
            parts = {found[0] for found in matches}
            chosen = sorted([*self._always, *(place for part in parts for place in self._by_part[part])])
        for place in chosen:
            number, template = self.templates[place]
            if template.least <= len(text) <= template.most:
                yield number, template


class Templates:
    def __init__(self, rows: Iterable[TemplateRow] = ()) -> None:
        self.rows = tuple(rows)
        self.names = frozenset(row.name for row in self.rows)
        self.of_signature: dict[str, list[int]] = {}
        for index, row in enumerate(self.rows):
            self.of_signature.setdefault(normal_signature(row.signature), []).append(index)
        self._read = {
            name: _OfSignature([(number, self.rows[number]) for number in numbers])
            for name, numbers in self.of_signature.items()
        }
        self._registry: ContactOwners | None = None

    def __bool__(self) -> bool:
        return bool(self.rows)

    def of(self, registry: ContactOwners) -> Templates:
        """The same, with the registry of telephone numbers."""
        found = copy(self)
        found._registry = registry
        return found

    def fitting(self, signature: str, text: str, is_offer: IsOffer = _never) -> tuple[Fit, ...] | None:
        """The rows that a text matches, for any provider; None if none is registered for its signature. ``is_offer``: whether a text by itself
        is an advertisement."""
        if signature not in self._read:
            return None
        written = body(plain(text))
        if written is None:
            return ()
        found: list[Fit] = []
        for number, template in self._read[signature].candidates(written):
            values = template.values(written)
            if isinstance(values, Obstacle) or self._held_by(number, template, written, values, is_offer) is not None:
                continue
            providers = self._providers(number, template, signature, written, values)
            if not isinstance(providers, Obstacle):
                found.append(Fit(number, providers))
        return tuple(found)

    def reads_digits(self, signature: str) -> bool:
        """Whether texts of a signature that differ in digits only may match different templates."""
        return signature in self._read and self._read[signature].by_digits

    def misfit(self, signature: str, text: str, provider: str, is_offer: IsOffer = _never) -> Misfit | None:
        """The template that a text comes nearest to and does not match; None if it matches one, or its signature has none."""
        written = body(plain(text))
        if written is None or signature not in self._read:
            return None
        if self.form(self.fitting(signature, text, is_offer), provider) is not None:
            return None
        nearest: tuple[tuple[int, int], int, Obstacle] | None = None
        for number, template in self._read[signature].templates:
            obstacle = self._obstacle(number, template, signature, written, provider, is_offer)
            near = (obstacle.at, template.count_shared(written))
            if nearest is None or near > nearest[0]:
                nearest = (near, number, obstacle)
        assert nearest is not None
        _, number, obstacle = nearest
        of = obstacle.variable.written if obstacle.variable is not None else ""
        return Misfit(self.rows[number].name, of, obstacle.value[:VALUE_SHOWN], obstacle.why)

    def _held_by(
        self, number: int, template: FiledTemplate, text: str, values: list[ValueSpan], is_offer: IsOffer
    ) -> Obstacle | None:
        """What a variable holds and must not: a contact, or an advertisement where the template is not filed as marketing."""
        found = template.contact_in(text, values)
        if found is None and template.has_text and self.rows[number].category is not Category.MARKETING:
            found = template.offer_in(text, values, is_offer)
        return found

    def _obstacle(
        self, number: int, template: FiledTemplate, signature: str, text: str, provider: str, is_offer: IsOffer
    ) -> Obstacle:
        values = template.values(text)
        if isinstance(values, Obstacle):
            return values
        if (found := self._held_by(number, template, text, values, is_offer)) is not None:
            return found
        providers = self._providers(number, template, signature, text, values)
        if isinstance(providers, Obstacle):
            return providers
        if (registered := self.rows[number].provider) not in ("", provider):
            why = Bilingual(f"the template is registered for provider {registered}", f"该模板报备给通道商 {registered}")
            return Obstacle(len(text) + 1, None, "", why)
        one, value = next(template.phones(text, values))
        return Obstacle(len(text) + 1, one, text[slice(*value)], NOT_REGISTERED)

    def _providers(
        self, number: int, template: FiledTemplate, signature: str, text: str, values: list[ValueSpan]
    ) -> frozenset[str] | Obstacle | None:
        """Providers for whom the telephone numbers are registered, None for any; or the number that is not registered."""
        found: frozenset[str] | None = None
        for one, value in template.phones(text, values):
            owners = self._registry.owners(number_of(text[slice(*value)])) if self._registry is not None else None
            if owners is not None and self._registry is not None:
                advertiser = self._registry.advertiser_of(hash48(signature)) if signature else ""
                fits = [
                    use.provider
                    for use in owners.uses
                    if use.advertiser in ("", advertiser)
                    and use.signature in ("", signature)
                    and use.template in ("", self.rows[number].name)
                ]
                if owners.everybody or (advertiser and advertiser in owners.advertisers) or "" in fits:
                    continue
                providers = owners.providers | frozenset(fits)
                found = providers if found is None else found & providers
            if owners is None or not found:
                return Obstacle(len(text) + 1, one, text[slice(*value)], NOT_REGISTERED)
        return found

    def form(self, forms: tuple[Fit, ...] | None, provider: str) -> TemplateRow | None:
        """The first matching row that this provider may send."""
        for fit in forms or ():
            row = self.rows[fit.row]
            if row.provider in ("", provider) and (fit.providers is None or provider in fit.providers):
                return row
        return None

    def value_of(self, forms: tuple[Fit, ...] | None, provider: str) -> str:
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


NOT_REGISTERED = Bilingual(
    "is neither masked nor registered for the advertiser, the provider or everybody (registries/contacts.csv)",
    "既没有打码，也没有登记给该广告主、通道商或所有人（联系方式表）",
)
