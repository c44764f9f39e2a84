"""Sockets of providers and carriers on asyncio.

In: bytes from sockets. Out: calls of the relay; bytes to sockets, joined per peer and loop turn. Never: rules, recipients' records, journal
bodies, a decision about a message. One Link is one transport that drives one wire.Session.

    link.py            a transport with its session: reading, joined writing, timers
    listeners.py       accepts providers' connections; proxy_protocol.py: a balancer's header; tls.py: TLS contexts
    provider.py        all connections of providers; provider_link.py: one of them; authenticator.py: their passwords
    carrier_routes.py          which lane a message takes (pure)
    lane.py            the bounded, ordered queue to one carrier (pure)
    pacing.py          sends a lane's submits at the carrier's rate (asyncio-throttle)
    accounts.py        the gate's accounts at carriers; carrier.py: one of them; carrier_link.py: one of its connections
    answer_filter.py   what providers see of a carrier's answers; the log of malformed ones
    account_leases.py          shares of rates, binds and links among several nodes
    scheduler.py       gives busy connections turns; pdu_tap.py: copies a link's PDUs for a trace
    journal_syncer.py          syncs the journal, in a thread or behind a turn
    coalescing.py      lets input gather between turns while many submits arrive (pure), and what runs behind a turn
"""
