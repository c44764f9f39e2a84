"""A folder change, an approval or a rollback leads to the right event."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from proxy.desk.revisions.rule_revisions import IN_FORCE, RevisionHistory
from proxy.journal.encoding import pack, unpack
from proxy.journal.records.revisions import Revised
from proxy.model.approvals import Impossible
from proxy.model.roles import Asker, NotAllowed, Role
from proxy.state.lists.desk_records import EVENTS_MAX, RuleHistory
from tests.examples import examples

OLD, NEW, THIRD = "0" * 16, "1" * 16, "1" * 15 + "2"
PEOPLE = ("li", "wang", "zhao")


def approver(name: str) -> Asker:
    return Asker(name, frozenset({Role.APPROVER}), by_token=True)


def in_force(desk: RevisionHistory) -> list[tuple[str, tuple[str, ...]]]:
    """What providers are told."""
    return [(one.event, one.changes) for one in desk.put_in_force]


class Desk(RevisionHistory):
    """Revisions whose events are noted at once; ``four_eyes`` as the settings have it."""

    def __init__(self, history: RuleHistory | None = None, *, four_eyes: bool = False) -> None:
        self.kept = history or RuleHistory()
        super().__init__(self.kept)
        self.four_eyes = four_eyes
        self.folder = ""
        self.at = 1_700_000_000.0

    def do(self, event: Revised | None) -> Revised | None:
        if event is not None:
            self.note(max(self.kept.held, default=0) + 3, event)
        self.at += 1
        return event

    def holds(self, revision: str, who: str = "li", how: str = "files") -> Revised | None:
        self.folder = revision
        return self.do(self.folder_holds(revision, who, how, (f"rule {revision}: added",), self.at, four_eyes=self.four_eyes))

    def approve(self, person: str, revision: str = NEW, folder: str = "") -> Revised | None:
        return self.do(self.approved(revision, approver(person), PEOPLE, self.at, folder))

    def push(self, revision: str, on: str = OLD, who: str = "li") -> Revised | None:
        """The folder holds what it held when it was read last."""
        changed = (f"rule {revision}: added",)
        return self.do(self.pushed(revision, on, who, "x", changed, self.folder, self.at, four_eyes=self.four_eyes))

    def withdraw(self, person: str = "li", revision: str = NEW) -> Revised | None:
        return self.do(
            self.withdrawn(revision, approver(person), f"{person} (uid 7, pid 8)", "a mistake", self.at, self.folder)
        )

    def reject(self, revision: str = NEW) -> Revised | None:
        return self.do(self.rejected(revision, approver("ops"), "ops (uid 7, pid 8)", "no", self.at, self.folder))

    def back(self, revision: str = "", folder: str = NEW) -> Revised | None:
        return self.do(self.rolled_back(revision, "ops (uid 7, pid 8)", "codes refused", folder, self.at))

    def take(self) -> Revised | None:
        return self.do(self.taken("ops", "right after all", (), self.at, four_eyes=self.four_eyes))

    @property
    def state(self) -> tuple[str, str, str]:
        """In force, proposed, kept out."""
        return self.now.in_force, self.now.proposed, self.now.kept_out


@pytest.fixture
def two() -> Desk:
    """Four eyes; the old set in force, a new one by li waits."""
    desk = Desk(four_eyes=True)
    desk.holds(OLD)
    desk.holds(NEW)
    return desk


def test_an_approval_has_the_changes_of_its_proposal_and_a_rollback_their_reverse() -> None:
    desk = Desk(four_eyes=True)
    desk.holds(OLD, how="first start")
    desk.do(
        desk.folder_holds(
            NEW, "li", "files", ("rule a: added", "rule b: removed", "caps.csv: changed"), desk.at, four_eyes=True
        )
    )
    assert [event for event, _ in in_force(desk)] == ["accepted"], "what waits is in force for nobody"
    desk.approve("wang")
    changed = ("rule a: changed, enforced 10% → 25%", "rule c: added")
    desk.do(desk.folder_holds(THIRD, "li", "files", changed, desk.at, four_eyes=True))
    desk.approve("zhao", THIRD)
    desk.do(desk.rolled_back(OLD, "wang", "a mistake", THIRD, desk.at))
    assert in_force(desk)[1:] == [
        ("approved", ("rule a: added", "rule b: removed")),
        ("approved", changed),
        ("rolled-back", ("rule a: removed", "rule c: removed", "rule b: added")),
    ]


def test_a_changed_folder_is_in_force_at_once_where_nobody_need_agree() -> None:
    desk = Desk()
    desk.holds(OLD, how="first start")
    event = desk.holds(NEW, "wang")
    assert event is not None
    assert (event.event, event.who, event.changes) == ("accepted", "wang", (f"rule {NEW}: added",))
    assert desk.state == (NEW, "", "")
    assert desk.holds(NEW) is None, "what is in force already changes nothing"


def test_with_four_eyes_the_old_set_stays_until_a_second_person_agrees(two: Desk) -> None:
    assert two.events[0].event == "accepted", "the first set has nothing to be compared with"
    assert two.state == (OLD, NEW, "")
    assert two.holds(NEW) is None, "it need not be proposed twice"
    with pytest.raises(Impossible, match="li is the author of 1111111111111111: somebody else must approve it"):
        two.approve("li")
    assert two.state == (OLD, NEW, "")
    event = two.approve("wang")
    assert event is not None
    assert (event.event, event.who, event.in_force) == ("approved", "wang", NEW)
    assert two.state == (NEW, "", "")


def test_who_reloads_by_command_is_the_author_by_the_accounts_name() -> None:
    desk = Desk(four_eyes=True)
    desk.holds(OLD)
    desk.holds(NEW, "wang (uid 1000, pid 4711)", "command")
    with pytest.raises(Impossible, match="wang is the author"):
        desk.approve("wang")
    assert desk.approve("li") is not None


def test_files_of_an_account_that_is_no_person_need_two_persons() -> None:
    desk = Desk(four_eyes=True)
    desk.holds(OLD, "deploy")
    desk.holds(NEW, "deploy")
    event = desk.approve("li")
    assert event is not None
    assert (event.event, event.author, desk.state) == ("vouched", "li", (OLD, NEW, ""))
    with pytest.raises(Impossible, match="li is the author"):
        desk.approve("li")
    desk.approve("wang")
    assert desk.state == (NEW, "", "")


def test_what_is_turned_down_stays_out_until_the_folder_changes(two: Desk) -> None:
    two.reject()
    assert two.state == (OLD, "", NEW)
    assert two.holds(NEW) is None
    with pytest.raises(Impossible, match="no set waits for approval"):
        two.approve("wang")
    two.holds(THIRD)
    assert two.state == (OLD, THIRD, "")


def test_a_folder_that_goes_back_withdraws_what_waits(two: Desk) -> None:
    event = two.holds(OLD)
    assert event is not None
    assert (event.event, event.revision, two.state) == ("withdrawn", NEW, (OLD, "", ""))


def test_a_newer_change_waits_instead_of_an_older_one_and_the_older_cannot_be_approved(two: Desk) -> None:
    two.holds(THIRD)
    assert two.state == (OLD, THIRD, "")
    with pytest.raises(Impossible, match=f"'{NEW}' is not the set that waits"):
        two.approve("wang", NEW)


def test_what_waits_is_taken_when_two_persons_are_no_longer_asked_for(two: Desk) -> None:
    two.four_eyes = False
    two.holds(NEW)
    assert two.state == (NEW, "", "")


def test_going_back_keeps_the_folders_set_out_until_it_changes_or_is_taken() -> None:
    desk = Desk()
    desk.holds(OLD)
    desk.holds(NEW)
    desk.back()
    assert desk.state == (OLD, "", NEW)
    assert desk.holds(NEW) is None
    desk.take()
    assert desk.state == (NEW, "", "")
    desk.back("0000")
    desk.holds(THIRD)
    assert desk.state == (THIRD, "", "")


def test_going_back_to_what_the_folder_holds_keeps_nothing_out() -> None:
    desk = Desk()
    desk.holds(OLD)
    desk.holds(NEW)
    desk.back()
    desk.back(NEW)
    assert desk.state == (NEW, "", "")


def test_going_back_needs_no_second_person_but_only_to_what_was_in_force(two: Desk) -> None:
    with pytest.raises(Impossible, match="is not a set that has been in force"):
        two.back(NEW)
    two.approve("wang")
    two.back()
    assert two.state == (OLD, "", NEW)
    two.take()
    assert two.state == (OLD, NEW, ""), "but to take it again does"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("000", "a revision has at least 4 digits"),
        ("beef", "is not a set that has been in force"),
        ("1111", "may be 1111111111111111 or 1111111111111112: give more digits"),
        (THIRD, "is in force already"),
    ],
)
def test_a_name_that_means_nothing_or_two_things_is_told(given: str, said: str) -> None:
    desk = Desk()
    for revision in (OLD, NEW, THIRD):
        desk.holds(revision)
    with pytest.raises(Impossible, match=said):
        desk.back(given)
    assert desk.state == (THIRD, "", "")


def test_what_is_pushed_waits_beside_the_folder_which_has_no_say_until_it_changes() -> None:
    desk = Desk(four_eyes=True)
    desk.holds(OLD)
    event = desk.push(NEW)
    assert event is not None
    assert (event.event, event.author, event.how, desk.state) == ("proposed", "li", "push", (OLD, NEW, ""))
    assert desk.holds(OLD) is None, "the folder is read again: nothing new"
    with pytest.raises(Impossible, match="li is the author"):
        desk.approve("li")
    desk.approve("wang")
    assert desk.state == (NEW, "", OLD), "the folder's set is kept out"
    assert desk.holds(OLD) is None
    desk.holds(THIRD)
    assert desk.state == (NEW, THIRD, "")


def test_what_was_pushed_and_turned_down_or_taken_back_leaves_the_folder_as_it_was() -> None:
    for drop in (Desk.reject, Desk.withdraw):
        desk = Desk(four_eyes=True)
        desk.holds(OLD)
        desk.push(NEW)
        drop(desk)
        assert desk.state == (OLD, "", "")
        assert desk.holds(OLD) is None
        desk.push(NEW)
        assert desk.state == (OLD, NEW, ""), "it may be pushed again"


def test_only_its_author_takes_back_what_waits(two: Desk) -> None:
    with pytest.raises(Impossible, match="is li's, and only they take it back"):
        two.withdraw("wang")
    two.withdraw("li")
    assert two.state == (OLD, "", NEW), "of the folder's: kept out, as if it had been turned down"


def test_what_is_pushed_is_made_of_what_waits_or_is_in_force_and_of_nothing_else(two: Desk) -> None:
    with pytest.raises(Impossible, match=f"{NEW} by li waits already"):
        two.push(THIRD, on=OLD)
    two.push(THIRD, on=NEW)
    assert two.state == (OLD, THIRD, NEW), "the folder's set waits no more, and does not come back by itself"
    assert two.holds(NEW) is None
    two.approve("wang", THIRD)
    assert two.state == (THIRD, "", NEW)
    with pytest.raises(Impossible, match=f"'{OLD}' is not in force any more, {THIRD} is"):
        two.push(NEW, on=OLD)
    with pytest.raises(Impossible, match="is in force already"):
        two.push(THIRD, on=THIRD)


def test_an_author_does_not_approve_what_another_person_made_of_their_set() -> None:
    desk = Desk(four_eyes=True)
    desk.holds(OLD)
    desk.push(NEW, who="wang")
    desk.push(THIRD, on=NEW, who="li")
    with pytest.raises(Impossible, match=f"{THIRD} holds a change by wang: somebody else must approve it"):
        desk.approve("wang", THIRD)
    desk.approve("zhao", THIRD)
    assert desk.state == (THIRD, "", OLD)


def test_an_author_may_approve_what_took_the_place_of_their_set() -> None:
    desk = Desk(four_eyes=True)
    desk.holds(OLD)
    desk.push(NEW, who="wang")
    desk.holds(THIRD, "li")
    desk.approve("wang", THIRD)
    assert desk.state == (THIRD, "", "")


def test_what_is_kept_out_is_so_since_it_was_kept_out_or_another_came_into_force(two: Desk) -> None:
    assert (two.now.event, two.kept_out_since.event, two.kept_out_since.revision) == ("proposed", "accepted", OLD)
    two.events.append(two.now._replace(event="kept-out", why="20 of 20 enforced rules are lost"))
    two.events.append(two.now._replace(event="proposed", why="another"))
    assert two.kept_out_since.why == "20 of 20 enforced rules are lost"


def test_a_folder_that_comes_to_hold_what_was_pushed_is_kept_out_no_more() -> None:
    desk = Desk(four_eyes=True)
    desk.holds(OLD)
    desk.push(NEW)
    assert desk.holds(NEW) is None
    desk.approve("wang", folder=NEW)
    assert desk.state == (NEW, "", "")


def test_a_folder_that_goes_back_leaves_what_was_pushed_waiting() -> None:
    desk = Desk(four_eyes=True)
    desk.holds(OLD)
    desk.holds(NEW)
    desk.push(THIRD, on=NEW)
    event = desk.holds(OLD)
    assert event is not None
    assert (event.event, event.revision, desk.state) == ("withdrawn", NEW, (OLD, THIRD, ""))
    assert desk.holds(OLD) is None


def test_where_nobody_need_agree_what_is_pushed_is_in_force_at_once() -> None:
    desk = Desk()
    desk.holds(OLD)
    desk.push(NEW)
    assert desk.state == (NEW, "", OLD)
    assert desk.holds(OLD) is None
    assert desk.now == unpack(Revised, pack(desk.now))


def test_an_event_of_a_gate_that_knew_no_push_is_read() -> None:
    event = Revised(1.0, "proposed", NEW, "li", "files", "", (), OLD, NEW, "li", "")
    body = pack(event)
    older = body[:8] + body[8:].replace(b',""]', b"]")
    assert older != body
    assert unpack(Revised, older) == event


def test_there_is_nothing_to_go_back_to_at_first() -> None:
    desk = Desk()
    desk.holds(OLD)
    with pytest.raises(Impossible, match="no earlier set"):
        desk.back()


def test_the_history_is_bounded_and_its_last_event_says_all() -> None:
    desk = Desk()
    for number in range(EVENTS_MAX + 50):
        desk.holds(f"{number:016x}")
    assert len(desk.kept.held) == EVENTS_MAX
    assert RevisionHistory(desk.kept).now == desk.now


@pytest.mark.parametrize("place", [0, 1])
def test_replay_may_put_what_the_checkpoint_has(place: int) -> None:
    desk = Desk(four_eyes=True)
    desk.holds(OLD)
    desk.holds(NEW)
    again = RuleHistory()
    again.restore(desk.kept.held.items())
    for sequence, body in sorted(desk.kept.held.items())[place:]:
        again.put(sequence, body)
    assert again.held == desk.kept.held


names = st.text(max_size=20)


@settings(max_examples=examples(50))
class Any(RuleBasedStateMachine):
    """Whatever happens in whatever order."""

    revisions = Bundle("revisions")

    @initialize(four_eyes=st.booleans())
    def begin(self, four_eyes: bool) -> None:
        self.desk = Desk(four_eyes=four_eyes)
        self.folder = OLD
        self.desk.holds(OLD)

    @rule(target=revisions, number=st.integers(0, 5), who=st.sampled_from((*PEOPLE, "deploy")))
    def change(self, number: int, who: str) -> str:
        self.folder = f"{number:04x}" * 4
        self.desk.holds(self.folder, who)
        return self.folder

    @rule(person=st.sampled_from(PEOPLE), revision=revisions)
    def approve(self, person: str, revision: str) -> None:
        before = self.desk.now
        try:
            event = self.desk.approve(person, revision, self.folder)
        except Impossible:
            return
        assert event is not None
        assert before.author != person
        assert event.event == "vouched" or before.author in PEOPLE

    @rule(revision=revisions)
    def reject(self, revision: str) -> None:
        try:
            self.desk.reject(revision)
        except Impossible:
            return

    @rule(revision=st.one_of(st.just(""), revisions))
    def back(self, revision: str) -> None:
        try:
            self.desk.back(revision, self.folder)
        except Impossible:
            return

    @rule(target=revisions, number=st.integers(0, 5), who=st.sampled_from((*PEOPLE, "deploy")))
    def push(self, number: int, who: str) -> str:
        pushed = f"{number:04x}" * 4
        with contextlib.suppress(Impossible):
            self.desk.push(pushed, self.desk.now.proposed or self.desk.now.in_force, who)
        return pushed

    @rule(person=st.sampled_from(PEOPLE), revision=revisions)
    def withdraw(self, person: str, revision: str) -> None:
        try:
            self.desk.withdraw(person, revision)
        except (Impossible, NotAllowed):
            return

    @rule()
    def take(self) -> None:
        if self.desk.now.kept_out != self.folder:  # the gate reads the folder, and says that it has changed meanwhile
            return
        try:
            self.desk.take()
        except Impossible:
            return

    @rule()
    def restart(self) -> None:
        state, four_eyes = self.desk.now, self.desk.four_eyes
        self.desk = Desk(self.desk.kept, four_eyes=four_eyes)
        self.desk.folder = self.folder
        assert self.desk.now == state
        assert self.desk.holds(self.folder) is None, "a start with the same folder changes nothing"

    @invariant()
    def what_holds_always(self) -> None:
        in_force, proposed, kept_out = self.desk.state
        assert self.folder in (in_force, proposed, kept_out), "the folder's set is one of the three"
        assert not (proposed and kept_out) or self.desk.now.beside, "unless what waits was pushed"
        assert in_force not in (proposed, kept_out)
        if self.desk.four_eyes:
            for event in self.desk.events[1:]:
                assert event.event != "accepted", "nothing comes into force without a second person"
        entered = [one.in_force for one in self.desk.events if one.event in IN_FORCE]
        assert in_force in entered


TestAny = Any.TestCase


def test_an_event_comes_back_whole() -> None:
    event = Revised(
        1_700_000_000.123, "proposed", NEW, "李 (uid 7)", "files", "因为\ud800", ("rule 词: added",), OLD, NEW, "李", ""
    )
    assert unpack(Revised, pack(event)) == event
