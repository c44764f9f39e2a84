"""Shares one gate's decision on a long message with other gates.

In: the part by which a gate judged; another gate's decision, with the text known here. Out: a SharedDecision; the part to inherit from.
Never: a verdict of its own, a store, the clock.
"""

from __future__ import annotations

from collections.abc import Callable

from proxy.model.message import Breach, Category, Message, Outcome, Verdict
from proxy.model.reasons import GATE_REASONS, REASONS, Reason
from proxy.model.recipient import Entry
from proxy.policy.judge import facts
from proxy.policy.ruleset import RuleSet
from proxy.relay.multipart.assembler import LongMessage
from proxy.relay.pending_submit import PendingSubmit
from proxy.state.shared.multipart_record import SharedDecision, SharedObjection
from proxy.wire import joined


class RemoteLeader(PendingSubmit):
    """The leading part at another gate, from which parts at this gate inherit. It is never answered, and has no lane."""


def decision_of(long: LongMessage) -> SharedDecision | None:
    """This gate's decision on a message; None if the rules were not asked, because it could not be sent as it arrived."""
    leader = long.leader
    assert leader is not None
    verdict = leader.verdict
    if verdict is None:
        return None
    objections = tuple(
        SharedObjection(one.rule, one.number, one.outcome, one.reason.name, one.shadow, one.not_before, one.spread_s)
        for one in verdict.breaches
    )
    return SharedDecision(
        judged_at=long.judged_at, revision=long.revision, parts=tuple(sorted({*long.contents, *long.theirs})),
        outcome=verdict.outcome, reason=leader.reason, rule=verdict.rule, province=verdict.province, template=verdict.template,
        category=leader.category, entry=leader.packed, adopts=leader.adopted is not None, takes=leader.takes or long.takes,
        objections=objections,
    )  # fmt: skip


def is_temporary(decision: SharedDecision) -> bool:
    """Whether the refusal is temporary: later parts are judged anew."""
    return not decision.entry and decision.reason in GATE_REASONS


def remote_leader(
    decision: SharedDecision,
    long: LongMessage,
    by: PendingSubmit,
    rules: RuleSet,
    refuse: Callable[[PendingSubmit, Reason], None],
) -> RemoteLeader:
    """The leading part at another gate, as inheriting parts need it; ``by``: one of these."""
    message = by.message
    assert message is not None
    known = [long.content(index) if index in decision.parts else None for index in range(1, long.total + 1)]
    content = joined(known) if any(known) else message.content
    found = RemoteLeader(by.bind, 0, b"", by.arrived_s)
    found.message = Message(message.sender, message.recipient, content)
    found.category = Category(decision.category)
    if decision.entry:
        entry = Entry.unpack(decision.entry)
        found.packed, found.entry_id, found.entry_time = decision.entry, entry.id, entry.time
        found.adopted = entry if decision.adopts else None
    reason = REASONS.get(decision.reason)
    found.verdict = Verdict(
        decision.outcome,
        reason if decision.outcome is not Outcome.ALLOW else None,
        decision.rule,
        tuple(
            Breach(one.rule, one.number, Outcome(one.outcome), REASONS[one.reason], one.shadow, one.not_before, one.spread_s)
            for one in decision.objections
            if one.reason in REASONS
        ),
        facts(found.message, rules, decision.judged_at),
        decision.province,
        decision.template,
        (),
    )
    if reason is not None:
        refuse(found, reason)
    return found
