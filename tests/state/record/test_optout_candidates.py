"""The messages that a reply may refer to, by case and against a model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Category, hash16, hash32, hash48
from proxy.model.recipient import Entry, EntryState
from proxy.state.record.optout_candidates import Port, find_candidates, likely_candidates

NOW = 1_762_833_600
DAY = 86_400
BASE = "1069001"
ACCEPTED, UNKNOWN, SENT_TWICE = EntryState.ACCEPTED, EntryState.UNKNOWN, EntryState.SENT_TWICE


def entry(
    ago_s: int,
    shop: str,
    port: str = BASE,
    *,
    word: str = "R",
    category: Category = Category.MARKETING,
    state: EntryState = ACCEPTED,
    owner: str = "jia",
) -> Entry:
    keyword = hash16(word) if word else 0
    return Entry(ago_s, NOW - ago_s, hash48(shop), hash32(owner), hash32(port), category, 0, 0, keyword, state)


def named(*sent: Entry, port: str = BASE, owner: str = "jia", word: str = "", ports: tuple[str, ...] = ()) -> set[str]:
    """Shops that a reply may have meant; ``ports``: known beside the one replied to."""
    known = {hash32(one): one for one in (*ports, port)}
    found = find_candidates(
        sorted(sent, key=lambda one: one.time), Port(port, owner, frozenset({hash32(owner)})), known.get, NOW
    )
    picked = likely_candidates(found, hash16(word) if word else 0, NOW)
    return {shop for shop in "甲乙丙丁" for one in picked if one.signature == hash48(shop)}


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        ([entry(9999, "甲")], "甲"),
        ([entry(9999, "甲"), entry(3000, "乙")], "乙"),
        ([entry(3601, "甲"), entry(3000, "乙")], "乙"),
        ([entry(3600, "甲"), entry(3000, "乙")], "甲乙"),
        ([entry(3000, "甲"), entry(3000, "乙")], "甲乙"),
        ([entry(5000, "丙"), entry(4000, "甲"), entry(119, "乙")], "甲乙"),
        ([entry(4000, "甲"), entry(120, "乙")], "乙"),
        ([entry(DAY, "甲", state=UNKNOWN), entry(3000, "乙")], "甲乙"),
        ([entry(DAY, "甲"), entry(3000, "乙", state=UNKNOWN)], "甲乙"),
        ([entry(DAY, "甲", state=SENT_TWICE), entry(3000, "乙")], "甲乙"),
        ([entry(DAY, "甲"), entry(3000, "乙", state=SENT_TWICE)], "甲乙"),
        ([entry(DAY + 600, "丙"), entry(DAY, "甲"), entry(3000, "乙", state=UNKNOWN)], "甲乙丙"),
        ([entry(9999, "甲"), entry(3000, "乙", category=Category.NOTICE, word="")], "甲"),
        ([entry(9999, "甲"), entry(3000, "乙", category=Category.NOTICE)], "乙"),
        ([entry(9999, "甲"), entry(3000, "乙", category=Category.OTP, word="")], "甲"),
        ([entry(30 * DAY, "甲")], "甲"),
        ([entry(30 * DAY + 1, "甲")], ""),
    ],
)
def test_on_the_port_replied_to(sent: list[Entry], wanted: str) -> None:
    assert named(*sent) == {*wanted}


def test_a_word_that_few_declare_names_one_of_them_and_another_names_nobody() -> None:
    sent = entry(9000, "甲", word="CKTD"), entry(100, "乙")
    assert named(*sent, word="CKTD") == {"甲"}
    assert named(*sent, word="QXDY") == {"甲", "乙"}


def test_a_word_names_who_declared_it_before_where_no_newest_message_does() -> None:
    """As of a long message of which only a part came."""
    sent = entry(900, "甲", word="QXDY"), entry(800, "甲", word=""), entry(100, "乙")
    assert named(*sent, word="QXDY") == {"甲"}
    assert named(*sent, entry(90, "丙", word="QXDY"), word="QXDY") == {"丙"}
    assert named(*sent) == {"甲", "乙"}


@pytest.mark.parametrize("known", [True, False])
def test_a_port_without_candidates_means_ports_that_begin_with_it_or_it_with_them(known: bool) -> None:
    longer, other, shorter = BASE + "88", BASE + "99", BASE[:6]
    sent = entry(9000, "甲", longer), entry(8000, "乙", other), entry(7 * DAY + 1, "丙", longer)
    assert named(*sent, port=longer[:-1], ports=(longer, other)) == {"甲"}
    assert named(*sent, port=longer + "01", ports=(longer, other) if known else ()) >= {"甲"}
    assert named(entry(9000, "甲", shorter), entry(1, "乙", BASE + "1"), port=BASE + "2", ports=(shorter, BASE + "1")) == {"甲"}


def test_without_such_ports_all_of_the_owner_are_meant_and_nobody_where_nobody_owns_it() -> None:
    sent = entry(9000, "甲", BASE + "88"), entry(8000, "乙", BASE + "99"), entry(1, "丙", "1069002", owner="yi")
    ports = BASE + "88", BASE + "99", "1069002"
    assert named(*sent, port=BASE + "77", ports=ports) == {"甲", "乙"}
    assert named(*sent, port="10086", owner="", ports=ports) == set()


def test_a_port_whose_digits_are_forgotten_is_taken_for_a_longer_one_of_who_may_own_such() -> None:
    sent = entry(9000, "甲", BASE + "8801"), entry(8000, "乙", "106900299", owner="yi")
    assert named(*sent, port=BASE + "88") == {"甲"}


def test_where_only_a_port_of_unknown_digits_may_be_related_all_of_the_owner_are_meant_too() -> None:
    sent = entry(9000, "甲", BASE + "88"), entry(8000, "乙", "1069005"), entry(1, "丙", "1069002", owner="yi")
    assert named(*sent, port=BASE + "6", ports=(BASE + "88", "1069002")) == {"甲", "乙"}
    assert named(*sent, port=BASE + "8", ports=(BASE + "88", "1069002")) == {"甲", "乙"}
    assert named(*sent, port=BASE + "8", ports=(BASE + "88", "1069005", "1069002")) == {"甲"}


@given(
    st.lists(
        st.tuples(st.integers(0, 9000), st.sampled_from("甲乙丙"), st.sampled_from([ACCEPTED, UNKNOWN]), st.booleans()),
        max_size=6,
    )
)
def test_the_newest_is_always_meant_and_so_is_all_that_is_meant_with_less_known(
    some: list[tuple[int, str, EntryState, bool]],
) -> None:
    sent = [entry(ago, shop, state=state, word="R" if is_candidate else "") for ago, shop, state, is_candidate in some]
    found = named(*sent)
    assert bool(found) == bool(sent)
    if sent:
        newest = min(sent, key=lambda one: one.id)
        assert {shop for shop in "甲乙丙" if hash48(shop) == newest.signature} <= found or len(
            {one.time for one in sent}
        ) < len(sent)
    assert found <= named(*(one._replace(state=UNKNOWN) for one in sent))
