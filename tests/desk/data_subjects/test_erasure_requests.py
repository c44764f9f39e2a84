"""A person's request to be erased: marketing stops at once, a second person confirms, and a receipt says what is gone and what stays."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence

import pytest

from proxy.desk.complaints.book import KEEP_S
from proxy.desk.data_subjects import book
from proxy.desk.data_subjects import operations as subjects
from proxy.desk.data_subjects.book import ErasureRequests
from proxy.desk.evidence import evidence_pdf
from proxy.desk.suppression import operations as suppress
from proxy.i18n.catalog import in_language
from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages
from proxy.journal.records.complaints import NOT_OURS
from proxy.journal.records.erasure_requests import ErasureRequest
from proxy.model.approvals import Impossible
from proxy.model.roles import Asker, NotAllowed, Role
from proxy.operations.client import CannotAsk
from proxy.state.lists.desk_records import DeskRecords
from tests.console.world import AD, Browser, World
from tests.desk.complaints.test_book import NOON, complaint
from tests.desk.complaints.test_book import Desk as CaseDesk
from tests.desk.evidence.test_evidence_pdf import texts
from tests.e2e.gate import SHANGHAI

NOW = 1_800_000_000.0
PERSON = 13_800_210_500
DAY_S = 86_400
KNOWN = frozenset({"chen", "lin"})
LIN, CHEN = (
    Asker("lin", frozenset({Role.APPROVER}), by_token=True),
    Asker("chen", frozenset({Role.OFFICER, Role.APPROVER}), by_token=True),
)


class Desk:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.store = DeskRecords()
        self.book = ErasureRequests(self.store, self.write)

    def write(self, records: Sequence[tuple[int, bytes]]) -> int:
        assert {kind for kind, _ in records} == {messages.ERASURE_REQUESTED}
        self.written += [body for _, body in records]
        return len(self.written)

    def propose(self, person: int = PERSON, author: str = "chen") -> ErasureRequest:
        return self.book.propose(person, author, f"{author} (uid 1)", "letter 4711", NOW)[0]


@pytest.fixture
def desk() -> Desk:
    return Desk()


# -- the book


def test_a_request_waits_for_another_person_and_is_then_without_the_number(desk: Desk) -> None:
    assert desk.propose().number == PERSON
    assert desk.book.notes() == [
        "erasure: request 1 by chen waits for a second person since 2027-01-15 16:00:00 (gate106 subject approve 1)"
    ]
    with pytest.raises(Impossible, match="chen is the author"):
        desk.book.begin(1, CHEN, KNOWN, "chen", NOW)
    begun, sequence = desk.book.begin(1, LIN, KNOWN, "lin (uid 2)", NOW)
    assert (begun.state, begun.number, sequence) == ("approved", PERSON, 0), "written once the person is erased"
    desk.book.done(begun, b"{}", "lin (uid 2)", NOW + 1)
    decided = desk.book.find(1)
    assert (decided.state, decided.number, decided.shown, decided.decided) == ("approved", 0, "138****0500", NOW + 1)
    with pytest.raises(Impossible, match="erasure-1 is approved"):
        desk.book.done(begun, b"{}", "tang", NOW + 2)
    assert desk.book.notes() == []


def test_an_account_that_is_nobody_s_needs_two_people(desk: Desk) -> None:
    desk.propose(author="root")
    vouched, sequence = desk.book.begin(1, LIN, KNOWN, "lin", NOW)
    assert (vouched.state, vouched.author, sequence) == ("proposed", "lin", 2)
    assert desk.book.begin(1, CHEN, KNOWN, "chen", NOW)[0].state == "approved"


def test_who_has_asked_and_waits_asks_once_and_may_ask_again_after_a_rejection(desk: Desk) -> None:
    desk.propose()
    with pytest.raises(Impossible, match=r"138\*\*\*\*0500: request 1 of .* waits already"):
        desk.propose()
    with pytest.raises(NotAllowed):
        desk.book.reject(1, Asker("guo", frozenset({Role.VIEWER}), by_token=True), "guo", "x", NOW)
    desk.book.reject(1, LIN, "lin (uid 2)", "not the owner", NOW)
    assert (desk.book.find(1).state, desk.book.find(1).number) == ("rejected", 0)
    assert desk.propose().id == 2
    with pytest.raises(Impossible, match="is chen's"):
        desk.book.withdraw(2, LIN, "lin", "x", NOW)
    desk.book.withdraw(2, CHEN, "chen", "the wrong number", NOW)


def test_a_restart_and_another_gate_know_the_same(desk: Desk) -> None:
    desk.propose()
    desk.propose(PERSON + 1)
    desk.book.reject(1, LIN, "lin", "x", NOW)
    other = Desk()
    for body in desk.written:
        other.store.hear(unpack(ErasureRequest, body).id, body)
    other.book.reread()
    assert other.book.all() == desk.book.all() == ErasureRequests(desk.store, desk.write).all()


def test_old_requests_make_room_and_those_that_wait_never_do(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "KEPT_MAX", 2)
    for place in range(3):
        desk.propose(PERSON + place)
        if place != 1:
            desk.book.reject(place + 1, LIN, "lin", "x", NOW)
    assert [one.id for one in desk.book.all()] == [3, 2]
    desk.propose(PERSON + 9)
    with pytest.raises(Impossible, match="2 requests wait"):
        desk.propose(PERSON + 10)


def test_a_number_is_masked_where_a_request_is_printed(desk: Desk) -> None:
    assert str(PERSON) not in repr(desk.propose())
    assert unpack(ErasureRequest, pack(desk.propose(PERSON + 1))).number == PERSON + 1


# -- at the gate


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    rules = "rules:\n  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}\n"
    found = World(tmp_path_factory.mktemp("requests"), lambda gate: gate.write_rules(rules))
    try:
        yield found
    finally:
        found.stop()


def test_marketing_stops_at_the_request_and_another_person_confirms_in_the_browser(world: World) -> None:
    anna = SHANGHAI.format(71)
    chen, lin = Browser(world, "chen"), Browser(world, "lin")
    assert world.send("jia", anna, AD) == 0
    assert f'href="/requests?to={anna}"' in chen.get("/optouts", to=anna).text
    before = world.ask("chen", "counters")["optouts"]
    answer = chen.post("/requests/erase", to=anna, why="来函要求")
    assert (answer.status_code, answer.headers["location"]) == (303, "/requests")
    assert world.ask("chen", "counters")["optouts"] == before + 1, "as the month's report counts it"
    assert world.send("jia", anna, AD) == 0x420, "before anybody has confirmed it"
    page = chen.get("/requests").text
    assert "已登记为不接收营销" in page
    assert "待另一人复核" in page
    assert anna not in page, "the page lists digits only"
    number = re.findall(r"/requests/(\d+)/withdraw", page)[0]
    assert f"/requests/{number}/approve" not in page
    assert chen.post(f"/requests/{number}/approve").status_code == 403
    draft = chen.get(f"/requests/{number}/receipt.pdf")
    assert (draft.headers["content-type"], draft.content[:5]) == ("application/pdf", b"%PDF-")
    assert lin.post(f"/requests/{number}/approve").headers["location"] == "/requests"
    page = lin.get("/requests").text
    assert "已删除，请把回执交给本人" in page
    (told,) = [one for one in world.ask("lin", "subject.list-requests")["requests"] if one["id"] == int(number)]
    assert (told["state"], told["gone"]["refusals"]) == ("approved", 1), "the refusal of the request is gone, too"
    assert [one["until"] == 0 for one in told["stays"]] == [True, False, False]
    assert lin.get(f"/requests/{number}/receipt.pdf").content != draft.content
    assert world.ask("lin", "subject.show", to=anna)["forgotten"] is True
    shown = lin.get("/optouts", to=anna).text
    assert ("全部营销（按本人要求删除后长期有效）" in shown, "没有退订" in shown) == (True, False)
    assert world.send("jia", anna, AD) == 0x420
    found = re.findall(r'href="/find/message/([^"]+)"', lin.part("/find/found", to=anna).text)
    told, oldest = (lin.part(f"/find/message/{one.replace('%3A', ':')}/told").text for one in (found[0], found[-1]))
    assert ("当时收过的短信不再列出" in told, "当时收过的短信不再列出" in oldest) == (False, True)
    assert told.count("全部营销：已按本人要求删除资料") == 2, "by the rule, and beside what was known of them"
    assert "1970" not in told + str(list(suppress._refusals(world.ask("lin", "suppress.show", to=anna))))


def test_the_answer_names_who_may_confirm_it_and_who_is_alone_is_told_whom_to_add(world: World) -> None:
    answer = world.ask("tang", "subject.erase", to=SHANGHAI.format(72), why="x")
    assert answer["confirmers"] == ["lin", "song"], "not the one who asked, nor who may not"
    assert world.ask("tang", "subject.list-requests")["confirmers"] == answer["confirmers"], "on the page, too"
    assert list(subjects._warnings(answer)) == []
    (warning,) = subjects._warnings(answer | {"confirmers": []})
    assert "add a second person with the role approver" in warning
    assert in_language(warning, "zh").startswith("没有其他人能复核")


def test_a_rejected_request_leaves_what_is_known_and_the_stop_of_marketing(world: World) -> None:
    bob = SHANGHAI.format(73)
    number = str(world.ask("chen", "subject.erase", to=bob, why="x")["request"])
    with pytest.raises(CannotAsk, match=r"waits already"):
        world.ask("tang", "subject.erase", to=bob, why="x")
    world.ask("lin", "subject.reject", id=number, why="not the owner")
    shown = world.ask("chen", "subject.show", to=bob)
    assert (shown["forgotten"], [one["scope"] for one in shown["refusals"]]) == (False, ["all"])
    assert world.send("jia", bob, AD) == 0x420


def test_the_receipt_says_in_chinese_what_is_gone_and_what_stays() -> None:
    stays = {"what": "the journal", "what_zh": "日志", "why": "kept", "why_zh": "至少保存6个月", "until": 2e9}
    request = {
        "id": 3, "to": "138****0500", "time": 1e9, "decided": 1e9 + 60, "state": "approved", "author": "chen", "who": "lin (uid 1, pid 2)", "decision": "", "gone": {"refusals": 1},
        "stays": [stays, stays | {"until": 0}],
    }  # fmt: skip
    drawn = texts(evidence_pdf._receipt(request, 2e9))
    assert any("登记为不接收营销短信" in one for one in drawn)
    assert "经第二人复核，已于 2001-09-09 09:47:40 删除。" in drawn
    assert {"拒收记录", "日志", "至少保存6个月", "2033-05-18 11:33:20", "长期"} <= set(drawn)
    alone = texts(evidence_pdf._receipt(request | {"who": "chen (uid 1, pid 2)"}, 2e9))
    assert "已于 2001-09-09 09:47:40 删除。" in alone, "where the settings list nobody there is no second person"
    waits = {name: one for name, one in request.items() if name not in ("gone", "stays")} | {"state": "proposed"}
    assert not any("已删除" in one for one in texts(evidence_pdf._receipt(waits, 2e9))), "nothing is, yet"
    refused = waits | {"state": "rejected", "decision": "不是机主"}
    assert any("决定不予删除：不是机主" in one for one in texts(evidence_pdf._receipt(refused, 2e9)))


def test_complaints_stay_from_their_decision_on_and_the_answer_as_it_was_sent() -> None:
    desk, later = CaseDesk(), NOON + 20 * DAY_S
    desk.files(complaint(), complaint("A2"))
    desk.book.decide(1, NOT_OURS, NOON, "li", "x")
    desk.book.answer(1, f"{PERSON} 答复.pdf", "0" * 64, NOON + DAY_S, "li", "x")
    decided, waits, file = subjects._cases_stay([*desk.book.all()], later)
    assert [one["until"] for one in (decided, waits, file)] == [NOON + KEEP_S, later + KEEP_S, NOON + DAY_S + KEEP_S]
    assert (decided["what_zh"], waits["what_zh"][:9]) == ("1 件投诉及其认定，只留可显示的几位号码", "1 件待认定的投诉")
    assert file["what_zh"].endswith("：138****0500 答复.pdf")
    assert [*subjects._cases_stay([], later)] == []


def test_a_person_gets_a_copy_in_chinese(world: World) -> None:
    carl = SHANGHAI.format(74)
    world.send("jia", carl, AD)
    taken = Browser(world, "chen").post("/requests/copy", to=carl, why="来函要求")
    assert taken.status_code == 200, taken.text
    with zipfile.ZipFile(io.BytesIO(taken.content)) as packed:
        page = packed.read("person.html").decode()
    text = re.sub(r"<style.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)
    assert "您最近收到的短信" in text
    assert "上海" in text
    assert not re.search(r"[a-z]{4,}", text), "no foreign word but names"
    assert Browser(world, "lin").post("/requests/copy", to=carl, why="x").status_code == 403
