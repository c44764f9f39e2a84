"""Opt-out trace: the journal of a gate, running or not, asked about one person's refusals (``gate106 optout trace``): of a gate of several
workers those of all, for a reply may come to another than what was sent.

In: a number, where the journal is. Out: a ``Trace``, or ``CannotTrace`` with whose fault it is. Never: a byte changed, the store.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from proxy.config import Sealing, SettingsError, rest_places
from proxy.desk.journal import JournalDamaged
from proxy.desk.optouts import Read, Trace, in_order, trace
from proxy.desk.sealing import Ring, SealingError
from proxy.number import NotARecipient, recipient_of
from proxy.overtaken import Walk
from proxy.policy.text import signature
from proxy.replies import understood
from proxy.wire import Frame, Malformed, Memo, read_deliver, read_submit

TRIES = 3
"""A journal that is being written may be caught in the middle; damage stays."""


class CannotTrace(Exception):
    """The question cannot be answered; the text says why and what to do."""


def trace_optouts(number: str, config: Path, folder: Path | None, now: float) -> Trace:
    """What became of this person's refusals, in force as of ``now``. ``folder``: the journal's, instead of what the settings say."""
    recipient = person_of(number)
    folders = [] if folder is None else [folder]
    sealing = Sealing(())
    try:
        places = rest_places(config, every=True)
        folders, sealing = folders or [one for one, _ in places.journals] or [places.journal], places.sealing
    except SettingsError as error:
        if folder is None:
            raise CannotTrace(f"{error} (or name the journal's folder: --journal)") from None
    if not folders[0].is_dir():
        raise CannotTrace(f"{folders[0]}: no such folder (a gate that has run leaves its journal there)")
    try:
        return _traced(folders, Ring.of_files(sealing.keys), recipient, now)
    except SealingError as error:
        raise CannotTrace(error) from None


def _traced(folders: Sequence[Path], ring: Ring, recipient: int, now: float) -> Trace:
    left = TRIES
    while True:
        left -= 1
        try:
            walks = [Walk(folder, ring) for folder in folders]
            found = trace(in_order(walks), recipient, Read(_text, _signature), now)
            for folder, walk in zip(folders, walks, strict=True):
                if walk.unexplained:
                    raise CannotTrace(f"{folder}: {walk.unexplained}")
                found.missing += [(hole.first, hole.last) for hole in walk.holes]
            return found
        except JournalDamaged as damage:
            if not left:
                raise CannotTrace(damage) from None
        except FileNotFoundError as gone:  # a running gate has just removed what is older than it is kept
            if not left:
                raise CannotTrace(f"{gone.filename}: is gone while the journal is read (run it again)") from None
        except (OSError, ValueError, struct.error) as error:
            raise CannotTrace(f"{folders[0]}: the journal cannot be read: {error}") from None


def person_of(number: str) -> int:
    """CannotTrace where it is nobody's."""
    try:
        return recipient_of(number)
    except NotARecipient as fault:
        raise CannotTrace(f"--to: {fault}") from None


def _text(data: bytes) -> str:
    try:
        return understood(read_deliver(Frame.of(data)))[0]
    except Malformed:
        return ""


def _signature(data: bytes) -> str:
    try:
        return signature(read_submit(Frame.of(data), Memo(), 0.0).content.text).name
    except Malformed:
        return ""
