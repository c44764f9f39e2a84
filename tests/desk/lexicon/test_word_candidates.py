"""Words that advertising has and notices have not."""

from __future__ import annotations

from proxy.desk.lexicon.word_candidates import HITS_LEAST, PROTECTED, SENDERS, SeenText, proposals

SHOPS = ("甲店", "乙店", "丙店", "丁店", "戊店")
NUMBERS = [one + other for one in "一二三四五六七八九十" for other in "甲乙丙丁戊己庚辛壬癸"]
NOTICES = [SeenText(f"【物业】{place}栋今晚停水，请提前储水", "物业", False, 0, False) for place in NUMBERS]


def adverts(word: str, shops: tuple[str, ...] = SHOPS, score: int = 3) -> list[SeenText]:
    texts = (f"【{shop}】{'赤橙黄绿青'[place]}{word}{'东南西北中'[place]}门" for place, shop in enumerate(shops))
    return [SeenText(text, shop, True, score, False) for text, shop in zip(texts, shops, strict=True)]


def words(texts: list[SeenText], known: dict[str, int] | None = None) -> list[str]:
    return [one.word for one in proposals(texts, known or {}, 10)]


def test_a_word_of_many_advertisers_and_no_notice_is_proposed_whole_with_its_hits() -> None:
    (found,) = proposals([*adverts("买房补家电"), *NOTICES], {}, 10)
    assert (found.word, found.hits, found.false_hits, found.senders) == ("买房补家电", 5, 0, 5)
    assert (found.new, found.turned) == (5, 0), "three points and its weight are enough"
    assert "买房补家电" in found.example


def test_a_word_of_few_senders_is_none_it_may_be_their_name() -> None:
    few = SHOPS[: SENDERS - 1]
    assert words([*adverts("买房补家电", few * 2), *NOTICES]) == []
    assert words([*adverts("买房补家电", SHOPS[:HITS_LEAST]), *NOTICES]) == ["买房补家电"]


def test_a_word_that_notices_have_as_often_is_none() -> None:
    notices = [SeenText(f"【物业】{place}栋买房补家电", "物业", False, 0, False) for place in NUMBERS]
    assert words([*adverts("买房补家电"), *notices]) == []


def test_known_and_rejected_words_are_not_proposed_again() -> None:
    texts = [*adverts("买房补家电"), *NOTICES]
    assert "买房补家电" not in words(texts, {"买房补家电": 0})


def test_a_word_around_a_known_one_makes_up_for_it_and_never_hides_evidence_of_a_notice() -> None:
    texts = [*adverts("买房补家电"), *NOTICES]
    (found,) = proposals(texts, {"家电": 2}, 10)
    (without,) = proposals(texts, {}, 10)
    assert (found.word, found.weight) == ("买房补家电", without.weight + 2)
    assert all("补家电" not in word for word in words(texts, {"家电": PROTECTED}))


def test_what_counts_as_marketing_already_gains_nothing() -> None:
    surely = [one._replace(surely=True, score=9) for one in adverts("买房补家电")]
    assert words([*surely, *NOTICES]) == []


def test_names_in_brackets_and_links_are_no_words() -> None:
    texts = [
        SeenText(f"【买房补家电】{place}门 t.cn/abcdef", shop, True, 3, False)
        for place, shop in zip("东南西北中", SHOPS, strict=True)
    ]
    assert words([*texts, *NOTICES]) == []


def test_no_more_words_than_asked_for() -> None:
    texts = [*adverts("买房补家电"), *adverts("学车包接送"), *NOTICES]
    assert len(proposals(texts, {}, 1)) == 1
