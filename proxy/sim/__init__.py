"""Simulates the world around the gate: carrier, providers and a demo.

    pdus.py       SMPP bytes, written apart from proxy/wire on purpose
    people.py     synthetic recipients of all 31 provinces        texts.py      synthetic texts and the mixes of them
    carrier.py    a simulated SMSC with rules and a log           receipts.py   its receipts under full load
    provider.py   providers on smpplib's client                   deck.py       encoded submits for the load generator
    load.py       the fast load generator                         drive.py      carrier and load generator in one process
    measure.py    figures about processes, machine and /metrics   gate.py       settings and process of a gate under test
    scenario.py   who sends what in the demo, and why             demo.py       the demo            view.py     its live table
    desk.py       users of the demo's console                     story.py      a run as its journal tells it
    reconcile.py  compares four records of the same traffic       closing.py    the demo's final tables
    ports.py      free ports of loopback

Nothing in the package imports from here, except the commands.
"""
