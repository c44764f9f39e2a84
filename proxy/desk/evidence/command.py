"""Implements ``gate106 evidence pack``, ``evidence verify`` and ``evidence verifier``."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Annotated

import typer

from proxy.i18n.text import Bilingual
from proxy.model.roles import Permission
from proxy.operations.declaration import ZIP, Program, command
from proxy.operations.parameters import Flag, Id, Reason, Text
from proxy.operations.terminal import CONFIG, Config, Control, Json, ask, fail, print_answer, printed_language


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
    from proxy.desk.evidence import pack_contents
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
    settings, found, rules = inquiry_of(wanted, config, journal, None, control)
    place = f"{settings.node}:{found.target.sequence}"
    record_access(settings, control, "evidence pack", f"message {place}", why=why, unmasked=unmasked)
    data, proof = pack_contents.make_pack(
        settings, control, journal, found, rules, answer, time.time(), whole=unmasked, chain=with_chain
    )
    digest = _write(out, data)
    if case is not None:
        ask(config, control, "complaint.note", id=case, why=f"{out.name}, SHA-256 {digest}: {why}"[:500])
    told_of = {"file": str(out), "message": place, "sha256": digest, "bytes": len(data), "masked": not unmasked}
    proves = proof.said["proves"]
    lines = [f"{out}: message {place}, {len(data):,} bytes, SHA-256 {digest}", Bilingual(proves["en"], proves["zh"])]
    print_answer(told_of | {"proves": proves}, json, lines)


@command("evidence verify", example="gate106 evidence verify case-17.zip --key head.pub")
def verify(
    file: Annotated[Path, typer.Argument(metavar="PACK", help="The ZIP.")],
    key: Annotated[Path | None, typer.Option("--key", help="The public key that was handed over (head.pub).")] = None,
    head: Annotated[str, typer.Option("--head", help="The digest of the day's head, as it was published.")] = "",
    json: Json = False,
) -> None:
    """Check whether a pack is as it was made, and name what was altered. Needs no gate. Exit 1 if anything was."""
    from proxy.desk.evidence.checking import NotAPack, check, key_of
    from proxy.desk.evidence.verifier import lines_of

    language = printed_language()
    try:
        found = check(file, key_of(key) if key is not None else None, head)
    except NotAPack as error:
        fail(error.why.zh if language == "zh" else error)
    print_answer(found.as_dict(), json, lines_of(file, found, language))
    raise typer.Exit(1 if found.faults else 0)


@command("evidence make-verifier", example="gate106 evidence make-verifier --out verify.pyz")
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
    from proxy.runtime import hardening

    with hardening.create_private_file(out) as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()
