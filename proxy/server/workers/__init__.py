"""Runs one gate as several worker processes (``gate106 serve --workers N``).

    providers ──▶ one listener (net/listeners.py) ──▶ worker 1 … worker N     each a whole gate (server/wiring.py) with its own journal
    people, Prometheus ──▶ supervisor ──worker channel, control sockets──▶ all of them

In: settings with a store that processes share. Out: N workers that run, one set of metrics, one health, one control socket. Never: a
message: the supervisor speaks no SMPP and judges nothing.

    pool.py        the processes: start, watch, restart               http.py      HTTP before them
    merged_metrics.py     merges their metrics (pure)                        merged_answers.py   merges their answers to one command (pure)
    control.py     the control socket before them
    supervisor.py  wiring: signals, the order of start and stop
"""
