"""Reads ahead in the journal between two programs of the fork server.

In: the settings' path, the time, the programs' command lines. Out: nothing but warm memory (archive/segment_index.py). Never: reading when
nobody has asked lately; a fork delayed for long; a fault reported: the program reads the same and reports it.

The next search then finds most of the reading done. Before the first program the rules in force are loaded once, which warms caches of
words and patterns.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from proxy.archive import segment_index
from proxy.archive.manifest import journal_folder, load
from proxy.archive.secret_keys import ArchiveKeys, may_make_keys
from proxy.config import ArchiveLocations, archive_locations
from proxy.config import load as config_of
from proxy.journal.disk import OsDisk
from proxy.journal.sealing import KeyRing
from proxy.policy.loading.load_rules import load as load_rules

QUESTIONS = frozenset(("find", "explain"))
AT_ONCE_S = 0.05
"""Time for reading before a fork, and between two checks for a request."""
EVERY_S = 1.0
LATELY_S = 600.0
"""For so long after a query the next one is expected."""


class Prefetch:
    def __init__(self, config: Path) -> None:
        self._config = config
        self._ahead: list[segment_index.SegmentIndex] | None = None
        """Of each journal of the gate; None: not looked for yet."""
        self._asked_s = -LATELY_S
        self._done = True
        with contextlib.suppress(Exception):  # the program that needs them reports what is wrong
            load_rules(config_of(config).rules)

    def asked(self, argv: Sequence[str]) -> None:
        """Called before a fork for this command line."""
        if not argv or argv[0] not in QUESTIONS:
            return
        self._asked_s = time.monotonic()
        self.read_on()

    @property
    def wait_s(self) -> float | None:
        """How long to wait for a request before reading on; None: without limit."""
        if time.monotonic() - self._asked_s > LATELY_S:
            return None
        return EVERY_S if self._done else 0.0

    def read_on(self) -> None:
        try:
            if self._ahead is None:
                self._ahead = _ahead_of(archive_locations(self._config, every=True)) or None
                segment_index.share_indexes(self._ahead or ())
            until = time.monotonic() + AT_ONCE_S
            self._done = all(one.read_on(until) for one in self._ahead or ())
        except Exception:  # noqa: BLE001 # as above; the next program must begin all the same
            self._ahead, self._done = None, True
            segment_index.share_indexes(())


def _ahead_of(places: ArchiveLocations) -> list[segment_index.SegmentIndex]:
    if not places.journals:
        return []
    folder, ring = places.archive.folder, KeyRing.of_files(places.sealing.keys)
    keys = ArchiveKeys(places.archive.keys, make=may_make_keys(folder, places.journal))

    def one(disk: OsDisk, node: int) -> segment_index.SegmentIndex:
        def rolled() -> int:
            home = journal_folder(folder, node, disk.identity())
            return load(home).last if home.is_dir() else 0

        return segment_index.SegmentIndex(disk, keys, rolled)

    return [one(OsDisk(journal, ring), node) for journal, node in places.journals]
