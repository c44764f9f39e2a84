"""Records of doubtful replies and decisions are read back as packed.

No reply has two numbers.
"""

from __future__ import annotations

import struct

import pytest

from proxy.journal.encoding import pack, unpack
from proxy.journal.records.doubtful_replies import (
    NO_CONTEXT,
    TEXT_CHARACTERS_MAX,
    DoubtDecision,
    Doubtful,
    ReplyContext,
    id_of,
    replies_of,
    without_words,
)
from proxy.model.recipient import OptOut

NOON = 1_762_833_600.0
HELD = OptOut("advertiser", "0000696592fe", int(NOON), "doubtful", 0)
REPLY = Doubtful(
    NOON,
    13800210500,
    "+8613800210500",
    "1069000101",
    "p1",
    "这是退订吗",
    ReplyContext(2, 0x696592FE, 7),
    (HELD,),
    "【示例】双11券 拒收请回复R",
)
DECISION = DoubtDecision(
    NOON + 60, "li", "asks how to stop", True, True, 0xABCDEF, "这是退订吗", REPLY.context, "1069000101", (1, 2**62)
)


def test_a_doubtful_reply_comes_back_as_it_was_packed() -> None:
    assert unpack(Doubtful, pack(REPLY)) == REPLY


def test_a_reply_that_nobody_can_read_and_that_answers_nothing_holds_nothing() -> None:
    empty = REPLY._replace(text="", provider="", context=NO_CONTEXT, held=())
    assert unpack(Doubtful, pack(empty)) == empty
    assert not empty.context.known


def test_a_person_stands_where_erasing_and_the_trace_look_for_them() -> None:
    assert pack(REPLY)[8:16] == (13800210500).to_bytes(8, "big")


def test_a_decision_comes_back_as_it_was_packed() -> None:
    assert unpack(DoubtDecision, pack(DECISION)) == DECISION


def test_a_reply_has_the_same_number_at_every_gate_and_another_reply_another_one() -> None:
    assert id_of(pack(REPLY)) == id_of(pack(unpack(Doubtful, pack(REPLY))))
    assert id_of(pack(REPLY)) != id_of(pack(REPLY._replace(time=NOON + 0.001)))
    assert 0 < id_of(pack(REPLY)) < 2**63


def test_a_story_of_a_reply_is_cut() -> None:
    assert len(unpack(Doubtful, pack(REPLY._replace(text="退订" * 5000))).text) == TEXT_CHARACTERS_MAX


@pytest.mark.parametrize("cut", [0, 1, 20, 40, -1])
def test_half_a_record_is_an_error(cut: int) -> None:
    for one in (REPLY, DECISION):
        with pytest.raises((ValueError, struct.error)):
            unpack(type(one), pack(one)[:cut])


def test_a_person_s_words_go_from_a_decision_unless_somebody_else_wrote_them_too() -> None:
    hers, his = pack(REPLY), pack(REPLY._replace(recipient=13800210501))
    replies = {id_of(hers): hers, id_of(his): his}
    decisions = {
        1: pack(DECISION._replace(ids=tuple(replies))),
        2: pack(DECISION._replace(ids=(id_of(hers),))),
    }
    gone = replies_of(replies, REPLY.recipient)
    assert gone == {id_of(hers)}
    left = without_words(decisions, replies, gone)
    assert left.keys() == {2}
    assert unpack(DoubtDecision, left[2]) == DECISION._replace(ids=(id_of(hers),), words="")
