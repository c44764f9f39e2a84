"""Shows consents, their proofs and ends, as answers and as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from proxy.i18n.phrases import WORDS, Bilingual
from proxy.model.message import Category, Facts, Sender, hash48
from proxy.model.recipient import OptOut
from proxy.operations.declaration import Answer, SharedSchema, record_fields
from proxy.operations.gate_interface import Gate
from proxy.operations.terminal import format_time, last_day, table_lines
from proxy.policy.kinds.consent import refusal_since
from proxy.policy.text.folding import normal_signature
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


def batch_table(answer: Answer) -> Iterator[str]:
    return _table(answer, "there are no consents", lambda one: last_day(one["until"]) if one["until"] else "")


def task_table(answer: Answer) -> Iterator[str]:
    return _table(answer, "no proof is missing", lambda one: last_day(one["due"]) + (" overdue" if one["overdue"] else ""))


def _table(answer: Answer, nothing: str, day_of: Callable[[Mapping[str, Any]], str]) -> Iterator[str]:
    rows = (
        (one["number"], one["state"], one["advertiser"] or "any", one["category"] or "any", format_time(one["given"]), one["version"],
         one["provider"] or one["source"], one["numbers"], day_of(one))
        for one in answer["batches"]
    )  # fmt: skip
    heads = ("batch", "state", "advertiser", "category", "given", "version", "from", "numbers", "until the end of")
    return table_lines(heads, rows, nothing)


def terms_line(one: Mapping[str, Any]) -> Bilingual:
    """What would be stored of numbers."""
    until, given = last_day(one["until"]) if one["until"] else "", format_time(one["given"])[:10]
    advertiser, category, version = one["advertiser"], one["category"], one["version"]
    return Bilingual(
        f"{advertiser or 'any advertiser'}, {category or 'any category'}, given {given}, "
        f"{f'until the end of {until}' if until else 'until it is taken back'}{f', version {version}' if version else ''}",
        f"{advertiser or '任何广告主'}、{WORDS.get(category, category) or '任何类别'}，{given} 同意，"
        f"{f'至 {until} 止' if until else '直到撤回为止'}{f'，文案版本 {version}' if version else ''}",
    )


def batch_lines(answer: Answer) -> Iterator[str]:
    for one in answer["batches"]:
        yield f"batch {one['number']}: {one['state']}, {_proof_of(one)}"


def _proof_of(one: Mapping[str, Any]) -> str:
    """Who brought the proof, in words; JSON has its SHA-256."""
    if not one["proof"]:
        return "no proof"
    if one["wording"]:
        return "its proof is the text of the request"
    if one["proof_by"]:
        return f"its proof was brought later by {name_of(one['proof_by'])}"
    return f"its proof was brought by {name_of(one['who'])} on {format_time(one['imported'])[:10]} with {one['file']}"


def name_of(who: str) -> str:
    """Without the means: ``li (uid 1000)`` → ``li``."""
    return who.partition(" (")[0]


def withdrawal_lines(answer: Answer) -> Iterator[str]:
    if "batches" in answer:
        return batch_lines(answer)
    whose = f"{answer['advertiser'] or 'all advertisers'}, {answer['category'] or 'all categories'}"
    return iter([f"{answer['to']}: taken back: {whose}"])


def unenforced(answer: Answer) -> Iterable[str]:
    unused = not answer.get("enforced", True)
    return ("gate106: no rule in force asks `consent`: this is remembered, and stops nothing",) if unused else ()


def consent_lines(answer: Mapping[str, Any]) -> list[str]:
    lines = []
    for one in answer["consents"]:
        whose = f"{one['advertiser'] or 'any advertiser'}, {one['category'] or 'any category'}"
        until = f" until the end of {last_day(one['until'])}" if one["until"] else ""
        source = f"{one['source']} {one['version']}".rstrip()
        lines.append(
            f"{answer['to']}: agreed to {whose} on {format_time(one['given'])}{until} ({source}; {_proof_of(one)}; "
            f"batch {one['number']}, {one['state']}{' by ' + one['reviewer'] if one['reviewer'] else ''})"
        )
        lines += [f"  {line}" for line in _lines_of(one)]
    for one in answer["withdrawn"]:
        whose = f"{one['advertiser'] or 'all advertisers'}, {one['category'] or 'all categories'}"
        lines.append(f"{answer['to']}: took back {whose} on {format_time(one['time'])}")
    return lines or [f"{answer['to']}: no consent is known"]


def _lines_of(one: Mapping[str, Any]) -> list[str]:
    """What proves a consent by reply, and what ended it."""
    lines = []
    if (reply := one.get("reply")) is not None:
        lines.append(
            f"replied “{reply['text']}” to {reply['port']} on {format_time(reply['time'])}, to message {reply['message']} of "
            f"{format_time(reply['requested'])}: {one['wording']}"
        )
    if (ended := one.get("ended")) is not None:
        lines.append(f"ended by the {ended['by']} of {format_time(ended['time'])}")
    return lines
