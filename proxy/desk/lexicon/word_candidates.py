"""Finds words that advertising has and notices have not.

In: texts in the form in which words are searched, each known as advertising or as a notice (or code). Out: proposals: words with a weight,
their hits and false hits. Never: a decision (a person takes it); a word that only few senders use, which may be a name.

    candidate    1 to 6 characters (or Latin words) that are in texts of SENDERS senders or more, more often than a random part of a longer one
    ratio        share of the advertisements with the word / share of the notices with it (half a notice added)
    weight       4 from a ratio of 100 on, 3 from 30 on, 2 from 10 on; below that it is no candidate. Plus the points of a known word inside
                 it, which counts no more beside it (scanner.py)
    gain         advertisements that become surely marketing with the word; one that only comes nearer counts as weight / points missing
    order        by gain less TURNED_COST for each notice that would become marketing, each after the earlier ones were added

A person decides proposals in a CSV or XLSX file with the column ``decision``; the words go into the text of ``lexicon/reviewed.csv``. Never: a
word accepted that nobody decided.

Texts of the journal, by what became of them, are known as advertising or notices. Never: a text whose nature nobody said (allowed marketing,
what was refused for its sender or recipient).

    advertising   a valid or open complaint names it; a clerk refused it; it was refused for what it says; or it was refused as marketing
                  and reads like it: it has words of advertising, or an opt-out notice and no words of notices
    notice        it was delivered as a notice or a code, and no complaint names it

A text that is on both sides is advertising. An account declared marketing sends notices, too: refused ones are neither.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.archive.otp_texts import unjudged
from proxy.archive.text_outcomes import TextOutcome
from proxy.desk.revisions import table_rows
from proxy.model.message import Category, Content
from proxy.model.number import masked_repr
from proxy.model.redact import csv_cell
from proxy.operations.files.row_files import FileFaults, NotATable, Row
from proxy.policy.registries.reviewed_texts import key_of
from proxy.policy.text.category import SURELY, band_of
from proxy.policy.text.lexicon import REJECTED, WORD_LONGEST, Lexicon, fault_of, normal_word
from proxy.policy.text.text_analysis import TextAnalysis
from proxy.policy.text_reader import Reader

SENDERS = 3
UNITS_MAX = 6
HITS_LEAST = 3
WEIGHTS = ((100.0, 4), (30.0, 3), (10.0, 2))
TURNED_COST = 5.0
PROTECTED = 100
ADVERTISEMENTS_MAX = 30_000
"""More are thinned out evenly: candidates come from these, and memory grows with them."""
CANDIDATES_MAX = 20_000
_SIGNATURE = re.compile(r"【[^】]{0,40}】|\[[^\]]{2,16}\]")
_LINK = re.compile(r"https?://[!-~]+|[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:/[!-~]*)?")
_RUN = re.compile("[\u4e00-\u9fffa-z0]+")
_UNIT = re.compile("[\u4e00-\u9fff]|[a-z]+|0")
_CHINESE = re.compile("[\u4e00-\u9fff]")


@masked_repr
class SeenText(NamedTuple):
    """A text of the journal. ``text`` is normalised."""

    text: str
    sender: str
    is_advertising: bool
    score: int  # of its words, by the lexicon in force (category.py)
    surely: bool  # whether it counts as marketing already

    @property
    def missing(self) -> int:
        """Points up to surely marketing; 0: none."""
        return 0 if self.surely else max(1, SURELY - self.score)


class ProposedWord(NamedTuple):
    word: str
    weight: int
    hits: int  # advertisements with it
    false_hits: int  # notices and codes with it
    new: int  # advertisements that become surely marketing by it, after the words before it
    turned: int  # notices that do
    senders: int
    example: str


class _Candidate(NamedTuple):
    hits: set[int]
    false: set[int]
    weight: int
    inside: int  # points of a known word in it

    @property
    def points(self) -> int:
        return self.weight + self.inside


def proposals(texts: Sequence[SeenText], known: Mapping[str, int], most: int, senders: int = SENDERS) -> list[ProposedWord]:
    """``known``: words of the lexicon, and words that a person turned down, with the points that a text has by them; of a word that a longer
    one must not replace (evidence of a notice), PROTECTED."""
    advertising = _thinned([one for one in texts if one.is_advertising])
    notices = [one for one in texts if not one.is_advertising]
    found = _candidates(advertising, known, senders)
    false = _hits(notices, found)
    words = {}
    for word, hits in found.items():
        if weight := _weight(len(hits), len(advertising), len(false[word]), len(notices)):
            words[word] = _Candidate(hits, false[word], weight, _inside(word, known))
    return list(_chosen(advertising, notices, words, most))


def _thinned(texts: list[SeenText]) -> list[SeenText]:
    step = -(-len(texts) // ADVERTISEMENTS_MAX) or 1
    return texts[::step]


def _weight(hits: int, advertisements: int, false: int, notices: int) -> int:
    ratio = (hits / max(1, advertisements)) / ((false + 0.5) / max(1, notices))
    return next((weight for least, weight in WEIGHTS if ratio >= least), 0)


def _runs(text: str) -> Iterator[list[str]]:
    """The text as stretches of characters, Latin words and numbers, without signature and links."""
    for run in _RUN.findall(_LINK.sub(" ", _SIGNATURE.sub(" ", text))):
        yield _UNIT.findall(run)


def _words(text: str, units: int) -> set[tuple[str, ...]]:
    return {tuple(run[start : start + units]) for run in _runs(text) for start in range(len(run) - units + 1)}


def _candidates(texts: Sequence[SeenText], known: Mapping[str, int], senders: int) -> dict[str, set[int]]:
    """Word → which texts have it. Longer words are built of the frequent shorter ones only."""
    shorter: set[tuple[str, ...]] | None = None
    places: dict[tuple[str, ...], set[int]] = {}
    for units in range(1, UNITS_MAX + 1):
        count: Counter[tuple[str, ...]] = Counter()
        for one in texts:
            count.update(
                word for word in _words(one.text, units) if shorter is None or (word[1:] in shorter and word[:-1] in shorter)
            )
        frequent = {word for word, hits in count.items() if hits >= HITS_LEAST}
        if not frequent:
            break
        by_word: dict[tuple[str, ...], set[int]] = defaultdict(set)
        for place, one in enumerate(texts):
            for word in _words(one.text, units) & frequent:
                by_word[word].add(place)
        places |= {word: held for word, held in by_word.items() if len({texts[place].sender for place in held}) >= senders}
        shorter = frequent
    whole = _without_parts(places)
    best = sorted(whole, key=lambda word: (-len(whole[word]), word))
    spelt = {"".join(word): whole[word] for word in best if _may_stand(word, known)}
    return dict(list(spelt.items())[:CANDIDATES_MAX])


def _without_parts(places: dict[tuple[str, ...], set[int]]) -> dict[tuple[str, ...], set[int]]:
    """Without words that nearly always stand in one and the same longer word."""
    parts = set()
    for word, held in places.items():
        for part in (word[1:], word[:-1]):
            if part in places and len(held) >= 0.8 * len(places[part]):
                parts.add(part)
    return {word: held for word, held in places.items() if word not in parts}


def _may_stand(word: tuple[str, ...], known: Mapping[str, int]) -> bool:
    spelt = "".join(word)
    if len(word) == 1 and (len(spelt) < 3 or spelt == "0"):  # one character says too little
        return False
    if len(spelt) > WORD_LONGEST or normal_word(spelt) != spelt or not (_CHINESE.search(spelt) or len(word) == 1):
        return False
    return spelt not in known and _inside(spelt, known) < PROTECTED


def _inside(word: str, known: Mapping[str, int]) -> int:
    """The most points of a known word inside a longer one."""
    parts = (word[start : start + length] for length in range(2, len(word)) for start in range(len(word) - length + 1))
    return max((known.get(part, 0) for part in parts), default=0)


def _hits(texts: Sequence[SeenText], words: Collection[str]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {word: set() for word in words}
    for place, one in enumerate(texts):
        seen = {"".join(word) for units in range(1, UNITS_MAX + 1) for word in _words(one.text, units)}
        for word in seen & found.keys():
            found[word].add(place)
    return found


def _chosen(
    advertising: Sequence[SeenText], notices: Sequence[SeenText], words: dict[str, _Candidate], most: int
) -> Iterator[ProposedWord]:
    """The best word, then the best one after it was added, and so on."""
    missing, safe = [one.missing for one in advertising], [one.missing for one in notices]

    def worth(one: _Candidate) -> float:
        gain = sum(min(1.0, one.weight / missing[place]) for place in one.hits if missing[place] > 0)
        return gain - TURNED_COST * sum(0 < safe[place] <= one.weight for place in one.false)

    left = {word: worth(one) for word, one in words.items()}
    while left and most > 0:
        best = max(left, key=lambda word: (left[word], word))
        if (now := worth(words[best])) < left[best]:  # earlier words have taken some of its texts
            left[best] = now
            continue
        if now < 1.0:
            return
        most -= 1
        one = words[best]
        new = sum(0 < missing[place] <= one.weight for place in one.hits)
        turned = sum(0 < safe[place] <= one.weight for place in one.false)
        seen = [advertising[place] for place in one.hits]
        example = min(seen, key=lambda text: (text.surely, len(text.text), text.text)).text
        yield ProposedWord(
            best, one.points, len(one.hits), len(one.false), new, turned, len({text.sender for text in seen}), example
        )
        for place in one.hits:
            missing[place] = max(0, missing[place] - one.weight)
        for place in one.false:
            safe[place] = max(0, safe[place] - one.weight)
        left = {
            word: value
            for word, value in left.items()
            if word not in best and best not in word and words[word].hits != one.hits  # else it is a piece of the same phrase
        }


FILE = "lexicon/reviewed.csv"
COLUMNS = (
    "word", "for", "weight", "subcategory", "note", "hits", "false_hits", "new", "turned", "senders", "example", "decision",
)  # fmt: skip
_YES = frozenset(("yes", "y", "accept", "accepted", "1", "是", "接受", "同意", "采纳"))
_NO = frozenset(("no", "n", "reject", REJECTED, "0", "否", "拒绝", "不同意", "不采纳"))
HEADING = "word,for,weight,subcategory,note\n"


class Decision(NamedTuple):
    cells: tuple[str, str, str, str, str]
    """A row of the lexicon."""
    accepted: bool


def rows_to_decide(proposals: Iterable[ProposedWord], period: str) -> list[list[object]]:
    """One row a proposal; a person fills in ``decision``, and may change ``for``, ``weight`` and ``subcategory``."""
    return [
        [
            csv_cell(one.word), "ad", one.weight, "", f"{one.hits} hits and {one.false_hits} false {period}", one.hits, one.false_hits, one.new,
            one.turned, one.senders, csv_cell(one.example), "",
        ]
        for one in proposals
    ]  # fmt: skip


@dataclass
class WordDecisions(FileFaults):
    decisions: list[Decision] = field(default_factory=list)
    undecided: int = 0


def read_decisions(name: str, rows: Iterable[Row]) -> WordDecisions:
    """The decisions of a file; NotATable."""
    found = WordDecisions(name)
    heads: list[str] | None = None
    for line, cells in rows:
        if heads is None:
            heads = [cell.strip().lower() for cell in cells]
            if "word" not in heads or "decision" not in heads:
                raise NotATable(
                    f"{name}:{line}: its first row must name the columns word and decision (gate106 lexicon propose --out)"
                )
            continue
        found.read += 1
        by_name = dict(zip(heads, cells, strict=False))
        said = by_name.get("decision", "").strip().lower()
        word, purpose = by_name.get("word", "").strip(), by_name.get("for", "") or "ad"
        if not said:
            found.undecided += 1
        elif not word:
            found.note(line, "word: is missing")
        elif said in _YES:
            row = (word, purpose, by_name.get("weight", ""), by_name.get("subcategory", ""), by_name.get("note", ""))
            if fault := fault_of(row):
                found.note(line, fault)
            found.decisions.append(Decision(row, True))
        elif said in _NO:
            found.decisions.append(Decision((word, REJECTED, "", "", by_name.get("note", "")), False))
        else:
            found.note(line, f"decision: '{said[:20]}' is neither yes nor no")
    return found


def with_decisions(text: str, decided: Iterable[Decision]) -> str:
    """The file with these words added, or changed where it has them."""
    text = text or HEADING
    for one in decided:
        word = normal_word(one.cells[0])
        rows = table_rows.read(FILE, text).rows
        row = next((row for row in rows if normal_word(row.cells[0]) == word), None)
        text = table_rows.added(FILE, text, one.cells) if row is None else table_rows.changed(FILE, text, row, one.cells)
    return text


SAID_BY_TEXT = frozenset(("keyword", "port-misuse"))
"""Reasons that say something about the text, whatever its category."""
DECLARED = "declared"
"""Where a text comes from that was refused as marketing, which its account may have declared: its words decide."""
ADVERTISING, NOTICE = True, False
OFFERING = ("ad", "price", "call", "topic")
"""Purposes of words that speak for marketing."""
NOTIFYING = ("notice", "otp", "warning", "code")
"""Purposes of words that speak for a notice or a code."""


class Sources(NamedTuple):
    """How many texts were found of each kind."""

    refused: int
    complained: int
    reviewed: int
    delivered: int


def side_of(one: TextOutcome) -> bool | None:
    """What became of a text says that it is advertising, a notice, or neither."""
    if one.complained:
        return ADVERTISING
    if one.verdict == "allow":
        return NOTICE if one.category in (Category.NOTICE.word, Category.OTP.word) else None
    if one.reason in SAID_BY_TEXT:
        return ADVERTISING
    is_judged = not unjudged(one.category, one.reason, objected=one.judged)
    return ADVERTISING if one.category == Category.MARKETING.word and is_judged else None


def seen_texts(
    outcomes: Iterable[TextOutcome], typed: Iterable[str], reviewed: Mapping[str, str], reader: Reader
) -> tuple[list[SeenText], Sources]:
    """``typed``: texts as complainants typed them. ``reviewed``: review key → a clerk's verdict; keys of texts in whose links or telephone
    numbers are digits fit nothing here."""
    counts = dict.fromkeys(Sources._fields, 0)
    seen: dict[tuple[str, str], SeenText] = {}

    def put(text: str, side: bool | None, source: str) -> None:
        page = TextAnalysis(Content(text, "readable", b""))
        verdict = reviewed.get(key_of(page))
        if verdict == "refused":
            side, source = ADVERTISING, "reviewed"
        if side is None or (side and verdict == "released"):
            return
        read = reader.weighed(page).classified
        if source == DECLARED:
            if read.band == "hardly" and (not page.has_notice or _notifies(page, reader)):
                return
            source = "refused"
        key = page.scanned.decode("utf-8", "replace"), page.signature.name
        before = seen.get(key)
        if before is None or side > before.is_advertising:
            seen[key] = SeenText(*key, side, read.score, band_of(read.band) == "surely")
            counts[source] += 1

    for text in typed:
        put(text, ADVERTISING, "complained")
    for one in outcomes:
        side = side_of(one)
        refused = "refused" if one.reason in SAID_BY_TEXT else DECLARED
        put(one.text, side, "complained" if one.complained else refused if side else "delivered")
    return list(seen.values()), Sources(**counts)


def _notifies(page: TextAnalysis, reader: Reader) -> bool:
    """Whether words of a notice or a code count in a text."""
    data, matches = reader.matches(page, page.scanned)
    counted = reader.scanner.counted(frozenset(match[0] for match in matches), data, matches)
    return any(reader.scanner.lexicon.words[place].purpose in NOTIFYING for place in counted)


class WordHits(NamedTuple):
    """A word of the lexicon, and how many different texts it was found in."""

    word: str
    purpose: str
    weight: int
    hits: int  # advertisements
    false_hits: int  # notices and codes
    where: str  # file:line


def word_hits(texts: Iterable[SeenText], reader: Reader) -> list[WordHits]:
    """Of words that speak for marketing: those with most false hits for each hit first."""
    scanner = reader.scanner
    hits, false_hits = Counter[int](), Counter[int]()
    for one in texts:
        data = one.text.encode("utf-8", "replace")
        matches = scanner.matches(data)
        counted = scanner.counted(frozenset(match[0] for match in matches), data, matches)
        (hits if one.is_advertising else false_hits).update(counted)
    found = []
    for place in hits.keys() | false_hits.keys():
        word = scanner.lexicon.words[place]
        if word.purpose in OFFERING:
            where = f"{word.file}:{word.line}"
            found.append(WordHits(word.text, word.purpose, word.weight, hits[place], false_hits[place], where))
    return sorted(found, key=lambda one: (-one.false_hits / (one.hits + 1), -one.false_hits, one.word))


def known_words(lexicon: Lexicon) -> dict[str, int]:
    """Words that are not proposed again, with the points that advertising has by them."""
    points = {word.text: word.weight if word.purpose in (*OFFERING, "none") else PROTECTED for word in lexicon.words}
    return points | dict.fromkeys(lexicon.rejected, 0)
