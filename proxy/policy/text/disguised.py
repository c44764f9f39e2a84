"""Finds telephone numbers and domains disguised from software.

In: a folded text (folding.py). Out: candidates, to be looked up among known contacts. Never: a contact that is neither registered nor
forbidden: in ordinary texts many strings look like one.

    一三九, 壹叁玖, 幺, ❶, ٣, 〣, I39OOI38OOO     digits of other scripts, and letters that look like digits
    1.3.9 0013/8000, one digit a line            marks between digits, whichever and however many
    qinghe。example, qinghe点example             other dots           q i n g h e . example   spaces        %71inghe.example   encoded

A number of 10 to 12 digits may stand amid others, but begins and ends inside no group of plain digits; one of 5 to 8 stands alone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import cython

from proxy.policy.text.lazy_regex import lazy_regex

LONGEST, DIGITS_LEAST = 12, 5
MANY_DIGITS = 64
"""Of one run; three numbers have fewer."""
DOMAIN_LONGEST = 64
CHUNKS_MOST = 1_024
"""Pieces of Latin letters of one text that a domain may begin at."""
_ALIKE = {"o": 0, "i": 1, "l": 1, "z": 2, "s": 5, "b": 8, "g": 9, "○": 0, "◯": 0} | {
    "洞": 0, "么": 1, "两": 2, "俩": 2, "参": 3, "拐": 7, "勾": 9
}  # fmt: skip
_LETTER, _MARK = "x", " "


class _DigitTable(dict[int, str]):
    """A translate table to digits, letters and marks that learns a character when it first sees one: at most as long as Unicode."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        number = _ALIKE.get(character, unicodedata.numeric(character, -1))
        if 0 <= number <= 9 and number == int(number):
            read = str(int(number))
        else:
            read = _LETTER if "a" <= character <= "z" or "\u3400" <= character <= "\u9fff" else _MARK
        self[code] = read
        return read


READ = _DigitTable()
NUMERALS = frozenset(
    one
    for one in (*filter(str.isnumeric, map(chr, range(0x80, 0x10000))), *_ALIKE)
    if READ[ord(one)].isdigit() and not one.isascii()
)
"""What READ has as digits beside plain ones and letters."""
MESSENGERS = frozenset("q扣叩球丘鹅讯群")
"""Characters of which one stands where a number of QQ does."""
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_PLAIN = frozenset("0123456789")
DIGIT_LIKE, LETTER, OF_MESSENGER, DOT, LATIN = 1, 2, 4, 8, 16
DOTS = frozenset(".。·•・‧∙⋅,、●○◦⚫⚪🔴")


def _kinds() -> bytes:
    """A kind for each of the first 65,536 characters of folded texts; 0 for a mark."""
    kinds = bytearray(0x10000)
    kinds[0x3400:0xA000] = bytes((LETTER,)) * 0x6C00
    for one in _LETTERS:
        kinds[ord(one)] = LETTER
    for one in NUMERALS.union("0123456789oilzsbg"):
        kinds[ord(one)] = DIGIT_LIKE
    for one in MESSENGERS.union("企"):
        kinds[ord(one)] |= OF_MESSENGER
    for one in DOTS - {"🔴"}:
        kinds[ord(one)] |= DOT
    for one in _LETTERS | _PLAIN:
        kinds[ord(one)] |= LATIN
    return bytes(kinds)


KIND_TABLE = _kinds()
_kind: cython.p_uchar = KIND_TABLE
LONG = lazy_regex("1[3-9][0-9]{9}|0[1-9][0-9]{8,10}|[48]00[0-9]{7}")
_MAY_BE_LONG = lazy_regex("[1_][3-9_][0-9_]{9}|[0_][1-9_][0-9_]{8,10}|[48_][0_][0_][0-9_]{7}")
SHORT, _MAY_BE_SHORT = lazy_regex("9[56][0-9]{3,6}"), lazy_regex("[9_][56_][0-9_]{3,6}")
_MESSENGER = lazy_regex("(?:(?<![0-9a-z])q|扣(?![款费减除分缴税])|[叩球丘鹅群]|腾讯)[^0-9]{0,6}\\Z")
_MESSENGER_BEHIND = lazy_regex("[^0-9a-z\u3400-\u9fff]{0,2}(?:(?<![0-9a-z])q|扣|企鹅|进群)")
"""Beside a number of any shape they say that it is one of QQ."""
_OF_CODE = lazy_regex("(?<!号)码[为是]?[^0-9a-z\u3400-\u9fff]*\\Z")
"""Right before a short number it says that it is a code."""
Span = tuple[int, int]


class DigitRun(NamedTuple):
    """What may be a telephone number, now or with other plain digits."""

    digits: str
    span: Span
    is_number: bool  # as it stands


DigitRuns = tuple[DigitRun, ...]
Names = tuple[str, ...]


@cython.ccall
@cython.boundscheck(False)
@cython.wraparound(False)
def candidates(folded: str) -> DigitRuns:
    """Without such as stand in one group of plain digits: contacts.py reads them."""
    found: list[DigitRun] = []
    at: cython.Py_ssize_t
    first: cython.Py_ssize_t = 0
    end: cython.Py_ssize_t = 0
    digits: cython.Py_ssize_t = 0
    kind: cython.int
    is_plain: cython.bint = True
    one: cython.Py_UCS4
    for at, one in enumerate(folded):
        kind = _kind[ord(one)] if one <= "\uffff" else 0
        if kind & 1:
            if not digits:
                first, is_plain = at, True
            is_plain = is_plain and one <= "9" and (not digits or end == at)
            digits += 1
            end = at + 1
        elif kind & 2:  # no number goes on behind another letter
            if digits >= 5:
                _add_run(found, folded, first, end, is_plain)
            digits = 0
    if digits >= 5:
        _add_run(found, folded, first, end, is_plain)
    return tuple(found)


@cython.cfunc
def _add_run(
    found: list[DigitRun], folded: str, first: cython.Py_ssize_t, end: cython.Py_ssize_t, is_plain: cython.bint
) -> cython.void:
    if not is_plain:
        found += _in_run(folded, folded[first:end], first, end)
    elif end - first <= LONGEST and _is_near_messenger(folded, first, end) and (span := _of_messenger(folded, first, end)):
        found.append(DigitRun(folded[first:end], span, True))


@cython.cfunc
def _is_near_messenger(folded: str, first: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.bint:
    one: cython.Py_UCS4
    for one in folded[max(0, first - 10) : end + 4]:
        if one <= "\uffff" and _kind[ord(one)] & 4:
            return True
    return False


def _in_run(folded: str, run: str, first: int, end: int) -> Iterator[DigitRun]:
    read = run.translate(READ)
    places = [first + place for place, one in enumerate(read) if one != _MARK]
    digits = read.replace(_MARK, "")
    if len(digits) <= LONGEST and (span := _of_messenger(folded, first, end)):
        yield DigitRun(digits, span, True)
    wild = "".join("_" if one in _PLAIN else new for one, new in zip(run, read, strict=True) if new != _MARK)
    if len(digits) > MANY_DIGITS:  # too many numbers would be there with other digits: whether one is there, the whole run says
        yield DigitRun(digits, (first, end), False)
        yield from _long(folded, digits, digits, places)
    elif len(digits) >= 10:
        yield from _long(folded, digits, wild, places)
    elif len(digits) < 9 and _MAY_BE_SHORT.fullmatch(wild) and _LETTERS.isdisjoint(run):
        groups = 1 + sum(after - before > 1 for before, after in pairwise(places))
        if groups in (1, len(places)) and not _OF_CODE.search(folded, max(0, first - 5), first):
            yield DigitRun(digits, (first, end), SHORT.fullmatch(digits) is not None)


def _long(folded: str, digits: str, wild: str, places: Sequence[int]) -> Iterator[DigitRun]:
    for first in range(len(digits) - 9):
        if wild[first] not in "1048_" or not (_is_edge(folded, places[first]) or _is_behind_china(folded, places[first])):
            continue
        for end in range(first + 10, min(first + LONGEST, len(digits)) + 1):
            span = places[first], places[end - 1] + 1
            if (
                _is_edge(folded, span[1])
                and _MAY_BE_LONG.fullmatch(wild, first, end)
                and not _PLAIN.issuperset(folded[slice(*span)])
            ):
                yield DigitRun(digits[first:end], span, LONG.fullmatch(digits, first, end) is not None)


def _of_messenger(folded: str, first: int, end: int) -> Span | None:
    """From where to where a number of QQ stands, with what says that it is one."""
    if before := _MESSENGER.search(folded, max(0, first - 10), first):
        return before.start(), end
    behind = _MESSENGER_BEHIND.match(folded, end)
    return (first, behind.end()) if behind else None


def _is_edge(folded: str, place: int) -> bool:
    """Whether no group of plain digits goes on there."""
    return not (0 < place < len(folded) and folded[place - 1] in _PLAIN and folded[place] in _PLAIN)


def _is_behind_china(folded: str, place: int) -> bool:
    """Whether 86 alone stands before it, as in +86139."""
    return folded[max(0, place - 2) : place] == "86" and (
        _is_edge(folded, place - 2) or folded[max(0, place - 4) : place] == "0086"
    )


# --- domains

_ENCODED = lazy_regex("%([2-7][0-9a-f])")
_CODED = lazy_regex("&#([0-9]{2,3});?")
_DOT_WORD = lazy_regex(
    "(?<=[0-9a-z])([^0-9a-z\u3400-\u9fff]*)(?:小?点|句号|(?<![0-9a-z])dot(?![0-9a-z]))(?=[^0-9a-z\u3400-\u9fff]*[a-z])"
)
_MAY_BE_CODED = lazy_regex("(?:%|&#)[0-9]")
_DOT_AHEAD = lazy_regex("(?:点|句号|dot)[^0-9a-z\u3400-\u9fff]*[a-z]")
_SPELT = lazy_regex("(?:[0-9a-z]-){3}")
_PIECE = lazy_regex("[0-9a-z-]+")
_GAP = lazy_regex("(?!://)[^0-9a-z\u3400-\u9fff-]*")
_NAME = lazy_regex(r"(?:[0-9a-z](?:[0-9a-z-]*[0-9a-z])?\.)+[a-z][0-9a-z-]*[0-9a-z]")


@cython.ccall
def domains(folded: str, begins: cython.Py_ssize_t = 0) -> Names:
    """What may be a domain where marks, other dots, or percent signs stand in it. ``begins``: a letter before which there is none."""
    if not _may_hold_domain(folded[begins:] if begins else folded):
        return ()
    text: str = plainer(folded)
    pieces = [match.span() for match in _PIECE.finditer(text)][:CHUNKS_MOST]
    gaps = [text[one[1] : other[0]] for one, other in pairwise(pieces)]
    joints = [_joint(gap) for gap in gaps]
    if text is folded and not _is_odd(text, pieces, gaps, joints):
        return ()
    found: dict[str, None] = {}
    for first, (start, end) in enumerate(pieces):
        name = text[start:end]
        for place in range(first, len(joints)):
            joint = joints[place]
            if joint is None:
                break
            name += joint + text[slice(*pieces[place + 1])]
            if len(name) > DOMAIN_LONGEST:
                break
            if 1 < len(name) - name.rfind(".") - 1 < len(name) and _NAME.fullmatch(name):
                found[name] = None
    return tuple(found)


@cython.ccall
def has_codes(folded: str) -> cython.bint:
    """Whether, with other digits in the same places, there may be encoded characters."""
    return ("%" in folded or "&#" in folded) and _MAY_BE_CODED.search(folded) is not None


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def _may_hold_domain(text: str) -> cython.bint:  # noqa: C901, PLR0912 # one pass over the text
    """Gate of ``domains``: whether some sign stands for another one, or a dot before a letter is written otherwise or behind a gap that is
    none."""
    at: cython.Py_ssize_t
    letter: cython.Py_ssize_t = -1  # the last letter, and whether a dot stands behind it
    group: cython.Py_ssize_t = 0  # where the last group of Latin letters and digits begins
    spelt: cython.int = 0
    kind: cython.int
    dotted: cython.bint = False
    behind: cython.bint = False
    latin: cython.bint = False
    one: cython.Py_UCS4
    for at, one in enumerate(text):
        kind = _kind[ord(one)] if one <= "\uffff" else 0
        if kind == 2:  # nearly every character
            letter, latin, dotted = at, False, False
        elif kind & 16:
            if not latin:
                if (at and text[at - 1] == "%" and one <= "9") or (at > 1 and text[at - 1] == "#" and text[at - 2] == "&"):
                    return True
                if letter < 0 or not _is_latin(text[letter]):
                    if (
                        letter > 0
                        and one >= "a"
                        and (text[letter] == "点" or text[letter] == "号")
                        and _is_behind_latin(text, letter)
                    ):
                        return True
                    behind, spelt = False, 0
                else:
                    if at - letter == 2 and text[letter + 1] == ".":
                        if behind and one >= "a":
                            return True
                        spelt = 0
                    elif at - letter == 2 and text[letter + 1] == "-":
                        spelt = spelt + 1 if letter == group else 1
                        if spelt == 3:
                            return True
                    elif at - letter > 3 and text[letter + 1] == ":" and text[letter + 2] == "/" and text[letter + 3] == "/":
                        behind, spelt = False, 0
                    elif dotted and one >= "a":
                        return True
                    else:
                        behind, spelt = True, 0
                    if one == "d" and text[at : at + 3] == "dot":
                        return True
                group = at
            letter, latin, dotted = at, True, False
        elif "\u3400" <= one <= "\u9fff":
            letter, latin, dotted = at, False, False
        else:
            latin = False
            dotted = dotted or kind & 8 != 0 or one == "🔴"
    return False


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _is_latin(one: cython.Py_UCS4) -> cython.bint:
    return "a" <= one <= "z" or "0" <= one <= "9"


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def _is_behind_latin(text: str, at: cython.Py_ssize_t) -> cython.bint:
    """Whether Latin letters stand before 点, 小点 or 句号, which ends at ``at``."""
    if at and (text[at - 1] == "小" or text[at - 1] == "句"):
        at -= 1
    at -= 1
    while at >= 0 and not _is_latin(text[at]) and not "\u3400" <= text[at] <= "\u9fff":
        at -= 1
    return at >= 0 and _is_latin(text[at])


def _joint(gap: str) -> str | None:
    """What stands for a gap between two pieces: a dot or nothing; None: other letters part them, or it is ://."""
    if gap == ".":
        return gap
    if not _GAP.fullmatch(gap):
        return None
    return "" if DOTS.isdisjoint(gap) else "."


def _is_odd(text: str, pieces: Sequence[Span], gaps: Sequence[str], joints: Sequence[str | None]) -> bool:
    """Whether a dot before a letter is written otherwise, or stands behind a gap that is none."""
    behind = False
    for (start, _), gap, joint in zip(pieces[1:], gaps, joints, strict=True):
        if joint == "." and "a" <= text[start] <= "z" and (gap != "." or behind):
            return True
        behind = joint is not None and (behind or gap != ".")
    return False


def plainer(text: str) -> str:
    """With what stands for other characters as these: %71, &#46;, 点, dot; the text itself where nothing does."""
    for _ in range(2 if "%" in text else 0):  # what was encoded may have been encoded again (%2571)
        text = _ENCODED.sub(lambda code: chr(int(code[1], 16)), text).lower()
    if "&#" in text:
        text = _CODED.sub(lambda code: chr(int(code[1])), text).lower()
    if ("点" in text or "dot" in text or "句号" in text) and _DOT_AHEAD.search(text):
        text = _DOT_WORD.sub(r"\1.", text)
    return text.replace("-", " ") if text.count("-") > 2 and _SPELT.search(text) else text
