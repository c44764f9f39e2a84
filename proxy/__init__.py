"""gate106: an SMPP gate that judges bulk SMS for a carrier.

A submit's way: ``net`` reads bytes → ``wire`` frames → ``relay`` batches → ``policy`` judges → ``journal`` writes → ``net`` sends.
Begin with ``relay/submit.py``. Terms: ``docs/glossary.md``; what is safe before what: ``docs/architecture.md``.

Imports go down this list only; a line with several rooms has no order among them:

    cli                     commands of no feature: serve, settings, simulation, credentials, backup (__main__ assembles all)
    sim                     a simulated carrier, simulated providers, the demo, measurements
    server                  the process: wiring, recovery, reload, maintenance, health, backup, workers
    desk                    one folder a feature of the compliance desk: operations, page, command
    console                 the web application: login, layout, jobs; it names no feature
    operations              control socket, HTTP, metrics, authorization; it names no feature
    archive  cluster  net   the journal at rest (Parquet) · several gates on one store · sockets, TLS, lanes, pacing
    relay                   the way of a message: batching, admission, commit, deliver, opt-out replies, long messages
    state  journal  wire    the record of a recipient and its stores · the write-ahead log · SMPP 3.4: bytes ⇄ frames
    policy                  rules → verdicts: condition kinds, texts, registries, loading, explanation
    config  i18n            the settings as frozen values · texts in Chinese and English
    model                   the shared nouns: message, recipient, number, reasons, roles, counters
    runtime                 background work, CPU, memory, hardening of the process
    native                  compiled code, and its loader
"""

from proxy.native import loader as loader  # compiled modules take the place of their texts before the first of them is imported
