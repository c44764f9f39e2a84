"""Every spelling of a recipient's number gives the same integer."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import pickle
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import proxy
from proxy.model.number import FIRST, LAST, NotARecipient, Number, mask, recipient_of

SPELLINGS = [
    "13800138000",
    "8613800138000",
    "+8613800138000",
    "008613800138000",
    "013800138000",
    "138 0013 8000",
    "138-0013-8000",
    "+86 138 0013 8000",
    "１３８００１３８０００",
    "＋86１３８００１３８０００",
    " 13800138000\u200b",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_one_person(spelling: str) -> None:
    assert recipient_of(spelling) == 13800138000
    assert recipient_of(spelling.encode()) == 13800138000


@pytest.mark.parametrize(
    ("spelling", "why"),
    [
        ("", "empty"),
        ("01062345678", "a landline"),
        ("010-62345678", "a landline"),
        ("02512345678", "a landline"),
        ("4008001234", "a 400 service number, not a person's"),
        ("400-800-1234", "a 400 service number, not a person's"),
        ("1064812345678", "a machine's number (IoT), not a person's"),
        ("1440012345678", "a machine's number (IoT), not a person's"),
        ("14400123456", "a machine's number (IoT), not a person's"),
        ("861064812345678", "a machine's number (IoT), not a person's"),
        ("1380013800", "10 digits instead of 11"),
        ("138001380000", "12 digits instead of 11"),
        ("12800138000", "starts with 12, mobile numbers start with 13 to 19"),
        ("+14155550123", "not a number of mainland China (+86)"),
        ("0014155550123", "not a number of mainland China (0086)"),
        ("+886912345678", "not a number of mainland China (+86)"),
        ("1380013800a", "holds characters that are no digits, spaces or dashes"),
        ("1_380013800", "holds characters that are no digits, spaces or dashes"),
        ("0013800138000", "not a number of mainland China (0086)"),
        ("1" * 41, "longer than 40 characters"),
    ],
)
def test_what_is_no_persons_number_is_refused_with_the_reason(spelling: str, why: str) -> None:
    with pytest.raises(NotARecipient) as refused:
        recipient_of(spelling)
    assert refused.value.why == why


def test_a_digit_in_another_dress_is_a_digit() -> None:
    assert recipient_of("1380013800²") == 13800138002


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(NotARecipient, match="not text"):
        recipient_of(b"\xff\xfe138001380")


@given(st.integers(FIRST, LAST), st.sampled_from(["{}", "86{}", "+86{}", "0086{}", "0{}", " {} ", "+86-{}"]))
def test_each_subscriber_survives_each_spelling(number: int, form: str) -> None:
    if str(number).startswith("14400"):
        return
    assert recipient_of(form.format(number)) == number


@given(st.one_of(st.text(max_size=30), st.binary(max_size=30)))
def test_anything_else_is_refused_and_never_breaks(spelling: str | bytes) -> None:
    try:
        assert FIRST <= recipient_of(spelling) <= LAST
    except NotARecipient as refused:
        assert refused.why


def test_a_shown_number_is_masked() -> None:
    assert mask(13800138000) == "138****8000"


# --- where it is shown


@given(st.integers(FIRST, LAST))
def test_a_number_is_masked_however_it_is_shown(number: int) -> None:
    shown, whole = Number(number), str(number)
    written = [str(shown), repr(shown), f"{shown}", f"{shown:>20}", f"{shown!r}", str([shown]), repr({shown: shown})]
    assert all(whole not in one and whole[:3] + "****" + whole[-4:] in one for one in written)
    assert shown.full_number == whole
    assert shown == Number(number)
    assert shown != number
    assert len({shown, Number(number)}) == 1


def test_a_number_gets_into_no_program_s_hands_by_accident() -> None:
    keepers: tuple[Any, ...] = (json.dumps, pickle.dumps, int, float)
    for keep in keepers:
        with pytest.raises(TypeError):
            keep(Number(13800138000))
    with pytest.raises(ValueError, match="format"):
        f"{Number(13800138000):011d}"


NUMBER, TEXT = 13800210500, "【测试】验证码 482913"
ABOUT_PEOPLE = frozenset(("recipient", "destination", "data", "octets", "text", "body"))
"""A record with such a field may be about somebody …"""
NOT_ABOUT_PEOPLE = frozenset(
    (
        "proxy.config.mapping_reader.SettingsFault", "proxy.policy.loading.problem.Problem", "proxy.policy.text.lexicon.LexiconWord", "proxy.policy.registries.templates.TemplateRow",  # files of the carrier
        "proxy.operations.declaration.Operation", "proxy.journal.retention.RetentionPlan", "proxy.journal.retention.Removed", "proxy.journal.retention.ClosedSegment", "proxy.archive.manifest.TableFile",  # octets: how many
        "proxy.net.proxy_protocol.ProxyHeader", "proxy.relay.submit_multi.MemberOutcome", "proxy.wire.redaction.RedactedPdu", "proxy.desk.lexicon.rates._Columns", "proxy.policy.registries.segment_tables.Merge",  # addresses; an answer; what is redacted
    )
)  # fmt: skip
"""… but for these."""


def records() -> Iterator[tuple[str, Any, list[str]]]:
    """Every NamedTuple and dataclass of the package with such a field: its name, itself, its fields."""
    for module in pkgutil.walk_packages(proxy.__path__, "proxy."):
        if module.name.startswith(("proxy.sim", "proxy.__main__")):
            continue
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if kind.__module__ != module.name:
                continue
            names = getattr(kind, "_fields", None)
            if names is None and dataclasses.is_dataclass(kind):
                names = [field.name for field in dataclasses.fields(kind)]
            name = f"{module.name}.{kind.__name__}"
            if names and ABOUT_PEOPLE & set(names) and name not in NOT_ABOUT_PEOPLE:
                yield name, kind, list(names)


RECORDS = list(records())


@pytest.mark.parametrize(("name", "kind", "names"), RECORDS, ids=[name for name, _, _ in RECORDS])
def test_a_record_about_a_person_shows_nothing_of_them(name: str, kind: Any, names: list[str]) -> None:
    """As an error, a log or a debugger's line would show it."""
    texts = {"text", "source", "shown", "details", "people"}
    values: dict[str, Any] = {
        field: NUMBER if field in ("recipient", "number", "to") else TEXT if field in texts else f"{NUMBER}{TEXT}".encode()
        if field in ABOUT_PEOPLE else 7 for field in names
    }  # fmt: skip
    if hasattr(kind, "_make"):
        made = kind._make(values.values())
    else:
        made = object.__new__(kind)
        for field, value in values.items():
            object.__setattr__(made, field, value)
    shown = f"{made!r} {made}"
    assert name.rpartition(".")[2] in shown
    assert not [part for part in (str(NUMBER), "482913", "测试", "0021") if part in shown]


def test_there_are_such_records() -> None:
    assert {
        "proxy.journal.records.messages.VerdictRecord",
        "proxy.journal.segment.JournalRecord",
        "proxy.wire.submit.Submit",
    } <= {name for name, _, _ in RECORDS}


@given(
    st.one_of(
        st.from_regex(r"(\+?86|0086)?1[3-9][0-9]{9}", fullmatch=True),
        st.text("0123456789 -²", max_size=14),
        st.from_regex(r"14400[0-9]{6}", fullmatch=True),
        st.just("8699999999999"),
    )
)
def test_plain_digits_are_read_as_any_spelling_of_them(spelling: str) -> None:
    """Octets of 11 or 13 digits take a short way."""

    def read(given: str | bytes) -> int | str:
        try:
            return recipient_of(given)
        except NotARecipient as error:
            return error.why

    assert read(spelling.encode()) == read(spelling)
