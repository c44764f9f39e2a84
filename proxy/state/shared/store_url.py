"""Parses the URL of a shared store: ``valkey[s][+cluster]://host[:port][,host[:port]…][/database]``."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from proxy.state import StateError
from proxy.state.shared.connection import ServerAddress

PORT = 6379


class Located(NamedTuple):
    addresses: list[ServerAddress]
    """One server, or some of a cluster that are asked for the others."""
    database: int
    cluster: bool


def locate(url: str, *, encrypted: bool) -> Located:
    """Parses the URL. ``encrypted``: whether the settings have certificates. Raises StateError if the URL is invalid or does not fit."""
    parsed = urlsplit(url)
    scheme, _, kind = parsed.scheme.partition("+")
    if kind not in ("", "cluster"):
        raise StateError(f"store {url!r}: {kind!r} is not known (valkey://, valkeys://, valkey+cluster://, valkeys+cluster://)")
    if "@" in parsed.netloc:
        raise StateError("store: no user or password in the URL, where others read it: say shared.user and shared.password")
    database = parsed.path.strip("/") or "0"
    addresses = [_parse(one, url) for one in parsed.netloc.split(",")]
    if not database.isdecimal() or (kind and database != "0") or (not kind and len(addresses) > 1):
        raise StateError(f"store {url!r}: one host and a database's number, or with +cluster several hosts and none")
    if (scheme == "valkeys") != encrypted:
        raise StateError("store: certificates (shared.tls_…) go with valkeys://")
    return Located(addresses, int(database), bool(kind))


def _parse(text: str, url: str) -> ServerAddress:
    host, found, port = text.rpartition(":")
    if not found or text.endswith("]"):
        host, port = text, str(PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise StateError(f"store {url!r}: {text!r} is no host:port")
    return ServerAddress(host, int(port))
