"""The events of a journal that a test has, as its node would send them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from proxy.archive.secret_keys import ArchiveKeys
from proxy.archive.stream.events import EventWriter
from proxy.journal.disk import Disk
from proxy.journal.tail import JournalTail


def events_of(disk: Disk, node: int, keys: ArchiveKeys, behind: int | None = None) -> Iterator[dict[str, Any]]:
    """With texts; ``behind``: the last record whose event is known."""
    writer = EventWriter(node, disk.identity(), keys.person, {}, texts=True)
    for group in JournalTail(disk, behind).read():
        for record in group.records:
            if record.sequence > (behind or 0) and (event := writer.event(record, group.time_ms)) is not None:
                yield json.loads(event)
