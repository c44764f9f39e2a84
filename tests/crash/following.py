"""Machines: a gate's machine that is lost, and its follower, from which another gate is restored; the campaign kills each of them while it works.

In: a point of the follower, of a restore, or of a gate that was replaced. Out: the next gate's folder, in the place of the lost one's. Never:
a function of the follower or of a restore called from here.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from random import Random

from tests import forked
from tests.crash.harness import ROOT, WITHIN_S, Harness, command
from tests.crash.medium import SHADOW, lose_names_and_octets
from tests.crash.places import Plan
from tests.crash.points import Point
from tests.e2e.following import FollowerProcess

DYING = "tests.crash.command_that_dies"
NEVER = 1 << 30
DATA = ("journal", "state.db", "revisions", "archive")


class Machines:
    def __init__(self, folder: Path, follower: FollowerProcess) -> None:
        self._folder, self.follower = folder, follower
        self.powerless = False
        """Whether the follower's machine loses power, too."""
        self._restored = self._folder / "second"
        self._plan: Plan | None = None
        self._numbers = count(1)

    def begin(self, plan: Plan, point: Point) -> Plan:
        """A life of the gate begins; the plan for the gate itself."""
        self.powerless, self._plan = False, plan if point.dies == "restore" else None
        plan = replace(plan, behind=str(self.follower.copy / "state.db"))
        if point.dies == "follower":
            self.follower.kill()
            dying = replace(plan, medium=str(self.follower.copy))
            self.follower.start(DYING, json.dumps(asdict(dying)))
            return replace(plan, point="acknowledged", nth=NEVER)
        return replace(plan, point="acknowledged", nth=20) if point.dies == "restore" else plan

    def lose(self, harness: Harness, rng: Random) -> None:
        """All that the gate had is gone; a node is restored from its follower."""
        self.follower.kill()
        if self.powerless:
            lose_names_and_octets(self.follower.copy, self.follower.copy / SHADOW, rng)
        self._put_aside(harness)
        if self._restored.exists():
            for path in (path for path in self._restored.iterdir() if path.name.startswith(DATA)):
                path.rename(harness.state.parent / path.name)
            shutil.rmtree(self._restored)
        else:
            if self._plan is not None:
                self._dying_restore(harness, self._plan)
            done = command("backup", "restore", self.follower.copy, "--config", harness.config)
            assert done.returncode == 0, done.stderr
        self.follower.start()

    def replace(self, harness: Harness, carrier_port: int) -> None:
        """Another gate is restored while this one lives, and the follower says so to this one, which dies of it."""
        self._restored.mkdir()
        second = Harness(self._restored, carrier_port, follower=self.follower.port)
        self.follower.kill()
        done = command("backup", "restore", self.follower.copy, "--config", second.config)
        assert done.returncode == 0, done.stderr
        self.follower.start()
        assert harness.process is not None
        assert harness.process.wait(WITHIN_S) == -signal.SIGKILL, harness.said()
        again = command("serve", "--config", harness.config)
        assert (again.returncode, "was replaced by one with epoch" in again.stderr) == (2, True), again.stderr

    def _dying_restore(self, harness: Harness, plan: Plan) -> None:
        harness.death.unlink()
        words = [json.dumps(asdict(plan)), "backup", "restore", str(self.follower.copy), "--config", str(harness.config)]
        with harness.log.open("ab") as log:
            done = forked.begun(DYING, words, cwd=ROOT, env=os.environ | {"NO_COLOR": "1"}, log=log).wait(WITHIN_S)
        assert done == -signal.SIGKILL, harness.said()
        if harness.journal.exists():
            half = command("serve", "--config", harness.config)
            assert (half.returncode, "has records, but store" in half.stderr) == (2, True), half.stderr
        self._put_aside(harness)

    def _put_aside(self, harness: Harness) -> None:
        lost = self._folder / f"lost{next(self._numbers)}"
        lost.mkdir()
        for path in list(harness.state.parent.iterdir()):
            if path.name.startswith(DATA):
                path.rename(lost / path.name)
