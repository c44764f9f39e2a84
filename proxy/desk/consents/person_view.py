"""Lists one person's consents, with their proofs and ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from proxy.model.message import Category, Facts, Sender, hash48
from proxy.model.recipient import OptOut
from proxy.operations.gate_interface import Gate
from proxy.operations.schemas import SharedSchema, record_fields
from proxy.state.lists.consent_lists import ConsentBatch
from proxy.state.record import record
from proxy.state.record.consent_facts import ConsentGiven, Withdrawal

if TYPE_CHECKING:
    from proxy.policy.registries.registry import Registry

BATCH = SharedSchema(
    "Batch",
    record_fields(ConsentBatch)
    | {
        "numbers?": int,
        "overdue?": bool,
        "reply?": {"time": int, "text": str, "port": str, "message": int, "requested": int},
        "ended?": {"time": int, "by": str, "source": str},
    },
)
WITHDRAWAL = SharedSchema("Withdrawal", Withdrawal)


def batch_row(batch: ConsentBatch, numbers: int | None = None) -> dict[str, Any]:
    """A batch as a mapping for answers."""
    return batch._asdict() | ({} if numbers is None else {"numbers": numbers})


def consents_of(gate: Gate, person: int, data: bytes) -> list[dict[str, Any]]:
    """All consents of a person, the oldest first. ``data``: their record."""
    registry, proofs = gate.relay.rules.registry, {one.batch: one for one in record.consents_given(data)}
    refusals = sorted([*record.opt_outs(data), *gate.store.listed.refusals(person)], key=lambda one: one.time)
    withdrawals = record.withdrawals(data)
    found = []
    for batch in gate.store.consented.of(person):
        row = batch_row(batch)
        if (proof := proofs.get(batch.number)) is not None:  # the carrier's own record of a reply
            row["reply"] = {name: getattr(proof, name) for name in ("time", "text", "port", "requested")} | {
                "message": proof.request
            }
        if (ended := _ended(batch, proof, refusals, withdrawals, registry)) is not None:
            row["ended"] = ended
        found.append(row)
    return found


def _ended(
    batch: ConsentBatch, proof: ConsentGiven | None, refusals: list[OptOut], withdrawals: list[Withdrawal], registry: Registry
) -> Mapping[str, Any] | None:
    """The opt-out or withdrawal that ended a consent: the one that came first."""
    from proxy.policy.kinds.consent import refusal_since
    from proxy.policy.text.folding import normal_signature

    name = normal_signature(batch.advertiser)
    number = next(iter(registry.signatures_by("advertiser", batch.advertiser)), hash48(name)) if batch.advertiser else 0
    sender = Sender.of(batch.provider, "", proof.port if proof is not None else "", "")
    kind = Category.MARKETING
    subcategory = batch.category if batch.category != kind.word else ""
    facts = Facts(sender, kind, kind, kind, subcategory, name, proof.signature if proof is not None else number)
    ends = []
    if (refusal := refusal_since(batch.given, refusals, sender, facts, registry)) is not None:
        ends.append((refusal.time, "opt-out", refusal.source))
    ends += [
        (one.time, "withdrawal", "")
        for one in withdrawals
        if one.time >= batch.given and one.advertiser in ("", batch.advertiser) and one.category in ("", batch.category)
    ]
    return dict(zip(("time", "by", "source"), min(ends), strict=True)) if ends else None
