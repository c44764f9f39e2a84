"""Finds messages, what became of them, and how much was searched.

In: the archive, journals whose newest records are in no table yet, the keys, a query, the time. Out: a ``SearchResult``. Never: a full
number (the caller unseals numbers with ``ArchiveKeys.unseal`` and journals that first); a one-time password younger than 15 minutes;
a "not found"
that does not say what was searched.

For one person: their rows of all tables that can matter, read once. Without a person: the newest tables first, until there are enough
messages; tables whose Bloom filter excludes the words are skipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from proxy.archive import otp_texts, parquet, table_filters
from proxy.archive.coverage import ArchiveSources, CandidateFile, CoverageReport, LocalJournal, answered
from proxy.archive.parquet import engine
from proxy.archive.query import LATER_S, LIMIT_MAX, Query
from proxy.archive.secret_keys import ArchiveKeys
from proxy.model.number import masked_repr
from proxy.model.redact import mask_digits

HIDDEN = "(hidden for 15 minutes)"
FILES_A_STEP = 16  # files per step of a search without a person: after each step it may end with enough results
EVENTS_MAX = 1000
PERSON_ROWS_MAX = 50_000
"""Rows about the persons of an answer: some years of a person with ten messages a day. For more (a number that monitors a route) the answer
says that not all was read; matching messages and their fates are complete all the same."""
BECAME_ROWS_MAX = LIMIT_MAX * 255  # of the messages of an answer: as many as are shown at once, of as many parts as may be
COUNTED_ROWS_MAX = 50_000
"""The newest matching records that facets count, and among which a province is looked for: their numbers are decrypted."""
FACETS = ("provider", "reason", "category", "province", "day")
CHINA = timezone(timedelta(hours=8))
PARTS_MS = 60_000  # a part may come so long before or after the matching one: for so long a verdict is inherited


@masked_repr
class HistoryEvent(NamedTuple):
    """Something that became of a message, or that a person did."""

    at: float
    what: str  # answer, receipt; reply, optout, restore, review, stopped, held, restored, confirmed, officer
    state: str
    status: int
    message_id: str
    port: str
    provider: str
    text: str


@masked_repr
@dataclass(slots=True)
class Hit:
    """A message: a submit, or the parts of a long one."""

    at: float
    home: str  # the folder of its node's journal: where records have their numbers
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
    fates: list[HistoryEvent] = field(default_factory=list)
    first_text: str = ""  # of the first part, for comparing long messages: without digits of a code, not hidden; never shown

    @property
    def name(self) -> str:
        return f"{self.node}:{self.sequences[0]}"


class Facets(NamedTuple):
    """How many of the matching messages have which value."""

    total: int
    complete: bool  # else the newest COUNTED_ROWS_MAX records were counted
    counts: dict[str, dict[str, int]]  # by FACETS: value → messages


ProvinceOf = Callable[[int], str]


@dataclass(slots=True)
class SearchResult:
    hits: list[Hit]
    more: bool  # there are more than were asked for
    events: list[HistoryEvent]  # other events of the person; empty in a search without a person
    covered: CoverageReport
    passed_over: int = 0  # files of ``covered`` of which a filter said that nothing of it is in them
    reaches_to: float = 0.0  # time of the oldest matching record shown; if there are more, they are not newer
    facets: Facets | None = None


def find(
    archive: Path, journals: Iterable[LocalJournal], keys: ArchiveKeys, question: Query, now: float, *, thorough: bool = False,
    province_of: ProvinceOf | None = None, facets: bool = False,
) -> SearchResult:  # fmt: skip
    """``journals``: those available here. ``thorough``: uses neither filters nor indexes. ``province_of``: of a number, for facets and a query
    for a province. Raises TailError, ManifestError, JournalDamaged, OSError, duckdb.Error."""
    newest = COUNTED_ROWS_MAX + 1 if facets or question.province else question.skip + question.limit + 1

    def found(sources: ArchiveSources, coverage: CoverageReport) -> SearchResult:
        counted = None
        with engine() as database:
            run = _SearchRun(database, coverage.files, question, sources, keys, thorough=thorough)
            if facets or question.province:
                counted = run.count(province_of or (lambda _: ""))
                if question.province and not counted.complete:
                    note = f"of the matching records the newest {COUNTED_ROWS_MAX} were looked through for the province (narrow the time)"
                    coverage = coverage._replace(missing=(*coverage.missing, note))
            fits, others = run.for_person(keys.person(question.to)) if question.to else run.for_anybody()
        if run.cut:
            note = f"more than {PERSON_ROWS_MAX} records are about this person: of what else there is the newest were read (narrow the time)"
            coverage = coverage._replace(missing=(*coverage.missing, note))
        shown = run.shown(fits)
        hits = _hits(shown, others, now)
        events = _join(hits, others)
        return SearchResult(
            hits, len(fits) > question.skip + question.limit, events[-EVENTS_MAX:] if question.to else [], coverage, run.passed_over,
            shown[-1]["time_ms"] / 1000 if shown else 0.0, counted if facets else None
        )  # fmt: skip

    return answered(archive, journals, question, found, thorough=thorough, newest=newest)


Rows = list[dict[str, Any]]


class _SearchRun:
    """One question to the engine. Each answer: the submits that fit, the newest first, and all else there is about these persons, in
    the same time and while something can still become of a message."""

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        files: Sequence[CandidateFile],
        question: Query,
        sources: ArchiveSources,
        keys: ArchiveKeys,
        *,
        thorough: bool,
    ) -> None:
        self._engine, self._files, self._question, self._sources, self._keys = database, files, question, sources, keys
        self._engine.register("tail", sources.table(keys))
        self._thorough = thorough
        self.passed_over = 0
        self._matching: set[str] | None = None  # files with all that matches, once that was counted
        self.cut = False  # whether a person has more rows than are read: matching messages are complete, others not
        self._fits, self._values = question.fits()
        self._enough = question.skip + question.limit + 1

    def shown(self, fits: Rows) -> Rows:
        """The messages of the page that is asked for."""
        return fits[self._question.skip : self._question.skip + self._question.limit]

    def count(self, province_of: ProvinceOf) -> Facets:
        """Counts the newest matching messages by FACETS. Where a province is asked for, only its persons match from then on."""
        where = f"person = {self._keys.person(self._question.to)} AND {self._fits}" if self._question.to else self._fits
        rows = self._rows([], where, self._values, _COUNTED, COUNTED_ROWS_MAX + 1)
        hopeful = self._candidate_files(table_filters.query_words(self._question))
        while (step := list(islice(hopeful, FILES_A_STEP))) and len(rows) <= COUNTED_ROWS_MAX:
            rows += self._rows([one.path for one in step], where, self._values, _COUNTED, COUNTED_ROWS_MAX + 1, tail=False)
        if len(rows) <= COUNTED_ROWS_MAX and not self._question.to:
            self._matching = {row["filename"] for row in rows}
        else:
            self.passed_over = 0  # the files are searched once more
        complete, rows = len(rows) <= COUNTED_ROWS_MAX, sorted(rows, key=_when, reverse=True)[:COUNTED_ROWS_MAX]
        sealed = {row["person"]: row["sealed"] for row in rows}
        numbers = self._keys.unseal_all(list(sealed.values()))
        provinces = {person: province_of(number) if number else "" for person, number in zip(sealed, numbers, strict=True)}
        wanted = self._question.province
        messages = {_message(row): row for row in rows if not wanted or provinces[row["person"]] == wanted}
        counts = {name: Counter[str]() for name in FACETS}
        for row in messages.values():
            for name in FACETS[:3]:
                counts[name][row[name]] += 1
            counts["province"][provinces[row["person"]]] += 1
            counts["day"][str(datetime.fromtimestamp(row["time_ms"] / 1000, CHINA).date())] += 1
        if wanted:
            persons = pa.array([person for person, province in provinces.items() if province == wanted], pa.uint64())
            self._engine.register("wanted", pa.table({"person": persons}))
            self._fits += " AND person IN (SELECT person FROM wanted)"
        return Facets(
            len(messages), complete, {name: {word: n for word, n in one.items() if word} for name, one in counts.items()}
        )

    def for_person(self, person: int) -> tuple[Rows, Rows]:
        files = [
            one.path
            for one in self._candidate_files([table_filters.person_word(person)])
            if one.file.least <= person <= one.file.most
        ]
        conditions, values = [f"person = {person}", "time_ms >= $begin"], dict[str, Any](begin=int(self._question.since * 1000))
        if self._question.until:
            conditions.append("time_ms <= $later")
            values["later"] = int((self._question.until + LATER_S) * 1000)
        rows = self._rows(
            files, " AND ".join(conditions), self._values | values, f"{_COLUMNS}, {self._fits} AS fits", PERSON_ROWS_MAX + 1
        )
        if len(rows) <= PERSON_ROWS_MAX:
            fits = [row for row in rows if row["fits"]]
            return _one_a_message(fits)[: self._enough], rows
        self.cut = True
        fits = self._fitting(files, f"person = {person} AND {self._fits}")
        others = (*rows[:PERSON_ROWS_MAX], *self._became(files, self.shown(fits)))
        return fits, list({(row["home"], row["sequence"], row["place"]): row for row in others}.values())

    def _became(self, files: Sequence[Path], fits: Rows) -> Rows:
        """Other parts of these messages, their answers and receipts, by number and id, however many other rows the persons have."""
        if not fits:
            return []
        who = f"person IN ({', '.join(str(one) for one in {row['person'] for row in fits})}) AND time_ms BETWEEN $begin AND $later"
        values = {"begin": fits[-1]["time_ms"] - PARTS_MS, "later": fits[0]["time_ms"] + int(LATER_S * 1000)}

        def named(kind: str, column: str, wanted: set[Any]) -> Rows:
            where = f"{who} AND kind = '{kind}' AND list_contains($wanted, {column})"
            return self._rows(files, where, values | {"wanted": list(wanted)}, _COLUMNS, BECAME_ROWS_MAX) if wanted else []

        parts = named("verdict", "message", {row["message"] for row in fits if row["parts"] > 1} - {0})
        answers = named("answer", "verdict", {row["sequence"] for row in (*fits, *parts)})
        receipts = named("receipt", "message_id", {row["message_id"] for row in answers} - {""})
        return [*parts, *answers, *receipts]

    def for_anybody(self) -> tuple[Rows, Rows]:
        fits = self._fitting([])
        hopeful = self._candidate_files(table_filters.query_words(self._question))
        while step := list(islice(hopeful, FILES_A_STEP)):
            if len(fits) >= self._enough and max(one.until_ms for one in step) < fits[-1]["time_ms"]:
                break
            fits += self._fitting([one.path for one in step])
            fits = _one_a_message(sorted(fits, key=_when, reverse=True))[: self._enough]
        shown = self.shown(fits)
        persons = {row["person"] for row in shown} - {0}
        if not persons:
            return fits, []
        begin, later = shown[-1]["time_ms"] - PARTS_MS, shown[0]["time_ms"] + int(LATER_S * 1000)
        files = [one.path for one in self._files if any(_may_concern(one, row) for row in shown)]
        self._read_more_about(shown)
        where = f"person IN ({', '.join(map(str, persons))}) AND time_ms BETWEEN $begin AND $later"
        rows = self._rows(files, where, {"begin": begin, "later": later}, _COLUMNS, PERSON_ROWS_MAX + 1)
        return fits, rows if len(rows) <= PERSON_ROWS_MAX else self._became(files, shown)

    def _fitting(self, files: Sequence[Path], where: str = "") -> Rows:
        """One row of each of the newest matching messages: of these files, or of records in no table."""
        most = self._enough
        while True:
            rows = self._rows(files, where or self._fits, self._values, _COLUMNS, most, tail=not files or bool(where))
            found = _one_a_message(rows)[: self._enough]
            if len(rows) < most or len(found) == self._enough:
                return found
            most *= 4  # messages of many parts

    def _read_more_about(self, shown: Rows) -> None:
        """Adds records in no table: those after the shown messages, and before them for parts of long ones."""
        oldest = shown[-1]["time_ms"]
        since = {row["person"]: oldest for row in shown} | {
            row["person"]: oldest - PARTS_MS for row in shown if row["parts"] > 1
        }
        table = self._sources.table(self._keys, lambda tail: [*tail.rows, *tail.about(since)] if tail.about else tail.rows)
        self._engine.register("tail", table)

    def _candidate_files(self, words: Sequence[bytes]) -> Iterator[CandidateFile]:
        """Files that may hold all these words, the newest first."""
        believed = words and not self._thorough
        for one in self._files:
            if self._matching is not None and str(one.path) not in self._matching:
                continue
            if believed and one.filtered and not table_filters.may_contain(one.path, one.file, words):
                self.passed_over += 1
            else:
                yield one

    def _rows(
        self, files: Sequence[Path], where: str, values: dict[str, Any], columns: str, limit: int, *, tail: bool = True
    ) -> Rows:
        """The newest matching rows. Only our own names and numbers are pasted into the SQL; searched words are parameters."""
        sources = [f"SELECT {columns}, '' AS filename FROM tail WHERE {where}"] if tail else []  # noqa: S608 # see above
        if files:
            values = values | {"files": [str(path) for path in files]}
            sources.append(f"SELECT {columns}, filename FROM read_parquet($files, filename = true) WHERE {where}")  # noqa: S608 # see above
        if not sources:
            return []
        result = self._engine.execute(
            f"{' UNION ALL '.join(sources)} ORDER BY time_ms DESC, sequence DESC, place DESC LIMIT {limit}", values
        )
        names = [column[0] for column in result.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        for row in rows:
            row["home"] = Path(row["filename"]).parts[-3] if row["filename"] else self._sources.home(row["node"])
        return rows


_COLUMNS = ", ".join(parquet.SCHEMA.names)
_COUNTED = "node, sequence, place, time_ms, person, sealed, provider, reason, category, message, parts"


def _one_a_message(rows: Rows) -> Rows:
    """The first row of each message."""
    found: dict[tuple[str, int, bool], dict[str, Any]] = {}
    for row in rows:
        found.setdefault(_message(row), row)
    return list(found.values())


def _when(row: dict[str, Any]) -> tuple[int, int, int]:
    return row["time_ms"], row["sequence"], row["place"]


def _may_concern(file: CandidateFile, row: dict[str, Any]) -> bool:
    """Whether a file may hold answers, receipts or other parts of a message."""
    at, person = int(row["time_ms"]), int(row["person"])
    return (
        file.since_ms <= at + LATER_S * 1000 and file.until_ms >= at - PARTS_MS and file.file.least <= person <= file.file.most
    )


def _hits(fits: Sequence[dict[str, Any]], others: Iterable[dict[str, Any]], now: float) -> list[Hit]:
    """Rows of submits, the newest first, as messages; the parts of one are one, also those that did not fit by themselves."""
    hits: dict[tuple[str, int, bool], Hit] = {}
    texts: dict[tuple[str, int, bool], dict[int, str]] = {}
    newest: dict[tuple[str, int, bool], float] = {}
    secret: set[tuple[str, int, bool]] = set()
    for row in fits:
        hits.setdefault(_message(row), _hit(row))
    for row in [*fits, *(row for row in others if row["kind"] == "verdict")]:
        name = _message(row)
        if name not in hits or row["sequence"] in hits[name].sequences:
            continue
        hit = hits[name]
        hit.sequences.append(row["sequence"])
        hit.at = min(hit.at, row["time_ms"] / 1000)
        hit.signature = hit.signature or row["signature"]
        texts.setdefault(name, {})[row["part"]] = row["text"]
        newest[name] = max(newest.get(name, 0.0), row["time_ms"] / 1000)
        if otp_texts.is_code(row["category"], row["reason"], row["text"], objected=bool(row["rules"])):
            secret.add(name)
    for name, hit in hits.items():
        hit.sequences.sort()
        parts = texts[name]
        hit.text = "".join(parts[number] for number in sorted(parts))
        hit.first_text = parts[min(parts)] if min(parts) <= 1 else ""
        if name in secret or otp_texts.may_be_code(hit.text):  # or its word is in one part and its number in another
            hit.first_text = mask_digits(hit.first_text)
            hit.text = HIDDEN if now - newest[name] < otp_texts.HIDDEN_S else mask_digits(hit.text)
    return list(hits.values())


def _message(row: dict[str, Any]) -> tuple[str, int, bool]:
    """What the parts of one message have in common: the entry they share. A part that was refused has none, and stands alone."""
    long = row["parts"] > 1 and row["message"] > 0
    return row["home"], row["message"] if long else row["sequence"], long


def _hit(row: dict[str, Any]) -> Hit:
    return Hit(
        row["time_ms"] / 1000, row["home"], row["node"], [], row["person"], row["sealed"], row["provider"], row["account"], row["port"],
        row["category"], row["signature"], "", row["outcome"], row["reason"], row["status"], row["rules"], row["revision"], row["parts"],
    )  # fmt: skip


def _join(hits: Iterable[Hit], others: Sequence[dict[str, Any]]) -> list[HistoryEvent]:
    """Gives each message its answers and receipts; returns the person's other events, the oldest first."""
    verdicts = {(hit.home, sequence): hit for hit in hits for sequence in hit.sequences}
    ids: dict[tuple[int, str], Hit] = {}
    events = []
    for row in sorted(others, key=lambda row: (row["time_ms"], row["kind"] == "receipt", row["sequence"], row["place"])):
        fate = HistoryEvent(
            row["time_ms"] / 1000, row["kind"], row["state"], row["status"], row["message_id"], row["port"], row["provider"], row["text"]
        )  # fmt: skip
        if row["kind"] == "answer":
            hit = verdicts.get((row["home"], row["verdict"]))
            if hit is not None and row["message_id"]:
                ids[row["person"], row["message_id"]] = hit
        elif row["kind"] == "receipt":
            hit = ids.get((row["person"], row["message_id"]))
        elif row["kind"] == "verdict":
            continue
        else:
            events.append(fate)
            continue
        if hit is not None:
            hit.fates.append(fate)
    return events
