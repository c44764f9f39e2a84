"""The table of operations is complete and agrees with the gate's answers."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta

import jsonschema
import pytest
import typer

from proxy.__main__ import app
from proxy.desk.api import operation_table
from proxy.desk.api.openapi import document
from proxy.desk.api.operation_table import NOT_HERE, OPERATIONS, ControlCommand, Program
from proxy.model.roles import COMMANDS, Permission
from tests.guide import DOCUMENT, document_page

ELSEWHERE = {
    "serve", "demo", "bench", "console", "sim carrier", "sim provider",  # they are the gate, and what stands beside it
    "backup", "restore", "hash-password", "token", "schema", "settings", "check-settings",  # of files where the gate runs
    "evidence verify", "evidence verifier",  # need no gate
    "optout audit",  # reads the journal beside the gate, which keeps it running
    "journal erase", "journal hold", "journal key", "journal looked", "journal person", "journal release", "journal roll", "journal seal",
    "provider refusals",  # GET /provider/refusals
}  # fmt: skip
PUBLISHED = {
    "Batch": "advertiser category due ended file given imported number numbers overdue proof proof_by provider reason reply reviewed reviewer source state until version who why wording",
    "Bind": "account address id provider since suspended tps type unanswered unread_bytes window",
    "Case": "answer_by answer_days at batch came category decided events filed forward_by forward_days forwarded id message number of port provider reference sender sent signature source state suppressed text to",
    "Error": "error",
    "Link": "carrier in_flight name since state type window",
    "Order": "about everything hits id kind name of scope seconds since trial until who why would_refuse",
    "Penalty": "appeal author basis by events figure figure_zh for_s id name order provider revision say share since state step trigger until value",
    "Probe": "begun_at ended_at keyword node port prefix provider state tries who why within_s",
    "Refusal": "about about_zh advertiser in_force kept port scope signature since source until value",
    "ReplyPath": "advertisements advertisements_since_proof chance expected keywords prefix probed_at proven_at provider replies state",
    "Revised": "author beside changes event how in_force kept_out node proposed revision serial time who why",
    "Withdrawal": "advertiser category time",
}
"""Schemas of the document and their fields: programs are generated from them, so names of classes must not change them."""


def commands() -> set[str]:
    """Of the command line: ``complaint decide``."""
    found = set[str]()

    def walk(command: object, words: tuple[str, ...]) -> None:
        below = getattr(command, "commands", None)
        if below is None or getattr(command, "invoke_without_command", False):
            found.add(" ".join(words))
        for name, one in (below or {}).items():
            walk(one, (*words, name))

    walk(typer.main.get_command(app), ())
    return found - {""}


def test_every_command_of_the_socket_is_reachable_or_has_a_reason_not_to_be() -> None:
    reached = {one.by.name for one in OPERATIONS if isinstance(one.by, ControlCommand)}
    assert reached | NOT_HERE.keys() == COMMANDS.keys()
    assert not reached & NOT_HERE.keys()


def test_every_command_of_the_desk_is_reachable_under_its_own_name() -> None:
    paths = {one.path.removeprefix("/api/").replace("/", " ") for one in OPERATIONS}
    assert commands() - paths - ELSEWHERE == {"binds suspend", "binds resume"}
    assert {"suspend", "resume"} <= paths, "which are those"


def test_a_command_asks_for_what_the_socket_asks_for() -> None:
    for one in OPERATIONS:
        if isinstance(one.by, ControlCommand):
            assert one.permission is COMMANDS[one.by.name]
        assert one.permission is not Permission.OWN


def test_no_person_and_no_reason_stands_in_an_address() -> None:
    for one in OPERATIONS:
        names = {arg.name for arg in one.args}
        takes_file = isinstance(one.by, Program) and one.by.takes
        if one.reads or takes_file:
            assert not names & {"to", "number", "text"}, one.path
        assert one.reads is False or "why" not in names


def test_the_document_is_that_of_the_table_and_the_same_as_in_the_guide() -> None:
    assert json.loads(document_page()) == document()
    assert DOCUMENT.read_text(encoding="utf-8") == document_page(), "make guide writes it anew"


def test_every_shape_is_a_schema() -> None:
    told = document()
    for schema in told["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for path in told["paths"].values():
        for operation in path.values():
            for media in operation["responses"]["200"]["content"].values():
                jsonschema.Draft202012Validator.check_schema(media["schema"])


@pytest.mark.parametrize("pattern", [operation_table._DAY, operation_table._MOMENT])
def test_every_day_of_the_calendar_may_be_said(pattern: str) -> None:
    day = date(2028, 1, 1)
    while day.year == 2028:
        assert re.fullmatch(pattern, day.isoformat()), day
        day += timedelta(days=1)
    assert not any(re.fullmatch(pattern, f"2028-{said}") for said in ("00-10", "13-01", "01-00", "01-32", "1-1"))


def test_schemas_keep_the_names_and_fields_that_are_published() -> None:
    schemas = document()["components"]["schemas"]
    assert {name: " ".join(sorted(schema["properties"])) for name, schema in schemas.items()} == PUBLISHED
