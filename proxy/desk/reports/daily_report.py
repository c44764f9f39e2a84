"""Counts one day of the journal.

In: commit groups, the region of each number. Out: a DayReport. Never: a person's number kept, a text of a message.

Submits are counted, as /metrics does: a long message counts once for each part, a repeat of a refused message counts again. Opt-outs are
people's own replies. Shadow rules are counted over allowed messages only: on refused ones they would change nothing.

The counts of finished days are kept beside the archive, so that a report of a month reads each day of the journal once; so is what the second
reading of opt-outs found in a finished month. A day is kept once no segment is read for it that may still grow (commit_groups.py), and holds as
long as its segments are the same. Its provinces stay those of the map of that moment. A file that cannot be read or written is none: the day is
counted again.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from pyroaring import BitMap

from proxy.archive.audit.optout_scope import CANDIDATES_S
from proxy.desk.backtest.commit_groups import JUMP_S, JournalGroup, segments_between
from proxy.desk.backtest.environment import NamesOf, RuleIds, no_names, read_case
from proxy.desk.reports.disclosure_control import OTHERS
from proxy.journal.disk import OsDisk
from proxy.journal.encoding import unpack
from proxy.journal.records import answers as answered
from proxy.journal.records import delivers, messages, operator_actions, requests
from proxy.journal.segment import JournalRecord
from proxy.model.message import Category, Outcome, hash48
from proxy.policy.registries.regions import Regions
from proxy.policy.text.text_analysis import signer
from proxy.policy.time_windows import local
from proxy.relay.effects.record_changes import Effect
from proxy.runtime.atomic_files import give_to_owner
from proxy.wire import ContentCache

SIGNATURES_MAX = 200_000
"""Senders choose them; past it they are counted as others."""
SENT, REFUSED, DEFERRED = "sent", "refused", "deferred"
FATES = (SENT, REFUSED, DEFERRED)
UNREAD = "unread"
"""Province and category of what was refused before it was read."""
LOST_ORDER = "order"
"""Stands for an order that the journal that is read does not name."""
SPEEDS = (("under 1 s", 1), ("1 to 10 s", 10), ("10 s to 1 min", 60), ("1 min to 1 h", 3600), ("over 1 h", 0))
"""How long after a reply was read its opt-out was in force; whole seconds."""


class ReportedOutcome(NamedTuple):
    """Key of the counts: one outcome of one provider's submits in one province."""

    fate: str
    reason: str  # empty when sent
    provider: str
    province: str
    category: str


@dataclass(slots=True)
class DayReport:
    since: float
    until: float
    """Excluded."""
    submits: Counter[ReportedOutcome] = field(default_factory=Counter)
    hours: Counter[tuple[int, str]] = field(default_factory=Counter)
    """By hour of the day and fate."""
    signatures: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By name and fate."""
    marketing: Counter[str] = field(default_factory=Counter)
    """Advertisements sent, by signature: what rates of opt-out are of."""
    marketing_by: Counter[str] = field(default_factory=Counter)
    """... by provider."""
    optouts: Counter[str] = field(default_factory=Counter)
    """Replies that refused, by provider."""
    refused: Counter[str] = field(default_factory=Counter)
    """Refusals by reply, by signature, which is empty where everybody behind a port or all marketing was meant. One reply may mean several."""
    hits: Counter[str] = field(default_factory=Counter)
    """Enforced objections, by rule."""
    shadow: Counter[tuple[str, str]] = field(default_factory=Counter)
    """What went out and a shadow rule would have stopped, by rule and what it wants."""
    speeds: Counter[str] = field(default_factory=Counter)
    """Replies that refused, by how soon that was in force: SPEEDS."""
    slowest_s: int = 0
    """The longest of these times."""
    entered: Counter[str] = field(default_factory=Counter)
    """Refusals that did not come by reply, by source; each number of an imported list."""
    restored: int = 0
    """Replies that asked to go on."""
    answers: Counter[str] = field(default_factory=Counter)
    """What carriers said, by effect."""
    revisions: Counter[str] = field(default_factory=Counter)
    """Sets of rules in force, by the submits they decided."""
    records: int = 0
    first: float = 0.0
    last: float = 0.0

    def by(self, name: str) -> dict[str, Counter[str]]:
        """Fates by reason, provider, province or category; the most first."""
        found: dict[str, Counter[str]] = {}
        for key, count in self.submits.items():
            value = getattr(key, name)
            if value or name != "reason":
                found.setdefault(value, Counter())[key.fate] += count
        return dict(sorted(found.items(), key=lambda one: (-one[1].total(), one[0])))

    def add(self, other: DayReport) -> None:
        """Adds another day's counts."""
        for one in fields(self):
            count = getattr(self, one.name)
            if isinstance(count, Counter):
                count.update(getattr(other, one.name))
        self.records += other.records
        self.restored += other.restored
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.first, self.last = min(self.first or other.first, other.first or self.first), max(self.last, other.last)

    def total(self, fate: str) -> int:
        return sum(count for key, count in self.submits.items() if key.fate == fate)


class DayCounter:
    def __init__(self, since: float, until: float, regions: Regions, names_of: NamesOf = no_names) -> None:
        """``names_of``: is asked for ids of rules where the journal that is read does not say them."""
        self.sheet = DayReport(since, until)
        self._regions, self._rules = regions, RuleIds(names_of)
        self._hits: Counter[tuple[str, int]] = Counter()
        self._shadow: Counter[tuple[str, int, str]] = Counter()
        self._memo = ContentCache()
        self._names: dict[int, str] = {}
        self._one_reply = delivers.ReplyGrouper()
        self._fates: dict[int, ReportedOutcome] = {}  # of refusals, for their repeats
        self._lists: dict[int, tuple[tuple[str, ...], Counter[str]]] = {}  # that have begun: sources, numbers by source

    def read(self, groups: Iterable[JournalGroup]) -> DayReport:
        """One journal; of a gate of several workers one after the other. A group from after the day ends nothing: a clock may be put back."""
        sheet = self.sheet
        self._fates.clear()  # whose places are those of this journal
        self._lists.clear()
        for group in groups:
            inside = sheet.since <= group.time < sheet.until
            if inside:
                sheet.first, sheet.last = min(sheet.first or group.time, group.time), max(sheet.last, group.time)
                sheet.records += len(group.records)
            for item in group.records:
                self._look(item, inside)
        for (revision, number), count in self._hits.items():
            sheet.hits[self._rules.of(revision, number, LOST_ORDER)] += count
        for (revision, number, wants), count in self._shadow.items():
            sheet.shadow[self._rules.of(revision, number, LOST_ORDER), wants] += count
        self._hits.clear()
        self._shadow.clear()
        return sheet

    def _look(self, item: JournalRecord, inside: bool) -> None:
        kind = item.kind
        if kind in (messages.RULES, messages.ORDERED):
            self._rules.note(kind, item.body)
        elif kind == messages.VERDICT:
            self._verdict(item, inside)
        elif kind in (messages.LISTING, messages.LISTED, messages.LISTING_DONE):
            self._listed(item, inside)
        elif not inside:
            return
        elif kind == messages.ACCEPTED:
            self.sheet.answers[_word(Effect.ACCEPTED)] += len(answered.verdicts_of(item.body))
        elif kind == messages.ANSWER:
            self.sheet.answers[_word(Effect(unpack(answered.CarrierAnswer, item.body).effect))] += 1
        elif kind in (messages.OPTOUT, messages.SUPPRESSED, messages.RESTORED):
            self._refusals(kind, item.body)
        elif kind == messages.REPEATED:
            for number, count in unpack(requests.Repeated, item.body).counts.items():
                if (fate := self._fates.get(number)) is not None:
                    self.sheet.submits[fate] += count

    def _verdict(self, item: JournalRecord, inside: bool) -> None:
        submit = messages.unpack_verdict(item.body)
        sheet = self.sheet
        province = self._regions.of(submit.recipient)[0] if submit.recipient else UNREAD
        sent = submit.entry is not None
        fate = SENT if sent else DEFERRED if submit.outcome is Outcome.DEFER else REFUSED
        category = submit.category.word if submit.recipient else UNREAD
        key = ReportedOutcome(fate, submit.reason, submit.provider, province, category)
        if not sent:
            self._fates[item.sequence] = key
        if not inside:
            return
        sheet.submits[key] += 1
        sheet.hours[int(submit.time - sheet.since) // 3600, fate] += 1
        sheet.revisions[submit.revision] += 1
        name = self._signature(submit)
        sheet.signatures[name, fate] += 1
        if sent and submit.category is Category.MARKETING:
            sheet.marketing[name] += 1
            sheet.marketing_by[submit.provider] += 1
        for number, outcome, shadow in submit.breaches:
            if not shadow:
                self._hits[submit.revision, number] += 1
            elif sent and outcome is not Outcome.ALLOW:
                self._shadow[submit.revision, number, outcome.word] += 1

    def _signature(self, submit: messages.VerdictRecord) -> str:
        """The name in 【】; of a later part of a long message that of the message."""
        if submit.entry is not None and submit.entry.signature in self._names:
            return self._names[submit.entry.signature]
        content = read_case(submit, self._memo)
        name = signer(content.text) if content is not None else ""
        if name:
            return self._names.setdefault(hash48(name), name) if len(self._names) < SIGNATURES_MAX else OTHERS
        return "" if content is None or content.part is None or content.part.index == 1 else OTHERS

    def _refusals(self, kind: int, body: bytes) -> None:
        if kind == messages.OPTOUT:
            self._opted_out(unpack(delivers.OptedOut, body))
        elif kind == messages.RESTORED:
            self.sheet.restored += 1
        elif added := unpack(operator_actions.Suppressed, body).added:
            self.sheet.entered[added[0].source] += 1

    def _listed(self, item: JournalRecord, inside: bool) -> None:
        """Counts a list's numbers once it is whole."""
        if item.kind == messages.LISTING:
            begun = unpack(operator_actions.ListBegun, item.body)
            if not begun.takes_off:
                self._lists[item.sequence] = tuple(one.source for one in begun.refusals), Counter()
        elif item.kind == messages.LISTED:
            chunk = unpack(operator_actions.ListChunk, item.body)
            if chunk.listing in self._lists:
                sources, numbers = self._lists[chunk.listing]
                numbers[sources[chunk.key]] += len(BitMap.deserialize(chunk.numbers))
        elif (found := self._lists.pop(unpack(operator_actions.ListDone, item.body).listing, None)) is not None and inside:
            self.sheet.entered.update(found[1])

    def _opted_out(self, opt_out: delivers.OptedOut) -> None:
        if opt_out.opt_out.source == "reply":
            value = opt_out.opt_out.value if opt_out.opt_out.scope == "advertiser" else ""
            name = self._names.get(int(value, 16), OTHERS) if len(value) == 12 else value
            self.sheet.refused[name] += 1
            if self._one_reply.begins(opt_out):
                self.sheet.optouts[opt_out.provider] += 1
                took_s = int(opt_out.time) - opt_out.opt_out.time
                self.sheet.slowest_s = max(self.sheet.slowest_s, took_s)
                self.sheet.speeds[next(word for word, below_s in SPEEDS if took_s < below_s or not below_s)] += 1


def _word(effect: Effect) -> str:
    return effect.name.lower().replace("_", "-")


FORM = 2
"""Of the files: another number makes all days be counted again."""
AUDIT = "-optouts"
COUNTS = ("marketing_by", "optouts", "speeds", "entered")
NUMBERS = ("records", "restored", "slowest_s", "first", "last")


class DayCountCache:
    def __init__(self, folder: Path, disks: Sequence[OsDisk], now: float) -> None:
        """``disks``: the journals that are counted together."""
        self._disks, self._now = disks, now
        names = blake2b("\n".join(sorted(disk.identity() for disk in disks)).encode(), digest_size=8)
        self._folder = folder / f"day-counts-{names.hexdigest()}"

    def find(self, since: float, until: float) -> DayReport | None:
        """None where the day must be counted."""
        try:
            held = json.loads(self._path(since).read_bytes())
            return _read(held, since, until) if held["of"] == self._segments(since, until) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, sheet: DayReport) -> None:
        if sheet.until + JUMP_S > self._now:
            return
        held = {
            "of": self._segments(sheet.since, sheet.until),
            "submits": [[*key, count] for key, count in sheet.submits.items()],
            **{name: dict(getattr(sheet, name)) for name in COUNTS},
            **{name: getattr(sheet, name) for name in NUMBERS},
        }
        self._write(self._path(sheet.since), held)

    def find_audit(self, since: float, until: float) -> int | None:
        """What the second reading found in a period; None where it must be done."""
        try:
            held = json.loads(self._path(since, AUDIT).read_bytes())
            return int(held["found"]) if held["of"] == self._segments(since - CANDIDATES_S, until) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep_audit(self, since: float, until: float, found: int) -> None:
        if until + JUMP_S <= self._now:
            self._write(self._path(since, AUDIT), {"of": self._segments(since - CANDIDATES_S, until), "found": found})

    def _write(self, path: Path, held: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            if not self._folder.is_dir():
                self._folder.mkdir(mode=0o700, exist_ok=True)
                give_to_owner(self._folder)
            half, name = tempfile.mkstemp(dir=self._folder)
            with os.fdopen(half, "w", encoding="utf-8") as file:
                json.dump(held, file, ensure_ascii=False)
            give_to_owner(Path(name))
            Path(name).replace(path)

    def _path(self, since: float, what: str = "") -> Path:
        return self._folder / f"{local(since)[:10]}{what}.json"

    def _segments(self, since: float, until: float) -> str:
        found = [FORM, *([disk.identity(), segments_between(disk, since, until)] for disk in self._disks)]
        return blake2b(json.dumps(found).encode(), digest_size=16).hexdigest()


def _read(held: dict[str, Any], since: float, until: float) -> DayReport:
    sheet = DayReport(since, until)
    sheet.submits.update({ReportedOutcome(*key): count for *key, count in held["submits"]})
    for name in COUNTS:
        setattr(sheet, name, Counter(held[name]))
    for name in NUMBERS:
        setattr(sheet, name, held[name])
    return sheet
