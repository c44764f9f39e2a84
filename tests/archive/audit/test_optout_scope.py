"""What replies asked to stop, and violations, in histories of one person."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.archive.audit.optout_scope import Findings, digits_of
from proxy.archive.audit.person_history import PersonHistory
from proxy.journal.encoding import pack
from proxy.journal.records import answers, delivers, messages, operator_actions, requests
from proxy.journal.records.consents import ConsentChange
from proxy.journal.records.doubtful_replies import NO_CONTEXT, DoubtDecision, Doubtful, id_of
from proxy.journal.records.gate_events import ReplicatedRecord
from proxy.journal.segment import JournalRecord
from proxy.model.message import Category, Content, Message, Outcome, Sender, hash48
from proxy.model.recipient import Entry, OptOut
from proxy.wire import deliver_sm, submit_sm

NOON = 1_762_833_600.0
MING, HONG = 13800210001, 13800210002
PORT, OTHER = "1069001", "1069002"
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
AD = "双11券 拒收请回复R"


class Story:
    """A journal of one gate, written by hand."""

    def __init__(self) -> None:
        self.now = NOON
        self.records: list[JournalRecord] = []
        self.ids = 0

    def write(self, kind: int, body: bytes) -> int:
        self.records.append(JournalRecord(len(self.records) + 1, kind, body))
        return len(self.records)

    def after(self, seconds: float) -> Story:
        self.now += seconds
        return self

    def sent(
        self, name: str, port: str = PORT, text: str = AD, *, provider: str = "jia", person: int = MING, answer: int | None = 0,
        category: Category = Category.MARKETING, allowed: bool = True, replaces: int = 0,
    ) -> Story:  # fmt: skip
        """``answer``: what the carrier said, as an effect; None: nothing was ever heard. ``replaces``: the entry for which it stands in."""
        self.ids += 1
        signed = f"【{name}】{text}" if name else text
        packed = (
            Entry(self.ids, int(self.now), hash48(name) if name else 0, 1, 1, category, 0, 0, 0, 0).pack() if allowed else b""
        )
        decided = SimpleNamespace(
            message=Message(Sender.of(provider, provider, port, port), person, Content("", "readable", bytes(16))),
            verdict=SimpleNamespace(facts=SimpleNamespace(category=category), breaches=(), reason=None, outcome=Outcome.ALLOW),
            packed=packed, reason="" if allowed else "suppressed", status=0, adopts=replaces, takes=(), late=False,
            data=submit_sm(port, str(person), signed.encode("utf-16-be"), data_coding=8),
        )  # fmt: skip
        place = self.write(messages.VERDICT, messages.pack_verdict(self.now, cast("Any", decided), ""))
        if allowed and answer is not None:
            self.write(messages.ANSWER, pack(answers.CarrierAnswer(self.now, self.ids, person, answer, 0, place)))
        return self

    def says(self, text: str, port: str = PORT, owner: str = "jia", kind: str = "optout", person: int = MING) -> Story:
        pdu = deliver_sm(f"86{person}", port, text.encode("utf-16-be"), data_coding=8)
        self.write(messages.DELIVER, pack(delivers.DeliverRecord(self.now, kind, f"86{person}", port, owner, pdu)))
        return self

    def found(self) -> Findings:
        history = PersonHistory(MING)
        for record in self.records:
            history.take(0, record)
        return history.findings()

    def meant(self) -> set[str]:
        """The names of the newest claim; 全部 for everything."""
        claim = self.found().claims[-1]
        return {"全部"} if claim.everything else set(claim.names | claim.ports)

    def against(self) -> list[str]:
        return [one.sent.name for one in self.found().against]


def test_who_refuses_a_shop_hears_no_more_of_it_through_any_provider() -> None:
    story = Story().sent("甲店").after(HOUR).says("TD").after(HOUR)
    story.sent("甲店", OTHER, provider="yi").sent("乙店", OTHER, provider="yi")
    assert story.against() == ["甲店"]


def test_what_was_decided_before_the_reply_was_recorded_is_no_fault() -> None:
    story = Story().sent("甲店").after(HOUR).sent("甲店").says("TD")
    assert story.against() == []


@pytest.mark.parametrize(("effect", "counts"), [(0, True), (2, True), (5, True), (None, True), (1, False), (4, False)])
def test_it_counts_unless_the_carrier_refused_it(effect: int | None, counts: bool) -> None:
    story = Story().sent("甲店").after(HOUR).says("TD").after(HOUR).sent("甲店", answer=effect)
    assert bool(story.against()) is counts


def test_what_the_gate_refused_was_not_sent() -> None:
    assert Story().sent("甲店").says("TD").after(HOUR).sent("甲店", allowed=False).against() == []


def test_codes_and_notices_go_on() -> None:
    story = Story().sent("甲店").says("TD").after(HOUR)
    story.sent("甲店", text="验证码 384756", category=Category.OTP).sent("甲店", text="快件已到", category=Category.NOTICE)
    assert story.against() == []


@pytest.mark.parametrize("apart_s", [0.0, 1.0, 599.0])
def test_of_two_shops_on_one_port_within_ten_minutes_both_may_be_meant(apart_s: float) -> None:
    assert Story().sent("甲店").after(apart_s).sent("乙店").after(HOUR).says("TD").meant() == {"甲店", "乙店"}


def test_of_two_shops_an_hour_apart_the_newer_is_meant() -> None:
    assert Story().sent("甲店").after(HOUR).sent("乙店").after(HOUR).says("TD").meant() == {"乙店"}


def test_a_reply_that_crosses_the_newest_may_mean_the_one_before() -> None:
    assert Story().sent("甲店").after(HOUR).sent("乙店").after(119).says("TD").meant() == {"甲店", "乙店"}
    assert Story().sent("甲店").after(HOUR).sent("乙店").after(121).says("TD").meant() == {"乙店"}


@pytest.mark.parametrize("answer", [2, None])
def test_what_may_or_may_not_have_come_is_meant_and_so_is_what_came_before_it(answer: int | None) -> None:
    story = Story().sent("甲店").after(HOUR).sent("乙店", answer=answer).after(HOUR).says("TD")
    assert story.meant() == {"甲店", "乙店"}


def test_what_the_carrier_refused_never_came() -> None:
    assert Story().sent("甲店").after(HOUR).sent("乙店", answer=1).after(HOUR).says("TD").meant() == {"甲店"}


@pytest.mark.parametrize("to", ["10690", "1069001", "106900188", "861069001", "+861069001", "00861069001", "8610690018"])
def test_a_reply_to_a_shorter_or_longer_port_or_with_86_before_it_means_who_sends_from_there(to: str) -> None:
    story = Story().sent("甲店").after(HOUR).says("TD", to, owner="").after(HOUR).sent("甲店", OTHER, provider="yi")
    assert story.meant() == {"甲店"}
    assert story.against() == ["甲店"]


def test_a_reply_to_the_base_port_means_all_of_the_week_behind_it() -> None:
    story = Story().sent("丙店", "106900103").after(8 * DAY).sent("甲店", "106900101").after(DAY).sent("乙店", "106900102")
    assert story.after(HOUR).says("TD", "1069001").meant() == {"甲店", "乙店"}


def test_a_reply_to_another_port_of_the_owner_means_what_the_owner_sent() -> None:
    story = Story().sent("甲店").sent("乙店", OTHER, provider="yi").after(HOUR).says("TD", "95001", owner="jia")
    assert story.meant() == {"甲店"}


@pytest.mark.parametrize(
    ("word", "means"), [("TD", {"全部"}), ("退订", {"全部"}), ("T", {"全部"}), ("N", None), ("0000", None), ("QX", None)]
)
def test_at_a_port_that_nobody_owns_all_is_meant_but_by_commands_of_the_carrier(word: str, means: set[str] | None) -> None:
    story = Story().sent("甲店").after(HOUR).says(word, "10086", owner="")
    assert (story.meant() if means else story.found().claims) == (means or [])


@pytest.mark.parametrize("words", ["全部退订", "退订所有", "退订全部营销短信", "拒收全部", "所有都退", "TDALL", "ＡＬＬ"])
def test_everything_is_everything(words: str) -> None:
    assert Story().sent("甲店").after(HOUR).says(words).after(HOUR).sent("乙店", OTHER, provider="yi").against() == ["乙店"]


def test_a_word_that_one_shop_alone_asks_for_means_that_shop() -> None:
    story = Story().sent("甲店", text="券 退订回QXJD").after(MINUTE).sent("乙店", text="券 退订回T").after(HOUR)
    assert story.says("QXJD").meant() == {"甲店"}


def test_a_common_word_narrows_nothing() -> None:
    story = Story().sent("甲店", text="券 退订回TD").after(MINUTE).sent("乙店", text="券 退订回T").after(HOUR)
    assert story.says("TD").meant() == {"甲店", "乙店"}


def test_the_answer_to_an_appointment_claims_nothing() -> None:
    story = Story().sent("甲店").after(HOUR)
    story.sent("医院", text="您预约了周三上午，确认请回复Y，取消请回复N", category=Category.NOTICE).after(HOUR)
    assert story.says("N").found().claims == []
    assert story.says("退订广告").found().claims != []


@pytest.mark.parametrize("text", ["谢谢", "怎么退订", "退订失败", "不退订", "订单T123", "退订了吗", "好的", "A", ""])
def test_what_does_not_clearly_ask_claims_nothing(text: str) -> None:
    assert Story().sent("甲店").after(HOUR).says(text, kind="reply").found().claims == []


@pytest.mark.parametrize("text", ["ｔｄ", "“TD”", "T D", "T\u200bD", "TD退订", "回复TD", "别再发了", "请不要再发了", "退 订"])
def test_what_clearly_asks_claims_whatever_the_gate_made_of_it(text: str) -> None:
    assert Story().sent("甲店").after(HOUR).says(text, kind="reply").meant() == {"甲店"}


def test_START_at_the_port_ends_the_claim() -> None:
    story = Story().sent("甲店").says("TD").after(HOUR).says("START", kind="restore").after(HOUR).sent("甲店")
    assert story.against() == []


def test_START_counts_from_where_its_effect_is_recorded_if_its_text_follows() -> None:
    story = Story().sent("甲店").after(1).says("TD").after(HOUR)
    story.write(messages.RESTORED, pack(delivers.Restored(story.now, MING, PORT, "jia", "START", ())))
    story.sent("甲店")
    assert story.against() == ["甲店"]
    assert story.says("START", kind="restore").against() == []


def test_START_at_another_port_ends_nothing() -> None:
    story = Story().sent("甲店").after(1).says("TD").after(HOUR).says("START", OTHER, "yi", "restore").after(HOUR).sent("甲店")
    assert story.against() == ["甲店"]


def test_everything_ends_by_START_where_it_was_said_or_by_all_of_it_again() -> None:
    story = Story().sent("甲店").says("全部退订").after(HOUR).sent("乙店", OTHER, provider="yi")
    story.says("START", OTHER, "yi", "restore").sent("乙店", OTHER, provider="yi").says("全部恢复", OTHER, "yi").sent(
        "乙店", OTHER
    )
    assert story.against() == ["乙店", "乙店"]


def doubted(story: Story, text: str, person: int = MING) -> int:
    """A reply that the gate holds for a clerk; the number of its record."""
    body = pack(Doubtful(story.now, person, f"86{person}", PORT, "jia", text, NO_CONTEXT, ()))
    story.write(messages.DOUBTFUL, body)
    story.says(text, kind="review", person=person)
    return id_of(body)


def decided(story: Story, *ids: int, yes: bool = False, standing: bool = False, text: str = "退订我的") -> None:
    story.write(
        messages.DECISION,
        pack(DoubtDecision(story.now, "chen", "read", yes, standing, 5, text, NO_CONTEXT, PORT, ids)),
    )


@pytest.mark.parametrize(("yes", "found"), [(False, []), (True, ["甲店"])])
def test_a_clerks_no_ends_the_claim_of_that_reply_and_a_yes_does_not(yes: bool, found: list[str]) -> None:
    story = Story().sent("甲店").after(HOUR)
    number = doubted(story, "退订我的")
    decided(story.after(HOUR), number, yes=yes)
    assert story.sent("甲店").against() == found


def test_a_clerks_no_about_others_replies_ends_nothing() -> None:
    story = Story().sent("甲店").after(HOUR)
    doubted(story, "退订我的")
    decided(story, doubted(story, "退订我的", HONG))
    assert story.sent("甲店").against() == ["甲店"]


def test_a_standing_no_is_said_of_equal_words_until_it_ends() -> None:
    story = Story()
    decided(story, doubted(story, "退订我的", HONG), standing=True)
    assert story.sent("甲店").after(HOUR).says("退订 我的", kind="reply").sent("甲店").against() == []
    decided(story)
    assert story.says("退订我的", kind="review").sent("甲店").against() == ["甲店"]


def test_what_a_decision_does_to_a_record_ends_no_claim() -> None:
    held = OptOut("advertiser", f"{hash48('甲店'):012x}", int(NOON), "doubtful", 0)
    story = Story().sent("甲店").after(HOUR)
    decided(story, doubted(story, "退订我的"), yes=True)
    story.write(
        messages.SUPPRESSED,
        pack(operator_actions.Suppressed(story.now, MING, (held._replace(source="reply"),), (held,), "chen", "read")),
    )
    assert story.sent("甲店").against() == ["甲店"]


def test_an_officer_who_takes_a_refusal_back_ends_the_claim_on_it() -> None:
    back = OptOut("advertiser", f"{hash48('甲店'):012x}", int(NOON), "reply", 0)
    story = Story().sent("甲店").after(MINUTE).sent("乙店").says("TD").after(HOUR)
    story.write(messages.SUPPRESSED, pack(operator_actions.Suppressed(story.now, MING, (), (back,), "chen", "asked")))
    assert [sorted(one.names) for one in story.sent("甲店").found().standing] == []
    assert story.against() == []


def test_the_next_owner_of_a_number_refused_nothing() -> None:
    story = Story().sent("甲店").says("TD").after(DAY)
    story.write(messages.PERSON, pack(ConsentChange(story.now, MING, "recycled", "chen", "new owner", before=int(story.now))))
    assert story.sent("甲店").against() == []


def test_what_another_gate_says_of_a_reply_claims_too() -> None:
    story = Story()
    stopped = OptOut("advertiser", f"{hash48('甲店'):012x}", int(NOON), "reply", 0)
    told = pack(delivers.OptedOut(NOON, MING, stopped, PORT, "jia", "TD"))
    story.write(messages.HEARD, pack(ReplicatedRecord(NOON, (1, 1), 3, 9, messages.OPTOUT, told)))
    assert story.after(HOUR).sent("甲店", OTHER).sent("乙店", OTHER).against() == ["甲店"]


def test_what_a_refused_replacement_should_replace_was_sent_as_before() -> None:
    story = Story().sent("甲店").after(HOUR).sent("乙店", replaces=1, answer=None)
    story.write(
        messages.UNREPLACED,
        pack(
            requests.Unreplaced(
                story.now, MING, story.ids, 0, 0x13, Entry(1, int(NOON), hash48("甲店"), 1, 1, Category.MARKETING, 0, 0, 0, 0)
            )
        ),
    )
    assert story.after(HOUR).says("TD", PORT[:-1], owner="").meant() == {"甲店"}


def test_what_was_judged_after_a_start_of_its_turn_is_no_fault_though_the_journal_has_it_first() -> None:
    story = Story().sent("甲店").after(HOUR).says("TD").after(HOUR).sent("甲店")
    story.write(messages.RESTORED, pack(delivers.Restored(story.now, MING, PORT, "jia", "START", ())))
    assert story.says("START", kind="restore").against() == []


def test_a_word_that_only_a_message_of_the_same_turn_asked_for_claims_nothing() -> None:
    story = Story().sent("甲店", text="双11 拒收请回复QXDY").says("QXDY").after(HOUR).sent("甲店")
    assert (story.found().claims, story.against()) == ([], [])


def test_what_was_judged_before_a_start_is_a_fault() -> None:
    story = Story().sent("甲店").after(HOUR).says("TD").after(HOUR).sent("甲店").after(0.1)
    story.write(messages.RESTORED, pack(delivers.Restored(story.now, MING, PORT, "jia", "START", ())))
    assert story.says("START", kind="restore").against() == ["甲店"]


def test_a_clock_that_is_put_back_hides_no_fault() -> None:
    story = Story().sent("甲店").after(HOUR).says("TD").after(HOUR).sent("甲店").after(-HOUR / 2)
    story.write(messages.RESTORED, pack(delivers.Restored(story.now, MING, PORT, "jia", "START", ())))
    assert story.says("START", kind="restore").against() == ["甲店"]
    assert Story().sent("甲店").after(-HOUR).says("TD").after(HOUR).sent("甲店").against() == ["甲店"]


def test_what_has_no_name_is_known_by_its_port() -> None:
    story = Story().sent("").after(HOUR).says("TD").after(HOUR).sent("").sent("", OTHER).sent("甲店")
    assert [one.sent.port for one in story.found().against] == [PORT]


def test_what_others_said_and_got_is_theirs() -> None:
    story = Story().sent("甲店", person=HONG).says("TD", person=HONG).sent("甲店", person=HONG)
    assert (story.found().claims, story.against()) == ([], [])


def test_a_month_later_nothing_is_known_of_what_was_sent() -> None:
    assert Story().sent("甲店").after(31 * DAY).says("TD").found().claims == []


def test_the_parts_of_a_long_message_are_one_and_signed_by_its_first() -> None:
    story = Story()
    octets = "【甲店】双11券 拒收请回复R".encode("utf-16-be")
    for index, part in ((2, octets[7:]), (1, octets[:7])):  # a character is cut in two
        header = bytes((5, 0, 3, 7, 2, index))
        packed = Entry(1, int(NOON), hash48("甲店"), 1, 1, Category.MARKETING, 0, 0, 0, 0).pack()
        decided = SimpleNamespace(
            message=Message(Sender.of("jia", "jia", PORT, PORT), MING, Content("", "readable", bytes(16))),
            verdict=SimpleNamespace(
                facts=SimpleNamespace(category=Category.MARKETING), breaches=(), reason=None, outcome=Outcome.ALLOW
            ),
            packed=packed, reason="", status=0, adopts=0, takes=(), late=False,
            data=submit_sm(PORT, str(MING), header + part, data_coding=8, esm_class=0x40),
        )  # fmt: skip
        story.write(messages.VERDICT, messages.pack_verdict(NOON, cast("Any", decided), ""))
    assert story.after(HOUR).says("R").meant() == {"甲店"}


@pytest.mark.parametrize("port", ["8610690", "+8610690", "008610690", "10690", "+10690"])
def test_a_port_is_its_digits_without_the_country(port: str) -> None:
    assert digits_of(port) == "10690"
