"""Sends a probe's test message, and asks an agent to reply.

Never: a rule, a cap, an entry in a person's record, the reply (it comes through the carrier, or proves nothing).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from types import SimpleNamespace
from urllib.parse import urlsplit

from proxy.model.message import Category, Content, Facts, Message, Outcome, Sender, Verdict
from proxy.relay.pending_submit import OtherRequest, SubmitLane
from proxy.relay.submit import Relay
from proxy.wire import Frame, encode, status_name, submit_sm

TON_UNKNOWN = 0  # SMPP 3.4 §5.2.5
AGENT_S = 10.0
"""An agent answers within this time: it only starts something."""
LINE_BYTES_MAX = 1_000
"""Of its answer's first line."""
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})\b")


class ProbeText(OtherRequest):
    """A probe's test message on its way to the carrier. ``add_notice``: is called with an empty text once it was accepted, else with
    the reason."""

    def __init__(
        self, relay: Relay, sender: Sender, number: int, text: str, now_s: float, add_notice: Callable[[str], None]
    ) -> None:
        octets, data_coding = encode(text)
        data = submit_sm(
            sender.port, f"{number:011d}", octets, data_coding=data_coding, dest_ton=TON_UNKNOWN, registered_delivery=0
        )
        super().__init__(_NoBind(sender.provider), 0, data, now_s)  # type: ignore[arg-type] # nothing is ever answered to it
        self.message = Message(sender, number, Content(text, "readable", b""))
        self.category = Category.NOTICE
        facts = Facts(sender, Category.NOTICE, Category.NOTICE, Category.NOTICE)
        self.verdict = Verdict(Outcome.ALLOW, None, "", (), facts, relay.rules.regions.of(number)[0], 0, ())
        self._report = add_notice

    def send(self, lane: SubmitLane | None) -> str:
        """Why it cannot leave; empty if it is on its way."""
        if lane is None:
            return "no link to a carrier that serves this number is up"
        if not lane.hold(self.category):
            return "too much waits for the carrier already"
        self.enqueue(lane)
        return ""

    def answered(self, frame: Frame) -> None:
        self.settled()
        self._report("" if not frame.command_status else f"the carrier refused it: {status_name(frame.command_status)}")

    def answered_late(self, frame: Frame) -> bool:
        if not frame.command_status:
            self._report("")
        return True

    def unanswered(self) -> bool:
        self.settled()
        self._report("the carrier did not answer")
        return True

    def unsent(self, reason: str) -> bool:
        self.settled()
        self._report(f"it was not sent ({reason})")
        return True


class _NoBind:
    """What a lane asks of a bind: whose turn it is."""

    __slots__ = ("access",)

    def __init__(self, provider: str) -> None:
        self.access = SimpleNamespace(provider=SimpleNamespace(name=provider))


async def ask_agent(url: str, number: int, port: str, keyword: str) -> str:
    """Has a test telephone reply: POST with JSON ``{"number", "port", "text"}``. Why it does not, empty if the agent said yes."""
    parts = urlsplit(url)
    body = json.dumps({"number": f"{number:011d}", "port": port, "text": keyword}, ensure_ascii=False).encode()
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = (
        f"POST {path} HTTP/1.0", f"Host: {parts.netloc}", "Content-Type: application/json", f"Content-Length: {len(body)}", "", ""
    )  # fmt: skip
    secure = parts.scheme == "https"
    try:
        async with asyncio.timeout(AGENT_S):
            port_number = parts.port or (443 if secure else 80)
            reader, writer = await asyncio.open_connection(
                parts.hostname, port_number, ssl=secure or None, limit=LINE_BYTES_MAX
            )
            try:
                writer.write("\r\n".join(head).encode() + body)
                await writer.drain()
                answer = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError) as error:
        return f"its agent cannot be asked: {str(error) or 'no answer in time'}"
    status_line = _STATUS.match(answer)
    if status_line is None:
        return "its agent answers no HTTP"
    return "" if status_line[1].startswith(b"2") else f"its agent said {status_line[1].decode()}"
