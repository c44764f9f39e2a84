"""Runs the guide's statements on a real ClickHouse: ``make clickhouse``.

In: an interpreter that has chdb, ClickHouse as a library. Out: exit 0 where it gives DuckDB's answers to every question, on the files, on
what it loaded of them, and on the event stream, whose events come twice from librdkafka's mock cluster, there also as the board asks; and
where it obeys tombstones. Never: chdb in the gate's own environment (it is twenty times as large as the gate).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import confluent_kafka

from grafana.boards.journal import statement
from grafana.trial.asking import Window, board, fill, panels
from tests.archive import engines
from tests.archive.engines import SQL, statements
from tests.archive.stream.made import events_of
from tests.archive.stream.mock_cluster import MockCluster
from tests.archive.test_person_erasure import RINGS, Case

ASKED = """
import json, sys, time
from chdb import session
there = session.Session(sys.argv[1])

def answer(one):
    try:
        said = str(there.query(one, "JSONCompact")).strip()
    except RuntimeError as fault:
        if "ENGINE = Kafka" in one and "Shutdown was called" in str(fault):
            return []  # the library says so of each Kafka table, which is there nevertheless and reads its topic
        raise
    return [list(map(str, row)) for row in json.loads(said)["data"]] if said.startswith("{") else []

there.query("CREATE DATABASE desk")
there.query("CREATE DATABASE stream")
there.query("USE desk")
found = []
for one in json.load(sys.stdin):
    found.append(answer(one))
    until = time.monotonic() + 60
    while one.startswith("SELECT 1 WHERE") and not found[-1]:
        if time.monotonic() > until:
            sys.exit("not so within a minute: " + one)
        time.sleep(0.2)
        found[-1] = answer(one)
print(json.dumps(found))
"""


def ask(python: str, folder: Path, said: list[str]) -> list[list[list[str]]]:
    """The answers of one ClickHouse to all of it."""
    done = subprocess.run(  # the interpreter that was named
        [python, "-c", ASKED, str(folder)], input=json.dumps(said), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"ClickHouse refuses: {done.stderr.strip().splitlines()[-1]}")
    found: list[list[list[str]]] = json.loads(done.stdout)
    return found


def plain(value: Any) -> str:
    """As ClickHouse's JSON has it."""
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


OF_FILES = "coverage"
"""The question that is about the files of tables."""


def stream_tables() -> list[str]:
    """Statements that make them in a new database, with the views."""
    made = [
        one.replace("190 DAY", "36500 DAY")  # the events of tests are of 2025
        for name in ("stream-tables", "stream-views")
        for one in statements(SQL / "clickhouse" / f"{name}.sql", None)
    ]
    return ["DROP DATABASE stream", "CREATE DATABASE stream", "USE stream", *made]


def inserted(events: list[dict[str, Any]]) -> list[str]:
    """Statements that give a new database these events, each of them twice."""
    rows = "\n".join(json.dumps({"event": json.dumps(one, ensure_ascii=False)}, ensure_ascii=False) for one in events)
    return [*stream_tables(), *[f"INSERT INTO stream_events FORMAT JSONEachRow {rows}"] * 2]


def consumed(events: list[dict[str, Any]], brokers: str) -> list[str]:
    """Sends these events to a topic, each of them twice. Statements with which a new database reads all of it."""
    producer = confluent_kafka.Producer({"bootstrap.servers": brokers})
    for one in events * 2:
        producer.produce("gate106", json.dumps(one, ensure_ascii=False).encode(), key=one["partitionkey"].encode())
    if producer.flush(30):
        raise SystemExit("the mock cluster takes no events")
    queue = [one.replace("broker:9092", brokers) for one in statements(SQL / "clickhouse" / "stream-queue.sql", None)]
    rows = sum(len(one["data"].get("rows", [])) for one in events)
    came = f"(SELECT count() FROM came) = {2 * len(events)}"
    return [
        *stream_tables(),
        "CREATE MATERIALIZED VIEW came ENGINE = Memory AS SELECT event FROM stream_events",
        *queue,
        f"SELECT 1 WHERE {came} AND (SELECT uniqExact(source, sequence, place) FROM streamed) = {rows}",
    ]


def tombstones(python: str, folder: Path) -> list[str]:
    """What is wrong with the rows of a person who was erased, beside the tables."""
    case = Case(folder / "erased", RINGS["plain"])
    events = list(events_of(case.disk, 0, case.shelf.keys))
    case.erase()
    events += events_of(case.disk, 0, case.shelf.keys, events[-1]["data"]["sequence"])
    want = [list(map(str, row)) for row in case.shelf.rows("person, kind, sequence, place, if(kind = 'stopped', text, '')")]
    columns = "person, kind, sequence, place, if(kind = 'stopped', text, '')"
    seen = f"SELECT {columns} FROM journal WHERE sequence <= {case.shelf.manifest().last} ORDER BY sequence, place"
    on_disk = seen.replace("FROM journal", "FROM streamed FINAL")
    erase = statements(SQL / "clickhouse" / "stream-erase.sql", None)
    there = "SETTINGS mutations_sync = 1"
    found = ask(python, folder / "others", [*inserted(events), seen, on_disk, *[f"{one} {there}" for one in erase], on_disk])
    views, before, after = found[-3 - len(erase)], found[-2 - len(erase)], found[-1]
    return [
        name
        for name, wrong in (
            ("the view does not obey tombstones", views != want),
            ("nothing was erased", len(before) <= len(want)),
            ("the statements of every day leave what was erased", after != want),
        )
        if wrong
    ]


def of_board(days: tuple[str, str], person: int) -> dict[str, str]:
    """Question → its panel's statement as Grafana and the plugin send it, from the first to the last second of the days."""
    questions = {statement(path.stem): path.stem for path in engines.questions()}
    first, last = (
        int(datetime.fromisoformat(f"{day}T{time}+08:00").timestamp())
        for day, time in zip(days, ("00:00:00", "23:59:59"), strict=True)
    )
    chosen = {
        "__fromTime": f"toDateTime({first})",
        "__toTime": f"toDateTime({last})",
        "signature": "'甲店'",
        "text": "'上新'",
        "person": f"'{person}'",
    }
    asked = [target["rawSql"] for panel in panels(board("journal", "zh")) for target in panel["targets"]]
    return {questions[sql]: fill(sql, chosen, Window(0, 0, 1, 1)) for sql in asked}


def compare(python: str, folder: Path, brokers: str) -> int:
    """How many answers are not DuckDB's."""
    shelf, person = engines.two_nodes(folder)
    engine = engines.duck(shelf)
    expected = engines.answers(engine, shelf, person)
    views = [one for name in engines.VIEWS for one in statements(SQL / "clickhouse" / f"{name}.sql", shelf)]
    loaded = statements(SQL / "clickhouse" / "loaded.sql", shelf)
    day = statements(SQL / "clickhouse" / "load-a-day.sql", shelf)
    rest = [one.replace(engines.DAY, "2025-11-12") for one in day]
    asked = {path.stem: one for path in engines.questions() for one in statements(path, shelf, person)}
    of_loaded = {name: one.replace("FROM journal", "FROM loaded").replace("journal.", "loaded.") for name, one in asked.items()}
    of_stream = {name: one for name, one in asked.items() if name != OF_FILES}
    events = [one for node in (0, 1) for one in events_of(shelf.disks[node], node, shelf.keys)]
    rolled = [one for one in events if one["data"]["sequence"] <= shelf.manifest(one["data"]["node"]).last]
    registry = statements(SQL / "clickhouse" / "advertisers.sql", shelf)
    steps: list[tuple[str, str, engines.Answers]] = [  # a statement; with a question, what DuckDB answers
        ("", "SELECT version()", {}),
        *[("", one, {}) for one in (*views, *loaded, *day, *rest, *day)],
        *[(name, one, expected) for name, one in (*asked.items(), *of_loaded.items())],
        *[("", one, {}) for one in (*consumed(rolled, brokers), *registry)],
        *[(name, one, expected) for name, one in of_stream.items()],
        ("", "SET session_timezone = 'America/New_York'", {}),  # a server that is not in China
    ]
    for days in engines.PERIODS:
        of_days = engines.answers(engine, shelf, person, days)
        steps += [(name, one, of_days) for name, one in of_board(days, person).items()]
    found = ask(python, folder / "there", [one for _, one, _ in steps])
    compared = wrong = 0
    for (name, one, wants), answer in zip(steps, found, strict=True):
        if not name:
            continue
        compared += 1
        want = [[plain(value) for value in row.values()] for row in wants[name]]
        if answer != want:
            wrong += 1
            sys.stdout.write(f"{name}: {one}\nClickHouse says {answer}\nDuckDB says {want}\n")
    sys.stdout.write(f"ClickHouse {found[0][0][0]}: {compared - wrong} of {compared} answers are DuckDB's\n")
    return wrong


def main(python: str) -> int:
    cluster = MockCluster()
    try:
        with tempfile.TemporaryDirectory(prefix="gate106-clickhouse-") as temporary:
            wrong = compare(python, Path(temporary), cluster.brokers)
            faults = tombstones(python, Path(temporary))
    finally:
        cluster.kill()
    sys.stdout.writelines(f"{why}\n" for why in faults)
    return 1 if wrong or faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
