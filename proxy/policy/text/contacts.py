"""Finds links (by domain) and telephone numbers in a text.

In: a text in its normal form (folding.py); a domain or number as an officer wrote it into a rule or a registry. Out: domains; numbers as
digits; where a number stands, or would stand with other digits; NotAContact, which says what to write. Never: who owns them
(policy/registries/registered_contacts.py).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import cython

from proxy.native.characters import character
from proxy.policy.text import disguised
from proxy.policy.text.folding import fold, squeeze
from proxy.policy.text.handles import handles
from proxy.policy.text.lazy_regex import lazy_regex

_TOP = r"(?:[a-z]{2,18}|xn--[0-9a-z]{2,40})"
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
Names = tuple[str, ...]
Spans = tuple[tuple[int, int], ...]
"""From where to where, in order."""
_LONG_RUN = lazy_regex("[0-9][0-9) -]{3,}[0-9]")  # gate: no telephone number without it
_LOOK_BACK = 3
"""So much before a number says whether it is a code."""
_DIGITS_AS_0 = str.maketrans("123456789", "000000000")
_NO_MARKS = str.maketrans("", "", "-) ")


@cython.cfunc
def _is_code(folded: str, at: cython.Py_ssize_t) -> cython.bint:
    """Whether the text before a number calls it a code: 验证码, and not 号码."""
    if at >= 2 and folded[at - 1] == "码":
        return folded[at - 2] != "号"
    return at >= 3 and folded[at - 2] == "码" and folded[at - 3] != "号" and folded[at - 1] in ": 为是"


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def _may_be_number(folded: str, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.bint:
    """Whether digits without marks begin like a telephone number of their length."""
    first: cython.Py_UCS4 = folded[start]
    second: cython.Py_UCS4 = folded[start + 1]
    if first == "1":
        return second >= "3" and end - start == 11
    if first == "9":
        return (second == "5" or second == "6") and end - start <= 8
    return (first == "0" or first == "4" or first == "8") and end - start >= 10


@cython.ccall
def call_spans(folded: str) -> Spans:
    """Spans at which a telephone number stands, or would stand with other digits."""
    return tuple(_found_in_runs(folded, True))


@cython.ccall
def contacts(folded: str) -> Names:
    """Telephone numbers in the text, as digits: without the marks that people put between them, and without China's +86."""
    return tuple(_found_in_runs(folded, False))


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def _found_in_runs(folded: str, spans: cython.bint) -> list[Any]:
    """Of each run of digits, and of marks that people put between them: the spans, else the numbers."""
    found: list[Any] = []
    start: cython.Py_ssize_t = -1
    end: cython.Py_ssize_t = 0
    at: cython.Py_ssize_t
    marks: cython.bint = False
    one: cython.Py_UCS4
    for at, one in enumerate(folded):
        if "0" <= one <= "9":
            if start < 0:
                start, marks = at, False
            elif at > end:
                marks = True
            end = at + 1
        elif start >= 0 and one != "-" and one != " " and one != ")":
            if end - start >= 5:
                _add(found, folded, start, end, marks, spans)
            start = -1
    if start >= 0 and end - start >= 5:
        _add(found, folded, start, end, marks, spans)
    return found


@cython.cfunc
def _add(
    found: list[Any], folded: str, start: cython.Py_ssize_t, end: cython.Py_ssize_t, marks: cython.bint, spans: cython.bint
) -> cython.void:
    if not spans:
        if marks or _may_be_number(folded, start, end):
            matches = _CONTACT.finditer(folded, start, end)
            found += [match[match.lastindex or 0].translate(_NO_MARKS) for match in matches]
    elif marks:
        before: cython.Py_ssize_t = max(0, start - _LOOK_BACK)
        masked_run = folded[before:end].translate(_DIGITS_AS_0)
        found += [(match.start() + before, match.end() + before) for match in _MAY_CALL.finditer(masked_run, start - before)]
    elif end - start in (10, 11, 12, 13, 15) or (end - start <= 8 and not _is_code(folded, start)):
        found.append((start, end))


@cython.ccall
@cython.boundscheck(False)
@cython.wraparound(False)
def calls_at(text: str, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.bint:
    """Whether the text at such a span is a telephone number."""
    at: cython.Py_ssize_t
    for at in range(start, end):
        if not "0" <= text[at] <= "9":
            return calls(text[start:end])
    return end - start >= 5 and _may_be_number(text, start, end) and _CONTACT.fullmatch(text[start:end]) is not None


def calls(written: str) -> bool:
    if _CONTACT.search(written) is not None or any(one.is_number for one in disguised.candidates(written)):
        return True
    return not written.isdecimal() and bool(handles(squeeze(fold(written))))


def number_spans(folded: str) -> Iterator[tuple[str, int, int]]:
    """Telephone numbers in the text, each with its span."""
    for run in _LONG_RUN.finditer(folded):
        for match in _CONTACT.finditer(folded, run.start(), run.end()):
            yield match[match.lastindex or 0].translate(_NO_MARKS), *match.span()


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _in_name(one: cython.Py_UCS4) -> cython.bint:
    return "a" <= one <= "z" or "0" <= one <= "9"


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def _end_of_domain(folded: str, start: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """The end of the top-level domain that begins here: 2 to 18 letters, or xn-- and 2 to 40 letters; -1 if there is no such domain, or if
    more of a name follows."""
    size: cython.Py_ssize_t = len(folded)
    end: cython.Py_ssize_t = start
    while end < size and end - start < 19 and "a" <= character(folded, end) <= "z":
        end += 1
    if 2 <= end - start <= 18 and _ends_name(folded, end):
        return end
    if folded[start : start + 4] != "xn--":
        return -1
    start += 4
    end = start
    while end < size and end - start < 41 and _in_name(character(folded, end)):
        end += 1
    return end if 2 <= end - start <= 40 and _ends_name(folded, end) else -1


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def _ends_name(folded: str, at: cython.Py_ssize_t) -> cython.bint:
    """Whether no @ follows, and no letter or digit, also behind dashes."""
    size: cython.Py_ssize_t = len(folded)
    if at < size and character(folded, at) == "@":
        return False
    while at < size and character(folded, at) == "-":
        at += 1
    return not (at < size and _in_name(character(folded, at)))


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def _add_domains(found: list[str], folded: str, at: cython.Py_ssize_t, last: cython.Py_ssize_t) -> cython.void:
    """``at``, ``last``: the first and the last dot."""
    behind: cython.Py_ssize_t = 0
    size: cython.Py_ssize_t = len(folded)
    run: cython.Py_ssize_t
    dot: cython.Py_ssize_t
    end: cython.Py_ssize_t
    while at >= 0:
        while at > behind and (
            _in_name(character(folded, at - 1)) or character(folded, at - 1) == "-" or character(folded, at - 1) == "."
        ):
            at -= 1
        while at < size and (character(folded, at) == "-" or character(folded, at) == "."):
            at += 1
        run = at
        while run < size and (
            _in_name(character(folded, run)) or character(folded, run) == "-" or character(folded, run) == "."
        ):
            run += 1
        end = -1
        dot = run - 1
        while dot > at and end < 0:  # the last dot before a top-level domain
            if character(folded, dot) == ".":
                end = _end_of_domain(folded, dot + 1)
            dot -= 1
        behind = run if end < 0 else end
        if end >= 0:
            name = folded[at:end]
            if ".." in name:
                found += apart(name)
            else:
                found.append(name)
        at = folded.find(".", behind) if behind <= last else -1


def links(folded: str) -> Names:
    """Domains of all links, as written in lower case; without a port. With a scheme also Chinese ones."""
    return links_between(folded, folded.find("."), folded.rfind("."), True)


@cython.ccall
def links_between(folded: str, first: cython.Py_ssize_t, last: cython.Py_ssize_t, may_have_scheme: cython.bint) -> Names:
    """``links``; ``first``, ``last``: where dots are."""
    found: list[str] = []
    _add_domains(found, folded, first, last)
    if may_have_scheme and "://" in folded:  # an address without a name, as http://192.0.2.1/
        hosts = [match[1].split(":")[0].strip(".") for match in _HOST.finditer(folded)]
        found += [host for host in hosts if host not in found]
        found += [host for host in _CHINESE_HOST.findall(folded) if host not in found]
    return tuple(found)


def apart(name: str) -> list[str]:
    """The domains in a name with repeated dots: ``50...t.cn`` → ``t.cn``."""
    return [piece for piece in re.split(r"\.\.+", name) if _LABELS.fullmatch(piece)]


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
