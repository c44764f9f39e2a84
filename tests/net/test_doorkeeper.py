"""Passwords, and who is held off."""

from __future__ import annotations

from proxy.net.doorkeeper import FAILURES_MAX, HELD_MAX, HELD_OFF_S, Doorkeeper, hash_password


async def test_a_password_in_clear_and_its_hash_let_the_same_client_in():
    keeper = Doorkeeper()
    assert keeper.check("secret", "secret") is True
    assert keeper.check("secret", "Secret") is False
    stored = hash_password("secret")
    good, bad = keeper.check(stored, "secret"), keeper.check(stored, "secret ")
    assert not isinstance(good, bool), "a hash is never checked on the loop"
    assert not isinstance(bad, bool)
    assert (await good, await bad) == (True, False)


def test_two_hashes_of_one_password_differ():
    assert hash_password("secret") != hash_password("secret")
    assert "secret" not in hash_password("secret")


def test_after_too_many_wrong_passwords_an_address_waits_but_the_account_is_open_to_others():
    keeper = Doorkeeper()
    for _ in range(FAILURES_MAX):
        assert not keeper.held_off("jia", "10.0.0.1", 100.0)
        keeper.failed("jia", "10.0.0.1", 100.0)
    assert keeper.held_off("jia", "10.0.0.1", 100.0 + HELD_OFF_S - 0.1)
    assert not keeper.held_off("jia", "10.0.0.2", 100.0), "nobody can lock another out"
    assert not keeper.held_off("yi", "10.0.0.1", 100.0)
    assert not keeper.held_off("jia", "10.0.0.1", 100.0 + HELD_OFF_S)


def test_a_right_password_forgives():
    keeper = Doorkeeper()
    for _ in range(FAILURES_MAX - 1):
        keeper.failed("jia", "10.0.0.1", 1.0)
    keeper.passed("jia", "10.0.0.1")
    keeper.failed("jia", "10.0.0.1", 2.0)
    assert not keeper.held_off("jia", "10.0.0.1", 2.0)


def test_many_addresses_do_not_grow_the_table_without_end():
    keeper = Doorkeeper()
    for number in range(HELD_MAX + 100):
        keeper.failed("jia", str(number), 1.0)
    assert len(keeper._failures) == HELD_MAX
