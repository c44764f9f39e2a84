"""PROXY headers are parsed, and malformed ones refused."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.net.proxy_protocol import HEADER_MAX, LINE_MAX, ProxyHeader, ProxyHeaderError, read_header

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
BIND = b"\0\0\0\x2f\0\0\0\x09"  # what comes behind it


def binary(command: int = 0x21, family: int = 0x11, addresses: bytes = b"", more: bytes = b"") -> bytes:
    return SIGNATURE + struct.pack(">BBH", command, family, len(addresses) + len(more)) + addresses + more


V4 = ipaddress.ip_address("192.0.2.7").packed + ipaddress.ip_address("192.0.2.1").packed + struct.pack(">HH", 51342, 2775)
V6 = ipaddress.ip_address("2001:db8::7").packed + ipaddress.ip_address("2001:db8::1").packed + struct.pack(">HH", 51342, 2775)
GOOD = [
    (b"PROXY TCP4 192.0.2.7 192.0.2.1 51342 2775\r\n", "192.0.2.7"),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 51342 2775\r\n", "2001:db8::7"),
    (b"PROXY UNKNOWN\r\n", ""),
    (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", ""),
    (binary(addresses=V4), "192.0.2.7"),
    (binary(family=0x21, addresses=V6), "2001:db8::7"),
    (binary(addresses=V4, more=b"\x03\0\4abcd"), "192.0.2.7"),
    (binary(command=0x20, family=0), ""),  # a health check of the balancer itself
    (binary(family=0x31, addresses=bytes(216)), ""),  # a socket of the balancer's own machine
]


@pytest.mark.parametrize(("header", "address"), GOOD)
def test_a_header_says_whom_the_balancer_speaks_for_and_ends_where_the_connection_begins(header: bytes, address: str) -> None:
    assert read_header(header + BIND) == ProxyHeader(len(header), address)


@pytest.mark.parametrize(("header", "address"), GOOD)
def test_a_header_that_comes_octet_by_octet_is_waited_for(header: bytes, address: str) -> None:
    assert [read_header(header[:size]) for size in range(len(header))] == [None] * len(header)
    assert read_header(header) == ProxyHeader(len(header), address)


@pytest.mark.parametrize(
    "data",
    [
        BIND,  # a client that no balancer stands before
        b"\x16\x03\x01\x02\0",  # a client that begins with TLS
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 51342\r\n",
        b"PROXY TCP4 192.0.2.700 192.0.2.1 51342 2775\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 51342 2775\r\n",
        b"PROXY UDP4 192.0.2.7 192.0.2.1 51342 2775\r\n",
        b"PROXY  TCP4 192.0.2.7 192.0.2.1 51342 2775\r\n",
        b"PROXY UNKNOWN " + b"x" * LINE_MAX,
        binary(command=0x11, addresses=V4),  # version 1 in binary
        binary(command=0x22, addresses=V4),  # a command nobody knows
        binary(addresses=V4[:-1]),
        SIGNATURE + struct.pack(">BBH", 0x21, 0x11, HEADER_MAX),
    ],
)
def test_what_is_no_header_is_turned_away(data: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        read_header(data)


@given(
    st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=60).map(lambda rest: b"PROXY " + rest),
        st.binary(max_size=60).map(lambda rest: SIGNATURE + rest),
    )
)
def test_any_octets_are_a_header_or_the_beginning_of_one_or_none(data: bytes) -> None:
    try:
        found = read_header(data)
    except ProxyHeaderError:
        return
    assert found is None or 0 < found.octets <= len(data)
    if found is not None and found.address:
        ipaddress.ip_address(found.address)
