"""Writes the generated parts of the guide: ``make guide``.

In: the descriptions of settings, the table of operations, the kinds of records, the log events, tests/data/numbers. Out: the tables in
docs/settings.md, journal.md, log-events.md and performance.md; docs/openapi.json. Tests fail when these differ from the output. Never: a figure that was not measured.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from proxy.config.descriptions import SettingDescription, settings
from proxy.desk.api.operation_table import document
from proxy.journal import record_text  # noqa: F401 # it imports all modules that declare a kind
from proxy.journal.encoding import RECORDS, JsonArray, layout_of
from proxy.journal.records import messages
from proxy.sim.bench.measurement import describe_machine
from tests.archive.stream.schema import schema as stream_schema
from tests.bench import matrix, rates
from tests.log_events import log_events

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
JOURNAL = PAGE.with_name("journal.md")
LOG_EVENTS = PAGE.with_name("log-events.md")
DOCUMENT = PAGE.with_name("openapi.json")
STREAM_SCHEMA = PAGE.with_name("stream.schema.json")
PERFORMANCE = PAGE.with_name("performance.md")
NUMBERS = Path(__file__).parent / "data" / "numbers"
MIXES = {"standard": "varied texts, codes, long messages", "repeated": "500 texts word for word"}
BEGIN, END = "<!-- made by `make guide`, from proxy/config/descriptions.py -->\n\n", "\n<!-- up to here -->\n"


def settings_page(text: str) -> str:
    """The page, with the table as the code says it now."""
    rows = ["| setting | default | may be | reload | meaning |", "|---|---|---|---|---|", *map(_row, settings())]
    return re.sub(f"{BEGIN}.*?{END}", lambda _: BEGIN + "\n".join(rows) + "\n" + END, text, flags=re.DOTALL)


def _row(one: SettingDescription) -> str:
    default = "required" if one.required else one.default if one.worded else f"`{one.default}`" if one.default else "none"
    return f"| `{one.name}` | {default} | {one.allowed} | {'yes' if one.reloaded else ''} | {one.meaning} |"


def declared_fields(cls: type[tuple[Any, ...]]) -> Iterator[tuple[str, str]]:
    """Each field of a record and its form, in the order of the octets; ``#name``: what the fixed part holds of a longer field."""
    form = layout_of(cls)
    for which, *names in form.steps:
        for name in names:
            one = form.forms[name]
            if which == "fixed" and one.has_tail:
                yield f"#{name}", " ".join({"B": "u8", "H": "u16", "I": "u32", "Q": "u64"}[letter] for letter in one.letters)
            else:
                yield name, one.name
    for name in JsonArray(cls).names:
        yield name, "json"


def kinds_table() -> Iterator[str]:
    """The kinds of records: number, name, meaning, fields in the order of their octets."""
    yield "| kind | name | what it says | fields |"
    yield "|---|---|---|---|"
    for kind, cls in sorted(RECORDS.items()):
        meaning = (cls.__doc__ or "").split("\n\n", maxsplit=1)[0].replace("\n", " ")
        fields = ", ".join(f"`{name}` {form}".strip() for name, form in declared_fields(cls)) or "none"
        yield f"| {kind} | `{messages.KINDS[kind]}` | {' '.join(meaning.split())} | {fields} |"


def journal_page(text: str) -> str:
    """The page, with the kinds of records as they are declared."""
    begin = "<!-- made by `make guide`, from proxy/journal/records -->\n\n"
    return re.sub(f"{begin}.*?{END}", lambda _: begin + "\n".join(kinds_table()) + "\n" + END, text, flags=re.DOTALL)


def log_events_page(text: str) -> str:
    """The page, with events, levels and keys from the source; what to do about an event is written by hand and kept."""
    written = dict(re.findall(r"^\| `(.+?)` \| (?:\w+, )*\w+ \| .*? \| (.+) \|$", text, flags=re.MULTILINE))
    rows = ["| event | level | keys | what to do |", "|---|---|---|---|"]
    for one in log_events().values():
        keys = ", ".join(f"`{key}`" for key in one.keys) or "none"
        rows.append(f"| `{one.text}` | {', '.join(sorted(one.levels))} | {keys} | {written.get(one.text, 'TODO')} |")
    begin = "<!-- made by `make guide`, from the calls in proxy/; the last column is kept -->\n\n"
    return re.sub(f"{re.escape(begin)}.*?{END}", lambda _: begin + "\n".join(rows) + "\n" + END, text, flags=re.DOTALL)


def document_page() -> str:
    """An operation a line, so that a change of one is a line of the difference."""
    told = document()
    paths = ",\n".join(f"  {json.dumps(path)}: {json.dumps(one, ensure_ascii=False)}" for path, one in told["paths"].items())
    marked = json.dumps({**told, "paths": "here"}, ensure_ascii=False)
    return marked.replace('"paths": "here"', f'"paths": {{\n{paths}\n}}') + "\n"


def performance_page(text: str) -> str:
    """The page, with what was measured last."""
    for made, rows in (("matrix", _matrix()), ("rates", _rates()), ("where-*", _where())):
        begin = f"<!-- made by `make guide`, from tests/data/numbers/{made}.json -->\n"
        before, behind = text.split(begin)
        text = f"{before}{begin}\n{rows}\n{END}{behind.split(END, 1)[1]}"
    return text


def _kept(name: str) -> dict[str, Any] | None:
    path = NUMBERS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _matrix() -> str:
    told = _kept("matrix")
    if told is None:
        return "Not measured yet: `make numbers-all`."
    rows = ["| what | measured | goal | |", "|---|---|---|---|"]
    for row in told["rows"]:
        between = f" ({row['spread'][0]:,g} to {row['spread'][1]:,g})" if row["spread"] else ""
        said = [matrix.met_or_not(row), row["note"]]
        measured = f"{matrix.with_unit(row['measured'], row['unit'])}{between}"
        rows.append(f"| {row['name']} | {measured} | {matrix.goal_of(row)} | {'; '.join(filter(None, said))} |")
    doubts = [f"{one[0].upper()}{one[1:]}." for one in matrix.remarks(told)]
    missing = [f"Not measured: {name} ({why})." for name, why in told["problems"].items()]
    return "\n".join([*rows, "", _measured_on(told), *doubts, *missing])


def _rates() -> str:
    told = _kept("rates")
    if told is None:
        return "Not measured yet: `make rates`."
    return "\n".join([*rates.as_rows(told), "", _measured_on(told)])


def _measured_on(told: Mapping[str, Any]) -> str:
    machine = describe_machine(told["machine"], told["versions"], told["sync_ms"])
    return f"Measured {told['at'][:10]} by `{told['command']}`, commit {told['commit'] or 'unknown'}, on {machine}."


def _where() -> str:
    found = {mix: told for mix in MIXES if (told := _kept(f"where-{mix}")) is not None}
    if not found:
        return "Not measured yet: `make numbers-all`."
    steps = list({step: None for told in found.values() for step in told["spent_us"]})
    rows = [f"| µs a submit | {' | '.join(MIXES[mix] for mix in found)} |", "|---|" + "---|" * len(found)]
    rows += [
        f"| {step} | {' | '.join(format(told['spent_us'].get(step, 0), '.2f') for told in found.values())} |" for step in steps
    ]
    rows.append(f"| **all of it** | {' | '.join(format(told['cpu_us'], '.2f') for told in found.values())} |")
    loads = ", ".join(f"{told['machine']['load_before']} before `{told['command']}`" for told in found.values())
    return "\n".join([*rows, "", f"Load of the machine: {loads}."])


if __name__ == "__main__":
    PAGE.write_text(settings_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    JOURNAL.write_text(journal_page(JOURNAL.read_text(encoding="utf-8")), encoding="utf-8")
    LOG_EVENTS.write_text(log_events_page(LOG_EVENTS.read_text(encoding="utf-8")), encoding="utf-8")
    DOCUMENT.write_text(document_page(), encoding="utf-8")
    PERFORMANCE.write_text(performance_page(PERFORMANCE.read_text(encoding="utf-8")), encoding="utf-8")
    STREAM_SCHEMA.write_text(json.dumps(stream_schema(), indent=1) + "\n", encoding="utf-8")
