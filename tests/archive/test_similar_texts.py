"""Who else got a text, over tables and unrolled records."""

from __future__ import annotations

from proxy.archive.complaint_matching import ComplaintQuery, match
from proxy.archive.coverage import LocalJournal
from proxy.archive.query import Query
from proxy.archive.search import find
from proxy.archive.similar_texts import SweepResult, sweep
from proxy.desk.complaints.book import digits_agree
from proxy.wire import submit_sm, tlv
from proxy.wire.tables import ESM_UDHI, MESSAGE_PAYLOAD
from tests.archive.journals import Shelf, nights, synced
from tests.harness import SHANGHAI, Harness

TEXT = "【甲店】第5号上新 拒收请回复R"


def swept(
    harness: Harness, shelf: Shelf, text: str = TEXT, signature: str = "甲店", persons: bool = False, begins: bool = False
) -> SweepResult:
    return sweep(
        shelf.folder,
        [LocalJournal(harness.disk, 0)],
        shelf.keys,
        text=text,
        signature=signature,
        port="",
        since=harness.now - 40 * 3600.0,
        until=harness.now + 60,
        persons=persons,
        begins=begins,
    )


def test_all_of_a_campaign_is_counted_by_who_sent_it_also_what_is_in_no_table_yet(harness: Harness, shelf: Shelf) -> None:
    nights(harness)
    before = swept(harness, shelf).campaign
    assert sum(one.passed for one in before) > 0
    shelf.roll(harness.disk, harness.now)
    assert swept(harness, shelf).campaign == before, "rolled or not"
    harness.submit("yi", SHANGHAI + 9, TEXT.replace("5", "77"))
    harness.submit("yi", SHANGHAI + 10, "【甲店】快递到了, 请取件")
    synced(harness)
    (mine,) = (one for one in swept(harness, shelf).campaign if one.provider == "yi")
    assert (mine.passed, mine.persons, mine.signature) == (1, 1, "甲店"), "the parcel is another text"


def test_the_very_same_text_is_found_under_whatever_name_it_was_sent(harness: Harness, shelf: Shelf) -> None:
    harness.submit("yi", SHANGHAI + 9, TEXT)
    harness.submit("yi", SHANGHAI + 10, TEXT.replace("甲店", "乙店"))
    synced(harness)
    assert [one.passed for one in swept(harness, shelf, signature="").campaign] == [1]


PARTS = (
    "【甲店】双十一全场五折, 会员再享九折优惠, 满三百减四十, 仅限今天, 店内所有商品均参加活动, 详情请到门店咨询, 本活动最终解释",
    "权归本店所有, 祝您购物愉快, 生活美满, 如有问题请致电客服热线, 拒收请回复R",
)


def submit_in_parts(harness: Harness, person: int, reference: int) -> None:
    for index, text in enumerate(PARTS, 1):
        data = bytes((5, 0, 3, reference, 2, index)) + text.encode("utf-16-be")
        harness.sends("jia", submit_sm("1069001", str(person), data, data_coding=8, esm_class=ESM_UDHI, sequence=index))


def test_a_long_message_is_counted_once_by_its_first_part_whichever_of_its_texts_is_known(
    harness: Harness, shelf: Shelf
) -> None:
    for number in range(3):
        submit_in_parts(harness, SHANGHAI + number, 70 + number)
    whole = submit_sm("1069002", str(SHANGHAI + 9), b"", data_coding=8) + tlv(
        MESSAGE_PAYLOAD, "".join(PARTS).encode("utf-16-be")
    )
    harness.sends("yi", len(whole).to_bytes(4, "big") + whole[4:])
    synced(harness)
    question = Query(to=SHANGHAI).checked()
    (hit,) = find(shelf.folder, [LocalJournal(harness.disk, 0)], shelf.keys, question, harness.now + 1).hits
    assert (hit.text, hit.first_text) == ("".join(PARTS), PARTS[0])
    for text, begins in ((hit.first_text, True), (hit.text, False)):
        found = swept(harness, shelf, text=text, begins=begins).campaign
        assert [(one.provider, one.passed, one.persons) for one in found] == [("jia", 3, 3), ("yi", 1, 1)]


def test_a_short_first_part_makes_no_campaign_of_all_that_begin_so(harness: Harness, shelf: Shelf) -> None:
    for number, text in enumerate(("【甲店】您好, ", "双十一全场五折, 会员再享九折优惠 拒收请回复R"), 1):
        data = bytes((5, 0, 3, 9, 2, number)) + text.encode("utf-16-be")
        harness.sends("jia", submit_sm("1069001", str(SHANGHAI), data, data_coding=8, esm_class=ESM_UDHI, sequence=number))
    harness.submit("yi", SHANGHAI + 9, "【甲店】您好, 快递到了, 请取件")
    synced(harness)
    assert [one.provider for one in swept(harness, shelf, text="【甲店】您好, ", begins=True).campaign] == ["jia"]


def test_a_complaint_about_words_over_the_seam_of_two_parts_finds_the_message(harness: Harness, shelf: Shelf) -> None:
    submit_in_parts(harness, SHANGHAI, 70)
    synced(harness)
    hidden = f"{str(SHANGHAI)[:3]}****{str(SHANGHAI)[7:]}"
    wanted = ComplaintQuery(0, hidden, 0.0, "", "本活动最终解释权归本店所有", harness.now + 60)
    found = match(
        wanted,
        lambda question: find(shelf.folder, [LocalJournal(harness.disk, 0)], shelf.keys, question, harness.now + 1),
        lambda hit: shelf.keys.unseal(hit.sealed),
        digits_agree,
    )
    assert [one.hit.text for one in found.candidates] == ["".join(PARTS)]


def test_whole_numbers_are_only_there_where_they_were_asked_for(harness: Harness, shelf: Shelf) -> None:
    harness.submit("yi", SHANGHAI + 9, TEXT)
    synced(harness)
    assert swept(harness, shelf).sealed == []
    ((sealed, provider, port, _),) = swept(harness, shelf, persons=True).sealed
    assert (shelf.keys.unseal(sealed), provider, port) == (SHANGHAI + 9, "yi", "1069002")
    assert str(SHANGHAI + 9) not in repr(swept(harness, shelf, persons=True))


def test_nothing_is_an_answer(harness: Harness, shelf: Shelf) -> None:
    found = swept(harness, shelf)
    assert (found.campaign, found.truncated) == ([], False)
