"""Points: the moments of a message's, a reply's and a checkpoint's way at which the gate is killed, or its follower, each with a sentence.

In: places. Out: POINTS by name. Never: when, or how often, a point comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from proxy.cluster import follower_protocol
from proxy.cluster.follower import FollowerFolder, _Incoming
from proxy.cluster.follower_feed import FollowerFeed
from proxy.journal.disk import OsDisk
from proxy.journal.write_ahead_log import Journal
from proxy.net.lane import Lane
from proxy.relay.commands import SettledQuery
from proxy.relay.deliver import DeliverRelay, _MailboxNews
from proxy.relay.deliver_batch import ArrivedReply
from proxy.relay.multipart.handler import PartHandler
from proxy.relay.optout_reply import ReplyHandler
from proxy.relay.pending_submit import PendingSubmit
from proxy.relay.replace_sm import ReplaceSm
from proxy.relay.submit import Relay
from proxy.relay.submit_multi import CarrierMulti
from proxy.server import backup
from proxy.state.embedded.checkpoint import CheckpointFile
from proxy.state.mailbox.deliver_queue import Item
from proxy.state.mailbox.mailbox import Mailbox
from proxy.state.stores.sqlite import SqliteStore
from proxy.wire import Session
from tests.crash.places import Place, after, before, either, gone, half_written, part_answered, parts_torn
from tests.e2e.pdus import DELIVER_SM, REPLACE_SM, RESPONSE, SUBMIT_MULTI, SUBMIT_SM

DELIVER_SM_RESP, REPLACE_SM_RESP = DELIVER_SM | RESPONSE, REPLACE_SM | RESPONSE
SUBMIT_SM_RESP, SUBMIT_MULTI_RESP = SUBMIT_SM | RESPONSE, SUBMIT_MULTI | RESPONSE


def _is(command: int, status: int) -> Callable[[Any, bytes], bool]:
    head = command.to_bytes(4, "big") + status.to_bytes(4, "big")
    return lambda _, data: data[4:12] == head


def _among(command: int, status: int) -> Callable[[Any, list[bytes]], bool]:
    one = _is(command, status)
    return lambda session, answers: any(one(session, data) for data in answers)


def _made_of(kind: type) -> Callable[..., bool]:
    """Whether among requests there is one of this kind."""
    return lambda _, requests, *rest: any(isinstance(one, kind) for one in requests)


def _eventful(_: CheckpointFile, values: dict[str, str]) -> bool:
    """Whether a checkpoint is committed that has some dozen messages in it."""
    return int(values.get("counted", "0")) > 50


def _follows(_: Lane, transit: PendingSubmit) -> bool:
    """Whether it is a part that leaves with others, and not the first."""
    long = transit.long
    return long is not None and transit in long.batch and transit is not long.leader


def _late(_: Lane, transit: PendingSubmit) -> bool:
    """Whether it is a part that came when its message was judged."""
    return transit.long is not None and transit not in transit.long.batch


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
    whole: bool = False
    """Checkpoints are not to be cut into pieces: between them all that was in a mailbox may have left it."""

    follower: bool = False
    """The gate has a follower, and its machine is lost when it dies."""
    dies: str = "gate"
    """What dies: the ``gate``, its ``follower``, a ``restore`` from that, the gate that was ``replaced`` by a restored one."""


POINTS: dict[str, Point] = {
    "half-written": Point("while half of an entry is written", half_written, 25),
    "written": Point(
        "when the entry is written and not synced", after(Journal, "write", lambda self, _: self.written > self.synced), 40
    ),
    "written-unsent": Point("when the entry is written and on no lane yet", before(Lane, "put"), 60),
    "synced-unsent": Point("when the entry is synced and on no lane yet", before(Lane, "put", synced=True), 60),
    "synced-unflushed": Point(
        "when the entry is synced and the frame not on its socket",
        after(Session, "send_all", _made_of(PendingSubmit), synced=True),
        40,
    ),
    "sent": Point("when the frame is sent and not answered", gone("send_all", _made_of(PendingSubmit)), 40),
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
    "parts-waiting": Point(
        "while a part of a long message waits for the others", after(PartHandler, "take", lambda *a: a[1].long.waiting), 20
    ),
    "parts-written": Point(
        "when the parts of a long message are written and not all on a lane yet", before(Lane, "put", _follows), 15
    ),
    "parts-torn": Point("when one part of a long message is sent and the next is not", parts_torn, 12),
    "part-answered": Point(
        "when the answer to one part of a long message is written and that to another not read", part_answered, 6
    ),
    "late-written": Point("when a part that came late is written and not sent", before(Lane, "put", _late), 6),
    "late-breach": Point(
        "when the refusal of a part that came late is written and not told",
        before(PartHandler, "_refused", lambda *a: a[2].reason == "late-breach"),
        10,
    ),
    "many-written": Point("when a message to many is written for each and on no lane yet", before(CarrierMulti, "enqueue"), 12),
    "many-sent": Point(
        "when a message to many is sent and not answered",
        gone("send_all", _made_of(CarrierMulti)),
        8,
    ),
    "many-answered": Point(
        "when the carrier's answer to a message to many is read and not written", after(CarrierMulti, "answered"), 12
    ),
    "many-untold": Point(
        "when the carrier's answer to a message to many is written and the provider not told",
        before(Session, "write_all", _among(SUBMIT_MULTI_RESP, 0)),
        12,
    ),
    "many-told": Point(
        "as soon as the provider is told of a message to many", gone("write_all", _among(SUBMIT_MULTI_RESP, 0)), 12
    ),
    "replacing": Point("when a replacement is written and on no lane yet", before(ReplaceSm, "enqueue"), 8),
    "replaced": Point("when the carrier's answer to a replacement is read and not written", after(ReplaceSm, "answered"), 8),
    "replaced-told": Point(
        "as soon as the provider is told of a replacement", gone("write_all", _among(REPLACE_SM_RESP, 0)), 8
    ),
    "unreplaced": Point(
        "when a replacement that the carrier refused is undone and the provider not told", before(ReplaceSm, "_answer"), 2
    ),
    "asked": Point("when the answer to a question is written and the provider not told", before(SettledQuery, "done"), 8),
    "optout-written": Point(
        "when an opt-out is written and not synced", before(ReplyHandler, "_written", lambda *a: bool(a[2].opt_outs)), 8
    ),
    "optout-synced": Point("when an opt-out is synced and not acknowledged", before(ReplyHandler, "_in_force"), 8),
    "optout-acknowledged": Point(
        "when an opt-out is acknowledged and that is not on its socket yet",
        after(ArrivedReply, "safe", lambda *a: a[0].kind == "optout"),
        8,
    ),
    "restore-written": Point(
        "when what takes an opt-out back is written and not synced",
        before(ReplyHandler, "_written", lambda *a: a[2].kind == "restore"),
        4,
    ),
    "restore-synced": Point(
        "when what takes an opt-out back is synced and not acknowledged", before(ReplyHandler, "_restored"), 4
    ),
    "confirmation-written": Point(
        "when a confirmation is written and on no lane yet", before(ReplyHandler, "_send_confirmation"), 8
    ),
    "deliver-written": Point(
        "when a deliver is written and not synced", either(before(ArrivedReply, "done"), before(Mailbox, "put_all")), 20
    ),
    "deliver-synced": Point(
        "when a deliver is synced and not acknowledged", before(Session, "write_all", _among(DELIVER_SM_RESP, 0)), 20
    ),
    "deliver-acknowledged": Point("as soon as a deliver is acknowledged", gone("write_all", _among(DELIVER_SM_RESP, 0)), 20),
    "deliver-handed": Point(
        "when a deliver is with its provider and not answered",
        gone("send_all", _made_of(Item)),
        20,
    ),
    "delivered": Point(
        "when a provider's acknowledgement is read and not written",
        after(DeliverRelay, "delivered_all", lambda _, items: bool(items)),
        20,
    ),
    "delivered-written": Point("when a provider's acknowledgement is written", before(_MailboxNews, "done"), 15),
    "mailbox-stored": Point(
        "when a checkpoint has part of a mailbox and is not committed",
        after(CheckpointFile, "write", lambda *a: a[1].table == "mailbox"),
        3,
        checkpoints=True,
        whole=True,
    ),
    "checkpoint-written": Point(
        "when a checkpoint is written and not committed",
        after(CheckpointFile, "write", lambda *a: bool(a[1].rows)),
        4,
        checkpoints=True,
    ),
    "checkpoint-piece": Point(
        "when some records of a checkpoint are committed and its place in the journal is not",
        after(CheckpointFile, "commit", lambda *a: not a[1]),
        6,
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
    "follower-unsent": Point(
        "when records are synced and the follower does not have them",
        before(FollowerFeed, "_send", lambda self: self._position < self._end),
        40,
        follower=True,
    ),
    "follower-sent": Point(
        "when records are on their way to the follower",
        after(FollowerFeed, "_send", lambda self: bool(self._waiting)),
        40,
        follower=True,
    ),
    "follower-untold": Point(
        "when the follower has synced records and nobody is told",
        before(FollowerFeed, "_acknowledge", lambda self, count: bool(self._waiting) and self._waiting[0][0] <= count),
        40,
        follower=True,
    ),
    "follower-told": Point(
        "when answers may go because the follower has them, and none is on its socket",
        after(FollowerFeed, "_acknowledge", lambda self, count: self._acknowledged == self._journal.synced),
        40,
        follower=True,
    ),
    "copy-written": Point(
        "when the follower has written records and not synced them",
        after(FollowerFolder, "append"),
        60,
        follower=True,
        dies="follower",
    ),
    "copy-synced": Point(
        "when the follower has synced records and not said so",
        after(FollowerFolder, "sync"),
        60,
        follower=True,
        dies="follower",
    ),
    "file-half": Point(
        "while the follower writes a file that it gets",
        after(_Incoming, "write"),
        3,
        checkpoints=True,
        follower=True,
        dies="follower",
    ),
    "file-whole": Point(
        "when the follower has a file, and not in its place",
        before(_Incoming, "commit"),
        3,
        checkpoints=True,
        follower=True,
        dies="follower",
    ),
    "file-put": Point(
        "when a file is in its place at the follower, and the gate does not know",
        after(_Incoming, "commit", lambda self: not self._half.exists()),
        3,
        checkpoints=True,
        follower=True,
        dies="follower",
    ),
    "restore-proved": Point(
        "when what is restored is proved, and the follower still takes the old node",
        before(backup, "begin_epoch"),
        1,
        follower=True,
        dies="restore",
    ),
    "restore-unlisted": Point(
        "when the follower refuses the old node, and what is restored has no manifest",
        after(backup, "begin_epoch"),
        1,
        follower=True,
        dies="restore",
    ),
    "restore-half": Point("amid the files that are restored", after(backup, "_copied"), 2, follower=True, dies="restore"),
    "fence-unwritten": Point(
        "when it is told that it was replaced, and nothing is written of that",
        before(follower_protocol, "fence"),
        1,
        follower=True,
        dies="replaced",
    ),
    "fence-written": Point(
        "when it has written that it was replaced, and still runs",
        after(follower_protocol, "fence"),
        1,
        follower=True,
        dies="replaced",
    ),
    "first-start": Point("when the journal has its name and the store does not know it", after(OsDisk, "identify"), 1, True),
    "replaying": Point("in the middle of a replay", before(SqliteStore, "update"), 30, True),
    "cutting": Point("before a torn tail is cut", before(OsDisk, "truncate"), 1, True),
}
