"""Who may ask over HTTP for more than whether the gate is alive."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import Token
from proxy.heldoff import FAILURES_MAX, HELD_OFF_S
from proxy.ops import guard
from proxy.ops.guard import Guard, hash_token, new_token

HERE = (ip_network("127.0.0.0/8"),)
TOKEN = new_token()
FAR = "203.0.113.9"


def guarded(*tokens: str) -> Guard:
    return Guard(HERE, [Token(f"t{number}", hash_token(token)) for number, token in enumerate(tokens)])


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("127.0.0.9", True), ("::ffff:127.0.0.1", True), ("::1", False), ("", False), ("unix", False), ("128.0.0.1", False)],
)
def test_an_address_is_judged_as_what_it_is(host: str, allowed: bool):
    assert (guarded().refuses(host, None, 0.0) is None) is allowed


def test_without_a_token_in_the_settings_none_opens_anything():
    for token in (TOKEN, "", "sha256$"):
        refused = guarded().refuses(FAR, f"Bearer {token}", 0.0)
        assert refused is not None
        assert refused.status == 403


@given(st.text(max_size=300))
def test_nothing_but_the_token_opens(header: str):
    assert guarded(TOKEN).refuses(FAR, header, 0.0) is not None
    assert guarded(TOKEN).refuses(FAR, f"Bearer {header}", 0.0) is not None


def test_wrong_tokens_are_told_to_wait_and_the_right_one_is_let_in_from_the_same_address():
    guarding = guarded(TOKEN)

    def status(token: str, now: float = 0.0, host: str = FAR) -> int:
        refused = guarding.refuses(host, f"Bearer {token}", now)
        return 200 if refused is None else refused.status

    assert [status("wrong") for _ in range(FAILURES_MAX + 2)] == [401] * FAILURES_MAX + [429] * 2
    assert status("wrong", host="203.0.113.10") == 401
    assert status(TOKEN) == 200
    assert [status("wrong") for _ in range(FAILURES_MAX + 1)][-1] == 429
    assert status("wrong", HELD_OFF_S) == 401


def test_every_token_is_compared_whether_or_not_one_was_right(monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []

    def compare(stored: str, given: str) -> bool:
        asked.append(stored)
        return stored == given

    monkeypatch.setattr(guard, "compare_digest", compare)
    tokens = [new_token() for _ in range(3)]
    assert guarded(*tokens).refuses(FAR, f"Bearer {tokens[0]}", 0.0) is None
    assert asked == [hash_token(token) for token in tokens]


def test_other_tokens_after_a_reload_are_the_only_ones_that_count():
    guarding = guarded(TOKEN)
    after = new_token()
    guarding.use((), [Token("new", hash_token(after))])
    assert guarding.refuses(FAR, f"Bearer {TOKEN}", 0.0) is not None
    assert guarding.refuses("127.0.0.1", None, 0.0) is not None
    assert guarding.refuses(FAR, f"Bearer {after}", 0.0) is None


def test_a_token_is_long_and_its_hash_says_nothing_of_it():
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) >= 43 for token in tokens)
    assert TOKEN not in hash_token(TOKEN)
    assert TOKEN not in repr(Token("x", TOKEN))
