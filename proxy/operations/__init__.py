"""Ops: what people and machines that run the gate look at.

    metrics.py   /metrics: the tally and gauges as Prometheus text     http.py   /healthz, /readyz, /metrics over HTTP
    runtime/systemd.py   what the service manager is told: open, reloading, alive, draining

In: a Tally, callables that read gauges and readiness. Out: HTTP answers. Never: a recipient, a text, anything on the hot path.
"""
