"""Measures one gate on this machine for ``gate106 bench``.

    options.py         what is measured, and the command line that measures it again
    gate_process.py    the gate under test: rules (generated ones beside the shipped), settings, store, start and stop
    load_process.py    the process that holds the simulated carrier and the load generator, as the command sees it
    load_generator.py  that process itself: each answer is followed by a submit, or an even rhythm at a rate
    run_figures.py     what it is asked for, and the figures of a run
    bare_relay.py      a relay that reads no field, measured in turns with the gate at a rate
    measurement.py     one measurement from start to end, and its result as a table and as JSON

Three kinds of process take part: this one only waits, the second sends the load, the third is the gate. The gate has a core of its own; the
others share the rest. Comparisons, many rows, profiles and another relay are measured by ``python -m tests.bench``, which is not in the
wheel.
"""
