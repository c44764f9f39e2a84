"""The history of one person's opt-outs, by function and by command."""

from __future__ import annotations

import json
import re
import shutil
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pyroaring import BitMap
from typer.testing import CliRunner, Result

from proxy.archive.audit.optout_events import CHUNK_BITS, OptOutTrace
from proxy.archive.audit.optout_history import SENT_SHOWN_MAX, PduReaders, in_order, trace
from proxy.desk.optouts.recipient_trace import CannotTrace, trace_optouts
from proxy.journal.encoding import pack, unpack
from proxy.journal.records import delivers, gate_events, messages, operator_actions
from proxy.journal.records.consents import ConsentChange
from proxy.journal.records.doubtful_replies import NO_CONTEXT, DoubtDecision, Doubtful, id_of
from proxy.journal.records.gate_events import ReplicatedRecord
from proxy.journal.write_ahead_log import Journal, JournalRecord, OsDisk
from proxy.model.message import Category, Content, Message, Outcome, Sender, hash48
from proxy.model.recipient import Entry, OptOut
from proxy.policy.text.category import SUBCATEGORY_CODES
from proxy.state.lists import bloom
from proxy.wire import deliver_sm, submit_sm
from tests.archive.audit.test_optout_scope import Story
from tests.commands import app

NOON = 1_762_833_600.0  # 2025-11-11 12:00 in Shanghai
MING, HONG = 13800210001, 13800210002
PORT = "1069001"
SHOP = OptOut("advertiser", f"{hash48('甲店'):012x}", int(NOON), "reply", 0)
ALL = OptOut("category", "marketing", int(NOON), "reply", 0)


def verdict(at: float, category: Category, sign: str, person: int = MING, allowed: bool = True, subcategory: int = 0) -> bytes:
    """The body of a verdict on an advertisement of this signature."""
    sender = Sender.of("jia", "jia1", PORT, PORT)
    packed = Entry(7, int(at), hash48(sign), 1, 1, category, subcategory, 0, 0, 0).pack() if allowed else b""
    decided = SimpleNamespace(
        message=Message(sender, person, Content("", "readable", bytes(16))),
        verdict=SimpleNamespace(facts=SimpleNamespace(category=category), breaches=(), reason=None, outcome=Outcome.ALLOW),
        packed=packed, reason="" if allowed else "suppressed", status=0, adopts=0, takes=(), late=False,
        data=submit_sm(PORT, str(person), f"【{sign}】双11券".encode("utf-16-be"), data_coding=8),
    )  # fmt: skip
    return messages.pack_verdict(at, cast("Any", decided), "")


def deliver(at: float, text: str, kind: str, source: str = f"+86{MING}") -> bytes:
    return pack(
        delivers.DeliverRecord(at, kind, source, PORT, "jia", deliver_sm(source, PORT, text.encode("utf-16-be"), data_coding=8))
    )


STORY = [
    (messages.START, pack(gate_events.Start(NOON - 3600, 0))),
    (messages.VERDICT, verdict(NOON - 60, Category.MARKETING, "甲店")),
    (messages.OPTOUT, pack(delivers.OptedOut(NOON, MING, SHOP, PORT, "jia", "TD"))),
    (messages.DELIVER, deliver(NOON, "ＴＤ\u202e\x1b[31m", "optout")),
    (messages.OPTOUT, pack(delivers.OptedOut(NOON, HONG, ALL, PORT, "jia", "TD"))),
    (messages.SAID, pack(delivers.ConfirmationSent(NOON + 1, MING, SHOP, PORT, "jia", "退订已生效"))),
    (messages.VERDICT, verdict(NOON + 60, Category.OTP, "甲店")),
    (messages.VERDICT, verdict(NOON + 120, Category.MARKETING, "乙店")),
    (messages.VERDICT, verdict(NOON + 180, Category.MARKETING, "甲店", allowed=False)),
    (messages.VERDICT, verdict(NOON + 180, Category.MARKETING, "甲店", person=HONG)),
    (messages.DELIVER, deliver(NOON + 200, "怎么退订", "review", f"86{MING}")),
    (messages.DELIVER, deliver(NOON + 210, "id:1 stat:DELIVRD", "receipt", f"86{MING}")),
    (messages.DELIVER, deliver(NOON + 220, "谢谢", "reply", f"86{HONG}")),
    (messages.RESTORED, pack(delivers.Restored(NOON + 240, MING, PORT, "jia", "START", (SHOP,)))),
    (messages.DELIVER, deliver(NOON + 240, "START", "restore", str(MING))),
    (messages.VERDICT, verdict(NOON + 300, Category.MARKETING, "甲店")),
]


def written(folder: Path, story: list[tuple[int, bytes]]) -> Path:
    journal = Journal(OsDisk(folder), 0)
    for kind, body in story:
        journal.append(kind, body)
    journal.write(NOON)
    journal.note_synced(journal.sync())
    journal.close(NOON)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "journal", STORY)


def told(folder: Path, person: int = MING) -> OptOutTrace:
    return trace_optouts(str(person), Path("none.yaml"), folder, NOON + 3600)


def test_it_tells_what_was_received_as_what_it_was_read_what_stopped_and_what_went_out_since(folder: Path) -> None:
    found = told(folder)
    assert [(one.what, one.details.get("read_as") or one.details.get("category") or "") for one in found.events] == [
        ("received", "optout"),
        ("stopped", ""),
        ("confirmed", ""),
        ("sent", "otp"),
        ("sent", "marketing"),
        ("received", "review"),
        ("received", "restore"),
        ("restored", ""),
        ("sent", "marketing"),
    ]
    why = [one.details["why"] for one in found.events if one.what == "sent"]
    assert why == ["a refusal covers marketing only", "no refusal in force speaks of it", "nothing was refused any more"]
    assert (found.sent, found.wrong, found.in_force) == (3, 0, [])
    (stopped,) = [one for one in found.events if one.what == "stopped"]
    assert stopped.details["effective"] == "2025-11-11T12:00:00.000+08:00"


def test_what_went_out_in_the_millisecond_of_a_reply_stands_where_the_journal_has_it(tmp_path: Path) -> None:
    """And so it does where the clock was put back in between: the record before it is the older one, whatever it says."""
    start = pack(delivers.Restored(NOON + 5, MING, PORT, "jia", "START", (SHOP,)))
    for sent_at in (NOON + 4, NOON + 5, NOON + 6):
        story = [
            *STORY[2:4],
            (messages.VERDICT, verdict(sent_at, Category.OTP, "甲店")),
            (messages.RESTORED, start),
            (messages.DELIVER, deliver(NOON + 5, "START", "restore")),
            (messages.DELIVER, deliver(NOON + 5, "谢谢", "reply")),
            (messages.VERDICT, verdict(sent_at, Category.OTP, "甲店")),
        ]
        found = told(written(tmp_path / str(sent_at), story))
        assert [one.what for one in found.events] == [
            "received", "stopped", "sent", "received", "restored", "received", "sent",
        ]  # fmt: skip


HELD = SHOP._replace(source="doubtful")
DOUBT = Doubtful(NOON, MING, f"+86{MING}", PORT, "jia", "这是退订吗", NO_CONTEXT, (HELD,))
ASKED = DoubtDecision(
    NOON + 90, "li", "asks of 13800210001", False, False, 7, "这是退订吗", NO_CONTEXT, PORT, (id_of(pack(DOUBT)), 5)
)


def test_a_doubtful_reply_is_told_with_what_it_holds_and_with_what_was_decided_about_it(tmp_path: Path) -> None:
    story = [
        (messages.DOUBTFUL, pack(DOUBT)),
        (messages.DELIVER, deliver(NOON, "这是退订吗", "review")),
        (messages.SUPPRESSED, pack(operator_actions.Suppressed(NOON + 90, MING, (), (HELD,), "li", "asks"))),
        (messages.DECISION, pack(ASKED)),
        (messages.DECISION, pack(ASKED._replace(ids=(5,)))),
    ]
    found = told(written(tmp_path / "journal", story[:2]))
    assert [one.what for one in found.events] == ["received", "held"]
    assert found.in_force == [HELD]
    says = found.text(found.events[1].says)
    assert "be52d5b07426" in says, "nothing else is known of whom it holds"
    assert says.endswith("is held until somebody decides, and is a refusal on 2025-11-18 12:00:00")
    found = told(written(tmp_path / "later", story))
    assert [one.what for one in found.events] == ["received", "held", "restored", "decided"]
    assert (found.in_force, found.events[-1].details["asked"]) == ([], False)
    assert "it did not ask to stop, by li: asks of 138****0001" in found.as_text(False)
    assert told(tmp_path / "later", HONG).events == []
    asked = [
        (messages.SUPPRESSED, pack(operator_actions.Suppressed(NOON + 90, MING, (SHOP,), (HELD,), "li", "asks"))),
        (messages.DECISION, pack(ASKED._replace(yes=True))),
    ]
    found = told(written(tmp_path / "yes", [*story[:2], *asked]))
    assert [one.what for one in found.events] == ["received", "held", "stopped", "decided"]
    assert found.in_force == [SHOP]


def test_a_reply_that_stops_twice_stands_before_both(tmp_path: Path) -> None:
    twice = [(messages.OPTOUT, pack(delivers.OptedOut(NOON, MING, one, PORT, "jia", "TD"))) for one in (SHOP, ALL)]
    found = told(written(tmp_path / "journal", [*twice, (messages.DELIVER, deliver(NOON, "TD", "optout"))]))
    assert [one.what for one in found.events] == ["received", "stopped", "stopped"]


def test_of_several_workers_what_one_heard_and_another_sent_is_one_story(folder: Path, tmp_path: Path) -> None:
    """A reply comes over whichever link the carrier chooses."""
    sent = [one for one in STORY if one[0] == messages.VERDICT]
    written(tmp_path / "workers" / "node-0", sent)
    written(tmp_path / "workers" / "node-1", [one for one in STORY if one not in sent])
    config = tmp_path / "gate106.yaml"
    config.write_text("store: valkey://127.0.0.1:6379/0\njournal: workers\n", encoding="utf-8")
    assert trace_optouts(str(MING), config, None, NOON + 3600) == told(folder)


def test_a_record_without_a_time_stays_behind_those_before_it() -> None:
    dated = [(messages.STOP, struct.pack(">Q", at)) for at in (10, 30, 20)]
    first = [
        JournalRecord(1, *dated[0]),
        JournalRecord(2, *dated[1]),
        JournalRecord(3, 99, b"says no time"),
        JournalRecord(4, *dated[2]),
    ]
    second = [JournalRecord(11, 99, b""), JournalRecord(12, messages.STOP, struct.pack(">Q", 30)), JournalRecord(13, *dated[0])]
    assert [one.sequence for _, one in in_order([first, second])] == [11, 1, 2, 3, 4, 12, 13]


def test_what_has_ended_is_not_in_force_and_an_end_is_told(tmp_path: Path) -> None:
    day = OptOut("all", "", int(NOON), "officer", int(NOON) + 86_400)
    own = OptOut("all", "", int(NOON) + 1, "reply", 0)
    folder = written(
        tmp_path / "ended",
        [
            (messages.SUPPRESSED, pack(operator_actions.Suppressed(NOON, MING, (day,), (), "li", "a call"))),
            (messages.OPTOUT, pack(delivers.OptedOut(NOON + 1, MING, own))),
        ],
    )
    config = Path("none.yaml")
    before, after = (trace_optouts(str(MING), config, folder, NOON + at) for at in (60, 86_400))
    assert (before.in_force, after.in_force) == ([day, own], [own])
    assert "all marketing since 2025-11-11 12:00:00 until 2025-11-12 12:00:00" in before.as_text(whole_number=False)
    assert "until" not in after.as_text(whole_number=False).rpartition("in force now")[2]
    assert [one["until"] for one in before.as_dict(whole_number=False)["in_force"]] == ["2025-11-12T12:00:00.000+08:00", ""]


def test_what_went_out_against_a_refusal_cannot_be_overlooked(folder: Path) -> None:
    found = told(folder, HONG)
    assert (found.sent, found.wrong) == (1, 1)
    assert "AGAINST THE REFUSAL OF all marketing" in found.as_text(whole_number=False)
    assert found.as_dict(whole_number=False)["sent_after_optout"] == 1


@pytest.mark.parametrize(
    ("refusal", "against"),
    [
        (SHOP, True), (ALL, True), (OptOut("all", "", 1, "officer", 0), True), (OptOut("port", "1069", 1, "reply", 0), True),
        (OptOut("provider", "jia", 1, "reply", 0), True), (OptOut("port", "1068", 1, "reply", 0), False),
        (OptOut("provider", "yi", 1, "reply", 0), False), (SHOP._replace(value="0" * 12), False),
        (ALL._replace(expiry=int(NOON)), False),
    ],
)  # fmt: skip
def test_a_refusal_speaks_of_what_it_says(tmp_path: Path, refusal: OptOut, against: bool) -> None:
    story = [
        (messages.OPTOUT, pack(delivers.OptedOut(NOON - 9, MING, refusal))),
        (messages.VERDICT, verdict(NOON, Category.MARKETING, "甲店")),
    ]
    assert told(written(tmp_path / "journal", story)).wrong == against


def test_a_person_of_whom_nothing_is_known_is_told_so_with_what_the_journal_covers(folder: Path) -> None:
    text = told(folder, 13800219999).as_text(whole_number=False)
    assert "nothing was received from this person" in text
    assert "journal from 2025-11-11 11:00:00 to 2025-11-11 12:05:00" in text


def test_thousands_of_messages_are_counted_and_not_all_listed(tmp_path: Path) -> None:
    one = (messages.VERDICT, verdict(NOON + 60, Category.OTP, "甲店"))
    story = [(messages.OPTOUT, pack(delivers.OptedOut(NOON, MING, SHOP)))] + [one] * (SENT_SHOWN_MAX + 5)
    found = told(written(tmp_path / "journal", story))
    assert (found.sent, len(found.events)) == (SENT_SHOWN_MAX + 5, SENT_SHOWN_MAX + 1)
    assert "… and 5 messages more" in found.as_text(whole_number=False)


# --- lists, other gates, words of officers


def listing(
    at: float, people: tuple[int, ...], *refusals: OptOut, takes_off: bool = False, first: int = 1
) -> list[tuple[int, bytes]]:
    """A list of these people, as records that begin at this one; the first of its refusals is said of them, the others of somebody else."""
    records = [
        (
            messages.LISTING,
            pack(operator_actions.ListBegun(at, takes_off, refusals, "li", "called 13912345678", "of 13912345678.csv")),
        )
    ]
    for place in range(len(refusals)):
        for number in people if not place else (HONG,):
            lows = BitMap((number & (1 << CHUNK_BITS) - 1,))
            records.append(
                (messages.LISTED, pack(operator_actions.ListChunk(first, place, number >> CHUNK_BITS, lows.serialize())))
            )
    return [
        *records,
        (messages.LISTING_DONE, pack(operator_actions.ListDone(at + 1, first, len(records) - 1, 9, bytes(16)))),
    ]


LISTED = OptOut("all", "", int(NOON), "hotline", 0)
assert CHUNK_BITS == bloom.CHUNK_BITS


def test_a_list_that_names_somebody_stops_and_lets_go_and_half_a_list_does_neither(tmp_path: Path) -> None:
    ad = (messages.VERDICT, verdict(NOON + 60, Category.MARKETING, "甲店"))
    start = (messages.START, pack(gate_events.Start(NOON + 90, 0)))
    half = [*listing(NOON, (MING,), LISTED, first=1)[:-1], start]
    on = listing(NOON + 100, (MING,), LISTED, SHOP, first=len(half) + 1)
    off = listing(NOON + 200, (MING,), LISTED._replace(source="officer"), takes_off=True, first=len(half) + len(on) + 2)
    found = told(written(tmp_path / "journal", [*half, *on, ad, *off, ad]))
    assert [one.what for one in found.events] == ["stopped", "sent", "restored", "sent"]
    assert (found.sent, found.wrong, found.in_force) == (2, 1, [])
    stopped = found.as_dict(whole_number=False)["events"][0]
    assert [stopped[name] for name in ("scope", "source", "who", "why", "file")] == [
        "all", "hotline", "li", "called 139****5678", "of 139****5678.csv",
    ]  # fmt: skip
    assert "by li with the list of 13912345678.csv: called 13912345678" in found.as_text(whole_number=True)
    other = told(tmp_path / "journal", HONG)
    assert [(one.what, one.details["scope"]) for one in other.events] == [("stopped", "advertiser")]


def test_a_list_is_not_ended_by_what_a_person_says_for_themselves(tmp_path: Path) -> None:
    start = (messages.RESTORED, pack(delivers.Restored(NOON + 5, MING, PORT, "jia", "START", (LISTED,))))
    found = told(written(tmp_path / "journal", [*listing(NOON, (MING,), LISTED), start]))
    assert found.in_force == [LISTED]
    one = (messages.SUPPRESSED, pack(operator_actions.Suppressed(NOON + 9, MING, (), (LISTED,), "li", "x")))
    assert told(written(tmp_path / "other", [*listing(NOON, (MING,), LISTED), one])).in_force == []


def heard(at: float, node: int, sequence: int, record: tuple[int, bytes]) -> tuple[int, bytes]:
    return messages.HEARD, pack(ReplicatedRecord(at, (1, 1), node, sequence, *record))


def test_what_another_gate_told_holds_here_from_when_it_was_heard(tmp_path: Path) -> None:
    """The reply came to that one; its journal is elsewhere."""
    there = [*STORY[2:3], *STORY[4:6], *listing(NOON + 2, (MING,), ALL, first=40)]
    ad = (messages.VERDICT, verdict(NOON + 4, Category.MARKETING, "甲店"))
    story = [heard(NOON + 5, 3, 38 + place, record) for place, record in enumerate(there, -1)]
    later = (messages.VERDICT, verdict(NOON + 6, Category.MARKETING, "甲店"))
    folder = written(tmp_path / "journal", [ad, *story, later])
    found = told(folder)
    assert [one.what for one in found.events] == ["stopped", "confirmed", "stopped", "sent"]
    assert {one.details["gate"] for one in found.events[:3]} == {3}
    assert found.events[0].details["effective"] == "2025-11-11T12:00:05.000+08:00"
    assert (found.sent, found.wrong) == (1, 1)
    assert "by reply (told by gate 3)" in found.as_text(whole_number=False)
    assert found.first == NOON + 4


def test_what_a_gate_told_whose_journal_is_here_is_told_once() -> None:
    stopped = JournalRecord(7, *STORY[2])
    other = JournalRecord(1, *heard(NOON + 1, 3, 7, STORY[2]))
    read = PduReaders(lambda data: "", lambda data: "")
    assert [one.at for one in trace([[stopped], [other]], MING, read, NOON, [3, 0]).events] == [NOON]
    assert [one.at for one in trace([[stopped], [other]], MING, read, NOON, [0]).events] == [NOON, NOON + 1]


@pytest.mark.parametrize(
    ("refusal", "against"),
    [
        (OptOut("signature", "甲店", 1, "officer", 0), True), (OptOut("signature", "乙店", 1, "officer", 0), False),
        (OptOut("category", "loan", 1, "complaint", 0), True), (OptOut("category", "game", 1, "complaint", 0), False),
        (OptOut("advertiser", "甲公司", 1, "officer", 0), False),
    ],
)  # fmt: skip
def test_a_refusal_that_somebody_entered_by_name_speaks_as_the_rules_have_it(
    tmp_path: Path, refusal: OptOut, against: bool
) -> None:
    loan = SUBCATEGORY_CODES["loan"]
    story = [
        (messages.SUPPRESSED, pack(operator_actions.Suppressed(NOON, MING, (refusal,), (), "li", "x"))),
        (messages.VERDICT, verdict(NOON + 60, Category.MARKETING, "甲店", subcategory=loan)),
    ]
    found = told(written(tmp_path / "journal", story))
    assert found.wrong == against
    if refusal.scope == "advertiser":
        assert found.events[-1].details["why"] == "whether it is the refused advertiser's is the registry's to say"


def test_nobodys_whole_number_is_shown_though_somebody_wrote_it(tmp_path: Path) -> None:
    story = [
        (messages.DELIVER, deliver(NOON, "我是13912345678, 别再发给 138 0021 0009", "review")),
        (
            messages.SUPPRESSED,
            pack(operator_actions.Suppressed(NOON, MING, (SHOP,), (SHOP,), "li", "mother of 13912345678 called")),
        ),
        (
            messages.PERSON,
            pack(ConsentChange(NOON, MING, "recycled", "li", "for 13912345678", before=int(NOON))),
        ),
        (messages.PERSON, pack(ConsentChange(NOON, MING, "erased", "li", "for 13912345678", name=7))),
    ]
    found = told(written(tmp_path / "journal", story))
    for shown in (found.as_text(whole_number=False), json.dumps(found.as_dict(whole_number=False))):
        assert not re.search(r"1391234567|138 ?0021 ?0009", shown)
        assert shown.count("139****5678") == 5
    for shown in (found.as_text(whole_number=True), json.dumps(found.as_dict(whole_number=True))):
        assert shown.count("13912345678") == 5


def test_it_does_not_look_into_what_is_about_others() -> None:
    """A verdict on somebody else is not even read: this one would not bear it."""
    broken = verdict(NOON, Category.OTP, "甲店", person=HONG)[:40]
    never = PduReaders(lambda data: pytest.fail("read"), lambda data: pytest.fail("read"))
    found = trace([[JournalRecord(1, messages.VERDICT, broken)]], MING, never, NOON)
    assert found.events == []


# --- the command


def ask(*options: str) -> Result:
    return CliRunner().invoke(app, ["optout", "trace", *options])


def test_the_command_masks_the_number_and_prints_nothing_a_terminal_obeys(folder: Path) -> None:
    done = ask("--to", "+86 138-0021-0001", "--journal", str(folder))
    assert done.exit_code == 0
    assert "138****0001" in done.output
    assert str(MING) not in done.output
    assert "ＴＤ" in done.output
    assert not {"\x1b", "\u202e"} & set(done.output)


def test_a_whole_number_is_shown_only_where_a_gate_writes_down_who_looks(folder: Path) -> None:
    """That it is then shown, and journalled: tests/e2e/test_looks.py."""
    asked = ("--to", str(MING), "--journal", str(folder), "--unmasked")
    for options, says in (
        (asked, "needs --why"),
        ((*asked, "--why", "x", "--control", str(folder / "none")), "written into its journal first"),
    ):
        done = ask(*options)
        assert done.exit_code == 2
        assert says in done.output
        assert len(done.output.splitlines()) == 1
        assert str(MING) not in done.output


def test_the_command_speaks_JSON(folder: Path) -> None:
    found = json.loads(ask("--to", str(MING), "--journal", str(folder), "--json").output)
    assert found["recipient"] == "138****0001"
    assert len(found["events"]) == 9


@pytest.mark.parametrize(
    ("number", "says"), [("021-5551234", "a landline"), ("", "empty"), ("4001234567", "400"), ("138", "3 digits")]
)
def test_a_number_that_is_no_persons_is_one_line_and_exit_2(folder: Path, number: str, says: str) -> None:
    done = ask("--to", number, "--journal", str(folder))
    assert done.exit_code == 2
    assert says in done.output
    assert len(done.output.splitlines()) == 1


def test_a_journal_that_is_not_there_is_one_line_and_exit_2_and_is_not_made(tmp_path: Path) -> None:
    done = ask("--to", str(MING), "--journal", str(tmp_path / "none"))
    assert (done.exit_code, len(done.output.splitlines())) == (2, 1)
    assert not (tmp_path / "none").exists()
    done = ask("--to", str(MING), "--config", str(tmp_path / "none.yaml"))
    assert (done.exit_code, len(done.output.splitlines())) == (2, 1)


def test_a_damaged_journal_is_one_line_and_exit_2(folder: Path) -> None:
    (segment,) = folder.glob("*.journal")
    data = bytearray(segment.read_bytes())
    data[len(data) // 3] ^= 1
    segment.write_bytes(data)
    done = ask("--to", str(MING), "--journal", str(folder))
    assert (done.exit_code, len(done.output.splitlines())) == (2, 1)
    assert "damaged" in done.output


def test_a_torn_tail_hides_nothing_that_stands_before_it(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    journal = Journal(OsDisk(tmp_path / "copy"), 0)
    for kind, body in STORY:
        journal.append(kind, body)
    journal.write(NOON)
    (segment,) = (tmp_path / "copy").glob("*.journal")
    whole = (folder / segment.name).stat().st_size
    with segment.open("r+b") as file:
        file.truncate(whole + 100)
    assert len(told(tmp_path / "copy").events) == 9
    with pytest.raises(CannotTrace):
        told(tmp_path / "nowhere")


def test_bodies_come_back_as_they_were_packed() -> None:
    restored = unpack(delivers.Restored, pack(delivers.Restored(NOON, MING, PORT, "jia", "START", (SHOP, ALL))))
    assert restored == (NOON, MING, PORT, "jia", "START", (SHOP, ALL))
    said = unpack(delivers.ConfirmationSent, pack(delivers.ConfirmationSent(NOON, MING, SHOP, PORT, "jia", "退订已生效")))
    assert said == (NOON, MING, SHOP, PORT, "jia", "退订已生效")
    for one in (
        delivers.Restored(NOON, MING, PORT, "jia", "START", (SHOP,)),
        delivers.ConfirmationSent(NOON, MING, SHOP, PORT, "jia", "退订已生效"),
    ):
        body = pack(one)
        for end in range(len(body)):
            with pytest.raises((ValueError, struct.error)):
                unpack(type(one), body[:end])


def test_a_number_that_is_somebody_elses_and_one_that_was_forgotten_are_told() -> None:
    story = [
        *STORY[:4],
        (
            messages.PERSON,
            pack(ConsentChange(NOON + 60, MING, "recycled", "li (uid 1, pid 2)", "list", before=int(NOON) + 30)),
        ),
        (messages.VERDICT, verdict(NOON + 120, Category.MARKETING, "甲店")),
        (messages.PERSON, pack(ConsentChange(NOON + 180, MING, "withdrawn", "li (uid 1, pid 2)", "by phone"))),
        (
            messages.PERSON,
            pack(ConsentChange(NOON + 240, MING, "erased", "li (uid 1, pid 2)", "in writing", name=7)),
        ),
        (messages.VERDICT, verdict(NOON + 300, Category.MARKETING, "乙店")),
    ]
    found = trace(
        [[JournalRecord(number, kind, body) for number, (kind, body) in enumerate(story, 1)]],
        MING,
        PduReaders(lambda data: "TD", lambda data: "乙店"),
        NOON + 400,
    )
    told = [
        (one.what, found.text(one.says).split(" by ")[0]) for one in found.events if one.what not in ("received", "confirmed")
    ]
    assert [what for what, _ in told] == ["stopped", "restored", "sent", "stopped", "sent"]
    assert "somebody else's since 2025-11-11T12:00:30" in told[1][1]
    assert found.wrong == 1, "only what came after it was forgotten went against a refusal"


def test_a_refusal_is_told_by_name_registered_or_as_its_message_had_it_and_else_why_not(tmp_path: Path) -> None:
    """Also where the message that names it came only after the refusal."""
    registered, written_later, gone = (
        OptOut("advertiser", f"{hash48(name):012x}", int(NOON), "reply", 0) for name in ("甲店", "乙店", "丙店")
    )
    stopped = [
        (messages.OPTOUT, pack(delivers.OptedOut(NOON, MING, one, PORT, "jia", "TD")))
        for one in (registered, written_later, gone)
    ]
    restored = (messages.RESTORED, pack(delivers.Restored(NOON + 90, MING, PORT, "jia", "START", (registered,))))
    story = [*STORY[:1], *stopped, (messages.VERDICT, verdict(NOON + 60, Category.MARKETING, "乙店")), restored]
    (tmp_path / "rules" / "registries").mkdir(parents=True)
    (tmp_path / "rules" / "registries" / "signatures.csv").write_text("甲店,甲公司\n", encoding="utf-8")
    config = tmp_path / "gate106.yaml"
    config.write_text("rules: rules\n", encoding="utf-8")
    found = trace_optouts(str(MING), config, written(tmp_path / "journal", story), NOON + 3600)
    text = found.as_text(whole_number=False)
    assert "marketing of advertiser 甲公司【甲店】, at once, by reply" in text
    assert "marketing of advertiser 【乙店】 (not registered), at once, by reply" in text
    unknown = f"advertiser, signature unknown ({gone.value}): its message is no longer in the journal"
    assert f"marketing of {unknown}, at once, by reply" in text
    assert "AGAINST THE REFUSAL OF marketing of advertiser 【乙店】 (not registered)" in text
    assert registered.value not in text
    assert written_later.value not in text
    told_of = found.as_dict(whole_number=False)
    first, second, third, _, last = told_of["events"]
    assert [one["value"] for one in (first, second, third)] == [registered.value, written_later.value, gone.value]
    assert (first["advertiser"], first["signature"], second["about_zh"]) == ("甲公司", "甲店", "广告主【乙店】（未报备）")
    assert third["about_zh"] == f"广告主，签名未知（{gone.value}）：该短信已不在保存的日志里"
    assert last["lifted"][0]["about_zh"] == "广告主 甲公司【甲店】"
    assert [one["signature"] for one in told_of["in_force"]] == ["乙店", ""]


def test_without_settings_the_registered_one_is_told_as_its_message_had_it(folder: Path) -> None:
    assert "marketing of advertiser 【甲店】 (not registered), at once, by reply" in told(folder).as_text(whole_number=False)


def test_it_tells_whom_each_reply_meant_and_what_was_sent_after_it_whatever_was_recorded(tmp_path: Path) -> None:
    """The gate has read the reply as nothing, and recorded nothing."""
    story = Story().sent("甲店").after(60).says("别再发了", kind="reply").after(60).sent("乙店").after(60).sent("甲店")
    missed = [(record.kind, record.body) for record in story.records]
    found = told(written(tmp_path / "missed", missed))
    (received,) = [one for one in found.events if one.what == "received"]
    assert (received.details["meant"], received.details["sent_after"]) == (["甲店"], 1)
    assert str(received.says).endswith("read as no refusal; meant: 甲店; sent after it: 1")
    sent = [one.details["against_refusal"] for one in found.events if one.what == "sent"]
    assert (sent, found.wrong) == ([False, True], 1)
    assert "AGAINST WHAT WAS MEANT at 1069001" in found.as_text(whole_number=False)
