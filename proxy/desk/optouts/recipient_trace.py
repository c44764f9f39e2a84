"""Traces one person's opt-outs through the journal.

It works with or without a running gate. Of a gate with several workers it reads the journals of all: a reply may reach another worker than the
one that sent the message.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from proxy.archive.audit.optout_events import About, OptOutTrace
from proxy.archive.audit.optout_history import PduReaders, trace
from proxy.cluster.truncated_copy import Walk
from proxy.config import Sealing, SettingsError, archive_locations, rules_folder
from proxy.console.translations import SHARED, Translator, load
from proxy.i18n.text import Bilingual
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


WORDS = Path(__file__).parent / "optouts.yaml"


def chinese_lines(told: Mapping[str, Any]) -> Iterator[Bilingual]:
    """Lines of ``OptOutTrace.as_dict``."""
    return (Bilingual(line, line) for line in _lines(told, Translator("zh", load(WORDS), load(SHARED))))


def _lines(told: Mapping[str, Any], words: Translator) -> Iterator[str]:
    journal = told["journal"]
    yield f"{told['recipient']}，{words('journal_from')} {_moment(journal['from'])} {words('to')} {_moment(journal['to'])}"
    for first, last in journal["missing"]:
        yield words("missing", first=first, last=last)
    for one in told["events"]:
        where = f"{one['port']}（{one['provider'] or '无主'}）" if one["port"] else ""
        beside = f" {one['who']}：{one['why']}" if one.get("who") else ""
        beside += f" {one['file']}" if one.get("file") else ""
        beside += f" {words('told_by', node=one['gate'])}" if "gate" in one else ""
        yield f"{_moment(one['at'])}  {words.of('event', one['event'])}  {where} {_what(one, words)}{beside}"
    if not told["events"]:
        yield words("no_events")
    standing = "；".join(
        _about_words(one) + f"，自 {_moment(one['since'])}" + (f"，至 {_moment(one['until'])}" if one["until"] else "")
        for one in told["in_force"]
    )
    yield f"现有退订：{standing or '无'}"
    yield f"首次回复或退订以来下发 {told['sent']} 条，其中违反退订 {told['sent_after_optout']} 条"


def _what(one: Mapping[str, Any], words: Translator) -> str:
    match one["event"]:
        case "received":
            whom = words("meant_all") if one.get("meant") == ["everything"] else "、".join(one.get("meant") or ())
            return f"“{one['text']}”，{words.of('read_as', one['read_as'])}" + (
                f"，{words('meant', whom=whom, count=one['sent_after'])}" if whom else ""
            )
        case "stopped":
            source = words.of("source", one["source"]) if one.get("source") else ""
            return "，".join(filter(None, (_about_words(one), words("at_once"), source)))
        case "restored":
            return "；".join(map(_about_words, one["lifted"])) or words("nothing_lifted")
        case "held":
            until = f"，{words('held_until', until=_moment(one['until']))}" if one.get("until") else ""
            return ("；".join(map(_about_words, one["held"])) or words("held_nothing")) + until
        case "decided":
            return words("asked") if one["asked"] else words("asked_not")
        case "confirmed":
            return f"“{one['text']}”"
    why = words("against") if one.get("against_refusal") else words.of("sent_why", one["why"])
    return f"{words.of('category', one['category'])}，{one['signature'] or words('no_signature')}：{why}"


def _about_words(one: Mapping[str, Any]) -> str:
    return str(one.get("about_zh") or one.get("about") or "")


def _moment(at: str) -> str:
    return at[:19].replace("T", " ")
