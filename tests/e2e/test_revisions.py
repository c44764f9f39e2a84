"""Sets of rules come and go in a running gate: journalled with who and what, tried before they are approved, gone back from; over restarts,
crashes between any two steps, and lost files."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.journal.encoding import unpack
from proxy.journal.records import messages
from proxy.journal.records.revisions import Revised
from proxy.journal.write_ahead_log import OsDisk, read
from tests.e2e.carrier import Carrier
from tests.e2e.gate import BEIJING, SHANGHAI, Gate, hashed, keep_secret, provider, run
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

MakeGate = Callable[..., Gate]
ME = pwd.getpwuid(os.getuid()).pw_name
BANNED = 0x400
RULE = "  - {{id: ban-{n}, when: {{province: {name}}}, then: reject, reason: region-ban}}\n"


def ban(*provinces: str) -> str:
    return "rules:\n" + "".join(RULE.format(n=number, name=name) for number, name in enumerate(provinces))


ONLY_BEIJING, BOTH, ONLY_SHANGHAI = ban("北京"), ban("北京", "上海"), ban("上海")


class Harness(Gate):
    def asked(self, *arguments: str | Path) -> dict[str, Any]:
        """What a command says, for programs."""
        done = run("rules", *(arguments or ("list",)), "--config", self.config, "--json")
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def refused(self, *arguments: str | Path) -> str:
        done = run("rules", *(arguments or ("list",)), "--config", self.config)
        assert done.returncode == 2, done.stdout
        return done.stderr.removeprefix("gate106: ").strip()

    def changed(self, text: str) -> str:
        """Writes the rules and waits until the gate has read them; the folder's revision."""
        events = len(self.journalled())
        self.write_rules(text)
        until(lambda: len(self.journalled()) > events, self.said)
        return self.journalled()[-1].revision

    def journalled(self) -> list[Revised]:
        return [unpack(Revised, one.body) for one in read(OsDisk(self.folder / "journal"), 1) if one.kind == messages.REVISED]

    def banned(self) -> list[str]:
        """Where nobody may send to now."""
        with Raw(self.port) as jia:
            assert jia.bind("jia").status == 0
            people = {"北京": BEIJING, "上海": SHANGHAI}
            return [
                name for name, number in people.items() if jia.submit("1069001", number.format(1), b"code 1").status == BANNED
            ]

    def again(self, how: signal.Signals = signal.SIGKILL) -> None:
        self.signal(how)
        self.wait()
        self.start()


@pytest.fixture
def make(tmp_path: Path, carrier: Carrier) -> Iterator[Callable[..., Harness]]:
    made: list[Harness] = []

    def make(**more: Any) -> Harness:
        made.append(Harness(tmp_path, carrier.port, [provider("jia", "1069001")], **more))
        made[-1].write_rules(ONLY_BEIJING)
        return made[-1]

    yield make
    for one in made:
        if one.started:
            one.stop()


@pytest.fixture
def harness(make: Callable[..., Harness]) -> Harness:
    return make().start()  # type: ignore[return-value]


def token(harness: Harness, name: str) -> Path:
    return harness.folder / f"{name}.token"


@pytest.fixture
def strict(make: Callable[..., Harness], tmp_path: Path) -> Harness:
    """Four eyes: the files' owner (who runs this test) has a token, and so has wang."""
    people = []
    for name in (ME, "wang"):
        keep_secret(tmp_path / f"{name}.token", f"token of {name}\n")
        roles = ["officer", "approver", "admin"] if name == ME else ["approver"]
        people.append({"name": name, "token": hashed(f"token of {name}"), "roles": roles})
    return make(people=people, revisions={"four_eyes": True}).start()  # type: ignore[return-value]


def test_every_set_is_journalled_with_who_brought_it_and_what_changed(harness: Harness) -> None:
    first = harness.asked()["revision"]
    second = harness.changed(BOTH)
    assert harness.banned() == ["北京", "上海"]
    begun, changed = harness.journalled()
    assert (begun.event, begun.revision, begun.how, begun.who) == ("accepted", first, "first start", ME)
    assert (changed.event, changed.revision, changed.how, changed.who) == ("accepted", second, "files", ME)
    assert changed.changes == ("rule ban-1: added", "rules.yaml: changed, 2 → 3 lines")
    told = harness.asked("list-changes", "--last", "1")["events"]
    assert [(one["revision"], one["who"]) for one in told] == [(second, ME)]
    words = run("rules", "list-changes", "--config", harness.config).stdout
    assert f"accepted {second} by {ME} (files)\n    rule ban-1: added\n" in words
    harness.again()
    assert len(harness.journalled()) == 2, "a start with the same files is no change"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_one_command_goes_back_and_stays_there_until_the_files_change(harness: Harness, how: signal.Signals) -> None:
    first = harness.asked()["revision"]
    second = harness.changed(BOTH)
    done = harness.asked("rollback", "--why", "验证码被拒")
    assert (done["event"], done["in_force"], done["kept_out"]) == ("rolled-back", first, second)
    assert f"(uid {os.getuid()}" in done["who"]
    assert harness.banned() == ["北京"]
    harness.again(how)
    assert harness.banned() == ["北京"], "the folder still holds the other set"
    assert harness.asked()["kept_out"] == second
    (note,) = harness.notes()
    assert note.startswith(f"rules: the folder's set {second} is kept out, {first} is in force (rolled-back by ")
    assert harness.metric("gate106_rules_waiting", why="kept-out") == 1
    assert harness.asked("reload")["changed"] is False, "to read the same files again is no change of them"
    harness.changed(ONLY_SHANGHAI)
    assert harness.banned() == ["上海"]
    assert (harness.notes(), harness.metric("gate106_rules_waiting")) == ([], 0)
    harness.again(how)
    assert harness.banned() == ["上海"]


def test_what_was_gone_back_from_can_be_taken_after_all(harness: Harness) -> None:
    harness.changed(BOTH)
    harness.asked("rollback", "--why", "a mistake")
    harness.asked("take", "--why", "it was right")
    assert harness.banned() == ["北京", "上海"]
    assert harness.refused("take", "--why", "again") == "no set is kept out: the folder's is in force, or waits for approval"
    assert [one.event for one in harness.journalled()] == ["accepted", "accepted", "rolled-back", "accepted"]


def test_a_gate_goes_back_though_the_folder_is_broken_and_starts_so(harness: Harness) -> None:
    first = harness.asked()["revision"]
    harness.changed(BOTH)
    harness.write_rules("rules: [")
    until(lambda: harness.notes() != [], harness.said)
    harness.asked("rollback", first[:6], "--why", "both are wrong")
    assert harness.banned() == ["北京"]
    harness.again()
    assert harness.banned() == ["北京"]
    assert any("rules/rules.yaml:" in note for note in harness.notes())


def test_what_is_pushed_waits_for_a_second_person_and_writes_no_file(strict: Harness) -> None:
    first = strict.asked()["revision"]
    mine = strict.folder / "more.yaml"
    mine.write_text(ban("北京", "上海").replace("ban-", "more-"))
    done = strict.asked("push", mine, "--why", "上海也停", "--token-file", token(strict, ME))
    pushed = done["revision"]
    assert (done["event"], done["how"], done["author"], done["in_force"]) == ("proposed", "push", ME, first)
    assert {"rule more-0: added", "rule more-1: added"} < set(done["changes"])
    assert [one.name for one in strict.rules.iterdir()] == ["rules.yaml"]
    strict.again()
    assert strict.banned() == ["北京"], "it waits, also over a crash"
    assert "is the author of" in strict.refused("approve", pushed, "--token-file", token(strict, ME))
    strict.asked("approve", pushed, "--token-file", token(strict, "wang"))
    assert strict.banned() == ["北京", "上海"]
    strict.again()
    assert strict.banned() == ["北京", "上海"], "the folder's set stays out"
    assert strict.asked()["kept_out"] == first
    exported = run("rules", "export", strict.rules, "--config", strict.config)
    assert (exported.returncode, exported.stderr) == (0, ""), exported.stderr
    assert "written: lexicon/words.csv, more.yaml" in exported.stdout
    until(lambda: strict.asked()["kept_out"] == "", strict.said)
    assert (strict.asked()["revision"], strict.asked()["proposed"]) == (pushed, None), "the same, and nothing new"
    strict.changed(ONLY_SHANGHAI)
    assert strict.asked()["proposed"] is not None, "a change of the folder is a proposal again"


def test_what_is_pushed_with_a_mistake_or_on_an_older_set_is_not_taken(strict: Harness) -> None:
    first = strict.asked()["revision"]
    mine = strict.folder / "more.yaml"
    mine.write_text("rules:\n  - {id: x, whem: {province: 北京}, then: reject, reason: region-ban}\n")
    mine_is = token(strict, ME)
    assert "rules/more.yaml:2: rule: unknown key 'whem'" in strict.refused("push", mine, "--why", "x", "--token-file", mine_is)
    mine.write_text(ban("上海").replace("ban-", "more-"))
    assert "'beef' is not in force" in strict.refused("push", mine, "--why", "x", "--on", "beef", "--token-file", mine_is)
    odd = strict.folder / ".x.yaml"
    odd.write_text("rules: []\n")
    assert "must be the name of a rules file" in strict.refused("push", odd, "--why", "x", "--token-file", mine_is)
    assert "takes the role" in strict.refused("push", mine, "--why", "x", "--token-file", token(strict, "wang"))
    pushed = strict.asked("push", mine, "--why", "x", "--token-file", mine_is)["revision"]
    assert strict.asked("withdraw", pushed, "--why", "x", "--token-file", mine_is)["event"] == "withdrawn"
    told = strict.asked()
    assert (told["revision"], told["proposed"], told["kept_out"]) == (first, None, "")


def test_nobody_else_may_read_what_is_kept_and_it_is_bounded(make: Callable[..., Harness]) -> None:
    harness = make(revisions={"keep": 2})
    harness.start()
    for number in range(5):
        harness.changed(ONLY_BEIJING + f"# {number}\n")
    kept = harness.folder / "revisions"
    until(lambda: len(list(kept.iterdir())) == 3, lambda: str(list(kept.iterdir())))
    assert {stat.S_IMODE(one.stat().st_mode) for one in kept.rglob("*.yaml")} == {0o600}
    gone = harness.journalled()[0].revision
    assert f"the rules {gone}: " in harness.refused("rollback", gone, "--why", "too far")
    assert harness.banned() == ["北京"]


@pytest.mark.parametrize("how", ["gone", "altered", "broken"])
def test_a_start_that_lacks_the_files_of_the_set_in_force_says_so(harness: Harness, how: str) -> None:
    first = harness.asked()["revision"]
    harness.changed(BOTH)
    harness.asked("rollback", "--why", "a mistake")
    harness.stop()
    kept = harness.folder / "revisions" / first / "rules" / "rules.yaml"
    if how == "gone":
        shutil.rmtree(harness.folder / "revisions")
    else:
        kept.write_text(BOTH if how == "altered" else "rules: [")
    done = run("serve", "--config", harness.config)
    assert done.returncode == 2
    assert f"the rules {first}: " in done.stderr
    assert "put it back from a copy" in done.stderr
    harness.write_rules(ONLY_SHANGHAI)
    harness.start()
    assert harness.banned() == ["上海"]


def test_a_set_whose_files_cannot_be_kept_is_not_taken_until_they_can(harness: Harness) -> None:
    shutil.rmtree(harness.folder / "revisions")
    (harness.folder / "revisions").write_text("in the way")
    harness.write_rules(BOTH)
    until(lambda: harness.notes() != [], harness.said)
    (note,) = harness.notes()
    assert "its files cannot be kept: File exists (settings: revisions.folder): nothing was done" in note
    assert harness.banned() == ["北京"]
    (harness.folder / "revisions").unlink()
    until(lambda: harness.notes() == [], harness.said)  # it is tried again by itself
    assert harness.banned() == ["北京", "上海"]


def test_a_gate_that_cannot_keep_its_rules_does_not_start(make: Callable[..., Harness]) -> None:
    harness = make()
    (harness.folder / "revisions").write_text("in the way")
    done = run("serve", "--config", harness.config)
    assert done.returncode == 2
    assert "its files cannot be kept: File exists (settings: revisions.folder)" in done.stderr


def test_what_waits_for_a_second_person_is_tried_and_not_enforced(strict: Harness) -> None:
    first = strict.asked()["revision"]
    second = strict.changed(BOTH)
    assert strict.banned() == ["北京"]
    told = strict.asked()
    assert told["revision"] == first
    proposed = told["proposed"]
    assert (proposed["revision"], proposed["author"]) == (second, ME)
    assert (proposed["judged"], proposed["stricter"], proposed["milder"]) == (2, 1, 0)
    assert strict.metric("gate106_shadow_total", rule="ban-1") == 1
    assert strict.metric("gate106_shadow_total", rule="ban-0") == 0, "what the set in force says too is not counted"
    assert strict.metric("gate106_rules_waiting", why="approval") == 1
    (note,) = strict.notes()
    assert note.startswith(f"rules: {second} by {ME} waits for a second person since ")
    words = run("rules", "list", "--config", strict.config).stdout
    assert "of 2 messages it would have refused 1 that passed, and let pass 0 that were refused" in words
    done = run("stop", "--province", "上海", "--why", "x", "--config", strict.config)
    assert done.returncode == 0, done.stderr
    strict.banned()
    assert strict.asked()["proposed"]["milder"] == 0, "what is stopped is stopped by both"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_second_person_puts_it_into_force_and_nobody_alone(strict: Harness, how: signal.Signals) -> None:
    second = strict.changed(BOTH)
    strict.again(how)
    assert strict.banned() == ["北京"]
    assert strict.asked()["proposed"]["revision"] == second
    mine, theirs = token(strict, ME), token(strict, "wang")
    wrong = keep_secret(strict.folder / "wrong.token", "guess")
    assert strict.refused("approve", second, "--token-file", wrong) == "this token is nobody's (settings: people)"
    assert strict.refused("approve", second, "--token-file", mine).startswith(f"{ME} is the author of {second}")
    assert strict.asked("reload")["proposed"] == second
    assert strict.refused("approve", "beef", "--token-file", theirs).startswith("'beef' is not the set that waits")
    assert strict.banned() == ["北京"]
    done = strict.asked("approve", second[:4], "--token-file", theirs)
    assert (done["event"], done["who"], done["in_force"]) == ("approved", "wang", second)
    assert strict.banned() == ["北京", "上海"]
    assert strict.notes() == []
    strict.again(how)
    assert strict.banned() == ["北京", "上海"]
    assert "token of" not in b"".join(path.read_bytes() for path in (strict.folder / "journal").iterdir()).decode("latin-1")


def test_files_of_an_account_that_is_nobody_need_two_tokens(make: Callable[..., Harness], tmp_path: Path) -> None:
    for name in ("li", "wang"):
        keep_secret(tmp_path / f"{name}.token", f"token of {name}\n")
    people = [{"name": name, "token": hashed(f"token of {name}")} for name in ("li", "wang")]
    harness = make(people=people, revisions={"four_eyes": True})
    harness.start()
    second = harness.changed(BOTH)
    harness.banned()
    words = run("rules", "approve", second, "--token-file", token(harness, "li"), "--config", harness.config).stdout
    assert words == f"{second}: li stands for it now; a second person must approve it\n"
    assert harness.asked()["proposed"]["author"] == "li"
    assert harness.asked()["proposed"]["judged"] == 2, "what it would have done is still known"
    assert harness.banned() == ["北京"]
    assert harness.refused("approve", second, "--token-file", token(harness, "li")).startswith("li is the author of")
    harness.asked("approve", second, "--token-file", token(harness, "wang"))
    assert harness.banned() == ["北京", "上海"]


def test_what_is_turned_down_stays_out_over_a_restart(strict: Harness) -> None:
    second = strict.changed(BOTH)
    strict.asked("reject", second, "--why", "上海不禁")
    strict.again()
    assert strict.banned() == ["北京"]
    assert strict.asked()["kept_out"] == second
    assert strict.changed(ONLY_SHANGHAI) != second
    assert strict.banned() == ["北京"], "the next change waits like any other"


def test_a_change_while_the_gate_is_down_waits_for_a_second_person_too(strict: Harness) -> None:
    strict.stop()
    strict.write_rules(BOTH)
    strict.start()
    assert strict.banned() == ["北京"]
    (event,) = strict.journalled()[1:]
    assert (event.event, event.how, event.changes[0]) == ("proposed", "start", "rule ban-1: added")
    strict.write_rules("rules: [")
    strict.again()
    assert strict.banned() == ["北京"]
    strict.asked("approve", event.revision, "--token-file", token(strict, "wang"))
    assert strict.banned() == ["北京", "上海"], "its files were kept"


def test_two_persons_are_asked_for_from_the_settings_that_were_reloaded(harness: Harness) -> None:
    people = [{"name": name, "token": hashed(name)} for name in (ME, "wang")]
    harness.settings |= {"people": people, "revisions": {"four_eyes": True}}
    harness.write_settings()
    harness.asked("reload")
    harness.changed(BOTH)
    assert harness.banned() == ["北京"]
    keep_secret(harness.folder / "wang.token", "wang")
    harness.asked("approve", harness.asked()["proposed"]["revision"], "--token-file", token(harness, "wang"))
    assert harness.banned() == ["北京", "上海"]


@pytest.mark.parametrize(
    ("people", "said"),
    [
        ([], "revisions.four_eyes: needs two persons who can approve"),
        (
            [{"name": "li", "token": "in clear"}],
            r"people[0].token: must be a hash (make one with gate106 token make, or gate106 password hash)",
        ),
    ],
)
def test_settings_that_nobody_could_approve_with_are_refused(
    make: Callable[..., Harness], people: list[dict[str, str]], said: str
) -> None:
    harness = make(people=people, revisions={"four_eyes": True})
    done = run("serve", "--config", harness.config)
    assert done.returncode == 2
    assert said in done.stderr
