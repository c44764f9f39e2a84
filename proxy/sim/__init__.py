"""Simulates carrier, providers and 双11, for the demo and short measurements.

    pdus.py       the simulators' own encoder of SMPP bytes (on purpose not proxy/wire)
    synthetic_recipients.py     synthetic recipients of all 31 provinces        texts.py      synthetic texts and their mixes
    simulated_carrier.py    a simulated SMSC with rules and a log           simulated_provider.py   providers on smpplib's client
    load.py       the fast load generator                         encoded_submits.py       submits encoded beforehand for it
    measure.py    figures of processes, machine, disk, /metrics
    scenario.py   who sends what in the demo, and why             demo.py       the demo           demo_summary.py what it shows
    journal_summary.py      what the journal says of a run                  demo_summary.py    the end of the demo
    reconcile.py  four witnesses of the same traffic, compared    gate_process.py       settings and process of a gate under test
    ports.py      free ports, unique over processes
    bench/        ``gate106 bench``

Only the commands import from here. Long measurements (``python -m tests.bench``) are not in the package.
"""
