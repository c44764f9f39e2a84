"""Deploys sets of rules in the running gate.

In: the folder, people's commands. Out: the set in force and the proposed one; events in the journal. Never: which event may follow which
(rule_revisions.py), a decision about a message.

A set comes into force in this order: its files are kept and synced → RULES and REVISED are written → messages are judged by it → both are
synced → the command is answered. After a kill anywhere between, the next start goes on from the journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import pwd
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import structlog

from proxy.config import Settings
from proxy.desk.revisions.comparison import SETTLED_S, lost_rules
from proxy.desk.revisions.rule_revisions import RevisionHistory
from proxy.desk.revisions.rule_text import switched
from proxy.journal.encoding import pack
from proxy.journal.records import gate_events, messages
from proxy.journal.records.revisions import Revised
from proxy.model.approvals import Impossible
from proxy.model.counters import GateCounters
from proxy.model.roles import Asker, NotAllowed, asker_of_account
from proxy.operations.control import CommandRefused
from proxy.policy import time_windows
from proxy.policy.loading.digests import NOTHING, Contents, changed_files, changes, new_rules
from proxy.policy.loading.load_rules import Loaded, load_all
from proxy.policy.loading.problem import NO_RULE, Problem, RulesError
from proxy.policy.ruleset import RuleSet
from proxy.relay.proposed_rules import CandidateRules
from proxy.runtime.background import Background
from proxy.runtime.yield_point import Rest, no_yield
from proxy.state import StateError
from proxy.state.lists.desk_records import RuleHistory
from proxy.state.revision_store import RevisionStore

log = structlog.get_logger()

PROBLEMS_SHOWN = 20
TRIES = 5
"""How often a reload is tried again: a try fails only if another gate decides at that moment."""
LOGGED = {
    "accepted": "rules accepted", "proposed": "rules proposed", "vouched": "rules vouched", "approved": "rules approved",
    "rejected": "rules rejected", "rolled-back": "rules rolled-back", "withdrawn": "rules withdrawn", "kept-out": "rules kept-out",
}  # fmt: skip
"""Log events of decisions after which the same set is in force as before."""
NO_FILES: Mapping[str, bytes] = {}


class DeploymentHost(Protocol):
    """What the deployment needs from the gate."""

    def write(self, kind: int, body: bytes) -> int: ...
    async def safe(self, sequence: int) -> None: ...
    def use(self, rules: RuleSet, proposal: CandidateRules | None) -> None: ...


class ConcurrentDecision(CommandRefused):
    """Another gate decided something at this very moment."""


class RuleDeployment:
    def __init__(self, settings: Settings, history: RuleHistory, background: Background, tally: GateCounters) -> None:
        self.revisions = RevisionHistory(history)
        self.kept = RevisionStore(settings.revisions.folder, settings.revisions.keep)
        self.proposal: CandidateRules | None = None
        """The set that waits, and what it would have done."""
        self.problem = ""
        """Why the folder's rules are not taken, empty when they are."""
        self.unsettled = False
        """The folder's rules could not be taken though they have no fault: to be tried again."""
        self._folder_path, self._category_tag = settings.rules, settings.category_tag
        self._people, self._four_eyes = settings.people, settings.revisions.four_eyes
        self._may_be_empty = settings.rules_may_be_empty
        self._background, self._tally = background, tally
        self._lock = asyncio.Lock()
        self._waiting: Loaded | None = None
        self._folder = ""
        """The revision of what the folder held when it was last read without a mistake."""
        self._host: DeploymentHost
        self._begun: Revised | None = None
        self._current = self._begin()

    @property
    def rules(self) -> RuleSet:
        """The set in force."""
        return self._current.rules

    def use(self, settings: Settings) -> None:
        """Other settings: who has a token, and whether two persons are needed."""
        self._people, self._four_eyes = settings.people, settings.revisions.four_eyes
        self._may_be_empty = settings.rules_may_be_empty

    # -- the start

    def _begin(self) -> Loaded:
        """The set in force from the start on; RulesError, or StateError if its files are lost."""
        now, found = self.revisions.now, None
        try:
            found = self._load(self._folder_path)
            self._folder = found.rules.revision
        except RulesError as error:
            if not (now.proposed or now.kept_out):
                raise
            self.problem = str(error.problems[0])
        sets = {found.rules.revision: found} if found is not None else {}
        if found is not None and not (self.among_others and now.in_force):  # what they decided meanwhile comes first
            if self.kept.has(now.in_force) and now.in_force not in sets:
                with contextlib.suppress(StateError):  # then nobody can tell what has changed, which may not matter
                    sets[now.in_force] = self._load_kept(now.in_force)
            before = sets[now.in_force].contents if now.in_force in sets else NOTHING
            if not (now.in_force in sets or found.rules.rules or self._may_be_empty):
                raise RulesError([Problem(str(self._folder_path), 1, NO_RULE)])
            self._begun = self._folder_event(found, before, "start" if now.in_force else "first start", "")
            if self._begun is not None and now.in_force in sets and self._is_guarded(self._begun):
                self._begun = self._guarded(self._begun, found, self._settled(sets[now.in_force]))
        state = self._begun or now
        for revision in filter(None, (state.in_force, state.proposed)):
            sets[revision] = wanted = sets.get(revision) or self._load_kept(revision)
            try:
                self.kept.save(revision, wanted.files)
            except OSError as error:
                raise StateError(self._cannot_keep(error)) from error
        if state.proposed:
            self._propose(sets[state.proposed], sets[state.in_force].contents)
        return _without_files(sets[state.in_force])

    def opened(self, host: DeploymentHost) -> None:
        """The gate stands around it, and the journal is open."""
        self._host = host
        host.use(self.rules, self.proposal)

    def note_start(self) -> None:
        """What the start brought, into the journal; the caller syncs. Where the journal cannot be written (the relay will notice, too), it
        is tried again."""
        try:
            self._write_rules(self._current)
            if self._begun is not None:
                self._note(self._begun)
        except CommandRefused as error:
            self.unsettled = True
            log.error("rules not journalled", problem=str(error))
            return
        self._forget_files()

    # -- among others (cluster_deployment.py)

    among_others = False
    """Whether other gates judge by the same set."""

    async def begin(self) -> None:
        """The store is open and no message is judged yet."""

    async def _follow_others(self) -> None:
        """What other gates decided is in force here, as far as it is known and can be."""

    async def _agree(self, event: Revised, found: Loaded | None) -> Revised:
        """Has other gates agree; ``found``: the set it is about, if new. ConcurrentDecision, CommandRefused: then nothing was decided."""
        return event

    def _agreed_but_unwritten(self) -> None:
        """What was agreed on could not be written here."""

    async def _follow_before_deciding(self, *, alone: bool) -> None:
        """Follows all decisions of other gates. CommandRefused where it cannot, unless ``alone`` goes on even if the store is out of reach."""

    @contextlib.asynccontextmanager
    async def _deciding(self, *, alone: bool = False) -> AsyncIterator[None]:
        """Wraps a decision."""
        async with self._lock:
            await self._follow_before_deciding(alone=alone)
            try:
                yield
            except (Impossible, NotAllowed) as error:
                raise CommandRefused(str(error)) from None

    # -- the folder

    async def reload(self, how: str, who: str = "") -> list[str]:
        """Reads the folder again; returns the problems of its files, none if they are taken or need not be. ``who``: who ran the command;
        empty: the owner of the files."""
        async with self._lock:
            try:
                found = await self._read_folder()
            except RulesError as error:
                self.problem = str(error.problems[0])
                self._tally.rules_reload["failed",] += 1
                log.error("rules not loaded, the old set stays in force", problem=self.problem, problems=len(error.problems))
                return [str(problem) for problem in error.problems]
            except Exception:  # accounts and certificates are still reloaded, and the status shows it
                self.problem = "they could not be read (a fault of gate106, please report it)"
                self._tally.rules_reload["failed",] += 1
                log.exception("rules not loaded, the old set stays in force")
                return [self.problem]
            self._folder = found.rules.revision
            try:
                event = await self._take_folder(found, how, who)
            except CommandRefused as error:
                before, self.problem = self.problem, f"the set {found.rules.revision}: {error}"
                self.unsettled = True
                self._tally.rules_reload["failed",] += 1
                if self.problem != before:
                    log.error("rules not taken", problem=self.problem)
                return [self.problem]
            self.problem, self.unsettled = "", False
            if event is None:
                await self._release(found.rules)
            else:
                self._tally.rules_reload["ok",] += 1
            return []

    async def _take_folder(self, found: Loaded, how: str, who: str) -> Revised | None:
        """Applies the folder's set, if that changes anything. CommandRefused."""
        for _ in range(TRIES):
            await self._follow_others()
            event = self._folder_event(found, self._current.contents, how, who)
            if event is not None and self._is_guarded(event):
                reference = await self._background.run(lambda rest: self._settled(self._current, rest))
                event = self._guarded(event, found, reference)
            try:
                if event is not None:
                    await self._commit(event, found)
                elif self.unsettled:
                    self._write_rules(self._current)
            except ConcurrentDecision:  # perhaps by a gate whose folder was edited likewise
                continue
            return event
        raise CommandRefused("other gates decide all the time")

    def _folder_event(self, found: Loaded, before: Contents, how: str, who: str) -> Revised | None:
        """The event that follows from the folder's set."""
        author = who or asker_of_account(_owner(self._folder_path, changed_files(before, found.contents)), self._people).name
        changed = changes(before, found.contents)
        return self.revisions.folder_holds(
            found.rules.revision, author, how, changed, time.time(), four_eyes=self._four_eyes,
            among_others=self.among_others,
        )  # fmt: skip

    def _is_guarded(self, event: Revised) -> bool:
        """Whether a set comes into force that nobody approved."""
        return event.event == "accepted" and not self._may_be_empty

    def _settled(self, current: Loaded, rest: Rest = no_yield) -> Loaded:
        """The set that the folder's is compared with; the one in force where its files are lost."""
        revision = self.revisions.settled(time.time(), SETTLED_S)
        if revision != current.rules.revision and self.kept.has(revision):
            with contextlib.suppress(StateError):
                return self._load_kept(revision, current.rules, rest)
        return current

    def _guarded(self, event: Revised, found: Loaded, reference: Loaded) -> Revised:
        """What becomes of the folder's set: it is kept out if it enforces much less than the last settled one."""
        lost = lost_rules(reference, found, event.time)
        if lost.needs_approval:
            log.error("rules kept out: they enforce less than the set in force", revision=event.revision, lost=str(lost))
            return self.revisions.held_back(event, str(lost))
        if str(lost):
            log.warning("rules no longer enforced", revision=event.revision, lost=str(lost))
        return event

    # -- what people command

    async def approve(self, revision: str, asker: Asker) -> Revised:
        async with self._deciding():
            known = {one.name for one in self._people}
            event = self.revisions.approved(revision, asker, known, time.time(), self._folder)
            return await self._commit(event, self._waiting)

    async def reject(self, revision: str, asker: Asker, who: str, why: str) -> Revised:
        async with self._deciding():
            return await self._commit(self.revisions.rejected(revision, asker, who, why, time.time(), self._folder), None)

    async def withdraw(self, revision: str, asker: Asker, who: str, why: str) -> Revised:
        async with self._deciding():
            return await self._commit(self.revisions.withdrawn(revision, asker, who, why, time.time(), self._folder), None)

    async def push(self, on: str, files: Mapping[str, bytes], who: str, why: str) -> Revised:
        """A set made of another, some of whose rules files are as they are given here; the folder stays as it is."""
        async with self._deciding():
            base = self.revisions.base(on)
            try:
                found = await self._background.run(lambda rest: self._load(self.kept.path(base), self.rules, rest, files))
            except RulesError as error:
                raise CommandRefused("\n".join(map(str, error.problems[:PROBLEMS_SHOWN]))) from None
            changed, revision = changes(self._current.contents, found.contents), found.rules.revision
            event = self.revisions.pushed(
                revision, base, who, why, changed, self._folder, time.time(), four_eyes=self._four_eyes
            )
            return await self._commit(event, found)

    async def set_mode(self, rule: str, mode: str, share: str, who: str, why: str) -> Revised:
        """One rule switched, in the set that waits or is in force."""
        base = self.revisions.now.proposed or self.revisions.now.in_force
        try:
            files = await asyncio.to_thread(self.kept.files, base)
            file, text = await asyncio.to_thread(switched, files, rule, mode, share)
        except (ValueError, OSError) as error:
            raise CommandRefused(str(error)) from None
        return await self.push(base, {file: text.encode()}, who, why)

    async def roll_back(self, revision: str, who: str, why: str) -> Revised:
        async with self._deciding(alone=True):
            event = self.revisions.rolled_back(revision, who, why, self._folder, time.time())
            try:
                found = await self._background.run(lambda rest: self._load_kept(event.revision, self.rules, rest))
            except StateError as error:
                raise CommandRefused(str(error)) from None
            event = event._replace(changes=changes(self._current.contents, found.contents))
            return await self._commit(event, found)

    async def take(self, who: str, why: str) -> Revised:
        """The folder's set, though it is kept out."""
        async with self._deciding():
            try:
                found = await self._read_folder()
            except RulesError as error:
                raise CommandRefused(f"{error.problems[0]} (gate106 check finds all mistakes)") from None
            changed = changes(self._current.contents, found.contents)
            event = self.revisions.taken(who, why, changed, time.time(), four_eyes=self._four_eyes)
            if event.revision != found.rules.revision:
                raise CommandRefused("the folder has changed meanwhile: see gate106 rules list")
            return await self._commit(event, found)

    # -- what it brings

    async def _commit(self, event: Revised, found: Loaded | None) -> Revised:
        """Keeps the set, has other gates agree, and puts the event into effect; returns it as journalled. ``found``: the set it is about, if
        that is to be in force or proposed. CommandRefused says that nothing was done, or that it is not synced yet."""
        if found is not None and found.rules.revision in (event.in_force, event.proposed):
            try:
                await asyncio.to_thread(self.kept.save, found.rules.revision, found.files)
            except OSError as error:
                raise CommandRefused(f"{self._cannot_keep(error)}: nothing was done") from None
        event = await self._agree(event, found)
        try:
            await self._enter(event, {found.rules.revision: found} if found is not None else {})
        except CommandRefused:
            self._agreed_but_unwritten()
            raise
        return event

    async def _enter(self, event: Revised, found: Mapping[str, Loaded]) -> None:
        """Journals it, puts it into force, syncs. ``found``: the sets that come into force by it, or wait, as far as they are new."""
        before, waiting = self._current, self._waiting
        in_force = event.in_force != before.rules.revision
        come = found.get(event.in_force) if in_force else next(iter(found.values()), None)
        if come is not None and (in_force or self.unsettled):
            self._write_rules(come)
        sequence = self._note(event)
        if in_force:
            assert come is not None, "what comes into force was read"
            self._current = _without_files(come)
        if not event.proposed:
            self._waiting = self.proposal = None
        elif (waits := found.get(event.proposed)) is not None and waits is not waiting:
            self._propose(waits, self._current.contents)
        self._host.use(self.rules, self.proposal)
        await self._host.safe(sequence)
        logged = "rules in force" if in_force else LOGGED[event.event]
        log.info(logged, revision=event.revision, in_force=event.in_force, rules=len(self.rules.rules), who=event.who)
        await asyncio.to_thread(self._forget_files)
        gone = {before.rules, waiting.rules if waiting is not None else before.rules}
        for rules in gone - {self.rules, self._waiting.rules if self._waiting is not None else self.rules}:
            await self._release(rules)

    def _note(self, event: Revised) -> int:
        sequence = self._host.write(messages.REVISED, pack(event))
        self.revisions.note(sequence, event)
        return sequence

    def _write_rules(self, found: Loaded) -> None:
        ids = tuple(rule.id for rule in found.rules.rules)
        self._host.write(messages.RULES, pack(gate_events.Rules(time.time(), found.rules.revision, ids)))

    def _cannot_keep(self, error: OSError) -> str:
        return f"{error.filename or self.kept.folder}: its files cannot be kept: {error.strerror or error} (settings: revisions.folder)"

    def _propose(self, found: Loaded, in_force: Contents) -> None:
        """What the set in force has not is tried as if it had begun: a rule of next week would object to nothing today."""
        self._waiting, new, now = found, new_rules(in_force, found.contents), time.time()
        dated = {rule.id: rule.decides_from for rule in found.rules.rules if rule.id in new and rule.decides_from > now}
        self.proposal = CandidateRules(found.rules, self._tally, dated)

    def _forget_files(self) -> None:
        self.kept.forget({self.revisions.now.in_force, self.revisions.now.proposed})

    async def _release(self, rules: RuleSet) -> None:
        await self._background.run(rules.forget)

    # -- reading

    def _load(
        self, folder: Path, before: RuleSet | None = None, rest: Rest = no_yield, instead: Mapping[str, bytes] = NO_FILES
    ) -> Loaded:
        found = load_all(folder, category_tag=self._category_tag, before=before, rest=rest, instead=instead)
        for doubt in found.doubts:
            log.warning("list read without some of its columns", problem=str(doubt))
        if before is not None and found.rules.revision != before.revision:
            found.rules.learn_from(before, rest)
        return found

    async def _read_folder(self) -> Loaded:
        """Reads the folder in a thread, while messages pass. RulesError."""
        before = self.rules
        return await self._background.run(lambda rest: self._load(self._folder_path, before, rest))

    def _load_kept(self, revision: str, before: RuleSet | None = None, rest: Rest = no_yield) -> Loaded:
        """StateError where its files are not what they were."""
        path = self.kept.path(revision)
        hint = "put it back from a copy, or choose another with gate106 rules rollback"
        if before is None:
            hint = "put it back from a copy; where nobody has one, change a file of the rules (and with revisions.four_eyes: false)"
        try:
            found = self._load(path, before, rest)
        except RulesError as error:
            raise StateError(f"the rules {revision}: {path}: {error.problems[0]}: {hint}") from error
        if found.rules.revision != revision:
            raise StateError(f"the rules {revision}: {path} holds other files than it did: {hint}")
        return found

    # -- what others should see

    def status(self) -> dict[str, Any]:
        """For ``gate106 rules list``."""
        now, proposal = self.revisions.now, self.proposal
        waits = None if proposal is None else {
            "revision": now.proposed, "author": now.author, "since": now.time, "rules": len(proposal.rules.rules),
            "judged": proposal.judged, "stricter": proposal.stricter, "milder": proposal.milder, "errors": proposal.errors,
            "as_begun": [
                {"rule": rule.id, "say": rule.say}
                for rule in proposal.rules.rules if proposal.as_begun.get(rule.id, 0.0) > time.time()
            ],
            "objections": [
                {"rule": rule.id, "say": rule.say, "count": proposal.objections[rule.id]}
                for rule in proposal.rules.rules if proposal.objections[rule.id]
            ],
        }  # fmt: skip
        return {
            "problem": self.problem, "proposed": waits, "kept_out": now.kept_out, "four_eyes": self._four_eyes,
            "apart": self._divergence, "folder_change": self._folder_change,
        }  # fmt: skip

    def notes(self) -> list[str]:
        """For /readyz."""
        now = self.revisions.now
        found = [f"rules: {self.problem} (the set {now.in_force} stays in force)"] if self.problem else []
        if self._divergence:
            found.append(
                f"rules: this gate does not judge by what the gates agreed on: {self._divergence} (the set {now.in_force} stays in force)"
            )
        if now.proposed:
            found.append(
                f"rules: {now.proposed} by {now.author} waits for a second person since {time_windows.local(now.time)} "
                f"(gate106 rules approve {now.proposed})"
            )
        if now.kept_out:
            since = self.revisions.kept_out_since
            found.append(
                f"rules: the folder's set {now.kept_out} is kept out, {now.in_force} is in force ({since.event} by {since.who}"
                f"{': ' + since.why if since.why else ''}); {self._taken_how} with gate106 rules take "
                "(gate106 rules export writes there what is in force)"
            )
        return found

    @property
    def _folder_change(self) -> str:
        """What a change of a folder does that is kept out."""
        return "no-effect" if self.among_others else "waits" if self._four_eyes else "taken"

    @property
    def _taken_how(self) -> str:
        if self._folder_change == "waits":
            return "a change of the files waits for a second person, and so do they"
        return "it comes into force at all gates" if self.among_others else "a change of the files is taken, and so are they"

    @property
    def _divergence(self) -> str:
        """Why this gate judges by another set than the others; empty if it does not."""
        return ""

    def gauges(self) -> dict[str, Any]:
        now = self.revisions.now
        waiting = {("approval",): float(bool(now.proposed)), ("kept-out",): float(bool(now.kept_out))}
        waiting["lost",] = float(self.revisions.held_back_now)
        modes = Counter("share" if rule.mode == "shadow" and rule.share_ppm else rule.mode for rule in self.rules.rules)
        return {
            "rules": {(mode,): float(modes[mode]) for mode in ("enforce", "share", "shadow", "off")},
            "rules_revision": self.rules.revision, "rules_folder_ok": not self.problem, "rules_agreed": not self._divergence,
            "rules_waiting": waiting,
        }  # fmt: skip


def _without_files(found: Loaded) -> Loaded:
    """Without what only a set needs that is not in force yet: its files in memory, its tests."""
    return replace(found, tests=[], files={})


def _owner(folder: Path, names: Sequence[str]) -> str:
    """Whose the newest of these files is; of the folder where none is there (they were removed)."""
    found = [one.stat() for one in (folder / name for name in names) if one.is_file()]
    uid = max(found, key=lambda one: one.st_mtime).st_uid if found else folder.stat().st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
