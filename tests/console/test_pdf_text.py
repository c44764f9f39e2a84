"""PDFs embed what they draw, rare characters and marks too."""

from __future__ import annotations

import re
import zlib

import pytest

from proxy.console import pdf_text
from proxy.desk.evidence import evidence_pdf
from tests.desk.evidence.test_evidence_pdf import PENALTY

RARE = "䶮㛃㼆㴔𬭚𬬭𫖮𬱖𬍛𨱏𬶏"
"""Of names and places, all in the national table of 2013."""


def searchable(pdf: bytes) -> set[str]:
    """All characters that a reader's search finds: what the maps of the fonts say."""
    packed = re.findall(rb"(?<!end)stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    found = set()
    for stream in packed:
        try:
            text = zlib.decompressobj().decompress(stream).decode("latin-1")
        except zlib.error:  # the text of a page, in ASCII85
            continue
        if "beginbfchar" in text:
            found |= {
                bytes.fromhex(code).decode("utf-16-be")
                for code in re.findall(r"(?m)^<\w\w> <(\w+)>$", text.partition("beginbfchar")[2])
            }
    return found


def test_a_letter_embeds_every_character_it_has_and_a_search_finds_it() -> None:
    name = f"甲·乙 {RARE} 發票 “①” — ≥ ★"
    letter = evidence_pdf.letter(PENALTY | {"provider": name}, [], 1e9)
    assert set(name) <= searchable(letter)
    assert not re.search(rb"/Subtype /(?:Type1|CIDFontType0)\b|STSong", letter), "each font is embedded"
    assert len(re.findall(rb"/FontFile2", letter)) == len(re.findall(rb"/Type /FontDescriptor", letter)) == 2
    assert len(letter) < 100_000, "subsets, not fonts"


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("甲·乙 “①” ★ 發票", "甲·乙 “①” ★ 發票"),
        ("<b>&䶮", f'&lt;b&gt;&amp;<font face="{pdf_text.RARE}">䶮</font>'),
        ("🎁❤️到", "[U+1F381][U+2764]到"),
        ("\U0002fa1d", "[U+2FA1D]"),
    ],
)
def test_what_no_font_has_is_written_as_its_code_point(text: str, drawn: str) -> None:
    assert pdf_text.markup(text) == drawn


def test_every_character_of_gbk_is_drawn() -> None:
    gbk = {
        bytes([high, low]).decode("gbk", "replace") for high in range(0x81, 0xFF) for low in range(0x40, 0xFF) if low != 0x7F
    }
    han = "".join(sorted(one for one in gbk if "\u4e00" <= one <= "\u9fff"))
    assert len(han) >= 20_902
    assert pdf_text.plain(han) == han
