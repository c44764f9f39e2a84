"""Each changing operation writes exactly one journal record that names the person and the reason; the others change nothing.

An operation without an example here fails.
"""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any, NamedTuple

import pytest

from proxy.desk.api.operation_table import OPERATIONS
from proxy.journal.records import messages
from proxy.journal.segment import JournalRecord
from proxy.journal.write_ahead_log import Journal, OsDisk, read
from proxy.model.roles import Permission
from proxy.operations import client
from proxy.operations.declaration import Operation
from proxy.state.lists.suppression_lists import CHUNK_BITS, LOW_MASK
from tests.console.world import AD, PORTS, World, token_of
from tests.e2e.gate import RULES, SHANGHAI, Gate
from tests.e2e.pdus import message
from tests.e2e.raw import Raw

DAY_S = 86_400
PHONE = "13800210990"
DIGEST = "ab" * 32
CONSENT = {"given": time.time() - DAY_S}
BY_NAME = {one.name: one for one in OPERATIONS}
PEOPLE = {
    Permission.SEE: "tang", Permission.LOOK: "tang", Permission.TAKE_OUT: "tang", Permission.ENTER: "tang", Permission.APPROVE: "lin",
    Permission.OPERATE: "song", Permission.REVIEW: "lin",
}  # fmt: skip
"""The caller of an operation, by the permission that it requires."""
REWRITTEN = {
    "penalty.approve": "the penalty is written again, with the number of the order that carries it out",
    "optout.probe": "the probe is written again when its message is sent, and when the carrier answers",
}
"""Operations whose subject is written again, with the same person and reason: the first record is the operation's."""
WITHOUT = {
    "journal.put": "the change of the segment is recorded by journal.erased, before",
}
"""Operations that change something and write no record."""
LOOKS = {
    ("complaint.list", 1), ("complaint.show", 1), *((name, 0) for name in (
        "consent.export", "consent.show", "explain", "look", "subject.show", "suppress.export", "suppress.show", "trace",
    )),
}  # fmt: skip
"""Examples that change nothing and are recorded, as ``operated``: a person looks at people's data."""


class Example(NamedTuple):
    """A call of an operation, without its reason."""

    args: Mapping[str, Any] = {}
    lines: tuple[Mapping[str, Any], ...] = ()
    """The lines behind the command."""
    who: str = ""
    """The caller, if it is not that of PEOPLE."""
    bound: Raw | None = None
    """Closed after the call."""


def prepared(gate: Gate) -> None:
    """Rules, a test number, a second carrier, and a journal whose first segments are older than they have to be kept."""
    gate.write_rules(
        f"{RULES}  - {{id: renamed, when: {{suppressed: {{match: text}}}}, then: reject, reason: renamed-sender}}\n"
    )
    (gate.rules / "registries").mkdir()
    (gate.rules / "registries" / "test-numbers.csv").write_text(f"{PHONE},移动,desk,\n")
    gate.settings["carriers"].append(
        gate.settings["carriers"][0] | {"name": "sh", "code": "S1", "system_id": "drained", "links": 2}
    )
    gate.write_settings()
    journal, now = Journal(OsDisk(gate.folder / "journal"), segment_bytes=4096), time.time()
    for day in range(300, 290, -1):
        at = now - day * DAY_S
        journal.append(messages.CLOCK, int(at * 1000).to_bytes(8, "big") + bytes(8))
        journal.write(at)
    journal.note_synced(journal.sync())
    journal.close(now - DAY_S / 2)
    gate.start(more=("--accept-loss",))
    assert gate.stop() == 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    found = World(tmp_path_factory.mktemp("recorded"), prepared, revisions={"four_eyes": True})
    try:
        yield found
    finally:
        found.stop()


def ask(world: World, who: str, command: str, lines: tuple[Mapping[str, Any], ...] = (), **args: Any) -> Mapping[str, Any]:
    with client.Conversation(world.gate.folder / "control.sock", command, args, token_of(who)) as talk:
        for line in lines:
            talk.say(line)
        return talk.answer()


def chen(world: World, command: str, lines: tuple[Mapping[str, Any], ...] = (), **args: Any) -> Mapping[str, Any]:
    """Prepares an example as another person than the one who calls it."""
    if any(one.name == "why" for one in BY_NAME[command].parameters):
        args["why"] = "preparation"
    return ask(world, "chen", command, lines, **args)


# -- what operations are about

_numbers, _words = itertools.count(1), itertools.count(1)


def person() -> str:
    """A number that no other example has."""
    return SHANGHAI.format(next(_numbers))


def numbers_lines(number: str) -> tuple[Mapping[str, Any], ...]:
    low = (int(number) & LOW_MASK).to_bytes(4, "little")
    return (
        {"key": 0, "chunk": int(number) >> CHUNK_BITS, "numbers": base64.b64encode(low).decode()},
        {"end": True, "numbers": 1},
    )


def case_lines() -> tuple[Mapping[str, Any], ...]:
    number = person()
    return ({"rows": [{"reference": f"R{number}", "number": number, "text": "x"}]}, {"end": True, "rows": 1})


MATCH: Mapping[str, Any] = {
    "message": "4711",
    "provider": "jia",
    "port": PORTS["jia"],
    "signature": "甲店",
    "category": "marketing",
}


def case(world: World) -> str:
    """A complaint about a message of jia's."""
    (number,) = chen(world, "complaint.import", case_lines())["cases"]
    chen(world, "complaint.match", id=str(number), **MATCH)
    return str(number)


def decided(world: World) -> str:
    number = case(world)
    chen(world, "complaint.decide", id=number, state="valid")
    return number


def batch(world: World, **more: Any) -> str:
    """A batch of consents, of one person."""
    terms = {"batches": [CONSENT], "source": "app", "provider": "jia"} | more
    (number,) = chen(world, "consent.import", numbers_lines(person()), **terms)["batches"]
    return str(number)


def penalty(world: World, *, approved: bool = False) -> str:
    signature = f"店{next(_words)}"
    number = str(chen(world, "penalty.propose", step="suspend-marketing", provider="yi", signature=signature)["id"])
    if approved:
        ask(world, "lin", "penalty.approve", id=number)
    return number


def push_lines() -> tuple[Mapping[str, Any], ...]:
    word = f"word{next(_words)}"
    text = f"rules: [{{id: {word}, when: {{text: {word}}}, then: reject, reason: keyword}}]"
    return ({"file": "more.yaml", "text": text}, {"end": True})


def in_force(world: World) -> str:
    """The revision of the rules; no other set waits."""
    found = ask(world, "chen", "rules")
    if found["proposed"]:
        ask(world, "lin", "rules.reject", revision=found["proposed"]["revision"], why="preparation")
    return str(found["revision"])


def proposal(world: World) -> str:
    return str(chen(world, "rules.push", push_lines(), on=in_force(world))["proposed"])


def doubtful(world: World) -> str:
    """A row of one reply."""
    number = person()
    assert world.send("jia", number, AD) == 0
    text = f"这是退订吗{next(_words)}".encode("utf-16-be")
    deliver = world.carrier.deliver(message(number.encode(), PORTS["jia"].encode(), text, data_coding=8), "gate106")
    assert world.carrier.acknowledged(deliver).status == 0
    return str(ask(world, "chen", "optout.doubtful")["rows"][-1]["row"])


def standing(world: World) -> str:
    row = doubtful(world)
    chen(world, "optout.decide", row=row, says="yes", standing=True)
    return row


def suppressed(world: World) -> str:
    number = person()
    chen(world, "suppress.add", to=number)
    return number


# -- examples


def plain(world: World) -> Example:
    """Calls the operation without arguments."""
    return Example()


def kicked(world: World) -> Example:
    bound = Raw(world.gate.port)
    assert bound.bind("jia").status == 0
    (link,) = ask(world, "chen", "binds")["binds"]
    return Example({"id": link["id"]}, bound=bound)


def enabled(world: World) -> Example:
    ask(world, "song", "links.drain", name="sh/2", why="preparation")
    return Example({"name": "sh/2"})


def resumed(world: World) -> Example:
    chen(world, "suspend", provider="jia")
    return Example({"provider": "jia"})


def rolled_back(world: World) -> Example:
    ask(world, "lin", "rules.approve", revision=proposal(world))
    return Example()


def taken(world: World) -> Example:
    rolled_back(world)
    chen(world, "rules.rollback")
    return Example()


def out_of_shadow(world: World) -> Example:
    if not any(one["kind"] == "shadow" for one in ask(world, "chen", "stop.list")["orders"]):
        ask(world, "song", "shadow", for_s=60, why="preparation")
    return Example()


def recycled(world: World) -> Example:
    return Example(lines=({"numbers": [[int(suppressed(world)), int(time.time()) - 60]]}, {"end": True, "numbers": 1}))


def request(world: World) -> str:
    """A person's request to be erased, that waits."""
    return str(chen(world, "subject.erase", to=person())["request"])


def feed(world: World) -> str:
    """A feed of one number, by chen."""
    example = recycled(world)
    return str(chen(world, "subject.recycled", example.lines)["proposal"])


def erased(world: World) -> Example:
    octets = base64.b64encode(bytes(32)).decode()
    change = {"last": 1, "before": octets, "now": octets}
    return Example({"person": "4711", "first": 1, "changes": [change], "signature": base64.b64encode(bytes(64)).decode()})


EXAMPLES: Mapping[str, tuple[Callable[[World], Example], ...]] = {
    "binds": (plain,),
    "binds.kick": (kicked,),
    "complaint.answer": (lambda world: Example({"id": decided(world), "file": "reply.pdf", "sha256": "ab" * 32}),),
    "complaint.count": (lambda world: Example({"month": "2026-11"}),),
    "complaint.decide": (
        lambda world: Example({"id": case(world), "state": "invalid"}),
        lambda world: Example({"id": case(world), "state": "valid", "suppress": "provider"}),
    ),
    "complaint.forward": (lambda world: Example({"id": case(world)}),),
    "complaint.import": (lambda world: Example(lines=case_lines()),),  # of several cases: a record each
    "complaint.list": (plain, lambda world: Example({"export": "complaint list --out"})),
    "complaint.match": (lambda world: Example({"id": case(world), **MATCH}),),
    "complaint.note": (
        lambda world: Example({"id": case(world)}),
        lambda world: Example({"id": case(world), "what": "proposed"}),
    ),
    "complaint.reopen": (lambda world: Example({"id": decided(world)}),),
    "complaint.show": (
        lambda world: Example({"id": case(world)}),
        lambda world: Example({"id": case(world), "unmasked": True}),
    ),
    "complaint.stop": (lambda world: Example({"id": case(world), "by": "signature"}),),
    "complaint.withdraw": (lambda world: Example({"id": case(world)}), lambda world: Example({"id": decided(world)})),
    "consent": (plain,),
    "consent.export": (plain,),
    "consent.import": (lambda world: Example({"batches": [CONSENT], "source": "app"}, numbers_lines(person())),),
    "consent.proof": (lambda world: Example({"batches": [batch(world)], "proof": DIGEST}),),
    "consent.review": (
        lambda world: Example({"batches": [batch(world, proof=DIGEST)], "verdict": "accepted"}),
        lambda world: Example({"batches": [batch(world)], "verdict": "rejected"}),
    ),
    "consent.show": (lambda world: Example({"to": person()}),),
    "consent.tasks": (plain,),
    "consent.withdraw": (lambda world: Example({"batches": [batch(world)]}), lambda world: Example({"to": person()})),
    "counters": (plain,),
    "explain": (lambda world: Example({"to": person(), "from": PORTS["jia"], "text": AD}),),
    "filing.tasks": (plain,),
    "journal.erase": (lambda world: Example({"person": "4711"}),),
    "journal.erased": (erased,),
    "journal.expire": (plain,),
    "journal.put": (lambda world: Example({"first": 2**50}),),
    "links": (plain,),
    "links.drain": (lambda world: Example({"name": "sh/1"}),),
    "links.enable": (enabled,),
    "look": (lambda world: Example({"what": "find", "details": "provider jia"}),),
    "optout.decide": (
        lambda world: Example({"row": doubtful(world), "says": "yes"}),
        lambda world: Example({"row": doubtful(world), "says": "no", "standing": True}),
    ),
    "optout.doubtful": (plain,),
    "optout.end-standing": (lambda world: Example({"row": standing(world)}),),
    "optout.paths": (plain,),
    "optout.probe": (lambda world: Example({"port": PORTS["jia"]}),),
    "optout.probes": (plain,),
    "penalty.appeal": (lambda world: Example({"id": penalty(world, approved=True)}),),
    "penalty.approve": (lambda world: Example({"id": penalty(world)}),),
    "penalty.lift": (lambda world: Example({"id": penalty(world, approved=True)}),),
    "penalty.list": (plain,),
    "penalty.propose": (lambda world: Example({"step": "warn", "provider": "yi"}),),
    "penalty.reject": (lambda world: Example({"id": penalty(world)}),),
    "penalty.show": (lambda world: Example({"id": penalty(world)}),),
    "penalty.withdraw": (lambda world: Example({"id": penalty(world)}, who="chen"),),
    "providers": (plain,),
    "providers.show": (lambda world: Example({"provider": "jia"}),),
    "recycled.approve": (lambda world: Example({"id": feed(world)}),),
    "recycled.list": (plain,),
    "recycled.reject": (lambda world: Example({"id": feed(world)}),),
    "recycled.withdraw": (lambda world: Example({"id": feed(world)}, who="chen"),),
    "regions": (plain,),
    "regions.number": (lambda world: Example({"number": "1380010"}),),
    "resume": (resumed,),
    "rules": (plain,),
    "rules.approve": (lambda world: Example({"revision": proposal(world)}),),
    "rules.history": (plain,),
    "rules.hits": (plain,),
    "rules.push": (lambda world: Example({"on": in_force(world)}, push_lines()),),
    "rules.reject": (lambda world: Example({"revision": proposal(world)}),),
    "rules.reload": (plain,),
    "rules.rollback": (rolled_back,),
    "rules.set-mode": (lambda world: Example({"rule": "beijing-ban", "mode": "shadow"} if in_force(world) else {}),),
    "rules.take": (taken,),
    "rules.withdraw": (lambda world: Example({"revision": proposal(world)}, who="chen"),),
    "shadow": (lambda world: Example({"for_s": 60.0}),),
    "shadow.off": (out_of_shadow,),
    "stop": (lambda world: Example({"province": ["西藏"]}),),
    "stop.lift": (lambda world: Example({"id": str(chen(world, "stop", province=["西藏"])["name"])}),),
    "stop.list": (plain,),
    "subject.erase": (lambda world: Example({"to": person()}), lambda world: Example({"to": suppressed(world)})),
    "subject.recycled": (recycled,),
    "subject.approve": (lambda world: Example({"id": request(world)}),),
    "subject.list-requests": (plain,),
    "subject.reject": (lambda world: Example({"id": request(world)}),),
    "subject.withdraw": (lambda world: Example({"id": request(world)}, who="chen"),),
    "subject.show": (lambda world: Example({"to": person()}),),
    "suppress.add": (lambda world: Example({"to": person()}),),
    "suppress.export": (plain,),
    "suppress.import": (lambda world: Example({"keys": [{"source": "import"}]}, numbers_lines(person())),),
    "suppress.lists": (plain,),
    "suppress.remove": (lambda world: Example({"to": suppressed(world)}),),
    "suppress.show": (lambda world: Example({"to": person()}),),
    "suspend": (lambda world: Example({"provider": "yi"}),),
    "trace": (lambda world: Example({"for_s": 0.1, "provider": "jia"}),),
    "whoami": (plain,),
}
CHANGING = [(one.name, place) for one in OPERATIONS if one.record for place in range(len(EXAMPLES.get(one.name, ())))]
OTHERS = [(one.name, place) for one in OPERATIONS if not one.record for place in range(len(EXAMPLES.get(one.name, ())))]


def kinds(operation: Operation) -> set[str]:
    return {operation.record} - {""} if isinstance(operation.record, str) else {*operation.record}


DECLARED = set[str]().union(*map(kinds, OPERATIONS))


class Written(NamedTuple):
    """What the journal holds after a call and did not hold before."""

    who: str
    why: str
    records: list[JournalRecord]

    def of(self, of_kinds: set[str]) -> list[JournalRecord]:
        return [one for one in self.records if messages.KINDS[one.kind] in of_kinds]

    def names_both(self, record: JournalRecord) -> bool:
        return self.who.encode() in record.body and self.why.encode() in record.body


def call(world: World, name: str, place: int) -> Written:
    operation = BY_NAME[name]
    example = EXAMPLES[name][place](world)
    takes_why = any(one.name == "why" for one in operation.parameters)
    why = f"a reason of its own for {name}" if takes_why else ""
    who = example.who or PEOPLE[operation.permission]
    disk = OsDisk(world.gate.folder / "journal")
    last = max(one.sequence for one in read(disk))
    with example.bound or nullcontext():
        ask(world, who, name, example.lines, **example.args, **({"why": why} if why else {}))
    return Written(who, why, list(read(disk, last + 1)))


def test_every_operation_has_an_example() -> None:
    assert EXAMPLES.keys() == BY_NAME.keys()


def test_declared_kinds_are_those_of_the_journal() -> None:
    assert set(messages.KINDS.values()) >= DECLARED
    assert not [name for name in WITHOUT if BY_NAME[name].record]


@pytest.mark.parametrize(("name", "place"), OTHERS)
def test_an_operation_without_a_record_changes_nothing(world: World, name: str, place: int) -> None:
    written = call(world, name, place)
    found = written.of(DECLARED)
    assert [messages.KINDS[one.kind] for one in found] == ["operated"] * ((name, place) in LOOKS)
    assert all(map(written.names_both, found))


@pytest.mark.parametrize(("name", "place"), CHANGING)
def test_a_changing_operation_writes_one_record_with_who_and_why(world: World, name: str, place: int) -> None:
    written = call(world, name, place)
    found = written.of(kinds(BY_NAME[name]))
    assert found, [messages.KINDS[one.kind] for one in written.records]
    assert written.names_both(found[0])
    assert (len(found) > 1) is (name in REWRITTEN), found
