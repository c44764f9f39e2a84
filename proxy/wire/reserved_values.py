"""Finds reserved values, broken user data headers and impossible part numbers.

In: octets of a submit, or fields of another request. Out: the fault that a strict SMSC finds in them, or None. Never: whether it
matters (``reserved_values`` of the provider).

    field                     what may stand there                                       status
    esm_class                 any mode and features; type 0, or an ESME's own            ESME_RINVESMCLASS
    user data header          one that ends where it says, with parts that can be        ESME_RINVESMCLASS
    priority_flag             0 to 3                                                     ESME_RINVPRTFLG
    registered_delivery       receipt 0 to 2, acknowledgement, intermediate              ESME_RINVREGDLVFLG
    replace_if_present_flag   0, 1                                                       ESME_RINVREPFLAG
    type of number            0 to 6                                                     ESME_RINVSRCTON, ESME_RINVDSTTON
    numbering plan            0, 1, 3, 4, 6, 8, 9, 10, 14, 18                            ESME_RINVSRCNPI, ESME_RINVDSTNPI
    sar_* parameters          1 to total of 1 to 255                                     ESME_RINVOPTPARAMVAL
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from proxy.model.message import Content
from proxy.wire.frame import Malformed
from proxy.wire.tables import (
    ESM_TYPE,
    ESM_UDHI,
    ESME_RINVDSTNPI,
    ESME_RINVDSTTON,
    ESME_RINVESMCLASS,
    ESME_RINVOPTPARAMVAL,
    ESME_RINVPRTFLG,
    ESME_RINVREGDLVFLG,
    ESME_RINVREPFLAG,
    ESME_RINVSRCNPI,
    ESME_RINVSRCTON,
    SAR_SEGMENT_SEQNUM,
    SAR_TOTAL_SEGMENTS,
)
from proxy.wire.udh import CONCAT_8, CONCAT_16

TON_MAX = 6  # §5.2.5
NPIS = frozenset((0, 1, 3, 4, 6, 8, 9, 10, 14, 18))  # §5.2.6
PRIORITY_MAX = 3  # §5.2.14
_TYPES = frozenset((0x00, 0x08, 0x10))  # §5.2.12: default, SME delivery acknowledgement, SME manual or user acknowledgement
ESM_CLASSES = frozenset(one for one in range(256) if one & ESM_TYPE in _TYPES)
REGISTERED = frozenset(one for one in range(256) if not one & 0xE0 and one & 3 != 3)  # §5.2.17


class ReservedFault(NamedTuple):
    status: int
    what: str

    def malformed(self) -> Malformed:
        return Malformed(self.status, "reserved", self.what)


class ReservedContent(Content):
    """Content of a submit that a strict SMSC refuses."""

    __slots__ = ("fault",)
    fault: ReservedFault


def with_fault(content: Content, fault: ReservedFault | None) -> Content:
    """The content itself, or a copy with the fault; the first fault counts."""
    if fault is None or isinstance(content, ReservedContent):
        return content
    found = ReservedContent(
        content.text,
        content.state,
        content.digest,
        content.part,
        content.scheduled,
        content.extra,
        content.octets,
        content.complete,
    )
    found.fault = fault
    return found


def source_fault(ton: int, npi: int) -> ReservedFault | None:
    return _kind_fault("source_addr", ton, npi, ESME_RINVSRCTON, ESME_RINVSRCNPI)


def destination_fault(ton: int, npi: int) -> ReservedFault | None:
    return _kind_fault("dest_addr", ton, npi, ESME_RINVDSTTON, ESME_RINVDSTNPI)


def _kind_fault(name: str, ton: int, npi: int, of_ton: int, of_npi: int) -> ReservedFault | None:
    if ton > TON_MAX:
        return ReservedFault(of_ton, f"{name}_ton {ton}")
    return None if npi in NPIS else ReservedFault(of_npi, f"{name}_npi {npi}")


def flags_fault(esm_class: int = 0, priority: int = 0, registered: int = 0, replace: int = 0) -> ReservedFault | None:
    """The fault in the flag fields."""
    if esm_class not in ESM_CLASSES:
        return ReservedFault(ESME_RINVESMCLASS, f"esm_class 0x{esm_class:02x}")
    if priority > PRIORITY_MAX:
        return ReservedFault(ESME_RINVPRTFLG, f"priority_flag {priority}")
    if registered not in REGISTERED:
        return ReservedFault(ESME_RINVREGDLVFLG, f"registered_delivery 0x{registered:02x}")
    if replace > 1:
        return ReservedFault(ESME_RINVREPFLAG, f"replace_if_present_flag {replace}")
    return None


def text_fault(octets: bytes, esm_class: int, values: Mapping[int, bytes]) -> ReservedFault | None:
    """The fault in the user data header or in the ``sar_*`` parameters. §5.3.2.22: they have no meaning unless all three are present."""
    if esm_class & ESM_UDHI and not _is_header(octets):
        return ReservedFault(ESME_RINVESMCLASS, "esm_class announces a user data header, and there is none that can be")
    total, index = values.get(SAR_TOTAL_SEGMENTS, b"\1")[0], values.get(SAR_SEGMENT_SEQNUM, b"\1")[0]
    if not 1 <= index <= total and (SAR_TOTAL_SEGMENTS in values or not index):
        return ReservedFault(ESME_RINVOPTPARAMVAL, f"sar_segment_seqnum {index}, sar_total_segments {total}")
    return None


def _is_header(octets: bytes) -> bool:
    """Whether the octets begin with a user data header (GSM 03.40 §9.2.3.24) with possible part numbers, if it has any."""
    end, position = octets[0] + 1 if octets else 0, 1
    while position < end:
        start = position + 2
        if start > len(octets):
            return False
        element, position = octets[position], start + octets[position + 1]
        if element in (CONCAT_8, CONCAT_16):
            value = octets[start:position]
            if len(value) != (3 if element == CONCAT_8 else 4) or not 1 <= value[-1] <= value[-2]:
                return False
    return bool(octets) and position == end <= len(octets)


def fields_fault(fields: Mapping[str, Any]) -> ReservedFault | None:
    """The fault in the fields of a data_sm, query_sm, cancel_sm or replace_sm."""
    return (
        source_fault(fields["source_addr_ton"], fields["source_addr_npi"])
        or destination_fault(fields.get("dest_addr_ton", 0), fields.get("dest_addr_npi", 0))
        or flags_fault(fields.get("esm_class", 0), registered=fields.get("registered_delivery", 0))
    )
