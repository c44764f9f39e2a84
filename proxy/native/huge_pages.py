"""Stands for huge_pages.pyx where that was not compiled."""

from __future__ import annotations


def in_large_pages() -> bool:
    return False
