"""Gathers an evidence pack's contents, and makes the signed ZIP.

In: an inquiry about a message, the sets of rules that were read for it, a case. Out: the bytes of the pack, what it proves; exit 2 for what
cannot be read. Never: another person's consent, a list of people.

It proves a record's place in the chain, up to the signed head. Never: a claim without its basis: what cannot be shown is said.

    record ── in a group, whose digest covers it ── next group … ── last group of the day's table ── the table, in the head ── signature

The digests of groups run over the bytes of all records between, those of other people too: to follow them one needs those bytes. In a sealed
journal they tell nothing without its key, so they come along as soon as there is a head to lead to. Unsealed they are only handed out on
request, to a person who may see them (``chain``); without them the gate's signature vouches for the record's place. A pack says itself what it
proves and what it does not (``proof_statement``).

Equal evidence gives equal bytes of the ZIP (the time of making is in a file):

    manifest.json    {"format": 1, "files": {name: BLAKE2b-256 …}, …}
    signature.json   Ed25519 over the bytes of manifest.json, and the public half of the key
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from proxy.archive import signed_heads
from proxy.archive.manifest import Manifest, TableEntry, journal_folder, load
from proxy.archive.otp_texts import may_be_code
from proxy.archive.secret_keys import ArchiveKeys, may_make_keys
from proxy.config import Settings
from proxy.desk.backtest.differences import masked
from proxy.desk.evidence import evidence_pdf
from proxy.desk.evidence.checking import CHAIN, EVIDENCE, FORMAT, MANIFEST, PROOF, SIGNATURE, digest
from proxy.desk.explain import message_explanation_text
from proxy.desk.explain.message_explanation import Inquiry
from proxy.i18n.phrases import Bilingual
from proxy.journal.disk import Disk
from proxy.journal.scan import PlacedRecord, Scan
from proxy.journal.segment import pack_header
from proxy.operations import client
from proxy.operations.files.journal_access import disk_of
from proxy.operations.terminal import fail, print_line
from proxy.policy import time_windows
from proxy.policy.registries.people import state_of
from proxy.policy.ruleset import RuleSet
from proxy.runtime.build_info import build_info
from proxy.state.revision_store import RevisionStore

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest a ZIP can say: when it was made stands inside
CHAIN_BYTES_MAX = 256 << 20
"""Of groups that are handed out: a few minutes of a busy gate, a day of a quiet one."""
UNASKED_BYTES_MAX = 16 << 20
"""... and without anybody having asked for them: a pack is sent by mail."""


class Proof(NamedTuple):
    said: dict[str, Any]
    chain: bytes
    """Groups from the record's to the last of its table, one after the other; empty where they were not asked for."""


def prove(archive: Path, disk: Disk, node: int, sequence: int, *, chain: bool | None) -> Proof:
    """``chain``: whether the groups come along; None: if they give nothing away and prove something. JournalDamaged, ManifestError, OSError;
    ValueError where the record is not in the journal, or what was asked for cannot be had."""
    home = journal_folder(archive, node, disk.identity())
    manifest = load(home)
    table = next((one for one in manifest.tables if one.first <= sequence <= one.last), None)
    placed, previous = _find_group(disk, sequence)
    head, group, header = _head(home, table), placed.group, placed.header
    pieces: bytes | str = ""
    if chain or (chain is None and header.sealed and head):
        most = CHAIN_BYTES_MAX if chain else UNASKED_BYTES_MAX
        pieces = _groups(disk, sequence, table.last if table is not None else group.last, previous, most)
        if chain and isinstance(pieces, str):
            raise ValueError(f"--chain: {pieces}: leave it out (--no-chain)")
    record = next(one for one in group.records if one.sequence == sequence)
    whole = pieces if isinstance(pieces, bytes) else b""
    fields: dict[str, Any] = {
        "node": node, "identity": disk.identity(), "record": sequence,
        "record_digest": digest(record.body), "kind": record.kind, "segment": placed.segment,
        "sealed": header.sealed, "group": {"last": group.last, "before": previous.hex(), "digest": group.digest.hex()},
        "table": None if table is None else [*table[:-1], [list(file) for file in table.files]], "head": head,
        "complete": _complete(manifest),
    }  # fmt: skip
    why = pieces if isinstance(pieces, str) else ""
    words = proof_statement(head=bool(head), chain=bool(whole), sealed=header.sealed, why=why)
    return Proof(fields | {"proves": {"en": str(words), "zh": words.zh}}, whole)


_VOUCHED = Bilingual(
    "The gate's signature, made with this pack, vouches for all that is in it.", "本包的网关签名为包内全部内容作证。"
)
_NO_HEAD = Bilingual(
    "The day of the record is not over or not rolled yet: nothing about it was published that this could be held against.",
    "记录当日尚未结束或尚未归档，还没有公布过可供比对的当日摘要。",
)
_NO_CHAIN = Bilingual(
    "The head of the day was signed then, and published. That the record leads to it rests on the gate's signature alone:",
    "当日摘要是当时签名并公布的；记录确实通向该摘要，只凭网关签名：",
)
_OTHERS = Bilingual(
    "the groups between, over which the digests run, hold what other people were sent, and are not in this pack.",
    "两者之间的提交组含有同一时段他人的短信，不在包内。",
)
_FOLLOWED = Bilingual(
    "By chain.bin anybody can follow the digests from the record's group to the head of the day, which was signed then, and published.",
    "任何人都可凭 chain.bin 逐组核对，从记录所在的提交组直到当时签名并公布的当日摘要。",
)
_SEALED = Bilingual(
    "The groups are sealed: that the record is what stands in its group rests on the gate's signature, or on whoever has the key.",
    "各组已加密：组内确为此记录，凭网关签名或由持钥者核对。",
)


def proof_statement(*, head: bool, chain: bool, sealed: bool, why: str) -> Bilingual:
    """States what a pack proves and what it does not. ``why``: why no chain is included."""
    if not head:
        parts = [_VOUCHED, _NO_HEAD]
    elif not chain:
        parts = [_VOUCHED, _NO_CHAIN, Bilingual(f"{why}.", f"{why}.") if why else _OTHERS]
    else:
        parts = [_VOUCHED, _FOLLOWED, *([_SEALED] if sealed else [])]
    return Bilingual(" ".join(parts), "".join(part.zh for part in parts))


def _find_group(disk: Disk, sequence: int) -> tuple[PlacedRecord, bytes]:
    """(the group that holds the record, the digest before it)."""
    chain, name = bytes(32), ""
    for placed in Scan(disk, sequence):
        if placed.segment != name:
            name, chain = placed.segment, placed.header.previous
        if placed.group.last >= sequence:
            if any(one.sequence == sequence for one in placed.group.records):
                return placed, chain
            break
        chain = placed.group.digest
    raise ValueError(f"record {sequence} is not in the journal")


def _groups(disk: Disk, sequence: int, upto: int, previous: bytes, most: int) -> bytes | str:
    """The groups from the record's to the one of ``upto``, as a segment of their own, or as one for each format that they were written in; or
    why there are none."""
    pieces, size = list[bytes](), 0
    name, data = "", b""
    form, first, chain = 0, 0, previous
    for placed in Scan(disk, sequence):
        group = placed.group
        if group.last < sequence:
            continue
        if pieces and group.last > upto:
            break  # a group that only marks what was synced has the number of the one before, and is of its table
        if group.redaction:
            return (
                f"somebody was erased from the groups up to the head since (before record {group.last}), so they prove nothing"
            )
        if placed.segment != name:
            name, data = placed.segment, disk.read(placed.segment)
        if placed.header.form != form:
            form, first = placed.header.form, first or group.records[0].sequence
            pieces.append(pack_header(placed.header._replace(first=first, previous=chain)))
        pieces.append(data[group.start : group.end])
        first, chain = group.last + 1, group.digest
        size += len(pieces[-1])
        if size > most:
            return f"the groups up to the head are more than {most >> 20} MB"
    return b"".join(pieces)


def _head(home: Path, table: TableEntry | None) -> str:
    """The line of the day's head; empty while the day is not over or not rolled."""
    if table is None or not table.whole_day:
        return ""
    try:
        return (home / signed_heads.FOLDER / f"{table.day}-{table.first:020d}.json").read_text(errors="replace").strip()
    except FileNotFoundError:
        return ""


def _complete(manifest: Manifest) -> dict[str, Any]:
    """From where to where the tables are there."""
    if not manifest.tables:
        return {"tables": 0}
    first, last = manifest.tables[0], manifest.tables[-1]
    return {
        "tables": len(manifest.tables), "first": first.first, "last": last.last, "since_ms": first.since_ms,
        "until_ms": last.until_ms,
    }  # fmt: skip


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
    except ValueError as error:
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
    objecting = {found.names.of(found.verdict.revision, number) for number, _, _ in found.verdict.breaches}
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


def as_bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True).encode("utf-8", "backslashreplace") + b"\n"


def packed(files: Mapping[str, bytes], about: Mapping[str, Any], keys: ArchiveKeys) -> bytes:
    """A ZIP of these files. ``about``: what else the manifest says; ``keys``: those that sign the journal's heads."""
    manifest = as_bytes({**about, "format": FORMAT, "files": {name: digest(data) for name, data in files.items()}})
    signature = as_bytes({"signature": keys.sign(manifest).hex(), "public": keys.public.hex()})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as made:
        for name, data in ((MANIFEST, manifest), (SIGNATURE, signature), *sorted(files.items())):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            made.writestr(info, data)
    return out.getvalue()
