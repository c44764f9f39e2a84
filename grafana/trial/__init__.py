"""Trial: the boards before a real Prometheus that reads a real gate, without a Grafana.

In: the committed boards, rules and Prometheus settings. Out: what each panel would show. Never: a query, a rule or a setting of its own;
a mock of Prometheus.

    prometheus.py   a Prometheus process of our own, and questions to it
    asking.py       a board's queries, with its variables filled in as Grafana fills them in
    staging.py      the demo under that Prometheus
    recording.py    all that the boards ask of one run, kept in a file
    page.py …       that file as a page, and as the pictures of the README (``make pictures``)
"""
