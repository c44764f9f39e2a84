"""Boards: the dashboards of gate106 for Grafana, written once and built in two languages.

In: what is written here; the guide's statements (docs/sql/questions). Out: JSON in ``grafana/dashboards/zh`` and ``…/en``. Never: a
hand-edited board, a query that differs between the languages, a metric that the gate does not show.

    words.py        one text in two languages
    panels.py       one function for each way of showing a number, with this project's manners
    frame.py        what all boards share: variables, links, marks on the time line
    overview.py     is the gate well, and what passes through it
    compliance.py   what the rules did, and whether refusals are honoured
    provider.py     one provider, closely
    journal.py      the guide's questions to ClickHouse, over the event stream
    writing.py      all boards → files: ``make grafana`` (``python -m grafana.boards``)
"""
