"""Chooses the language of an answer.

In: a request: people chose a language once (a cookie), programs send it with each request. Out: one of LANGUAGES. Never: a language guessed
from what is asked.
"""

from __future__ import annotations

from starlette.requests import Request

from proxy.console.translations import LANGUAGES
from proxy.i18n.negotiate import preferred

LANGUAGE = "gate106-language"
"""The cookie of who chose."""
API = "/api/"


def language_of(request: Request) -> str:
    if request.url.path.startswith(API):
        return preferred(request.headers.get("accept-language", ""))
    chosen = request.cookies.get(LANGUAGE, "")
    return chosen if chosen in LANGUAGES else LANGUAGES[0]
