"""Places: how a point of the real gate's way is found: by one method replaced with itself and a count.

In: a method, a question about its arguments. Out: Death at the n-th occurrence, by SIGKILL. Never: a hook in the production code, or a
change to what the gate does before.
"""

from __future__ import annotations

import functools
import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

from proxy.journal.disk import OsDisk
from proxy.net.link import Link
from proxy.relay.pending_submit import Outbox, PendingSubmit
from proxy.server import wiring
from proxy.wire import Session


@dataclass(frozen=True)
class Plan:
    """How one life of a gate is to end."""

    point: str
    nth: int
    death: str
    """The file that is written just before."""
    checkpoint_s: float = 0.1
    segment_bytes: int = 64 << 20
    piece_bytes: int = 500
    """Of a checkpoint, committed on their own."""
    medium: str = ""
    """The folder of which a power loss will leave what is on the medium; empty: there will be none."""
    behind: str = ""
    """A file before which nothing occurs: a follower's state, without which nothing can be restored."""
    clock: tuple[tuple[float, float], ...] = ()
    """When the wall clock jumps, in seconds since the gate is open, and by how many."""


class Death:
    """Counts occurrences of the point; the n-th is the last thing this process does."""

    def __init__(self, plan: Plan, from_start: bool) -> None:
        self.plan = plan
        self.left = plan.nth
        self.armed = from_start
        self.gate: wiring.GateProcess | None = None

    def occurs(self, last_act: Callable[[], object] | None = None) -> None:
        if not self.armed or (self.plan.behind and not Path(self.plan.behind).exists()):
            return
        self.left -= 1
        if self.left:
            return
        if last_act is not None:
            last_act()
        Path(self.plan.death).write_text(json.dumps(asdict(self.plan)))
        os.kill(os.getpid(), signal.SIGKILL)

    def push(self, session: Session) -> None:
        """The kernel gets at once what this carrier's session has to write."""
        assert self.gate is not None
        link = next(link for harness in self.gate.carrier_accounts for link in harness.links if link.session is session)
        if link.transport is not None and not link.transport.get_write_buffer_size():
            os.write(link.transport.get_extra_info("socket").fileno(), session.output())

    def sync(self) -> None:
        """Makes sure that what was written is synced, and that the gate knows."""
        assert self.gate is not None
        journal = self.gate.journal
        journal.note_synced(journal.sync())


Place = Callable[[Death], None]


def before(owner: type | ModuleType, name: str, when: Callable[..., bool] | None = None, *, synced: bool = False) -> Place:
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


def after(owner: type | ModuleType, name: str, when: Callable[..., bool] | None = None, *, synced: bool = False) -> Place:
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


def either(*places: Place) -> Place:
    """Occurrences of any of them count."""

    def place(death: Death) -> None:
        for one in places:
            one(death)

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


def parts_torn(death: Death) -> None:
    """The kernel has one part of a long message, and not the next."""
    send_all = Session.send_all

    def method(self: Session, requests: Sequence[Any], now: float) -> None:
        for place, (transit, after_it) in enumerate(pairwise(requests), 1):
            long = getattr(transit, "long", None)  # deliveries are none
            if long is not None and long is after_it.long:

                def first(place: int = place) -> None:
                    send_all(self, requests[:place], now)
                    death.push(self)

                death.occurs(first)
                break
        send_all(self, requests, now)

    Session.send_all = method  # type: ignore[method-assign]


def part_answered(death: Death) -> None:
    """What came of one part of a long message is written, while another part has no answer yet."""
    release = Outbox.release
    seen: set[int] = set()  # by the sequence of the verdict: an answer may wait here for the journal's sync

    def method(self: Outbox, synced: int, completed: list[PendingSubmit]) -> None:
        if death.gate is not None:
            flying = {id(one.long) for one in death.gate.relay.in_flight.values() if one.long is not None}
            waiting = [one for item in self if isinstance(item, list) for one in item]
            answered = {one.recorded for one in waiting if one.lane and id(one.long) in flying}
            if answered - seen:
                death.occurs()
            seen.update(answered)
        release(self, synced, completed)

    Outbox.release = method  # type: ignore[method-assign]
