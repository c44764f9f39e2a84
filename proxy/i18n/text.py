"""Said: one sentence in both languages, side by side where it is made.

In: English and Chinese. Out: a str in English, which journal and JSON keep, that knows its Chinese. Never: a language chosen; a package needed
(whoever checks a pack of evidence elsewhere has this file alone).
"""

from __future__ import annotations

from typing import Self


class Bilingual(str):
    """English, and the same in Chinese as ``zh``."""

    __slots__ = ("zh",)
    zh: str

    def __new__(cls, english: str, chinese: str) -> Self:
        said = super().__new__(cls, english)
        said.zh = chinese
        return said

    def __reduce__(self) -> tuple[type[Bilingual], tuple[str, str]]:
        return Bilingual, (str(self), self.zh)
