"""Shows live PDUs, redacted, of a provider, a carrier or a person.

Never: a whole number or text unless that was asked for and journalled, a one-time password in any case, traffic delayed.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from weakref import WeakKeyDictionary

import structlog

from proxy.config.mapping_reader import Network, network_of, within
from proxy.config.yaml_file import unknown
from proxy.desk.operator_orders.operations import WATCH_S_MAX
from proxy.model.message import CATEGORY_WORDS, Category, Content, Message
from proxy.model.number import FIRST, Number
from proxy.model.roles import Permission
from proxy.operations.control import Call, CommandRefused
from proxy.operations.declaration import Answer, Operations, operation
from proxy.operations.gate_interface import Gate, record_command
from proxy.operations.parameters import Amount, Flag, Integer, Reason, Recipient, Seconds, Text
from proxy.wire import Frame, Malformed, read_fields
from proxy.wire.content import content_of
from proxy.wire.redaction import HIDDEN, MASKED, TEXT, redact_pdu
from proxy.wire.tables import BINDS, DATA_SM, MESSAGE_PAYLOAD, REPLACE_SM, RESPONSE, SUBMIT_MULTI, SUBMIT_SM, status_name

if TYPE_CHECKING:
    from proxy.net.carrier_link import CarrierLink
    from proxy.net.provider_link import ProviderLink

    Watched = ProviderLink | CarrierLink

log = structlog.get_logger()

FOR_S_MAX = 600.0
COUNT, COUNT_MAX = 1000, 10_000
RATE_MAX = 200
"""PDUs shown in a second: redacting one costs some 50 µs, and a person cannot read more."""
WAITING_MAX = 1000
"""PDUs that wait for a client that reads slowly."""
TRACES_MAX = 4
LOOK_S = 0.2
"""How often it is looked whether the client is still there, and which links are."""
ASKED_MAX = 10_000
"""Requests whose answers belong to a person's trace."""
_SUBMITS = (SUBMIT_SM, DATA_SM, SUBMIT_MULTI, REPLACE_SM)


class Tracing(Operations):
    def __init__(self, gate: Gate, listen: Callable[..., None], links: Callable[[], Iterable[Watched]]) -> None:
        """``listen``: that of net/pdu_tap.py. ``links``: all there are now, unbound ones included."""
        self._gate, self._listen, self._links = gate, listen, links
        self._running = 0

    @operation(
        Permission.OPERATE, answer={"lines": [object], "shown": int, "not_shown": int}, lines="*", under="lines",
        by_hand="it prints PDUs as they come, or writes them to a file",
    )  # fmt: skip
    async def trace(
        self, call: Call,
        for_s: Annotated[float, Seconds("How long to watch.", 0.1, FOR_S_MAX, api=Amount("How long to watch.", 0.1, WATCH_S_MAX))],
        provider: Annotated[str, Text("PDUs of this provider's binds.")] = "",
        carrier: Annotated[str, Text("PDUs of this account at a carrier.")] = "",
        to: Annotated[int, Recipient("PDUs about this person's number.")] = 0,
        address: Annotated[str, Text("PDUs of connections from this address or network.", 100)] = "",
        count: Annotated[int, Integer("The most PDUs to show.", 1, COUNT_MAX)] = COUNT,
        full: Annotated[bool, Flag("Numbers and texts whole; needs `why`.")] = False,
        octets: Annotated[bool, Flag("With the octets of each PDU.", internal=True)] = False,
        why: Annotated[str, Reason("Why somebody looks: the journal keeps it.")] = "",
    ) -> Answer:  # fmt: skip
        """Show PDUs as they pass, redacted, for some seconds."""
        gate, selection = self._gate, _Selection(provider, carrier, to, _network(address))
        if full:
            call.demand(Permission.WHOLE, " --full")
            if not why:
                raise CommandRefused("why: is missing: why somebody looks")
        selection.check(gate)
        if self._running >= TRACES_MAX:
            raise CommandRefused(f"{TRACES_MAX} traces are running already")
        command = "trace --full" if full else "trace"
        await record_command(gate, call, command, why, f"{selection} for {for_s:g} s")
        self._running += 1
        trace = _Trace(gate, selection, count, full, octets)
        try:
            await self._run(call, trace, for_s)
        finally:
            self._running -= 1
            self._listen((), trace.hear)
        return {"shown": trace.shown, "not_shown": trace.not_shown}

    async def _run(self, call: Call, trace: _Trace, for_s: float) -> None:
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + for_s
        await call.say({"watching": trace.selection.words(Number(trace.selection.person))})
        while True:
            links = (one for one in self._links() if trace.selection.link(one))
            self._listen(links, trace.hear, trace.selection.link)
            while trace.waiting:
                await call.say(trace.waiting.popleft())
            if trace.left <= 0 or loop.time() >= ends_s or call.gone:
                return
            trace.refill(loop.time())
            trace.came.clear()
            try:
                async with asyncio.timeout(min(LOOK_S, max(0.0, ends_s - loop.time()))):
                    await trace.came.wait()
            except TimeoutError:
                continue


class _Selection(NamedTuple):
    """Which PDUs are shown."""

    provider: str
    carrier: str
    person: int
    network: Network | None

    def __str__(self) -> str:
        """The filter in words, with the whole number, for the journal."""
        return self.words(f"{self.person}")

    def words(self, person: object) -> str:
        words = [f"provider {self.provider}" if self.provider else "", f"carrier {self.carrier}" if self.carrier else ""]
        words.append(f"binds from {self.network}" if self.network else "")
        words.append(f"to or from {person}" if self.person else "")
        return "; ".join(filter(None, words))

    def check(self, gate: Gate) -> None:
        if not (self.provider or self.carrier or self.person or self.network):
            raise CommandRefused("say whom to watch (--provider, --address, --carrier, --to)")
        providers = gate.relay.directory.providers
        if self.provider and self.provider not in providers:
            raise CommandRefused(unknown("provider of the settings", self.provider, providers))
        known = [account.name for account in gate.carrier_accounts]
        if self.carrier and self.carrier not in known:
            raise CommandRefused(unknown("carrier of the settings", self.carrier, known))

    def link(self, link: Watched) -> bool:
        """Whether PDUs of a link may match. A person is followed on both sides unless one is named; the owner of a connection that is not bound
        yet is not known."""
        if link.side == "provider":
            if self.network is not None and not within(link.peer, (self.network,)):
                return False
            return link.party in ("", self.provider) if self.provider else bool(self.network) or not self.carrier
        return link.party == self.carrier if self.carrier else bool(self.person and not self.provider and not self.network)


class _Trace:
    """One trace: PDUs received and not sent to the client yet."""

    def __init__(self, gate: Gate, selection: _Selection, count: int, full: bool, octets: bool) -> None:
        self.selection = selection
        self.left = count
        self.shown = self.not_shown = 0
        self.waiting: deque[dict[str, Any]] = deque()
        self.came = asyncio.Event()
        self._gate, self._full, self._octets = gate, full, octets
        self._digits = str(selection.person).encode()
        self._asked: OrderedDict[tuple[int, bool, bytes], None] = OrderedDict()
        self._claims: WeakKeyDictionary[Watched, str] = WeakKeyDictionary()
        """Whose a connection says to be that is not bound yet."""
        self._lines: WeakKeyDictionary[Watched, int] = WeakKeyDictionary()
        """Connections by number, in the order of their first PDU."""
        self._tokens, self._refilled_s = float(RATE_MAX), 0.0

    def refill(self, now_s: float) -> None:
        if self._refilled_s:
            self._tokens = min(RATE_MAX, self._tokens + (now_s - self._refilled_s) * RATE_MAX)
        self._refilled_s = now_s

    def hear(self, link: Watched, ours: bool, data: bytes) -> None:
        """Takes a PDU. Called on the traffic's own path: cheap if it is not shown, and never raises."""
        if self.selection.provider and link.side == "provider" and self._owner(link, ours, data) != self.selection.provider:
            return
        if self.selection.person and not self._about_person(link, ours, data):
            return
        if self._tokens < 1 or self.left <= 0 or len(self.waiting) >= WAITING_MAX:
            self.not_shown += 1
            return
        self._tokens -= 1
        try:
            row = self._described(link, ours, Frame.of(data))
        except Exception as error:  # traffic goes on, whatever is wrong with showing it
            log.error("a PDU cannot be shown: a fault of gate106, please report it", exc_info=error)
            self.not_shown += 1
            return
        self.left -= 1
        self.shown += 1
        self.waiting.append(row)
        self.came.set()

    def _owner(self, link: Watched, ours: bool, data: bytes) -> str:
        """The provider that a bind is, or would be, of; empty while it is not known."""
        if link.party:
            return link.party
        if not ours and int.from_bytes(data[4:8], "big") in BINDS:
            with contextlib.suppress(Malformed):
                system_id = read_fields(Frame.of(data))["system_id"].decode("latin-1")
                access = self._gate.relay.directory.accesses.get(system_id)
                self._claims[link] = access.provider.name if access is not None else ""
        return self._claims.get(link, "")

    def _line(self, link: Watched) -> int:
        return self._lines.setdefault(link, len(self._lines) + 1)

    def _about_person(self, link: Watched, ours: bool, data: bytes) -> bool:
        """Whether the person's digits are in it, or it answers something in which they were."""
        command, sequence = data[4:8], data[12:16]
        if command[0] & 0x80:
            return self._asked.pop((self._line(link), not ours, sequence), 0) is None
        if self._digits not in data:
            return False
        self._asked[self._line(link), ours, sequence] = None
        if len(self._asked) > ASKED_MAX:
            self._asked.popitem(last=False)
        return True

    def _described(self, link: Watched, ours: bool, frame: Frame) -> dict[str, Any]:
        row: dict[str, Any] = {
            "at": self._gate.now(), "side": link.side, "link": link.label, "line": self._line(link),
            "direction": "out" if ours else "in", "command": frame.name, "sequence": frame.sequence_number,
            "bytes": len(frame.data),
        }  # fmt: skip
        if frame.command_id & RESPONSE:
            row["status"] = status_name(frame.command_status)
        content, fields = _content(frame)
        text = self._may_show(frame, content, fields, row)
        shown = redact_pdu(frame, text, whole_numbers=self._full)
        row |= shown.fields
        if content is not None and text != HIDDEN:
            try:
                veiled, _ = _content(Frame.of(shown.data))
                row["text"] = veiled.text if veiled is not None else ""
            except ValueError:
                row["text"] = ""
        elif content is not None:
            row["text"] = f"({content.state if content.state != 'readable' else 'a one-time password'}: not shown)"
        if self._octets:
            row["octets"] = base64.b64encode(shown.data).decode()
        return row

    def _may_show(self, frame: Frame, content: Content | None, fields: Mapping[str, Any], row: dict[str, Any]) -> str:
        """How much of the text may be shown: nothing of a password; of a part no digit, for it may be part of a password."""
        if content is None or content.state != "readable":
            return HIDDEN
        if frame.command_id not in _SUBMITS:
            return TEXT if self._full else MASKED
        port = fields.get("source_addr", b"").decode("latin-1")
        category, *others = self._categories(content, port)
        row["category"] = CATEGORY_WORDS[category]
        if Category.OTP in (category, *others):  # what may be a password is treated as one
            return HIDDEN
        return TEXT if self._full and content.part is None else MASKED

    def _categories(self, content: Content, port: str) -> tuple[Category, ...]:
        """Categories: the effective one, the declared one, the classified one."""
        from proxy.policy.judge import facts

        relay = self._gate.relay
        directory = relay.directory
        owner = directory.ports.longest(port)[1]
        access = next((one for one in directory.accesses.values() if one.provider.name == owner), None)
        if access is None:
            return (relay.rules.reader.read(content).traits.classified,)
        sender = access.sender(b"\0\0\0" + port.encode("latin-1") + b"\0")
        known = facts(Message(sender, FIRST, content), relay.rules, self._gate.now())
        return known.category, known.declared, known.classified


def _content(frame: Frame) -> tuple[Content | None, Mapping[str, Any]]:
    """The text a PDU carries, None if it carries none; and its fields."""
    try:
        fields = read_fields(frame)
    except Malformed:
        return None, {}
    tlvs = fields.get("tlvs", [])
    octets = fields.get("short_message") or dict(tlvs).get(MESSAGE_PAYLOAD)
    if octets is None:
        return None, fields
    text, state, part, extra = content_of(octets, fields.get("esm_class", 0), fields.get("data_coding", 0), tlvs)
    return Content(text, state, b"", part, None, extra), fields


def _network(spelling: str) -> Network | None:
    try:
        return network_of(spelling) if spelling else None
    except ValueError:
        raise CommandRefused(f"address: must be an address or a network (192.0.2.0/24), not {spelling!r}") from None
