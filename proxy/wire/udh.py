"""Reads the user data header (GSM 03.40 §9.2.3.24).

In: octets that begin with a header. Out: where the text begins, the part number of a long message, whether a person can read the
text. Never: exceptions; a header that cannot be read makes the text unreadable.
"""

from __future__ import annotations

from typing import NamedTuple

from proxy.model.message import Part
from proxy.wire.charset import BINARY, READABLE, UNREADABLE, WAP_PUSH

CONCAT_8, CONCAT_16 = 0x00, 0x08
PORTS_8, PORTS_16 = 0x04, 0x05
SINGLE_SHIFT, LOCKING_SHIFT = 0x24, 0x25
SIM_TOOLKIT = range(0x70, 0x80)
WAP_PORTS = frozenset({2948, 2949, *range(9200, 9208)})
"""WAP push and WAP sessions (IANA; WAP-259-WDP)."""


class UserDataHeader(NamedTuple):
    length: int
    """Octets before the text."""
    part: Part | None
    state: str
    """``readable`` unless the header says that the text is for an application, or in a national alphabet."""


def state_of_port(port: int) -> str:
    """The state of a message to an application port: an inbox shows nothing."""
    return WAP_PUSH if port in WAP_PORTS else BINARY


def part_of(reference: int, total: int, index: int) -> Part | None:
    """The part number, or None if it is impossible (GSM 03.40 §9.2.3.24.1: it is ignored). Part one of one is no multipart message.

    Only the low octet of the reference counts: an SMSC may convert a 16-bit header, or ``sar_*``, into an 8-bit one."""
    return Part(reference & 0xFF, total, index) if 1 <= index <= total and total > 1 else None


_BROKEN = UserDataHeader(0, None, UNREADABLE)


def read_udh(octets: bytes) -> UserDataHeader:
    """Reads the header at the beginning of ``octets``. Of a repeated element the last counts (§9.2.3.24), unless it is to be ignored."""
    end = octets[0] + 1 if octets else 0
    if not octets or end > len(octets):
        return _BROKEN
    if octets[:3] == b"\x05\x00\x03":  # the usual one: nothing but an 8-bit concatenation
        return UserDataHeader(6, part_of(octets[3], octets[4], octets[5]), READABLE)
    part: Part | None = None
    state = READABLE
    position = 1
    while position < end:
        start = position + 2
        if start > end or start + octets[position + 1] > end:
            return _BROKEN
        element, value = octets[position], octets[start : start + octets[position + 1]]
        position = start + len(value)
        if element == CONCAT_8 and len(value) == 3:
            part = part_of(value[0], value[1], value[2]) or part
        elif element == CONCAT_16 and len(value) == 4:
            part = part_of(value[1], value[2], value[3]) or part
        elif element == PORTS_16 and len(value) == 4:
            state = state_of_port(value[0] << 8 | value[1])
        elif element == PORTS_8 and len(value) == 2:
            state = state_of_port(value[0])
        elif element in SIM_TOOLKIT:
            state = BINARY
        elif element in (SINGLE_SHIFT, LOCKING_SHIFT):
            state = UNREADABLE if state == READABLE else state  # national tables: read with ours, the text would be another
    return UserDataHeader(end, part, state)
