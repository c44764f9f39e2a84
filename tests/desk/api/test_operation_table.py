"""The table of operations is complete and agrees with the gate's answers."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta

import jsonschema
import pytest

from proxy.__main__ import whole
from proxy.cli.old_spellings import OLD
from proxy.desk.api.operation_table import OFFERED, OPERATIONS, document
from proxy.model.roles import Permission
from proxy.operations.declaration import Program
from proxy.operations.parameters import DAY, MOMENT
from tests.guide import DOCUMENT, document_page

ELSEWHERE = {
    "serve", "demo", "bench", "console serve", "sim carrier", "sim provider",  # they are the gate, and what stands beside it
    "backup make", "backup check", "backup restore", "password hash", "token make", "rules show-schema", "settings show",  # of files where the gate runs
    "evidence verify", "evidence make-verifier",  # need no gate
    "journal push",  # reads the journal beside the gate, which keeps it running
    "follower serve", "follower update",  # of another machine, and of files for it
    "optout audit",  # reads the journal beside the gate, which keeps it running
    "journal erase", "journal hold", "journal make-key", "journal looked", "journal hash-number", "journal release", "journal roll", "journal seal",
    "provider list-refusals",  # GET /provider/refusals
}  # fmt: skip
NO_PATH = {
    "complaint.import", "complaint.match", "complaint.stop", "consent.export", "consent.import", "journal.erase", "journal.erased",
    "journal.put", "look", "subject.recycled", "subject.show", "suppress.export", "suppress.import", "suppress.show",
}  # fmt: skip
"""Operations that a command of the command line uses, which itself has the path."""
PUBLISHED = {
    "Batch": "advertiser category due ended file given imported number numbers overdue proof proof_by provider reason reply reviewed reviewer source state until version who why wording",
    "Bind": "account address id provider since suspended tps type unanswered unread_bytes waiting window",
    "Case": "answer_by answer_days answered at batch came category decided events filed forward_by forward_days forwarded id message number of port provider reference sender sent signature source state suppressed text to",
    "ErasureRequest": "author decided decision gone id state stays time to who why",
    "Error": "error",
    "FilingTask": "advertiser carrier due file kind licence line overdue province signature who why",
    "Link": "carrier in_flight name since state type window",
    "Order": "about everything hits id kind name of scope seconds since trial until who why would_refuse",
    "Penalty": "appeal author basis by ended events figure figure_zh for_s id name order provider revision say share since state step trigger until value",
    "Probe": "begun_at ended_at keyword node port prefix provider state tries who why within_s",
    "RecycledFeed": "author decided decision ended file id numbers state time until who why",
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

    walk(whole(), ())
    return found - {""}


def test_every_operation_has_a_path_or_a_reason_not_to_have_one() -> None:
    assert {one.name for one in OPERATIONS if not one.path} == NO_PATH
    assert len({one.name for one in OPERATIONS}) == len(OPERATIONS)
    assert len({(one.path, one.method) for one in OFFERED}) == len(OFFERED)


def test_every_command_of_the_desk_is_reachable_under_its_own_name() -> None:
    paths = {one.path.removeprefix("/api/").replace("/", " ") for one in OFFERED}
    old = {new: old for old, new in OLD.items()}  # paths keep their names
    assert {one for one in commands() - ELSEWHERE if old.get(one, one) not in paths} == {"binds suspend", "binds resume"}
    assert {"suspend", "resume"} <= paths, "which are those"


def test_an_operation_has_a_command_or_a_reason_not_to_have_one() -> None:
    assert {one.words for one in OPERATIONS if one.words} <= commands()
    assert not [one.name for one in OPERATIONS if not one.words and not one.by_hand]


def test_nothing_of_a_provider_s_own_is_an_operation() -> None:
    assert not [one.name for one in OFFERED if one.permission is Permission.OWN]


def test_no_person_and_no_reason_stands_in_an_address() -> None:
    for one in OFFERED:
        names = {arg.name for arg in one.offered}
        takes_file = isinstance(one, Program) and one.takes_file
        if one.get or takes_file:
            assert not names & {"to", "number", "text"}, one.path
        assert one.get is False or "why" not in names


def test_what_only_reads_by_get_writes_no_record_and_what_writes_has_a_reason_or_a_second_person() -> None:
    for one in OPERATIONS:
        assert not (one.get and one.record), one.name
        if one.record and one.permission is Permission.ENTER:
            assert {"why", "id"} & {arg.name for arg in one.parameters}, one.name


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


@pytest.mark.parametrize("pattern", [DAY, MOMENT])
def test_every_day_of_the_calendar_may_be_said(pattern: str) -> None:
    day = date(2028, 1, 1)
    while day.year == 2028:
        assert re.fullmatch(pattern, day.isoformat()), day
        day += timedelta(days=1)
    assert not any(re.fullmatch(pattern, f"2028-{said}") for said in ("00-10", "13-01", "01-00", "01-32", "1-1"))


def test_schemas_keep_the_names_and_fields_that_are_published() -> None:
    schemas = document()["components"]["schemas"]
    assert {name: " ".join(sorted(schema["properties"])) for name, schema in schemas.items()} == PUBLISHED
