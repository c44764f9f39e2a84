"""Defines the Lua function library that the gate loads into Valkey.

Its text is records.lua, leases.lua and across.lua.

A library is never replaced: one with other contents has another name, made from a digest of the contents, and so do its
functions. While nodes of two versions run side by side each finds its own; a library that no gate calls any more may be deleted
(``FUNCTION DELETE``).

    swap(keys; seconds, flags, record…)     stores each record whose first six bytes are the stored version; "1" or "0" for each
    both(keys; seconds, seconds of sheets, sizes, flags, record…)
                                            likewise for groups of so many keys, each stored whole or not at all; flag 2: a sheet
    shares, places, portions                lease_functions.py
    across_shares, …(count, key…, argument…)
                                            likewise, with keys of any slots; the place of a key that another server has, and nothing is done;
                                            0 without arguments
    hold(key; owner, milliseconds)          gives the key to the owner for so long, unless somebody else has it: then answers who
    report(key; revision, word)             appends the word where the stored text begins with the revision; "1" or "0"
    linger(key…; milliseconds)              keeps those keys for so long at least; "0" where one is missing
    confirm(key, key…; version)             keeps those behind the first for good, if the first has that version and all are there
    decide(key, key…; record, staying, milliseconds)
                                            stores the record at the first key; then so many of the others stay for good and the rest
                                            expire: all of it or nothing; "1", "0" (another version), "lacks" (one that is to stay)
    tell(stream, told; journal, most, sequence, record…)
                                            appends those to the log that are not in it yet; answers the last sequence that is

A version is the server's time (or a gate's: records.py) in 10 µs since 2023, or one more than the version before where that is
later: one key never gets the same version twice. A record that became empty stays for a minute as a bare version, so that even a
clock that goes back a little does not give out a version again while a node may still hold it. Records have 48 bits for it: until
2112.
"""

from __future__ import annotations

from hashlib import sha256

from proxy.state.shared import lease_functions
from proxy.state.shared.lease_functions import lua_source

TOMB_MS = 60_000
"""How long an emptied record stays: no swap is pending for so long, because its connection would be closed."""
_SOURCE = lua_source("records", TOMB_MS=TOMB_MS) + lease_functions.SOURCE
_ACROSS = lua_source("across") + lease_functions.SOURCE.replace(
    "redis.register_function('g106_", "register_across('g106_across_"
)
VERSION, VERSION_ACROSS = (sha256(source.encode()).hexdigest()[:8] for source in (_SOURCE, _ACROSS))
LIBRARY, LIBRARY_ACROSS = f"g106_{VERSION}", f"g106_across_{VERSION_ACROSS}"
SOURCE = f"#!lua name={LIBRARY}" + _SOURCE.replace("NAME", VERSION)
SOURCE_ACROSS = f"#!lua name={LIBRARY_ACROSS}" + _ACROSS.replace("NAME", VERSION_ACROSS)
"""A library of its own: a server that does not know its flag refuses it, and only it."""
SWAP, BOTH, HOLD, TELL, REPORT = (f"g106_{word}_{VERSION}" for word in ("swap", "both", "hold", "tell", "report"))
LINGER, CONFIRM, DECIDE = (f"g106_{word}_{VERSION}" for word in ("linger", "confirm", "decide"))
SHARES, PLACES, PORTIONS = (f"g106_{word}_{VERSION}" for word in ("shares", "places", "portions"))
ACROSS = {
    name: f"g106_across_{word}_{VERSION_ACROSS}"
    for name, word in ((SHARES, "shares"), (PLACES, "places"), (PORTIONS, "portions"))
}
"""The function for keys of any slots in place of one for keys of a slot."""
