"""net: asyncio's side. One Link is one transport driving one wire.Session; nothing here decides about a message.

In: bytes from sockets. Out: calls of the relay, bytes to sockets, joined per peer and loop turn. Never: rules, records, journal bodies.

    lane.py      the bounded, ordered queue to one carrier (pure)
    pacing.py    one task per lane that lets it flow at the carrier's rate (asyncio-throttle)
    routes.py    which lane a message takes (pure)
    link.py      a transport with its session: reading, joined writing, timers
    provider.py  all connections of providers; provider_link.py is one of them: its bind, its window, what it asks and is told
    carrier.py   the links of one account at a carrier: reconnect with back-off, what flows over which; carrier_link.py is one of them
    answer_filter.py   what providers are told of a carrier's answers; the log of malformed ones
    tap.py       hears what passes over a link, while somebody listens
    accounts.py  one of these for each account at a carrier, common ones and providers' own
"""
