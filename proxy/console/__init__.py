"""The web console: operators' commands in the browser, Chinese and English.

In: requests of browsers, a personal token at login. Out: pages. Never: a decision, a permission or a record of its own; anything loaded
from elsewhere; a script or a style inside a page. Every page asks the running gate through the control socket with the user's token, as the
command line does, so that roles, approvals and the journal of lookups are in one place.

The console is a process of its own (server/restarted_processes.py starts it): pages, charts and searches cost tens of milliseconds of Python
each, and must not block the gate's loop.

    page.py      a Page is what stands under one path; a PageRequest is one request to it
    desk/        each feature's pages: ``page.py`` or ``NAME_page.py``, template and words beside it; the file name is the registration
    app.py       all pages as one application; the process     login.py           who is logged in; login, logout, language, static files
    forms.py     durations, uploads, downloads, buttons
    render.py    templates (Jinja2, escaped), charts in a page translations.py    every text in both languages; a request's language
    gate_client.py  commands, programs, HTTP of the gate       request_guard.py   checks and headers of every request
    fork_server.py  starts programs fast; prefetch.py: what it reads ahead
    sandbox.py   a process that reads rule sets                jobs.py            backtests that run for minutes
    metric_sampling.py  counters over time                     offline_charts.py  charts in a document
"""
