"""Decides which set of rules is in force, proposed or kept out.

Pure. It also decides who may say so.

In: the revision that the folder holds, people's pushes and decisions, the time. Out: the event that follows (a Revised), to be journalled and
then noted here; or Impossible. Never: files, the clock, the rules themselves.

    folder changed ─▶ accepted ────────────────────────────────▶ in force          four eyes off
                  └─▶ kept out, as it enforces much less (comparison.py), until the folder changes, or a user takes it
    folder changed ─▶ proposed ─▶ (vouched ─▶) approved ───────▶ in force          four eyes on
                               └▶ rejected ─▶ kept out until the folder changes, or a user takes it
    pushed by command ─▶ as above; the folder's set is kept out from then on, and is not the one that waits before
    rollback ──────────────────▶ an earlier set in force, the folder's kept out likewise

Among gates that share a store each of these is one event of all of them (proxy/cluster/rule_agreement.py).
"""

from __future__ import annotations

from collections.abc import Collection

from proxy.journal.encoding import pack, unpack
from proxy.journal.records.revisions import Revised
from proxy.model import approvals
from proxy.model.approvals import ApprovalResult, Impossible, PendingProposal
from proxy.model.roles import Asker
from proxy.state.lists.desk_records import RuleHistory

SHORTEST = 4
"""The fewest digits that may name a revision."""
IN_FORCE = ("accepted", "approved", "rolled-back")
"""Events after which the set they are about is in force."""
_NEVER = Revised(0.0, "", "", "", "", "", (), "", "", "", "")


class RevisionHistory:
    def __init__(self, history: RuleHistory) -> None:
        self._history = history
        self.events = [unpack(Revised, body) for _, body in sorted(history.held.items())]
        """All that is remembered, the oldest first."""

    @property
    def now(self) -> Revised:
        """The last event: it holds the sets in force, proposed and kept out."""
        return self.events[-1] if self.events else _NEVER

    @property
    def kept_out_since(self) -> Revised:
        """The last event that kept the folder's set out, or put another into force in its place; the last of all, if that is forgotten."""
        return next((one for one in reversed(self.events) if one.event in (*IN_FORCE, "kept-out")), self.now)

    @property
    def put_in_force(self) -> list[Revised]:
        """Events by which a set came into force, the oldest first, with the changes of its rules: an approval has those of its proposal, a
        rollback the reverse of what it takes back."""
        found: list[Revised] = []
        for place, event in enumerate(self.events):
            changes = event.changes
            if event.event == "approved":
                before = (one for one in reversed(self.events[:place]) if one.event == "proposed")
                changes = next((one.changes for one in before if one.revision == event.revision), ())
            elif event.event == "rolled-back":
                changes = _taken_back(found, event.in_force)
            if event.event in IN_FORCE:
                found.append(event._replace(changes=tuple(one for one in changes if one.startswith("rule "))))
        return found

    def note(self, place: int, event: Revised) -> None:
        """It is in the journal at this place."""
        body = pack(event)
        self._history.put(place, body)
        self.events.append(unpack(Revised, body))  # as a restart will read it

    # -- what follows

    def folder_holds(
        self, revision: str, who: str, how: str, changes: tuple[str, ...], at: float, *, four_eyes: bool, among_others: bool = False,
    ) -> Revised | None:  # fmt: skip
        """The folder was read without a fault. None: it changes nothing. ``among_others``: other gates judge by the same set, each with a
        folder of its own: a folder that did not hold the set in force before it was edited is kept out."""
        now = self.now
        if now.beside and revision == now.beside:
            return None
        if now.beside and revision == now.in_force:  # what was pushed waits on
            return now._replace(
                time=at, event="withdrawn", revision=now.beside, who=who, how=how, why="", changes=(), kept_out="", beside=revision,
            )  # fmt: skip
        if revision == now.in_force:
            if not now.proposed and not now.kept_out:
                return None
            return Revised(at, "withdrawn", now.proposed or now.kept_out, who, how, "", (), revision, "", "", "")
        if revision == now.kept_out or (revision == now.proposed and four_eyes):
            return None
        taken = self._taken(revision, who, how, changes, at, four_eyes=four_eyes, why="")
        if among_others and (now.kept_out or (now.beside and now.beside != now.in_force)):
            return self.held_back(taken, "")
        return taken

    def held_back(self, event: Revised, why: str) -> Revised:
        """In place of ``event``, by which the folder's set would come into force: it is kept out until a person takes it, or it changes."""
        now, revision = self.now, event.revision
        return now._replace(
            time=event.time, event="kept-out", revision=revision, who=event.who, how=event.how, why=why, changes=event.changes,
            kept_out=revision, beside=now.beside and revision,
        )  # fmt: skip

    def settled(self, at: float, stood_s: float) -> str:
        """The last set that a person put into force, or that was in force for ``stood_s``; the first one if there is none."""
        until, events = at, self.events
        for event in reversed(events):
            if event.event in IN_FORCE:
                by_a_person = event.event != "accepted" or event.how in ("command", "push")
                if by_a_person or until - event.time >= stood_s:
                    return event.in_force
                until = event.time
        return next((event.in_force for event in events if event.in_force), "")

    @property
    def held_back_now(self) -> bool:
        """Whether what is kept out would enforce less."""
        now = self.now
        return any(one.event == "kept-out" and one.why and one.revision == now.kept_out for one in reversed(self.events))

    def pushed(
        self, revision: str, on: str, who: str, why: str, changes: tuple[str, ...], folder: str, at: float, *, four_eyes: bool
    ) -> Revised:
        """A set is pushed by command. ``on``: the set it was made of; ``folder``: the folder's set, empty if unknown."""
        now = self.now
        self.base(on)
        if revision in (now.in_force, now.proposed):
            state = "is in force" if revision == now.in_force else "waits"
            raise Impossible(f"nothing was changed: this set {state} already")
        beside = folder or now.kept_out or now.in_force
        if four_eyes and now.in_force:
            author, kept_out = who.partition(" (")[0], beside if beside not in (now.in_force, revision) else ""
            return Revised(
                at, "proposed", revision, who, "push", why, changes, now.in_force, revision, author, kept_out, beside
            )
        kept_out = beside if beside != revision else ""
        return Revised(at, "accepted", revision, who, "push", why, changes, revision, "", "", kept_out)

    def base(self, on: str) -> str:
        """The full revision of the set that a new one may be based on: the proposed one, or the one in force."""
        now = self.now
        wanted = now.proposed or now.in_force
        if len(on) >= SHORTEST and wanted.startswith(on):
            return wanted
        if now.proposed:
            raise Impossible(
                f"{now.proposed} by {now.author} waits already: it is approved, rejected or taken back first, or the new set is made of it"
            )
        raise Impossible(f"'{on}' is not in force any more, {now.in_force} is: make the new set of that")

    def taken(self, who: str, why: str, changes: tuple[str, ...], at: float, *, four_eyes: bool) -> Revised:
        """Takes the set that is kept out."""
        if not self.now.kept_out:
            raise Impossible("no set is kept out: the folder's is in force, or waits for approval")
        return self._taken(self.now.kept_out, who, "command", changes, at, four_eyes=four_eyes, why=why)

    def _taken(
        self, revision: str, who: str, how: str, changes: tuple[str, ...], at: float, *, four_eyes: bool, why: str
    ) -> Revised:
        before = self.now.in_force
        if four_eyes and before:  # the very first set has nothing to be compared with
            author = who.partition(" (")[0]  # the command line's "li (uid 1000, pid 4711)"
            return Revised(at, "proposed", revision, who, how, why, changes, before, revision, author, "")
        return Revised(at, "accepted", revision, who, how, why, changes, revision, "", "", "")

    def approved(self, revision: str, asker: Asker, known: Collection[str], at: float, folder: str = "") -> Revised:
        """A person with a token approves (proxy/model/approvals.py). ``known``: all who have one; ``folder``: the folder's set, if known."""
        now, person = self.now, asker.name
        result = approvals.approve(self._waiting(revision), asker, known, at)
        if person in self._authors():
            raise Impossible(f"{now.proposed} holds a change by {person}: somebody else must approve it")
        if result is ApprovalResult.VOUCHED:
            return now._replace(
                time=at, event="vouched", revision=now.proposed, who=person, how="command", why="", changes=(), author=person
            )
        kept_out = self._held_beside(folder, now.proposed)
        return Revised(at, "approved", now.proposed, person, "command", "", (), now.proposed, "", "", kept_out)

    def rejected(self, revision: str, asker: Asker, who: str, why: str, at: float, folder: str = "") -> Revised:
        """``who``: the person, as the journal names them; ``folder``: as above."""
        approvals.reject(self._waiting(revision), asker, why, at)
        return self._dropped("rejected", who, why, at, folder)

    def withdrawn(self, revision: str, asker: Asker, who: str, why: str, at: float, folder: str = "") -> Revised:
        """Its author takes back what waits."""
        approvals.withdraw(self._waiting(revision), asker, why, at)
        return self._dropped("withdrawn", who, why, at, folder)

    def _dropped(self, event: str, who: str, why: str, at: float, folder: str) -> Revised:
        now = self.now
        kept_out = self._held_beside(folder, now.in_force) if now.beside else now.proposed
        return Revised(at, event, now.proposed, who, "command", why, (), now.in_force, "", "", kept_out)

    def rolled_back(self, revision: str, who: str, why: str, folder: str, at: float) -> Revised:
        """An earlier set, the last one before the one in force where none is named. ``folder``: what the folder holds now."""
        now = self.now
        target = self.earlier(revision)
        if target == now.in_force:
            raise Impossible(f"{target} is in force already")
        return Revised(at, "rolled-back", target, who, "command", why, (), target, "", "", "" if folder == target else folder)

    def earlier(self, revision: str) -> str:
        """The full revision of a set that has been in force; empty: the last other one. Impossible if none exists."""
        once = [one.in_force for one in reversed(self.events) if one.event in IN_FORCE]
        if not revision:
            found = [name for name in once if name != self.now.in_force][:1]
            if not found:
                raise Impossible("there is no earlier set to go back to")
            return found[0]
        return _named(revision, once, "a set that has been in force (gate106 rules list-changes lists them)")

    def _held_beside(self, folder: str, in_force: str) -> str:
        """The folder's set to be kept out once a pushed set is decided; empty: none."""
        held = (folder or self.now.beside) if self.now.beside else ""
        return held if held != in_force else ""

    def _authors(self) -> set[str]:
        """All whose changes are in the set that waits: one that is pushed while another waits is made of that (``base``)."""
        found = set[str]()
        for event in reversed(self.events):
            if not event.proposed:
                break
            found.add(event.author)
            if event.event == "proposed" and event.how != "push":
                break  # the folder's set takes the place of what waited
        return found

    def _waiting(self, revision: str) -> PendingProposal:
        now = self.now
        if not now.proposed:
            raise Impossible("no set waits for approval")
        _named(revision, [now.proposed], f"the set that waits ({now.proposed})")
        return PendingProposal(now.proposed, now.author, now.time)


def _taken_back(events: list[Revised], target: str) -> tuple[str, ...]:
    """The changes of rules from the last of ``events`` back to the one after which ``target`` was in force."""
    there, then = dict[str, bool](), dict[str, bool]()
    for event in reversed(events):
        if event.in_force == target:
            break
        for change in event.changes:
            rule, _, how = change.rpartition(": ")
            there.setdefault(rule, how != "removed")
            then[rule] = how != "added"
    words = {(True, True): "changed", (True, False): "removed", (False, True): "added"}
    return tuple(f"{rule}: {words[there[rule], then[rule]]}" for rule in there if there[rule] or then[rule])


def _named(given: str, known: Collection[str], what: str) -> str:
    found = {name for name in known if name.startswith(given)}
    if len(given) < SHORTEST:
        raise Impossible(f"a revision has at least {SHORTEST} digits, not '{given}'")
    if not found:
        raise Impossible(f"'{given}' is not {what}")
    if len(found) > 1:
        raise Impossible(f"'{given}' may be {' or '.join(sorted(found))}: give more digits")
    return found.pop()
