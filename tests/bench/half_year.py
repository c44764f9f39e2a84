"""Measures questions to a journal at rest of half a year, with nothing of it in memory.

In: rows, days, nodes; a folder. Out: tables, manifests, heads as the archiver leaves them; seconds of each question. Never: segments (ten times as
large, and no question reads them); a real text or number.

Every message has three rows (verdict, carrier's answer, receipt), or one if it is refused (one in ten). All days but the last are one table each; the
last day is 24 tables of an hour each. Finished tables stay: the same command continues where the last one was killed.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from proxy.archive import manifest, parquet, signed_heads, table_filters
from proxy.archive.manifest import Manifest, TableEntry
from proxy.archive.secret_keys import ArchiveKeys
from proxy.sim import texts
from proxy.sim.bench.gate_process import ended_children_cpu_s
from proxy.sim.gate_process import CHINA
from proxy.sim.measure import machine

FIRST_NUMBER = 13_800_000_000
LAST_DAY = datetime(2026, 11, 25, tzinfo=CHINA)
ROWS_A_MESSAGE = 2.8
PERSONS_A_BATCH = 500_000
PROVIDERS = 12
DAYS, NODES = 190, 2
TRIES = 5  # questions of each kind, each with other arguments


@dataclass(frozen=True, slots=True)
class JournalSize:
    rows: int
    days: int
    nodes: int

    @property
    def persons(self) -> int:
        """A recipient gets twelve messages in half a year on average."""
        return max(1000, int(self.rows / ROWS_A_MESSAGE / 12))


@dataclass(slots=True)
class TimedQuestion:
    """One kind of question, with the seconds of each try."""

    what: str
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """CPU seconds of the command, which other work on the machine changes little."""
    found: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {
            "question": self.what,
            "median_s": round(statistics.median(self.seconds), 3),
            "slowest_s": round(max(self.seconds), 3),
            "cpu_s": round(statistics.median(self.cpu), 3),
            "tries": len(self.seconds),
            "found": self.found,
        }


# -- made


def make(folder: Path, size: JournalSize, tell: Callable[[str], None]) -> float:
    """Fills the folder up to this size; returns the seconds. OSError."""
    began = time.monotonic()
    archive, keys = folder / "archive", ArchiveKeys(folder / "keys", make=True)
    (folder / "journal").mkdir(parents=True, exist_ok=True)
    (folder / "gate106.yaml").write_text(f"store: sqlite:///{folder}/state.db\njournal: {folder}/journal\nnode: 255\n")
    with duckdb.connect(
        str(folder / "making.duckdb"), config={"memory_limit": "2GB", "temp_directory": str(folder / "spill")}
    ) as engine:
        _persons(engine, keys, size, tell)
        _templates(engine)
        each = int(size.rows / ROWS_A_MESSAGE / size.days / size.nodes)
        for node in range(size.nodes):
            _node(engine, archive, keys, node, each, size, tell)
    return time.monotonic() - began


def _persons(engine: duckdb.DuckDBPyConnection, keys: ArchiveKeys, size: JournalSize, tell: Callable[[str], None]) -> None:
    engine.execute("CREATE TABLE IF NOT EXISTS persons (place BIGINT, person UBIGINT, sealed BLOB)")
    ((there,),) = engine.execute("SELECT count(*) FROM persons").fetchall()
    for start in range(there, size.persons, PERSONS_A_BATCH):
        numbers = array("Q", range(FIRST_NUMBER + start, FIRST_NUMBER + min(start + PERSONS_A_BATCH, size.persons)))
        batch = pa.table(
            {
                "place": pa.array(range(start, start + len(numbers)), pa.int64()),
                "person": pa.array([keys.person(number) for number in numbers], pa.uint64()),
                "sealed": pa.array(keys.seal(numbers), pa.binary()),
            }
        )
        engine.register("batch", batch)
        engine.execute("INSERT INTO persons SELECT * FROM batch")
        engine.unregister("batch")
        tell(f"{start + len(numbers)} of {size.persons} persons")


def _templates(engine: duckdb.DuckDBPyConnection) -> None:
    found = texts.standard()
    columns = {
        "place": range(len(found)),
        "text": [one.text for one in found],
        "category": [one.category.word for one in found],
        "signature": [one.signature for one in found],
    }
    engine.register("batch", pa.table({name: pa.array(values) for name, values in columns.items()}))
    engine.execute("CREATE OR REPLACE TABLE templates AS SELECT * FROM batch")
    engine.unregister("batch")


_MESSAGES = """
CREATE OR REPLACE TEMP TABLE messages AS
SELECT m.i, p.person, p.sealed, m.time_ms, t.text, t.category, t.signature, t.place AS template, m.chance,
       CASE WHEN t.category = 'otp' THEN '****' ELSE lower(hex(hash(m.i, $seed)))[1:6] END AS code
FROM (SELECT i, ($begin + i * ($end - $begin) // $count)::BIGINT AS time_ms, hash(i, $seed) AS chance,
             (power(hash(i, $seed, 1) / 18446744073709551615.0, 1.6) * $persons)::BIGINT % $persons AS who,
             (hash(i, $seed, 2) % $templates)::BIGINT AS said
      FROM range($count) r(i)) m
JOIN persons p ON p.place = m.who JOIN templates t ON t.place = m.said
"""
_ROWS = """
SELECT person, sealed, $node::USMALLINT AS node, time_ms, ($first + i)::UBIGINT AS sequence, 0::UINTEGER AS place, 'verdict' AS kind,
       'provider' || (template % $providers) AS provider, 'provider' || (template % $providers) AS account,
       '106900' || lpad((template % 997)::VARCHAR, 4, '0') AS port,
       CASE WHEN refused THEN 'reject' ELSE 'allow' END AS outcome,
       CASE WHEN NOT refused THEN '' WHEN chance % 3 = 0 THEN 'suppressed' ELSE 'recipient-cap' END AS reason,
       CASE WHEN refused THEN 1040 ELSE 0 END::UINTEGER AS status, category, signature, replace(text, '{}', code) AS text,
       CASE WHEN refused THEN 'daily-cap' ELSE '' END AS rules, '72375a2d72dfe9d3' AS revision,
       CASE WHEN refused THEN 0 ELSE $first + i END::UBIGINT AS message, 0::UBIGINT AS verdict, 0::UTINYINT AS part, 0::UTINYINT AS parts,
       '' AS message_id, '' AS state
FROM (SELECT *, chance % 10 = 0 AS refused FROM messages)
UNION ALL
SELECT person, sealed, $node, time_ms + 40 + chance % 200, $first + $count + i // 20, i % 20, 'answer', '', '', '', '', '', 0, '', '', '', '',
       '', $first + i, $first + i, 0, 0, lower(hex($first + i)), 'accepted'
FROM messages WHERE chance % 10 <> 0
UNION ALL
SELECT person, sealed, $node, time_ms + 2000 + chance % 9000, $first + 2 * $count + i, 0, 'receipt', 'provider' || (template % $providers), '',
       '106900' || lpad((template % 997)::VARCHAR, 4, '0'), '', '', 0, '', '', '', '', '', 0, 0, 0, 0, lower(hex($first + i)),
       CASE WHEN chance % 50 = 1 THEN 'UNDELIV' ELSE 'DELIVRD' END
FROM messages WHERE chance % 10 <> 0
ORDER BY person, time_ms, sequence, place
"""


def _node(
    engine: duckdb.DuckDBPyConnection,
    archive: Path,
    keys: ArchiveKeys,
    node: int,
    each: int,
    size: JournalSize,
    tell: Callable[[str], None],
) -> None:
    folder = manifest.node_folder(archive, node)
    folder.mkdir(parents=True, exist_ok=True)
    kept = manifest.load(folder)
    if not kept.identity:
        kept.node, kept.identity = node, blake2b(b"%d" % node, digest_size=16).hexdigest()
    for begin, end, day, whole in list(_spans(size.days))[len(kept.tables) :]:
        count = max(1, int(each * (end - begin).total_seconds() / 86_400))
        _table(engine, folder, kept, count, begin, end, day, whole, size)
        signed_heads.sign(folder, archive, kept, keys)
        tell(f"node {node}: {day}, {sum(table.rows for table in kept.tables)} rows")
    if table_filters.make(folder, kept):  # a folder that an earlier gate made
        kept.write(folder)


def _spans(days: int) -> Iterator[tuple[datetime, datetime, str, bool]]:
    """All days but the last as one, the last by hours."""
    for back in range(days - 1, 0, -1):
        begin = LAST_DAY - timedelta(days=back)
        yield begin, begin + timedelta(days=1), begin.date().isoformat(), True
    for hour in range(24):
        begin = LAST_DAY + timedelta(hours=hour)
        yield begin, begin + timedelta(hours=1), begin.date().isoformat(), False


def _table(
    engine: duckdb.DuckDBPyConnection,
    folder: Path,
    kept: Manifest,
    count: int,
    begin: datetime,
    end: datetime,
    day: str,
    whole: bool,
    size: JournalSize,
) -> None:
    first, span = kept.last + 1, (int(begin.timestamp() * 1000), int(end.timestamp() * 1000))
    seed = kept.node * 1_000_000 + len(kept.tables)
    engine.execute(
        _MESSAGES,
        {
            "seed": seed, "begin": span[0], "end": span[1], "count": count, "persons": size.persons, "templates": texts.STANDARD_TEMPLATES,
        },
    )  # fmt: skip
    path = folder / ("days" if whole else "hours") / (f"{day}-{first:020d}.parquet" if whole else f"{first:020d}.parquet")
    values = {"node": kept.node, "first": first, "count": count, "providers": PROVIDERS}
    files = parquet.rewritten(path, folder, engine.sql(_ROWS, params=values).to_arrow_reader(parquet.GROUP_ROWS))
    chain = blake2b(f"{kept.node} {first}".encode(), digest_size=32).hexdigest()
    kept.tables.append(
        TableEntry(first, first + 3 * count - 1, *span, kept.chain or "00" * 32, chain, 24 if whole else 1, day, whole, files)
    )
    table_filters.make(folder, kept)
    kept.write(folder)


# -- asked


def measure(folder: Path, rows: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Makes what is missing of the journal, then asks the questions. OSError."""
    size = JournalSize(rows, DAYS, NODES)
    took = make(folder, size, tell)
    files, octets = size_of(folder)
    made = sum(file.rows for node in manifest.node_folders(folder / "archive") for file in manifest.load(node).files())
    return {
        "command": f"python -m tests.bench half-year {folder.name} --rows {rows}",
        "machine": machine(),
        "rows": made,
        "files": files,
        "bytes_a_row": round(octets / made, 1),
        "megabytes": round(octets / 1e6),
        "made_s": round(took),
        "questions": [one.as_dict() for one in ask(folder, size)],
    }


def as_text(told: dict[str, Any]) -> str:
    lines = [
        f"{told['rows']:,} rows of {DAYS} days and {NODES} nodes, {told['files']} files, {told['megabytes']:,} MB; nothing of them in memory"
    ]
    lines += [
        f"{one['median_s']:6.2f} s, at most {one['slowest_s']:.2f} s, {one['cpu_s']:.2f} s of CPU  {one['question']}"
        for one in told["questions"]
    ]
    return "\n".join(lines)


def ask(folder: Path, size: JournalSize, seed: int = 106) -> list[TimedQuestion]:
    """Asks each question by a command of its own, with no file of the tables in memory."""
    rng = random.Random(seed)
    found = []
    for what, words in _questions(size, rng):
        asked = TimedQuestion(what)
        for _ in range(TRIES):
            forget(folder / "archive")
            began, before = time.monotonic(), ended_children_cpu_s()
            command = [sys.executable, "-m", "proxy", "find", *words(), "--config", str(folder / "gate106.yaml"), "--json"]
            done = subprocess.run(command, capture_output=True, check=False)  # our own program
            asked.seconds.append(time.monotonic() - began)
            asked.cpu.append(ended_children_cpu_s() - before)
            if done.returncode == 2:
                raise OSError(done.stderr.decode().strip())
            asked.found += done.stdout.count(b'"text": "\xe3\x80\x90')
        found.append(asked)
    return found


def _questions(size: JournalSize, rng: random.Random) -> list[tuple[str, Callable[[], list[str]]]]:
    templates = texts.standard()

    def person() -> str:
        return str(FIRST_NUMBER + int(size.persons * rng.random() ** 1.6))

    def day() -> str:
        return (LAST_DAY - timedelta(days=rng.randrange(1, size.days))).date().isoformat()

    def moment() -> str:
        return f"{day()} {rng.randrange(24):02d}:{rng.randrange(60):02d}"

    def words() -> str:
        pieces = templates[rng.randrange(len(templates))].text.partition("】")[2].split(texts.HOLE)
        return max(pieces, key=len)[:10]

    def signature() -> str:
        return templates[rng.randrange(len(templates))].signature

    return [
        ("a person, and ten minutes around a time", lambda: ["--to", person(), "--at", moment()]),
        ("a person, over all days", lambda: ["--to", person()]),
        ("a person who got nothing, over all days", lambda: ["--to", str(19_900_000_000 + rng.randrange(10**6))]),
        ("a person and some words, over all days", lambda: ["--to", person(), "--text", words()]),
        ("a part of the sender, and ten minutes", lambda: ["--from", f"00{rng.randrange(997):04d}"[-4:], "--at", moment()]),
        ("a signature, on one day", lambda: ["--signature", signature(), "--at", day(), "--within", "1s"]),
        ("some words, on one day", lambda: ["--text", words(), "--at", day(), "--within", "1s"]),
        ("some words, over all days", lambda: ["--text", words()]),
        ("a provider, a verdict and a reason, on one day", lambda: [
            "--provider", f"provider{rng.randrange(PROVIDERS)}", "--verdict", "reject", "--reason", "suppressed",
            "--at", day(), "--within", "1s",
        ]),
        ("the code that one person got, over all days", lambda: ["--text", f"{rng.randrange(16**6):06x}"]),
        ("words that nobody sent, over all days", lambda: ["--text", "没有人发过这句话"]),
        ("a signature that nobody has, over all days", lambda: ["--signature", f"无此签名{rng.randrange(100)}"]),
        ("a sender that nobody is, over all days", lambda: ["--from", f"1062{rng.randrange(10**6):06d}"]),
        ("a provider that sent nothing, over all days", lambda: ["--provider", f"nobody{rng.randrange(100)}"]),
        ("a verdict that never was, over all days", lambda: ["--verdict", "defer"]),
        ("a reason that never was, over all days", lambda: ["--reason", "keyword"]),
    ]  # fmt: skip


def forget(folder: Path) -> None:
    """Drops every file from the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            try:
                os.fdatasync(file)
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(file)


def size_of(folder: Path) -> tuple[int, int]:
    """(files, bytes) of the tables."""
    sizes = [path.stat().st_size for path in (folder / "archive").rglob("*.parquet")]
    return len(sizes), sum(sizes)
