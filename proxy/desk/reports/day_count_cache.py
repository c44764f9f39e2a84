"""Caches the counts of finished days beside the archive.

So that a report of a month reads each day of the journal once. The same for what the second reading of opt-outs found in a finished month.

In: the counts of a day, the segments they are from. Out: the same counts, for as long as the segments are the same. Never: a number, a
text or a signature; a day that is not over.

A day is kept once no segment is read for it that may still grow (commit_groups.py). Its provinces stay those of the map of that moment. A file
that cannot be read or written is none: the day is counted again.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from proxy.archive.audit.optout_scope import CANDIDATES_S
from proxy.desk.backtest.commit_groups import JUMP_S, segments_between
from proxy.desk.reports.daily_report import DayReport, ReportedOutcome
from proxy.journal.disk import OsDisk
from proxy.policy.time_windows import local
from proxy.runtime.atomic_files import give_to_owner

FORM = 2
"""Of the files: another number makes all days be counted again."""
AUDIT = "-optouts"
COUNTS = ("marketing_by", "optouts", "speeds", "entered")
NUMBERS = ("records", "restored", "slowest_s", "first", "last")


class DayCountCache:
    def __init__(self, folder: Path, disks: Sequence[OsDisk], now: float) -> None:
        """``disks``: the journals that are counted together."""
        self._disks, self._now = disks, now
        names = blake2b("\n".join(sorted(disk.identity() for disk in disks)).encode(), digest_size=8)
        self._folder = folder / f"day-counts-{names.hexdigest()}"

    def find(self, since: float, until: float) -> DayReport | None:
        """None where the day must be counted."""
        try:
            held = json.loads(self._path(since).read_bytes())
            return _read(held, since, until) if held["of"] == self._segments(since, until) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, sheet: DayReport) -> None:
        if sheet.until + JUMP_S > self._now:
            return
        held = {
            "of": self._segments(sheet.since, sheet.until),
            "submits": [[*key, count] for key, count in sheet.submits.items()],
            **{name: dict(getattr(sheet, name)) for name in COUNTS},
            **{name: getattr(sheet, name) for name in NUMBERS},
        }
        self._write(self._path(sheet.since), held)

    def find_audit(self, since: float, until: float) -> int | None:
        """What the second reading found in a period; None where it must be done."""
        try:
            held = json.loads(self._path(since, AUDIT).read_bytes())
            return int(held["found"]) if held["of"] == self._segments(since - CANDIDATES_S, until) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep_audit(self, since: float, until: float, found: int) -> None:
        if until + JUMP_S <= self._now:
            self._write(self._path(since, AUDIT), {"of": self._segments(since - CANDIDATES_S, until), "found": found})

    def _write(self, path: Path, held: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            if not self._folder.is_dir():
                self._folder.mkdir(mode=0o700, exist_ok=True)
                give_to_owner(self._folder)
            half, name = tempfile.mkstemp(dir=self._folder)
            with os.fdopen(half, "w", encoding="utf-8") as file:
                json.dump(held, file, ensure_ascii=False)
            give_to_owner(Path(name))
            Path(name).replace(path)

    def _path(self, since: float, what: str = "") -> Path:
        return self._folder / f"{local(since)[:10]}{what}.json"

    def _segments(self, since: float, until: float) -> str:
        found = [FORM, *([disk.identity(), segments_between(disk, since, until)] for disk in self._disks)]
        return blake2b(json.dumps(found).encode(), digest_size=16).hexdigest()


def _read(held: dict[str, Any], since: float, until: float) -> DayReport:
    sheet = DayReport(since, until)
    sheet.submits.update({ReportedOutcome(*key): count for *key, count in held["submits"]})
    for name in COUNTS:
        setattr(sheet, name, Counter(held[name]))
    for name in NUMBERS:
        setattr(sheet, name, held[name])
    return sheet
