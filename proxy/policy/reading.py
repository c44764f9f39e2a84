"""Reading: what the rules of one set can know of a text, made once per content and shared by all texts with the same traits.

In: Content. Out: Reading (traits, template). Never: sender, region, time. Costly steps run only when a rule or the category needs them;
a text that differs from a known one in digits only costs one look-up, unless digits matter to some rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ahocorasick_rs import AhoCorasick, MatchKind

from proxy.message import Category, Content, hash16, hash48

from .category import LEXICON, SUBCATEGORY_CODES, classify, features
from .condition import Bits, Test
from .memo import Memo
from .text import NO_NOTICE, Notice, Signature, contacts, fingerprint, fold, links, masked, notice, signature, squeeze

READINGS_MAX = 8_192  # per generation, with a text each: some 16 MB
TRAITS_MAX = 16_384
_DIGIT = re.compile("[0-9]")
_LEXICON_MASK = (1 << len(LEXICON)) - 1


class Traits:
    """All that rules and records can know of a text; one object for all texts that share it (compared by identity)."""

    __slots__ = (
        "state",
        "signature",
        "signature_hash",
        "keyword",
        "keyword_hash",
        "classified",
        "subcategory",
        "code",
        "bits",
        "tagged",
        "complete",
    )

    def __init__(
        self,
        state: str,
        signature: str,
        keyword: str,
        classified: Category,
        subcategory: str,
        bits: int,
        tagged: Category | None,
        complete: bool = True,
    ) -> None:  # in the order of the key under which traits are kept
        self.state = state
        self.signature = signature
        self.signature_hash = hash48(signature) if signature else 0
        self.keyword = keyword
        self.keyword_hash = hash16(keyword) if keyword else 0
        self.classified = classified
        self.subcategory = subcategory
        self.code = SUBCATEGORY_CODES.get(subcategory, 0)
        self.bits = bits
        self.tagged = tagged  # the category an optional parameter declares; whether it counts depends on the port
        self.complete = complete  # False: parts of the text are missing, and what it lacks says nothing


TraitsKey = tuple[str, str, str, Category, str, int, Category | None, bool]


class Reading:
    __slots__ = ("traits", "template")

    def __init__(self, traits: Traits, template: int) -> None:
        self.traits = traits
        self.template = template


class Page:
    """One text under analysis: what tests of scope ``text`` are asked with."""

    __slots__ = ("folded", "squeezed", "signature", "notice", "links", "_contacts")

    def __init__(self, content: Content) -> None:
        self.folded = fold(content.text)
        self.squeezed = squeeze(self.folded)
        self.signature: Signature = signature(content.text)
        self.notice: Notice = notice(self.folded) if self.folded else NO_NOTICE
        self.links = links(self.folded)
        self._contacts: tuple[str, ...] | None = None

    @property
    def contacts(self) -> tuple[str, ...]:
        if self._contacts is None:
            self._contacts = contacts(self.folded, masked(self.folded))
        return self._contacts


class Reader:
    """Reads texts for one set of rules."""

    def __init__(self, bits: Bits, category_tag: int | None) -> None:
        self._tag = category_tag
        self._tests: list[tuple[int, Test]] = bits.tests.get("text", [])
        word_tests = bits.tests.get("words", [])
        self._domains = _by_word(bits.tests.get("links", []))
        self._numbers = _by_word(bits.tests.get("contacts", []))
        read = {test.reads for _, test in self._tests}
        self._digits_matter = "digits" in read
        self._reads_contacts = "contacts" in read or bool(self._numbers)
        self._automaton, self._meanings = _automaton(word_tests)
        digit_words = {masked(word).decode() for _, test in word_tests for word in test.vocabulary if _DIGIT.search(word)}
        self._digit_words = AhoCorasick(list(digit_words), matchkind=MatchKind.Standard) if digit_words else None
        self._readings: Memo[Content, Reading] = Memo(READINGS_MAX)
        self._masks: Memo[bytes, Reading] = Memo(READINGS_MAX)
        self._traits: Memo[TraitsKey, Traits] = Memo(TRAITS_MAX)
        self.young = self._readings.young

    def read(self, content: Content) -> Reading:
        """The reading of a content, from memory if it was read before."""
        reading = self._readings.find(content)
        if reading is None:
            reading = self._readings.put(content, self._fresh(content))
        self.young = self._readings.young
        return reading

    def _fresh(self, content: Content) -> Reading:
        mask = masked(content.text)
        tagged = None if self._tag is None else _tagged(content, self._tag)
        if tagged is not None or content.state != "readable" or not content.complete:  # rare: no second memory for these
            return self._analyse(content, mask, tagged)[0]
        reading = self._masks.find(mask)
        if reading is None:
            reading, digits = self._analyse(content, mask, None)
            if not digits:
                self._masks.put(mask, reading)
        return reading

    def _analyse(self, content: Content, mask: bytes, tagged: Category | None) -> tuple[Reading, bool]:
        """The reading, and whether another text with the same mask may read differently."""
        page = Page(content)
        found, bits = self.words(page)
        for bit, test in self._tests:
            if test.holds(page):
                bits |= bit
        for link in page.links if self._domains else ():
            bits |= _domain_bits(link, self._domains)
        for number in page.contacts if self._numbers else ():
            bits |= self._numbers.get(number, 0)
        keyword = page.notice.keyword
        category, subcategory = classify(page.folded, found, bool(page.links), bool(keyword))
        name = page.signature.name
        digits = b"0" in mask and self._digits_decide(page)
        key = (content.state, name, keyword, category, subcategory, bits, tagged, content.complete)
        traits = self._traits.find(key)
        if traits is None:
            traits = self._traits.put(key, Traits(*key))
        return Reading(
            traits, fingerprint(page.folded, mask if page.folded is content.text else None) if content.text else 0
        ), digits

    def _digits_decide(self, page: Page) -> bool:
        """Whether a text with other digits in the same places may have other traits."""
        if self._digits_matter or _DIGIT.search("".join((page.signature.name, page.notice.keyword, *page.links))):
            return True
        if self._reads_contacts and page.contacts:
            return True
        words = self._digit_words
        return words is not None and bool(words.find_matches_as_indexes(masked(page.squeezed).decode("utf-8", "surrogatepass")))

    def words(self, page: Page) -> tuple[int, int]:
        """(lexicon words found as bits, rule leaves whose words were found as bits)."""
        meanings = self._meanings
        found = 0
        for place, _, _ in self._automaton.find_matches_as_indexes(page.squeezed, overlapping=True):
            found |= meanings[place]
        return found & _LEXICON_MASK, found >> len(LEXICON)

    def features(self, content: Content) -> tuple[str, ...]:
        """Why a text was classified as it was, for explain."""
        page = Page(content)
        return features(page.folded, self.words(page)[0], bool(page.links), page.notice.keyword)


def _tagged(content: Content, tag: int) -> Category | None:
    """The category an optional parameter names, as a word or as its number (0 otp, 1 notice, 2 marketing)."""
    for number, value in content.extra:
        if number == tag:
            word = value.rstrip(b"\0").decode("ascii", "replace").lower()
            for category in Category:
                if word == category.word or word == str(int(category)) or value == bytes([category]):
                    return category
    return None


def _by_word(tests: Iterable[tuple[int, Test]]) -> dict[str, int]:
    """word → bits of the leaves that name it."""
    index: dict[str, int] = {}
    for bit, test in tests:
        for word in test.vocabulary:
            index[word] = index.get(word, 0) | bit
    return index


def _domain_bits(link: str, domains: dict[str, int]) -> int:
    """Leaves that name the domain of a link or one above it."""
    bits = domains.get(link, 0)
    while "." in link:
        link = link.partition(".")[2]
        bits |= domains.get(link, 0)
    return bits


def _automaton(tests: Iterable[tuple[int, Test]]) -> tuple[AhoCorasick, list[int]]:
    """One automaton for the lexicon and every word of every rule: by pattern, the lexicon's bits and above them the rules'."""
    meanings: dict[str, int] = {}
    for place, (word, _) in enumerate(LEXICON):
        meanings[squeeze(fold(word))] = 1 << place
    for bit, test in tests:
        for word in test.vocabulary:
            meanings[word] = meanings.get(word, 0) | bit << len(LEXICON)
    return AhoCorasick(list(meanings), matchkind=MatchKind.Standard), list(meanings.values())
