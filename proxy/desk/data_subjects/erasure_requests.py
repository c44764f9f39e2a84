"""Keeps requests to be erased until a second person has decided; pure.

In: a number, decisions, the time. Out: journal records, the requests as they are; or Impossible. Never: the clock, a person's record
(operations.py stops marketing at the request and erases after the approval); a request that lapses: the person waits for an answer.

    proposed ─▶ approved     the person is erased; then this is written, without the number
            └─▶ rejected · withdrawn

An approval that is interrupted may be repeated, with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import erasure_requests, messages
from proxy.journal.records.erasure_requests import PROPOSED, ErasureRequest
from proxy.model import approvals
from proxy.model.approvals import ApprovalResult, Impossible
from proxy.model.number import mask
from proxy.model.roles import Asker
from proxy.policy import time_windows
from proxy.state.lists.desk_records import DeskRecords

KEPT_MAX = 2_000
"""Requests, the decided ones too, that are listed; the journal has older ones."""


class ErasureRequests:
    def __init__(self, store: DeskRecords, write: Callable[[Sequence[tuple[int, bytes]]], int]) -> None:
        """``write``: records into the journal; the sequence of the last."""
        self._store, self._write = store, write
        self._requests = {number: unpack(ErasureRequest, body) for number, body in store.held.items()}
        store.news()

    def reread(self) -> None:
        """Another gate wrote about requests."""
        self._requests |= {number: unpack(ErasureRequest, body) for number, body in self._store.news()}

    def all(self) -> list[ErasureRequest]:
        """The newest first."""
        return sorted(self._requests.values(), key=lambda one: -one.id)

    def find(self, number: int) -> ErasureRequest:
        request = self._requests.get(number)
        if request is None:
            raise Impossible(f"there is no request {number} (`gate106 subject list-requests` lists them)")
        return request

    def check_new(self, person: int) -> None:
        """Impossible: the person has asked already, or as many requests wait as are kept."""
        waiting = [one for one in self.all() if one.state == PROPOSED]
        if len(waiting) >= KEPT_MAX:
            raise Impossible(f"{KEPT_MAX} requests wait: decide about them first (gate106 subject list-requests)")
        for one in waiting:
            if one.number == person:
                raise Impossible(f"{one.shown}: request {one.id} of {time_windows.local(one.time)} waits already")

    def propose(self, person: int, author: str, who: str, why: str, now: float) -> tuple[ErasureRequest, int]:
        self.check_new(person)
        (number,) = self._store.following(1)
        request = ErasureRequest(now, number, person, 0.0, PROPOSED, mask(person), author, who, why, "", b"")
        self._make_room()
        return request, self._put(request)

    def carried_out(
        self, person: int, outcome: bytes, author: str, who: str, why: str, now: float
    ) -> tuple[ErasureRequest, int]:
        """A person was erased without a second person, where the settings list nobody: for the receipt."""
        self._make_room()
        (number,) = self._store.following(1)
        state = erasure_requests.APPROVED
        request = ErasureRequest(now, number, 0, now, state, mask(person), author, who, why, "", outcome)
        return request, self._put(request)

    def begin(self, number: int, asker: Asker, known: Collection[str], who: str, now: float) -> tuple[ErasureRequest, int]:
        """A person agrees. Its state says what follows: approved, after the person was erased and ``done``; proposed, if a second person must
        agree with this one. The sequence is 0 where nothing was written."""
        request = self._waiting(number)
        if approvals.approve(request.waiting, asker, known, now) is ApprovalResult.VOUCHED:
            request = request._replace(author=asker.name, who=who)
            return request, self._put(request)
        return request._replace(state=erasure_requests.APPROVED), 0

    def done(self, request: ErasureRequest, outcome: bytes, who: str, now: float) -> int:
        """The person was erased. Impossible: somebody has decided meanwhile."""
        return self._decide(self._waiting(request.id), erasure_requests.APPROVED, who, now, outcome=outcome)

    def reject(self, number: int, asker: Asker, who: str, why: str, now: float) -> int:
        request = self._waiting(number)
        approvals.reject(request.waiting, asker, why, now)
        return self._decide(request, erasure_requests.REJECTED, who, now, why)

    def withdraw(self, number: int, asker: Asker, who: str, why: str, now: float) -> int:
        request = self._waiting(number)
        approvals.withdraw(request.waiting, asker, why, now)
        return self._decide(request, erasure_requests.WITHDRAWN, who, now, why)

    def notes(self) -> list[str]:
        """Requests that wait, for /readyz."""
        return [
            f"erasure: request {one.id} by {one.author} waits for a second person since {time_windows.local(one.time)} "
            f"(gate106 subject approve {one.id})"
            for one in self.all()
            if one.state == PROPOSED
        ]

    # --

    def _waiting(self, number: int) -> ErasureRequest:
        request = self.find(number)
        if request.state != PROPOSED:
            raise Impossible(f"{request.name} is {request.state} (gate106 subject list-requests)")
        return request

    def _decide(
        self, request: ErasureRequest, state: str, who: str, now: float, decision: str = "", outcome: bytes = b""
    ) -> int:
        return self._put(request._replace(state=state, number=0, decided=now, who=who, decision=decision, outcome=outcome))

    def _put(self, request: ErasureRequest) -> int:
        body = pack(request)
        sequence = self._write([(messages.ERASURE_REQUESTED, body)])
        self._store.put(request.id, body)
        self._requests[request.id] = request
        return sequence

    def _make_room(self) -> None:
        """For one more."""
        if len(self._requests) >= KEPT_MAX:
            oldest = min(one.id for one in self.all() if one.state != PROPOSED)
            self._store.drop(oldest)
            del self._requests[oldest]
