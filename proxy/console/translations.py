"""Loads the console's texts in both languages; chooses a request's language.

In: YAML files beside the pages: ``name: {zh: …, en: …}``; requests. Out: a text by its name; one of LANGUAGES. Never: a text in one language
only (a test reads all of them), a text of a template's own, a language guessed from what is asked.

People chose a language once (a cookie), programs send it with each request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from starlette.requests import Request

from proxy.i18n import catalog
from proxy.i18n.catalog import CLOSED
from proxy.i18n.labels import reason_in_chinese
from proxy.i18n.phrases import LANGUAGES, WORDS, preferred

__all__ = ["LANGUAGE", "LANGUAGES", "SHARED", "Translator", "language_of", "load"]

SHARED = Path(__file__).parent / "templates" / "shared.yaml"
LANGUAGE = "gate106-language"
"""The cookie with the chosen language."""
API = "/api/"

_FILES = re.compile(r"[（(]registries/[a-z-]+\.csv[）)]")
"""The file of a registry beside its Chinese name, which the command line shows."""
Words = Mapping[str, Mapping[str, str]]


def load(path: Path) -> Words:
    """{} where a page has no file of its own."""
    found = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader) if path.is_file() else {}
    assert isinstance(found, dict), path
    return found


class Translator:
    """``t`` of templates: what stands under a name in one language; the page's own word first, then everybody's."""

    def __init__(self, language: str, *words: Words) -> None:
        self.language = language
        self._words = words

    def __call__(self, name: str, **values: object) -> str:
        """``{count}`` in it is filled in. KeyError: no file has this name."""
        text = self._found(name)
        if text is None:
            raise KeyError(f"no words for {name!r}")
        return text.format(**values) if values else text

    def has(self, name: str) -> bool:
        return self._found(name) is not None

    def of(self, kind: str, word: str) -> str:
        """The user's word for one of the gate's (``verdict``, ``reject``): ``kind.word`` of the files, else of CLOSED, else the rules'
        Chinese word; unchanged if none exists."""
        found = self._found(f"{kind}.{word}")
        if found is not None or self.language != "zh":
            return found or word
        return CLOSED.get(kind, {}).get(word) or WORDS.get(word, word)

    def reason(self, why: str) -> str:
        """What somebody wrote as the reason of an order, with the desk's own words before it in this language."""
        return reason_in_chinese(why) if self.language == "zh" else why

    def in_language(self, text: str) -> str:
        """A sentence of the gate in this language; unchanged if the catalog does not have it."""
        said = catalog.in_language(text, self.language)
        return _FILES.sub("", said) if self.language == "zh" else said

    def _found(self, name: str) -> str | None:
        for words in self._words:
            if name in words:
                return words[name][self.language]
        return None


def language_of(request: Request) -> str:
    """The language of the answer to a request."""
    if request.url.path.startswith(API):
        return preferred(request.headers.get("accept-language", ""))
    chosen = request.cookies.get(LANGUAGE, "")
    return chosen if chosen in LANGUAGES else LANGUAGES[0]
