"""Our Ed25519 check agrees with a library's, whatever is altered."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.archive.secret_keys import signed_by
from proxy.desk.evidence.ed25519 import _ORDER, is_signed
from tests.examples import examples

RFC_8032 = [  # §7.1: public key, message, signature
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "", "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72", "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82", "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
]  # fmt: skip


@pytest.mark.parametrize(("public", "said", "signature"), RFC_8032)
def test_the_vectors_of_the_RFC(public: str, said: str, signature: str) -> None:
    assert is_signed(*map(bytes.fromhex, (public, signature, said)))
    assert not is_signed(*map(bytes.fromhex, (public, signature, said + "00")))


@settings(max_examples=examples(40), deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), said=st.binary(max_size=200), bit=st.integers(0, 96 * 8 - 1))
def test_each_altered_bit_is_judged_as_the_library_judges_it(seed: bytes, said: bytes, bit: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    both = bytearray(key.public_key().public_bytes_raw() + key.sign(said))
    assert is_signed(bytes(both[:32]), bytes(both[32:]), said)
    both[bit // 8] ^= 1 << bit % 8
    public, signature = bytes(both[:32]), bytes(both[32:])
    assert is_signed(public, signature, said) is signed_by(public, signature, said) is False


def test_the_same_signature_written_otherwise_is_none() -> None:
    public, said, good = (bytes.fromhex(one) for one in RFC_8032[1])
    again = int.from_bytes(good[32:], "little") + _ORDER
    assert not is_signed(public, good[:32] + again.to_bytes(32, "little"), said)


@pytest.mark.parametrize("public", [b"", b"\0" * 31, b"\xff" * 32, (2).to_bytes(32, "little"), b"\1" + b"\0" * 30 + b"\x80"])
def test_what_is_no_key_has_signed_nothing(public: bytes) -> None:
    assert not is_signed(public, bytes.fromhex(RFC_8032[0][2]), b"")
    assert not is_signed(bytes.fromhex(RFC_8032[0][0]), b"", b"")
