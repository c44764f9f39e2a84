"""Keeps each person's draft of the rules.

It is kept until it is proposed or thrown away. A draft is some files, each with the text that it was made of. If a file changes meanwhile,
both changes are merged line by line.

In: a folder, a person's name, files by name. Out: the draft on today's files. Never: a draft in force, or seen by another person.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from proxy.runtime import atomic_files

FOLDER = "drafts"
"""Inside the folder of the kept sets."""
FILES_MAX, CHARACTERS_MAX = 50, 2_000_000
"""As many as a push may have."""


class DraftedFile(NamedTuple):
    before: str
    """What it was made of."""
    after: str


class Draft(NamedTuple):
    files: dict[str, DraftedFile]
    moved: list[str]
    """Files that others changed in the same lines: as they are here, those changes are undone."""


class DraftStore:
    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER

    def read(self, who: str, current: Callable[[str], str]) -> Draft:
        """``current``: the text of a file today; empty if there is none."""
        try:
            found = {name: DraftedFile(*texts) for name, texts in json.loads(self._path(who).read_bytes()).items()}
        except (FileNotFoundError, ValueError, TypeError, AttributeError):  # none, or no longer readable
            return Draft({}, [])
        files: dict[str, DraftedFile] = {}
        moved = []
        for name, (before, text) in found.items():
            now = current(name)
            both = merged(before, text, now)
            if both is None:
                moved.append(name)
            if text != now and both != now:
                files[name] = DraftedFile(before, text) if both is None else DraftedFile(now, both)
        return Draft(files, moved)

    def keep(self, who: str, files: dict[str, DraftedFile]) -> None:
        """Keeps these files instead of what was kept. ValueError: they are too many or too large; OSError."""
        files = {name: one for name, one in files.items() if one.after != one.before}
        if len(files) > FILES_MAX or sum(len(one.after) for one in files.values()) > CHARACTERS_MAX:
            raise ValueError(
                f"a draft holds at most {FILES_MAX} files and {CHARACTERS_MAX:,} characters: propose it, or throw files away"
            )
        path = self._path(who)
        if files:
            atomic_files.make_folder(path.parent)
            atomic_files.write_file(path, json.dumps(files, ensure_ascii=False).encode("utf-8", "replace"))
        else:
            path.unlink(missing_ok=True)

    def _path(self, who: str) -> Path:
        return self._folder / f"{hashlib.sha256(who.encode()).hexdigest()[:32]}.json"


def merged(before: str, mine: str, theirs: str) -> str | None:
    """Both changes of a text; None if they touch the same lines."""
    if before == theirs or mine == theirs:
        return mine
    old = before.splitlines(keepends=True)
    changes = sorted([*_changes(old, mine), *_changes(old, theirs)])
    found, at = list[str](), 0
    for place, (start, end, lines) in enumerate(changes):
        if place and (start, end, lines) == changes[place - 1]:
            continue
        if start < at or (place and start == changes[place - 1][0] and not start == end == changes[place - 1][1]):
            return None  # two that only add lines at one place do not disturb each other
        found += [*old[at:start], *lines]
        at = end
    return "".join([*found, *old[at:]])


def _changes(old: list[str], text: str) -> Iterator[tuple[int, int, list[str]]]:
    """[first, behind the last, the lines instead]."""
    new = text.splitlines(keepends=True)
    for how, first, last, start, end in difflib.SequenceMatcher(None, old, new).get_opcodes():
        if how != "equal":
            yield first, last, new[start:end]
