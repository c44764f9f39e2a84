"""Who may ask for protected HTTP paths."""

from __future__ import annotations

from ipaddress import ip_network
from socket import gethostname

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import Person, Token
from proxy.model.lockout import FAILURES_MAX, HELD_OFF_S
from proxy.model.roles import Asker, Permission, Role
from proxy.net.authenticator import hash_password
from proxy.operations import http_auth
from proxy.operations.http_auth import HttpAuth, HttpRefusal, hash_token, new_token

HERE = (ip_network("127.0.0.0/8"),)
TOKEN = new_token()
FAR = "203.0.113.9"


def guarded(*tokens: str) -> HttpAuth:
    return HttpAuth(HERE, [Token(f"t{number}", hash_token(token)) for number, token in enumerate(tokens)])


def refused(
    guarding: HttpAuth, host: str, header: str | None, now: float = 0.0, wanted: Permission = Permission.SEE
) -> HttpRefusal | None:
    """What is said to who may not; None: they may."""
    found = guarding.asks(host, header, wanted, "/metrics", now)
    return found if isinstance(found, HttpRefusal) else None


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("127.0.0.9", True), ("::ffff:127.0.0.1", True), ("::1", False), ("", False), ("unix", False), ("128.0.0.1", False)],
)
def test_an_address_is_judged_as_what_it_is(host: str, allowed: bool):
    assert (refused(guarded(), host, None) is None) is allowed


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("", 0), ("127.0.0.1:9106", 0), ("[::1]:9106", 0), ("localhost", 0), ("gate:9106", 0), ("GATE.example.cn", 0), (gethostname(), 0),
        ("rebound.attacker.example", 421), ("127.0.0.1.attacker.example:9106", 421), ("gate.example.cn.attacker.example", 421),
        ("gate.example.cn@attacker.example", 421), ("attacker.example\0", 421), ("x" * 300 + ".example", 421),
    ],
)  # fmt: skip
def test_who_has_no_token_asks_the_gate_by_a_name_of_its_own(name: str, status: int):
    guarding = HttpAuth(HERE, [Token("t0", hash_token(TOKEN))], names=("gate.example.cn",))
    found = guarding.asks("127.0.0.1", None, Permission.SEE, "/metrics", 0.0, name)
    assert (found.status if isinstance(found, HttpRefusal) else 0) == status
    with_token = guarding.asks("127.0.0.1", f"Bearer {TOKEN}", Permission.SEE, "/metrics", 0.0, name)
    assert isinstance(with_token, Asker), "a page of a stranger has no token"


def test_without_a_token_in_the_settings_none_opens_anything():
    for token in (TOKEN, "", "sha256$"):
        said = refused(guarded(), FAR, f"Bearer {token}")
        assert said is not None
        assert said.status == 403


@given(st.text(max_size=300))
def test_nothing_but_the_token_opens(header: str):
    assert refused(guarded(TOKEN), FAR, header) is not None
    assert refused(guarded(TOKEN), FAR, f"Bearer {header}") is not None


def test_wrong_tokens_are_told_to_wait_and_the_right_one_is_let_in_from_the_same_address():
    guarding = guarded(TOKEN)

    def status(token: str, now: float = 0.0, host: str = FAR) -> int:
        said = refused(guarding, host, f"Bearer {token}", now)
        return 200 if said is None else said.status

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

    monkeypatch.setattr(http_auth, "compare_digest", compare)
    tokens = [new_token() for _ in range(3)]
    assert refused(guarded(*tokens), FAR, f"Bearer {tokens[0]}") is None
    assert asked == [hash_token(token) for token in tokens]


def test_other_tokens_after_a_reload_are_the_only_ones_that_count():
    guarding = guarded(TOKEN)
    after = new_token()
    guarding.use((), [Token("new", hash_token(after))])
    assert refused(guarding, FAR, f"Bearer {TOKEN}") is not None
    assert refused(guarding, "127.0.0.1", None) is not None
    assert refused(guarding, FAR, f"Bearer {after}") is None


def test_a_program_and_a_person_may_do_what_their_roles_say_and_an_address_only_sees():
    programs, people = new_token(), new_token()
    guarding = HttpAuth(
        HERE,
        [Token("hotline", hash_token(programs), Role.OFFICER)],
        [
            Person("li", hash_token(people), "li", frozenset({Role.AUDITOR})),
            Person("wang", hash_password("chosen"), "wang", frozenset({Role.ADMIN})),
        ],
    )
    asker = guarding.asks(FAR, f"Bearer {programs}", Permission.ENTER, "/optouts", 0.0)
    assert asker == Asker("hotline", frozenset({Role.OFFICER}), by_token=True)
    person = guarding.asks("127.0.0.1", f"Bearer {people}", Permission.TAKE_OUT, "/x", 0.0)
    assert person == Asker("li", frozenset({Role.AUDITOR}), by_token=True)
    said = refused(guarding, FAR, f"Bearer {people}", wanted=Permission.ENTER)
    assert said is not None
    assert (said.status, said.cause) == (403, "role")
    assert said.why == (
        "/metrics: to enter what people at the desk decide takes the role officer or admin, and li is auditor: "
        "wang can give it (settings: people[].roles)"
    )
    assert refused(guarding, "127.0.0.1", f"Bearer {people}") is None
    said = refused(guarding, "127.0.0.1", None, wanted=Permission.ENTER)
    assert said is not None
    assert said.status == 401, "from a listed address, too, a token says who may do more than see"
    assert refused(guarding, FAR, "Bearer chosen") is not None, "what people choose themselves would be guessed from outside"


def test_a_token_is_long_and_its_hash_says_nothing_of_it():
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) >= 43 for token in tokens)
    assert TOKEN not in hash_token(TOKEN)
    assert TOKEN not in repr(Token("x", TOKEN))
