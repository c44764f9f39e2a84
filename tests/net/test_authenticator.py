"""Passwords are checked, and strangers cannot cause many hashes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from proxy.model.lockout import FAILURES_MAX
from proxy.net import authenticator
from proxy.net.authenticator import CHECKS_MAX, Authenticator, hash_password

STORED = hash_password("secret")


@pytest.fixture
def keeper() -> Iterator[Authenticator]:
    keeper = Authenticator()
    yield keeper
    keeper.close()


class Hashing:
    """In the place of scrypt: it takes as long as the test wants."""

    def __init__(self) -> None:
        self.may_go = threading.Event()
        self.guesses: list[str] = []

    def __call__(self, stored: str, given: str) -> bool:
        self.guesses.append(given)
        assert self.may_go.wait(10)
        return given == "secret"


@pytest.fixture
def hashing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hashing]:
    found = Hashing()
    monkeypatch.setattr(authenticator, "is_password", found)
    yield found
    found.may_go.set()


async def asked(
    keeper: Authenticator, given: str, stored: str = STORED, account: str = "jia", address: str = "10.0.0.1"
) -> bool:
    found = keeper.check(stored, given, account, address)
    return found if isinstance(found, bool) else await waits(found)


async def waits(found: bool | asyncio.Future[bool] | None) -> bool:
    assert isinstance(found, asyncio.Future)
    return await found


async def test_a_password_in_clear_and_its_hash_let_the_same_client_in(keeper: Authenticator):
    assert keeper.check("secret", "secret") is True
    assert keeper.check("secret", "Secret") is False
    good, bad = keeper.check(STORED, "secret"), keeper.check(STORED, "secret ")
    assert isinstance(good, asyncio.Future), "a hash is never checked on the loop"
    assert (await waits(good), await waits(bad)) == (True, False)


def test_two_hashes_of_one_password_differ():
    assert hash_password("secret") != hash_password("secret")
    assert "secret" not in hash_password("secret")


async def test_a_right_password_is_known_again_without_its_hash_and_every_other_is_wrong_at_once(keeper: Authenticator):
    assert await asked(keeper, "secret")
    assert keeper.check(STORED, "secret") is True
    assert keeper.check(STORED, "Secret") is False
    other = hash_password("other")
    assert isinstance(keeper.check(other, "secret"), asyncio.Future), "one account's password says nothing of another's"


async def test_a_wrong_password_is_not_remembered(keeper: Authenticator):
    assert not await asked(keeper, "wrong")
    assert isinstance(keeper.check(STORED, "wrong"), asyncio.Future)


async def test_the_same_guess_over_many_connections_is_looked_at_once(keeper: Authenticator, hashing: Hashing):
    guesses = [keeper.check(STORED, "secret", "jia", "10.0.0.1") for _ in range(50)]
    hashing.may_go.set()
    assert all([await waits(guess) for guess in guesses])
    assert hashing.guesses == ["secret"]


async def test_of_one_account_and_address_so_many_guesses_wait_as_may_be_wrong(keeper: Authenticator, hashing: Hashing):
    first = [keeper.check(STORED, f"guess {number}", "jia", "10.0.0.1") for number in range(FAILURES_MAX)]
    assert keeper.check(STORED, "another", "jia", "10.0.0.1") is None
    others = [keeper.check(STORED, "another", "jia", "10.0.0.2"), keeper.check(hash_password("x"), "x", "yi", "10.0.0.1")]
    hashing.may_go.set()
    assert not any([await waits(guess) for guess in (*first, *others)])
    assert isinstance(keeper.check(STORED, "yet another", "jia", "10.0.0.1"), asyncio.Future), "and then others may"


async def test_a_storm_from_everywhere_queues_no_more_than_can_be_looked_at_in_time(keeper: Authenticator, hashing: Hashing):
    waiting = [keeper.check(STORED, "guess", "jia", f"10.0.{number >> 8}.{number & 255}") for number in range(3)]
    assert len({id(one) for one in waiting}) == 1, "one guess, whoever makes it"
    guesses = [keeper.check(STORED, f"{number}", "jia", f"{number}") for number in range(10_000)]
    queued = [one for one in guesses if one is not None]
    assert len(queued) == CHECKS_MAX - 1
    assert keeper.check("secret", "secret") is True, "who needs no hash does not wait"
    hashing.may_go.set()
    assert not any([await waits(one) for one in queued])
    await asyncio.sleep(0)  # whoever asked is told before the keeper's own note of it
    assert not keeper._waiting
    assert not keeper._guesses


async def test_a_gate_that_ends_does_not_wait_for_guesses(hashing: Hashing):
    keeper = Authenticator()
    guesses = [keeper.check(STORED, f"{number}", "jia", f"{number}") for number in range(20)]
    keeper.close()
    hashing.may_go.set()
    ended = await asyncio.gather(*(one for one in guesses if isinstance(one, asyncio.Future)), return_exceptions=True)
    assert sum(isinstance(one, asyncio.CancelledError) for one in ended) >= 18
