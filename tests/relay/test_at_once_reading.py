"""The texts of a turn are read together, each as if it were read alone."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, cast

import pytest

from proxy.policy.text.text_analysis import TextAnalysis
from proxy.policy.text_reader import Reader
from proxy.wire import Frame, submit_sm
from tests.examples import COMPARED
from tests.harness import BEIJING, RULES, SHANGHAI, Harness
from tests.native.test_compiled_text import ASKED, REGISTERED, told
from tests.needs import needs
from tests.relay.test_at_once import mixed_alike, submit, without

SHOPS = [f"【{one}店】" for one in "甲乙丙丁"] + ["【甲店】【乙店】", ""]
BODIES = [
    "满300减40，{digits}元券 拒收请回复R", "您的验证码是{digits}", "详询{phone}，会员{digits}", "点s.example/{digits}领取", "{phone}免费，{phone}优惠券",
    "双11优惠券{digits}", "𠮷祥{digits}元", "免费" * 150 + "{digits}", "", "今晚截止", "Happy {digits}", "满300{name}，优惠券", "{name}您好，详询{phone}",
]  # fmt: skip
PHONES = ["13800138000", "4006000106", "95588", "00000000000", "12345678901", "0571-88886666"]
NAMES = ["王思远", "李嘉文", "赵晓"]


def drawn(draw: random.Random) -> str:
    digits = str(draw.choice((300, 301, 482913, draw.randrange(10, 10**6))))
    said = draw.choice(BODIES).replace("{digits}", digits).replace("{name}", draw.choice(NAMES))
    while "{phone}" in said:
        said = said.replace("{phone}", draw.choice(PHONES), 1)
    return draw.choice(SHOPS) + said


def sent(number: int, person: int, text: str) -> list[Frame]:
    if len(text.encode("utf-16-be")) <= 254:
        return [submit(number, person, text)]
    pieces = [text[at : at + 60] for at in range(0, len(text), 60)]
    return [submit(number + place, person, piece, (place + 1, len(pieces))) for place, piece in enumerate(pieces)]


def reader_of(harness: Harness) -> Reader:
    return harness.relay.admission.rules.reader


WITHOUT_DIGITS = ASKED.replace(ASKED.splitlines(keepends=True)[1], "")
"""Where no rule asks for digits a text with others is known by its mask, but for its telephone numbers."""


@needs("gcc")
@pytest.mark.parametrize("rules", [ASKED, WITHOUT_DIGITS], ids=["digits matter", "masks"])
@pytest.mark.parametrize("seed", range(3))
def test_each_text_of_a_turn_is_read_as_if_it_were_read_alone(tmp_path: Path, seed: int, rules: str) -> None:
    draw, asked = random.Random(seed), tmp_path / "rules"
    (asked / "registries").mkdir(parents=True)
    for name, rows in REGISTERED.items():
        (asked / "registries" / f"{name}.csv").write_text(rows, encoding="utf-8")
    harness = Harness(tmp_path, rules=rules)
    jia, seen = cast("Any", harness.binds["jia"]), 0
    jia.window = 10_000
    for turn in range(12):
        frames = [frame for place in range(70) for frame in sent(10 * place, SHANGHAI + 100 * turn + place, drawn(draw))]
        harness.relay.submit_all(jia, frames, harness.now, harness.now)
        submits = list(harness.relay.batching.submits)
        harness.turn()
        reader = reader_of(harness)
        for pending in submits:
            content = cast("Any", pending.message).content
            assert content.read_by is reader.mark
            wanted, traits = told(reader, content), content.reading.traits
            assert (content.reading.template, *(getattr(traits, one) for one in traits.__slots__)) == (wanted[0], *wanted[2:])
            seen += 1
    assert seen > 800


@needs("gcc")
def test_a_text_that_cannot_be_read_keeps_nobody_from_reading_those_beside_it(tmp_path: Path) -> None:
    """All of a turn are read before the first is judged; of the one with a fault whoever judges it tells."""
    harness, order = Harness(tmp_path), []
    jia, reader = cast("Any", harness.binds["jia"]), reader_of(harness)

    def notes(page: TextAnalysis) -> bool:
        order.append(page.text[1])
        if page.text[1] == "丙":
            raise RuntimeError("no")
        return False

    reader._asked.append((0, notes))
    shops = "甲乙丙丁戊己庚辛壬癸"
    frames = [submit(place, SHANGHAI + place, f"【{one}店】验证码{place}") for place, one in enumerate(shops, 1)]
    harness.relay.submit_all(jia, frames, harness.now, harness.now)
    submits = list(harness.relay.batching.submits)
    harness.turn()
    assert ("".join(order[:10]), set(order[10:])) == (shops, {"丙"})
    assert [one.lane is not None for one in submits] == [one != "丙" for one in shops]
    assert harness.tally.judge_errors == {(): 1}


class Look:
    """What comes for a person beside submits, and looks at the texts that are kept for whom somebody refuses."""

    def __init__(self, recipient: int, reader: Reader, seen: list[Any]) -> None:
        self.recipient, self._reader, self._seen = recipient, reader, seen

    def apply(self, data: bytes, now: float) -> bytes:
        self._seen.append(kept(self._reader))
        return data

    def written(self, now: float) -> None:
        return None

    def done(self, recorded: int) -> None:
        return None

    def unwritten(self) -> bool:
        return False


def kept(reader: Reader) -> dict[int, str]:
    assert reader.texts is not None
    return {**reader.texts.old, **reader.texts.young}


RENAMED = RULES + (
    "  - {id: renamed, when: {category: marketing, suppressed: {scope: advertiser, match: [phone, text]}},"
    " then: reject, reason: renamed-sender}\n"
)
ALIKE = "【青禾】双11优惠券满300减40，详询{phone} 拒收请回复R"


def seen_of_texts(folder: Path, seed: int, *, changes: bool) -> list[Any]:
    """What is kept whenever somebody may ask, of advertisements that are one text but for their telephone number, in turns in which persons
    come twice, are refused again, have a message for later, or have something else come for them."""
    draw, harness, seen = random.Random(seed), mixed_alike(folder, RENAMED), list[Any]()
    jia, reader, number = cast("Any", harness.binds["jia"]), reader_of(harness), 0
    jia.window = 10_000
    for _ in range(12):
        frames = []
        for _ in range(draw.randint(4, 24)):
            number += 1
            person = draw.choice((SHANGHAI, SHANGHAI, BEIJING, 19_912_340_000)) + draw.randrange(6)
            text = draw.choice((ALIKE, ALIKE, ALIKE + "，会员专享")).format(phone=13_800_000_000 + draw.randrange(50))
            later = draw.random() < 0.1
            frames.append(submit(number, person, text) if not later else scheduled(number, person, text))
        harness.relay.submit_all(jia, frames, harness.now, harness.now)
        if changes:
            harness.relay.batching.changes += [
                Look(SHANGHAI + draw.randrange(8), reader, seen) for _ in range(draw.randint(0, 3))
            ]
        harness.turn()
        seen.append(kept(reader))
        harness.now += 1.0
    return seen


def scheduled(number: int, person: int, text: str) -> Frame:
    return Frame.of(
        submit_sm(
            "1069001", str(person), text.encode("utf-16-be"), data_coding=8, sequence=number,
            schedule="000001000000000R",
        )
    )  # fmt: skip


@needs("gcc")
@pytest.mark.parametrize("changes", [False, True], ids=["at once", "in chains"])
def test_of_texts_that_look_alike_the_one_is_kept_that_is_judged_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: bool
) -> None:
    """Whoever refuses an advertiser is known by what it said: by the text they got, and not by one that was read beforehand."""
    one = [seen_of_texts(tmp_path / f"one-{seed}", seed, changes=changes) for seed in range(COMPARED)]
    without(monkeypatch)
    assert [seen_of_texts(tmp_path / f"other-{seed}", seed, changes=changes) for seed in range(COMPARED)] == one
    assert len({tuple(texts.values()) for seen in one for texts in seen}) > 100
