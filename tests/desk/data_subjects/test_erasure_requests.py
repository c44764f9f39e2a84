"""A person's request to be erased: marketing stops at once, a second person confirms, and a receipt says what is gone and what stays."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from proxy.desk.data_subjects import erasure_requests
from proxy.desk.data_subjects.erasure_requests import ErasureRequests
from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages
from proxy.journal.records.erasure_requests import ErasureRequest
from proxy.model.approvals import Impossible
from proxy.model.roles import Asker, NotAllowed, Role
from proxy.state.lists.desk_records import DeskRecords

NOW = 1_800_000_000.0
PERSON = 13_800_210_500
KNOWN = frozenset({"chen", "lin"})
LIN, CHEN = (
    Asker("lin", frozenset({Role.APPROVER}), by_token=True),
    Asker("chen", frozenset({Role.OFFICER, Role.APPROVER}), by_token=True),
)


class Desk:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.store = DeskRecords()
        self.book = ErasureRequests(self.store, self.write)

    def write(self, records: Sequence[tuple[int, bytes]]) -> int:
        assert {kind for kind, _ in records} == {messages.ERASURE_REQUESTED}
        self.written += [body for _, body in records]
        return len(self.written)

    def propose(self, person: int = PERSON, author: str = "chen") -> ErasureRequest:
        return self.book.propose(person, author, f"{author} (uid 1)", "letter 4711", NOW)[0]


@pytest.fixture
def desk() -> Desk:
    return Desk()


# -- the book


def test_a_request_waits_for_another_person_and_is_then_without_the_number(desk: Desk) -> None:
    assert desk.propose().number == PERSON
    assert desk.book.notes() == [
        "erasure: request 1 by chen waits for a second person since 2027-01-15 16:00:00 (gate106 subject approve 1)"
    ]
    with pytest.raises(Impossible, match="chen is the author"):
        desk.book.begin(1, CHEN, KNOWN, "chen", NOW)
    begun, sequence = desk.book.begin(1, LIN, KNOWN, "lin (uid 2)", NOW)
    assert (begun.state, begun.number, sequence) == ("approved", PERSON, 0), "written once the person is erased"
    desk.book.done(begun, b"{}", "lin (uid 2)", NOW + 1)
    decided = desk.book.find(1)
    assert (decided.state, decided.number, decided.shown, decided.decided) == ("approved", 0, "138****0500", NOW + 1)
    with pytest.raises(Impossible, match="erasure-1 is approved"):
        desk.book.done(begun, b"{}", "tang", NOW + 2)
    assert desk.book.notes() == []


def test_an_account_that_is_nobody_s_needs_two_people(desk: Desk) -> None:
    desk.propose(author="root")
    vouched, sequence = desk.book.begin(1, LIN, KNOWN, "lin", NOW)
    assert (vouched.state, vouched.author, sequence) == ("proposed", "lin", 2)
    assert desk.book.begin(1, CHEN, KNOWN, "chen", NOW)[0].state == "approved"


def test_who_has_asked_and_waits_asks_once_and_may_ask_again_after_a_rejection(desk: Desk) -> None:
    desk.propose()
    with pytest.raises(Impossible, match=r"138\*\*\*\*0500: request 1 of .* waits already"):
        desk.propose()
    with pytest.raises(NotAllowed):
        desk.book.reject(1, Asker("guo", frozenset({Role.VIEWER}), by_token=True), "guo", "x", NOW)
    desk.book.reject(1, LIN, "lin (uid 2)", "not the owner", NOW)
    assert (desk.book.find(1).state, desk.book.find(1).number) == ("rejected", 0)
    assert desk.propose().id == 2
    with pytest.raises(Impossible, match="is chen's"):
        desk.book.withdraw(2, LIN, "lin", "x", NOW)
    desk.book.withdraw(2, CHEN, "chen", "the wrong number", NOW)


def test_a_restart_and_another_gate_know_the_same(desk: Desk) -> None:
    desk.propose()
    desk.propose(PERSON + 1)
    desk.book.reject(1, LIN, "lin", "x", NOW)
    other = Desk()
    for body in desk.written:
        other.store.hear(unpack(ErasureRequest, body).id, body)
    other.book.reread()
    assert other.book.all() == desk.book.all() == ErasureRequests(desk.store, desk.write).all()


def test_old_requests_make_room_and_those_that_wait_never_do(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure_requests, "KEPT_MAX", 2)
    for place in range(3):
        desk.propose(PERSON + place)
        if place != 1:
            desk.book.reject(place + 1, LIN, "lin", "x", NOW)
    assert [one.id for one in desk.book.all()] == [3, 2]
    desk.propose(PERSON + 9)
    with pytest.raises(Impossible, match="2 requests wait"):
        desk.propose(PERSON + 10)


def test_a_number_is_masked_where_a_request_is_printed(desk: Desk) -> None:
    assert str(PERSON) not in repr(desk.propose())
    assert unpack(ErasureRequest, pack(desk.propose(PERSON + 1))).number == PERSON + 1
