"""The process of the event stream, which dies at the n-th occurrence of a named point of its own.

python -m tests.crash.sender_that_dies '{"point": "position-half", "nth": 1, "death": "/tmp/x/death"}' gate106.yaml
"""

from __future__ import annotations

import json
import sys

from proxy.__main__ import main as gate106
from proxy.archive.stream import sender
from proxy.archive.stream.sender import StreamPosition, StreamSender
from proxy.journal.tail import JournalTail
from proxy.runtime import atomic_files
from tests.crash.places import Death, Plan, after, before
from tests.crash.points import Point

POINTS = {
    "events-produced": Point("when events are on their way and none is acknowledged", after(StreamSender, "_send"), 60),
    "events-acknowledged": Point(
        "when events are acknowledged and the position does not know",
        before(StreamSender, "_advance", lambda self: bool(self._in_flight) and self._in_flight[0].done),
        3,
    ),
    "position-unsaved": Point("when the position is behind them and not saved", before(StreamPosition, "save"), 2),
    "position-half": Point("when the position is written beside the last one", before(atomic_files, "commit_file"), 2),
    "position-saved": Point("as soon as the position is saved", after(StreamPosition, "save"), 2),
    "trimmed": Point(
        "when records older than keep_days are skipped and the position does not know",
        after(JournalTail, "skip_before", lambda self, _: self.skipped),
        1,
    ),
}


def main() -> None:
    plan = Plan(**json.loads(sys.argv[1]))
    sender.SAVE_S = 0.2
    POINTS[plan.point].place(Death(plan, from_start=True))
    sys.argv = ["gate106", "journal", "push", "--config", sys.argv[2]]
    gate106()


if __name__ == "__main__":
    main()
