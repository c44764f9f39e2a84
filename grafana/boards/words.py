"""Words: one text in two languages.

In: 中文 and English side by side where they are needed. Out: the one that is asked for. Never: a key that must be looked up elsewhere.
"""

from __future__ import annotations

from enum import Enum


class Tongue(Enum):
    """Called with both texts, a tongue gives its own: ``say("总览", "Overview")``. Its value is the name of its folder."""

    ZH = "zh"
    EN = "en"

    def __call__(self, zh: str, en: str) -> str:
        return zh if self is Tongue.ZH else en

    @property
    def other(self) -> Tongue:
        return Tongue.EN if self is Tongue.ZH else Tongue.ZH

    @property
    def per_second(self) -> str:
        """The unit of messages a second."""
        return self("suffix: 条/秒", "suffix: /s")

    @property
    def messages(self) -> str:
        """The unit of a number of messages."""
        return self("suffix: 条", "short")
