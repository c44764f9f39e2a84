"""Gathers what an evidence pack holds.

In: an inquiry about a message, the sets of rules that were read for it, a case. Out: the bytes of the pack, what it proves; exit 2 for what
cannot be read. Never: another person's consent, a list of people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from proxy.archive.manifest import ManifestError
from proxy.archive.otp_texts import may_be_code
from proxy.archive.secret_keys import ArchiveKeys, KeysError, may_make_keys
from proxy.config import Settings
from proxy.desk.backtest.differences import masked
from proxy.desk.evidence import evidence_pdf
from proxy.desk.evidence.pack import CHAIN, EVIDENCE, PROOF, as_bytes, packed
from proxy.desk.evidence.proof import Proof, prove
from proxy.desk.explain import message_explanation_text
from proxy.desk.explain.message_explanation import Inquiry
from proxy.journal.sealing import SealingError
from proxy.journal.write_ahead_log import JournalError
from proxy.operations import client
from proxy.operations.files.journal_access import disk_of
from proxy.operations.terminal import fail, print_line
from proxy.policy import time_windows
from proxy.policy.registries.people import state_of
from proxy.policy.ruleset import RuleSet
from proxy.runtime.build_info import build_info
from proxy.state.revision_store import RevisionStore

RULES_BYTES_MAX = 8 << 20


def make_pack(
    settings: Settings, control: Path | None, journal: Path | None, found: Inquiry, rules: Mapping[str, RuleSet | None],
    case: dict[str, Any] | None, now: float, *, whole: bool, chain: bool | None,
) -> tuple[bytes, Proof]:  # fmt: skip
    """``control``, ``journal``: instead of the settings'."""
    journal, then = journal or settings.journal, rules.get(found.verdict.revision)
    given = _consents_by_file(control or settings.control, found, then)
    try:
        keys = ArchiveKeys(settings.archive.keys, make=may_make_keys(settings.archive.folder, journal))
        proof: Proof = prove(
            settings.archive.folder, disk_of(journal, settings.sealing), settings.node, found.target.sequence, chain=chain
        )
    except (KeysError, ManifestError, JournalError, SealingError, ValueError, OSError) as error:
        fail(error)
    if chain and not whole and not proof.said["sealed"]:
        fail(
            "pack: --chain holds whole numbers and other people's messages: it needs --unmasked (not where the journal is sealed)"
        )
    said: dict[str, Any] = {
        "masked": not whole, "message": message_explanation_text.as_dict(found, settings.node, now, whole=whole),
        "rules": list(_rules(found, then)), "consents": [*_consents(found, then), *(given or ())],
        "consents_asked": given is not None, "case": _case(case, found) if case is not None else None, "proof": proof.said,
    }  # fmt: skip
    files = {EVIDENCE: as_bytes(said), "evidence.pdf": evidence_pdf.evidence(said), PROOF: as_bytes(proof.said)}
    files |= _rule_files(settings, found) | ({CHAIN: proof.chain} if proof.chain else {})
    about = {"message": said["message"]["message"], "masked": not whole, "made": time_windows.local(now), "node": settings.node}
    about["by"] = build_info().name
    return packed(files, about, keys), proof


def _rules(found: Inquiry, then: RuleSet | None) -> Iterator[dict[str, Any]]:
    """Each rule of then with its basis and its result on this message; rules that objected first."""
    if then is None or found.then is None:
        return
    known = {rule.id: rule for rule in (*then.rules, *then.ordered)}
    objecting = {found.rule(found.verdict.revision, number) for number, _, _ in found.verdict.breaches}
    for part in sorted(found.then.parts, key=lambda part: part.rule not in objecting):
        rule = known.get(part.rule)
        yield {
            "rule": part.rule, "say": part.say, "basis": rule.basis if rule is not None else "", "mode": part.mode, "says": part.says.zh,
            "why": part.why.zh, "says_en": str(part.says), "why_en": str(part.why),
            "where": f"{rule.file}:{rule.line}" if rule and rule.file else "",
        } | ({"share": part.share, "in_share": part.in_share} if part.share else {})  # fmt: skip


def _consents(found: Inquiry, then: RuleSet | None) -> Iterator[dict[str, Any]]:
    """The person's consents in the registry of then that concern this sender."""
    if then is None or found.then is None:
        return
    at, names = found.verdict.time, _sender_names(found, then)
    for row in then.registry.consents.rows():
        if row.recipient == found.verdict.recipient and row.time <= at and row.advertiser in names:
            yield {
                "advertiser": row.advertiser, "category": row.category, "state": state_of(row, at), "since": time_windows.local(row.time),
                "until": time_windows.local(row.until) if row.until < 1e11 else "", "proof": row.proof, "reviewed_by": row.reviewed_by,
            }  # fmt: skip


def _sender_names(found: Inquiry, then: RuleSet | None) -> set[str]:
    """The names under which the sender may have a consent; the empty name stands for any advertiser. Other consents of the person are not
    disclosed."""
    if then is None or found.then is None:
        return {""}
    facts = found.then.verdict.facts
    return {"", facts.signature, then.registry.advertiser_of(facts.signature_hash)}


def _consents_by_file(control: Path, found: Inquiry, then: RuleSet | None) -> list[dict[str, Any]] | None:
    """The person's consents from imported files; None if no gate runs that could be asked."""
    if not found.verdict.recipient:
        return []
    try:
        answer = client.ask(control, "consent.show", to=str(found.verdict.recipient))
    except client.NobodyAnswers:
        return None
    except client.CannotAsk as error:
        fail(error)
    at, names = found.verdict.time, _sender_names(found, then)
    return [
        {
            "advertiser": one["advertiser"], "category": one["category"], "state": one["state"], "since": time_windows.local(one["given"]),
            "until": time_windows.local(one["until"]) if one["until"] else "", "proof": f"SHA-256 {one['proof']}" if one["proof"] else "",
            "reviewed_by": one["reviewer"], "source": one["source"], "file": one["file"],
            **_by_reply(one),
        }
        for one in answer["consents"]
        if one.get("reply", {"time": one["given"]})["time"] <= at and one["advertiser"] in names
    ]  # fmt: skip


def _by_reply(one: dict[str, Any]) -> dict[str, Any]:
    """The proof of a consent by reply, and what ended it."""
    times = ("time", "requested")
    found: dict[str, Any] = {"wording": one["wording"]} if one["wording"] else {}
    for name in ("reply", "ended"):
        if name in one:
            found[name] = {key: time_windows.local(value) if key in times else value for key, value in one[name].items()}
    return found


def _case(case: dict[str, Any], found: Inquiry) -> dict[str, Any]:
    """Without digits that may be those of a code."""
    return case | {"text": masked(case["text"], code=message_explanation_text.may_be_code(found) or may_be_code(case["text"]))}


def _rule_files(settings: Settings, found: Inquiry) -> dict[str, bytes]:
    """The rules files of then; lists of people are left out."""
    kept, revision = RevisionStore(settings.revisions.folder, settings.revisions.keep), found.verdict.revision
    if not kept.has(revision):
        return {}
    try:
        files = {name: data for name, data in kept.files(revision).items() if name.endswith((".yaml", ".yml"))}
    except OSError as error:
        fail(f"the rules {revision}: {error.strerror or error}")
    if sum(map(len, files.values())) > RULES_BYTES_MAX:
        print_line(f"the rules of then are more than {RULES_BYTES_MAX >> 20} MB: they are left out")
        return {}
    return {f"rules/{name}": data for name, data in files.items() if ".." not in name}
