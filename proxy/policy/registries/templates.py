"""Matches texts against registered templates.

A template is a text with variables: ``【青禾商城】您的验证码是{code:4-8 digits}，{minutes}分钟内有效``. What stands between the
variables is compared as it is, digits too; width, spaces, invisible characters and traditional forms do not matter. The
signature may stand at either end. A variable holds what its type says (template_variables.py), and no contact that was not
filed; ``{phone}`` holds a masked number or one that is registered for the signature's advertiser, for the provider or for
everybody, or any number where the filing allows it.

A text is compared with the templates of its signature. Templates whose longest fixed part it lacks are skipped; the others
are tried part by part, in time linear in the text (see ``_Template.values``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from functools import cached_property, lru_cache
from typing import NamedTuple, Protocol

from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

from proxy.i18n.phrases import NOTHING, Bilingual
from proxy.model.message import Category, hash48
from proxy.model.recipient import CONSENT_REQUEST
from proxy.policy.registries.template_variables import NUMERIC, TYPES, VARIABLE, Variable, is_masked, number_of, variable
from proxy.policy.text.carried_contacts import carried, links_and_numbers
from proxy.policy.text.category import SUBCATEGORY_CODES
from proxy.policy.text.folding import fold, normal_signature, signature

ALLOWS = ("text", "phone")
"""What a filing may allow: free text in ``{text:≤N}``; any telephone number in ``{phone}``."""
VARIABLES_MAX = 40
INDEXED_FROM = 24
"""Templates of one signature: fewer are tried one by one."""
HOW = Implementation.NoncontiguousNFA  # built in a tenth of the time of the others
VALUE_SHOWN = 40
JOINTS = frozenset("-()./:@_")
"""Between two variables they may join their values to one telephone number or link."""
_HOLE = "□"  # stands for a variable where the filed contacts are read


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


class _Use(Protocol):
    """A row that names a signature or a template; an empty field is any."""

    @property
    def provider(self) -> str: ...
    @property
    def advertiser(self) -> str: ...
    @property
    def signature(self) -> str: ...
    @property
    def template(self) -> str: ...


class _Owners(Protocol):
    @property
    def advertisers(self) -> frozenset[str]: ...
    @property
    def providers(self) -> frozenset[str]: ...
    @property
    def everybody(self) -> bool: ...
    @property
    def uses(self) -> tuple[_Use, ...]: ...


class ContactOwners(Protocol):
    """The registry that says whose a telephone number is."""

    def owners(self, contact: str) -> _Owners | None: ...
    def advertiser_of(self, signature_hash: int) -> str: ...


def plain(text: str) -> str:
    """A text as templates are compared: folded, no spaces."""
    return "".join(fold(text).split())


def body(text: str) -> str | None:
    """A plain text without the signature at its start, or else at its end; None if it has none."""
    if text.startswith("【") and (end := text.find("】")) > 0:
        return text[end + 1 :]
    if text.endswith("】") and (start := text.rfind("【")) >= 0:
        return text[:start]
    return None


class _Value(NamedTuple):
    start: int
    end: int


class _Obstacle(NamedTuple):
    """Where a text stops being like a template."""

    at: int  # so much of the text is like it; one more: all of it, and something else is wrong
    variable: Variable | None
    value: str
    why: Bilingual


class _Template:
    """One row, read."""

    def __init__(self, text: str, allows: frozenset[str]) -> None:
        """NotAVariable where a variable says what none can; ValueError where there are too many."""
        fixed: list[str] = []
        self.variables: list[Variable] = []
        at = 0
        for match in VARIABLE.finditer(text):
            fixed.append(plain(text[at : match.start()]))
            self.variables.append(variable(match, allows))
            at = match.end()
        if len(self.variables) > VARIABLES_MAX:
            raise ValueError(f"{len(self.variables)} variables (at most {VARIABLES_MAX})")
        fixed.append(plain(text[at:]))
        fixed[0], fixed[-1] = _without_signature(fixed)
        self.fixed = fixed
        self.allows = allows
        held = sum(map(len, fixed))
        self.least = held + sum(one.least for one in self.variables)
        self.most = held + sum(one.most for one in self.variables)
        self.filed = frozenset(links_and_numbers(_HOLE.join(fixed)))
        joins = any(
            one.kind in NUMERIC and other.kind in NUMERIC and JOINTS.issuperset(between)
            for one, other, between in zip(self.variables, self.variables[1:], fixed[1:], strict=False)
        )
        self.by_digits = (
            joins or any(one.isdigit() for part in fixed for one in part) or any(one.by_digits for one in self.variables)
        )
        """Whether other digits in the same places of a text may decide otherwise."""
        self.may_carry = joins or any(one.may_carry or one.kind == "phone" for one in self.variables)

    @property
    def key(self) -> str:
        """Its longest fixed part."""
        return max(self.fixed, key=len)

    def values(self, text: str) -> list[_Value] | _Obstacle:
        """Where each variable's value stands, or where the text differs.

        From variable to variable the places are kept where its value may begin, each with the value before it: at most one for each
        character. A value ends before the next fixed part, at most ``most`` characters behind its beginning, so the work for a variable is at
        most that many steps for each character of the text.
        """
        if not text.startswith(self.fixed[0]):
            return self._differs(text, 0, 0, None)
        reached: dict[int, _Value] = {len(self.fixed[0]): _Value(0, 0)}
        way: list[dict[int, _Value]] = []
        for number, one in enumerate(self.variables):
            following = self._following(text, number, one, reached)
            if not following:
                return self._stuck(text, number, max(reached))
            way.append(following)
            reached = following
        if len(text) not in reached:  # only where there is no variable
            return _Obstacle(max(reached), None, text[max(reached) :], GOES_ON)
        found: list[_Value] = []
        place = len(text)
        for step in reversed(way):
            found.append(step[place])
            place = step[place].start
        return found[::-1]

    def _following(self, text: str, number: int, one: Variable, reached: dict[int, _Value]) -> dict[int, _Value]:
        """Where the text may go on behind a variable and the fixed part after it, with the value."""
        part = self.fixed[number + 1]
        found: dict[int, _Value] = {}
        if one.is_shortened:  # if a value fits, so does its end: each end has the nearest beginning
            starts = sorted(reached)
            for end in self._ends(text, number, starts[0] + one.least, starts[-1] + one.most):
                before = bisect_right(starts, end - one.least) - 1
                if before >= 0 and end - starts[before] <= one.most and self._may_hold(number, text, starts[before], end):
                    found[end + len(part)] = _Value(starts[before], end)
            return found
        kind = TYPES[one.kind]
        for start in reached:
            last = start + one.most
            if kind.run is not None and (run := kind.run(text, start, last)) is not None:
                last = run.end()
            for end in self._ends(text, number, start + one.least, last):
                if end + len(part) not in found and kind.fits(text[start:end]):
                    found[end + len(part)] = _Value(start, end)
        return found

    def _may_hold(self, number: int, text: str, start: int, end: int) -> bool:
        """Whether a value fits; one without a type may not go on with a number of the fixed parts beside it."""
        one = self.variables[number]
        if one.kind not in ("untyped", "text"):
            return one.fits(text[start:end])
        before, after = self.fixed[number][-1:], self.fixed[number + 1][:1]
        return not (before.isdigit() and text[start].isdigit()) and not (after.isdigit() and text[end - 1].isdigit())

    def _ends(self, text: str, number: int, first: int, last: int) -> Sequence[int]:
        """Places from ``first`` to ``last`` where the fixed part after a variable begins; of the last one only that which ends the text."""
        part = self.fixed[number + 1]
        final = len(text) - len(part)
        if number == len(self.variables) - 1:
            return (final,) if first <= final <= last and text.endswith(part) else ()
        if not part:
            return range(first, min(last, final) + 1)
        found: list[int] = []
        first = text.find(part, first, last + len(part))
        while first >= 0:
            found.append(first)
            first = text.find(part, first + 1, last + len(part))
        return found

    def _stuck(self, text: str, number: int, start: int) -> _Obstacle:
        """Why no value of a variable fits."""
        one, part = self.variables[number], self.fixed[number + 1]
        is_last = number == len(self.variables) - 1
        following = next(filter(None, self.fixed[number + 1 :]), "")
        end = text.find(following, start) if following else len(text)
        if is_last and text.endswith(part) and len(text) - len(part) >= start:
            end = len(text) - len(part)
        if end < 0:
            return self._differs(text, number + 1, start, one)
        value = text[start:end]
        if is_last and end + len(part) < len(text) and one.least <= len(value) <= one.most and one.fits(value):
            return _Obstacle(end + len(part), None, text[end + len(part) :], GOES_ON)
        words = one.words
        return _Obstacle(start, one, value, Bilingual(f"is not what was filed: {words}", f"与报备的不符: 应为{words.zh}"))

    def _differs(self, text: str, number: int, at: int, behind: Variable | None) -> _Obstacle:
        """A fixed part is not there."""
        part = self.fixed[number]
        same = next((place for place, one in enumerate(part) if text[at + place : at + place + 1] != one), len(part))
        after = Bilingual(f" after {behind.written}", f"{behind.written} 之后") if behind is not None else NOTHING
        shown = part[:VALUE_SHOWN]
        why = Bilingual(f"the fixed text '{shown}' is missing{after}", f"{after.zh}缺少固定内容“{shown}”")
        return _Obstacle(at + same, None, text[at : at + VALUE_SHOWN], why)

    def contact_in(self, text: str, values: list[_Value]) -> _Obstacle | None:
        """The contact that a value holds though nobody filed it; telephone numbers in ``{phone}`` are another matter."""
        if not self.may_carry:
            return None
        own = {number_of(text[slice(*value)]) for one, value in self._with(values) if one.kind == "phone"}
        for one, value in self._with(values):
            if one.may_carry:
                written = text[slice(*value)]
                is_number = one.kind in ("order", "digits", "code") or (
                    one.kind == "money" and any("0" <= figure <= "9" for figure in written)
                )
                if (found := carried(text, *value, is_number=is_number)) and found not in self.filed:
                    return _holding(one, text, found)
        for found in links_and_numbers(text):
            if found not in self.filed and found not in own:
                one = next((one for one in self.variables if one.kind != "phone"), self.variables[0])
                return _holding(one, text, found)
        return None

    def phones(self, text: str, values: list[_Value]) -> Iterator[tuple[Variable, _Value]]:
        """Values of ``{phone}`` that must be registered."""
        if "phone" not in self.allows:
            yield from (
                (one, value) for one, value in self._with(values) if one.kind == "phone" and not is_masked(text[slice(*value)])
            )

    def _with(self, values: list[_Value]) -> Iterator[tuple[Variable, _Value]]:
        return zip(self.variables, values, strict=True)


def _holding(one: Variable, text: str, contact: str) -> _Obstacle:
    why = Bilingual("is a contact that was not filed", "是未报备的联系方式")
    return _Obstacle(len(text) + 1, one, contact, why)


def _without_signature(fixed: list[str]) -> tuple[str, str]:
    """The first and the last fixed part of a template without its signature."""
    first, last = fixed[0], fixed[-1]
    if first.startswith("【") and "】" in first:
        first = first[first.find("】") + 1 :]
        return first, first if len(fixed) == 1 else last
    if last.endswith("】") and "【" in last:
        last = last[: last.rfind("【")]
        return last if len(fixed) == 1 else first, last
    return first, last


@lru_cache(maxsize=65_536)
def _read_template(text: str, allows: frozenset[str]) -> _Template:
    """A template is read once, however often rules are loaded. ValueError where it cannot be used."""
    return _Template(text, allows)


class _OfSignature:
    """The templates of one signature."""

    def __init__(self, rows: list[tuple[int, TemplateRow]]) -> None:
        self.templates = [(number, _read_template(row.text, row.allows)) for number, row in rows]
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

    def candidates(self, text: str) -> Iterator[tuple[int, _Template]]:
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

    def fitting(self, signature: str, text: str) -> tuple[Fit, ...] | None:
        """The rows that a text matches, for any provider; None if none is registered for its signature."""
        if signature not in self._read:
            return None
        written = body(plain(text))
        if written is None:
            return ()
        found: list[Fit] = []
        for number, template in self._read[signature].candidates(written):
            values = template.values(written)
            if isinstance(values, _Obstacle) or template.contact_in(written, values) is not None:
                continue
            providers = self._providers(number, template, signature, written, values)
            if not isinstance(providers, _Obstacle):
                found.append(Fit(number, providers))
        return tuple(found)

    def reads_digits(self, signature: str) -> bool:
        """Whether texts of a signature that differ in digits only may match different templates."""
        return signature in self._read and self._read[signature].by_digits

    def misfit(self, signature: str, text: str, provider: str) -> Misfit | None:
        """The template that a text comes nearest to and does not match; None if it matches one, or its signature has none."""
        written = body(plain(text))
        if written is None or signature not in self._read:
            return None
        if self.form(self.fitting(signature, text), provider) is not None:
            return None
        nearest: tuple[int, int, _Obstacle] | None = None
        for number, template in self._read[signature].templates:
            obstacle = self._obstacle(number, template, signature, written, provider)
            if nearest is None or obstacle.at > nearest[0]:
                nearest = (obstacle.at, number, obstacle)
        assert nearest is not None
        _, number, obstacle = nearest
        of = obstacle.variable.written if obstacle.variable is not None else ""
        return Misfit(self.rows[number].name, of, obstacle.value[:VALUE_SHOWN], obstacle.why)

    def _obstacle(self, number: int, template: _Template, signature: str, text: str, provider: str) -> _Obstacle:
        values = template.values(text)
        if isinstance(values, _Obstacle):
            return values
        if (found := template.contact_in(text, values)) is not None:
            return found
        providers = self._providers(number, template, signature, text, values)
        if isinstance(providers, _Obstacle):
            return providers
        if (registered := self.rows[number].provider) not in ("", provider):
            why = Bilingual(f"the template is registered for provider {registered}", f"该模板报备给通道商 {registered}")
            return _Obstacle(len(text) + 1, None, "", why)
        one, value = next(template.phones(text, values))
        return _Obstacle(len(text) + 1, one, text[slice(*value)], NOT_REGISTERED)

    def _providers(
        self, number: int, template: _Template, signature: str, text: str, values: list[_Value]
    ) -> frozenset[str] | _Obstacle | None:
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
                return _Obstacle(len(text) + 1, one, text[slice(*value)], NOT_REGISTERED)
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


GOES_ON = Bilingual("the text goes on behind the end of the template", "模板已结束, 后面还有内容")
NOT_REGISTERED = Bilingual(
    "is neither masked nor registered for the advertiser, the provider or everybody (registries/contacts.csv)",
    "既没有打码, 也没有登记给该广告主、通道商或所有人(registries/contacts.csv)",
)


def untyped_variables(text: str, allows: frozenset[str]) -> list[str]:
    """Variables of a template that have no type."""
    return [one.written for one in _read_template(text, allows).variables if one.kind == "untyped"]


def check_text(text: str, allows: frozenset[str]) -> None:
    """ValueError where a template cannot be used; the text says why."""
    _read_template(text, allows)


def signature_in(text: str) -> str:
    """The 【signature】 a template carries, normalised; empty if it has none."""
    return signature(text).name
