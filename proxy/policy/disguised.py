"""Disguised: telephone numbers and domains that a person reads in a text and contacts.py does not.

In: a text as folded (text.py). Out: what they may be, to be looked up among known ones. Never: a contact that nobody has registered or
forbidden: in ordinary texts much looks like one.

    一三九, 壹叁玖, 幺, ❶, ٣, 〣, I39OOI38OOO     digits of other scripts, and letters that look like digits
    1.3.9 0013/8000, one digit a line            marks between digits, whichever and however many
    qinghe。example, qinghe点example             other dots           q i n g h e . example   spaces        %71inghe.example   encoded

A number of 10 to 12 digits may stand amid others, but begins and ends inside no group of plain digits; one of 5 to 8 stands alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

DIGITS_LEAST = 5
DOMAIN_LONGEST = 64
CHUNKS_MOST = 1_024
"""Pieces of Latin letters of one text that a domain may begin at."""
_ALIKE = {"o": 0, "i": 1, "l": 1, "z": 2, "s": 5, "b": 8, "g": 9, "○": 0, "◯": 0} | {
    "洞": 0, "么": 1, "两": 2, "俩": 2, "参": 3, "拐": 7, "勾": 9
}  # fmt: skip
_LETTER, _MARK = "x", " "


class _Read(dict[int, str]):
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


READ = _Read()
NUMERALS = frozenset(
    one for one in map(chr, range(0x3A, 0x10000)) if (one.isnumeric() or one in _ALIKE) and READ[ord(one)].isdigit()
)
"""What READ has as digits beside plain ones, of the characters that nearly all texts are of."""
_RUN = re.compile(f"[0-9](?:{_MARK}*[0-9]){{{DIGITS_LEAST - 1},}}")
_NUMBER = re.compile("1[3-9][0-9]{9}|0[1-9][0-9]{8,10}|[48]00[0-9]{7}")
_MAY_BE_NUMBER = re.compile("[1_][3-9_][0-9_]{9}|[0_][1-9_][0-9_]{8,10}|[48_][0_][0_][0-9_]{7}")
_SHORT, _MAY_BE_SHORT = re.compile("9[56][0-9]{3,6}"), re.compile("[9_][56_][0-9_]{3,6}")
_MESSENGER = re.compile("(?:q|扣|叩|球|丘|企鹅|腾讯|群)[^0-9]{0,6}\\Z")
_MESSENGER_BEHIND = re.compile("[^0-9a-z\u3400-\u9fff]{0,2}(?:q|扣|企鹅|进群)")
"""Beside a number of any shape they say that it is one of QQ."""
_OF_CODE = re.compile("(?<!号)码[为是]?[^0-9a-z\u3400-\u9fff]*\\Z")
"""Right before a short number it says that it is a code."""
_PLAIN = frozenset("0123456789")
Span = tuple[int, int]


def numbers(folded: str) -> tuple[str, ...]:
    """Digits of what may be telephone numbers; such as contacts.py reads, too, only where marks are in them."""
    return tuple(dict.fromkeys(digits for digits, _ in _numbers(folded, wild=False)))


def number_spans(folded: str) -> tuple[Span, ...]:
    """From where to where one stands, or would with other plain digits."""
    return tuple(sorted({span for _, span in _numbers(folded, wild=True)}))


def _numbers(folded: str, *, wild: bool) -> Iterator[tuple[str, Span]]:
    """``wild``: plain digits may be any."""
    read = folded.translate(READ)
    for run in _RUN.finditer(read):
        places = [place for place in range(*run.span()) if read[place] != _MARK]
        yield from _of_messenger(folded, read, places)
        if len(places) == run.end() - run.start() and _PLAIN.issuperset(run[0]) and folded[places[0] : places[-1] + 1] == run[0]:
            continue  # plain digits in one group
        digits = "".join("_" if wild and folded[place] in _PLAIN else read[place] for place in places)
        yield from _long(folded, digits, places, _MAY_BE_NUMBER if wild else _NUMBER)
        yield from _short(folded, digits, places, _MAY_BE_SHORT if wild else _SHORT)


def _long(folded: str, digits: str, places: Sequence[int], shape: re.Pattern[str]) -> Iterator[tuple[str, Span]]:
    for first in range(len(digits) - 9):
        if not (_is_edge(folded, places[first]) or _is_behind_china(folded, places[first])) or digits[first] not in "1048_":
            continue
        for many in (10, 11, 12):
            last = first + many - 1
            if last >= len(digits) or not _is_edge(folded, places[last] + 1) or not shape.fullmatch(digits, first, last + 1):
                continue
            whole = folded[places[first] : places[last] + 1]
            if not _PLAIN.issuperset(whole):
                yield digits[first : last + 1], (places[first], places[last] + 1)


def _short(folded: str, digits: str, places: Sequence[int], shape: re.Pattern[str]) -> Iterator[tuple[str, Span]]:
    """All of a run, in one group or digit by digit."""
    first, end = places[0], places[-1] + 1
    groups = 1 + sum(after - before > 1 for before, after in zip(places, places[1:], strict=False))
    if groups in (1, len(places)) and shape.fullmatch(digits) and not _OF_CODE.search(folded, max(0, first - 5), first):
        yield digits, (first, end)


def _of_messenger(folded: str, read: str, places: Sequence[int]) -> Iterator[tuple[str, Span]]:
    """All of a run that is a number of QQ."""
    first, end = places[0], places[-1] + 1
    if len(places) > 12:
        return
    before = _MESSENGER.search(folded, max(0, first - 10), first)
    behind = None if before else _MESSENGER_BEHIND.match(folded, end)
    if before or behind:
        yield "".join(read[place] for place in places), (before.start() if before else first, behind.end() if behind else end)


def _is_edge(folded: str, place: int) -> bool:
    """Whether no group of plain digits goes on there."""
    return not (0 < place < len(folded) and folded[place - 1] in _PLAIN and folded[place] in _PLAIN)


def _is_behind_china(folded: str, place: int) -> bool:
    """Whether 86 alone stands before it, as in +86139."""
    return folded[max(0, place - 2) : place] == "86" and (_is_edge(folded, place - 2) or folded[max(0, place - 4) : place] == "0086")


# --- domains

_ENCODED = re.compile("%([2-7][0-9a-f])")
_CODED = re.compile("&#([0-9]{2,3});?")
_DOT_WORD = re.compile(
    "(?<=[0-9a-z])([^0-9a-z\u3400-\u9fff]*)(?:小?点|句号|(?<![a-z])dot(?![a-z]))(?=[^0-9a-z\u3400-\u9fff]*[a-z])"
)
_SPELT = re.compile("(?:[0-9a-z]-){3}")
_DOTS = frozenset(".。·•・‧∙⋅,、●○◦⚫⚪🔴")
_PIECE = re.compile("[0-9a-z-]+")
_GAP = re.compile("(?!://)[^0-9a-z\u3400-\u9fff-]*")
_NAME = re.compile(r"(?:[0-9a-z](?:[0-9a-z-]*[0-9a-z])?\.)+[a-z][0-9a-z-]*[0-9a-z]")


def domains(folded: str) -> tuple[str, ...]:
    """What may be a domain where marks, other dots, or percent signs stand in it."""
    text = _plainer(folded)
    pieces = [match.span() for match in _PIECE.finditer(text)][:CHUNKS_MOST]
    gaps = [text[one[1] : other[0]] for one, other in zip(pieces, pieces[1:], strict=False)]
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


def _joint(gap: str) -> str | None:
    """What stands for a gap between two pieces: a dot or nothing; None: other letters part them, or it is ://."""
    if gap == ".":
        return gap
    if not _GAP.fullmatch(gap):
        return None
    return "" if _DOTS.isdisjoint(gap) else "."


def _is_odd(text: str, pieces: Sequence[Span], gaps: Sequence[str], joints: Sequence[str | None]) -> bool:
    """Whether a dot before a letter is written otherwise, or stands behind a gap that is none."""
    behind = False
    for (start, _), gap, joint in zip(pieces[1:], gaps, joints, strict=True):
        if joint == "." and "a" <= text[start] <= "z" and (gap != "." or behind):
            return True
        behind = joint is not None and (behind or gap != ".")
    return False


def _plainer(text: str) -> str:
    """With what stands for other characters as these: %71, &#46;, 点, dot; the text itself where nothing does."""
    for _ in range(2 if "%" in text else 0):  # what was encoded may have been encoded again (%2571)
        text = _ENCODED.sub(lambda code: chr(int(code[1], 16)), text).lower()
    if "&#" in text:
        text = _CODED.sub(lambda code: chr(int(code[1])), text).lower()
    if "点" in text or "dot" in text or "句号" in text:
        text = _DOT_WORD.sub(r"\1.", text)
    return text.replace("-", " ") if _SPELT.search(text) else text
