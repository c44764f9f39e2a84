"""sets: sets of rules in words: read, checked, compared and asked about messages, in a process of its own that keeps what it has read.

In: lines of JSON: which set (a revision that the gate keeps), what stands instead of some of its files (a draft), what is asked. Out: a line of
JSON each. Never: a set put into force, a file written but into a folder it is told, a person's record.

``workshop.py`` starts it, and asks. It ends when nobody asks any more.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from proxy import policy, private
from proxy.config import Settings, SettingsError
from proxy.config import load as load_settings
from proxy.kept import Kept
from proxy.message import Category
from proxy.number import NotARecipient
from proxy.policy import Loaded, Problem, RulesError, moments
from proxy.policy.category import SUBCATEGORIES
from proxy.policy.condition import All, Test, Tree
from proxy.policy.explain import plainly
from proxy.policy.source import Node, read
from proxy.policy.spoken import both

NICE = 5
READ_MAX = 6
"""Sets that are kept as they were read: some MB each."""
LINES_MAX = 4000
"""Of a difference that is shown."""
YAML = (".yaml", ".yml")


class Wrong(Exception):
    """It cannot be done; the text says why."""


class Sets:
    def __init__(self, config: Path) -> None:
        self._config = config
        self._settings: tuple[float, Settings] | None = None
        self._read: OrderedDict[tuple[str, str], Loaded] = OrderedDict()
        self._first: tuple[str, dict[str, Any]] | None = None
        """What is likely to be asked first: told before anybody does."""

    # -- what is asked

    def told(self, revision: str, instead: Mapping[str, str]) -> dict[str, Any]:
        """All of a set; where it cannot be used: its ``problems`` and nothing else."""
        first, self._first = self._first, None
        if first is not None and not instead and revision == first[0]:
            return first[1]
        folder = self._folder(revision)
        try:
            loaded = self._loaded(revision, instead)
        except RulesError as error:
            return {"revision": "", "problems": [list(one) for one in error.problems], "warnings": [], "rules": [], "tests": []}
        report = policy.check_loaded(loaded, folder, self.settings.providers, time.time())
        written = dict(_written(loaded.files, folder.name))
        return {
            "revision": loaded.rules.revision,
            "problems": [list(one) for one in report.problems],
            "warnings": [list(one) for one in report.warnings],
            "rules": [{**_rule(one), "text": written.get(one.id, "")} for one in loaded.rules.rules],
            "tests": list(_tests(loaded, report.problems)),
            "files": {name: data.decode("utf-8", "replace") for name, data in _rules_files(loaded.files)},
            "provinces": sorted({name for name, _ in loaded.rules.regions.places if name}),
            "subcategories": [name for name in SUBCATEGORIES if name],
            "providers": [one.name for one in self.settings.providers],
        }

    def tried(self, revision: str, instead: Mapping[str, str], message: Mapping[str, str]) -> dict[str, Any]:
        """What a set would say of a message to somebody nobody has written to."""
        try:
            loaded = self._loaded(revision, instead)
        except RulesError as error:
            raise Wrong(str(error.problems[0])) from None
        provider = {one.name: one for one in self.settings.providers}.get(message.get("provider", ""))
        category = message.get("category") or None
        declared = Category.of(category) if category else provider.category if provider else None
        try:
            at = moments.moment(message["at"])[0] if message.get("at") else time.time()
            told = policy.explain_text(
                loaded.rules, message.get("to", ""), message.get("from", ""), message.get("text", ""),
                message.get("provider", ""), declared, at, provider.since if provider else None,
            )  # fmt: skip
        except (NotARecipient, ValueError) as error:
            raise Wrong(str(error)) from None
        found = told.as_dict()
        found["rules"] = [
            {
                "rule": part.rule, "say": part.say, "mode": part.mode, "objects": bool(part.change),
                "says": _spoken(part.says), "why": _spoken(part.why), "change": _spoken(part.change),
            }
            for part in told.parts
        ]  # fmt: skip
        return {**found, "at": at}

    def differs(self, before: str, after: str, instead: Mapping[str, str]) -> list[dict[str, Any]]:
        """File by file: rules as lines, of anything else only how long it is."""
        old = self._files(before)
        new = {**self._files(after), **{name: text.encode() for name, text in instead.items()}}
        found = []
        for name in sorted(old.keys() | new.keys()):
            left, right = old.get(name, b""), new.get(name, b"")
            if left == right:
                continue
            rows = list(_difference(left, right)) if name.endswith(YAML) and "/" not in name else []
            counted = {"before": left.count(b"\n"), "after": right.count(b"\n")}
            found.append({"file": name, "rows": rows[:LINES_MAX], "more": len(rows) > LINES_MAX, **counted})
        return found

    def spread(self, revision: str, instead: Mapping[str, str], into: str) -> str:
        """Writes the set into a folder; its revision."""
        try:
            loaded = self._loaded(revision, instead)
        except RulesError as error:
            raise Wrong(str(error.problems[0])) from None
        for name, data in loaded.files.items():
            path = Path(into) / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_bytes(data)
        return loaded.rules.revision

    def begin(self) -> None:
        """Reads the youngest set, which is in force or waits; whatever is wrong with it is told when it is asked for."""
        with contextlib.suppress(Wrong, OSError):
            if names := self._kept().all():
                self._first = names[-1], self.told(names[-1], {})

    # -- reading

    @property
    def settings(self) -> Settings:
        try:
            changed = self._config.stat().st_mtime
            if self._settings is None or self._settings[0] != changed:
                self._settings = (changed, load_settings(self._config))
        except (OSError, SettingsError) as error:
            raise Wrong(str(error)) from None
        return self._settings[1]

    def _kept(self) -> Kept:
        revisions = self.settings.revisions
        return Kept(revisions.folder, revisions.keep)

    def _folder(self, revision: str) -> Path:
        kept = self._kept()
        if not revision.isalnum() or not kept.has(revision):
            raise Wrong(f"the files of {revision or 'this set'} are not kept any more (settings: revisions.keep)")
        return kept.path(revision)

    def _files(self, revision: str) -> dict[str, bytes]:
        self._folder(revision)
        try:
            return self._kept().files(revision)
        except OSError as error:
            raise Wrong(f"the files of {revision} cannot be read: {error.strerror or error}") from None

    def _loaded(self, revision: str, instead: Mapping[str, str]) -> Loaded:
        """RulesError where it cannot be used."""
        folder = self._folder(revision)
        key = revision, json.dumps(instead, sort_keys=True)
        if key in self._read:
            self._read.move_to_end(key)
            return self._read[key]
        files = {name: text.encode("utf-8", "replace") for name, text in instead.items()}
        found = policy.load_all(folder, category_tag=self.settings.category_tag, instead=files)
        self._read[key] = found
        while len(self._read) > READ_MAX:
            self._read.popitem(last=False)
        return found


# -- a rule in words


def _spoken(words: str) -> list[str]:
    """[Chinese, English]."""
    said = both(words)
    return [said.zh, str(said)]


def _rule(rule: policy.Rule) -> dict[str, Any]:
    parts = list(_parts(rule.when))
    dates = [part for part in parts if isinstance(part, Test) and part.word == "active"]
    return {
        "rule": rule.id,
        "say": rule.say,
        "basis": rule.basis,
        "mode": rule.mode,
        "file": rule.file.rpartition("/")[2],
        "line": rule.line,
        "when": [_spoken(plainly(part)) for part in parts if part not in dates],
        "dates": [_spoken(plainly(part)) for part in dates],
        "limits": [_spoken(limit.words) for limit in rule.limits],
        "then": rule.then or next((limit.then for limit in rule.limits if limit.then), ""),
        "exempt": rule.exempt,
        "reason": rule.reason.name if rule.reason else "",
        "trial_until": max(0.0, rule.trial_until),
    }


def _parts(when: Tree) -> Iterator[Tree]:
    """What must hold together."""
    if isinstance(when, All):
        for part in when.parts:
            yield from _parts(part)
    else:
        yield when


def _rules_files(files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    return ((name, data) for name, data in files.items() if name.endswith(YAML) and "/" not in name)


def _written(files: Mapping[str, bytes], folder: str) -> Iterator[tuple[str, str]]:
    """Each rule as it stands in its file, by id."""
    for name, data in _rules_files(files):
        root = read(data, f"{folder}/{name}")
        rules = root.value.get("rules") if isinstance(root.value, dict) else None
        if rules is None or not isinstance(rules.value, list):
            continue
        lines = data.decode("utf-8", "replace").splitlines()
        starts = [one.line for one in rules.value]
        for one, first in zip(rules.value, starts, strict=True):
            if isinstance(one.value, dict) and "id" in one.value:
                yield str(one.value["id"].value), "\n".join(_block(lines, first))


def _block(lines: list[str], first: int) -> list[str]:
    """From a list's item on, as long as lines are further in than its dash."""
    found = [lines[first - 1]]
    wide = len(found[0]) - len(found[0].lstrip())
    for line in lines[first:]:
        if line.strip() and len(line) - len(line.lstrip()) <= wide:
            break
        found.append(line)
    while found and not found[-1].strip():
        found.pop()
    return [line[wide:] for line in found]


def _tests(loaded: Loaded, problems: list[Problem]) -> Iterator[dict[str, Any]]:
    failed = {(one.file, one.line): one.text for one in problems}
    for file, node in loaded.tests:
        lines = sorted(_lines(node))
        wrong = next((failed[file, line] for line in lines if (file, line) in failed), "")
        note = node.value.get("note") if isinstance(node.value, dict) else None
        yield {
            "note": str(note.value) if note is not None else "",
            "file": file.rpartition("/")[2],
            "line": node.line,
            "rules": sorted(set(_wanted(node))),
            "wrong": wrong,
        }


def _lines(node: Node) -> Iterator[int]:
    yield node.line
    for one in node.value if isinstance(node.value, list) else node.value.values() if isinstance(node.value, dict) else ():
        yield from _lines(one)


def _wanted(node: Node) -> Iterator[str]:
    """Rules that a test names."""
    if not isinstance(node.value, dict) or not isinstance((steps := node.value.get("messages", node)).value, list):
        return
    for step in steps.value:
        want = step.value.get("want") if isinstance(step.value, dict) else None
        if want is not None and isinstance(want.value, dict):
            yield from (str(one.value) for one in want.value.values())


def _difference(left: bytes, right: bytes) -> Iterator[list[str]]:
    """[how, line]: ``-``, ``+``, a blank for what stayed, ``@`` for what was left out between."""
    old, new = (data.decode("utf-8", "replace").splitlines() for data in (left, right))
    for place, line in enumerate(difflib.unified_diff(old, new, lineterm="", n=3)):
        if place >= 2:  # behind the names
            yield ["@", line.split("@@")[1].strip()] if line.startswith("@@") else [line[0], line[1:]]


def main() -> None:
    """Answers line by line."""
    private.hold_memory()
    os.nice(NICE)
    sets = Sets(Path(sys.argv[1]))
    sets.begin()
    ways: Mapping[str, Callable[..., Any]] = {
        "told": sets.told,
        "tried": sets.tried,
        "differs": sets.differs,
        "spread": sets.spread,
    }
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        try:
            said: dict[str, Any] = {"ok": ways[asked.pop("do")](**asked)}
        except Wrong as error:
            said = {"wrong": str(error)}
        except Exception as error:  # noqa: BLE001 # whatever a draft brings about, the next one is answered
            said = {"wrong": f"it failed inside ({type(error).__name__}): a fault of gate106, please report it"}
        sys.stdout.buffer.write(json.dumps(said, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
