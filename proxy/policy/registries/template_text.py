"""Matches a text against one registered template.

A template is a text with variables: ``【青禾商城】您的验证码是{code:4-8 digits}，{minutes}分钟内有效``. What stands between the
variables is compared as it is, digits too; width, spaces, invisible characters and traditional forms do not matter. The
signature may stand at either end. A variable holds what its type says (template_variables.py), and no contact that was not
filed; ``{text:≤N}`` holds no advertisement, unless the template is filed as marketing.

Never: whose a telephone number is (templates.py).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from proxy.i18n.phrases import NOTHING, Bilingual
from proxy.policy.registries.template_variables import TYPES, VARIABLE, Variable, is_masked, number_of, variable
from proxy.policy.text.carried_contacts import LONG_DIGITS, carried, carried_together, links_and_numbers
from proxy.policy.text.folding import fold, signature

ALLOWS = ("text", "phone")
"""What a filing may allow: free text in ``{text:≤N}``; any telephone number in ``{phone}``."""
VARIABLES_MAX = 40
VALUE_SHOWN = 40
JOINTS = frozenset("-()./:@_")
"""Between two variables they may join their values to one telephone number or link; between others than minutes, so may any one or two marks,
and JOINING_WORDS."""
JOINING_WORDS = frozenset("和与及或转接号是为")
_HOLE = "□"  # stands for a variable where the filed contacts are read
IS_OFFER = Bilingual(
    "is an advertisement, and the template is not filed as marketing (registries/templates.csv, column category)",
    "是广告内容，而该模板未按营销类报备（模板表的类别列）",
)
GOES_ON = Bilingual("the text goes on behind the end of the template", "模板已结束，后面还有内容")


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


class ValueSpan(NamedTuple):
    start: int
    end: int


class Obstacle(NamedTuple):
    """Where a text stops being like a template."""

    at: int  # so much of the text is like it; one more: all of it, and something else is wrong
    variable: Variable | None
    value: str
    why: Bilingual


class FiledTemplate:
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
        self.runs = list(self._runs())
        """First and last of the variables that may hold a contact together."""
        joins = any(one.kind != "name" for first, last in self.runs for one in self.variables[first : last + 1])
        self.by_digits = (
            joins or any(one.isdigit() for part in fixed for one in part) or any(one.by_digits for one in self.variables)
        )
        """Whether other digits in the same places of a text may decide otherwise."""
        self.has_text = any(one.kind == "text" for one in self.variables)
        self.may_carry = bool(self.runs) or any(one.may_carry or one.kind == "phone" for one in self.variables)

    def _runs(self) -> Iterator[tuple[int, int]]:
        first = 0
        for place, one in enumerate(self.variables):
            if place + 1 < len(self.variables) and _joins(one, self.fixed[place + 1], self.variables[place + 1]):
                continue
            if first < place and sum(other.digits_most for other in self.variables[first : place + 1]) >= LONG_DIGITS:
                yield first, place
            first = place + 1

    @property
    def key(self) -> str:
        """Its longest fixed part."""
        return max(self.fixed, key=len)

    def count_shared(self, text: str) -> int:
        """How many characters the fixed parts have that stand somewhere in the text."""
        return sum(len(part) for part in self.fixed if part in text)

    def values(self, text: str) -> list[ValueSpan] | Obstacle:
        """Where each variable's value stands, or where the text differs.

        From variable to variable the places are kept where its value may begin, each with the value before it: at most one for each
        character. A value ends before the next fixed part, at most ``most`` characters behind its beginning, so the work for a variable is at
        most that many steps for each character of the text.
        """
        if not text.startswith(self.fixed[0]):
            return self._differs(text, 0, 0, None)
        reached: dict[int, ValueSpan] = {len(self.fixed[0]): ValueSpan(0, 0)}
        way: list[dict[int, ValueSpan]] = []
        for number, one in enumerate(self.variables):
            following = self._following(text, number, one, reached)
            if not following:
                return self._stuck(text, number, max(reached))
            way.append(following)
            reached = following
        if len(text) not in reached:  # only where there is no variable
            return Obstacle(max(reached), None, text[max(reached) :], GOES_ON)
        found: list[ValueSpan] = []
        place = len(text)
        for step in reversed(way):
            found.append(step[place])
            place = step[place].start
        return found[::-1]

    def _following(self, text: str, number: int, one: Variable, reached: dict[int, ValueSpan]) -> dict[int, ValueSpan]:
        """Where the text may go on behind a variable and the fixed part after it, with the value."""
        part = self.fixed[number + 1]
        found: dict[int, ValueSpan] = {}
        if one.is_shortened:  # if a value fits, so does its end: each end has the nearest beginning
            starts = sorted(reached)
            for end in self._ends(text, number, starts[0] + one.least, starts[-1] + one.most):
                before = bisect_right(starts, end - one.least) - 1
                if before >= 0 and end - starts[before] <= one.most and self._may_hold(number, text, starts[before], end):
                    found[end + len(part)] = ValueSpan(starts[before], end)
            return found
        kind = TYPES[one.kind]
        for start in reached:
            last = start + one.most
            if kind.run is not None and (run := kind.run(text, start, last)) is not None:
                last = run.end()
            for end in self._ends(text, number, start + one.least, last):
                if end + len(part) not in found and kind.fits(text[start:end]):
                    found[end + len(part)] = ValueSpan(start, end)
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

    def _stuck(self, text: str, number: int, start: int) -> Obstacle:
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
            return Obstacle(end + len(part), None, text[end + len(part) :], GOES_ON)
        words = one.words
        return Obstacle(start, one, value, Bilingual(f"is not what was filed: {words}", f"与报备的不符：应为{words.zh}"))

    def _differs(self, text: str, number: int, at: int, behind: Variable | None) -> Obstacle:
        """A fixed part is not there."""
        part = self.fixed[number]
        same = next((place for place, one in enumerate(part) if text[at + place : at + place + 1] != one), len(part))
        after = Bilingual(f" after {behind.written}", f"{behind.written} 之后") if behind is not None else NOTHING
        shown = part[:VALUE_SHOWN]
        why = Bilingual(f"the fixed text '{shown}' is missing{after}", f"{after.zh}缺少固定内容“{shown}”")
        return Obstacle(at + same, None, text[at : at + VALUE_SHOWN], why)

    def contact_in(self, text: str, values: list[ValueSpan]) -> Obstacle | None:
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
        for first, last in self.runs:
            pieces = [text[slice(*value)] for value in values[first : last + 1]]
            found = carried_together(pieces, text[values[first].start : values[last].end])
            if found and found not in self.filed:
                return _holding(self.variables[last], text, found)
        for found in links_and_numbers(text):
            if found not in self.filed and found not in own:
                one = next((one for one in self.variables if one.kind != "phone"), self.variables[0])
                return _holding(one, text, found)
        return None

    def offer_in(self, text: str, values: list[ValueSpan], is_offer: Callable[[str], bool]) -> Obstacle | None:
        """The ``{text:≤N}`` whose value is an advertisement by itself."""
        for one, value in self._with(values) if self.has_text else ():
            if one.kind == "text" and is_offer(said := text[slice(*value)]):
                return Obstacle(len(text) + 1, one, said, IS_OFFER)
        return None

    def phones(self, text: str, values: list[ValueSpan]) -> Iterator[tuple[Variable, ValueSpan]]:
        """Values of ``{phone}`` that must be registered."""
        if "phone" not in self.allows:
            yield from (
                (one, value) for one, value in self._with(values) if one.kind == "phone" and not is_masked(text[slice(*value)])
            )

    def _with(self, values: list[ValueSpan]) -> Iterator[tuple[Variable, ValueSpan]]:
        return zip(self.variables, values, strict=True)


def _joins(one: Variable, between: str, other: Variable) -> bool:
    """Whether the values of two neighbours may be parts of one contact."""
    if not (one.digits_most and other.digits_most):
        return False
    if "minutes" in (one.kind, other.kind):
        return JOINTS.issuperset(between)
    return len(between) <= 2 and all(mark in JOINING_WORDS or not mark.isalnum() for mark in between)


def _holding(one: Variable, text: str, contact: str) -> Obstacle:
    why = Bilingual("is a contact that was not filed", "是未报备的联系方式")
    return Obstacle(len(text) + 1, one, contact, why)


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
def read_template(text: str, allows: frozenset[str]) -> FiledTemplate:
    """A template is read once, however often rules are loaded. ValueError where it cannot be used."""
    return FiledTemplate(text, allows)


def untyped_variables(text: str, allows: frozenset[str]) -> list[str]:
    """Variables of a template that have no type."""
    return [one.written for one in read_template(text, allows).variables if one.kind == "untyped"]


def check_text(text: str, allows: frozenset[str]) -> None:
    """ValueError where a template cannot be used; the text says why."""
    read_template(text, allows)


def signature_in(text: str) -> str:
    """The 【signature】 a template carries, normalised; empty if it has none."""
    return signature(text).name
