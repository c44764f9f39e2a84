"""Scripts the demo so that every reason of the gate occurs.

Only schedules (免打扰) depend on the clock; all else only on the seed.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle

from proxy.model.message import Category
from proxy.sim import pdus, synthetic_recipients, texts
from proxy.sim.encoded_submits import DeckPorts
from proxy.sim.gate_process import BANK_ONLY, VOID, WATCHED, SimulatedProvider, quiet_hours
from proxy.sim.simulated_carrier import IGNORE, Conduct, by_ending
from proxy.sim.simulated_provider import ScriptedSubmit

RESPONSE_S = 1.5
"""How long the gate waits for the carrier here: short, so that an unknown outcome fits the shortest demo; long enough for a drain that waits
for the last answer."""
CARRIER_TPS = 150.0
CARRIER_DELAY_S = 0.02
REFUSED, IGNORED, FULL, THROTTLED = "9001", "9002", "9003", "9004"  # endings of numbers the simulated carrier treats specially
FATES: dict[str, int | str] = {REFUSED: 0x45, IGNORED: IGNORE, FULL: 0x14, THROTTLED: 0x58}
PROVINCIAL = "10629901"  # a port for 江苏 only
PROTECTED = "8613800250997"  # of the shipped lists/protected.csv
OUTAGE_S = 0.7  # of the carrier. The gate tries again after 0.25-0.5 s and 0.75-1.5 s: it is back within about a second
AWAY_FROM_S = 1.0  # when one provider leaves. The receipts of what it sent just before are then still to come
REFUSALS = ("TD", "R", "退订", "TD.")  # of people who want no more; each reply with one of these words is an opt-out
LATE_S = 1.2  # delay of a late part: the gate judges a long message 0.3 s after the last part that is there
BANNED = "六合彩今晚开奖"  # words of the shipped keyword rule
ALL_PROVINCES_FROM_S = 20.0  # from this length on a demo must reach people in every province

EXPECTED: dict[str, str] = {
    "region-ban": "advertisements to 北京",
    "region-unknown": "numbers no table knows",
    "port-scope": "a port of 江苏 writes elsewhere",
    "recipient-cap": "a fourth advertisement a day",
    "category-cap": "a second loan of the week",
    "otp-cap": "a second code within a minute",
    "same-content": "the same notice three times",
    "advertiser-cap": "a third advertisement of one shop",
    "campaign-cap": "a second house in a campaign",
    "suppressed": "an advertisement after 退订",
    "renamed-sender": "... the same words under another name",
    "protected": "a loan to a protected number",
    "notice-missing": "an advertisement without 退订",
    "signature-missing": "an advertisement without 【】",
    "signature-misuse": "somebody else's signature",
    "signature-unregistered": "a signature that has expired",
    "quiet-hours": "meant to be delivered at night",
    "keyword": "banned words",
    "late-breach": "banned words in a part that comes late",
    "text-unreadable": "a data_coding nobody can read",
    "malformed": "a wrong sm_length",
    "port-not-owned": "somebody else's port",
    "bad-recipient": "landlines, 400 numbers, machines",
    "window-full": "a client that does not wait",
    "rate-exceeded": "faster than its contract",
    "queue-full": "more than the carrier takes",
    "no-route": "the carrier's links are cut",
    "draining": "still sending after SIGTERM",
}
"""Reasons the demo must show, and how each comes about: all that a shipped rule enforces and all the gate's own, but those that need a fault of
the gate itself or another command (tests/sim/test_scenario.py)."""

SHADOWS: dict[str, str] = {WATCHED: "advertisements to 广东"}  # rules that only watch, and what makes each of them object


@dataclass(frozen=True, slots=True)
class Actor:
    """One simulated provider: its settings, its submits, its behaviour."""

    settings: SimulatedProvider
    steps: tuple[ScriptedSubmit, ...]
    window: int  # 0 = it never waits for answers
    role: str
    away: tuple[float, float] | None = None  # between these seconds it is not there; its receipts and replies wait for it

    @property
    def name(self) -> str:
        return self.settings.name


@dataclass(frozen=True, slots=True)
class ScriptedReply:
    at_s: float
    recipient: str
    port: str
    text: str


@dataclass(frozen=True, slots=True)
class Scenario:
    actors: tuple[Actor, ...]
    replies: tuple[ScriptedReply, ...]
    conduct: Conduct
    ports: tuple[tuple[str, str, Category], ...]
    outage_at_s: float
    held: ScriptedSubmit  # the last submit: the carrier never answers it, so a drain has something to wait for
    late: ScriptedSubmit  # what a provider goes on sending while the gate drains

    @property
    def owners(self) -> dict[str, str]:
        """Port prefix → provider."""
        return {prefix: actor.name for actor in self.actors for prefix in actor.settings.ports}


def scenario(seconds: float, seed: int, now: datetime) -> Scenario:
    """The script of a demo of ``seconds`` (at least 5)."""
    stage = _Stage(seconds, random.Random(seed), now)
    actors = (stage.shop(), stage.bank(), stage.hasty(), stage.narrow(), stage.careless(), stage.flood(), stage.traveller())
    owners = [prefix for actor in actors for prefix in actor.settings.ports if prefix != PROVINCIAL]
    registered = [
        (DeckPorts.under(prefix).of(category), "", category)
        for prefix in owners
        for category in (Category.OTP, Category.NOTICE)
    ]
    conduct = Conduct(delay_s=CARRIER_DELAY_S, rule=by_ending(FATES), log=True, receipt_after_s=0.3, hex_answers=True)
    ports = (*registered, (PROVINCIAL, "江苏", Category.MARKETING))
    held, late = stage.closing_submits()
    return Scenario(actors, tuple(stage.replies), conduct, ports, stage.outage_at_s, held, late)


class _Stage:
    """Writes the parts. Each actor's method says in its first line who that is."""

    def __init__(self, seconds: float, rng: random.Random, now: datetime) -> None:
        self.seconds = seconds
        self.rng = rng
        self.night = quiet_hours(now)[1]
        self.replies: list[ScriptedReply] = []
        self.outage_at_s = seconds * 0.55
        self._number = 0
        shuffled = rng.sample(synthetic_recipients.PROVINCES, len(synthetic_recipients.PROVINCES))
        self._provinces = cycle(shuffled)
        reached = [province for province in shuffled if province != "北京"]
        self._targets = cycle([self._person(reached[place % len(reached)]) for place in range(max(3, int(seconds / 5)))])
        """People whom several shops write to in turn: they reach the cap."""

    def shop(self) -> Actor:
        """云旗, a large shop platform: advertisements to all provinces, long ones too, of which some parts come late; some people opt out and
        are written to again."""
        ports = DeckPorts.under("10690101")
        steps = list(self._stream(ports.marketing, 10, Category.MARKETING))
        steps += [self._step(at, ports.marketing, Category.MARKETING, person=next(self._targets)) for at in self._times(2)]
        steps += [
            self._step(at, ports.marketing, Category.MARKETING, province="北京", why="region-ban") for at in self._times(1)
        ]
        steps += self._night_steps(ports.marketing)
        steps += self._series(0.6, ports.marketing, Category.MARKETING, "loan", "category-cap")
        steps += self._series(0.8, ports.marketing, Category.MARKETING, "", "advertiser-cap")
        steps += self._series(0.9, ports.marketing, Category.MARKETING, "estate", "campaign-cap")
        steps.append(
            self._step(1.0, ports.marketing, Category.MARKETING, person=PROTECTED, subcategory="loan", why="protected")
        )
        for place, at in enumerate(self._quitting()):
            steps += self._quitter(ports.marketing, at, REFUSALS[place % len(REFUSALS)])
        for at in self._times(0.5):
            steps += self._long(at, ports.marketing)
        for place, at in enumerate(self._quitting()):
            steps += self._late(at + 0.2, ports.marketing, banned=place % 2 == 0)
        return Actor(SimulatedProvider("yunqi", ("10690101",), tps=100), tuple(steps), 0, "advertisements, everywhere")

    def bank(self) -> Actor:
        """青禾, a notice house: one-time codes, notices; some of its people the carrier refuses or ignores."""
        ports = DeckPorts.under("10690102")
        steps = [*self._stream(ports.otp, 8, Category.OTP), *self._stream(ports.notice, 5, Category.NOTICE)]
        for ending, at in ((REFUSED, 0.5), (FULL, 1.1), (THROTTLED, 1.4), (REFUSED, 2.0)):
            steps.append(self._step(at, ports.notice, Category.NOTICE, person=self._ending(ending), why="the carrier refuses"))
        steps += self._series(0.7, ports.otp, Category.OTP, "", "otp-cap")
        steps += self._series(0.5, ports.notice, Category.NOTICE, "", "same-content")
        self.replies.append(
            ScriptedReply(1.2, steps[0].destination, ports.notice, "谢谢")
        )  # no refusal: it only goes back to the provider
        lost = self._step(0.6, ports.notice, Category.NOTICE, person=self._ending(IGNORED), why="unknown outcome")
        steps += [lost, _again(lost, RESPONSE_S + 0.5)]  # the identical submit stands in for the first
        return Actor(SimulatedProvider("qinghe", ("10690102",), category="notice"), tuple(steps), 32, "codes and notices")

    def hasty(self) -> Actor:
        """江 has a contract for 10 messages a second and sends faster."""
        port = DeckPorts.under("10690103").marketing
        steps = [self._step(at, port, Category.MARKETING, person=next(self._targets)) for at in self._times(1)]
        for second in range(1, max(2, int(self.seconds) - 1), 3):
            steps += [self._step(float(second), port, Category.MARKETING, why="rate-exceeded") for _ in range(25)]
        return Actor(
            SimulatedProvider("jiang", ("10690103",), tps=10, window=200), tuple(steps), 0, "10/s by contract, sends 25 at once"
        )

    def narrow(self) -> Actor:
        """竹影 has a window of 4 and a client that does not wait for answers."""
        port = DeckPorts.under("10690104").marketing
        steps = [self._step(at, port, Category.MARKETING, person=next(self._targets)) for at in self._times(1)]
        for place, second in enumerate(range(1, max(2, int(self.seconds) - 1), 2)):
            steps += [self._step(second + 0.3, port, Category.MARKETING, why="window-full") for _ in range(8 + place % 5)]
        return Actor(SimulatedProvider("zhuy", ("10690104",), window=4), tuple(steps), 0, "window 4, never waits")

    def careless(self) -> Actor:
        """鹿鸣 breaks rules: other people's ports, banned words, unreadable codings, impossible recipients, broken PDUs."""
        port = DeckPorts.under("10690105").marketing
        steps = list(self._stream(port, 2, Category.MARKETING))
        for at in self._times(0.6):
            steps += [
                self._step(at, port, Category.MARKETING, subcategory="gambling", why="keyword"),
                self._step(at + 0.05, "10690999", Category.MARKETING, why="port-not-owned"),
                self._step(at + 0.1, PROVINCIAL, Category.MARKETING, province="广东", why="port-scope"),
                self._step(at + 0.15, PROVINCIAL, Category.MARKETING, province="江苏", why=""),
                ScriptedSubmit(
                    at + 0.2,
                    port,
                    self.rng.choice(("02164038888", "4008123123", "106400001234", "12345")),
                    b"\x4f\x60",
                    "bad-recipient",
                ),
                ScriptedSubmit(at + 0.25, port, self._person(), self.rng.randbytes(40), "text-unreadable", data_coding=0x0B),
                self._broken(at + 0.3, port),
                *self._watched(at + 0.35, port),
            ]
        return Actor(SimulatedProvider("luming", ("10690105", PROVINCIAL)), tuple(steps), 0, "breaks every rule")

    def flood(self) -> Actor:
        """蓝鲸 starts its sale with one burst of more than the carrier takes in a second."""
        port = DeckPorts.under("10690106").marketing
        steps = list(self._stream(port, 3, Category.MARKETING))
        sale = self.seconds * 0.3
        steps += [self._step(sale, port, Category.MARKETING, why="queue-full") for _ in range(int(CARRIER_TPS * 2))]
        return Actor(
            SimulatedProvider("lanjing", ("10690106",), window=1000), tuple(steps), 0, "one burst of twice the carrier's rate"
        )

    def traveller(self) -> Actor:
        """晨 sends a dozen notices and is gone before their receipts come; people answer it meanwhile; then it is back for all of it."""
        port = DeckPorts.under("10690107").notice
        steps = [self._step(AWAY_FROM_S - 0.2, port, Category.NOTICE, province="广东") for _ in range(12)]
        back = max(AWAY_FROM_S + 1.0, self.seconds * 0.4)
        self.replies += [
            ScriptedReply(AWAY_FROM_S + 0.5 + place * 0.05, step.destination, port, "谢谢")
            for place, step in enumerate(steps[:3])
        ]
        steps += [self._step(back + 0.5, port, Category.NOTICE, province="广东") for _ in range(3)]
        provider = SimulatedProvider("chen", ("10690107",), window=16, category="notice")
        return Actor(provider, tuple(steps), 0, "leaves, and comes back", (AWAY_FROM_S, back))

    def closing_submits(self) -> tuple[ScriptedSubmit, ScriptedSubmit]:
        """The submits around the end, see Scenario."""
        held = self._step(0.0, DeckPorts.under("10690102").notice, Category.NOTICE, person=self._ending(IGNORED), why="held")
        return held, self._step(0.0, DeckPorts.under("10690101").marketing, Category.MARKETING, province="广东", why="draining")

    # -- what parts are made of

    def _times(self, per_s: float) -> Iterator[float]:
        """Moments of a steady stream, a little uneven; nothing starts in the last half second."""
        count = max(1, int((self.seconds - 1.0) * per_s))
        for place in range(count):
            yield 0.3 + (place + self.rng.random() * 0.8) / count * (self.seconds - 0.8)

    def _stream(self, port: str, per_s: float, category: Category) -> Iterator[ScriptedSubmit]:
        """All provinces in turn."""
        for at in self._times(per_s):
            yield self._step(at, port, category, province=next(self._provinces))

    def _quitting(self) -> Iterator[float]:
        """When people are written to who will refuse: early, and now and then while the carrier is there."""
        yield from (0.3, 0.4, 0.5)
        at = 5.0
        while at < self.seconds - 4:
            if not self.outage_at_s - 2 < at < self.outage_at_s + 3:
                yield at
            at += 3.0

    def _person(self, province: str = "") -> str:
        """A number, not one of those the carrier treats specially."""
        province = province or self.rng.choice(synthetic_recipients.PROVINCES)
        while (number := str(synthetic_recipients.number_in(self.rng, province)))[-4:] in FATES:
            pass
        return "86" + number

    def _ending(self, ending: str) -> str:
        return self._person("江苏")[:-4] + ending

    def _short(self, category: Category, subcategory: str = "") -> str:
        """A text that fits one message; its opt-out notice is never cut off."""
        text = self._text(category, subcategory)
        head, _, notice = text.rpartition(" ") if category is Category.MARKETING else (text, "", "")
        room = texts.SINGLE_LETTERS - len(notice) - 1
        return f"{head[:room]} {notice}" if notice else text[: texts.SINGLE_LETTERS]

    def _text(self, category: Category, subcategory: str = "", long: bool = False) -> str:
        self._number += 1
        return texts.template(self.rng, self._number, category, subcategory=subcategory, long=long).text

    def _step(
        self,
        at: float,
        port: str,
        category: Category,
        *,
        person: str = "",
        province: str = "",
        subcategory: str = "",
        why: str = "",
    ) -> ScriptedSubmit:
        text = self._short(category, subcategory)
        return ScriptedSubmit(at, port, person or self._person(province), text.encode("utf-16-be"), why)

    def _night_steps(self, port: str) -> Iterator[ScriptedSubmit]:
        """Advertisements the carrier is asked to deliver at night; Beijing time is 32 quarters of an hour ahead (SMPP 3.4 §7.1.1)."""
        schedule = f"{self.night:%y%m%d%H%M%S}032+"
        for at in self._times(0.5):
            made = self._step(at, port, Category.MARKETING, province="广东")
            yield ScriptedSubmit(at, port, made.destination, made.body, "quiet-hours", schedule=schedule)

    def _quitter(self, port: str, at: float, word: str) -> Iterator[ScriptedSubmit]:
        """A person gets an advertisement, refuses, and is written to again with the same signature, and then with another."""
        first = self._step(at, port, Category.MARKETING, person=self._person("浙江"))
        yield first
        self.replies.append(ScriptedReply(at + 1.0, first.destination, port, word))
        for place in range(2):
            yield _again(first, 2.0 + 0.8 * place, "suppressed")
        renamed = "【换个名】" + first.body.decode("utf-16-be").partition("】")[2]
        yield ScriptedSubmit(at + 3.2, port, first.destination, renamed.encode("utf-16-be"), "renamed-sender")

    def _watched(self, at: float, port: str) -> Iterator[ScriptedSubmit]:
        """Numbers no table knows, and texts that lack something, or have what is not theirs."""
        yield self._step(at, port, Category.MARKETING, province="unknown", why="region-unknown")
        text = self._short(Category.MARKETING)
        for place, (why, cut) in enumerate(
            (
                ("notice-missing", text.rpartition(" ")[0] or text),
                ("signature-missing", text.partition("】")[2]),
                ("signature-misuse", f"【{BANK_ONLY}】" + text.partition("】")[2]),
                ("signature-unregistered", f"【{VOID}】" + text.partition("】")[2]),
            )
        ):
            yield ScriptedSubmit(at + 0.05 * place, port, self._person("湖南"), cut.encode("utf-16-be"), why)

    def _series(self, at: float, port: str, category: Category, subcategory: str, why: str) -> Iterator[ScriptedSubmit]:
        """The same signature writes to one person three times in a row."""
        first = self._step(at, port, category, person=self._person("福建"), subcategory=subcategory)
        yield first
        for place in range(1, 3):
            yield _again(first, place * 0.4, why)

    def _long(self, at: float, port: str) -> Iterator[ScriptedSubmit]:
        person = self._person("四川")
        for body in texts.parts(self._text(Category.MARKETING, long=True), self.rng.randint(0, 255)):
            yield ScriptedSubmit(at, port, person, body, "long", esm_class=pdus.UDHI)

    def _late(self, at: float, port: str, *, banned: bool) -> Iterator[ScriptedSubmit]:
        """A long text whose last part comes when the others were judged without it; in some it brings what may not be said."""
        person, text = self._person("云南"), self._text(Category.MARKETING, long=True)
        if banned:
            text, _, notice = text.rpartition(" ")
            text = f"{text}，{BANNED} {notice}"
        *first, last = texts.parts(text, self.rng.randint(0, 255))
        for body in first:
            yield ScriptedSubmit(at, port, person, body, "late", esm_class=pdus.UDHI)
        yield ScriptedSubmit(at + LATE_S, port, person, last, "late-breach" if banned else "late", esm_class=pdus.UDHI)

    def _broken(self, at: float, port: str) -> ScriptedSubmit:
        """sm_length says five octets more than there are."""
        person, body = self._person(), "坏".encode("utf-16-be")
        fields = bytearray(pdus.head(port) + person.encode() + b"\0" + pdus.tail(body))
        fields[-len(body) - 1] += 5
        return ScriptedSubmit(at, port, person, b"", "malformed", raw=bytes(fields))


def _again(step: ScriptedSubmit, later_s: float, why: str = "") -> ScriptedSubmit:
    return ScriptedSubmit(step.at_s + later_s, step.source, step.destination, step.body, why or step.why, step.data_coding)
