"""Judges journalled messages again by other rules and counts the differences.

The code that decides live decides here, too, fed from the journal.

In: the journal, one commit group at a time; rules; the providers of the settings. Out: differences, counted, with masked examples.
Never: a byte written, a message sent, the running gate's state.

    commit_groups.py    one or several journals, read by commit group
    initial_state.py    records, lists and counters when the window begins
    environment.py      the senders, binds and lane that judging needs
    gate_state.py       the gate's admission, as it stood for each message
    submit_case.py      one message of the journal, judged again, and its parts
    rerun.py            every message, in the order of then
    differences.py      differences by rule, provider, province and category
    runner.py           one backtest, from request to result
    result_text.py      the result as text and JSON
    offline_html.py     the result as a page with charts
    command.py          ``gate106 backtest``
"""
