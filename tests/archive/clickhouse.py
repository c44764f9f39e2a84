"""Runs the guide's statements on a real ClickHouse: ``make clickhouse``.

In: an interpreter that has chdb, ClickHouse as a library. Out: exit 0 where it gives DuckDB's answers to every question, on the files and
on what it loaded of them. Never: chdb in the gate's own environment (it is twenty times as large as the gate).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.archive import engines
from tests.archive.engines import SQL, statements

ASKED = """
import json, sys
from chdb import session
there = session.Session(sys.argv[1])
there.query("CREATE DATABASE desk")
there.query("USE desk")
found = []
for one in json.load(sys.stdin):
    said = str(there.query(one, "JSONCompact")).strip()
    found.append([list(map(str, row)) for row in json.loads(said)["data"]] if said.startswith("{") else [])
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


def main(python: str) -> int:
    with tempfile.TemporaryDirectory(prefix="gate106-clickhouse-") as temporary:
        folder = Path(temporary)
        shelf, person = engines.two_nodes(folder)
        expected = engines.answers(engines.duck(shelf), shelf, person)
        views = [one for name in engines.VIEWS for one in statements(SQL / "clickhouse" / f"{name}.sql", shelf)]
        loaded = statements(SQL / "clickhouse" / "loaded.sql", shelf)
        day = statements(SQL / "clickhouse" / "load-a-day.sql", shelf)
        rest = [one.replace(engines.DAY, "2025-11-12") for one in day]
        asked = [one for path in engines.questions() for one in statements(path, shelf, person)]
        of_loaded = [one.replace("FROM journal", "FROM loaded").replace("journal.", "loaded.") for one in asked]
        found = ask(python, folder / "there", [*views, *loaded, *day, *rest, *day, "SELECT version()", *asked, *of_loaded])
        version, answers = found[-1 - 2 * len(asked)][0][0], found[-2 * len(asked) :]
        wrong = 0
        for number, answer in enumerate(answers):
            name = engines.questions()[number % len(asked)].stem
            want = [[plain(value) for value in row.values()] for row in expected[name]]
            if answer != want:
                wrong += 1
                sys.stdout.write(f"{name}: ClickHouse says {answer}\nDuckDB says {want}\n")
        sys.stdout.write(f"ClickHouse {version}: {len(answers) - wrong} of {len(answers)} answers are DuckDB's\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
