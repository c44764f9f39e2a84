"""Consents by reply are stored with their proof, bounded, and erased with the recipient."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.model.recipient import OptOut
from proxy.state.record import record
from proxy.state.record.consent_facts import CONSENT_GIVEN_MAX, REPLY_BYTES_MAX, ConsentGiven, give_consent
from proxy.state.record.merging import newest_of, with_facts
from proxy.state.record.record import EMPTY

NOW = 1_800_000_000
ONE = ConsentGiven(NOW, NOW - 60, 4711, 2**48 - 1, 7, "1069001", "Y")

consents = st.builds(
    ConsentGiven,
    st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(1, 2**48 - 1), st.integers(0, 2**48 - 1), st.integers(1, 2**48 - 1),
    st.from_regex(r"[0-9]{0,20}", fullmatch=True), st.text(max_size=20).filter(lambda text: "\0" not in text),
)  # fmt: skip


@given(st.lists(consents, max_size=CONSENT_GIVEN_MAX, unique_by=lambda one: one.request))
def test_what_is_given_reads_back_oldest_first_beside_refusals(given: list[ConsentGiven]) -> None:
    refusal = OptOut("category", "marketing", NOW, "reply", 0)
    data = record.opt_out(EMPTY, refusal)
    for one in given:
        data = give_consent(data, one)
    assert record.consents_given(data) == sorted(given)
    assert record.opt_outs(data) == [refusal]


def test_a_second_reply_to_the_same_request_changes_nothing() -> None:
    data = give_consent(EMPTY, ONE)
    assert give_consent(data, ONE._replace(time=NOW + 9, text="y")) is data


def test_of_more_than_a_record_has_room_for_the_oldest_go() -> None:
    data = EMPTY
    for number in range(CONSENT_GIVEN_MAX + 3):
        data = give_consent(data, ONE._replace(request=number + 1, time=NOW + number))
    assert [one.request for one in record.consents_given(data)] == list(range(4, CONSENT_GIVEN_MAX + 4))


def test_a_text_of_any_length_fits() -> None:
    (one,) = record.consents_given(give_consent(EMPTY, ONE._replace(text="同意" * 200)))
    assert one.text.startswith("同意同意")
    assert len(f"{one.port}\0{one.text}".encode()) <= REPLY_BYTES_MAX


def test_it_goes_with_the_person_and_with_their_number() -> None:
    data = give_consent(EMPTY, ONE)
    assert record.only_entries(data) == EMPTY
    assert record.without_past(data, NOW + 1) == EMPTY
    assert record.without_past(data, NOW) == data


def test_a_node_puts_back_what_the_shared_store_lost() -> None:
    mine = give_consent(EMPTY, ONE)
    assert record.consents_given(with_facts(EMPTY, mine, NOW)) == [ONE]
    assert with_facts(mine, mine, 0) is mine
    assert with_facts(EMPTY, mine, NOW + 1) is EMPTY
    assert newest_of(mine, 1) == NOW
