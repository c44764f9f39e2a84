"""Explains one journalled message for a command, then and now."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from proxy.archive.segment_index import shared_index
from proxy.config import Settings, every_worker
from proxy.desk.backtest.commit_groups import JournalGroup, groups_of, groups_up_to
from proxy.desk.backtest.environment import Senders
from proxy.desk.explain import message_explanation_text
from proxy.desk.explain.message_explanation import FOUND_MAX, PLACE, FoundMessage, Inquiry, find_messages, inquire
from proxy.desk.suppression.signature_search import JournalSignatures
from proxy.i18n.labels import without_account
from proxy.journal.disk import OsDisk
from proxy.journal.records.revisions import MADE
from proxy.operations.client import CannotAsk, ask
from proxy.operations.files.journal_access import disk_of, gates_of, reading, record_access
from proxy.operations.terminal import fail, format_time, load_rules, print_answer, settings_of, store_of
from proxy.policy.ruleset import RuleSet
from proxy.state.lists.desk_records import EVENTS_MAX
from proxy.state.revision_store import RevisionStore

JSON = "json"


def explain_message(
    wanted: str, config: Path, journal: Path | None, rules: Path | None, answer: str, control: Path | None, why: str | None
) -> None:
    """``rules``: today's folder, instead of the settings'. ``answer``: zh, en or json. ``why``: the reason to show the whole number; None: it
    is masked."""
    if why is not None and not why.strip():
        fail("--unmasked: say --why: the journal keeps who saw a whole number, and why")
    settings, found, _ = inquiry_of(wanted, config, journal, rules, control)
    whole = why is not None and bool(found.verdict.recipient)
    if whole:
        place = f"{settings.node}:{found.target.sequence}"
        record_access(settings, control, "explain --message", place, why=why, unmasked=True)
    now = time.time()
    told = message_explanation_text.as_dict(found, settings.node, now, whole=whole)
    sets = _sets(settings, control) if answer == "zh" else {}
    lines = message_explanation_text.as_lines(found, settings.node, now, answer, whole=whole, sets=sets)
    print_answer(told, answer == JSON, lines)


def inquiry_of(
    wanted: str, config: Path, journal: Path | None, rules: Path | None, control: Path | None
) -> tuple[Settings, Inquiry, dict[str, RuleSet | None]]:
    """The inquiry about one message, and the sets of rules that were read for it, by revision (None: not kept). Exits with 2 on any fault."""
    settings = settings_of(config)
    gates = gates_of(settings, journal)
    today = load_rules(rules or _in_force(settings, control) or settings.rules, settings.category_tag)
    loaded: dict[str, RuleSet | None] = {today.revision: today}
    with reading(gates[0].journal):
        disks = [(gate, disk_of(gate.journal, gate.sealing)) for gate in gates]
        settings, disk, target = _target(wanted.strip(), disks)
        kept = RevisionStore(settings.revisions.folder, settings.revisions.keep)

        def then(revision: str) -> RuleSet | None:
            if revision not in loaded:
                loaded[revision] = load_rules(kept.path(revision), settings.category_tag) if kept.has(revision) else None
            return loaded[revision]

        beside = {gate.node: other for gate, other in disks if other is not disk}
        names = JournalSignatures(target.recipient, config)
        senders = Senders.of(settings)
        found = inquire(disk, store_of(settings), target, then, today, senders, beside, settings.node, names)
    return settings, found, loaded


def _target(wanted: str, gates: list[tuple[Settings, OsDisk]]) -> tuple[Settings, OsDisk, FoundMessage]:
    """The one message that an id means, and in which worker's journal it is; where it may mean several, which they are."""
    if not wanted:
        fail("--message: is empty")
    place = PLACE.fullmatch(wanted)
    if place is not None:
        nodes = " and ".join(str(gate.node) for gate, _ in gates)
        gates = [(gate, disk) for gate, disk in gates if gate.node == int(place[1])]
        if not gates:
            fail(f"--message: {wanted} is of node {place[1]}, the settings are those of node {nodes}")
    found = [
        (gate, disk, one)
        for gate, disk in gates
        for one in find_messages(_groups_with(disk, int(place[2])) if place is not None else groups_of(disk), wanted)
    ]
    if not found:
        what = "no verdict stands there" if place is not None else "no message of the journal is called so"
        fail(f"--message: {what}: a refused message has no id of the carrier's, gate106 find names it by its record")
    if len(found) > 1:
        more = " …" if len(found) >= FOUND_MAX else ""
        several = ", ".join(f"{gate.node}:{one.sequence} (about {format_time(one.about)})" for gate, _, one in found)
        fail(f"--message: '{wanted}' may be several, say which: {several}{more}")
    return found[0]


def _groups_with(disk: OsDisk, sequence: int) -> Iterable[JournalGroup]:
    """Some groups, among them the one with a record."""
    known = shared_index(disk)
    found = known.with_record(sequence) if known is not None else []
    return [JournalGroup(group.time_ms / 1000, group.records) for group in found] or groups_up_to(disk, sequence)


def _in_force(settings: Settings, control: Path | None) -> Path | None:
    """The kept files of the set that the running gate decides by: the folder of the settings may hold another. None: no gate, or not kept."""
    try:
        revision = str(ask(control or settings.control, "rules")["revision"])
    except CannotAsk:
        return None
    kept = (RevisionStore(one.revisions.folder, one.revisions.keep) for one in every_worker(settings))
    return next((one.path(revision) for one in kept if one.has(revision)), None)


def _sets(settings: Settings, control: Path | None) -> dict[str, str]:
    try:
        return sets_in_chinese(ask(control or settings.control, "rules.history", last=EVENTS_MAX)["events"])
    except CannotAsk:
        return {}


def sets_in_chinese(events: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Sets of rules by when, by whom and for what they were made, as pages name them. ``events``: the newest first."""
    whose = {"first start": "网关", "start": "网关"}
    return {
        one["revision"]: " · ".join(
            filter(None, (format_time(one["time"]), whose.get(one["how"], without_account(one["who"])), one["why"]))
        )
        for one in reversed(events)
        if one["event"] in MADE
    }
