"""A person is one number, however it is spelt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.number import FIRST, LAST, NotARecipient, mask, recipient_of

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
