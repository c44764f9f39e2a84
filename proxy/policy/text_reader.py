"""Reads a text for one rule set, once per content.

In: Content. Out: a Reading (traits, template), shared by all texts with the same traits. Never: sender, region, time. Costly steps run only
when a rule or the category needs them. A text that differs from a known one in digits only costs one look-up, unless digits matter to some
rule.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain
from typing import NamedTuple

from proxy.model.message import Category, Content, hash16, hash48
from proxy.model.recency_filter import RecencyFilter
from proxy.native.loader import compiled
from proxy.policy.condition import Bits, Test
from proxy.policy.generational_cache import Memo, drop_items, dropped
from proxy.policy.registries.registered_contacts import Outside
from proxy.policy.registries.registry import Registry
from proxy.policy.registries.reviewed_texts import key_of
from proxy.policy.text.bidi import DisplayOrders, display_orders
from proxy.policy.text.category import Classified, Weighed, weigh
from proxy.policy.text.contacts import calls
from proxy.policy.text.disguised import has_codes
from proxy.policy.text.displayed_words import TextFindings, combined
from proxy.policy.text.folding import fingerprint, masked, numberless, undressed, without_numbers
from proxy.policy.text.incomplete_text import pieces
from proxy.policy.text.keyword_prefilter import Match
from proxy.policy.text.lexicon import Lexicon
from proxy.policy.text.notices import plain
from proxy.policy.text.otp_codes import LINK, has_code, may_hold_code
from proxy.policy.text.scanner import Scanner
from proxy.policy.text.split_words import LETTERS_LEAST, is_split_word
from proxy.policy.text.text_analysis import Spans, TextAnalysis
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
        forms: tuple[int, ...] | None = None,
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
    str, str, str, Category, str, str, int, Category | None, bool, tuple[int, ...] | None, frozenset[tuple[str, str]]
]  # fmt: skip


class Reading:
    __slots__ = ("traits", "template")

    def __init__(self, traits: Traits, template: int) -> None:
        self.traits = traits
        self.template = template


class Sense(NamedTuple):
    """What a set of words makes of a text; the same for all texts with these words, and a link, a notice, a hidden word or none."""

    weighed: Weighed
    bits: int  # of the rules' leaves whose words are among them
    numbered: tuple[DigitWords, ...] = ()  # words with digits that may be in such a text


DigitWords = dict[bytes, list[tuple[str, int]]]
"""Words with digits, by the word with its digits masked: each with the bits of the leaves that name it."""


class Reader:
    """Reads texts for one set of rules."""

    __slots__ = (
        "mark", "lately", "texts", "scanner", "_tag", "_templates", "_owners", "_reviewed", "_asked", "_every", "_domains", "_numbers",
        "_numbered_domains", "_digits_matter", "_reads_contacts", "_digit_words", "_finders", "_meanings", "_masks", "_twice", "_traits",
        "_senses", "_outside",
        "__weakref__",
    )  # fmt: skip

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
        """Stands for this reader in the contents it has read: they outlive the rules, which are large."""
        self.lately: deque[Content] = deque(maxlen=LATELY_MAX)
        """What it has read anew, and not for the first time."""
        self._tag = category_tag
        self._outside: Callable[[TextAnalysis], bool] = Outside("links", registry, "") if registry is not None else _leads_on
        """Whether a text has a link that is not its sender's."""
        known = registry is not None and (registry.templates.declare_categories or "template" in bits.fields)
        self._templates = registry.templates if registry is not None and known else None
        self._owners = registry.owners if registry is not None and owners else None
        self._reviewed = _by_word(bits.tests.get("reviewed", [])) or None
        self.texts = Memo(TEXTS_MAX) if texts else None
        """Texts by their fingerprint, as they were first read."""
        tests = bits.tests.get("text", [])
        self._asked: list[tuple[int, Callable[..., bool]]] = [(bit, test.holds) for bit, test in tests]
        """What texts are asked one by one, each with its bit."""
        self._finders = _finders(bits)
        """Bits of what finds words in a text; of what finds links or numbers."""
        words = _by_word(bits.tests.get("words", []), rest)
        self._domains = _by_word(bits.tests.get("links", [])) or None
        self._numbers = _by_word(bits.tests.get("contacts", [])) or None
        registered = registry.contacts if registry is not None and owners else ()
        self._numbered_domains = any(
            not one.isdecimal() and _DIGIT.search(one) is not None
            for one in with_yield_points(chain(self._domains or (), registered), rest)
        )
        """Whether digits of a disguised domain matter."""
        self._every = sum(bit for bit, test in tests if test.every)
        read = {test.reads for _, test in tests}
        self._digits_matter = "digits" in read
        self._reads_contacts = "contacts" in read or owners or not (self._numbers is None and self._reviewed is None)
        # the scanner sees every number as one 0: of a word with digits it finds where the word may be, which is looked for by itself there
        numbered: dict[str, DigitWords] = {}
        for word, bits_of_it in with_yield_points(words.items(), rest):
            if _DIGIT.search(word):
                numbered.setdefault(numberless(word), {}).setdefault(masked(word), []).append((word, bits_of_it))
        plain = [word for word in with_yield_points(words, rest) if not _DIGIT.search(word)]
        self.scanner: Scanner = Scanner(lexicon, chain(plain, numbered), before.scanner if before is not None else None, rest)
        places = self.scanner.places
        self._meanings = [0] * len(self.scanner.patterns)
        for word in with_yield_points(plain, rest):
            self._meanings[places[word.encode("utf-8", "surrogatepass")]] = words[word]
        self._digit_words = {
            places[word.encode("utf-8", "surrogatepass")]: held for word, held in with_yield_points(numbered.items(), rest)
        }
        """By the place of what the scanner finds of them."""
        drop_items(words, rest)
        self._masks = Memo(MASKS_MAX)
        self._twice = RecencyFilter()
        """Of masks: one that has not come before is not remembered."""
        self._traits = Memo(TRAITS_MAX)
        self._senses = Memo(SENSES_MAX)  # octets: the compiled version's

    @compiled("reader_read")
    def read(self, content: Content) -> Reading:
        """The reading of a content, which keeps it."""
        if content.read_by is not self.mark:
            content.reading = self._fresh(content)
            content.read_by = self.mark
        reading: Reading = content.reading
        return reading

    @property
    def young_traits(self) -> dict[TraitsKey, Traits]:
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
            for hashed in {hash(masked(content.text)), _mask_hash(content.text)}:
                self._twice.comes(hashed & _ALL_BITS)  # it has, whatever has come since
            self._fresh(content)
        if self.texts is not None and before.texts is not None:
            self.texts = before.texts

    def forget(self, rest: Rest = no_yield) -> None:
        """Frees all caches, piece by piece, so that no message waits. The reader must not be used afterwards."""
        for memo in (self._masks, self._traits, self._senses):
            memo.empty(rest)
        dropped(self._meanings, rest)
        self.scanner.forget(rest)

    @compiled("reader_fresh")
    def _fresh(self, content: Content) -> Reading:
        mask = masked(content.text)
        tagged = None if self._tag is None else _tagged(content, self._tag)
        if tagged is not None or content.state != "readable" or not content.complete:  # rare: no second memory for these
            self._has_come(content, mask)
            reading = self._analyse(content, mask, tagged)[0]
            return reading if content.complete else self._in_part(content.text, reading)
        found = self._masks.find(mask)
        if type(found) is tuple:  # telephone numbers in it matter, other digits do not
            found = self._masks.find(_with_numbers(content.text, mask, found))
        if type(found) is Reading:
            if content.digest < SELDOM:  # for what is used all the time would be forgotten there
                self.lately.append(content)
            return found
        reading, digits = self._analyse(content, mask, None)
        if self._has_come(content, mask):
            if digits is False:
                self._masks.put(mask, reading)
            elif digits is not True:
                self._masks.put(mask, digits)
                self._masks.put(_with_numbers(content.text, mask, digits), reading)
        return reading

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
        return self._analyse(Content(text, "readable", b"", complete=False), None, None)[0].traits.bits if text else 0

    def _has_come(self, content: Content, mask: bytes) -> bool:
        """Whether a text with this mask has come before: then it is among those read lately."""
        again = self._twice.comes(hash(mask) & _ALL_BITS)
        if again:
            self.lately.append(content)
        return again

    @compiled("reader_analyse")
    def _analyse(self, content: Content, mask: bytes | None, tagged: Category | None) -> tuple[Reading, bool | Spans]:
        """The reading, and whether another text with the same mask (of the content's text, None: not known) may read differently: if so,
        perhaps only where it has other telephone numbers in the same places."""
        page = TextAnalysis(content)
        others = display_orders(content.text)
        if others is None:
            seen, digits = self._see(page, mask)
        else:
            seen, digits = self._see_all(page, others), True
        bits = seen.bits
        if self._reviewed is not None:
            bits |= self._reviewed.get(key_of(page)) or 0
        key = (
            content.state if seen.resolved else "unreadable", seen.name, seen.keyword, seen.category, seen.band, seen.subcategory, bits,
            tagged, content.complete, seen.forms, seen.owners,
        )  # fmt: skip
        traits = self._traits.young.get(key) or self._traits.find(key) or self._traits.put(key, Traits(*key))
        template = fingerprint(seen.data) if content.text else 0
        if self.texts is not None and content.complete and seen.category is Category.MARKETING:
            self.texts.put(template, seen.text)
        return Reading(traits, template), digits

    def _see(self, page: TextAnalysis, mask: bytes | None = None) -> tuple[TextFindings, bool | Spans]:
        """What a text shows in one order; ``mask`` and the second value as in ``_analyse``."""
        if mask is None or page.squeezed is not page.text:
            mask = masked(page.squeezed)
        data = without_numbers(mask)
        weighed, bits, numbered = self._sense(page, data)
        digits: bool | Spans = b"0" in mask and self._digits_decide(page)
        if numbered and (named := words_with_digits(numbered, mask, page.squeezed)) is not None:
            digits = True
            bits |= named
        if numbered and page.split:
            runs = "\n".join(page.split)
            if (named := words_with_digits(numbered, masked(runs), runs, LETTERS_LEAST)) is not None:
                digits = True
                bits |= named
        for bit, holds in self._asked:
            if holds(page):
                bits |= bit
        bits |= self._looked_up(page)
        category, band, subcategory, _ = weighed.classified if weighed.beside is None else self._beside_code(weighed, page)
        name = page.signature.name
        forms = self._templates.fitting(name, page.text) if self._templates is not None else None
        owners = self._owners_of(page) if self._owners is not None else _NOBODY
        return TextFindings(
            page.text, data, name, page.notice.keyword, category, band, subcategory, bits, forms, owners
        ), digits

    def _see_all(self, page: TextAnalysis, others: DisplayOrders) -> TextFindings:
        """What a text shows in every order in which handsets show it: what is found in one counts. Where controls change the order, what a
        text must have (a notice, its template, one sender) it must have in each."""
        pages = [page, *(TextAnalysis(Content(text, "readable", b"")) for text in others.texts)]
        if others.controlled and all(one.notice.found for one in pages) and any(one.notice.at_tail for one in pages):
            for one in pages:
                one.notice = one.notice._replace(at_tail=True)
        found = [self._see(one)[0] for one in pages]
        return combined(found, self._every, controlled=others.controlled, resolved=others.resolved)

    def _looked_up(self, page: TextAnalysis) -> int:
        """Bits of the leaves that name one of its links or numbers."""
        bits = 0
        if self._domains is not None:
            for link in page.all_links:
                bits |= _domain_bits(link, self._domains)
        if self._numbers is not None:
            for number in page.all_contacts:
                bits |= self._numbers.get(number) or 0
        return bits

    def _owners_of(self, page: TextAnalysis) -> frozenset[tuple[str, str]]:
        """Advertisers for whom the links and numbers of a text are registered."""
        found = _NOBODY
        if self._owners is None:
            return found
        for way, held in (("domain", page.all_links), ("phone", page.all_contacts)):
            for contact in held:
                owners = self._owners(contact)
                if owners is not None:
                    found |= {(way, advertiser) for advertiser in owners.advertisers}
        return found

    def _sense(self, page: TextAnalysis, data: bytes) -> Sense:
        """``data``: the text in the form the scanner reads."""
        plain = len(data)
        data, matches = self.matches(page, data)
        found = frozenset([match[0] for match in matches])
        evades = (page.is_dressed or len(data) > plain) and bool(self.hidden(page, found))
        key = (found, bool(page.links), page.notice.found, evades)
        sense: Sense | None = self._senses.find(key)
        if sense is None:
            sense = self._made(key, data, matches)
            if not self.scanner.is_exact(found):
                self._senses.put(key, sense)
        return sense

    def matches(self, page: TextAnalysis, data: bytes) -> tuple[bytes, list[Match]]:
        """Words in a text (``data``: in the form the scanner reads), and where they stand; words split letter by letter stand behind it."""
        matches = self.scanner.matches(data)
        if page.split:
            letters = without_numbers(masked("\n".join(page.split)))
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

    def _made(self, key: tuple[frozenset[int], bool, bool, bool], data: bytes, matches: list[Match]) -> Sense:
        found, has_link, has_notice, evades = key
        scanner = self.scanner
        total = scanner.total(scanner.counted(found, data, matches))
        bits = 0
        for place in found:
            bits |= self._meanings[place]
        numbered = tuple(self._digit_words[place] for place in sorted(found) if place in self._digit_words)
        return Sense(weigh(total, has_link=has_link, has_notice=has_notice, evades=evades), bits, numbered)

    def classified(self, page: TextAnalysis) -> Classified:
        """What a text says it is."""
        weighed = self.weighed(page)
        return weighed.classified if weighed.beside is None else self._beside_code(weighed, page)

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
        seen = without_numbers(masked(undressed(page.text)))
        scanner = self.scanner
        words = scanner.lexicon.words
        return {
            place
            for place in found
            if place < len(words) and words[place].purpose in _OFFERING and scanner.patterns[place] not in seen
        }

    def _digits_decide(self, page: TextAnalysis) -> bool | Spans:
        """Whether a text with other digits in the same places may have other traits."""
        if self._digits_matter or _DIGIT.search("".join((page.signature.name, page.notice.keyword, *page.links))):
            return True
        if (self._domains is not None or self._owners is not None) and (
            has_codes(page.folded) or (self._numbered_domains and _DIGIT.search("".join(page.disguised_links)))
        ):
            return True
        return self._reads_contacts and page.may_call()


@compiled("mask_hash")
def _mask_hash(text: str) -> int:
    """Of a text with its digits masked, as nearly all are asked for."""
    return hash(masked(text))


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


def _with_numbers(text: str, mask: bytes, spans: Spans) -> bytes:
    """A key beside masks: the mask with what stands where telephone numbers may, if it is one (NUL is in no mask's end)."""
    numbers = (text[start:end] for start, end in spans)
    return b"\0".join((mask, *(one.encode() if calls(one) else b"" for one in numbers)))


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


def _domain_bits(link: str, domains: dict[str, int]) -> int:
    """Leaves that name the domain of a link or one above it."""
    bits = domains.get(link, 0)
    while "." in link:
        link = link.partition(".")[2]
        bits |= domains.get(link, 0)
    return bits
