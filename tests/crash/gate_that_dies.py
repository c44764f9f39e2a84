"""A gate that dies: the real gate with one method replaced, so that at the n-th occurrence of a named point it kills itself with SIGKILL.

In: a plan (which point, which occurrence) as JSON. Out: the gate's usual life up to that point, and a file that says which point it
was and what of the journal had been synced by then. Never: a hook in the production code, or a change to what the gate does before.

    python -m tests.crash.gate_that_dies '{"point": "written", "nth": 3, …}' gate106.yaml
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from proxy import app
from proxy.desk.disk import OsDisk
from proxy.desk.journal import Journal
from proxy.hearing import Hearing
from proxy.net.lane import Lane
from proxy.net.link import Link
from proxy.relay import Relay
from proxy.state.checkpoint import CheckpointFile
from proxy.state.sqlite import SqliteStore
from proxy.way_back import Arrival, WayBack, _Said
from proxy.wire import Session

SUBMIT_SM, SUBMIT_SM_RESP, DELIVER_SM, DELIVER_SM_RESP = 0x00000004, 0x80000004, 0x00000005, 0x80000005


@dataclass(frozen=True)
class Plan:
    """How one life of a gate is to end."""

    point: str
    nth: int
    death: str
    """The file that is written just before."""
    checkpoint_s: float = 0.1
    segment_bytes: int = 64 << 20


class Death:
    """Counts occurrences of the point; the n-th is the last thing this process does."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.left = plan.nth
        self.armed = POINTS[plan.point].from_start
        self.gate: app.Gate | None = None
        self.synced: dict[str, int] = {}
        """How many bytes of each segment a power loss would have left."""

    def occurs(self, last_act: Callable[[], object] | None = None) -> None:
        if not self.armed:
            return
        self.left -= 1
        if self.left:
            return
        if last_act is not None:
            last_act()
        Path(self.plan.death).write_text(json.dumps(asdict(self.plan) | {"synced": self.synced}))
        os.kill(os.getpid(), signal.SIGKILL)

    def sync(self) -> None:
        """Makes sure that what was written is synced, and that the gate knows."""
        assert self.gate is not None
        journal = self.gate.journal
        journal.note_synced(journal.sync())


Place = Callable[[Death], None]


def before(owner: type, name: str, when: Callable[..., bool] | None = None, *, synced: bool = False) -> Place:
    """``when`` is asked with the method's arguments."""

    def place(death: Death) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def method(*args: Any, **more: Any) -> Any:
            if when is None or when(*args):
                death.occurs(death.sync if synced else None)
            return original(*args, **more)

        setattr(owner, name, method)

    return place


def after(owner: type, name: str, when: Callable[..., bool] | None = None, *, synced: bool = False) -> Place:
    """``when`` is asked with the method's arguments, once it has run."""

    def place(death: Death) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def method(*args: Any, **more: Any) -> Any:
            result = original(*args, **more)
            if when is None or when(*args):
                death.occurs(death.sync if synced else None)
            return result

        setattr(owner, name, method)

    return place


def half_written(death: Death) -> None:
    """The process dies while the kernel has half of a commit group."""
    append = OsDisk.append

    def method(self: OsDisk, name: str, offset: int, data: bytes) -> None:
        if offset:
            death.occurs(lambda: append(self, name, offset, data[: len(data) // 2]))
        append(self, name, offset, data)

    OsDisk.append = method  # type: ignore[method-assign]


def gone(name: str, when: Callable[..., bool] | None = None) -> Place:
    """Once the kernel has what this method of a session put on the way: the loop writes it at the end of its turn."""

    def place(death: Death) -> None:
        original, flush = getattr(Session, name), Link.flush
        marked: set[Session] = set()

        def look(link: Link) -> None:
            if link.transport is None or not link.transport.get_write_buffer_size():
                death.occurs()
            else:
                link.turns.loop.call_soon(look, link)

        def method(self: Session, *args: Any) -> Any:
            if when is None or when(self, *args):
                marked.add(self)
            return original(self, *args)

        def flushed(self: Link) -> None:
            flush(self)
            if self.session in marked:
                marked.discard(self.session)
                self.turns.loop.call_soon(look, self)

        setattr(Session, name, method)
        Link.flush = flushed  # type: ignore[method-assign]

    return place


def _is(command: int, status: int) -> Callable[[Any, bytes], bool]:
    head = command.to_bytes(4, "big") + status.to_bytes(4, "big")
    return lambda _, data: data[4:12] == head


def _among(command: int, status: int) -> Callable[[Any, list[bytes]], bool]:
    one = _is(command, status)
    return lambda session, answers: any(one(session, data) for data in answers)


def _eventful(_: CheckpointFile, values: dict[str, str]) -> bool:
    """Whether a checkpoint is committed that has some dozen messages in it."""
    return int(values.get("counted", "0")) > 50


class Point(NamedTuple):
    says: str
    """Completes the sentence "killed …, nothing that was acknowledged is lost"."""
    place: Place
    most: int
    """The highest n that is drawn: some dozen messages bring about so many."""
    from_start: bool = False
    """Occurrences count from the process's first moment, not only once the gate is open."""
    checkpoints: bool = False
    """It needs checkpoints to come quickly."""
    sigterm: bool = False
    """It occurs while the gate is being stopped."""


POINTS: dict[str, Point] = {
    "half-written": Point("while half of an entry is written", half_written, 25),
    "written": Point(
        "when the entry is written and not synced", after(Journal, "write", lambda self, _: self.written > self.synced), 40
    ),
    "written-unsent": Point("when the entry is written and on no lane yet", before(Lane, "put"), 60),
    "synced-unsent": Point("when the entry is synced and on no lane yet", before(Lane, "put", synced=True), 60),
    "synced-unflushed": Point(
        "when the entry is synced and the frame not on its socket", after(Session, "send_all", synced=True), 40
    ),
    "sent": Point("when the frame is sent and not answered", gone("send_all"), 40),
    "answered": Point(
        "when the carrier's answer is read and not written", after(Relay, "answered", lambda *a: not a[2].command_status), 40
    ),
    "untold": Point(
        "when the carrier's answer is written and the provider not told",
        before(Session, "write_all", _among(SUBMIT_SM_RESP, 0)),
        40,
    ),
    "acknowledged": Point("as soon as the provider is told", gone("write_all", _among(SUBMIT_SM_RESP, 0)), 40),
    "refused": Point(
        "when the carrier's refusal is read and the take-back not written",
        after(Relay, "answered", lambda *a: bool(a[2].command_status)),
        8,
    ),
    "refused-untold": Point(
        "when the take-back is written and the provider not told", before(Session, "write_all", _among(SUBMIT_SM_RESP, 0x45)), 8
    ),
    "refused-told": Point("as soon as the refusal is told", gone("write_all", _among(SUBMIT_SM_RESP, 0x45)), 8),
    "optout-written": Point(
        "when an opt-out is written and not synced", before(Hearing, "_written", lambda *a: a[2].opt_out is not None), 8
    ),
    "optout-synced": Point("when an opt-out is synced and not acknowledged", before(Hearing, "_in_force"), 8),
    "optout-acknowledged": Point(
        "when an opt-out is acknowledged and that is not on its socket yet",
        after(Arrival, "safe", lambda *a: a[0].kind == "optout"),
        8,
    ),
    "restore-written": Point(
        "when what takes an opt-out back is written and not synced",
        before(Hearing, "_written", lambda *a: a[2].kind == "restore"),
        4,
    ),
    "restore-synced": Point("when what takes an opt-out back is synced and not acknowledged", before(Hearing, "_restored"), 4),
    "confirmation-written": Point("when a confirmation is written and on no lane yet", before(Hearing, "_say"), 8),
    "deliver-written": Point("when a deliver is written and not synced", before(Arrival, "done"), 20),
    "deliver-synced": Point(
        "when a deliver is synced and not acknowledged", before(Session, "write", _is(DELIVER_SM_RESP, 0)), 20
    ),
    "deliver-acknowledged": Point("as soon as a deliver is acknowledged", gone("write", _is(DELIVER_SM_RESP, 0)), 20),
    "deliver-handed": Point(
        "when a deliver is with its provider and not answered",
        gone("send", lambda _, data, *rest: _is(DELIVER_SM, 0)(_, data)),
        20,
    ),
    "delivered": Point("when a provider's acknowledgement is read and not written", after(WayBack, "delivered"), 20),
    "delivered-written": Point("when a provider's acknowledgement is written", before(_Said, "done"), 15),
    "mailbox-stored": Point(
        "when a checkpoint has part of a mailbox and is not committed",
        after(CheckpointFile, "write", lambda *a: a[1].table == "mailbox"),
        3,
        checkpoints=True,
    ),
    "checkpoint-written": Point(
        "when a checkpoint is written and not committed",
        after(CheckpointFile, "write", lambda *a: bool(a[1].rows)),
        4,
        checkpoints=True,
    ),
    "checkpoint-commit": Point(
        "just before a checkpoint is committed", before(CheckpointFile, "commit", _eventful), 3, checkpoints=True
    ),
    "checkpoint-committed": Point(
        "as soon as a checkpoint is committed", after(CheckpointFile, "commit", _eventful), 3, checkpoints=True
    ),
    "segment": Point("when a segment is begun and nothing in it", after(Journal, "_roll"), 2),
    "stopping": Point("in the last checkpoint of a stop", after(CheckpointFile, "write"), 1, sigterm=True),
    "first-start": Point("when the journal has its name and the store does not know it", after(OsDisk, "identify"), 1, True),
    "replaying": Point("in the middle of a replay", before(SqliteStore, "update"), 30, True),
    "cutting": Point("before a torn tail is cut", before(OsDisk, "truncate"), 1, True),
}


def prepare(plan: Plan) -> Death:
    """Patches the gate."""
    death = Death(plan)
    POINTS[plan.point].place(death)
    start, sync = app.Gate.start, OsDisk.sync

    async def started(self: app.Gate) -> None:
        death.gate = self
        await start(self)
        death.armed = True

    def synced(self: OsDisk, name: str) -> None:
        size = os.fstat(self._file(name)).st_size
        sync(self, name)
        death.synced[name] = size

    app.Gate.start = started  # type: ignore[method-assign]
    OsDisk.sync = synced  # type: ignore[method-assign]
    app.CHECKPOINT_S = plan.checkpoint_s
    Journal.__init__.__kwdefaults__["segment_bytes"] = plan.segment_bytes  # type: ignore[index]
    return death


def main() -> int:
    prepare(Plan(**json.loads(sys.argv[1])))
    return app.serve(Path(sys.argv[2]))


if __name__ == "__main__":
    sys.exit(main())
