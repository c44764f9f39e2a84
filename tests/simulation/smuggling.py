"""Smuggling: how senders look for a way around the rules, and what honest ones send beside them.

In: a dice. Out: PDUs, each with what it is an attempt at, handed in when it is due. Never: whether one gets through (passage.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from proxy.wire import submit_sm
from tests.simulation.handsets import shows

if TYPE_CHECKING:
    from tests.simulation.passage import Passage

SHANGHAI = [13800210000 + n for n in range(8)]
BEIJING = range(13800100000, 13800110000)
UDH8, UDH16, SAR = WAYS = ("UDH of 8 bits", "UDH of 16 bits", "sar")
DELAYS_S = (0.0, 0.0, 0.1, 1.0, 5.0, 65.0, 130.0, 700.0, 4000.0, 40_000.0)
HONEST_SHORT = ("honest: a notice", "honest: a code")
HONEST = (*HONEST_SHORT, "honest: a long notice")
"""Parts of a long message may be refused where others of it are lost with a gate that dies, or on their way."""
UNKNOWN = 19900000001
WORDS = ("代开发票", "六合彩", "枪支弹药", "办证刻章")
"""Of the shipped list."""
AD = "【青禾商城】全场五折，满300减40，领券进店 拒收请回复R"
SOFT = "装修建材团购会本周六举行，欢迎参加"
ADS = ("全场五折，满300减40，领券进店", SOFT)
"""What both say where they are whole."""
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u05d0"
"""Controls, marks, and a letter that is written from the right."""
UYGHUR = "ھۆرمەتلىك يولۇچى، 3-لىنىيە ئەتە سائەت 6:00 دە باشلىنىدۇ"


class Account(NamedTuple):
    category: str
    ports: tuple[str, ...]


ACCOUNTS = {
    "jia": Account("marketing", ("1069001",)),
    "yi": Account("notice", ("1069002",)),
    "bing": Account("otp", ("1069003",)),
    "ding": Account("otp", ("1069004",)),
}


@dataclass(eq=False)
class Sent:
    """One PDU of a provider, and what became of it."""

    provider: str
    frame: bytes
    what: str
    """What it is an attempt at; HONEST may not be refused."""
    never: str = ""
    """Why it may not leave at all."""
    tries: int = 0
    """How often it is sent again when it is put off, or nobody knows."""
    unanswered: bool = False
    """Whether the carrier delivers it and never answers."""
    number: int = 0
    told: int | None = None
    refused: bool = False
    """Whether the carrier refused it."""
    left: list[float] = field(default_factory=list)


class Form(NamedTuple):
    """Octets of a text as somebody sends them."""

    octets: bytes
    coding: int = 8
    header: bytes = b""


class Smugglers:
    words = WORDS

    def __init__(self, world: Passage, schemes: tuple[Scheme, ...]) -> None:
        self.world, self.schemes = world, schemes
        self.dice = random.Random(f"smuggling {world.seed}")
        self.numbers = count(1)

    def begin(self) -> None:
        """What this world's senders try."""
        for _ in range(self.dice.randint(6, 14)):
            do = self.dice.choice(self.schemes)
            self.world.later(self.dice.uniform(0, 60), partial(do, self), forever=True)

    # ------------------------------------------------------------------ one message

    def send(
        self, account: str, person: int, form: Form, what: str, *, never: str = "", tries: int = 0, unanswered: bool = False,
        after_s: float = 0.0, extension: str = "", **fields: Any,
    ) -> None:  # fmt: skip
        frame = submit_sm(
            ACCOUNTS[account].ports[0] + extension, str(person), form.header + form.octets, data_coding=form.coding,
            esm_class=fields.pop("esm_class", 0x40 if form.header else 0), **fields,
        )  # fmt: skip
        sent = Sent(account, frame, what, never, tries, unanswered)
        self.world.later(after_s, partial(self.world.hand_in, sent), forever=True)

    def somebody(self) -> int:
        return self.dice.choice(SHANGHAI)

    def forbidden(self) -> tuple[str, int, str]:
        """Account, person and text of what no rule lets pass: a word for anybody, or an advertisement for Beijing."""
        account = self.dice.choice(list(ACCOUNTS))
        if self.dice.random() < 0.4:
            return account, self.dice.choice(BEIJING[:3]), AD
        return account, self.somebody(), f"【快递】您的包裹{next(self.numbers)}已到，{self.dice.choice(WORDS)}请到前台"

    # ------------------------------------------------------------------ long messages

    def part(self, form: Form, way: str, reference: int, total: int, index: int) -> tuple[Form, list[tuple[int, bytes]]]:
        """One part with its header, or its parameters."""
        if way == SAR:
            tlvs = [(0x020C, reference.to_bytes(2, "big")), (0x020E, bytes((total,))), (0x020F, bytes((index,)))]
            return form, tlvs
        short = way == UDH8
        header = (
            bytes((5, 0, 3, reference & 255, total, index))
            if short
            else bytes((6, 8, 4, *divmod(reference, 256), total, index))
        )
        return form._replace(header=header), []

    def pieces(self, text: str, total: int, word: str = "") -> list[str]:
        """Cut so that none holds this word whole, where there is one."""
        inside = text.find(word) if word else -1
        while True:
            cuts = [0, *sorted(self.dice.sample(range(1, len(text)), total - 1)), len(text)]
            if inside < 0 or any(inside < cut < inside + len(word) for cut in cuts):
                return [text[a:b] for a, b in pairwise(cuts)]

    def send_part(
        self, account: str, person: int, text: str, way: str, reference: int, total: int, index: int, what: str, after_s: float,
        tries: int = 0,
    ) -> None:  # fmt: skip
        form = Form(text.encode("utf-16-be"))
        self.send_form(account, person, form, (way, reference, total, index), what, after_s, tries)

    def send_form(
        self, account: str, person: int, form: Form, place: tuple[str, int, int, int], what: str, after_s: float, tries: int = 0
    ) -> None:
        form, tlvs = self.part(form, *place)
        octets, payload = form.header + form.octets, []
        if self.dice.random() < 0.1:
            octets, payload = b"", [(0x0424, octets)]
        frame = submit_sm(
            ACCOUNTS[account].ports[0], str(person), octets, data_coding=form.coding, esm_class=0x40 if form.header else 0,
            tlvs=[*tlvs, *payload],
        )  # fmt: skip
        self.world.later(after_s, partial(self.world.hand_in, Sent(account, frame, what, "", tries)), forever=True)

    def parts_in_any_order(self) -> None:
        """Parts late, shuffled, twice, with other octets, under references that a handset cannot tell apart."""
        account, person, text = self.forbidden()
        word = next((one for one in WORDS if one in text), "")
        total = self.dice.randint(2, 4)
        cut = self.pieces(text, total, word)
        reference = self.dice.randrange(3) + 256 * self.dice.randrange(3)
        mixes = self.dice.random() < 0.4
        sends = [(index, cut[index - 1]) for index in range(1, total + 1)]
        self.dice.shuffle(sends)
        if self.dice.random() < 0.5:  # an innocent one in the place of another, before or behind it
            index = self.dice.randint(1, total)
            sends.insert(self.dice.randint(0, total), (index, "您的包裹已到前台"[: len(cut[index - 1]) + 2]))
        if self.dice.random() < 0.2:
            sends.pop(self.dice.randrange(len(sends)))
        after_s, spread = 0.0, self.dice.choice((0.0, 0.5, 1.0))
        for index, piece in sends:
            way = self.dice.choice(WAYS) if mixes else UDH8
            mine = reference + 256 * self.dice.randrange(2) if mixes else reference
            self.send_part(
                account, person, piece, way, mine, total, index, "parts in any order", after_s, self.dice.choice((0, 0, 3))
            )
            after_s += self.dice.choice(DELAYS_S) if self.dice.random() < spread else self.dice.uniform(0, 0.4)

    def parts_at_random(self) -> None:
        """Under one reference, again and again, parts that say nothing and parts of what is forbidden."""
        account, person, text = self.forbidden()
        total = self.dice.choice((2, 2, 3))
        cut = self.pieces(text, total, next((one for one in WORDS if one in text), ""))
        after_s, way, mixes = 0.0, self.dice.choice(WAYS), self.dice.random() < 0.3
        for _ in range(self.dice.randint(4, 14)):
            index = self.dice.randint(1, total)
            piece = cut[index - 1] if self.dice.random() < 0.6 else "您的包裹已到前台"[: len(cut[index - 1])]
            reference = 77 + 256 * self.dice.randrange(2) if mixes else 77
            way = self.dice.choice(WAYS) if mixes else way
            self.send_part(account, person, piece, way, reference, total, index, "parts at random", after_s)
            after_s += self.dice.choice(DELAYS_S) if self.dice.random() < 0.3 else self.dice.uniform(0, 0.5)

    def queue_of_first_parts(self) -> None:
        """All first parts, and then all second parts, perhaps each beside an innocent first one: more than somebody can remember."""
        many, pause_s, what = self.dice.choice((30, 120)), self.dice.choice((1.0, 65.0)), "a queue of first parts"
        again = self.dice.random() < 0.5
        for n in range(many):
            person, word = 13800211000 + n, WORDS[n % len(WORDS)]
            behind_s = n * 0.002 + many * 0.002 + pause_s
            self.send_part("yi", person, f"【快递】您的包裹已到，{word[:2]}", UDH8, 9, 2, 1, what, n * 0.002)
            if again:
                self.send_part("yi", person, "您的包裹已到前台", UDH8, 9, 2, 1, what, behind_s)
            self.send_part("yi", person, f"{word[2:]}请到前台", UDH8, 9, 2, 2, what, behind_s)

    # ------------------------------------------------------------------ texts

    def turned(self) -> None:
        account, person, text = self.turned_text()
        self.send(account, person, Form(text.encode("utf-16-be")), "a text that is turned")

    def cut_anywhere(self) -> None:
        """Texts cut between any two octets, turned or in another alphabet: whole on the handset alone."""
        account, person, text = self.turned_text() if self.dice.random() < 0.4 else self.forbidden()
        coding, octets = self.dice.choice(((8, text.encode("utf-16-be")), (15, text.encode("gb18030"))))
        total, reference = self.dice.randint(2, 4), self.dice.randrange(100, 200)
        cuts = [0, *sorted(self.dice.sample(range(1, len(octets)), total - 1)), len(octets)]
        for index, (start, end) in enumerate(pairwise(cuts), 1):
            place, after_s = (self.dice.choice(WAYS), reference, total, index), index * self.dice.choice((0.0, 0.1, 3.0))
            self.send_form(account, person, Form(octets[start:end], coding), place, "a text cut anywhere", after_s, 3)

    def turned_text(self) -> tuple[str, int, str]:
        """Texts that a display turns round."""
        account, person, text = self.forbidden()
        target = next((one for one in WORDS if one in text), text)
        reverse, dice = target[::-1], self.dice
        mark = dice.choice("\u200f\u061c")
        turned = dice.choice(
            (
                f"\u202e{reverse}\u202c",
                f"\u202e{reverse}",
                f"\u2067\u202e{reverse}\u202c\u2069",
                f"\u202d\u202e{reverse}\u202c\u202c",
                "".join(f"\u202e{a}{b}\u202c" for b, a in _pairs(target)),
                "".join(mark + letter for letter in reverse),
                self._shuffled(target),
            )
        )
        return account, person, text.replace(target, turned)

    def _shuffled(self, word: str) -> str:
        """Its letters in another order, among controls that put them right again on some display."""
        dice = self.dice
        for _ in range(100 if len(word) < 9 else 0):
            letters = dice.sample(word, len(word))
            text = "".join(dice.choice(("", "", *TURNING)) + letter for letter in letters)
            if word not in text and shows({text}, (word,)):
                return text
        return f"\u202e{word[::-1]}"

    def odd_octets(self) -> None:
        """Texts in octets that a handset guesses at."""
        account, person, text = self.forbidden()
        ucs2, gb = text.encode("utf-16-be"), text.encode("gb18030")
        target = next((one for one in WORDS if one in text), "满300减40")
        half = text.replace(target, "".join(f"{letter}\ud83d" for letter in target)).encode("utf-16-be", "surrogatepass")
        form = self.dice.choice((
            Form(ucs2 + b"\0"), Form(ucs2 + b"x"), Form(gb, 15), Form(gb, 4), Form(ucs2, 4), Form(ucs2 + b"\1", 4), Form(half),
            Form(text.encode(), 0), Form(ucs2, 8, bytes((250,))), Form(ucs2, 0x18), Form(gb, 0xF4),
        ))  # fmt: skip
        self.send(account, person, form, "octets to guess at")

    def no_text(self) -> None:
        """What nobody can read may leave from no account."""
        person, account = self.somebody(), self.dice.choice(list(ACCOUNTS))
        octets = bytes(self.dice.choice((0x81, 0x9F, 0xFE, 0xFF, 0x00, 0x1B)) for _ in range(61))
        form, why = self.dice.choice((
            (Form(octets, 4), "binary"),
            (Form(octets, 0x20), "compressed"),
            (Form(octets, 8, bytes((6, 5, 4, 0x0B, 0x84, 0x23, 0xF0))), "wap-push"),
        ))  # fmt: skip
        self.send(account, person, form, f"no text: {why}", never="nobody can read it")

    def split(self) -> None:
        """Marks between all letters of a word."""
        account, person, _ = self.forbidden()
        marks = self.dice.choice(
            ("....", "    ", "_____", "★", "×", "()", "\U0001f600", "～～～～～", "\u200b.\u200b.\u200b.\u200b.", " - ")
        )
        word = marks.join(self.dice.choice(WORDS))
        text = f"【快递】您的包裹{next(self.numbers)}已到，{word}请到前台"
        self.send(account, person, Form(text.encode("utf-16-be")), "a word that is split")

    # ------------------------------------------------------------------ copies, values

    def copies(self) -> None:
        """One advertisement again and again while the carrier does not answer."""
        person, text = self.somebody(), AD.replace("青禾商城", f"店{next(self.numbers)}")
        self.send("jia", person, Form(text.encode("utf-16-be")), "copies", tries=14, unanswered=True)

    def many_advertisements(self) -> None:
        person = self.somebody()
        for n in range(5):
            text = AD.replace("青禾商城", f"店{next(self.numbers)}")
            self.send("jia", person, Form(text.encode("utf-16-be")), "more than the cap", after_s=n * 0.3)

    def reserved(self) -> None:
        """Values over which a strict carrier cuts the link."""
        fields = self.dice.choice((
            {"priority": 9}, {"registered_delivery": 0xE3}, {"registered_delivery": 3}, {"esm_class": 0x3C}, {"esm_class": 0x04},
            {"source_ton": 9}, {"dest_npi": 99}, {"tlvs": [(0x020C, b"\0\1"), (0x020E, b"\2"), (0x020F, b"\3")]},
        ))  # fmt: skip
        form = Form(f"【快递】您的包裹{next(self.numbers)}已到".encode("utf-16-be"))
        self.send("yi", self.somebody(), form, "reserved values", **fields)

    # ------------------------------------------------------------------ honest ones

    def honest(self) -> None:
        n = next(self.numbers)
        person = self.dice.choice((13800214000, BEIJING[100])) + n
        account, text = self.dice.choice((
            ("yi", f"【快递】您的包裹{n}已到驿站，取件时间9点到18点"),
            ("yi", f"【地铁】{UYGHUR} {n}"),
            ("yi", f"【客服】请致电\u202d01059123{n:03}\u202c咨询"),
            ("yi", f"【税务】现代，开发票务系统{n}升级完成"),
        ))  # fmt: skip
        ucs2 = text.encode("utf-16-be")
        form = (
            Form(ucs2) if self.dice.random() < 0.8 else self.dice.choice((Form(ucs2 + b"\0"), Form(text.encode("gb18030"), 15)))
        )
        self.send(account, person, form, "honest: a notice")

    def honest_codes(self) -> None:
        """Two accounts send codes without a signature to one person: neither stands in the other's way."""
        person = 13800212000 + next(self.numbers)
        for account in ("bing", "ding"):
            form = Form(f"您的验证码是{self.dice.randrange(10**6):06}，5分钟内有效".encode("utf-16-be"))
            self.send(account, person, form, "honest: a code", after_s=self.dice.uniform(0, 5))

    def codes_by_extension(self) -> None:
        """Each code from another number behind one port."""
        person = self.somebody()
        for n in range(3):
            form = Form(f"您的验证码是{self.dice.randrange(10**6):06}，5分钟内有效".encode("utf-16-be"))
            self.send("bing", person, form, "codes by extension", after_s=n * 2.0, extension=str(n + 1))

    def behind_a_code(self) -> None:
        """An advertisement that begins as a code does."""
        form = Form(f"【青禾】验证码{self.dice.randrange(10**6):06}，{SOFT}，详询01059123456".encode("utf-16-be"))
        self.send(self.dice.choice(("bing", "ding")), self.dice.choice(BEIJING[:3]), form, "an advertisement behind a code")

    def unknown_region(self) -> None:
        """An advertisement to a number that no table knows may leave from no account, while Beijing is banned."""
        form = Form(AD.encode("utf-16-be"))
        self.send(self.dice.choice(list(ACCOUNTS)), UNKNOWN, form, "an unknown region", never="it may be Beijing")

    def honest_long(self) -> None:
        """Parts in order, or all at once over several binds."""
        n, person = next(self.numbers), 13800213000 + next(self.numbers)
        text = f"【物业】{n}号楼本周六停水检修，请提前储水，给您带来不便敬请谅解，有疑问请咨询物业前台"
        total, way = self.dice.randint(2, 4), self.dice.choice(WAYS)
        cut = self.pieces(text, total)
        order = list(enumerate(cut, 1))
        if self.dice.random() < 0.5:
            self.dice.shuffle(order)
        for place, (index, piece) in enumerate(order):
            after_s = self.dice.uniform(0, 0.2) if order[0][0] != 1 else place * self.dice.choice((0.0, 0.1, 3.0))
            self.send_part("yi", person, piece, way, n, total, index, "honest: a long notice", after_s, tries=3)


def _pairs(word: str) -> Iterator[tuple[str, str]]:
    for place in range(0, len(word), 2):
        pair = word[place : place + 2]
        yield (pair[0], pair[1]) if len(pair) > 1 else (pair, "")


Scheme = Callable[[Smugglers], None]
SCHEMES: tuple[Scheme, ...] = (
    Smugglers.parts_in_any_order, Smugglers.parts_in_any_order, Smugglers.parts_at_random, Smugglers.queue_of_first_parts,
    Smugglers.turned, Smugglers.cut_anywhere, Smugglers.odd_octets, Smugglers.no_text, Smugglers.split, Smugglers.copies, Smugglers.many_advertisements,
    Smugglers.codes_by_extension, Smugglers.behind_a_code, Smugglers.unknown_region, Smugglers.reserved, Smugglers.honest, Smugglers.honest_codes, Smugglers.honest_long,
)  # fmt: skip
