"""Reads a text for one rule set, once per content.

In: Content. Out: a Reading (traits, template), shared by all texts with the same traits. Never: sender, region, time. Costly steps run only
when a rule or the category needs them. A text that differs from a known one in digits only costs one look-up, unless digits matter to some
rule.
"""

from __future__ import annotations

import re
from array import array
from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import cython

from proxy.model.message import Category, Content, hash16, hash48
from proxy.model.recency_filter import RecencyFilter
from proxy.native.characters import character
from proxy.native.text_units import mask_key, masked, without_numbers
from proxy.native.word_trie import WordTrie
from proxy.policy.condition import Bits, Test
from proxy.policy.generational_cache import Memo, drop_items, dropped
from proxy.policy.registries.registered_contacts import Outside
from proxy.policy.registries.registry import OwnerTable, Registry
from proxy.policy.registries.reviewed_texts import key_of
from proxy.policy.registries.templates import Fit, Templates
from proxy.policy.text.bidi import DisplayOrders, display_orders
from proxy.policy.text.category import Classified, Weighed, weigh
from proxy.policy.text.contacts import Spans, calls_at
from proxy.policy.text.disguised import has_codes
from proxy.policy.text.displayed_words import TextFindings, combined
from proxy.policy.text.folding import fingerprint, numberless, undressed
from proxy.policy.text.incomplete_text import pieces
from proxy.policy.text.keyword_prefilter import Match
from proxy.policy.text.lexicon import Lexicon
from proxy.policy.text.notices import asks, plain
from proxy.policy.text.otp_codes import LINK, has_code, may_hold_code
from proxy.policy.text.scanner import Scanner
from proxy.policy.text.split_words import LETTERS_LEAST, is_split_word
from proxy.policy.text.text_analysis import BoolOrSpans, TextAnalysis, asking, at_tail, missing, present, several
from proxy.runtime.yield_point import Rest, no_yield, with_yield_points

MASKS_MAX = 8_192  # per generation, with a text each: some 4 MB
TRAITS_MAX = 16_384
TEXTS_MAX = 16_384  # per generation, about 300 bytes each; only where a rule compares texts
LATELY_MAX = 8_192  # contents that are remembered elsewhere, too
SELDOM = b"\x10"
"""Digests below it: one in sixteen."""
LEARN_PIECE = 4
"""Texts read between two rests: each takes some 50 µs, and 300 with a list of 100,000 words."""
SENSES_MAX = 4_096  # per generation, with a set of words each: some 4 MB
_DIGIT = re.compile("[0-9]")
_NOBODY: frozenset[tuple[str, str]] = frozenset()
_MARKETING = Category.MARKETING
_SHOWN = [bytes((shows,)) for shows in range(8)]
"""Behind the words of a sense: 1 with a link, 2 with a notice, 4 with a hidden word."""
_ALL_BITS = (1 << 64) - 1
_OFFERING = frozenset(("ad", "topic"))
"""Purposes of words that senders hide."""


class Traits:
    """All that rules and records can know of a text; one object for all texts that share it (compared by identity)."""

    __slots__ = (
        "state",
        "signature",
        "signature_hash",
        "keyword",
        "keyword_hash",
        "classified",
        "band",
        "subcategory",
        "bits",
        "tagged",
        "complete",
        "forms",
        "owners",
    )

    def __init__(
        self,
        state: str,
        signature: str,
        keyword: str,
        classified: Category,
        band: str,
        subcategory: str,
        bits: int,
        tagged: Category | None,
        complete: bool = True,
        forms: tuple[Fit, ...] | None = None,
        owners: frozenset[tuple[str, str]] = _NOBODY,
    ) -> None:  # in the order of the key under which traits are kept
        self.state = state
        self.signature = signature
        self.signature_hash = hash48(signature) if signature else 0
        self.keyword = keyword
        self.keyword_hash = hash16(plain(keyword)) if keyword else 0
        self.classified = classified
        self.band = band  # how surely it is marketing, and whether it is a code that says more (policy/text/category.py)
        self.subcategory = subcategory
        self.bits = bits
        self.tagged = tagged  # the category an optional parameter declares; whether it counts depends on the port
        self.forms = forms  # rows of the registry of templates that the text is, None where its signature has none
        self.owners = owners  # advertisers for whom its links and numbers are registered
        self.complete = complete  # False: parts of the text are missing, and what it lacks says nothing

    def key(self, bits: int) -> TraitsKey:
        """Under which they are kept; of others with these bits."""
        return (
            self.state, self.signature, self.keyword, self.classified, self.band, self.subcategory, bits, self.tagged,
            self.complete, self.forms, self.owners,
        )  # fmt: skip


TraitsKey = tuple[
    str, str, str, Category, str, str, int, Category | None, bool, tuple[Fit, ...] | None, frozenset[tuple[str, str]]
]  # fmt: skip


@cython.final
@cython.no_gc
@cython.freelist(1024)
@cython.cclass
class Reading:
    template: int
    traits: Any

    def __init__(self, traits: Traits, template: int) -> None:
        self.traits = traits
        self.template = template


@cython.final
@cython.cclass
class WithNumbers:
    """Readings of texts in which telephone numbers matter, and other digits do not."""

    spans: Spans
    """Where there may be numbers."""
    without: Any
    """The reading of a text with none; the others are kept under what ``_with_numbers`` gives."""

    def __init__(self, spans: Spans) -> None:
        self.spans = spans
        self.without = None


ReadingOf = tuple[Reading, BoolOrSpans]


@cython.final
@cython.cclass
class Sense:
    """What a set of words makes of a text; the same for all texts with these words, and a link, a notice, a hidden word or none."""

    weighed: Weighed
    category: Category
    band: str
    subcategory: str
    is_beside_code: bool
    """Whether what it is depends on a code in it."""
    bits: int
    """Of the rules' leaves whose words are among them."""
    numbered: tuple[DigitWords, ...]
    """Words with digits that may be in such a text."""

    def __init__(self, weighed: Weighed, bits: int, numbered: tuple[DigitWords, ...]) -> None:
        self.weighed = weighed
        self.category, self.band, self.subcategory, _ = weighed.classified
        self.is_beside_code = weighed.beside is not None
        self.bits = bits
        self.numbered = numbered


DigitWords = dict[bytes, list[tuple[str, int]]]
"""Words with digits, by the word with its digits masked: each with the bits of the leaves that name it."""


@cython.final
@cython.cclass
class Reader:
    """Reads texts for one set of rules."""

    mark: object
    """Stands for this reader in the contents it has read: they outlive the rules, which are large."""
    lately: deque[Content]
    """What it has read anew, and not for the first time."""
    texts: Memo | None
    """Texts by their fingerprint, as they were first read."""
    scanner: Scanner
    _trie: WordTrie | None
    _split_trie: WordTrie | None
    _tag: int | None
    _outside: Callable[[TextAnalysis], bool]
    """Whether a text has a link that is not its sender's."""
    _templates: Templates | None
    _templated: dict[str, Any]
    """Signatures that have templates."""
    _registry: Registry | None
    _owners: dict[str, OwnerTable] | None
    """Of links and telephone numbers that are registered."""
    _reviewed: dict[str, int] | None
    _asked: list[tuple[int, Callable[..., bool]]]
    """What texts are asked one by one, each with its bit: without the following."""
    _links_outside: list[tuple[int, Outside]]
    _if_missing: int
    _if_present: int
    _if_at_tail: int
    _if_asking: int
    _if_several: int
    """Bits of what is asked about a notice, and about signatures."""
    _finders: tuple[int, int]
    """Bits of what finds words in a text; of what finds links or numbers."""
    _domains: dict[str, int] | None
    _numbers: dict[str, int] | None
    _numbered_domains: bool
    """Whether digits of a disguised domain matter."""
    _every: int
    _digits_matter: bool
    _reads_contacts: bool
    _owns_handles: bool
    """Whether handles are registered, and some rule asks whose they are."""
    _reads_handles: bool
    _meanings: list[int]
    _digit_words: dict[int, DigitWords]
    """By the place of what the scanner finds of them."""
    _masks: Memo
    """Readings by ``mask_key``; or the spans that may change them, then readings by these as well."""
    _twice: RecencyFilter
    """Of masks: one that has not come before is not remembered."""
    _traits: Memo
    _senses: Memo
    """By the places of the words, four octets each, and what else makes the sense."""
    __weakref__: Any

    def __init__(
        self,
        bits: Bits,
        lexicon: Lexicon,
        category_tag: int | None,
        registry: Registry | None = None,
        *,
        owners: bool = False,
        texts: bool = False,
        before: Reader | None = None,
        rest: Rest = no_yield,
    ) -> None:
        """``owners``, ``texts``: whether some rule asks whose links a text has, what other texts said. ``before``, ``rest``: as in
        policy/text/keyword_prefilter.py."""
        self.mark = object()
        self.lately = deque(maxlen=LATELY_MAX)
        self._tag = category_tag
        self._outside = Outside("links", registry, "", disguised=False) if registry is not None else _leads_on
        known = registry is not None and (registry.templates.declare_categories or "template" in bits.fields)
        self._templates = registry.templates if registry is not None and known else None
        self._templated = self._templates.of_signature if self._templates is not None else {}
        self._registry = registry
        self._owners = registry.contact_owners if registry is not None and owners else None
        self._reviewed = _by_word(bits.tests.get("reviewed", [])) or None
        self.texts = Memo(TEXTS_MAX) if texts else None
        tests = bits.tests.get("text", [])
        simple = (missing, present, at_tail, asking, several)
        self._if_missing, self._if_present, self._if_at_tail, self._if_asking, self._if_several = (
            sum([bit for bit, test in tests if test.holds is one]) for one in simple
        )
        self._links_outside = [(bit, test.holds) for bit, test in tests if isinstance(test.holds, Outside)]
        self._asked = [
            (bit, test.holds) for bit, test in tests if test.holds not in simple and not isinstance(test.holds, Outside)
        ]
        self._finders = _finders(bits)
        words = _by_word(bits.tests.get("words", []), rest)
        self._domains = _by_word(bits.tests.get("links", [])) or None
        self._numbers = _by_word(bits.tests.get("contacts", [])) or None
        registered = registry.contacts if registry is not None and owners else ()
        self._numbered_domains = any(
            not one.isdecimal() and _DIGIT.search(one) is not None
            for one in with_yield_points(chain(self._domains or (), registered), rest)
        )
        self._every = sum([bit for bit, test in tests if test.every])
        read = {test.reads for _, test in tests}
        self._digits_matter = "digits" in read
        self._owns_handles = any(":" in one for one in with_yield_points(registered, rest))
        self._reads_handles = (
            "handles" in read
            or self._owns_handles
            or self._reviewed is not None
            or any(":" in one for one in with_yield_points(self._numbers or (), rest))
        )
        self._reads_contacts = (
            "contacts" in read or self._reads_handles or owners or not (self._numbers is None and self._reviewed is None)
        )
        # the scanner sees every number as one 0: of a word with digits it finds where the word may be, which is looked for by itself there
        numbered: dict[str, DigitWords] = {}
        for word, bits_of_it in with_yield_points(words.items(), rest):
            if _DIGIT.search(word):
                numbered.setdefault(numberless(word), {}).setdefault(masked(word), []).append((word, bits_of_it))
        plain = [word for word in with_yield_points(words, rest) if not _DIGIT.search(word)]
        self.scanner = Scanner(lexicon, chain(plain, numbered), before.scanner if before is not None else None, rest)
        self._trie, self._split_trie = self.scanner.trie, self.scanner.split_trie
        places = self.scanner.places
        self._meanings = [0] * len(self.scanner.patterns)
        for word in with_yield_points(plain, rest):
            self._meanings[places[word.encode("utf-8", "surrogatepass")]] = words[word]
        self._digit_words = {
            places[word.encode("utf-8", "surrogatepass")]: held for word, held in with_yield_points(numbered.items(), rest)
        }
        drop_items(words, rest)
        self._masks = Memo(MASKS_MAX)
        self._twice = RecencyFilter()
        self._traits = Memo(TRAITS_MAX)
        self._senses = Memo(SENSES_MAX)

    @cython.ccall
    @cython.nonecheck(False)
    def read(self, content: Content) -> Reading:
        """The reading of a content, which keeps it."""
        if content.read_by is not self.mark:
            content.reading = self._fresh(content)
            content.read_by = self.mark
        return cython.cast(Reading, content.reading)

    @property
    def young_traits(self) -> dict[Any, Traits]:
        """Traits met lately, in the order they came; another dictionary once it is full."""
        return self._traits.young

    def learn_from(self, before: Reader, rest: Rest = no_yield) -> None:
        """Reads what another reader has read lately, in another thread, before this reader is in use: else the
        first messages after a change of rules would all wait for the reading of their texts. The contents keep what the other one
        read. Takes over what has come before, and the texts that rules compare."""
        self._twice = before._twice.beside()
        for number, content in enumerate(list(before.lately)):
            if number % LEARN_PIECE == 0:
                rest()
            self._twice.comes(hash(mask_key(content.text)) & _ALL_BITS)  # it has, whatever has come since
            self._fresh(content)
        if self.texts is not None and before.texts is not None:
            self.texts = before.texts

    def forget(self, rest: Rest = no_yield) -> None:
        """Frees all caches, piece by piece, so that no message waits. The reader must not be used afterwards."""
        for memo in (self._masks, self._traits, self._senses):
            memo.empty(rest)
        dropped(self._meanings, rest)
        self.scanner.forget(rest)

    @cython.ccall
    @cython.nonecheck(False)
    def _fresh(self, content: Content) -> Reading:
        """The reading of a content that this reader has not read."""
        text: str = content.text
        mask: bytes = mask_key(text)
        tagged = None if self._tag is None else _tagged(content, self._tag)
        if tagged is not None or content.state != "readable" or not content.complete:  # rare: no second memory for these
            self._has_come(content, mask)
            return (
                self._analyse(content, tagged)[0]
                if content.complete
                else self._in_part(text, self._analyse(content, tagged)[0])
            )
        found: Any = self._masks.find(mask)
        if type(found) is WithNumbers:  # telephone numbers in it matter, other digits do not
            found = self._with_these_numbers(text, mask, cython.cast(WithNumbers, found))
        if type(found) is Reading:
            if content.digest < SELDOM:  # for what is used all the time would be forgotten there
                self.lately.append(content)
            return cython.cast(Reading, found)
        seen: TextFindings = self._analysed(content, None)
        if self._has_come(content, mask):
            digits = seen.digits
            if digits is False:
                self._masks.put(mask, seen.reading)
            elif digits is not True:
                of = WithNumbers(digits)
                self._masks.put(mask, of)
                key = _with_numbers(text, mask, of.spans)
                if key is mask:
                    of.without = seen.reading
                else:
                    self._masks.put(key, seen.reading)
        return cython.cast(Reading, seen.reading)

    @cython.cfunc
    def _with_these_numbers(self, text: str, mask: bytes, of: WithNumbers) -> Any:
        """The reading of a text with its telephone numbers; None if it is not there."""
        key = _with_numbers(text, mask, of.spans)
        return of.without if key is mask else self._masks.find(key)

    def _in_part(self, text: str, reading: Reading) -> Reading:
        """The reading of a text of which parts are missing: conditions that find something hold where no missing part can change that."""
        words, contacts = self._finders
        traits = reading.traits
        if not traits.bits & (words | contacts):
            return reading
        bits = traits.bits & ~(words | contacts)
        for piece in pieces(text):
            bits |= self._bits(piece.words) & words | self._bits(piece.contacts) & contacts
        key = traits.key(bits & traits.bits)
        return Reading(self._traits.find(key) or self._traits.put(key, Traits(*key)), reading.template)

    def _bits(self, text: str) -> int:
        return self._analyse(Content(text, "readable", b"", complete=False), None)[0].traits.bits if text else 0

    @cython.cfunc
    def _has_come(self, content: Content, mask: bytes) -> cython.bint:
        """Whether a text with this mask has come before: then it is among those read lately."""
        again: cython.bint = self._twice.comes(cython.cast(cython.ulonglong, hash(mask)))
        if again:
            self.lately.append(content)
        return again

    def _analyse(self, content: Content, tagged: Category | None) -> ReadingOf:
        """The reading, and whether another text with the same mask may read differently: if so, perhaps only where it has other telephone
        numbers in the same places."""
        seen: TextFindings = self._analysed(content, tagged)
        return seen.reading, seen.digits

    @cython.cfunc
    @cython.nonecheck(False)
    def _analysed(self, content: Content, tagged: Category | None) -> TextFindings:
        """What is in a text, with its reading."""
        page: TextAnalysis = TextAnalysis.__new__(TextAnalysis)
        page.read(content.text)
        others = None if page.is_plain else display_orders(page.text)
        seen: TextFindings = self._see(page) if others is None else self._see_all(page, others)
        bits: int = seen.bits
        if self._reviewed is not None:
            bits |= self._reviewed.get(key_of(page)) or 0
        complete = content.complete
        key: tuple[Any, ...]
        if (
            tagged is None
            and complete
            and seen.forms is None
            and seen.owners is _NOBODY
            and seen.resolved
            and content.state == "readable"
        ):
            key = (
                seen.name,
                seen.keyword,
                seen.category,
                seen.band,
                seen.subcategory,
                bits,
            )  # nearly always: in these they differ
        else:
            key = _traits_key(content, seen, bits, tagged)
        traits = self._traits.find(key)
        if traits is None:
            traits = self._traits.put(key, Traits(*_traits_key(content, seen, bits, tagged)))
        template: Any = fingerprint(seen.data) if page.text else 0
        if self.texts is not None and complete and seen.category is _MARKETING:
            self.texts.put(template, seen.text)
        reading: Reading = Reading.__new__(Reading)
        reading.traits, reading.template = traits, template
        seen.reading = reading
        return seen

    @cython.cfunc
    @cython.nonecheck(False)
    def _see(self, page: TextAnalysis) -> TextFindings:  # noqa: C901, PLR0912 # one step after the other
        """What a text shows in one order."""
        data: bytes = without_numbers(page.squeezed)
        sense: Sense = self._sense(page, data)
        bits: int = sense.bits
        name: str = page.name
        digits = b"0" in data and self._digits_decide(page)
        if sense.numbered:
            if (named := words_with_digits(sense.numbered, masked(page.squeezed), page.squeezed)) is not None:
                digits = True
                bits |= named
            if page.find_split():
                runs: str = "\n".join(page.find_split())
                if (named := words_with_digits(sense.numbered, masked(runs), runs, LETTERS_LEAST)) is not None:
                    digits = True
                    bits |= named
        bits |= self._if_present if page.has_notice else self._if_missing
        if self._if_at_tail and cython.cast(tuple, page.notice)[1]:
            bits |= self._if_at_tail
        if self._if_asking and asks(page.squeezed, page.notice, page.answer_at):
            bits |= self._if_asking
        if self._if_several and cython.cast(tuple, page.signature)[1] > 1:
            bits |= self._if_several
        for bit, outside in self._links_outside:
            if cython.cast(Outside, outside).holds(page):
                bits |= bit
        for bit, holds in self._asked:
            if holds(page):
                bits |= bit
        if self._domains is not None or self._numbers is not None:
            bits |= self._looked_up(page)
        seen: TextFindings = TextFindings.__new__(TextFindings)
        seen.text, seen.data, seen.name, seen.keyword, seen.bits, seen.digits = (
            page.text,
            data,
            name,
            page.keyword,
            bits,
            digits,
        )
        if sense.is_beside_code:
            seen.category, seen.band, seen.subcategory, _ = self._beside_code(sense.weighed, page)
        else:
            seen.category, seen.band, seen.subcategory = sense.category, sense.band, sense.subcategory
        registered = self._templates is not None and name in self._templated
        seen.forms = (
            self._templates.fitting(name, page.text, self.is_offer) if registered and self._templates is not None else None
        )
        if seen.forms is not None and self._templates is not None and b"0" in data and self._templates.reads_digits(name):
            seen.digits = True
        seen.owners = self._owners_of(page) if self._owners is not None else _NOBODY
        seen.resolved = True
        return seen

    def _see_all(self, page: TextAnalysis, others: DisplayOrders) -> TextFindings:
        """What a text shows in every order in which handsets show it: what is found in one counts. Where controls change the order, what a
        text must have (a notice, its template, one sender) it must have in each."""
        pages = [page, *(TextAnalysis(Content(text, "readable", b"")) for text in others.texts)]
        if others.controlled and all(one.notice.found for one in pages) and any(one.notice.at_tail for one in pages):
            for one in pages:
                one.notice = one.notice._replace(at_tail=True)
        found = [self._see(one) for one in pages]
        return combined(found, self._every, controlled=others.controlled, resolved=others.resolved)

    @cython.cfunc
    def _looked_up(self, page: TextAnalysis) -> Any:
        """Bits of the leaves that name one of its links or numbers."""
        bits = 0
        if self._domains is not None:
            for link in page.find_all_links():
                bits |= _domain_bits(link, self._domains)
        if self._numbers is not None:
            for number in page.find_all_contacts():
                bits |= self._numbers.get(number) or 0
            if self._reads_handles:
                for handle in page.find_handles():
                    bits |= self._numbers.get(handle.key) or 0
        return bits

    @cython.cfunc
    @cython.nonecheck(False)
    def _owners_of(self, page: TextAnalysis) -> Any:
        """Advertisers that the contacts of a text prove."""
        links: tuple[str, ...] = page.find_all_links()
        numbers: tuple[str, ...] = page.find_all_contacts()
        handles: tuple[Any, ...] = page.find_handles() if self._owns_handles else ()
        if self._owners is None or not (links or numbers or handles):
            return _NOBODY
        found: list[tuple[str, OwnerTable]] = []
        for link in links:
            owners = _owners_of(self._owners, link)
            if owners is not None:
                found.append(("domain", owners))
        for number in numbers:
            owners = self._owners.get(number)
            if owners is not None:
                found.append(("phone", owners))
        for handle in handles:
            owners = self._registry.owners(handle.key) if self._registry is not None else None
            if owners is not None:
                found.append(("handle", owners))
        return frozenset([(way, advertiser) for way, owners in found for advertiser in owners.proves]) if found else _NOBODY

    @cython.cfunc
    @cython.nonecheck(False)
    def _sense(self, page: TextAnalysis, data: bytes) -> Sense:
        """``data``: the text in the form the scanner reads."""
        shows: cython.int = (1 if page.links else 0) | (2 if page.has_notice else 0)
        sense: Sense | None
        trie: WordTrie | None = self._trie
        places: bytes | None = None if page.is_dressed or trie is None else trie.found(page.squeezed, shows)
        is_split: cython.bint = (
            places is not None
            and page.alone != 0
            and trie is not None
            and trie.may_be_split(page.folded, page.alone)
            and self._is_split(page)
        )
        if places is not None and not is_split:
            sense = self._senses.find(places)
            if sense is not None:
                return sense
        plain = len(data)
        data, matches = (data, self.scanner.matches(data)) if places is not None and not is_split else self.matches(page, data)
        found = frozenset([match[0] for match in matches])
        if (page.is_dressed or len(data) > plain) and self.hidden(page, found):
            shows |= 4
        key: bytes = places if places is not None and not is_split else _octets(sorted(found)) + _SHOWN[shows]
        if self.scanner.is_exact(found):  # its size modulo 4 differs from that of other keys
            key += _octets([match[0] for match in self.scanner.standing(data, matches)] + [len(found)]) + b"."
        sense = self._senses.find(key)
        if sense is None:
            sense = self._made(found, shows, data, matches)
            self._senses.put(key, sense)
        return sense

    @cython.cfunc
    def _is_split(self, page: TextAnalysis) -> cython.bint:
        """Whether there may be words with marks between all their letters."""
        runs: tuple[str, ...] = page.find_split()
        return bool(runs) and (self._split_trie is None or self._split_trie.found("\n".join(runs)) != b"")

    def matches(self, page: TextAnalysis, data: bytes) -> tuple[bytes, list[Match]]:
        """Words in a text (``data``: in the form the scanner reads), and where they stand; words split letter by letter stand behind it."""
        matches = self.scanner.matches(data)
        if page.split:
            letters = without_numbers("\n".join(page.split))
            first = len(data) + 1
            plain = {place for place, _, _ in matches}
            split = [
                (place, first + start, first + end)
                for place, start, end in self.scanner.matches(letters)
                if place not in plain
                and (is_split_word(letters[start:end]) or (place in self._digit_words and self._is_long(place)))
            ]
            if split:
                return b"\n".join((data, letters)), matches + split
        return data, matches

    def _is_long(self, place: int) -> bool:
        """Whether there is a word with digits that counts when it is split, though with one 0 for its number it is shorter."""
        return any(len(word) >= LETTERS_LEAST for words in self._digit_words[place].values() for word, _ in words)

    def _made(self, found: frozenset[int], shows: int, data: bytes, matches: list[Match]) -> Sense:
        scanner = self.scanner
        total = scanner.total(scanner.counted(found, data, matches))
        bits = 0
        for place in found:
            bits |= self._meanings[place]
        numbered = tuple([self._digit_words[place] for place in sorted(found) if place in self._digit_words])
        weighed = weigh(total, has_link=shows & 1 != 0, has_notice=shows & 2 != 0, evades=shows & 4 != 0)
        return Sense(weighed, bits, numbered)

    def classified(self, page: TextAnalysis) -> Classified:
        """What a text says it is."""
        weighed = self.weighed(page)
        return weighed.classified if weighed.beside is None else self._beside_code(weighed, page)

    def is_offer(self, text: str) -> bool:
        """Whether a text by itself is surely marketing."""
        return self.classified(TextAnalysis(Content(text, "readable", b""))).category is _MARKETING

    def weighed(self, page: TextAnalysis) -> Weighed:
        """What its words say, whether there is a code or none."""
        return self._sense(page, page.scanned).weighed

    def _beside_code(self, weighed: Weighed, page: TextAnalysis) -> Classified:
        """What a text with a word for a code is: that depends on what else it says."""
        beside_word = has_code(page.squeezed)
        if not beside_word and not may_hold_code(page.squeezed):
            return weighed.classified
        return weighed.as_code(self._points(weighed, page), leads_on=self._outside(page), beside_word=beside_word)

    def beside(self, weighed: Weighed, page: TextAnalysis) -> int | None:
        """Points of what a text says beside its code (policy/text/otp_codes.py); None where there is none."""
        if weighed.beside is None or not (has_code(page.squeezed) or may_hold_code(page.squeezed)):
            return None
        return self._points(weighed, page)

    def _points(self, weighed: Weighed, page: TextAnalysis) -> int:
        return self.scanner.lexicon.codes.beside(page.squeezed) + (weighed.beside or 0) + (LINK if self._outside(page) else 0)

    def hidden(self, page: TextAnalysis, found: Iterable[int]) -> set[int]:
        """Words of an offer that are found in the text's normal form only, so they were hidden."""
        seen = without_numbers(undressed(page.text))
        scanner = self.scanner
        words = scanner.lexicon.words
        return {
            place
            for place in found
            if place < len(words) and words[place].purpose in _OFFERING and scanner.patterns[place] not in seen
        }

    @cython.cfunc
    @cython.nonecheck(False)
    def _digits_decide(self, page: TextAnalysis) -> BoolOrSpans:
        """Whether a text with other digits in the same places may have other traits."""
        if self._digits_matter or _has_digit(page.name) or _has_digit(page.keyword):
            return True
        for link in page.links:
            if _has_digit(link):
                return True
        if (self._domains is not None or self._owners is not None or self._links_outside) and (
            (page.holds_codes and has_codes(page.folded))
            or ((self._numbered_domains or self._links_outside) and _DIGIT.search("".join(page.find_disguised_links())))
        ):
            return True
        return self._reads_contacts and page.may_call(self._reads_handles)


def _traits_key(content: Content, seen: TextFindings, bits: int, tagged: Category | None) -> TraitsKey:
    return (
        content.state if seen.resolved else "unreadable", seen.name, seen.keyword, seen.category, seen.band, seen.subcategory, bits,
        tagged, content.complete, seen.forms, seen.owners,
    )  # fmt: skip


@cython.cfunc
def _has_digit(text: str) -> cython.bint:
    one: cython.Py_UCS4
    for one in text:
        if "0" <= one <= "9":
            return True
    return False


def _leads_on(page: TextAnalysis) -> bool:
    return bool(page.links)


def words_with_digits(numbered: Iterable[DigitWords], mask: bytes, text: str, least: int = 0) -> int | None:
    """The bits of those of so many letters that are in a text (``mask``: with its digits masked); None: whatever its digits were, none of
    them would be."""
    bits: int | None = None
    for held in numbered:
        for masked_word, words in held.items():
            if masked_word in mask:
                bits = bits or 0
                for word, bit in words:
                    if len(word) >= least and word in text:
                        bits |= bit
    return bits


@cython.cfunc
def _with_numbers(text: str, mask: bytes, spans: Spans) -> bytes:
    """A key beside masks: the mask with what stands where telephone numbers may (NUL is in no mask's end); the mask itself if none is one."""
    key: bytes = mask
    for start, end in spans:
        if calls_at(text, start, end):
            key += b"\0%d\0" % start + text[start:end].encode()
    return key


def _tagged(content: Content, tag: int) -> Category | None:
    """The category an optional parameter names, as a word or as its number (0 otp, 1 notice, 2 marketing)."""
    for number, value in content.extra:
        if number == tag:
            word = value.rstrip(b"\0").decode("ascii", "replace").lower()
            for category in Category:
                if word == category.word or word == str(int(category)) or value == bytes([category]):
                    return category
    return None


def _finders(bits: Bits) -> tuple[int, int]:
    words = contacts = 0
    for bit, test in chain.from_iterable(bits.tests.values()):
        if test.finds and test.word == "text":
            words |= bit
        elif test.finds:
            contacts |= bit
    return words, contacts


def _by_word(tests: Iterable[tuple[int, Test]], rest: Rest = no_yield) -> dict[str, int]:
    """word → bits of the leaves that name it."""
    index: dict[str, int] = {}
    for bit, test in tests:
        for word in with_yield_points(test.vocabulary, rest):
            index[word] = index.get(word, 0) | bit
    return index


def _octets(numbers: list[int]) -> bytes:
    return array("I", numbers).tobytes()


@cython.cfunc
def _owners_of(table: dict[str, OwnerTable], link: str) -> Any:
    """The owners of a link's domain, or of one above it; None if none is registered."""
    found: Any = table.get(link)
    place: cython.Py_ssize_t = 0
    size: cython.Py_ssize_t = len(link)
    while found is None:
        while place < size and character(link, place) != ".":
            place += 1
        if place == size:
            break
        place += 1
        found = table.get(link[place:])
    return found


@cython.cfunc
def _domain_bits(link: str, domains: dict[str, int]) -> int:
    """Leaves that name the domain of a link or one above it."""
    bits = domains.get(link, 0)
    place: cython.Py_ssize_t = link.find(".")
    while place >= 0:
        link = link[place + 1 :]
        bits |= domains.get(link, 0)
        place = link.find(".")
    return bits
