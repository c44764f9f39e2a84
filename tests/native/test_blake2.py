"""Digests are those of the library, whatever the processor has."""

from __future__ import annotations

import random
from collections.abc import Iterator
from hashlib import blake2b
from importlib import import_module
from typing import Any

import pytest

from proxy.native import loader
from proxy.native.blake2 import KeyedHash, digest_from, digests_from, quartered_digest


@pytest.fixture(params=[True, False], ids=["by vectors", "by words"])
def vectors(request: pytest.FixtureRequest) -> Iterator[None]:
    """With and without what the processor has for digests."""
    if not loader.BUILT:
        pytest.skip("the compiled modules are not built here")
    module: Any = import_module("proxy.native.blake2")
    before = module.digest_by_vectors(request.param)
    if module.digest_by_vectors(request.param) is not request.param:
        pytest.skip("this processor has no AVX2")
    yield
    module.digest_by_vectors(before)


@pytest.mark.usefixtures("vectors")
def test_digests_are_those_of_the_library_whatever_the_processor_has():
    draw = random.Random(7)
    for size in [*range(1100), 8191, 8192, 8193, 100_000]:
        data, previous, claim = draw.randbytes(size), draw.randbytes(32), draw.randbytes(20)
        each = (size + 3) // 4
        quarters = [blake2b(data[at * each : at * each + each], digest_size=32).digest() for at in range(4)]
        wanted = blake2b(b"".join((previous, *quarters, claim)), digest_size=32).digest()
        assert quartered_digest(previous, data, claim) == wanted
        assert quartered_digest(previous, memoryview(data), claim) == wanted


@pytest.mark.usefixtures("vectors")
def test_digests_of_many_are_those_of_each():
    draw = random.Random(9)
    for many in range(30):
        datas = [draw.randbytes(draw.choice([0, 20, 150, 128, 129, 260, 700])) for _ in range(many)]
        begins = [draw.randint(0, len(data)) for data in datas]
        wanted = [blake2b(data[begin:], digest_size=16).digest() for data, begin in zip(datas, begins, strict=True)]
        assert digests_from(datas, begins) == wanted
        assert [digest_from(data, begin) for data, begin in zip(datas, begins, strict=True)] == wanted


@pytest.mark.parametrize("size", [8, 12, 16, 32, 64])
@pytest.mark.parametrize("many", [0, 1, 16, 32, 64])
def test_keyed_digests_are_those_of_the_library(size: int, many: int):
    draw = random.Random(size + many)
    key = draw.randbytes(many)
    keyed = KeyedHash(key, size)
    for length in (1, 6, 8, 127, 128, 129, 300):
        data = draw.randbytes(length)
        assert keyed.digest(data) == blake2b(data, key=key, digest_size=size).digest()
    for number in (0, 1, 13_800_210_000, (1 << 64) - 1):
        digest = blake2b(number.to_bytes(8, "big"), key=key, digest_size=size).digest()
        assert keyed.of(number) == int.from_bytes(digest[:8], "big")


def test_a_key_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="key"):
        KeyedHash(bytes(65), 8)
