"""Chooses the response language from an Accept-Language header.

In: the header. Out: one of LANGUAGES. Never: a language guessed from other parts of the request. It is pure.
"""

from __future__ import annotations

from proxy.i18n.phrases import LANGUAGES

TO_PROGRAMS = "en"
"""The language if the header names none of LANGUAGES."""
ASKED_MAX = 20
"""Languages of one header that are considered."""


def preferred(header: str) -> str:
    """``zh-CN,zh;q=0.9,en;q=0.8`` → ``zh``: the supported language with the highest quality (RFC 9110 §12.5.4), the first among equals."""
    best, dearest = TO_PROGRAMS, 0.0
    for one in header.split(",")[:ASKED_MAX]:
        name, _, quality = one.partition(";")
        language = name.strip().lower().partition("-")[0]
        if language in LANGUAGES and (dear := _quality(quality.strip())) > dearest:
            best, dearest = language, dear
    return best


def _quality(parameter: str) -> float:
    """The value of ``q=0.8``; 0 if it is 0 or invalid."""
    name, _, number = parameter.partition("=")
    try:
        found = 1.0 if not parameter else float(number) if name.strip().lower() == "q" else 0.0
    except ValueError:
        return 0.0
    return found if 0.0 < found <= 1.0 else 0.0
