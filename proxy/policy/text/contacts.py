"""Finds links (by domain) and telephone numbers in a text.

In: a text in its normal form (folding.py); a domain or number as an officer wrote it into a rule or a registry. Out: domains; numbers as
digits; where a number stands, or would stand with other digits; NotAContact, which says what to write. Never: who owns them
(policy/registries/registered_contacts.py).
"""

from __future__ import annotations

import re
import unicodedata

from proxy.native.loader import compiled
from proxy.policy.text import disguised
from proxy.policy.text.lazy_regex import lazy_regex

_ENDING = lazy_regex(r"\.[a-z]{2}")  # gate: no domain without it
_HOST_LETTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyz.-")
_TOP = r"(?:[a-z]{2,18}|xn--[0-9a-z]{2,40})"
_DOMAIN = lazy_regex(rf"[0-9a-z][0-9a-z.\-]*\.{_TOP}(?![0-9a-z@]|-+[0-9a-z])")
_LABELS = lazy_regex(rf"[0-9a-z][0-9a-z\-]*(?:\.[0-9a-z\-]+)*\.{_TOP}")
_HOST = lazy_regex(r"://\[?([0-9a-z.\-_:]+)")
_CHINESE_HOST = lazy_regex(
    r"://((?=[0-9a-z.\-]*[\u3400-\u9fff])(?:[0-9a-z\-\u3400-\u9fff]+\.)+(?:[a-z]{2,18}|[\u3400-\u9fff]{2,4}))(?![0-9a-z\-\u3400-\u9fff])"
)
_CHINA = r"(?:(?:\+|00)?86[- ]?(?=1))?"
_MOBILE = rf"{_CHINA}(1[3-9][0-9]{{9}})"
_WRITTEN = (
    r"0[1-9][0-9]{1,2}-?[0-9]{7,8}|[48]00-?[0-9]{3}-?[0-9]{4}"
    r"|(?<![^号]码)(?<![^号]码[:为是 ])9[56][0-9]{3,6}"  # a code is none, whatever it begins with: 验证码956123
)
_APART = (  # with marks where people put them; amid more of the kind it is a card's or an order's
    r"0[1-9][0-9]{1,2}\)[- ]?[0-9]{3,4}[- ]?[0-9]{4}|0[1-9][0-9]{1,2}[- ][0-9]{3,4}[- ]?[0-9]{4}"
    r"|[48]00[- ][0-9]{3}[- ][0-9]{4}|[48]00[- ]?[0-9]{4}[- ][0-9]{3}|[48]00[- ][0-9]{7}|[48]00[0-9][- ]?[0-9]{3}[- ][0-9]{3}"
)
_MOBILE_APART = rf"{_CHINA}(1[3-9][0-9][- ][0-9]{{4}}[- ]?[0-9]{{4}}|1[3-9][0-9]{{5}}[- ][0-9]{{4}}|1[3-9][0-9][- ][0-9]{{3}}[- ][0-9]{{5}})"
_NUMBER = (
    rf"(?<![0-9])(?:{_MOBILE}|({_WRITTEN}))(?![0-9])"
    rf"|(?<![0-9])(?<![0-9][- ])(?:{_MOBILE_APART}|({_APART}))(?![0-9])(?![- ][0-9])"
)
_CONTACT = lazy_regex(_NUMBER)
_ANY_DIGIT = lazy_regex(r"1\[3-9\]|0\[1-9\]|\[48\]00|9\[56\]|86|\(\?=1\)|\[0-9\]")
_MAY_CALL = lazy_regex(
    lambda: _ANY_DIGIT.sub(lambda match: {"[0-9]": "0", "[48]00": "000", "(?=1)": "(?=0)"}.get(match[0], "00"), _NUMBER)
)
"""In a text whose digits are all 0: what is a telephone number with other digits in the same places, if it is none with these."""
_LOOK_BACK = 3
"""So much before a number says whether it is a code."""
_DIGITS_AS_0 = str.maketrans("123456789", "000000000")
_NO_MARKS = str.maketrans("", "", "-) ")
_LONG_RUN = lazy_regex("[0-9][0-9) -]{3,}[0-9]")  # gate: no telephone number without it


def call_spans(folded: str) -> tuple[tuple[int, int], ...]:
    """Spans at which a telephone number stands, or would stand with other digits."""
    found: list[tuple[int, int]] = []
    for run in _LONG_RUN.finditer(folded):
        start, end = run.span()
        before = max(0, start - _LOOK_BACK)
        masked_run = folded[before:end].translate(_DIGITS_AS_0)
        matches = _MAY_CALL.finditer(masked_run, start - before)
        found += [(match.start() + before, match.end() + before) for match in matches]
    return tuple(found)


def calls(written: str) -> bool:
    """Whether the text of such a span is a telephone number."""
    if _CONTACT.fullmatch(written) is not None:
        return True
    return not written.isdecimal() and any(one.is_number for one in disguised.candidates(written))


def links(folded: str) -> tuple[str, ...]:
    """Domains of all links, as written in lower case; without a port. With a scheme also Chinese ones."""
    if "." not in folded:
        return ()
    found: list[str] = []
    if ending := _ENDING.search(folded):
        start = ending.start()
        while start and folded[start - 1] in _HOST_LETTERS:
            start -= 1
        for name in _DOMAIN.findall(folded, start):
            found += apart(name) if ".." in name else [name]
    if "://" in folded:  # an address without a name, as http://192.0.2.1/
        hosts = (match[1].split(":")[0].strip(".") for match in _HOST.finditer(folded))
        found += [host for host in hosts if host not in found]
        found += [host for host in _CHINESE_HOST.findall(folded) if host not in found]
    return tuple(found)


def apart(name: str) -> list[str]:
    """The domains in a name with repeated dots: ``50...t.cn`` → ``t.cn``."""
    return [piece for piece in re.split(r"\.\.+", name) if _LABELS.fullmatch(piece)]


@compiled("contacts")
def contacts(folded: str) -> tuple[str, ...]:
    """Telephone numbers in the text, as digits: without the marks that people put between them, and without China's +86."""
    return tuple(
        [
            match[match.lastindex or 0].translate(_NO_MARKS)
            for run in _LONG_RUN.finditer(folded)
            for match in _CONTACT.finditer(folded, run.start(), run.end())
        ]
    )


# -- as officers write them

_SCHEME = lazy_regex(r"[a-z]+://")
_WRITTEN_DOMAIN = lazy_regex(
    r"(?:[0-9a-z\u3400-\u9fff](?:[0-9a-z\-_\u3400-\u9fff]*[0-9a-z\u3400-\u9fff])?\.)+[0-9a-z\-\u3400-\u9fff]{2,}|[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
)
_WRITTEN_MARKS = lazy_regex(r"[-() ]")
_WRITTEN_CHINA = lazy_regex(r"(?:\+|00)86(?=1[3-9][0-9]{9}$)|86(?=1[3-9][0-9]{9}$)")


class NotAContact(ValueError):
    """No domain or telephone number; the text says what to write."""


def written_domain(written: str) -> str:
    """``Example.com.`` → ``example.com``. Raises NotAContact for a whole link: only domains are compared."""
    found = unicodedata.normalize("NFKC", written).strip().lower().strip(".")
    if _WRITTEN_DOMAIN.fullmatch(found):
        return found
    bare = _SCHEME.sub("", found).partition("/")[0].partition(":")[0].removeprefix("*.").strip(".")
    if _WRITTEN_DOMAIN.fullmatch(bare):
        raise NotAContact(f"'{written}' is no domain: links are known by their domain, and those below it count: write {bare}")
    raise NotAContact(f"'{written}' is no domain (example.com)")


def written_phone(written: str) -> str:
    """``400-600-1234``, ``(010) 12345678``, ``+86 138 0013 8000`` → digits alone."""
    found = _WRITTEN_CHINA.sub("", _WRITTEN_MARKS.sub("", unicodedata.normalize("NFKC", written).strip()))
    if not (found.isascii() and found.isdigit() and 5 <= len(found) <= 12):
        raise NotAContact(f"'{written}' is no telephone number (400-800-1234)")
    return found
