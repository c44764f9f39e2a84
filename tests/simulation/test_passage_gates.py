"""Parts that go to several gates, at random and under one reference: no handset shows what they say together.

Where a gate that the store does not reach has judged one of them by itself, nothing is claimed (docs/many-gates.md).
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from proxy.relay.multipart.handler import PartHandler
from proxy.relay.pending_submit import PendingSubmit
from proxy.wire import submit_sm
from tests.simulation.gates import BANNED, PORT, RUN_S, Gate, Gates, Long, Part
from tests.simulation.handsets import KINDS, Handset, arrived, shows
from tests.simulation.nouns import Broken

SEEDS, SOUGHT = int(os.environ.get("GATE106_GATES_SEEDS", "15")), 300
FIRST = int(os.environ.get("GATE106_FIRST_SEED", "0"))
CUTS = ((f"【青禾】券 {BANNED[:2]}", f"{BANNED[2:]} 拒收请回复R"), ("【青禾】券", f" {BANNED[0]}", f"{BANNED[1:]} 拒收请回复R"))
NOTHING = "【青禾】满减券 拒收请回复R"


class Scattered(Gates):
    """Beside honest messages there are parts of a forbidden one, each at any gate, and others in their place."""

    def __init__(self, seed: int, folder: Path) -> None:
        super().__init__(seed, folder, calm=seed % 2 == 0)
        self.refusing = 0.0  # until the carrier has refused a part it counts as out
        self.handsets = {kind: Handset(kind) for kind in KINDS}
        self.judged_apart = set[tuple[str, int]]()  # recipient and reference

    def provider_sends(self) -> None:
        if self.random.random() < 0.5:
            super().provider_sends()
            self.longs[-1].clean = False  # what the gates must make of honest ones is test_gates.py's
            return
        person, cut, at_s = self.random.choice(self.people), self.random.choice(CUTS), 0.0
        reference = 200 + self.number % 50
        for _ in range(self.random.randint(2, 8)):
            index = self.random.randint(1, len(cut))
            text = cut[index - 1] if self.random.random() < 0.7 else NOTHING[: len(cut[index - 1])]
            at_s += self.random.choice((0.0, 0.02, 0.3, 2.5, RUN_S)) * self.random.random()
            self.later(at_s, partial(self._scatters, person, reference, len(cut), index, text))

    def _scatters(self, person: int, reference: int, total: int, index: int, text: str) -> None:
        self.number += 1
        octets = bytes((5, 0, 3, reference, total, index)) + text.encode("utf-16-be")
        frames = {index: submit_sm(PORT, f"86{person}", octets, data_coding=8, esm_class=0x40)}
        long = Long(self.number, person, total, False, frames, clean=False)
        self.longs.append(long)
        self.seen["scattered"] += 1
        self.send(long, index)

    def _answers_late(self, gate: Gate, part: Part, status: int) -> None:
        super()._answers_late(gate, part, 0)  # for the same reason

    def reaches_carrier(self, gate: Gate, transit: PendingSubmit) -> None:
        super().reaches_carrier(gate, transit)
        one = arrived(transit.data)
        key = one.recipient, one.part[0] if one.part is not None else -1
        if gate.in_hand[transit.sequence].unseen:
            self.judged_apart.add(key)
        for kind, handset in self.handsets.items():
            texts = handset.takes(transit.data, self.now)
            self.seen["shown"] += texts is not None
            if texts is not None and key not in self.judged_apart and shows(texts, (BANNED,)):
                raise Broken(f"a handset that {kind} shows {BANNED}")


def test_no_seed_shows_a_handset_what_parts_say_together(tmp_path: Path) -> None:
    shown = 0
    for seed in range(FIRST, FIRST + SEEDS):
        world = Scattered(seed, tmp_path)
        try:
            shown += world.run()["shown"]
        except Exception as error:
            error.add_note(f"seed {seed} (replay it: GATE106_FIRST_SEED={seed} GATE106_GATES_SEEDS=1)")
            raise
    assert shown > SEEDS


def test_a_gate_that_does_not_look_for_torn_messages_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def begins(self: PartHandler, *asked: Any, whole: bool) -> str:
        return ""

    monkeypatch.setattr(PartHandler, "_cannot_begin", begins)
    for seed in range(SOUGHT):
        try:
            Scattered(seed, tmp_path).run()
        except Broken as broken:
            assert "shows" in str(broken)
            return
    pytest.fail(f"not found in {SOUGHT} worlds")
