"""Defines Bilingual, an English string with its Chinese translation.

In: English and Chinese. Out: a str in English, which the journal and JSON keep, with the Chinese as ``zh``. Never: a choice of
language; an import of another module of the gate (the verifier of evidence, which runs elsewhere, carries this file alone).
"""

from __future__ import annotations

from typing import Self


class Bilingual(str):
    """English, and the same in Chinese as ``zh``."""

    __slots__ = ("zh",)
    zh: str

    def __new__(cls, english: str, chinese: str) -> Self:
        text = super().__new__(cls, english)
        text.zh = chinese
        return text

    def __reduce__(self) -> tuple[type[Bilingual], tuple[str, str]]:
        return Bilingual, (str(self), self.zh)
