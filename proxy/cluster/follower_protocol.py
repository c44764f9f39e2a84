"""Frames between a gate and its journal's follower; epochs.

In: bytes of either side. Out: (kind, body). Never: a socket, a file of the journal.

    gate → follower   HELLO {journal, epoch, for: octets | files, node, gate}
    follower → gate   WELCOME {node, …}, or at any time REFUSED {why, fenced: by a newer epoch, passes: by a disk that is full, say}
    for octets        WELCOME {segment, offset, digest of the segment so far}; then → OCTETS (segment, offset, data), PING; ← ACK (u64)
    for files         WELCOME {files}; then → FILE {path, size, mtime_ns, behind} with PIECEs, or REMOVE {paths}; ← ACK

**Nodes.** ``node``: the number of a gate on a shared store, or of one of its workers, whose copy is the folder ``node-8``; none: a gate on an
embedded store, whose copy is the follower's folder itself. ``gate``: the number of a worker's gate, which is that of its first worker.

An ACK counts the octets of this connection that the follower has synced; for files it is 1 where the file is there, 0 where it is not.

**Epochs.** A node that is restored begins a new epoch; the follower takes octets of the newest epoch alone. The number is in the file ``epoch``
beside the segments, on both sides. A gate that was refused keeps the reason in the file ``fenced``, and does not start again.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from proxy.runtime import atomic_files

HELLO, WELCOME, REFUSED, OCTETS, PING, ACK, FILE, PIECE, REMOVE = range(1, 10)
PIECE_BYTES = 256 << 10
"""Of a file, or a segment, in one frame."""
BODY_BYTES_MAX = 64 << 20
"""The list of a copy's files is the largest body: some 100 bytes each."""
SEGMENT = re.compile(r"[0-9]{20}\.journal")
NOT_OURS = "what arrives is not gate106's protocol of followers: do both sides run the same version?"
_HEAD = struct.Struct(">IB")
_PLACE = struct.Struct(">28sQ")
_COUNT = struct.Struct(">Q")


class FollowerFault(Exception):
    """Gate and follower cannot go on with each other; the text says why and what to do."""

    def __init__(self, why: str, *, fenced: bool = False, passes: bool = False) -> None:
        super().__init__(why)
        self.fenced, self.passes = fenced, passes


def frame(kind: int, body: bytes = b"") -> bytes:
    return _HEAD.pack(len(body), kind) + body


def fields(kind: int, content: Any) -> bytes:
    return frame(kind, json.dumps(content).encode())


def octets(segment: str, offset: int, data: bytes) -> bytes:
    return frame(OCTETS, _PLACE.pack(segment.encode(), offset) + data)


def octets_of(body: bytes) -> tuple[str, int, memoryview]:
    """Segment, offset and data. FollowerFault."""
    if len(body) < _PLACE.size:
        raise FollowerFault(NOT_OURS)
    name, offset = _PLACE.unpack_from(body)
    segment = name.decode("ascii", "replace")
    if not SEGMENT.fullmatch(segment):
        raise FollowerFault(NOT_OURS)
    return segment, offset, memoryview(body)[_PLACE.size :]


def hello(wanted: str, journal: str, epoch: int, node: int | None, gate: int | None) -> bytes:
    """``wanted``: octets, files."""
    return fields(HELLO, {"journal": journal, "epoch": epoch, "for": wanted, "node": node, "gate": gate})


def refuse_other_node(welcome: dict[str, Any], node: int | None) -> None:
    """FollowerFault where the follower is of a version that does not tell nodes apart."""
    if welcome.get("node") != node:
        raise FollowerFault(NOT_OURS)


def ack(count: int) -> bytes:
    return frame(ACK, _COUNT.pack(count))


def count_of(body: bytes) -> int:
    if len(body) != _COUNT.size:
        raise FollowerFault(NOT_OURS)
    return int(_COUNT.unpack(body)[0])


def content_of(body: bytes) -> dict[str, Any]:
    """The fields of a frame. FollowerFault."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise FollowerFault(NOT_OURS)
    return found


class Frames:
    """Cuts what arrives into frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """FollowerFault where a frame is longer than any may be."""
        self._data += data
        at = 0
        while len(self._data) - at >= _HEAD.size:
            size, kind = _HEAD.unpack_from(self._data, at)
            if size > BODY_BYTES_MAX:
                raise FollowerFault(NOT_OURS)
            end = at + _HEAD.size + size
            if end > len(self._data):
                break
            yield kind, bytes(memoryview(self._data)[at + _HEAD.size : end])
            at = end
        del self._data[:at]


# -- nodes

_GATE = "gate"


def folder_of(node: object) -> str:
    """Where below the follower's folder a node's copy is. FollowerFault."""
    if node is None:
        return ""
    if not isinstance(node, int) or not 0 <= node <= 255:
        raise FollowerFault(NOT_OURS)
    return f"node-{int(node)}"


def note_gate(copy: Path, gate: object) -> None:
    """Keeps whether a copy is of a worker, and of which gate."""
    known = _gate_of(copy)
    if isinstance(gate, int) and gate != known:
        atomic_files.write_file(copy / _GATE, b"%d\n" % gate)
    elif gate is None and known is not None:
        atomic_files.remove_file(copy / _GATE)


def workers_of(folder: Path, gate: int) -> list[int]:
    """The nodes of a gate's workers in a follower's folder; none where the gate has no workers."""
    found = [node for node in range(gate, 256) if _gate_of(folder / folder_of(node)) == gate]
    return found if gate in found else []


def _gate_of(copy: Path) -> int | None:
    try:
        return int((copy / _GATE).read_text())
    except FileNotFoundError:
        return None


# -- epochs

EPOCH, FENCED = "epoch", "fenced"


def epoch_of(journal: Path) -> int:
    """The epoch of a journal or a copy: 1 until a node was restored from a follower."""
    try:
        return int((journal / EPOCH).read_text())
    except FileNotFoundError:
        return 1


def begin_epoch(journal: Path, epoch: int) -> None:
    atomic_files.write_file(journal / EPOCH, b"%d\n" % epoch)


def fence(journal: Path, why: str) -> None:
    """This node was replaced: it does not start again."""
    atomic_files.write_file(journal / FENCED, why.encode())


def fenced(journal: Path) -> str:
    """Why this node must not serve: it was replaced; empty where it may."""
    try:
        return f"{journal / FENCED}: {(journal / FENCED).read_text()}"
    except FileNotFoundError:
        return ""


def refuse_fenced(journal: Path) -> None:
    """FollowerFault where the node was replaced."""
    if why := fenced(journal):
        raise FollowerFault(why, fenced=True)
