"""workers: one gate of several processes (``gate106 serve --workers N``). The supervisor, in which no SMPP is spoken, and no message judged.

    providers ──▶ one listener (net/listeners.py) ──▶ worker 1 … worker N     each a whole gate: app.py, a journal and a node of its own
    people, Prometheus ──▶ supervisor ──lifeline, control sockets──▶ all of them

In: settings with a store that processes share. Out: N workers that run, one set of metrics, one health, one control socket. Never: a message.

    pool.py        the processes: started, watched, begun again          backoff.py   when to begin again (pure)
    metrics.py     their metrics as those of one gate (pure)             answers.py   their answers to one command (pure)
    control.py     the control socket before them                        http.py     HTTP before them
    supervisor.py  wiring: signals, the order of start and stop
"""
