"""Reads one character of a text.

Compiled modules do it in C (characters.pxd): the place is not checked there.
"""

from __future__ import annotations


def character(text: str, at: int) -> str:
    return text[at]
