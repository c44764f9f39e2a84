"""Decides what a follower is sent, and which answers may go. Pure.

In: where the synced octets end, a connection's beginning and end, the follower's acknowledgements. Out: frames; ``journal.synced`` for answers
that wait; ``journal.held`` while the follower is away and the settings say ``defer``. Never: a socket, an event loop; octets that this machine
has not synced (so the follower is never ahead of a gate that lost power), an answer before the follower has synced its records (mode ``sync``).

    journal synced here → octets from the position on → follower writes, syncs, acknowledges → ``journal.synced`` → answers

After a connection is lost the follower says where its copy ends, with a digest; the gate goes on from there, or refuses a copy of other
octets. follower_link.py is the connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, cast

import structlog

from proxy.cluster import follower_protocol as protocol
from proxy.cluster.follower_protocol import FollowerFault
from proxy.config import Follower
from proxy.journal.disk import OsDisk
from proxy.journal.segment import HEADER_BYTES, unpack_header
from proxy.journal.write_ahead_log import Journal
from proxy.runtime.os_errors import in_words

log = structlog.get_logger()

UNACKNOWLEDGED_BYTES = 1 << 20
"""A follower that lacks no more than this, all of it on its way, has caught up: from then on answers wait for it."""
LAG_STEP_S = 0.02
"""Records of so short a time, or of 1 % of the lag, count as one for the lag."""


class FollowerFeed:
    def __init__(
        self,
        settings: Follower,
        journal: Journal,
        wake: Callable[[], None],
        stop: Callable[[str], None],
        monotonic: Callable[[], float],
        node: int | None = None,
        gate: int | None = None,
    ) -> None:
        """``wake``: answers may go. ``stop``: this node was replaced. ``node``, ``gate``: whose copy it is (follower_protocol.py)."""
        self._settings, self._journal = settings, journal
        self._disk = cast("OsDisk", journal.disk)
        self._wake, self._stop, self._monotonic = wake, stop, monotonic
        self._node, self._gate = node, gate
        self._needed = self._in_force = False  # whether answers must wait for the follower; whether they do
        self.away = "it was not in reach yet"
        """Why the follower may lack what was answered; empty when it does not."""
        self._logged = False  # whether it was away for the log, too
        self._write: Callable[[bytes], object] | None = None
        self._abort: Callable[[], object] = bool
        self._paused = False
        self._end, self._durable = journal.end, journal.durable
        self._position = "", 0  # what was sent ends there
        self._sent = 0  # octets of this connection
        self._waiting: deque[tuple[int, int]] = deque()  # octets of this connection, the last record that they complete
        self._acknowledged = 0
        self._unsafe: deque[tuple[int, float]] = deque()
        """Records that the follower may lack: the last of some, since when the first."""
        self._heard_s = 0.0
        self._may_lack_all()  # of the process before
        journal.on_durable = self._on_durable

    # -- for the rest of the gate

    def need(self) -> None:
        """From now on answers wait for the follower, where the settings say so."""
        self._needed = self._settings.mode == "sync"
        self._in_force = self._needed and (not self.away or self._settings.when_away == "defer")
        if self.away:
            self._is_away(self.away)

    @property
    def kept(self) -> bool:
        """Whether the follower has what the settings promise."""
        if self._settings.mode == "sync":
            return not self.away
        return self.lag_s <= self._settings.behind_s

    @property
    def lag_s(self) -> float:
        """Since when the follower may lack a record."""
        return self._monotonic() - self._unsafe[0][1] if self._unsafe else 0.0

    def notes(self) -> list[str]:
        """For /readyz."""
        if self.kept:
            return []
        if self._settings.mode == "sync":
            return [f"follower: it lacks records, for {self.away}; with when_away: go_on answers do not wait for it"]
        return [f"follower: it is {self.lag_s:.0f} s behind, more than behind_s: {self.away or 'it is slow'}"]

    # -- sending

    def hello(self, epoch: int) -> bytes:
        return protocol.hello("octets", self._journal.identity.hex(), epoch, self._node, self._gate)

    def position_of(self, welcome: dict[str, Any], end: tuple[str, int]) -> tuple[str, int]:
        """Where to go on; reads a segment. FollowerFault where its copy is not of our octets, ConnectionResetError where that passes."""
        protocol.refuse_other_node(welcome, self._node)
        name, offset = str(welcome.get("segment", "")), int(welcome.get("offset", 0))
        if not name:
            return "", 0
        if (name, offset) > end:
            raise FollowerFault(
                f"its copy goes on to {name}:{offset}, and this journal ends at {end[0]}:{end[1]}: this is not the newest copy of the node. "
                "Restore it from the follower (gate106 backup restore), or move the follower's folder away to begin a new copy"
            )
        try:
            data = self._disk.read(name, offset)
        except FileNotFoundError:
            return "", 0  # retention has removed it: the follower gets what is left
        if blake2b(data, digest_size=16).hexdigest() != welcome.get("digest"):
            if unpack_header(self._disk.read(name, HEADER_BYTES)).redacted:
                raise ConnectionResetError(
                    f"its copy of {name} is from before an erasure: the next copy of files replaces it (gate106 follower update)"
                )
            raise FollowerFault(
                f"its copy of {name} differs from this journal: find out which of them was altered; a new copy begins when the follower's "
                "folder is moved away"
            )
        return name, offset

    def connected(self, position: tuple[str, int], write: Callable[[bytes], object], abort: Callable[[], object]) -> None:
        """The follower has welcomed us. ``abort``: ends the connection."""
        self._position, self._write, self._abort = position, write, abort
        self._sent, self._paused, self._heard_s = 0, False, self._monotonic()
        self._waiting.clear()
        self._acknowledged = 0  # its copy may be another than before
        if position < self._end:
            self._may_lack_all()

    def ping(self) -> None:
        """Sends what is left, and asks for an acknowledgement. TimeoutError where there was none for too long."""
        if self._write is None:
            return
        self._send()
        if self._write is not None:
            self._write(protocol.frame(protocol.PING))
        if self._monotonic() - self._heard_s > self._settings.away_s:
            raise TimeoutError

    def disconnected(self, why: str) -> None:
        self._write = None
        self._is_away(why)

    def replaced(self, why: str) -> None:
        """Another node was restored from the follower: no answer goes any more."""
        self._write = None
        self._needed = self._in_force = True
        self._journal.held = why
        self._stop(why)

    def _may_lack_all(self) -> None:
        if self._durable and not self._unsafe:
            self._unsafe.append((self._durable, self._monotonic()))

    def _on_durable(self, sequence: int, segment: str, end: int) -> None:
        self._end, self._durable = (segment, end), sequence
        now_s = self._monotonic()
        if self._unsafe and now_s - self._unsafe[-1][1] < max(LAG_STEP_S, self.lag_s / 100):
            self._unsafe[-1] = sequence, self._unsafe[-1][1]
        else:
            self._unsafe.append((sequence, now_s))
        if not self._in_force:
            self._journal.synced = sequence
        self._send()

    def _send(self) -> None:
        """Sends what is synced here, as long as the connection takes it."""
        while self._write is not None and not self._paused and self._position < self._end:
            name, offset = self._position
            data = b""
            try:
                end = self._end[1] if name == self._end[0] else self._disk.size(name) if name else 0
                if offset < end:
                    data = self._disk.read(name, min(end - offset, protocol.PIECE_BYTES), offset)
            except FileNotFoundError:  # retention has removed it: the journal says so
                pass
            except OSError as error:
                self.away = in_words(error)
                self._abort()
                return
            if not data:
                self._position = min(one for one in self._disk.list() if one > name), 0
                continue
            self._write(protocol.octets(name, offset, data))
            self._sent += len(data)
            self._position = name, offset + len(data)
            if self._position == self._end:
                self._waiting.append((self._sent, self._durable))

    def _acknowledge(self, count: int) -> None:
        self._heard_s = self._monotonic()
        while self._waiting and self._waiting[0][0] <= count:
            self._acknowledged = self._waiting.popleft()[1]
        caught_up = self._position == self._end and self._sent - count < UNACKNOWLEDGED_BYTES
        if caught_up and count == self._sent:
            self._acknowledged = self._durable
        while self._unsafe and self._unsafe[0][0] <= self._acknowledged:
            self._unsafe.popleft()
        self._in_force = self._needed and (self._in_force or caught_up)
        if self._in_force and self._acknowledged > self._journal.synced:
            self._journal.synced = self._acknowledged
            self._wake()
        if caught_up and (
            not self._needed or self._acknowledged >= self._journal.synced
        ):  # else it lacks what was answered without it
            self._is_back()

    # -- away and back

    def _is_away(self, why: str) -> None:
        if not self.away or not self._logged:
            self._logged = True
            log.error("follower away", why=why, when_away=self._settings.when_away or "go_on")
        self.away = why
        if self._needed and self._settings.when_away == "defer":
            self._journal.held = f"the follower at {self._where} is away ({why}), and when_away is defer: bring it back"
        elif self._needed:
            self._in_force = False
            self._journal.synced = self._journal.durable
            self._wake()

    def _is_back(self) -> None:
        if self.away:
            log.info("follower has caught up")
        self.away = self._journal.held = ""

    @property
    def _where(self) -> str:
        return f"{self._settings.address.host}:{self._settings.address.port}"
