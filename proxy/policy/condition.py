"""Represents the conditions of a rule as trees, answered by bits.

In: leaves made by kinds/. Out: trees of leaves; one bit per different leaf of a set of rules. So the conditions that hold are one integer,
and a decision is a function of it. Never: a message, a file.

Three sorts of leaf:
    OneOf    a field of the facts is one of some words: answered by one look-up per field, however many rules ask
    Test     something else that facts, text or time answer
    Person   what only the person's record or number answers: left over when a decision is cached
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import cython

from proxy.i18n.phrases import FIELDS, THEN, Bilingual, any_of, as_written, joined
from proxy.model.message import Facts, Message
from proxy.model.recipient import Recipient
from proxy.policy.time_windows import TimeTest

_NAMES = frozenset(("provider", "account"))
"""Fields whose values are nobody's words: a provider may be called none."""


@dataclass(frozen=True, slots=True)
class OneOf:
    field: str
    values: frozenset[str]

    @property
    def words(self) -> Bilingual:
        values = any_of(sorted(self.values)) if self.field not in _NAMES else as_written(sorted(self.values))
        return Bilingual(f"{self.field} is {values}", f"{FIELDS[self.field]}是{values.zh}")


@dataclass(frozen=True, slots=True, eq=False)
class Test:
    """A condition on facts, text or time. ``scope`` defines the arguments of ``holds``: ``text`` a TextAnalysis; ``sender`` a Sender; ``age`` a
    Sender and the time; ``path`` the sender's reply path; ``place`` the port's registry row and the province; ``words``, ``links`` and
    ``contacts`` none (one look-up answers for all rules); ``time`` a moment (then ``holds`` is a TimeTest's)."""

    scope: str
    holds: Callable[..., bool]
    words: Bilingual
    word: str  # the key in ``when``
    time: TimeTest | None = None
    reads: str = ""  # "digits": texts that differ in digits only may differ here; "links", "contacts": if those hold digits
    vocabulary: tuple[str, ...] = ()
    """Scopes words, links, contacts: what is looked for by look-up, not by ``holds``. Elsewhere what ``words`` leave out."""
    changes: Callable[[Any, float], float] | None = None  # scope age: when it changes next
    finds: bool = False
    """It finds something in a text, and nothing before or behind that can make it cease to hold."""
    every: bool = False
    """Of a text with several readings (policy/text/bidi.py): must hold in each of them; else one is enough."""


def never(*_: object) -> bool:
    """``holds`` of a Test that a look-up answers."""
    raise AssertionError("a look-up answers for this condition")


FILTERED_MAX = 4_096
"""Numbers of a list before which a filter stands: with more it would let too many others through."""
FILTER_BYTES = 1 << 13
_FILTER_MASK = cython.declare(cython.longlong, FILTER_BYTES - 1)


def _filter_of(numbers: Container[int] | None) -> bytes:
    """One bit in FILTER_BYTES for each number; empty where there are too many."""
    if not isinstance(numbers, frozenset) or len(numbers) > FILTERED_MAX:
        return b""
    marks = bytearray(FILTER_BYTES)
    for number in numbers:
        marks[number >> 3 & _FILTER_MASK] |= 1 << (number & 7)
    return bytes(marks)


Asked = Callable[[Message, Recipient, Facts, float], bool]
Evidence = Callable[[Message, Recipient, Facts, float], str]


@cython.final
@cython.cclass
class RecipientTest:
    """Asked per message: ``holds(message, record, facts, now)``."""

    holds: Asked
    words: Bilingual
    word: str
    spares_bare: bool
    """Never holds for a recipient whose record has only entries (Recipient.bare), so it is not asked."""
    passing: bool
    """May cease to hold at any minute: a refusal that rests on it is not remembered."""
    reads: str
    """``owners``: whose links and numbers the text has (Facts.owners); ``texts``: what other texts said (Reader.texts); or both."""
    similar: float
    """How alike a text must be to what a refused one said, where that is asked; 0: it is not."""
    names: tuple[str, ...]
    """Lists of the folder that it looks into, by name."""
    numbers: Container[int] | None
    """Holds exactly for the numbers on this list."""
    _filter: bytes
    """Rules nearly all other numbers out: to look one up in a set costs ten times as much."""
    evidence: Evidence | None
    """What it rests on, in words, asked when it holds: for the journal and explain."""

    def __init__(
        self,
        holds: Asked,
        words: Bilingual,
        word: str,
        *,
        spares_bare: bool = False,
        passing: bool = False,
        reads: str = "",
        similar: float = 0.0,
        names: tuple[str, ...] = (),
        numbers: Container[int] | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        self.holds, self.words, self.word = holds, words, word
        self.spares_bare, self.passing, self.reads, self.similar = spares_bare, passing, reads, similar
        self.names, self.numbers, self.evidence = names, numbers, evidence
        self._filter = _filter_of(numbers)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.ccall
    def lists(self, number: cython.longlong) -> cython.bint:
        """Whether ``numbers`` has this number."""
        marks: cython.p_uchar = self._filter
        if self._filter and not marks[number >> 3 & _FILTER_MASK] >> (number & 7) & 1:
            return False
        return self.numbers is not None and number in self.numbers


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Tree


Leaf = OneOf | Test | RecipientTest
Tree = OneOf | Test | RecipientTest | All | AnyOf | Not


def leaves(tree: Tree) -> Iterator[Leaf]:
    """All leaves of a tree."""
    if isinstance(tree, (All, AnyOf)):
        for part in tree.parts:
            yield from leaves(part)
    elif isinstance(tree, Not):
        yield from leaves(tree.part)
    else:
        yield tree


class Bits:
    """One bit per different leaf of a set of rules."""

    def __init__(self) -> None:
        self._numbers: dict[Leaf, int] = {}
        self.fields: dict[str, dict[str, int]] = {}
        """field → word → bits of all leaves that name the word."""
        self.tests: dict[str, list[tuple[int, Test]]] = {}
        """scope → (bit, Test)."""

    def copy(self) -> Bits:
        """A copy with the same leaves under the same bits; later additions do not reach the other one."""
        other = Bits()
        other._numbers = dict(self._numbers)
        other.fields = {field: dict(index) for field, index in self.fields.items()}
        other.tests = {scope: list(tests) for scope, tests in self.tests.items()}
        return other

    def of(self, leaf: OneOf | Test) -> int:
        """The leaf's bit, assigned at the first call."""
        number = self._numbers.get(leaf)
        if number is None:
            number = self._numbers[leaf] = len(self._numbers)
            bit = 1 << number
            if isinstance(leaf, OneOf):
                index = self.fields.setdefault(leaf.field, {})
                for value in leaf.values:
                    index[value] = index.get(value, 0) | bit
            else:
                self.tests.setdefault(leaf.scope, []).append((bit, leaf))
        return 1 << number


class BitCondition(NamedTuple):
    """A tree over bits: all of ``need``, none of ``forbid``, and every one of ``rest``."""

    need: int
    forbid: int
    rest: tuple[Tree, ...]


def compile_tree(tree: Tree, bits: Bits) -> BitCondition:
    """Most rules are a plain conjunction: two masks decide them. What is not stays a tree in ``rest``."""
    need = forbid = 0
    rest: list[Tree] = []
    todo: list[Tree] = [tree]
    while todo:
        part = todo.pop()
        if isinstance(part, All):
            todo.extend(part.parts)
        elif isinstance(part, (OneOf, Test)):
            need |= bits.of(part)
        elif isinstance(part, Not) and isinstance(part.part, (OneOf, Test)):
            forbid |= bits.of(part.part)
        else:
            for leaf in leaves(part):
                if not isinstance(leaf, RecipientTest):
                    bits.of(leaf)
            rest.append(part)
    return BitCondition(need, forbid, tuple(rest))


def settle(tree: Tree, held: int, bits: Bits) -> bool | Tree:
    """The tree with all bits answered: True, False, or a tree of conditions that depend on the recipient."""
    if isinstance(tree, (OneOf, Test)):
        return bool(held & bits.of(tree))
    if isinstance(tree, RecipientTest):
        return tree
    if isinstance(tree, Not):
        inner = settle(tree.part, held, bits)
        return (not inner) if isinstance(inner, bool) else Not(inner)
    wanted = isinstance(tree, AnyOf)  # what decides at once: a True in an any, a False in an all
    left: list[Tree] = []
    for part in tree.parts:
        answer = settle(part, held, bits)
        if answer is wanted:
            return wanted
        if not isinstance(answer, bool):
            left.append(answer)
    if not left:
        return not wanted
    return left[0] if len(left) == 1 else AnyOf(tuple(left)) if wanted else All(tuple(left))


def of_bare(tree: Tree) -> Tree | None:
    """The rest of a settled tree for a recipient whose record has only entries; None if it cannot hold."""
    if isinstance(tree, RecipientTest):
        return None if tree.spares_bare else tree
    if isinstance(tree, (All, AnyOf)):
        left = [of_bare(part) for part in tree.parts]
        if isinstance(tree, All):
            return None if None in left else tree
        found = tuple(part for part in left if part is not None)
        return None if not found else found[0] if len(found) == 1 else AnyOf(found)
    return tree


def evidence_of(tree: Tree, message: Message, record: Recipient, facts: Facts, now: float) -> Bilingual:
    """The evidence for a settled tree that holds, in words; empty if the message's facts suffice."""
    found = [
        leaf.evidence(message, record, facts, now)
        for leaf in leaves(tree)
        if isinstance(leaf, RecipientTest) and leaf.evidence is not None
    ]
    return joined(THEN, found)


@cython.ccall
def ask_person(tree: Tree, message: Message, record: Recipient, facts: Facts, now: cython.double) -> cython.bint:
    """Whether a settled tree holds for one recipient."""
    test: RecipientTest
    if isinstance(tree, RecipientTest):
        test = tree
        return test.lists(message.recipient) if test.numbers is not None else test.holds(message, record, facts, now)
    if isinstance(tree, Not):
        return not ask_person(tree.part, message, record, facts, now)
    decides: cython.bint = isinstance(tree, AnyOf)  # what settles it at once: a True in an any, a False in an all
    assert isinstance(tree, (AnyOf, All)), tree
    for part in tree.parts:
        if ask_person(part, message, record, facts, now) == decides:
            return decides
    return not decides
