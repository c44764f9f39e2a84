"""All texts are in both languages, and none stands in a template."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from proxy.console.translations import LANGUAGES, SHARED, load
from proxy.i18n.catalog import ROLES
from proxy.model.roles import Permission, Role

ROOMS = [Path(__file__).parents[2] / "proxy" / room for room in ("console", "desk")]
FILES = sorted(path for room in ROOMS for path in room.rglob("*.yaml"))
TEMPLATES = sorted(path for room in ROOMS for path in room.rglob("*.html"))
SOURCES = sorted(path for room in ROOMS for path in room.rglob("*.py"))
CHINESE = re.compile("[\u4e00-\u9fff]")
NAMES_OF_LANGUAGES = ("中文",)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_text_is_there_in_both_languages_with_the_same_places_to_fill_in(path: Path) -> None:
    for name, text in load(path).items():
        assert list(text) == list(LANGUAGES), name
        assert all(text.values()), name
        places = [sorted(re.findall(r"\{(\w+)\}", text[language])) for language in LANGUAGES]
        assert places[0] == places[1], name
        assert not CHINESE.search(text["en"]), name


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_no_template_says_anything_in_a_language_of_its_own(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for said in NAMES_OF_LANGUAGES:
        text = text.replace(said, "")
    assert not CHINESE.search(text)
    shown = re.sub(r"<[^>]*>", "\n", re.sub(r"\{[{%].*?[%}]\}", "", text, flags=re.DOTALL))
    words = [word for word in re.findall(r"[A-Za-z]{3,}", shown) if word not in ("gate106", "gate", "English")]
    assert words == []


@pytest.mark.parametrize("path", [*TEMPLATES, *SOURCES], ids=lambda path: path.name)
def test_what_is_asked_for_by_name_is_there(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    page = re.search(r'Page\("(\w+)"', text)  # page.py; own.html and own_rules.html are of one page
    words = path.with_name(f"{page[1] if page else path.stem.split('_')[0]}.yaml")
    known = set(load(SHARED)) | set(load(words))
    asked = set(re.findall(r"""\b(?:t|request\.t|speech)\(\s*["']([^"'{}]+)["']\s*[,)]""", text))
    asked -= {"title"}  # of whichever page it is
    assert asked <= known, sorted(asked - known)


def test_every_role_and_permission_has_words() -> None:
    shared = load(SHARED)
    assert {f"role.{role.value}" for role in Role} <= shared.keys()
    assert {f"permission.{one.name}" for one in Permission} <= shared.keys()
    assert {role.value: shared[f"role.{role.value}"]["zh"] for role in Role} == {
        name: ROLES[name] for name in ROLES if name != "nobody"
    }
