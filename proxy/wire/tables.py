"""Lists SMPP 3.4's commands, fields, optional parameters and statuses.

In: nothing. Out: mappings for the readers, the builders and the session; each cites its section. Never: behaviour beyond a
look-up. Numbers are those of "Short Message Peer to Peer Protocol Specification v3.4", issue 1.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

# --- the header (§3.2, §5.1) -----------------------------------------------------------------------------------------

HEADER_BYTES = 16
PDU_BYTES_MAX = 0x11000
"""Longest accepted PDU: a message_payload of 64 KiB (§5.3.2.32) and 4 KiB for the rest. A longer one means lost framing."""
RESPONSE = 0x80000000
"""The bit that makes a request's command_id its response's (§5.1.2.1)."""
MESSAGE_ID_MAX = 64
"""Octets of a message_id without its NUL (§5.2.23)."""
SEQUENCE_MAX = 0x7FFFFFFF
"""§5.1.4: our sequence numbers run from 1 to this. A peer's numbers are echoed, whatever they are."""
VERSION_34 = 0x34
"""interface_version (§5.2.4) from which a peer may be sent optional parameters (§3.1)."""

# --- statuses (§5.1.3) -----------------------------------------------------------------------------------------------

_STATUSES: tuple[tuple[int, str, str], ...] = (
    (0x00, "ESME_ROK", "no error"),
    (0x01, "ESME_RINVMSGLEN", "message length is invalid"),
    (0x02, "ESME_RINVCMDLEN", "command length is invalid"),
    (0x03, "ESME_RINVCMDID", "invalid command id"),
    (0x04, "ESME_RINVBNDSTS", "incorrect bind status for given command"),
    (0x05, "ESME_RALYBND", "already in bound state"),
    (0x06, "ESME_RINVPRTFLG", "invalid priority flag"),
    (0x07, "ESME_RINVREGDLVFLG", "invalid registered delivery flag"),
    (0x08, "ESME_RSYSERR", "system error"),
    (0x0A, "ESME_RINVSRCADR", "invalid source address"),
    (0x0B, "ESME_RINVDSTADR", "invalid destination address"),
    (0x0C, "ESME_RINVMSGID", "message id is invalid"),
    (0x0D, "ESME_RBINDFAIL", "bind failed"),
    (0x0E, "ESME_RINVPASWD", "invalid password"),
    (0x0F, "ESME_RINVSYSID", "invalid system id"),
    (0x11, "ESME_RCANCELFAIL", "cancel failed"),
    (0x13, "ESME_RREPLACEFAIL", "replace failed"),
    (0x14, "ESME_RMSGQFUL", "message queue full"),
    (0x15, "ESME_RINVSERTYP", "invalid service type"),
    (0x33, "ESME_RINVNUMDESTS", "invalid number of destinations"),
    (0x34, "ESME_RINVDLNAME", "invalid distribution list name"),
    (0x40, "ESME_RINVDESTFLAG", "invalid destination flag"),
    (0x42, "ESME_RINVSUBREP", "invalid submit with replace request"),
    (0x43, "ESME_RINVESMCLASS", "invalid esm_class"),
    (0x44, "ESME_RCNTSUBDL", "cannot submit to distribution list"),
    (0x45, "ESME_RSUBMITFAIL", "submit failed"),
    (0x48, "ESME_RINVSRCTON", "invalid source address type of number"),
    (0x49, "ESME_RINVSRCNPI", "invalid source address numbering plan"),
    (0x50, "ESME_RINVDSTTON", "invalid destination address type of number"),
    (0x51, "ESME_RINVDSTNPI", "invalid destination address numbering plan"),
    (0x53, "ESME_RINVSYSTYP", "invalid system type"),
    (0x54, "ESME_RINVREPFLAG", "invalid replace_if_present flag"),
    (0x55, "ESME_RINVNUMMSGS", "invalid number of messages"),
    (0x58, "ESME_RTHROTTLED", "throttling error"),
    (0x61, "ESME_RINVSCHED", "invalid scheduled delivery time"),
    (0x62, "ESME_RINVEXPIRY", "invalid validity period"),
    (0x63, "ESME_RINVDFTMSGID", "predefined message invalid or not found"),
    (0x64, "ESME_RX_T_APPN", "receiver temporary error"),
    (0x65, "ESME_RX_P_APPN", "receiver permanent error"),
    (0x66, "ESME_RX_R_APPN", "receiver reject"),
    (0x67, "ESME_RQUERYFAIL", "query failed"),
    (0xC0, "ESME_RINVOPTPARSTREAM", "error in the optional part of the body"),
    (0xC1, "ESME_ROPTPARNOTALLWD", "optional parameter not allowed"),
    (0xC2, "ESME_RINVPARLEN", "invalid parameter length"),
    (0xC3, "ESME_RMISSINGOPTPARAM", "expected optional parameter missing"),
    (0xC4, "ESME_RINVOPTPARAMVAL", "invalid optional parameter value"),
    (0xFE, "ESME_RDELIVERYFAILURE", "delivery failure"),
    (0xFF, "ESME_RUNKNOWNERR", "unknown error"),
)

STATUSES: Mapping[str, int] = {name: number for number, name, _ in _STATUSES}
"""Name → number."""
STATUS_NAMES: Mapping[int, str] = {number: name for number, name, _ in _STATUSES}


def status_name(number: int) -> str:
    """``ESME_RTHROTTLED`` for 0x58; ``0x00000410`` for a status without a name (vendor statuses are 0x400-0x4FF)."""
    return STATUS_NAMES.get(number) or f"0x{number:08x}"


ESME_ROK = 0x00
ESME_RINVMSGLEN = 0x01
ESME_RINVCMDLEN = 0x02
ESME_RINVCMDID = 0x03
ESME_RINVBNDSTS = 0x04
ESME_RALYBND = 0x05
ESME_RINVPRTFLG = 0x06
ESME_RINVREGDLVFLG = 0x07
ESME_RSYSERR = 0x08
ESME_RINVSRCADR = 0x0A
ESME_RINVDSTADR = 0x0B
ESME_RINVMSGID = 0x0C
ESME_RBINDFAIL = 0x0D
ESME_RINVPASWD = 0x0E
ESME_RINVSYSID = 0x0F
ESME_RCANCELFAIL = 0x11
ESME_RREPLACEFAIL = 0x13
ESME_RMSGQFUL = 0x14
ESME_RINVSERTYP = 0x15
ESME_RINVNUMDESTS = 0x33
ESME_RINVDLNAME = 0x34
ESME_RINVDESTFLAG = 0x40
ESME_RINVESMCLASS = 0x43
ESME_RSUBMITFAIL = 0x45
ESME_RINVSRCTON = 0x48
ESME_RINVSRCNPI = 0x49
ESME_RINVDSTTON = 0x50
ESME_RINVDSTNPI = 0x51
ESME_RINVSYSTYP = 0x53
ESME_RINVREPFLAG = 0x54
ESME_RTHROTTLED = 0x58
ESME_RINVSCHED = 0x61
ESME_RINVEXPIRY = 0x62
ESME_RX_T_APPN = 0x64
ESME_RQUERYFAIL = 0x67
ESME_RINVOPTPARSTREAM = 0xC0
ESME_ROPTPARNOTALLWD = 0xC1
ESME_RINVPARLEN = 0xC2
ESME_RMISSINGOPTPARAM = 0xC3
ESME_RINVOPTPARAMVAL = 0xC4

# --- fields (§4) -----------------------------------------------------------------------------------------------------


class Field(NamedTuple):
    """One mandatory field of a body, and the status of the response if it is broken."""

    name: str
    kind: str
    """``int`` (one octet, or ``size`` octets), ``text`` (C-octet string, ``size`` includes the NUL), ``time`` (a ``text``
    of 1 or 17 octets, §7.1), ``octets`` (as many as the field before it says), ``addresses``, ``unsuccessful``"""
    size: int
    status: int


def _int(name: str, status: int = ESME_RINVCMDLEN, size: int = 1) -> Field:
    return Field(name, "int", size, status)


def _text(name: str, size: int, status: int) -> Field:
    return Field(name, "text", size, status)


_SERVICE_TYPE = _text("service_type", 6, ESME_RINVSERTYP)  # §5.2.11
_MESSAGE_ID = _text("message_id", MESSAGE_ID_MAX + 1, ESME_RINVMSGID)  # §5.2.23
_SOURCE = (_int("source_addr_ton"), _int("source_addr_npi"), _text("source_addr", 21, ESME_RINVSRCADR))  # §5.2.5, .6, .8
_LONG_SOURCE = (*_SOURCE[:2], _text("source_addr", 65, ESME_RINVSRCADR))  # §4.7.1: data_sm allows 65
_DESTINATION = (_int("dest_addr_ton"), _int("dest_addr_npi"), _text("destination_addr", 21, ESME_RINVDSTADR))  # §5.2.9
_LONG_DESTINATION = (*_DESTINATION[:2], _text("destination_addr", 65, ESME_RINVDSTADR))
_SCHEDULE = Field("schedule_delivery_time", "time", 17, ESME_RINVSCHED)  # §5.2.15
_VALIDITY = Field("validity_period", "time", 17, ESME_RINVEXPIRY)  # §5.2.16
_SHORT_MESSAGE = (_int("sm_length"), Field("short_message", "octets", 254, ESME_RINVMSGLEN))  # §5.2.21, .22
_AFTER_DESTINATION = (
    _int("esm_class"),  # §5.2.12
    _int("protocol_id"),
    _int("priority_flag"),
    _SCHEDULE,
    _VALIDITY,
    _int("registered_delivery"),  # §5.2.17
    _int("replace_if_present_flag"),
    _int("data_coding"),  # §5.2.19
    _int("sm_default_msg_id"),
    *_SHORT_MESSAGE,
)
_BIND = (
    _text("system_id", 16, ESME_RINVSYSID),  # §5.2.1
    _text("password", 9, ESME_RINVPASWD),  # §5.2.2
    _text("system_type", 13, ESME_RINVSYSTYP),  # §5.2.3
    _int("interface_version"),
    _int("addr_ton"),
    _int("addr_npi"),
    _text("address_range", 41, ESME_RBINDFAIL),  # §5.2.7
)
_BIND_RESP = (_text("system_id", 16, ESME_RINVSYSID),)


class Command(NamedTuple):
    """One kind of PDU: who may send it in which state (§2.2, tables 2-1 to 2-5), and its body."""

    name: str
    id: int
    section: str
    from_esme: frozenset[str]
    """States in which an ESME may send it: ``open``, ``bound_tx``, ``bound_rx``, ``bound_trx``."""
    from_smsc: frozenset[str]
    fields: tuple[Field, ...] = ()
    tlvs: bool = False
    """Whether optional parameters may follow."""
    answered: bool = True


_NEVER: frozenset[str] = frozenset()
_OPEN = frozenset({"open"})
_TX = frozenset({"bound_tx", "bound_trx"})
_RX = frozenset({"bound_rx", "bound_trx"})
_BOUND = _TX | _RX
_ANY = _OPEN | _BOUND

BIND_RECEIVER = 0x01
BIND_TRANSMITTER = 0x02
QUERY_SM = 0x03
SUBMIT_SM = 0x04
DELIVER_SM = 0x05
UNBIND = 0x06
REPLACE_SM = 0x07
CANCEL_SM = 0x08
BIND_TRANSCEIVER = 0x09
OUTBIND = 0x0B
ENQUIRE_LINK = 0x15
SUBMIT_MULTI = 0x21
ALERT_NOTIFICATION = 0x102
DATA_SM = 0x103
GENERIC_NACK = 0x80000000
SUBMIT_SM_RESP = SUBMIT_SM | RESPONSE
DELIVER_SM_RESP = DELIVER_SM | RESPONSE
DATA_SM_RESP = DATA_SM | RESPONSE
ENQUIRE_LINK_RESP = ENQUIRE_LINK | RESPONSE
UNBIND_RESP = UNBIND | RESPONSE

_REQUESTS: tuple[Command, ...] = (
    Command("bind_receiver", BIND_RECEIVER, "4.1.3", _OPEN, _NEVER, _BIND),
    Command("bind_transmitter", BIND_TRANSMITTER, "4.1.1", _OPEN, _NEVER, _BIND),
    Command("query_sm", QUERY_SM, "4.8.1", _TX, _NEVER, (_MESSAGE_ID, *_SOURCE)),
    Command("submit_sm", SUBMIT_SM, "4.4.1", _TX, _NEVER, (_SERVICE_TYPE, *_SOURCE, *_DESTINATION, *_AFTER_DESTINATION), True),
    Command(
        "deliver_sm", DELIVER_SM, "4.6.1", _NEVER, _RX, (_SERVICE_TYPE, *_SOURCE, *_DESTINATION, *_AFTER_DESTINATION), True
    ),
    Command("unbind", UNBIND, "4.2.1", _BOUND, _BOUND),
    Command(
        "replace_sm",
        REPLACE_SM,
        "4.10.1",
        _TX,
        _NEVER,
        (_MESSAGE_ID, *_SOURCE, _SCHEDULE, _VALIDITY, _int("registered_delivery"), _int("sm_default_msg_id"), *_SHORT_MESSAGE),
    ),
    Command("cancel_sm", CANCEL_SM, "4.9.1", _TX, _NEVER, (_SERVICE_TYPE, _MESSAGE_ID, *_SOURCE, *_DESTINATION)),
    Command("bind_transceiver", BIND_TRANSCEIVER, "4.1.5", _OPEN, _NEVER, _BIND),
    Command(
        "outbind",
        OUTBIND,
        "4.1.7",
        _NEVER,
        _OPEN,
        (_text("system_id", 16, ESME_RINVSYSID), _text("password", 9, ESME_RINVPASWD)),
        answered=False,
    ),
    Command("enquire_link", ENQUIRE_LINK, "4.11.1", _ANY, _ANY),
    Command(
        "submit_multi",
        SUBMIT_MULTI,
        "4.5.1",
        _TX,
        _NEVER,
        (
            _SERVICE_TYPE,
            *_SOURCE,
            _int("number_of_dests", ESME_RINVNUMDESTS),
            Field("dest_address", "addresses", 254, ESME_RINVDSTADR),
            *_AFTER_DESTINATION,
        ),
        True,
    ),
    Command(
        "alert_notification",
        ALERT_NOTIFICATION,
        "4.12.1",
        _NEVER,
        _RX,
        (*_LONG_SOURCE, _int("esme_addr_ton"), _int("esme_addr_npi"), _text("esme_addr", 65, ESME_RINVDSTADR)),
        True,
        answered=False,
    ),
    Command(
        "data_sm",
        DATA_SM,
        "4.7.1",
        _TX,
        _RX,
        (_SERVICE_TYPE, *_LONG_SOURCE, *_LONG_DESTINATION, _int("esm_class"), _int("registered_delivery"), _int("data_coding")),
        True,
    ),
)

_RESPONSES: tuple[Command, ...] = (
    Command("generic_nack", GENERIC_NACK, "4.3.1", _ANY, _ANY),
    Command("bind_receiver_resp", BIND_RECEIVER | RESPONSE, "4.1.4", _NEVER, _OPEN, _BIND_RESP, True),
    Command("bind_transmitter_resp", BIND_TRANSMITTER | RESPONSE, "4.1.2", _NEVER, _OPEN, _BIND_RESP, True),
    Command(
        "query_sm_resp",
        QUERY_SM | RESPONSE,
        "4.8.2",
        _NEVER,
        _TX,
        (_MESSAGE_ID, Field("final_date", "time", 17, ESME_RINVEXPIRY), _int("message_state"), _int("error_code")),
    ),
    Command("submit_sm_resp", SUBMIT_SM_RESP, "4.4.2", _NEVER, _TX, (_MESSAGE_ID,), True),
    Command("deliver_sm_resp", DELIVER_SM_RESP, "4.6.2", _RX, _NEVER, (_MESSAGE_ID,), True),
    Command("unbind_resp", UNBIND_RESP, "4.2.2", _BOUND, _BOUND),
    Command("replace_sm_resp", REPLACE_SM | RESPONSE, "4.10.2", _NEVER, _TX),
    Command("cancel_sm_resp", CANCEL_SM | RESPONSE, "4.9.2", _NEVER, _TX),
    Command("bind_transceiver_resp", BIND_TRANSCEIVER | RESPONSE, "4.1.6", _NEVER, _OPEN, _BIND_RESP, True),
    Command("enquire_link_resp", ENQUIRE_LINK_RESP, "4.11.2", _ANY, _ANY),
    Command(
        "submit_multi_resp",
        SUBMIT_MULTI | RESPONSE,
        "4.5.2",
        _NEVER,
        _TX,
        (_MESSAGE_ID, _int("no_unsuccess"), Field("unsuccess_sme", "unsuccessful", 255, ESME_RINVDSTADR)),
    ),
    Command("data_sm_resp", DATA_SM_RESP, "4.7.2", _RX, _TX, (_MESSAGE_ID,), True),
)

COMMANDS: Mapping[int, Command] = {command.id: command for command in (*_REQUESTS, *_RESPONSES)}
COMMAND_IDS: Mapping[str, int] = {command.name: command.id for command in COMMANDS.values()}
BINDS: Mapping[int, str] = {BIND_RECEIVER: "bound_rx", BIND_TRANSMITTER: "bound_tx", BIND_TRANSCEIVER: "bound_trx"}
"""Bind command → the state an accepted one leads to (§2.2)."""
FIELDS: Mapping[str, tuple[Field, ...]] = {command.name: command.fields for command in COMMANDS.values()}

# --- optional parameters (§5.3.2) ------------------------------------------------------------------------------------


class Tlv(NamedTuple):
    """One optional parameter and the octets its value may have."""

    name: str
    tag: int
    least: int
    most: int
    section: str


_TLVS: tuple[Tlv, ...] = (
    Tlv("dest_addr_subunit", 0x0005, 1, 1, "5.3.2.1"),
    Tlv("dest_network_type", 0x0006, 1, 1, "5.3.2.3"),
    Tlv("dest_bearer_type", 0x0007, 1, 1, "5.3.2.5"),
    Tlv("dest_telematics_id", 0x0008, 2, 2, "5.3.2.7"),
    Tlv("source_addr_subunit", 0x000D, 1, 1, "5.3.2.2"),
    Tlv("source_network_type", 0x000E, 1, 1, "5.3.2.4"),
    Tlv("source_bearer_type", 0x000F, 1, 1, "5.3.2.6"),
    Tlv("source_telematics_id", 0x0010, 1, 2, "5.3.2.8"),
    Tlv("qos_time_to_live", 0x0017, 4, 4, "5.3.2.9"),
    Tlv("payload_type", 0x0019, 1, 1, "5.3.2.10"),
    Tlv("additional_status_info_text", 0x001D, 1, 256, "5.3.2.11"),
    Tlv("receipted_message_id", 0x001E, 1, 65, "5.3.2.12"),
    Tlv("ms_msg_wait_facilities", 0x0030, 1, 1, "5.3.2.13"),
    Tlv("privacy_indicator", 0x0201, 1, 1, "5.3.2.14"),
    Tlv("source_subaddress", 0x0202, 2, 23, "5.3.2.15"),
    Tlv("dest_subaddress", 0x0203, 2, 23, "5.3.2.16"),
    Tlv("user_message_reference", 0x0204, 2, 2, "5.3.2.17"),
    Tlv("user_response_code", 0x0205, 1, 1, "5.3.2.18"),
    Tlv("source_port", 0x020A, 2, 2, "5.3.2.20"),
    Tlv("destination_port", 0x020B, 2, 2, "5.3.2.21"),
    Tlv("sar_msg_ref_num", 0x020C, 2, 2, "5.3.2.22"),
    Tlv("language_indicator", 0x020D, 1, 1, "5.3.2.19"),
    Tlv("sar_total_segments", 0x020E, 1, 1, "5.3.2.23"),
    Tlv("sar_segment_seqnum", 0x020F, 1, 1, "5.3.2.24"),
    Tlv("sc_interface_version", 0x0210, 1, 1, "5.3.2.25"),
    Tlv("callback_num_pres_ind", 0x0302, 1, 1, "5.3.2.37"),
    Tlv("callback_num_atag", 0x0303, 0, 65, "5.3.2.38"),
    Tlv("number_of_messages", 0x0304, 1, 1, "5.3.2.39"),
    Tlv("callback_num", 0x0381, 4, 19, "5.3.2.36"),
    Tlv("dpf_result", 0x0420, 1, 1, "5.3.2.28"),
    Tlv("set_dpf", 0x0421, 1, 1, "5.3.2.29"),
    Tlv("ms_availability_status", 0x0422, 1, 1, "5.3.2.30"),
    Tlv("network_error_code", 0x0423, 3, 3, "5.3.2.31"),
    Tlv("message_payload", 0x0424, 0, 0xFFFF, "5.3.2.32"),
    Tlv("delivery_failure_reason", 0x0425, 1, 1, "5.3.2.33"),
    Tlv("more_messages_to_send", 0x0426, 1, 1, "5.3.2.34"),
    Tlv("message_state", 0x0427, 1, 1, "5.3.2.35"),
    Tlv("ussd_service_op", 0x0501, 1, 1, "5.3.2.44"),
    Tlv("display_time", 0x1201, 1, 1, "5.3.2.26"),
    Tlv("sms_signal", 0x1203, 2, 2, "5.3.2.40"),
    Tlv("ms_validity", 0x1204, 1, 1, "5.3.2.27"),
    Tlv("alert_on_message_delivery", 0x130C, 0, 0, "5.3.2.41"),
    Tlv("its_reply_type", 0x1380, 1, 1, "5.3.2.42"),
    Tlv("its_session_info", 0x1383, 2, 2, "5.3.2.43"),
)

TLVS: Mapping[int, Tlv] = {tlv.tag: tlv for tlv in _TLVS}
REPEATABLE: frozenset[int] = frozenset({0x0302, 0x0303, 0x0381})
"""callback_num and what belongs to it may stand several times (§5.3.2.36); any other tag at most once."""

ADDITIONAL_STATUS_INFO_TEXT = 0x001D
RECEIPTED_MESSAGE_ID = 0x001E
DESTINATION_PORT = 0x020B
SAR_MSG_REF_NUM = 0x020C
SAR_TOTAL_SEGMENTS = 0x020E
SAR_SEGMENT_SEQNUM = 0x020F
SC_INTERFACE_VERSION = 0x0210
MESSAGE_PAYLOAD = 0x0424
MESSAGE_STATE = 0x0427

MESSAGE_STATES: Mapping[int, str] = {
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    7: "UNKNOWN",
    8: "REJECTD",
}
"""message_state (§5.2.28) → the word a receipt's text uses (appendix B)."""

# --- esm_class (§5.2.12) ---------------------------------------------------------------------------------------------

ESM_TYPE = 0x3C
"""Mask of the message type."""
ESM_RECEIPT = 0x04
ESM_INTERMEDIATE = 0x20
ESM_UDHI = 0x40

# --- what is counted of bad PDUs -------------------------------------------------------------------------------------

BAD_KINDS: Mapping[str, str] = {
    "framing": "a command_length that cannot be: the stream cannot be read any further",
    "length": "a body longer or shorter than its fields",
    "unknown-command": "a command_id the specification does not know, or one of SMPP 5",
    "bind-state": "a command that this peer may not send in this state",
    "field": "a mandatory field over-long, without its NUL, or not what the specification says",
    "tlv": "optional parameters cut short, repeated, of the wrong size, or not allowed here",
    "reserved": "a value that SMPP 3.4 reserves, a broken user data header, impossible part numbers (reserved_values: refuse)",
    "response": "an answer to nothing that was asked",
    "refused-by-peer": "generic_nack to something that was not asked with a ticket",
}
"""The label ``kind`` of ``gate106_bad_pdus_total`` → what it means."""
