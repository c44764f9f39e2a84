"""Normalises domains and telephone numbers that officers write.

In: a domain or number as an officer wrote it into a rule or a registry. Out: a domain in lower case; a number without marks; or NotSpelt,
which says what to write. Never: a text (contacts.py).
"""

from __future__ import annotations

import re
import unicodedata

_SCHEME = re.compile(r"[a-z]+://")
_DOMAIN = re.compile(
    r"(?:[0-9a-z\u3400-\u9fff](?:[0-9a-z\-_\u3400-\u9fff]*[0-9a-z\u3400-\u9fff])?\.)+[0-9a-z\-\u3400-\u9fff]{2,}|[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
)
_MARKS = re.compile(r"[-() ]")
_CHINA = re.compile(r"(?:\+|00)86(?=1[3-9][0-9]{9}$)|86(?=1[3-9][0-9]{9}$)")


class NotAContact(ValueError):
    """No domain or telephone number; the text says what to write."""


def domain(written: str) -> str:
    """``Example.com.`` → ``example.com``. Raises NotSpelt for a whole link: only domains are compared."""
    found = unicodedata.normalize("NFKC", written).strip().lower().strip(".")
    if _DOMAIN.fullmatch(found):
        return found
    bare = _SCHEME.sub("", found).partition("/")[0].partition(":")[0].removeprefix("*.").strip(".")
    if _DOMAIN.fullmatch(bare):
        raise NotAContact(f"'{written}' is no domain: links are known by their domain, and those below it count: write {bare}")
    raise NotAContact(f"'{written}' is no domain (example.com)")


def phone(written: str) -> str:
    """``400-600-1234``, ``(010) 12345678``, ``+86 138 0013 8000`` → digits alone."""
    found = _CHINA.sub("", _MARKS.sub("", unicodedata.normalize("NFKC", written).strip()))
    if not (found.isascii() and found.isdigit() and 5 <= len(found) <= 12):
        raise NotAContact(f"'{written}' is no telephone number (400-800-1234)")
    return found
