"""Said: one sentence in both languages, side by side where it is made.

In: English and Chinese. Out: a str in English, which journal and JSON keep, that knows its Chinese. Never: a language chosen; a package needed
(whoever checks a pack of evidence elsewhere has this file alone).
"""

from __future__ import annotations

from typing import Self


class Said(str):
    """English, and the same in Chinese as ``zh``."""

    __slots__ = ("zh",)
    zh: str

    def __new__(cls, english: str, chinese: str) -> Self:
        said = super().__new__(cls, english)
        said.zh = chinese
        return said

    def __reduce__(self) -> tuple[type[Said], tuple[str, str]]:
        return Said, (str(self), self.zh)
