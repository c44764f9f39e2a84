"""Parses a load balancer's PROXY protocol header, versions 1 and 2.

In: the first octets of a connection. Out: the header's length and the address in it. Never: a socket, whether the balancer may be believed
(listeners.py).

    PROXY TCP4 192.0.2.7 192.0.2.1 51342 2775\\r\\n          version 1: a line of at most 107 octets
    12 octets of signature · version, command · family · length · addresses          version 2
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

LINE_MAX = 107
"""Octets of a header of version 1, its end included (section 2.1)."""
HEADER_MAX = 2048
"""Longer headers of version 2 are refused: balancers add some hundred octets to the addresses."""
_LINE = b"PROXY "
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_ADDRESS_OCTETS = {0x11: 4, 0x12: 4, 0x21: 16, 0x22: 16}
"""By family and transport: TCP or UDP over IPv4 or IPv6."""
_LOCAL, _PROXY = 0x20, 0x21


class ProxyHeaderError(ValueError):
    """The connection does not begin with a valid header."""


class ProxyHeader(NamedTuple):
    octets: int
    address: str
    """The client's address; empty where the balancer connects for itself (a health check) or does not know it."""


def read_header(data: bytes) -> ProxyHeader | None:
    """The header at the beginning of ``data``; None while it is incomplete. Raises ProxyHeaderError."""
    if data.startswith(_LINE[: len(data)]):
        return _line(data)
    if data.startswith(_SIGNATURE[: len(data)]):
        return _binary(data)
    raise ProxyHeaderError("it begins with no PROXY header")


def _line(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, LINE_MAX)
    if end < 0:
        if len(data) >= LINE_MAX:
            raise ProxyHeaderError(f"its PROXY line is longer than {LINE_MAX} octets")
        return None
    words = data[:end].split(b" ")
    if words[1] == b"UNKNOWN":
        return ProxyHeader(end + 2, "")
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise ProxyHeaderError("its PROXY line is not as the protocol has it")
    address = _spelt(words[2].decode("ascii", "replace"))
    if (address.version == 4) != (words[1] == b"TCP4"):
        raise ProxyHeaderError("its PROXY line names an address of another family")
    return ProxyHeader(end + 2, str(address))


def _spelt(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise ProxyHeaderError("its PROXY line names no address") from None


def _binary(data: bytes) -> ProxyHeader | None:
    if len(data) < 16:
        return None
    command, family, length = data[12], data[13], data[14] << 8 | data[15]
    if command not in (_LOCAL, _PROXY) or 16 + length > HEADER_MAX:
        raise ProxyHeaderError("its PROXY header is of no known version, or too long")
    if len(data) < 16 + length:
        return None
    octets = _ADDRESS_OCTETS.get(family)
    if command == _LOCAL or octets is None:
        return ProxyHeader(16 + length, "")
    if length < 2 * octets + 4:
        raise ProxyHeaderError("its PROXY header ends amid an address")
    return ProxyHeader(16 + length, str(ipaddress.ip_address(data[16 : 16 + octets])))
