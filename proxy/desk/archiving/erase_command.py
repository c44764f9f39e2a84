"""Implements ``gate106 journal erase``, which removes a person from the journal.

It rewrites closed segments and tables beside a running gate; the gate records each step.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.i18n.text import Bilingual
from proxy.operations.declaration import command
from proxy.operations.files.journal_access import disk_of, places_of
from proxy.operations.terminal import CONFIG, Config, Control, Json, ask, fail, in_words_of_reader, print_answer
from proxy.runtime import hardening

if TYPE_CHECKING:
    from proxy.archive.person_erasure import ErasurePlan, ErasureResult
    from proxy.archive.secret_keys import ArchiveKeys
    from proxy.config import ArchiveLocations
    from proxy.journal.erasure import RedactedGroup


@command("journal erase", example="gate106 journal erase --to 13800210500 --why 'asked for in letter 4711'")
def erase(
    to: Annotated[str, typer.Option("--to", help="The person's number, in any spelling.")],
    why: Annotated[str, typer.Option("--why", help="Why: the journal keeps it.")],
    early: Annotated[
        bool,
        typer.Option("--early", help="Also what the law asks to be kept for six months: where it must not be kept at all."),
    ] = False,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Remove a person's messages and replies from closed segments and from the tables. Opt-outs and consents stay; so do records on legal hold,
    records that a restart reads, and, without --early, records younger than six months. Needs a running gate, whose journal records who did it,
    and the person only by a keyed hash. Copies keep what they have."""
    from proxy.archive.secret_keys import ArchiveKeys, KeysError
    from proxy.model.number import NotARecipient, recipient_of

    hardening.restrict_umask()
    try:
        person = recipient_of(to)
    except NotARecipient as fault:
        fail(f"--to: {fault}")
    places = places_of(config)
    try:
        keys = ArchiveKeys(places.archive.keys)
    except KeysError as error:
        fail(error)
    gate_client = _ErasureClient(config, control, keys.person(person), why)
    plan, done = _erase(places, keys, person, gate_client, early=early)
    lines = [
        Bilingual(
            f"{len(plan.removed)} segments were looked through, {done.segments} changed: {done.records} records in {done.groups} groups; "
            f"{done.rows} rows of tables",
            f"查看了 {len(plan.removed)} 段，改动 {done.segments} 段：{done.groups} 组中的 {done.records} 条记录；数据表 {done.rows} 行",
        ),
        *(
            Bilingual(f"{count} segments were not: {reason}", f"{count} 段没有查看：{in_words_of_reader(reason)}")
            for reason, count in plan.stays.items()
        ),
    ]
    print_answer({"erased": done._asdict(), "looked_through": len(plan.removed), "stays": plan.stays}, json, lines)


class _ErasureClient:
    """Asks the running gate to record the steps of one person's erasure."""

    def __init__(self, config: Path, control: Path | None, person: int, why: str) -> None:
        self._ask, self._person, self._why = partial(ask, config, control), f"{person:016x}", why

    def begin(self, *, early: bool) -> Any:
        return self._ask("journal.erase", person=self._person, why=self._why, details="early" if early else None)

    def note(self, first: int, changes: Sequence[RedactedGroup], signature: bytes) -> None:
        rows = [{"last": last, "before": _base64(before), "now": _base64(now)} for last, before, now in changes]
        self._ask("journal.erased", why=self._why, person=self._person, first=first, changes=rows, signature=_base64(signature))

    def put(self, first: int) -> bool:
        return bool(self._ask("journal.put", first=first)["put"])


def _base64(octets: bytes) -> str:
    return b64encode(octets).decode()


def _erase(
    places: ArchiveLocations, keys: ArchiveKeys, person: int, gate_client: _ErasureClient, *, early: bool
) -> tuple[ErasurePlan, ErasureResult]:
    from proxy.archive import person_erasure
    from proxy.archive.manifest import ManifestError
    from proxy.archive.rolling import RollError
    from proxy.config import Hold
    from proxy.journal.segment import SegmentFault
    from proxy.journal.write_ahead_log import JournalError

    disk, answer = disk_of(places.journal, places.sealing), gate_client.begin(early=early)
    holds = [Hold(begin, end, why) for begin, end, why in answer["holds"]]
    try:
        before = time.time() - (0.0 if early else person_erasure.KEPT_S)
        plan = person_erasure.plan(disk, holds, before, answer["open_from"])
        return plan, person_erasure.run(disk, places.archive.folder, keys, person, plan.removed, gate_client)
    except (JournalError, RollError, ManifestError, SegmentFault, OSError) as error:
        fail(f"{error} (what was erased until then is; run it again)")
