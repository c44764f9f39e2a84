"""The glossary, the architecture page and the list of renamed log events are true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import proxy
from tests.test_documented import DOCUMENTS, GUIDE, README, TOP, code, table

GLOSSARY, ARCHITECTURE, LOG_EVENTS = (GUIDE / name for name in ("glossary.md", "architecture.md", "log-events.md"))
TERMS = table(GLOSSARY.read_text(encoding="utf-8"), "term")
TERMS_MAX = 60
"""More than that nobody reads before the first change."""
MAP_LINES_MAX = 25
LOG_CALL = r"\.(?:debug|info|warning|error|critical|exception|msg|log)\(\s*"


def test_the_glossary_has_at_most_sixty_terms_in_alphabetical_order() -> None:
    names = [term.casefold() for term, _, _ in TERMS]
    assert len(names) <= TERMS_MAX
    assert names == sorted(set(names))


@pytest.mark.parametrize("page", [*DOCUMENTS, TOP / "docs" / "SECURITY.md"], ids=lambda page: str(page.relative_to(TOP)))
def test_every_path_of_a_page_exists(page: Path) -> None:
    paths = re.findall(r"`((?:proxy|tests)/[\w/.-]+)(?:::\w+)?`", page.read_text(encoding="utf-8"))
    assert [path for path in paths if not (TOP / path).exists()] == []


def test_every_term_says_where_it_lives() -> None:
    assert [term for term, _, where in TERMS if len(code(where)) != 1] == []


def test_the_readme_links_to_the_glossary() -> None:
    assert "](docs/glossary.md)" in README.read_text(encoding="utf-8") or "](docs/README.md)" in README.read_text(
        encoding="utf-8"
    )


def test_the_map_of_the_packages_is_short_and_names_every_package() -> None:
    assert proxy.__doc__ is not None
    lines = proxy.__doc__.splitlines()
    assert len(lines) <= MAP_LINES_MAX
    # Each name stands at the beginning of a line of the list, alone or beside others.
    named = {name for line in lines if line.startswith("    ") for name in re.split("  +", line.strip().split("   ")[0])}
    packages = {path.parent.name for path in (TOP / "proxy").glob("*/__init__.py")}
    assert named == packages
    in_architecture = {
        span.removeprefix("proxy/")
        for row in table(ARCHITECTURE.read_text(encoding="utf-8"), "package")
        for span in code(row[0])
    }
    assert in_architecture == packages


def renamed_events() -> list[tuple[str, str]]:
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", LOG_EVENTS.read_text(encoding="utf-8"), re.MULTILINE)
    return [(before, now) for before, now in rows]


def test_no_log_event_has_the_name_of_before() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted((TOP / "proxy").rglob("*.py")))
    for before, now in renamed_events():
        assert not re.search(f'{LOG_CALL}f?"{re.escape(before)}"', source), before
        assert f'"{now}"' in source, now
