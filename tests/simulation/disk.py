"""Disk: what a restart would find in the journal, read here a second time.

In: a disk. Out: what stands on it, as sets to compare with what the world saw. Never: the gate's own memory.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from proxy.changes import Effect
from proxy.desk import entries, mail
from proxy.desk.entries import OptedOut, Restored, Said, Verdict
from proxy.desk.journal import MemoryDisk, Record, read
from tests.simulation.nouns import CARRIER_REFUSES, Submit, nameless


@dataclass
class OnDisk:
    entries: set[int]
    taken_back: set[int]
    refused_by_carrier: set[int]
    refused: Counter[bytes]
    """How often each was refused, repeats included."""
    adopts: dict[int, int]
    accepted: set[int]  # entries all of whose parts were
    late: set[bytes]  # parts whose text broke a rule when they came
    delivers: dict[bytes, set[int]]  # deliver_sm → its records
    waiting: set[int]  # records of delivers that were neither delivered nor dropped
    refusals: list[OptedOut] = field(default_factory=list)
    restored: list[Restored] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    turns: list[OptedOut | Restored] = field(default_factory=list)
    """Refusals and what took them back, in order."""

    def refused_by(self, person: int, restored_until: float = float("inf")) -> list[tuple[str, str]]:
        """What a person has refused and not taken back (by ``restored_until``)."""
        held: dict[tuple[str, str], None] = {}
        for one in self.turns:
            if one.recipient != person:
                continue
            if isinstance(one, OptedOut):
                held[one.opt_out[:2]] = None
            elif one.time <= restored_until:
                for lifted in one.lifted:
                    held.pop(lifted[:2], None)
        return list(held)

    def in_force(self, submit: Submit, restored_until: float) -> list[tuple[str, str]]:
        return self.refused_by(submit.recipient, restored_until)

    def note_turn(self, item: Record) -> None:
        if item.kind == entries.OPTOUT:
            refusal = entries.unpack_optout(item.body)
            self.refusals.append(refusal)
            self.turns.append(refusal)
        elif item.kind == entries.RESTORED:
            back = entries.unpack_restored(item.body)
            self.restored.append(back)
            self.turns.append(back)
        elif item.kind == entries.SAID:
            self.said.append(entries.unpack_said(item.body))

    @property
    def recorded(self) -> set[int]:
        return {number for numbers in self.delivers.values() for number in numbers}

    @classmethod
    def of(cls, disk: MemoryDisk) -> OnDisk:
        found = cls(set(), set(), set(), Counter(), {}, set(), set(), {}, set())
        waiting: dict[int, int] = {}  # verdicts that let something out, by their place: the entry
        verdicts: dict[int, bytes] = {}
        for item in read(disk, 1):
            if item.kind == entries.VERDICT:
                verdict = entries.unpack_verdict(item.body)
                found._verdict(verdict)
                if verdict.entry is not None:
                    waiting[item.sequence] = verdict.entry.id
                else:
                    verdicts[item.sequence] = nameless(verdict.data)
            elif item.kind == entries.REPEATED:
                for sequence, count in entries.unpack_repeated(item.body).counts.items():
                    found.refused[verdicts[sequence]] += count
            for answer in entries.unpack_answers(item):
                if answer.status == CARRIER_REFUSES:
                    found.refused_by_carrier.add(answer.entry_id)
                if answer.effect == Effect.ACCEPTED:
                    waiting.pop(answer.verdict_sequence, None)
                    found.accepted.add(answer.entry_id)
                if Effect(answer.effect).takes_back:
                    found.taken_back.add(answer.entry_id)
            found.note_turn(item)
            found.note_deliver(item)
        found.accepted -= set(waiting.values())
        return found

    def _verdict(self, verdict: Verdict) -> None:
        if verdict.entry is not None:
            self.entries.add(verdict.entry.id)
            self.adopts[verdict.entry.id] = verdict.adopts
        else:
            self.refused[nameless(verdict.data)] += 1
            if verdict.reason == "late-breach":
                self.late.add(verdict.data)

    def note_deliver(self, item: Record) -> None:
        """What the way back wrote."""
        if item.kind == entries.DELIVER:
            self.delivers.setdefault(entries.unpack_deliver(item.body).data, set()).add(item.sequence)
            self.waiting.add(item.sequence)
        elif item.kind == entries.DELIVERED:
            self.waiting.difference_update(mail.unpack_delivered(item.body).numbers)
        elif item.kind == entries.DROPPED:
            self.waiting.difference_update(mail.unpack_dropped(item.body).numbers)
