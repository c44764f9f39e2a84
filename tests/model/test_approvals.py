"""A proposal is approved by a second person, rejected, withdrawn or lapses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.approvals import ApprovalResult, Impossible, PendingProposal, approve, lapsed, reject, withdraw
from proxy.model.roles import PEOPLE, Asker, NotAllowed, Permission, Role

KNOWN = ("li", "wang", "zhao")
PENALTY = PendingProposal("penalty-7", "li", 1000.0, 2000.0)


def person(name: str, *roles: Role, by_token: bool = True) -> Asker:
    return Asker(name, frozenset(roles or (Role.APPROVER,)), by_token)


def test_a_second_person_agrees_and_nobody_alone() -> None:
    assert approve(PENALTY, person("wang"), KNOWN, 1500.0) is ApprovalResult.APPROVED
    with pytest.raises(Impossible, match="li is the author of penalty-7: somebody else must approve it"):
        approve(PENALTY, person("li", Role.ADMIN), KNOWN, 1500.0)


def test_agreeing_takes_the_role_and_a_personal_token() -> None:
    with pytest.raises(NotAllowed, match="takes the role approver or admin, and wang is officer"):
        approve(PENALTY, person("wang", Role.OFFICER), KNOWN, 1500.0)
    with pytest.raises(Impossible, match="with a personal token"):
        approve(PENALTY, person("wang", by_token=False), KNOWN, 1500.0)


def test_what_an_account_proposed_that_is_nobody_needs_two() -> None:
    deployed = PENALTY._replace(author="deploy")
    assert approve(deployed, person("li"), KNOWN, 1500.0) is ApprovalResult.VOUCHED
    vouched = deployed._replace(author="li")
    with pytest.raises(Impossible, match="li is the author"):
        approve(vouched, person("li"), KNOWN, 1500.0)
    assert approve(vouched, person("wang"), KNOWN, 1500.0) is ApprovalResult.APPROVED


def test_who_says_no_says_why_and_only_the_author_takes_it_back() -> None:
    assert reject(PENALTY, person("wang"), "too hard", 1500.0) is ApprovalResult.REJECTED
    with pytest.raises(Impossible, match="say why"):
        reject(PENALTY, person("wang"), " ", 1500.0)
    with pytest.raises(NotAllowed):
        reject(PENALTY, person("wang", Role.VIEWER), "too hard", 1500.0)
    assert withdraw(PENALTY, person("li", Role.OFFICER, by_token=False), "a mistake", 1500.0) is ApprovalResult.WITHDRAWN
    with pytest.raises(Impossible, match="penalty-7 is li's, and only they take it back"):
        withdraw(PENALTY, person("wang"), "a mistake", 1500.0)


def test_what_nobody_decided_in_time_can_only_be_proposed_again() -> None:
    assert [lapsed(PENALTY, at) for at in (1999.9, 2000.0)] == [False, True]
    assert not lapsed(PENALTY._replace(until=0.0), 1e12)
    for decide in (
        lambda: approve(PENALTY, person("wang"), KNOWN, 2000.0),
        lambda: reject(PENALTY, person("wang"), "no", 2000.0),
        lambda: withdraw(PENALTY, person("li"), "no", 2000.0),
    ):
        with pytest.raises(Impossible, match="penalty-7 was not decided in time and has lapsed: it must be proposed again"):
            decide()


@given(
    st.sampled_from((*KNOWN, "deploy")),
    st.lists(
        st.builds(person, st.sampled_from(KNOWN), st.sampled_from(PEOPLE), by_token=st.booleans()), max_size=8
    ),
)  # fmt: skip
def test_nothing_is_ever_in_force_that_one_person_alone_has_seen(author: str, askers: list[Asker]) -> None:
    waiting, stood_for = PENALTY._replace(author=author), {author} & set(KNOWN)
    for asker in askers:
        try:
            follows = approve(waiting, asker, KNOWN, 1500.0)
        except (Impossible, NotAllowed):
            continue
        assert asker.may(Permission.APPROVE)
        assert asker.by_token
        stood_for.add(asker.name)
        if follows is ApprovalResult.APPROVED:
            assert len(stood_for) >= 2
            return
        waiting = waiting._replace(author=asker.name)
