"""Finds the messages that a complaint may be about.

People err: clocks by minutes, a text typed by hand, a port with digits missing. So the search begins with ±10 minutes and widens where nothing
fits. A detail that does not fit lowers the score; only another number excludes a message. Each candidate says why it was proposed: a person
decides.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rapidfuzz import fuzz

from proxy.archive.query import LIMIT_MAX, Query
from proxy.archive.search import Hit, SearchResult
from proxy.i18n.phrases import Bilingual
from proxy.model.number import masked_repr
from proxy.policy.text.folding import fold, squeeze

WINDOWS_S = (600.0, 3600.0, 6 * 3600.0, 24 * 3600.0, 72 * 3600.0)  # how far from the time said, in turn, until something fits
ENOUGH = 60  # a score from which on it is looked no further away
SHOWN_MAX = 10
LEAST = 20
HALF_LEAST = 4  # characters of a text that are looked for at least
HALF_YEAR_S = 190 * 86_400.0
_NUMBER, _HIDDEN_NUMBER, _TIME, _SENDER, _TEXT = 40, 20, 20, 20, 20  # points for a detail that fits; missing ones count 0
_DIGIT = re.compile(r"\d")

Ask = Callable[[Query], SearchResult]
NumberOf = Callable[[Hit], int]  # the recipient's number, unsealed; 0 if unknown


@masked_repr
class ComplaintQuery(NamedTuple):
    """What a complaint says; empty words and 0 mean that it does not."""

    recipient: int
    number: str  # as written, with stars where digits are hidden
    at: float
    sender: str
    text: str
    came: float


@masked_repr
class Candidate(NamedTuple):
    hit: Hit
    number: int
    score: int  # 0 to 100
    why: tuple[Bilingual, ...]


class MatchResult(NamedTuple):
    candidates: list[Candidate]
    asked: tuple[SearchResult, ...]  # the searches made: the last one covers the widest time
    within_s: float  # how far from the time that was said it was looked; 0 where none was said
    cut: bool  # more messages fitted a question than are looked at: the right one may be among those that were not


def match(wanted: ComplaintQuery, ask: Ask, number_of: NumberOf, agrees: Callable[[str, int], bool]) -> MatchResult:
    """``agrees``: whether a number can be the one that was written with digits hidden. Errors are those of ``ask``."""
    results: list[SearchResult] = []
    for window_s in WINDOWS_S if wanted.at else (0.0,):
        for question in _questions(wanted, window_s):
            found = ask(question)
            results.append(found)
            scored = (_scored(wanted, hit, number_of(hit), agrees) for hit in found.hits)
            candidates = [one for one in scored if one is not None and one.score >= LEAST]
            candidates.sort(key=lambda one: (-one.score, abs(one.hit.at - wanted.at)))
            if candidates and (candidates[0].score >= ENOUGH or window_s == WINDOWS_S[-1] or not wanted.at):
                return MatchResult(candidates[:SHOWN_MAX], tuple(results), window_s, found.more)
    return MatchResult([], tuple(results), WINDOWS_S[-1] if wanted.at else 0.0, any(found.more for found in results))


def _questions(wanted: ComplaintQuery, window_s: float) -> list[Query]:
    """The narrowest first. Of one person all is asked; where digits are hidden, the port or the text must narrow it."""
    if window_s:
        since, until = wanted.at - window_s, wanted.at + window_s
    else:
        until = wanted.came
        since = until - HALF_YEAR_S
    if wanted.recipient:
        return [Query(to=wanted.recipient, since=since, until=until, limit=LIMIT_MAX)]
    found, piece = [], _piece(wanted.text)
    if wanted.sender and piece:
        found.append(Query(since=since, until=until, sender=wanted.sender, text=piece, limit=LIMIT_MAX))
    if wanted.sender:
        found.append(Query(since=since, until=until, sender=wanted.sender, limit=LIMIT_MAX))
    if piece:
        found.append(Query(since=since, until=until, text=piece, limit=LIMIT_MAX))
    if len(piece) >= 2 * HALF_LEAST:  # it may run over from one part of a long message into the next: then one half does not
        half = len(piece) // 2
        found += [Query(since=since, until=until, text=one, limit=LIMIT_MAX) for one in (piece[:half], piece[half:])]
    if wanted.at and window_s <= WINDOWS_S[1]:
        found.append(Query(since=since, until=until, limit=LIMIT_MAX))
    return found


def _piece(text: str) -> str:
    """A stretch of the text that stands in it word for word, if anything does: the longest without digits and spaces."""
    pieces = re.split(r"[\d\s*…]+|\.\.\.", text)
    longest = max(pieces, key=len, default="")
    return longest[:40] if len(longest) >= HALF_LEAST else ""


def _scored(wanted: ComplaintQuery, hit: Hit, number: int, agrees: Callable[[str, int], bool]) -> Candidate | None:
    """The candidate for a message; None if another person got it."""
    score, most, why = 0.0, 0.0, list[Bilingual]()
    if wanted.recipient:
        if number and number != wanted.recipient:
            return None
        most, score = most + _NUMBER, score + _NUMBER
        why.append(Bilingual("the number is the same", "号码一致"))
    elif wanted.number:
        if not number or not agrees(wanted.number, number):
            return None
        most, score = most + _HIDDEN_NUMBER, score + _HIDDEN_NUMBER
        why.append(Bilingual("the digits that are shown agree", "显示的数字一致"))
    if wanted.at:
        most += _TIME
        drift = abs(hit.at - wanted.at)
        score += _TIME * max(0.0, 1.0 - max(0.0, drift - WINDOWS_S[0]) / WINDOWS_S[-1])
        later, spelt = hit.at > wanted.at, _spelt(drift)
        why.append(
            Bilingual(f"{spelt} later than was said", f"比所述时间晚 {spelt.zh}")
            if later
            else Bilingual(f"{spelt} earlier than was said", f"比所述时间早 {spelt.zh}")
        )
    if wanted.sender:
        most += _SENDER
        worth, words = _of_sender(wanted.sender, hit.port)
        score += _SENDER * worth
        why.append(words)
    if wanted.text:
        most += _TEXT
        alike = likeness(wanted.text, hit.text)
        score += _TEXT * alike
        why.append(Bilingual(f"the text is {alike:.0%} alike", f"内容相似 {alike:.0%}"))
    if hit.verdict != "allow":
        score *= 0.5
        why.append(Bilingual("it was refused: the person did not get it", "已被拒绝，本人没有收到"))
    return Candidate(hit, number, round(100 * score / most) if most else 0, tuple(why))


def _of_sender(sender: str, port: str) -> tuple[float, Bilingual]:
    if sender == port:
        return 1.0, Bilingual("the port is the same", "端口一致")
    if len(sender) >= 5 and port.startswith(sender):
        return 0.9, Bilingual("the port begins with what was said", "端口以所述号码开头")
    if len(sender) >= 4 and (port.endswith(sender) or sender in port or sender.endswith(port)):
        return 0.7, Bilingual("the port holds what was said", "端口包含所述号码")
    return 0.0, Bilingual(f"another port ({port})", f"端口不同（{port}）")


def likeness(claim: str, text: str) -> float:
    """0 to 1; a piece of a text is as good as all of it. Digits count as one sign: those of codes are not kept."""
    one, other = _plain(claim), _plain(text)
    if not one or not other:
        return 0.0
    whole = fuzz.ratio(one, other) / 100
    return max(whole, fuzz.partial_ratio(one, other) / 100) if len(one) < len(other) else whole


def alike(one: str, other: str, least: float) -> bool:
    """Whether two whole texts are the same but for a name, a code or a link."""
    return one == other or fuzz.ratio(_plain(one), _plain(other), score_cutoff=100 * least) > 0


def _plain(text: str) -> str:
    return _DIGIT.sub("*", squeeze("".join(fold(text).split())))


def _spelt(seconds: float) -> Bilingual:
    if seconds < 120:
        return Bilingual(f"{seconds:.0f} s", f"{seconds:.0f} 秒")
    if seconds < 7200:
        return Bilingual(f"{seconds / 60:.0f} min", f"{seconds / 60:.0f} 分钟")
    return Bilingual(f"{seconds / 3600:.1f} h", f"{seconds / 3600:.1f} 小时")


def ambiguous(candidates: Sequence[Candidate]) -> bool:
    """Whether the first is not clearly the likeliest."""
    return len(candidates) > 1 and candidates[0].score - candidates[1].score < 10
