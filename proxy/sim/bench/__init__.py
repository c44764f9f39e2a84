"""Bench: what the gate costs, beside two relays without rules, in one run on one machine (DESIGN §13).

In: Options. Out: a Result, as text, JSON or a page, with the command that made it. Never: a figure without the machine, the disk and the
load generator's own ceiling beside it.

    options.py                what is measured            rounds.py     one bench: all that is asked for, once or often
    house.py, known.py        the gate under test, and whom it knows already        driver.py     the processes beside it
    result.py                 what was measured           compare.py    two results          page.py   plots, in one file
    matrix.py, rows.py        the rows that were agreed on, briefly, each with its goal
    suppressed.py             a hundred million numbers nobody may write to
    sampled.py                where a message's microseconds go

Three kinds of process: this one only waits; ``drive`` is carrier and load generator; the third is under test, one at a time. That has a
core to itself, with all its threads and children, and stays on it; the others have the rest.
"""

from proxy.sim.bench.options import PASSWORD, PROVIDERS, BenchFailed, Options, Unfit
from proxy.sim.bench.result import Result
from proxy.sim.bench.rounds import run
from proxy.sim.bench.rules import count_rules, extra_rules

__all__ = ["PASSWORD", "PROVIDERS", "BenchFailed", "Options", "Result", "Unfit", "count_rules", "extra_rules", "run"]
