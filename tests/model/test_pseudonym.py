"""Pseudonyms are keyed BLAKE2b; no output reveals the key."""

from __future__ import annotations

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.pseudonym import Pseudonymizer

NUMBERS = st.integers(0, (1 << 64) - 1)


@given(key=st.binary(min_size=0, max_size=64), number=NUMBERS)
def test_a_name_is_that_of_the_library(key: bytes, number: int) -> None:
    namer = Pseudonymizer(key)
    wanted = int.from_bytes(blake2b(number.to_bytes(8, "big"), key=key, digest_size=8).digest(), "big") if number else 0
    assert namer(number) == wanted


def test_a_number_that_is_none_and_a_key_that_is_too_long_are_refused() -> None:
    with pytest.raises(ValueError, match="key"):
        Pseudonymizer(bytes(65))
    for number in (-1, 1 << 64):
        with pytest.raises(OverflowError):
            Pseudonymizer(b"key")(number)


def test_nothing_says_the_key() -> None:
    assert "secret" not in repr(Pseudonymizer(b"secret")) + str(Pseudonymizer(b"secret"))
