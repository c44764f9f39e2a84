"""Makes PDF documents of text set in embedded fonts.

Two TrueType fonts, a subset of each per document (reportlab embeds no CFF outlines). FONT has Latin, marks and the 20,902 Chinese characters
of Unicode 1.1; RARE has what the national table of 8,105 characters (2013) has beside them. A character of neither, such as an emoji, is
written as its code point: a reader sees that something stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import paperang_p2_fonts_cjk
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics, ttfonts
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph, SimpleDocTemplate

from proxy.model.redact import printable

FONT, RARE = "WenQuanYi-Micro-Hei", "gate106-Rare-Han"
_JOINERS = dict.fromkeys(map(ord, "\u200d\ufe0e\ufe0f"))
"""They say how their neighbours are drawn, and are nothing themselves."""
SOFT, LINE = colors.HexColor("#5f5e66"), colors.HexColor("#d9d8de")
MARGIN = 18 * mm
WIDTH = A4[0] - 2 * MARGIN


@cache
def register() -> tuple[TTFont, TTFont]:
    """Reads both fonts, once a process: some 0.1 s."""
    fonts = (
        TTFont(FONT, str(Path(paperang_p2_fonts_cjk.__path__[0]) / "fonts" / "wqy-microhei.ttc")),
        TTFont(RARE, str(Path(__file__).with_name("rare_han.ttf"))),
    )
    for font in fonts:
        pdfmetrics.registerFont(font)
    ttfonts.makeToUnicodeCMap = _unicode_map
    return fonts


def _unicode_map(
    name: str, subset: Sequence[int], original: Callable[[str, Sequence[int]], str] = ttfonts.makeToUnicodeCMap
) -> str:
    """What copies and searches find: reportlab writes characters beyond U+FFFF wrongly, the standard wants them in UTF-16."""
    return original(name, [int.from_bytes(chr(one).encode("utf-16-be", "surrogatepass")) for one in subset])


def plain(text: str) -> str:
    """The text for a place where everything is set in FONT."""
    font, _ = register()
    return "".join(one if ord(one) in font.face.charToGlyph else _code(one) for one in text.translate(_JOINERS))


def markup(text: str) -> str:
    """The text for a paragraph set in FONT: a stranger's markup escaped, rare characters in RARE."""
    return "".join(_runs(text))


def _runs(text: str) -> Iterator[str]:
    font, rare = (one.face.charToGlyph for one in register())
    for is_rare, run in groupby(text.translate(_JOINERS), lambda one: ord(one) in rare and ord(one) not in font):
        words = "".join(run)
        yield f'<font face="{RARE}">{words}</font>' if is_rare else escape(plain(words))


def _code(character: str) -> str:
    return f"[U+{ord(character):04X}]"


def paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    """A paragraph of a stranger's words, without control characters."""
    return Paragraph(markup(printable(text, " ")), style)


def document(title: str, parts: Sequence[Any], bottom: float = 16 * mm, **build: Any) -> bytes:
    """The octets of a PDF, equal for equal ``parts``."""
    register()
    out = BytesIO()
    made = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=MARGIN, rightMargin=MARGIN, topMargin=16 * mm, bottomMargin=bottom, title=title, author="gate106",
        invariant=1, initialFontName=FONT,
    )  # fmt: skip
    made.build(list(parts), **build)
    return out.getvalue()
