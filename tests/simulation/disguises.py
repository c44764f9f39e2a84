"""Disguises: octets that show a text on handsets and are written otherwise.

In: a text, the seed. Out: octets and a data_coding, the same for the same text. Never: what the gate makes of them.

The witness of controls is tests/handset.py, which draws by code of its own; that of octets is Python's own codecs.
"""

from __future__ import annotations

import random

from tests.handset import screens

RLO, PDF, RLM, LRO = "\u202e", "\u202c", "\u200f", "\u202d"
_MIRRORED = str.maketrans("【】", "】【")


def disguised(seed: int, text: str, often: float = 0.3) -> tuple[bytes, int]:
    dice = random.Random(f"disguise {seed} {text}")
    if dice.random() >= often:
        return text.encode("utf-16-be"), 8
    way = dice.choice(("override", "marks", "odd", "15", "4", "4 in GBK", "0 in UTF-8", "halves"))
    if way in ("override", "marks"):
        written = "\n".join(_turned(line, way) for line in text.replace("】", "】\n").split("\n"))
        assert any(text.replace("】", "】\n") == one for one in screens(written)), (text, written)
        return written.encode("utf-16-be"), 8
    return {
        "odd": (text.encode("utf-16-be") + b"\x4e", 8),
        "15": (text.encode("gb18030"), 15),
        "4": (text.encode("utf-16-be"), 4),
        "4 in GBK": (text.encode("gbk"), 4),
        "0 in UTF-8": (text.encode(), 0),
        "halves": ("\ud800".join(text).encode("utf-16-be", "surrogatepass"), 8),
    }[way]


def _turned(line: str, way: str) -> str:
    """A short line, so that it is shown as it is meant; others stay as they are."""
    if not line or len(line) > 12 or not line[-1] > "\u3000":
        return line
    backwards = line[::-1].translate(_MIRRORED)
    return f"{RLO}{backwards}{PDF}" if way == "override" else RLM + RLM.join(backwards)
