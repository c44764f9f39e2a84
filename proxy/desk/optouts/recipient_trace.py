"""Traces one person's opt-outs through the journal.

It works with or without a running gate. Of a gate with several workers it reads the journals of all: a reply may reach another worker than the
one that sent the message.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from proxy.archive.audit.optout_events import About, OptOutTrace
from proxy.archive.audit.optout_history import PduReaders, trace
from proxy.cluster.truncated_copy import Walk
from proxy.config import Sealing, SettingsError, archive_locations, rules_folder
from proxy.journal.sealing import KeyRing, SealingError
from proxy.journal.segment import HEADER_BYTES, SegmentFault, unpack_header
from proxy.journal.write_ahead_log import JournalDamaged, OsDisk
from proxy.model.message import hash48
from proxy.model.number import NotARecipient, recipient_of
from proxy.model.recipient import Entry, OptOut
from proxy.policy.explanation import naming
from proxy.policy.loading.folder import RulesFolder
from proxy.policy.loading.problem import RulesError
from proxy.policy.registries.registry import Registry
from proxy.policy.text.category import SUBCATEGORIES
from proxy.policy.text.folding import normal_signature
from proxy.policy.text.text_analysis import signer
from proxy.relay.effects.optouts import read_deliver_text
from proxy.wire import ContentCache, Frame, Malformed, read_deliver, read_submit

TRIES = 3
"""A journal that is being written may be caught in the middle; damage stays."""


class CannotTrace(Exception):
    """The question cannot be answered; the text says why and what to do."""


def trace_optouts(number: str, config: Path, folder: Path | None, now: float) -> OptOutTrace:
    """Traces a person's opt-outs, in force as of ``now``. ``folder``: the journal's, instead of the settings'."""
    recipient = person_of(number)
    known = registry_of(config)
    folders = [] if folder is None else [folder]
    sealing = Sealing(())
    try:
        places = archive_locations(config, every=True)
        folders, sealing = folders or [one for one, _ in places.journals] or [places.journal], places.sealing
    except SettingsError as error:
        if folder is None:
            raise CannotTrace(f"{'; '.join(error.problems)} (or name the journal's folder: --journal)") from None
    if not folders[0].is_dir():
        raise CannotTrace(f"{folders[0]}: no such folder (a gate that has run leaves its journal there)")
    try:
        return _trace(folders, KeyRing.of_files(sealing.keys), recipient, now, known)
    except SealingError as error:
        raise CannotTrace(error) from None


def _trace(folders: Sequence[Path], ring: KeyRing, recipient: int, now: float, registry: Registry) -> OptOutTrace:
    left, nodes = TRIES, [_node_of(folder) for folder in folders]
    read = PduReaders(_text, _signature, lambda name: hash48(normal_signature(name)), _subcategory, _about(registry))
    while True:
        left -= 1
        try:
            walks = [Walk(folder, ring) for folder in folders]
            found = trace(walks, recipient, read, now, nodes)
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
    """The recipient of a number; CannotTrace."""
    try:
        return recipient_of(number)
    except NotARecipient as fault:
        raise CannotTrace(f"--to: {fault}") from None


def _node_of(folder: Path) -> int:
    """The node of a journal; -1 if it cannot be read."""
    disk = OsDisk(folder)
    try:
        (*_, newest) = disk.list()
        return unpack_header(disk.read(newest, HEADER_BYTES)).node
    except (OSError, ValueError, SegmentFault):  # told once it is read
        return -1


def registry_of(config: Path) -> Registry:
    """The registry of signatures in the settings' rules folder; an empty one if it cannot be read."""
    try:
        return RulesFolder(rules_folder(config)).signatures()
    except (SettingsError, RulesError, OSError):
        return Registry()


def _about(registry: Registry) -> About:
    def about(refusal: OptOut, signatures: Mapping[int, str]) -> Mapping[str, str]:
        return naming.fields(refusal, naming.by_registry(registry, naming.by_names(signatures, naming.knows_none(naming.GONE))))

    return about


def _subcategory(entry: Entry) -> str:
    return SUBCATEGORIES[entry.subcategory] if entry.subcategory < len(SUBCATEGORIES) else ""


def _text(data: bytes) -> str:
    try:
        return read_deliver_text(read_deliver(Frame.of(data)))[0]
    except Malformed:
        return ""


def _signature(data: bytes) -> str:
    try:
        text = read_submit(Frame.of(data), ContentCache(), 0.0).content.text
    except Malformed:
        return ""
    return naming.signature_written(signer(text), text)
