"""Machinery of operators' commands, HTTP endpoints and metrics; names no feature.

In: commands over the control socket, HTTP requests; counters and gauges. Out: answers. Never: a feature's own logic (desk/), anything on
the hot path.

    control.py       the control socket; json_lines.py: its lines; args.py: a command's arguments; authorization.py: who may give it
    client.py        the other end, for the command line; terminal.py: options and output of commands
    http.py          /healthz, /readyz, /metrics; http_listener.py: connections; http_auth.py: who may ask
    metrics.py       counters and gauges as Prometheus text; rule_hits.py: objections by rule of the last day
    worker_channel.py   questions of the supervisor to a worker
    gate_interface.py          what operations read of the running gate (protocols)
    number_chunks.py        numbers in chunks, from client to journal; files/: the files that hold them
    whoami.py        who a client is
"""
