"""Finding: which messages fit a question, what became of them, and how much of the journal the answer stands on.

In: the archive, a journal whose newest records are in no table yet, the keys, a question, the time. Out: a ``Found``. Never: a full number
(``Keys.unseal`` is the caller's, who journals it first); a one-time password younger than 15 minutes; a "not found" that does not say
what was looked through.

One person: their rows of all tables that can matter, read once. Nobody named: the newest tables first, until there are enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from proxy.archive import tables
from proxy.archive.asking import Question
from proxy.archive.covering import Covered, covered
from proxy.archive.keys import Keys
from proxy.archive.manifest import File, Manifest, load, nodes
from proxy.archive.tail import NO_TAIL, Tail, tail
from proxy.desk.disk import Disk
from proxy.message import Category

OTP_HIDDEN_S = 900.0
HIDDEN = "(hidden for 15 minutes)"
FILES_A_STEP = 16
"""Files that are looked through at once where nobody is named: then it is seen whether there are enough."""
EVENTS_MAX = 1000


class Fate(NamedTuple):
    """Something that became of a message, or that a person did."""

    at: float
    what: str  # answer, receipt; reply, optout, restore, review, stopped, restored, confirmed, officer
    state: str
    status: int
    message_id: str
    port: str
    provider: str
    text: str


@dataclass(slots=True)
class Hit:
    """A message: a submit, or the parts of a long one."""

    at: float
    node: int
    sequences: list[int]  # of the verdicts: with the node what ``explain --message`` takes
    person: int
    sealed: bytes | None
    provider: str
    account: str
    port: str
    category: str
    signature: str
    text: str
    verdict: str
    reason: str
    status: int
    rules: str
    revision: str
    parts: int
    fates: list[Fate] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.node}:{self.sequences[0]}"


@dataclass(slots=True)
class Found:
    hits: list[Hit]
    more: bool  # there are more than were asked for
    events: list[Fate]  # what else there is about the person, with nobody named nothing
    covered: Covered


def find(archive: Path, disk: Disk | None, node: int, keys: Keys, question: Question, now: float) -> Found:
    """``disk``: the journal of ``node``, None where it is not at hand. Raises TailError, ManifestError, JournalDamaged, OSError,
    duckdb.Error."""
    manifests = [(folder, load(folder)) for folder in nodes(archive)]
    own = next((manifest for _, manifest in manifests if manifest.node == node), Manifest(node))
    rest = tail(disk, own.last, question, own.rules) if disk is not None else NO_TAIL
    coverage = covered(manifests, question, own, rest)
    with duckdb.connect() as engine:
        engine.register("tail", _arrow(rest, node, keys))
        where, values = question.where(keys.person(question.to))
        looking = _Looking(engine, coverage.files, where, values, question)
        rows = looking.for_person(keys.person(question.to)) if question.to else looking.for_anybody()
        hits, more = _hits(rows, question.limit, now)
        others = looking.others(hits, keys.person(question.to))
    events = _join(hits, others)
    return Found(hits, more, events[:EVENTS_MAX] if question.to else [], coverage)


def _arrow(rest: Tail, node: int, keys: Keys) -> Any:
    return pa.Table.from_batches(tables.batches(rest.rows, node, keys), tables.SCHEMA)


class _Looking:
    """One question to the engine. ``files``: those that can matter, the newest first, with whom they hold."""

    def __init__(
        self,
        engine: duckdb.DuckDBPyConnection,
        files: Sequence[tuple[Path, File]],
        where: str,
        values: dict[str, Any],
        question: Question,
    ) -> None:
        self._engine, self._files, self._where, self._values, self._question = engine, files, where, values, question

    def for_person(self, person: int) -> list[dict[str, Any]]:
        files = [path for path, file in self._files if file.least <= person <= file.most]
        return self._rows(files, self._where, self._values, limit=self._question.limit + 1)

    def for_anybody(self) -> list[dict[str, Any]]:
        enough, found = self._question.limit + 1, self._rows([], self._where, self._values, limit=self._question.limit + 1)
        files = [path for path, _ in self._files]
        for start in range(0, len(files), FILES_A_STEP):
            if len(found) >= enough:
                break
            found += self._rows(files[start : start + FILES_A_STEP], self._where, self._values, limit=enough, tail=False)
        return found

    def others(self, hits: Iterable[Hit], person: int) -> list[dict[str, Any]]:
        """What else there is about these persons, from the first of the messages on until it cannot belong to them any more."""
        persons = {hit.person for hit in hits} | ({person} if self._question.to else set())
        if not persons - {0}:
            return []
        later = self._question.later()
        where = "kind <> 'verdict' AND person IN (SELECT unnest($persons)) AND time_ms >= $begin"
        values: dict[str, Any] = {"persons": [one for one in persons if one]}
        values["begin"] = int(self._question.since * 1000) if self._question.to else min(int(hit.at * 1000) for hit in hits)
        if later:
            where += " AND time_ms <= $later"
            values["later"] = later
        files = [path for path, file in self._files if any(file.least <= one <= file.most for one in persons)]
        return self._rows(files, where, values, limit=0)

    def _rows(
        self, files: Sequence[Path], where: str, values: dict[str, Any], *, limit: int, tail: bool = True
    ) -> list[dict[str, Any]]:
        """The newest rows that fit."""
        sources = [f"SELECT {_COLUMNS} FROM tail WHERE {where}"] if tail else []  # noqa: S608 # conditions of ours, values beside them
        if files:
            values = values | {"files": [str(path) for path in files]}
            sources.append(f"SELECT {_COLUMNS} FROM read_parquet($files) WHERE {where}")  # noqa: S608 # likewise
        if not sources:
            return []
        bound = f" LIMIT {limit}" if limit else ""
        said = self._engine.execute(f"{' UNION ALL '.join(sources)} ORDER BY time_ms DESC, sequence DESC, place{bound}", values)
        names = [column[0] for column in said.description or ()]
        return [dict(zip(names, row, strict=True)) for row in said.fetchall()]


_COLUMNS = ", ".join(tables.SCHEMA.names)


def _hits(rows: Sequence[dict[str, Any]], limit: int, now: float) -> tuple[list[Hit], bool]:
    """Rows of submits, the newest first, as messages; parts of one are one."""
    hits: dict[tuple[Any, ...], Hit] = {}
    texts: dict[tuple[Any, ...], dict[int, str]] = {}
    for row in rows[:limit]:
        name = (row["node"], row["message"]) if row["message"] and row["parts"] > 1 else (row["node"], row["sequence"], "")
        young = row["category"] == Category.OTP.word and now - row["time_ms"] / 1000 < OTP_HIDDEN_S
        texts.setdefault(name, {})[row["part"]] = HIDDEN if young else row["text"]
        if name in hits:
            hit = hits[name]
            hit.sequences.insert(0, row["sequence"])
            hit.at = min(hit.at, row["time_ms"] / 1000)
            hit.signature = hit.signature or row["signature"]
            continue
        hits[name] = Hit(
            row["time_ms"] / 1000, row["node"], [row["sequence"]], row["person"], row["sealed"], row["provider"], row["account"],
            row["port"], row["category"], row["signature"], "", row["outcome"], row["reason"], row["status"], row["rules"],
            row["revision"], row["parts"],
        )  # fmt: skip
    for name, hit in hits.items():
        parts = texts[name]
        hit.text = HIDDEN if HIDDEN in parts.values() else "".join(parts[number] for number in sorted(parts))
    return list(hits.values()), len(rows) > limit


def _join(hits: Iterable[Hit], others: Sequence[dict[str, Any]]) -> list[Fate]:
    """Gives each message its answers and receipts; what is left is of the person, the oldest first."""
    verdicts = {(hit.node, sequence): hit for hit in hits for sequence in hit.sequences}
    ids: dict[tuple[int, str], Hit] = {}
    events = []
    for row in sorted(others, key=lambda row: (row["time_ms"], row["kind"] == "receipt", row["sequence"], row["place"])):
        fate = Fate(
            row["time_ms"] / 1000, row["kind"], row["state"], row["status"], row["message_id"], row["port"], row["provider"], row["text"]
        )  # fmt: skip
        if row["kind"] == "answer":
            hit = verdicts.get((row["node"], row["verdict"]))
            if hit is not None and row["message_id"]:
                ids[row["person"], row["message_id"]] = hit
        elif row["kind"] == "receipt":
            hit = ids.get((row["person"], row["message_id"]))
        else:
            events.append(fate)
            continue
        if hit is not None:
            hit.fates.append(fate)
    return events
