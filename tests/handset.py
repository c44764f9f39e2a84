"""Draws a text as a handset does: UAX #9 (Unicode 6.3 and later), by code of its own, as the witness of what people see.

Written from the rules of the standard, in their order and under their names, without a look at what the gate draws with.
"""

from __future__ import annotations

import unicodedata
from itertools import groupby

DEEPEST, BRACKETS_MAX = 125, 63
BRACKETS = {
    "(": ")",
    "[": "]",
    "{": "}",
    "〈": "〉",
    "《": "》",
    "「": "」",
    "『": "』",
    "【": "】",
    "〔": "〕",
    "（": "）",
    "［": "］",
}
MIRRORED = BRACKETS | {close: opened for opened, close in BRACKETS.items()} | {"<": ">", ">": "<", "«": "»", "»": "«"}
EMBEDS = {"LRE": (0, ""), "RLE": (1, ""), "LRO": (0, "L"), "RLO": (1, "R")}
ISOLATES = {"LRI", "RLI", "FSI"}
REMOVED = {"LRE", "RLE", "LRO", "RLO", "PDF", "BN"}
NEUTRAL = {"B", "S", "WS", "ON", "LRI", "RLI", "FSI", "PDI"}
SEPARATORS = "\n\r\x1c\x1d\x1e\x85\u2029"


def screens(text: str) -> set[str]:
    """What is read off the handsets that lay out lines from the left, and off those that go by the first letter."""
    return {"".join(read_off(show(line, base)) for line in _lines(text)) for base in (0, None)}


def _lines(text: str) -> list[str]:
    return ["".join(group) for _, group in groupby(text, lambda one: one in SEPARATORS)]


def read_off(shown: str) -> str:
    """From left to right, but words of right-to-left letters from their right."""
    out, run = "", ""
    for one in shown + "\0":
        if _kind(one) in ("R", "AL") or (run and (one == " " or _kind(one) == "NSM")):
            run += one
        else:
            kept = run.rstrip(" ")
            out += kept[::-1] + run[len(kept) :] + one
            run = ""
    return out[:-1]


def _kind(one: str) -> str:
    return unicodedata.bidirectional(one) or "L"


def show(line: str, base: int | None = None) -> str:
    """One paragraph in visual order, without what is invisible."""
    kinds = [_kind(one) for one in line]
    pairs = _isolate_pairs(kinds)
    level = _first_strong(kinds, pairs, 0, len(kinds)) if base is None else base
    levels, kinds = _explicit(kinds, pairs, level)
    explicit = [*levels]
    for sequence in _sequences(kinds, levels, pairs):
        _weak_and_neutral(line, kinds, explicit, levels, sequence, level, pairs)
    kept = [place for place, kind in enumerate(kinds) if kind != "removed"]
    _trailing(line, kept, levels, level)
    for high in range(max((levels[place] for place in kept), default=0), 0, -1):  # L2
        at = 0
        while at < len(kept):
            end = at
            while end < len(kept) and levels[kept[end]] >= high:
                end += 1
            kept[at:end] = kept[at:end][::-1]
            at = max(end, at + 1)
    shown = [MIRRORED.get(line[place], line[place]) if levels[place] % 2 else line[place] for place in kept]  # L4
    return "".join(one for one in shown if one not in "\u200e\u200f\u061c\u2066\u2067\u2068\u2069")


def _trailing(line: str, kept: list[int], levels: list[int], base: int) -> None:
    """L1: separators, and blanks before them or at the end of the line."""
    blank = True
    for place in reversed(kept):
        kind = _kind(line[place])
        if kind in ("S", "B"):
            levels[place], blank = base, True
        elif blank and kind in ("WS", "LRI", "RLI", "FSI", "PDI"):
            levels[place] = base
        else:
            blank = False


def _isolate_pairs(kinds: list[str]) -> dict[int, int]:
    """BD9: initiators and the PDI of each."""
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for place, kind in enumerate(kinds):
        if kind in ISOLATES:
            opened.append(place)
        elif kind == "PDI" and opened:
            pairs[opened.pop()] = place
    return pairs


def _first_strong(kinds: list[str], pairs: dict[int, int], at: int, end: int) -> int:
    """P2, P3."""
    while at < end:
        if kinds[at] in ISOLATES:
            at = pairs.get(at, end)
        elif kinds[at] in ("L", "R", "AL"):
            return int(kinds[at] != "L")
        at += 1
    return 0


def _explicit(kinds: list[str], pairs: dict[int, int], base: int) -> tuple[list[int], list[str]]:
    """X1 to X9."""
    stack: list[tuple[int, str, bool]] = [(base, "", False)]
    lost_isolates = lost_embeddings = isolates = 0
    levels, found = [], []
    for place, kind in enumerate(kinds):
        level, override, _ = stack[-1]
        if kind in EMBEDS:
            odd, forced = EMBEDS[kind]
            new = level + 1 + (level + 1 + odd) % 2
            if new <= DEEPEST and not lost_isolates and not lost_embeddings:
                stack.append((new, forced, False))
            elif not lost_isolates:
                lost_embeddings += 1
            levels.append(level)
            found.append("removed")
        elif kind in ISOLATES:
            odd = kind == "RLI" or (kind == "FSI" and _first_strong(kinds, pairs, place + 1, pairs.get(place, len(kinds))) == 1)
            levels.append(level)
            found.append(override or kind)
            new = level + 1 + (level + 1 + odd) % 2
            if new <= DEEPEST and not lost_isolates and not lost_embeddings:
                isolates += 1
                stack.append((new, "", True))
            else:
                lost_isolates += 1
        elif kind == "PDI":
            if lost_isolates:
                lost_isolates -= 1
            elif isolates:
                lost_embeddings = 0
                while not stack[-1][2]:
                    stack.pop()
                stack.pop()
                isolates -= 1
            level, override, _ = stack[-1]
            levels.append(level)
            found.append(override or kind)
        elif kind == "PDF":
            if lost_isolates:
                pass
            elif lost_embeddings:
                lost_embeddings -= 1
            elif not stack[-1][2] and len(stack) > 1:
                stack.pop()
            levels.append(level)
            found.append("removed")
        elif kind == "B":
            levels.append(base)
            found.append(kind)
        elif kind == "BN":
            levels.append(level)
            found.append("removed")
        else:
            levels.append(level)
            found.append(override or kind)
    return levels, found


def _sequences(kinds: list[str], levels: list[int], pairs: dict[int, int]) -> list[list[int]]:
    """BD13: level runs, joined over isolates."""
    kept = [place for place, kind in enumerate(kinds) if kind != "removed"]
    runs = [list(group) for _, group in groupby(kept, lambda place: levels[place])]
    begins = {run[0]: run for run in runs}
    closers = set(pairs.values())
    sequences = []
    for run in runs:
        if run[0] in closers:
            continue
        sequence = [*run]
        while sequence[-1] in pairs and pairs[sequence[-1]] in begins:
            sequence += begins[pairs[sequence[-1]]]
        sequences.append(sequence)
    return sequences


def _weak_and_neutral(
    line: str, kinds: list[str], explicit: list[int], levels: list[int], places: list[int], base: int, pairs: dict[int, int]
) -> None:
    level = explicit[places[0]]
    kept = [place for place, kind in enumerate(kinds) if kind != "removed"]
    before = next((explicit[one] for one in reversed(kept) if one < places[0]), base)
    last = places[-1]
    opens = _kind(line[last]) in ISOLATES and last not in pairs
    after = base if opens else next((explicit[one] for one in kept if one > last), base)
    start, end = ("R" if max(level, other) % 2 else "L" for other in (before, after))
    embedding = "R" if level % 2 else "L"
    types = [kinds[place] for place in places]
    previous = start
    for at, kind in enumerate(types):  # W1
        if kind == "NSM":
            types[at] = "ON" if previous in ISOLATES | {"PDI"} else previous
        previous = types[at]
    strong = start
    for at, kind in enumerate(types):  # W2, W3
        if kind in ("L", "R", "AL"):
            strong = kind
        elif kind == "EN" and strong == "AL":
            types[at] = "AN"
    types = ["R" if kind == "AL" else kind for kind in types]
    for at in range(1, len(types) - 1):  # W4
        around = types[at - 1]
        if around == types[at + 1] and (
            (types[at] == "ES" and around == "EN") or (types[at] == "CS" and around in ("EN", "AN"))
        ):
            types[at] = around
    for at, kind in enumerate(types):  # W5
        if kind == "EN":
            for step in (-1, 1):
                place = at + step
                while 0 <= place < len(types) and types[place] == "ET":
                    types[place] = "EN"
                    place += step
    types = ["ON" if kind in ("ES", "ET", "CS") else kind for kind in types]  # W6
    strong = start
    for at, kind in enumerate(types):  # W7
        if kind in ("L", "R"):
            strong = kind
        elif kind == "EN" and strong == "L":
            types[at] = "L"
    _brackets(line, places, [kinds[place] for place in places], types, embedding, start)
    at = 0
    while at < len(types):  # N1, N2
        stop = at
        while stop < len(types) and types[stop] in NEUTRAL:
            stop += 1
        if stop > at:
            left = start if at == 0 else _side(types[at - 1])
            right = end if stop == len(types) else _side(types[stop])
            types[at:stop] = [left if left == right else embedding] * (stop - at)
        at = max(stop, at + 1)
    for place, kind in zip(places, types, strict=True):  # I1, I2
        if level % 2:
            levels[place] += kind in ("L", "EN", "AN")
        else:
            levels[place] += {"R": 1, "AN": 2, "EN": 2}.get(kind, 0)


def _side(kind: str) -> str:
    return "R" if kind in ("R", "EN", "AN") else kind


def _brackets(line: str, places: list[int], given: list[str], types: list[str], embedding: str, start: str) -> None:
    """N0, BD16."""
    opened: list[tuple[str, int]] = []
    found: list[tuple[int, int]] = []
    for at, place in enumerate(places):
        if types[at] != "ON":
            continue
        if line[place] in BRACKETS:
            if len(opened) == BRACKETS_MAX:
                found = []
                break
            opened.append((BRACKETS[line[place]], at))
        for depth in range(len(opened) - 1, -1, -1):
            if opened[depth][0] == line[place]:
                found.append((opened[depth][1], at))
                del opened[depth:]
                break
    for begin, stop in sorted(found):
        inside = {_side(kind) for kind in types[begin + 1 : stop] if _side(kind) in ("L", "R")}
        if not inside:
            continue
        side = embedding
        if embedding not in inside:
            context = next((_side(kind) for kind in reversed(types[:begin]) if _side(kind) in ("L", "R")), start)
            side = context if context != embedding else embedding
        for at in (begin, stop):
            types[at] = side
            for next_at in range(at + 1, len(types)):  # marks behind a bracket go with it
                if given[next_at] != "NSM":
                    break
                types[next_at] = side
