"""Values are found by the octets they were put in for, and by no others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.model.octet_cache import WAYS, OctetCache
from proxy.native.octet_runs import find_zero, hash_run, is_run, u64_in

KEYS = st.lists(st.binary(max_size=40), min_size=1, max_size=60)


@given(KEYS, st.binary(max_size=5))
def test_what_is_found_was_put_in_for_the_same_octets(keys: list[bytes], head: bytes) -> None:
    cache, values = OctetCache(16), dict[bytes, bytes]()
    for key in keys:
        hashed = hash_run(key, 0, len(key))
        found = cache.find(head + key + b"tail", len(head), len(head) + len(key), hashed)
        assert found is None or found is values[key]
        if found is None:
            values[key] = bytes(key)
            cache.put(key, hashed, values[key])
            assert cache.find(key, 0, len(key), hashed) is values[key]
    assert len(cache) <= 16


def test_equal_hashes_do_not_make_octets_equal() -> None:
    cache = OctetCache(4)
    for key in (b"one", b"two"):
        cache.put(key, 7, key)
    assert [cache.find(key, 0, 3, 7) for key in (b"one", b"two", b"six")] == [b"one", b"two", None]
    assert cache.find(b"one", 0, 3, 7 << 56) is None


def test_an_entry_that_is_found_stays_while_others_come() -> None:
    cache = OctetCache(WAYS)
    cache.put(b"used", 1, "used")
    for number in range(50):
        assert cache.find(b"used", 0, 4, 1) == "used"
        cache.put(b"%d" % number, 1, number)
    assert cache.find(b"0", 0, 1, 1) is None
    assert 1 < len(cache) <= WAYS


@given(st.binary(max_size=60), st.integers(0, 70), st.integers(0, 70))
def test_octets_are_compared_and_found_as_those_of_a_slice(data: bytes, begin: int, end: int) -> None:
    assert find_zero(data, begin, end) == data.find(0, begin, end)
    begin, end = sorted((min(begin, len(data)), min(end, len(data))))
    assert is_run(data, begin, end, data[begin:end])
    assert not is_run(data, begin, end, data[begin:end] + b"x")
    assert hash_run(data, begin, end) == hash_run(data[begin:end], 0, end - begin)
    assert u64_in(b"12345678" + data) == int.from_bytes(b"12345678", "big")
