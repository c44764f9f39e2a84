"""Too many failed logins lock out one name and address, and nobody else."""

from __future__ import annotations

from proxy.model.lockout import FAILURES_MAX, HELD_MAX, HELD_OFF_S, Lockout


def test_after_too_many_wrong_passwords_an_address_waits_but_the_account_is_open_to_others():
    held = Lockout()
    for _ in range(FAILURES_MAX):
        assert not held.held_off("jia", "10.0.0.1", 100.0)
        held.note_failure("jia", "10.0.0.1", 100.0)
    assert held.held_off("jia", "10.0.0.1", 100.0 + HELD_OFF_S - 0.1)
    assert not held.held_off("jia", "10.0.0.2", 100.0), "nobody can lock another out"
    assert not held.held_off("yi", "10.0.0.1", 100.0)
    assert not held.held_off("jia", "10.0.0.1", 100.0 + HELD_OFF_S)


def test_a_right_password_forgives():
    held = Lockout()
    for _ in range(FAILURES_MAX - 1):
        held.note_failure("jia", "10.0.0.1", 1.0)
    held.note_success("jia", "10.0.0.1")
    held.note_failure("jia", "10.0.0.1", 2.0)
    assert not held.held_off("jia", "10.0.0.1", 2.0)


def test_who_goes_on_guessing_after_the_wait_waits_again_at_once():
    held = Lockout()
    for _ in range(FAILURES_MAX):
        held.note_failure("jia", "10.0.0.1", 1.0)
    later = 1.0 + HELD_OFF_S
    held.note_failure("jia", "10.0.0.1", later)
    assert held.held_off("jia", "10.0.0.1", later)


def test_many_addresses_do_not_grow_the_table_without_end():
    held = Lockout()
    for number in range(HELD_MAX + 100):
        held.note_failure("jia", str(number), 1.0)
    assert len(held._failures) == HELD_MAX
