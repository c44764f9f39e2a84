"""Repairs carriers' answers before providers see them.

In: answers as they came, with the submits that they belong to. Out: answers that SMPP 3.4 allows, with the message ids that providers see;
counts of malformed answers, and one log line a minute. Never: sockets, how an answer changes a recipient's record.
"""

from __future__ import annotations

from collections import Counter

import structlog

from proxy.model.counters import GateCounters
from proxy.relay.message_ids import CarrierIds
from proxy.relay.message_ids import allowed as allowed_id
from proxy.relay.pending_submit import PendingSubmit
from proxy.relay.submit import Relay
from proxy.wire import Frame
from proxy.wire.carrier_answer import QUERY_SM_RESP, SUBMIT_MULTI_RESP, is_neutral_nack, make_valid
from proxy.wire.tables import DATA_SM_RESP, SUBMIT_SM_RESP, VERSION_34

log = structlog.get_logger()

WITH_ID = frozenset((SUBMIT_SM_RESP, DATA_SM_RESP, SUBMIT_MULTI_RESP, QUERY_SM_RESP))
"""Responses that begin with a message_id."""
LOG_EVERY_S = 60.0
MALFORMED = ("framing", "length", "unknown-command", "bind-state", "field", "tlv")
"""Kinds of bad PDUs (wire/tables.py) that are the sender's fault; a late or repeated answer is not."""


class MalformedLog:
    def __init__(self, tally: GateCounters, carrier: str, account: str) -> None:
        """``account``: its name for people."""
        self._tally = tally
        self._carrier, self._account = carrier, account
        self._new: Counter[str] = Counter()
        self._logged_s: float | None = None
        self._last = ""

    def note(self, kind: str, what: str = "") -> None:
        """Counts a malformed PDU; ``what``: how it is malformed, if known."""
        self._tally.bad_pdus["carrier", kind, self._carrier] += 1
        if kind in MALFORMED:
            self._new[kind] += 1
            self._last = what or self._last

    def tick(self, now_s: float) -> None:
        """Called a few times a second: logs all since the last line in one line, at most once in LOG_EVERY_S."""
        if not self._new or (self._logged_s is not None and now_s - self._logged_s < LOG_EVERY_S):
            return
        kinds = " ".join(f"{kind}={count}" for kind, count in sorted(self._new.items()))
        log.warning("carrier sends malformed PDUs", carrier=self._account, kinds=kinds, last=self._last)
        self._new.clear()
        self._logged_s, self._last = now_s, ""


class AnswerFilter:
    """Filters the answers of one account at a carrier before providers get them."""

    relay: Relay

    def __init__(self, malformed: MalformedLog, ids: CarrierIds | None, account: str) -> None:
        """``ids``: translates message ids; None: they pass byte for byte."""
        self.ids = ids
        self._malformed = malformed
        self._account = account

    def filtered(
        self, answers: list[tuple[PendingSubmit, Frame]], odd: list[int], now_s: float
    ) -> list[tuple[PendingSubmit, Frame]]:
        """``odd``: indexes of answers that must be checked (pending_submit.waited). An answer that says neither yes nor no counts as none."""
        if odd:
            found: list[tuple[PendingSubmit, Frame] | None] = list(answers)
            for place in odd:
                pending, frame = answers[place]
                if (fit := self._allowed(pending, frame)) is None:
                    pending.answered_s = now_s
                    self.relay.unanswered(pending)
                found[place] = None if fit is None else (pending, fit)
            answers = [one for one in found if one is not None]
        return answers if self.ids is None else self._renamed(answers, self.ids)

    def filtered_late(self, pending: PendingSubmit, frame: Frame) -> Frame | None:
        """An answer to a submit that had been given up; None where it says neither yes nor no."""
        fit = self._allowed(pending, frame)
        if fit is None or self.ids is None:
            return fit
        return self._renamed([(pending, fit)], self.ids)[0][1]

    def _allowed(self, pending: PendingSubmit, frame: Frame) -> Frame | None:
        if is_neutral_nack(frame):
            self._malformed.note("field", "a generic_nack whose status is ESME_ROK")
            return None
        allowed, kind, what = make_valid(frame, tlvs=pending.bind.peer_version >= VERSION_34)
        if kind:
            self._malformed.note(kind, what)
        if self.ids is None and allowed.command_id in WITH_ID:
            own, nul, rest = allowed.body.partition(b"\0")
            return allowed.with_body(allowed_id(own) + nul + rest)
        return allowed

    def _renamed(self, answers: list[tuple[PendingSubmit, Frame]], ids: CarrierIds) -> list[tuple[PendingSubmit, Frame]]:
        """Answers with the ids that providers see. What the answers taught about the carrier's ids is journalled and synced before
        providers get them: otherwise a receipt after a power loss would have another spelling of the id."""
        renamed = [(pending, frame.with_body(ids.answer(frame.body))) for pending, frame in answers]
        for learnt in ids.learnt:
            self.relay.note_before_answers(learnt)
        ids.learnt.clear()
        if ids.doubt:
            log.warning("carrier's message ids contradict the settings", carrier=self._account, why=ids.doubt)
            ids.doubt = ""
        return renamed
