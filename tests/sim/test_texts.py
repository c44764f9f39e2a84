"""Equal seeds give equal traffic, and the traffic is that of DESIGN §13."""

import random
from itertools import islice

import pytest

from proxy.model.message import Category
from proxy.model.number import recipient_of
from proxy.policy.registries.regions import Regions
from proxy.sim import encoded_submits, pdus, synthetic_recipients, texts
from proxy.wire import ContentCache, Frame, read_submit

SEEDS = (1, 106, 2026)


@pytest.mark.parametrize("mix", ["repeated", "standard"])
def test_a_seed_gives_the_same_texts_twice_and_another_seed_gives_others(mix):
    make = texts.MIXES[mix]
    assert make(1) == make(1)
    assert [one.text for one in make(1)] != [one.text for one in make(2)]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_repeated_mix_is_500_different_advertisements_word_for_word(seed):
    mix = texts.repeated(seed)
    assert len({one.text for one in mix}) == 500
    assert {one.category for one in mix} == {Category.MARKETING}
    assert not any(one.varied or texts.HOLE in one.text for one in mix)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_standard_mix_has_the_shares_that_were_agreed(seed):
    mix = texts.standard(seed)
    assert len({one.text for one in mix}) == 5_000
    assert sum(one.category == Category.OTP for one in mix) == 1_000
    assert sum(one.long for one in mix) == 500
    assert abs(sum(bool(one.varied) for one in mix) - 3_500) <= 50


@pytest.mark.parametrize("seed", SEEDS)
def test_a_filled_text_has_one_leading_signature_no_hole_left_and_the_declared_keyword(seed):
    rng = random.Random(seed)
    for one in texts.standard(seed):
        text = one.fill(rng)
        assert text.startswith("【")
        assert text.count("【") == text.count("】") == 1, text
        assert texts.HOLE not in text
        assert 2 <= len(one.signature) <= 16
        assert (len(text) > texts.SINGLE_LETTERS) == one.long, text
        assert (one.category == Category.MARKETING) == bool(one.keyword)
        assert not one.keyword or one.keyword in text.rsplit(" ", 1)[1]


def test_every_filling_of_a_hole_has_the_same_length():
    rng = random.Random(7)
    for fill in texts.FILLERS.values():
        assert len({len(fill(rng)) for _ in range(200)}) == 1


def test_a_long_text_in_parts_reads_as_it_was_and_no_letter_is_cut_in_two():
    text = "【测试】" + "长𠮷" * 90
    bodies = texts.parts(text, 77)
    assert all(len(body) <= 140 and body[:4] == bytes((5, 0, 3, 77)) for body in bodies)
    assert [tuple(body[4:6]) for body in bodies] == [(len(bodies), place) for place in range(1, len(bodies) + 1)]
    assert "".join(body[6:].decode("utf-16-be") for body in bodies) == text


def test_people_live_in_all_31_provinces_and_the_region_table_says_so_too():
    table = Regions.load(None)
    assert len(set(synthetic_recipients.PROVINCES)) == 31
    rng = random.Random(1)
    for province in synthetic_recipients.PROVINCES:
        number = synthetic_recipients.number_in(rng, province)
        assert table.of(number)[0] == province
        assert recipient_of(str(number)) == number
    assert table.of(synthetic_recipients.number_in(rng, "unknown"))[0] == "unknown"


def test_a_crowd_is_the_same_for_a_seed_and_holds_nobody_twice():
    crowd = synthetic_recipients.distinct_numbers(5_000, 3)
    assert crowd == synthetic_recipients.distinct_numbers(5_000, 3)
    assert len(set(crowd)) == 5_000
    assert crowd != synthetic_recipients.distinct_numbers(5_000, 4)


@pytest.mark.parametrize("mix", ["repeated", "standard"])
def test_every_card_of_a_deck_is_a_submit_that_the_gates_strict_reader_takes(mix):
    ports = encoded_submits.DeckPorts.under("10690001")
    memo = ContentCache()
    longs = 0
    for place, card in enumerate(islice(encoded_submits.deck(mix, ports), 3_000)):
        filling = card.fillings[place % encoded_submits.FILLINGS]
        data = card.header + bytes(4) + card.address + b"8613800138000\0" + card.before + filling + card.after
        submit = read_submit(Frame.of(data), memo, 0.0)
        assert submit.source in ports
        assert submit.content.state == "readable"
        assert submit.content.text
        longs += submit.content.part is not None
        assert card.fresh or (submit.content.part is not None and submit.content.part.index > 1)
    assert bool(longs) == (mix == "standard")


def test_a_deck_has_an_odd_number_of_cards_so_that_every_card_meets_every_filling():
    assert len(encoded_submits.deck("standard", encoded_submits.DeckPorts.under("10690001"))) % 2 == 1
    assert encoded_submits.FILLINGS & (encoded_submits.FILLINGS - 1) == 0


def test_what_the_simulators_build_and_what_the_gate_reads_agree():
    """Two encoders written apart: pdus (simulators) and wire (gate)."""
    data = pdus.submit_sm("10690001", "8613800138000", "【测试】你好".encode("utf-16-be"), registered=1)
    submit = read_submit(Frame.of(data), ContentCache(), 0.0)
    assert (submit.source, bytes(submit.destination), submit.content.text) == ("10690001", b"8613800138000", "【测试】你好")
    read = pdus.read(data)
    assert (read.source, read.destination, read.registered, read.text) == ("10690001", "8613800138000", 1, "【测试】你好")
    with pytest.raises(ValueError, match="254 octets"):
        pdus.tail(bytes(255))
