"""Long messages in the simulated world: how providers send them, and what must hold of each.

Parts come shuffled, delayed, twice or not at all, over two binds, or one by one by a client whose window is one part. Parts that were
refused or never answered are sent again. Promises of DESIGN §5 are checked when they could first be broken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING

from proxy.model.reasons import RULE_REASONS
from proxy.relay.multipart.assembler import INHERIT_S, WAIT_MAX_S
from proxy.relay.pending_submit import PendingSubmit
from proxy.wire import renumbered, submit_sm
from tests.simulation.nouns import BANNED, PORTS, WORDS, Broken, Submit

if TYPE_CHECKING:
    from tests.simulation.disk import OnDisk
    from tests.simulation.world import World

TICK_S = 0.1
KEYWORD = RULE_REASONS["keyword"].status
WAYS = ("udh-8", "udh-16", "sar")


@dataclass(eq=False)
class LongSent:
    """One long message, as its provider sent it."""

    provider: str
    advertiser: str
    text: str
    recipient: int
    how: str
    reference: int
    total: int
    banned: bool
    octets: dict[int, bytes]  # of its text, by part number
    frames: dict[int, bytes]
    restarts: int  # of the gate, when it began
    clean: bool = True
    """Nothing happened to it that makes it more than one message to the gate: no number came twice, no gate died, no key came again."""
    attempts: list[Submit] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, int, int]:
        """By which a handset joins parts: who sends, and the low octet of the reference."""
        return self.provider, self.recipient, self.reference & 0xFF

    def of(self, index: int) -> list[Submit]:
        return [one for one in self.attempts if one.index == index]


class Longs:
    """The providers' side of long messages."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sent: list[LongSent] = []
        self.keys: dict[tuple[str, int, int], LongSent] = {}
        self.queues: dict[str, deque[tuple[LongSent, int]]] = {}
        """What clients with a window of one part have still to send."""
        self.arrived: list[Submit] = []
        """Parts at the carrier, in the order in which they came."""

    # ------------------------------------------------------------------ sending

    def provider_sends(self, name: str, advertiser: str, recipient: int, number: int) -> None:
        world, dice = self.world, self.world.random
        total = dice.randint(2, 4)
        banned = world.chance(0.2)
        text = f"【{advertiser}】双11第{number}张券" + (BANNED if banned else "") + f" 拒收请回复{WORDS[advertiser[-1]]}"
        octets = text.encode("utf-16-be")
        cuts = [0, *sorted(dice.sample(range(1, len(octets)), total - 1)), len(octets)]
        how, reference = dice.choice(WAYS), dice.randrange(32)
        long = self.begin(name, advertiser, text, recipient, how, reference, [octets[a:b] for a, b in pairwise(cuts)])
        order = list(long.frames)
        dice.shuffle(order)
        if world.chance(0.15):
            order.pop()
        if world.chance(0.15):
            order.insert(dice.randrange(len(order) + 1), dice.choice(order))
            long.clean = False
        if world.chance(0.3):
            self._one_by_one(name, long, order)
            return
        spread_s = dice.choice([0.0, 0.0, 0.2, 1.0, 3.0])
        for index in order:
            delay_s = 70.0 if world.chance(0.02) else dice.uniform(0, spread_s)
            if delay_s > 50:
                long.clean = False
            world.later(delay_s, partial(self.send, long, index, dice.random() < 0.5), forever=True)

    def begin(
        self, name: str, advertiser: str, text: str, recipient: int, how: str, reference: int, cut: Sequence[bytes]
    ) -> LongSent:
        """A message that was cut into these parts, none of which is sent yet."""
        octets, total = dict(enumerate(cut, 1)), len(cut)
        frames = {index: _frame(name, recipient, how, reference, total, index, part) for index, part in octets.items()}
        long = LongSent(
            name, advertiser, text, recipient, how, reference, total, BANNED in text, octets, frames, self.world.restarts
        )
        if long.key in self.keys:
            long.clean = self.keys[long.key].clean = False
        self.keys[long.key] = long
        self.sent.append(long)
        return long

    def _one_by_one(self, name: str, long: LongSent, order: list[int]) -> None:
        queue = self.queues.setdefault(name, deque())
        idle = not queue
        queue.extend((long, index) for index in order)
        if idle:
            self._next(name)

    def _next(self, name: str) -> None:
        queue = self.queues[name]
        if queue:
            self.send(*queue[0], narrow=True)

    def send(self, long: LongSent, index: int, second: bool = False, narrow: bool = False) -> None:
        """A part goes out: over the provider's first bind, its second, or the one whose window is 1."""
        world = self.world
        if world.restarts != long.restarts:
            long.clean = False
        number = len(world.submits) + 1
        submit = Submit(
            number, long.provider, long.recipient, long.text, world.now, renumbered(long.frames[index], number), world.epoch,
            advertiser=long.advertiser, long=long, index=index,
        )  # fmt: skip
        submit.narrow = narrow
        long.attempts.append(submit)
        bind = long.provider + ("-narrow" if narrow else "-second" if second else "")
        world.providers.hand_in(submit, world.binds[bind])

    def again(self, submit: Submit) -> None:
        """A part that was refused by the carrier or never answered is sent again."""
        long = submit.long
        assert long is not None
        if long.of(submit.index)[-1] is submit:
            self.send(long, submit.index)

    def told(self, submit: Submit) -> None:
        queue = self.queues.get(submit.provider)
        if submit.narrow and queue and queue[0][0] is submit.long:
            queue.popleft()
            self.world.later(0.01, lambda: self._next(submit.provider), forever=True)

    def gate_died(self) -> None:
        """Clients whose window is one part hang up with the gate, and begin with their next message."""
        for name, queue in self.queues.items():
            for long, _ in queue:
                long.clean = False
            queue.clear()
            self.queues[name] = deque()

    def sharing(self, submit: Submit) -> list[Submit]:
        """All submits that may share the entry of this one."""
        long = submit.long
        return [submit] if long is None else [one for other in self.sent if other.key == long.key for one in other.attempts]

    def mixed(self, recipient: int, provider: str, disk: OnDisk, group: int) -> list[str]:
        """Texts of several messages that came under one key, a part from here and a part from there: one message to the gate, as they are
        to a handset. As they stood when this group was written, and just before."""
        parts = {
            one.frame: one for one in self.world.submits if one.long and (one.recipient, one.provider) == (recipient, provider)
        }
        texts = []
        for until in (group - 1, group):
            late = [parts[frame] for frame, place in disk.late.items() if place <= until and frame in parts]
            for let_out in disk.let_out.values():
                came = sorted(parts[frame].number for frame, place in let_out.items() if place <= until and frame in parts)
                here = [self.world.submits[number - 1] for number in came]
                # parts that were refused for what they say: it was read with what the others say
                here += [one for one in late if came and came[0] < one.number < came[-1] and _key(one) == _key(here[0])]
                texts.append(_as_one(sorted(here, key=attrgetter("number"))))
        return [text for text in texts if text]

    # ------------------------------------------------------------------ promises

    def check_waits(self) -> None:
        now = self.world.now
        for held in self.world.relay.parts._assembler._open.values():
            for long in held.values():
                if long.waiting and now - long.first_s > WAIT_MAX_S + TICK_S:
                    raise Broken(f"parts of {long.key} have waited {now - long.first_s:.1f} s")

    def check_sent(self, submit: Submit, transit: PendingSubmit) -> None:
        """A part reaches the carrier."""
        long = submit.long
        assert long is not None
        self.arrived.append(submit)
        if submit.index != 1 and not any(one.index == 1 and _key(one) == _key(submit) for one in self.arrived):
            raise Broken(f"submit {submit.number}: part {submit.index} left, and its first part had not")
        if not long.clean or self.world.restarts != long.restarts or any(one.told or one.taken_back for one in long.attempts):
            return
        entries = {one.entry for one in long.attempts if one.reached_carrier}
        if len(entries) > 1:
            raise Broken(f"submit {submit.number}: one long message has the entries {sorted(entries)}")

    def check_handsets(self) -> None:
        """Nobody is shown a banned word, however the parts came: a handset joins what has one sender and one reference."""
        by_key: dict[tuple[str, int, int], list[Submit]] = {}
        for one in self.arrived:
            by_key.setdefault(_key(one), []).append(one)
        for parts in by_key.values():
            if any(one.forgiven or one.carrier_said is None for one in parts):
                continue  # a power loss took what the gate knew of it, or nobody knows whether it arrived
            for keeps_first in (True, False):
                for shown in _shown([one for one in parts if not one.carrier_said], keeps_first=keeps_first):
                    if BANNED in shown:
                        raise Broken(f"a handset shows {shown!r} of the submits {[one.number for one in parts]}")

    def check_at_rest(self) -> None:
        self.check_handsets()
        late = self.world.on_disk().late
        for long in self.sent:
            told = {one.told for one in long.attempts}
            if not long.clean or long.restarts != self.world.restarts:
                continue
            if not long.banned and KEYWORD in told:
                raise Broken(f"{_name(long)} was refused for words it does not have")
            at_once = {one.told for one in long.attempts if one.told and one.told >= 0x400 and one.frame not in late}
            if 0 in told and at_once:
                raise Broken(f"{_name(long)} was refused in part: {told}")
            whole = all(any(one.told == 0 for one in long.of(index)) for index in long.frames)
            if long.banned and whole:
                raise Broken(f"{_name(long)} went out with a banned word in it")


def _name(long: LongSent) -> str:
    return f"the long message of submits {[one.number for one in long.attempts]}"


def _key(part: Submit) -> tuple[str, int, int]:
    assert part.long is not None
    return part.long.key


def _shown(parts: Sequence[Submit], *, keeps_first: bool) -> list[str]:
    """What a handset shows of parts with one key, as they arrive; of a part that comes twice it keeps the first, or the last."""
    found, held = list[str](), dict[int, bytes]()
    for part in parts:
        assert part.long is not None
        if part.index not in held or not keeps_first:
            held[part.index] = part.long.octets[part.index]
        if all(index in held for index in range(1, part.long.total + 1)):
            found.append(_read(held, part.long.total))
            held = {}
    return found


def _as_one(parts: Sequence[Submit]) -> str:
    """The text of parts of several messages, in the order in which they came; nothing if they are of one, or if DESIGN §5 lets them not be
    one: another key, another life of the gate, too late, or a number that was there already and was taken."""
    if len({part.long for part in parts}) < 2:
        return ""
    first, last = parts[0], dict[int, Submit]()
    for part in parts:
        before = last.get(part.index)
        too_late = part.sent_at - first.sent_at > WAIT_MAX_S + INHERIT_S + TICK_S
        if _key(part) != _key(first) or part.epoch != first.epoch or too_late or (before is not None and before.told == 0):
            return ""
        last[part.index] = part
    assert first.long is not None
    return _read({index: part.long.octets[index] for index, part in last.items() if part.long}, first.long.total)


def _read(octets: Mapping[int, bytes], total: int) -> str:
    """As a handset would show it, with an empty signature where parts are missing: none reaches over that. Half a character is none."""
    runs = [b""]
    for index in range(1, total + 1):
        if index in octets:
            runs[-1] += octets[index]
        else:
            runs.append(b"")
    return "【】".join(run.decode("utf-16-be", "replace") for run in runs)


def _frame(name: str, recipient: int, how: str, reference: int, total: int, index: int, octets: bytes) -> bytes:
    if how == "sar":
        tlvs = [(0x020C, reference.to_bytes(2, "big")), (0x020E, bytes((total,))), (0x020F, bytes((index,)))]
        return submit_sm(PORTS[name], str(recipient), octets, data_coding=8, tlvs=tlvs)
    short = how == "udh-8"
    header = bytes((5, 0, 3, reference, total, index)) if short else bytes((6, 8, 4, 0, reference, total, index))
    return submit_sm(PORTS[name], str(recipient), header + octets, data_coding=8, esm_class=0x40)
