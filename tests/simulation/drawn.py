"""Drawn: the order in which a display shows a paragraph: the Unicode bidirectional algorithm (UAX #9).

In: one paragraph in the order of its octets. Out: what stands there from left to right. Never: a line of the gate's own reader.
Rule names are those of the annex. Brackets keep their own characters (no mirroring) and are neutral (N0 is left out): no letter moves by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from unicodedata import bidirectional

DEPTH_MAX = 125
EMBEDS = {"LRE": (0, ""), "RLE": (1, ""), "LRO": (0, "L"), "RLO": (1, "R")}
ISOLATES = ("LRI", "RLI", "FSI")
REMOVED = (*EMBEDS, "PDF", "BN")
NEUTRAL = ("B", "S", "WS", "ON", *ISOLATES, "PDI")


def drawn(paragraph: str, base: int | None = None) -> str:
    """``base``: 0 where the display writes from left to right, 1 from right to left; None: as the first strong letter says."""
    kinds = [bidirectional(letter) or "L" for letter in paragraph]
    if not any(kind in ("R", "AL", *EMBEDS, *ISOLATES) for kind in kinds):
        return paragraph if base != 1 else _reordered(paragraph, _levels(kinds, 1))
    return _reordered(paragraph, _levels(kinds, _first_strong(kinds, 0) if base is None else base))


def _first_strong(kinds: Sequence[str], start: int) -> int:
    """P2, P3: what the first strong letter says that stands in no isolate."""
    inside = 0
    for kind in kinds[start:]:
        if kind in ISOLATES:
            inside += 1
        elif kind == "PDI":
            if start and not inside:
                return 0
            inside = max(0, inside - 1)
        elif not inside and kind in ("L", "R", "AL"):
            return int(kind != "L")
    return 0


def _levels(kinds: list[str], base: int) -> list[int]:
    """A level for each letter, -1 for those that X9 removes."""
    explicit, changed = _explicit(kinds, base)
    levels = list(explicit)
    for run in _runs(kinds, explicit):
        for place, more in zip(run, _implicit(kinds, run, changed, explicit, base), strict=True):
            levels[place] += more
    after = True  # L1: blanks at the end of the line
    for place in reversed(range(len(kinds))):
        if kinds[place] in ("B", "S"):
            after, levels[place] = True, base
        elif kinds[place] in ("WS", *ISOLATES, "PDI"):
            levels[place] = base if after else levels[place]
        elif levels[place] >= 0:
            after = False
    return levels


def _explicit(kinds: Sequence[str], base: int) -> tuple[list[int], list[str]]:
    """X1 to X8: levels by embeddings, overrides and isolates, and kinds as overridden."""
    stack, levels, changed = Stack(base), [], list(kinds)
    for place, kind in enumerate(kinds):
        level, forced = stack.level, stack.forced
        if kind in ISOLATES:
            stack.isolates(kind == "RLI" or (kind == "FSI" and _first_strong(kinds, place + 1) == 1))
        elif kind == "PDI":
            stack.ends_isolate()
            level, forced = stack.level, stack.forced
        elif kind in EMBEDS:
            stack.embeds(*EMBEDS[kind])
        elif kind == "PDF":
            stack.ends_embedding()
        levels.append(-1 if kind in REMOVED else base if kind == "B" else level)
        if forced and kind not in ("B", *REMOVED):
            changed[place] = forced
    return levels, changed


class Stack:
    """Embeddings and isolates that are open (X1), and how many were too deep."""

    def __init__(self, base: int) -> None:
        self._open: list[tuple[int, str, bool]] = [(base, "", False)]
        self._lost = self._lost_isolates = 0

    @property
    def level(self) -> int:
        return self._open[-1][0]

    @property
    def forced(self) -> str:
        return self._open[-1][1]

    def embeds(self, right: int, forced: str) -> None:
        if not self._enters(right, forced, False) and not self._lost_isolates:
            self._lost += 1

    def isolates(self, right: bool) -> None:
        if not self._enters(right, "", True):
            self._lost_isolates += 1

    def _enters(self, right: int, forced: str, isolate: bool) -> bool:
        inner = (self.level + 1) | 1 if right else (self.level + 2) & ~1
        fits = inner <= DEPTH_MAX and not self._lost and not self._lost_isolates
        if fits:
            self._open.append((inner, forced, isolate))
        return fits

    def ends_embedding(self) -> None:
        if not self._lost_isolates and self._lost:
            self._lost -= 1
        elif not self._lost_isolates and not self._open[-1][2] and len(self._open) > 1:
            self._open.pop()

    def ends_isolate(self) -> None:
        if self._lost_isolates:
            self._lost_isolates -= 1
        elif any(isolate for _, _, isolate in self._open):
            self._lost = 0
            while not self._open.pop()[2]:
                pass


def _runs(kinds: Sequence[str], levels: Sequence[int]) -> Iterator[list[int]]:
    """X10: isolating run sequences, as places."""
    there = [place for place, level in enumerate(levels) if level >= 0]
    open_runs: list[list[int]] = []
    for _, some in groupby(there, key=lambda place: levels[place]):
        run = list(some)
        if kinds[run[0]] == "PDI" and open_runs:
            goes_on = open_runs.pop()
            goes_on += run
            run = goes_on
        if kinds[run[-1]] in ISOLATES:
            open_runs.append(run)
        else:
            yield run
    yield from open_runs


def _implicit(raw: Sequence[str], run: Sequence[int], kinds: Sequence[str], levels: Sequence[int], base: int) -> Iterator[int]:
    """W1 to W7, N1, N2, I1, I2: what one run adds to the levels of its places. ``raw``: kinds before any override."""
    level = levels[run[0]]
    before = next((levels[p] for p in reversed(range(run[0])) if levels[p] >= 0), base)
    behind = next((levels[p] for p in range(run[-1] + 1, len(levels)) if levels[p] >= 0), base)
    if raw[run[-1]] in ISOLATES:  # whose end never comes
        behind = base
    sos, eos = ("R" if max(level, beside) % 2 else "L" for beside in (before, behind))
    row = _weak([kinds[place] for place in run], sos)
    place = 0
    while place < len(row):  # N1, N2
        end = place
        while end < len(row) and row[end] in NEUTRAL:
            end += 1
        if end > place:
            left = _side(row[place - 1]) if place else sos
            right = _side(row[end]) if end < len(row) else eos
            row[place:end] = [left if left == right else "LR"[level % 2]] * (end - place)
        place = end + 1
    for kind in row:  # I1, I2
        yield (1 if kind == "R" else 2 if kind != "L" else 0) if level % 2 == 0 else int(kind != "R")


def _side(kind: str) -> str:
    return "R" if kind in ("R", "EN", "AN") else "L"


def _weak(row: list[str], sos: str) -> list[str]:
    _marks_and_letters(row, sos)
    _among_numbers(row)
    strong = sos
    for place, kind in enumerate(row):  # W6, W7
        if kind in ("ES", "ET", "CS"):
            row[place] = "ON"
        elif kind in ("L", "R"):
            strong = kind
        elif kind == "EN" and strong == "L":
            row[place] = "L"
    return row


def _marks_and_letters(row: list[str], sos: str) -> None:
    for place, kind in enumerate(row):  # W1
        if kind == "NSM":
            before = row[place - 1] if place else sos
            row[place] = "ON" if before in (*ISOLATES, "PDI") else before
    strong = sos
    for place, kind in enumerate(row):  # W2, W3
        if kind in ("L", "R", "AL"):
            strong = kind
            row[place] = "R" if kind == "AL" else kind
        elif kind == "EN" and strong == "AL":
            row[place] = "AN"


def _among_numbers(row: list[str]) -> None:
    for place in range(1, len(row) - 1):  # W4
        left, kind, right = row[place - 1 : place + 2]
        if left == right and ((kind in ("ES", "CS") and left == "EN") or (kind == "CS" and left == "AN")):
            row[place] = left
    place = 0
    while place < len(row):  # W5
        end = place
        while end < len(row) and row[end] == "ET":
            end += 1
        if end > place and ((place and row[place - 1] == "EN") or (end < len(row) and row[end] == "EN")):
            row[place:end] = ["EN"] * (end - place)
        place = end + 1


def _reordered(paragraph: str, levels: Sequence[int]) -> str:
    """L2: from the highest level down to the lowest odd one."""
    there = [place for place, level in enumerate(levels) if level >= 0]
    for least in range(max((levels[place] for place in there), default=0), 0, -1):
        start = 0
        while start < len(there):
            end = start
            while end < len(there) and levels[there[end]] >= least:
                end += 1
            there[start:end] = there[start:end][::-1]
            start = end + 1
    return "".join(paragraph[place] for place in there)
