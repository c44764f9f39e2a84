"""Implements ``gate106 evidence pack``, ``evidence verify`` and ``evidence verifier``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.model.roles import Permission
from proxy.operations.declaration import ZIP, Program, command
from proxy.operations.parameters import Flag, Id, Reason, Text
from proxy.operations.terminal import CONFIG, Config, Control, Json, ask, choose_language, fail, print_answer, print_line

if TYPE_CHECKING:
    from proxy.config import Settings
    from proxy.desk.evidence.proof import Proof
    from proxy.desk.explain.message_explanation import Inquiry
    from proxy.policy import RuleSet

RULES_BYTES_MAX = 8 << 20


@command(
    "evidence pack", Program(permission=Permission.TAKE_OUT, out="--out", media=ZIP),
    example='gate106 evidence pack --case 17 --out case-17.zip --why "request of 20 November"',
)  # fmt: skip
def pack(
    out: Annotated[Path, typer.Option("--out", help="The ZIP to write.")],
    why: Annotated[str, Reason()],
    message: Annotated[str | None, Text("The message: 0:4711, or an id of the carrier's.", 80)] = None,
    case: Annotated[str | None, Id("A case that is matched to its message.", kind="case", flag="--case")] = None,
    unmasked: Annotated[bool, Flag("With the person's whole number.")] = False,
    chain: Annotated[bool, Flag("With the journal's own bytes up to the head of the day: others' messages, too.")] = False,
    no_chain: Annotated[
        bool, typer.Option("--no-chain", help="Also where the journal is sealed, whose bytes else come unasked.")
    ] = False,
    config: Config = CONFIG,
    journal: Annotated[Path | None, typer.Option("--journal", help="Its folder, if not the settings'.")] = None,
    control: Control = None,
    json: Json = False,
) -> None:
    """Make a signed ZIP with all about one message: PDF, JSON, rules of then, chain proof. The journal records who made it."""
    import time

    from proxy.desk.explain.message_inquiry import inquiry_of
    from proxy.operations.files.journal_access import record_access
    from proxy.runtime import hardening

    hardening.restrict_umask()
    if (message is None) is (case is None):
        fail("pack: say --message or --case")
    if chain and no_chain:
        fail("pack: say --chain or --no-chain")
    with_chain = True if chain else False if no_chain else None
    answer = dict(ask(config, control, "complaint.show", id=case, unmasked=unmasked, why=why)) if case is not None else None
    wanted = answer["message"] if answer is not None else message
    if not wanted:
        fail(f"case {case} is matched to no message yet (gate106 complaint match {case})")
    settings, found, rules = inquiry_of(wanted, config, journal, None)
    place = f"{settings.node}:{found.target.sequence}"
    record_access(settings, control, "evidence pack", f"message {place}", why=why, unmasked=unmasked)
    given = _consents_by_file(control or settings.control, found, _sender_names(found, rules.get(found.verdict.revision)))
    data, proof = _make_pack(
        settings, journal or settings.journal, found, rules, answer, given, time.time(), whole=unmasked, chain=with_chain
    )
    digest = _write(out, data)
    if case is not None:
        ask(config, control, "complaint.note", id=case, why=f"{out.name}, SHA-256 {digest}: {why}"[:500])
    told_of = {"file": str(out), "message": place, "sha256": digest, "bytes": len(data), "masked": not unmasked}
    proves = proof.said["proves"]
    lines = [f"{out}: message {place}, {len(data):,} bytes, SHA-256 {digest}", proves["en"]]
    print_answer(told_of | {"proves": proves}, json, lines)


@command("evidence verify", example="gate106 evidence verify case-17.zip --key head.pub")
def verify(
    file: Annotated[Path, typer.Argument(metavar="PACK", help="The ZIP.")],
    key: Annotated[Path | None, typer.Option("--key", help="The public key that was handed over (head.pub).")] = None,
    head: Annotated[str, typer.Option("--head", help="The digest of the day's head, as it was published.")] = "",
    lang: Annotated[
        str | None, typer.Option("--lang", help="zh or en; default: of the locale, en where it is neither.")
    ] = None,
    json: Json = False,
) -> None:
    """Check whether a pack is as it was made, and name what was altered. Needs no gate. Exit 1 if anything was."""
    from proxy.desk.evidence.checking import NotAPack, check, key_of
    from proxy.desk.evidence.verifier import language_here, lines_of

    language = choose_language(lang) if lang else language_here()
    try:
        found = check(file, key_of(key) if key is not None else None, head)
    except NotAPack as error:
        fail(error.why.zh if language == "zh" else error)
    except OSError as error:
        fail(f"{error.filename or file}: {error.strerror or error}")
    print_answer(found.as_dict(), json, lines_of(file, found, language))
    raise typer.Exit(1 if found.faults else 0)


@command("evidence verifier", example="gate106 evidence verifier --out verify.pyz")
def verifier(
    out: Annotated[Path, typer.Option("--out", help="The file to write.")] = Path("verify.pyz"),
    json: Json = False,
) -> None:
    """Write one file that checks packs without a gate: `python3 verify.pyz case-17.zip` needs nothing else."""
    from proxy.desk.evidence import verifier as alone

    data = alone.build()
    digest = _write(out, data)
    print_answer(
        {"file": str(out), "bytes": len(data), "sha256": digest}, json, [f"{out}: {len(data):,} bytes, SHA-256 {digest}"]
    )


def _write(out: Path, data: bytes) -> str:
    """Writes a file that only its owner may read; returns its SHA-256."""
    import hashlib

    from proxy.runtime import hardening

    try:
        with hardening.create_private_file(out) as file:
            file.write(data)
    except OSError as error:
        fail(f"{out}: {error.strerror or error}")
    return hashlib.sha256(data).hexdigest()


# -- what is in it


def _make_pack(
    settings: Settings, journal: Path, found: Inquiry, rules: Mapping[str, RuleSet | None], case: dict[str, Any] | None,
    given: list[dict[str, Any]] | None, now: float, *, whole: bool, chain: bool | None,
) -> tuple[bytes, Proof]:  # fmt: skip
    from proxy.archive.manifest import ManifestError
    from proxy.archive.secret_keys import ArchiveKeys, KeysError, may_make_keys
    from proxy.desk.evidence import evidence_pdf
    from proxy.desk.evidence.pack import CHAIN, EVIDENCE, PROOF, as_bytes, packed
    from proxy.desk.evidence.proof import prove
    from proxy.desk.explain import message_explanation_text
    from proxy.journal.sealing import SealingError
    from proxy.journal.write_ahead_log import JournalError
    from proxy.operations.files.journal_access import disk_of
    from proxy.policy import time_windows

    then = rules.get(found.verdict.revision)
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
        "masked": not whole,
        "message": message_explanation_text.as_dict(found, settings.node, now, whole=whole),
        "rules": list(_rules(found, then)),
        "consents": [*_consents(found, then), *(given or ())],
        "consents_asked": given is not None,
        "case": _case(case, found) if case is not None else None,
        "proof": proof.said,
    }
    files = {EVIDENCE: as_bytes(said), "evidence.pdf": evidence_pdf.evidence(said), PROOF: as_bytes(proof.said)}
    files |= _rule_files(settings, found) | ({CHAIN: proof.chain} if proof.chain else {})
    about = {"message": said["message"]["message"], "masked": not whole, "made": time_windows.local(now), "node": settings.node}
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
        }  # fmt: skip


def _consents(found: Inquiry, then: RuleSet | None) -> Iterator[dict[str, Any]]:
    """The person's consents in the registry of then that concern this sender."""
    from proxy.policy import time_windows
    from proxy.policy.registries.people import state_of

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


def _consents_by_file(control: Path, found: Inquiry, names: set[str]) -> list[dict[str, Any]] | None:
    """The person's consents from imported files; None if no gate runs that could be asked."""
    from proxy.operations import client
    from proxy.policy import time_windows

    if not found.verdict.recipient:
        return []
    try:
        answer = client.ask(control, "consent.show", to=str(found.verdict.recipient))
    except client.NobodyAnswers:
        return None
    except client.CannotAsk as error:
        fail(error)
    at = found.verdict.time
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
    from proxy.policy import time_windows

    times = ("time", "requested")
    found: dict[str, Any] = {"wording": one["wording"]} if one["wording"] else {}
    for name in ("reply", "ended"):
        if name in one:
            found[name] = {key: time_windows.local(value) if key in times else value for key, value in one[name].items()}
    return found


def _case(case: dict[str, Any], found: Inquiry) -> dict[str, Any]:
    """Without digits that may be those of a code."""
    from proxy.archive.otp_texts import may_be_code
    from proxy.desk.backtest.differences import masked
    from proxy.desk.explain import message_explanation_text

    return case | {"text": masked(case["text"], code=message_explanation_text.may_be_code(found) or may_be_code(case["text"]))}


def _rule_files(settings: Settings, found: Inquiry) -> dict[str, bytes]:
    """The rules files of then; lists of people are left out."""
    from proxy.state.revision_store import RevisionStore

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
