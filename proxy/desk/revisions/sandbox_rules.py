"""Reads, checks and compares sets of rules in a separate process.

The process keeps the sets it has read. ``console/sandbox.py`` starts and asks it; it ends with its standard input.

In: lines of JSON: a set (a revision that the gate keeps), replacements of some of its files (a draft), a question. Out: a line of JSON each.
Never: a set put into force, a file written but drafts and into the folder it is given, a person's record.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from proxy.config import Settings, SettingsError
from proxy.config import load as load_settings
from proxy.desk.revisions import table_rows
from proxy.desk.revisions.comparison import IDLE, OVER, named
from proxy.desk.revisions.draft_store import Draft, DraftedFile, DraftStore
from proxy.desk.revisions.rule_text import (
    both_languages,
    difference,
    rule_in_words,
    rules_as_written,
    switched,
    tests_of,
    titled,
    yaml_files,
)
from proxy.model.message import Category
from proxy.model.number import NotARecipient
from proxy.policy import time_windows
from proxy.policy.explanation.explain import WITHOUT_RECORD, explain_text
from proxy.policy.loading.check import check_loaded
from proxy.policy.loading.load_rules import Loaded, load_all
from proxy.policy.loading.problem import RulesError
from proxy.policy.registries.typed_rows import COLUMNS
from proxy.policy.text.category import SUBCATEGORIES
from proxy.runtime import hardening
from proxy.state.revision_store import REGISTRIES, TABLE_FILE, RevisionStore, may_be_pushed

NICE = 5
READ_MAX = 6
"""Sets that are kept as they were read: some MB each."""
TABLE_BYTES_MAX = 1 << 20
"""What a browser sends back and forth while it is changed; larger ones go by files."""
LINES_MAX = 4000
"""Of a difference that is shown."""


class SandboxError(Exception):
    """It cannot be done; the text says why."""


class SandboxRules:
    def __init__(self, config: Path) -> None:
        self._config = config
        self._settings: tuple[float, Settings] | None = None
        self._read = lru_cache(READ_MAX)(self._load)
        self._prefetched: tuple[str, dict[str, Any]] | None = None
        """The answer that is likely to be asked for first, prepared."""

    # -- what is asked

    def describe(self, revision: str, instead: Mapping[str, str]) -> dict[str, Any]:
        """Describes a set; if it cannot be used, only its ``problems``."""
        first, self._prefetched = self._prefetched, None
        if first is not None and not instead and revision == first[0]:
            return first[1]
        folder = self._folder(revision)
        try:
            loaded = self._loaded(revision, instead)
        except RulesError as error:
            return {"revision": "", "problems": [list(one) for one in error.problems], "warnings": [], "rules": [], "tests": []}
        report = check_loaded(loaded, folder, self.settings.providers, time.time())
        texts = dict(rules_as_written(loaded.files, folder.name))
        over, idle = named(OVER, report.warnings), named(IDLE, report.problems)
        says = {one.id: one.say for one in loaded.rules.rules if one.say}
        problems = titled(report.problems, says)
        return {
            "revision": loaded.rules.revision, "problems": [list(one) for one in problems],
            "warnings": [list(one) for one in titled(report.warnings, says)],
            "rules": [
                {**rule_in_words(one), "text": texts.get(one.id, ""), "over": one.id in over, "idle": one.id in idle}
                for one in loaded.rules.rules
            ],
            "tests": list(tests_of(loaded, problems)),
            "files": {name: data.decode("utf-8", "replace") for name, data in yaml_files(loaded.files)},
            "provinces": sorted({name for name, _ in loaded.rules.regions.places if name}),
            "campaigns": {name: _days(spans) for name, spans in sorted(loaded.rules.registry.campaigns.items())},
            "holidays": sorted(loaded.rules.registry.holidays.names),
            "subcategories": [name for name in SUBCATEGORIES if name], "providers": [one.name for one in self.settings.providers],
        }  # fmt: skip

    def tried(self, revision: str, instead: Mapping[str, str], message: Mapping[str, str]) -> dict[str, Any]:
        """The verdict of a set on a message to a recipient without history."""
        loaded = self._loaded(revision, instead)
        provider = {one.name: one for one in self.settings.providers}.get(message.get("provider", ""))
        category = message.get("category") or None
        declared = Category.of(category) if category else provider.category if provider else None
        try:
            at = time_windows.moment(message["at"])[0] if message.get("at") else time.time()
            explanation = explain_text(
                loaded.rules, message.get("to", ""), message.get("from", ""), message.get("text", ""),
                message.get("provider", ""), declared, at, provider.since if provider else None,
            )  # fmt: skip
        except (NotARecipient, ValueError) as error:
            raise SandboxError(str(error)) from None
        rules = [
            {
                "rule": part.rule, "say": part.say, "mode": part.mode, "objects": bool(part.change),
                "says": both_languages(part.says), "why": both_languages(part.why), "change": both_languages(part.change),
            }
            for part in explanation.parts
        ]  # fmt: skip
        return {**explanation.as_dict(), "rules": rules, "at": at, "without": both_languages(WITHOUT_RECORD)}

    def differs(self, before: str, after: str) -> list[dict[str, Any]]:
        """File by file: rules as lines, of anything else only how long it is."""
        old, new = self._files(before), self._files(after)
        found = []
        for name in sorted(old.keys() | new.keys()):
            left, right = old.get(name, b""), new.get(name, b"")
            if left == right:
                continue
            rows = list(difference(left, right)) if may_be_pushed(name) else []
            counted = {"before": left.count(b"\n"), "after": right.count(b"\n")}
            table = []
            if rows and TABLE_FILE.fullmatch(name):
                table = table_rows.changes(name, _text({name: left}, name), _text({name: right}, name))
            found.append(
                {"file": name, "rows": rows[:LINES_MAX], "table": table[:LINES_MAX], "more": len(rows) > LINES_MAX, **counted}
            )
        return found

    def tables(self, revision: str) -> dict[str, Any]:
        """Registries and lists of words of a set, and those that could be added; ``None`` for one too large for a page."""
        files = self._files(revision)
        names = dict.fromkeys([*(f"registries/{name}.csv" for name in REGISTRIES), *filter(TABLE_FILE.fullmatch, files)])
        return {name: _text(files, name) if len(files.get(name, b"")) <= TABLE_BYTES_MAX else None for name in names}

    def draft(self, revision: str, who: str) -> dict[str, Any]:
        """A person's draft, carried over to a set: the texts of its files, and those of which others changed the same lines."""
        _, found = self._drafts(self._files(revision), who)
        return {"files": {name: one.after for name, one in found.files.items()}, "moved": found.moved}

    def keep_draft(self, revision: str, who: str, files: Mapping[str, str | None]) -> dict[str, Any]:
        """Changes files of a person's draft, which were edited on this set; ``None`` throws one away."""
        base = self._files(revision)
        store, found = self._drafts(base, who)
        for name, text in files.items():
            if text is None:
                found.files.pop(name, None)
            elif name not in found.files or found.files[name].after != text:
                found.files[name] = DraftedFile(_text(base, name), text)
        return self._kept_draft(store, revision, who, found.files)

    def draft_again(self, revision: str, who: str, before: str, proposed: str) -> dict[str, Any]:
        """Adds what a proposal changed to a person's draft."""
        old, new = self._files(before), self._files(proposed)
        store, found = self._drafts(self._files(revision), who)
        for name in filter(may_be_pushed, new):
            if old.get(name) != new[name]:
                if name in found.files:
                    raise SandboxError(f"the draft has {name} already: propose it, or throw it away, first")
                found.files[name] = DraftedFile(_text(old, name), _text(new, name))
        return self._kept_draft(store, revision, who, found.files)

    def _kept_draft(self, store: DraftStore, revision: str, who: str, files: dict[str, DraftedFile]) -> dict[str, Any]:
        try:
            store.keep(who, files)
        except (ValueError, OSError) as error:
            raise SandboxError(f"the draft cannot be kept: {error}") from None
        return self.draft(revision, who)

    def _drafts(self, base: Mapping[str, bytes], who: str) -> tuple[DraftStore, Draft]:
        store = DraftStore(self.settings.revisions.folder)
        return store, store.read(who, lambda name: _text(base, name))

    def switched(self, revision: str, instead: Mapping[str, str], rule: str, mode: str, share: str) -> list[str]:
        """[file, text] with a rule in another mode."""
        files = {**self._files(revision), **{name: text.encode() for name, text in instead.items()}}
        try:
            return list(switched(files, rule, mode, share))
        except ValueError as error:
            raise SandboxError(str(error)) from None

    def spread(self, revision: str, instead: Mapping[str, str], into: str) -> str:
        """Writes the set into a folder; its revision."""
        loaded = self._loaded(revision, instead)
        for name, data in loaded.files.items():
            path = Path(into) / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_bytes(data)
        return loaded.rules.revision

    def begin(self) -> None:
        """Reads the newest set, which is in force or proposed; its faults are reported when it is asked for."""
        with contextlib.suppress(SandboxError, OSError):
            if names := self._kept().all():
                self._prefetched = names[-1], self.describe(names[-1], {})

    # -- reading

    @property
    def settings(self) -> Settings:
        try:
            changed = self._config.stat().st_mtime
            if self._settings is None or self._settings[0] != changed:
                self._settings = (changed, load_settings(self._config))
        except (OSError, SettingsError) as error:
            raise SandboxError(str(error)) from None
        return self._settings[1]

    def _kept(self) -> RevisionStore:
        revisions = self.settings.revisions
        return RevisionStore(revisions.folder, revisions.keep)

    def _folder(self, revision: str) -> Path:
        kept = self._kept()
        if not revision.isalnum() or not kept.has(revision):
            raise SandboxError(f"the files of {revision or 'this set'} are not kept any more (settings: revisions.keep)")
        return kept.path(revision)

    def _files(self, revision: str) -> dict[str, bytes]:
        self._folder(revision)
        try:
            return self._kept().files(revision)
        except OSError as error:
            raise SandboxError(f"the files of {revision} cannot be read: {error.strerror or error}") from None

    def _loaded(self, revision: str, instead: Mapping[str, str]) -> Loaded:
        """RulesError where it cannot be used."""
        return self._read(self._folder(revision), tuple(sorted(instead.items())))

    def _load(self, folder: Path, instead: tuple[tuple[str, str], ...]) -> Loaded:
        files = {name: text.encode("utf-8", "replace") for name, text in instead}
        return load_all(folder, category_tag=self.settings.category_tag, instead=files)


def _days(spans: Iterable[tuple[float, float]]) -> list[str]:
    """Spans of a campaign, both days included."""
    return [f"{time_windows.local(first)[:10]} – {time_windows.local(last - 1)[:10]}" for first, last in spans]


def _text(files: Mapping[str, bytes], name: str) -> str:
    """As pages show a file; a registry that is not there begins with its columns."""
    of = name.removeprefix("registries/").removesuffix(".csv")
    empty = f"{','.join(COLUMNS[of])}\n".encode() if name.startswith("registries/") and of in COLUMNS else b""
    return files.get(name, empty).decode("utf-8", "replace").removeprefix("\ufeff")


def main() -> None:
    """Answers line by line."""
    hardening.forbid_core_dumps()
    os.nice(NICE)
    sets = SandboxRules(Path(sys.argv[1]))
    sets.begin()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            answer: dict[str, Any] = {"ok": getattr(sets, request.pop("do"))(**request)}
        except (SandboxError, RulesError) as error:
            answer = {"wrong": str(error.problems[0] if isinstance(error, RulesError) else error)}
        except Exception as error:  # noqa: BLE001 # whatever a draft brings about, the next one is answered
            answer = {"wrong": f"it failed inside ({type(error).__name__}): a fault of gate106, please report it"}
        sys.stdout.buffer.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
