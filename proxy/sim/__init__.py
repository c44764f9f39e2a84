"""sim: the world around the gate: a carrier, providers, 双11, and the measurements. It stands beside the house.

    pdus.py       the simulators' own hand with SMPP bytes (on purpose not proxy/wire)
    people.py     synthetic recipients of all 31 provinces        texts.py      synthetic texts and the two mixes
    carrier.py    a simulated SMSC with rules and a log           provider.py   providers on smpplib's client
    load.py       the fast load generator                         baseline.py   two relays without rules, to compare with
    drive.py      carrier and load generator in one process       bench.py      the measurements        measure.py  figures
    scenario.py   who sends what in the demo, and why             demo.py       the demo                view.py     what it shows
    story.py      what the journal tells of a run                 closing.py    what the demo ends with
    reconcile.py  four witnesses of the same traffic, compared    gate.py       settings and process of a gate under test
    ports.py      where it listens: no two processes are given the same

Nothing in the house imports from here, except the commands.
"""
