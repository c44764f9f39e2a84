"""console: what the command line can do, for people who work in a browser; Chinese first, English too.

In: requests of browsers, a personal token at login. Out: pages. Never: a decision, a right or a record of its own: every page asks the
running gate through the control socket with the token of whoever looks, as the command line does, so that roles, approvals and the journal of
who saw what are kept in one place; anything loaded from elsewhere, a script or a style inside a page.

It is a process of its own (``server/console_process.py`` of the gate starts it): pages, charts and searches cost tens of milliseconds of Python each, and
the gate's loop must not be held for one.

    page.py      a Page is what stands under one path; a Visit is one request to it, and all that a page may do
    pages/       one page each: desk/today/page.py, today.html beside it, today.yaml with its words: THE FILE NAME IS THE REGISTRATION
    api/         the same for programs: one table of operations, JSON, tokens
    gate_client.py    the ways to the gate: commands, programs of the command line, a provider's own HTTP
    app.py       all of it as one application                  sessions.py   who is logged in
    login_pages.py  the ways in and out, languages, files         form_data.py  forms within bounds
    fork_server.py   programs that begin at once
    login.py     who says who they are                         request_guard.py   what holds for every request: hosts, headers, bounds
    translations.py     every word in both languages; what the gate says: proxy/i18n/catalog.py
    language.py  in which of them somebody is answered
    render.py     templates (Jinja2, escaped), moments, numbers
    sandbox.py  sets of rules and drafts of them, read in a process beside: desk/revisions/sandbox_rules.py, in words: desk/revisions/rule_text.py, what differs: desk/revisions/comparison.py
    desk/revisions/rule_wizard.py    the commonest rules from a form       jobs.py    backtests that run for minutes
    sampling.py  counters over time                            inline_charts.py    small charts as SVG
    serving.py   the process
"""
