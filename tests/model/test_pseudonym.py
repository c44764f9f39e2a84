"""Pseudonyms are keyed BLAKE2b in both versions; no output reveals the key."""

from __future__ import annotations

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.pseudonym import Pseudonymizer
from proxy.native.loader import PURE

NUMBERS = st.integers(0, (1 << 64) - 1)


@given(key=st.binary(min_size=0, max_size=64), number=NUMBERS)
def test_a_name_is_that_of_the_library(key: bytes, number: int) -> None:
    namer = Pseudonymizer(key)
    wanted = int.from_bytes(blake2b(number.to_bytes(8, "big"), key=key, digest_size=8).digest(), "big") if number else 0
    assert namer(number) == wanted == PURE["pseudonymizer_call"](namer, number)


def test_a_number_that_is_none_and_a_key_that_is_too_long_are_refused_in_both() -> None:
    for call in (Pseudonymizer.__call__, PURE["pseudonymizer_call"]):
        with pytest.raises(ValueError, match="key"):
            call(Pseudonymizer(bytes(65)), 13_912_345_678)
        for number in (-1, 1 << 64):
            with pytest.raises(Exception, match=r".") as raised:
                call(Pseudonymizer(b"key"), number)
            assert type(raised.value).__name__ in ("OverflowError", "error")


def test_nothing_says_the_key() -> None:
    assert "secret" not in repr(Pseudonymizer(b"secret")) + str(Pseudonymizer(b"secret"))
