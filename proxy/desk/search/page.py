"""Finds messages, explains their verdicts, and offers the next steps.

In: a number, a time, words. Out: messages with their fates; of one, the verdict explained, and the next steps: suppress for the person, open a
case, make an evidence pack. Never: a whole number on the page without a reason; a look that the journal does not keep.

The page runs ``gate106 find`` and ``gate106 explain --message``: programs of low priority beside the gate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from proxy.console import forms
from proxy.console.gate_client import Ran
from proxy.console.page import Page, PageRequest
from proxy.desk.revisions.comparison import made_by
from proxy.i18n.refusal_hints import hint, public_reason
from proxy.model.number import NotARecipient, recipient_of
from proxy.model.roles import Permission
from proxy.operations.client import Conversation
from proxy.policy import time_windows
from proxy.state.lists.desk_records import EVENTS_MAX

page = Page("find", "/find", wants=Permission.LOOK, place=20)

FIELDS = ("to", "at", "within", "from", "text", "signature", "provider", "verdict", "reason", "category", "province", "day")
WITHIN = ("10m", "1h", "6h", "1d", "30d")
LIMIT, AT_ONCE = 50, 20
"""Messages of a page; of these on a small screen until the rest is unfolded."""
FACETS = ("provider", "reason", "category", "province", "day")
OBJECTS = ("refuses", "would refuse", "defers", "would defer", "exempts")
"""What a rule says that had a part in it."""
UNTIL = ("30d", "180d", "")
"""Of a suppression; none: for good."""


@page.get()
async def show(request: PageRequest, problem: str = "") -> Response:
    given = asked(request.query)
    wanted = any(value for name, value in given.items() if name != "within")
    kept = any(value for name, value in given.items() if name not in ("within", "to"))
    return request.render(asked=given, wanted=wanted, kept=kept, problem=problem, skip=request.skip)


@page.get("found")
async def found(request: PageRequest) -> Response:
    given = asked(request.query)
    if given["to"]:
        try:
            recipient_of(given["to"])
        except NotARecipient:
            return request.part("problem", "problem.html", 400, why=request.t("bad_number"))
    ran = await request.run("find", *_options(given), f"--limit={LIMIT}", f"--skip={request.skip}", "--facets", "--json")
    return request.part("found", limit=LIMIT, at_once=AT_ONCE, skip=request.skip, asked=given, names=FACETS, **ran.json)


@page.post("export", wants=Permission.TAKE_OUT, again=show)
async def export(request: PageRequest) -> Response:
    """All that fits as CSV, numbers masked unless they are asked for: the journal keeps who took it, and why."""
    given = asked({name: request.form(name) for name in FIELDS})
    whole = ["--unmasked"] if request.form("unmasked") and request.may(Permission.WHOLE) else []
    argv = ["find", *_options(given), f"--why={request.form('why')}", *whole, f"--lang={request.lang}", "--json"]
    return await forms.download_of(request, "messages.csv", lambda out: [*argv, f"--out={out}"])


def _options(given: Mapping[str, str]) -> list[str]:
    """A day stands for a time."""
    said = {name: value for name, value in given.items() if value and name not in ("day", "within")}
    if given["day"]:
        said |= {"since": given["day"], "until": given["day"]}
        said.pop("at", None)
    elif given["at"]:
        said["within"] = given["within"]
    return [f"--{name}={value}" for name, value in said.items()]


@page.get("message/{name}")
async def message(request: PageRequest) -> Response:
    return request.render("find_message.html", name=request.path("name"))


@page.get("message/{name}/told")
async def told(request: PageRequest, *more: str) -> Response:
    """``more``: options of ``gate106 explain``."""
    ran = await _explained(request, *more)
    message = ran.json
    events = (await request.ask("rules.history", last=EVENTS_MAX))["events"]
    parts = (message["then"] or {}).get("rules", [])
    return request.part(
        "told", "find_message.html", name=request.path("name"), one=message, whole=bool(more), made=made_by(events, message["revision"]),
        had_a_part=[part for part in parts if part["says"] in OBJECTS],
        others=[part for part in parts if part["says"] not in (*OBJECTS, "off")], off=sum(part["says"] == "off" for part in parts),
        titles={part["rule"]: part["say"] for part in parts}, scopes=_scopes(message), untils=UNTIL,
        hint=hint(public_reason(message["reason"]), request.lang) if message["reason"] else "",
    )  # fmt: skip


@page.post("message/{name}/whole", wants=Permission.WHOLE)
async def whole(request: PageRequest) -> Response:
    """The same with the whole number: the journal keeps who saw it, and why."""
    return await told(request, "--unmasked", f"--why={request.form('why')}")


@page.post("message/{name}/suppress", wants=Permission.ENTER)
async def suppress(request: PageRequest) -> Response:
    scope, _, value = request.form("scope").partition(":")
    until, why = request.form("until"), request.form("why")
    number = await _number(request, why)
    for_s = float(time_windows.duration(until)) if until in UNTIL and until else None
    await request.ask("suppress.add", to=number, scope=scope, value=value or None, for_s=for_s, why=why)
    return request.go(f"/find/message/{request.path('name')}", request.t("suppressed"))


@page.post("message/{name}/case", wants=Permission.ENTER)
async def case(request: PageRequest) -> Response:
    """A complaint of whom the message went to, matched to it at once."""
    name, why = request.path("name"), request.form("why")
    message = (await _explained(request, "--unmasked", f"--why={why}")).json
    said = {"number": message["to"], "sender": message["from"], "text": message["text"], "reference": request.form("reference")}
    at = time_windows.moment(message["at"][:19].replace("T", " "))[0]
    row = {key: value for key, value in said.items() if value} | {"at": at}

    def file(talk: Conversation) -> Any:
        talk.hear()  # go
        talk.say({"rows": [row]})
        talk.say({"end": True, "rows": 1})
        return talk.answer()["cases"]

    batch = hashlib.sha256(f"{name} {request.form('reference')}".encode()).hexdigest()[:16]
    cases = await request.talk("complaint.import", file, source=request.form("source") or "12321", batch=batch, why=why)
    if not cases:
        return request.go(f"/find/message/{name}", request.t("case_known"), "note")
    await request.run("complaint", "match", str(cases[0]), f"--message={name}", f"--why={why}", "--json")
    path = f"/complaints/case/{cases[0]}" if request.leads_to("complaints") else f"/find/message/{name}"
    return request.go(path, request.t("case_filed", number=cases[0]))


@page.post("message/{name}/evidence", wants=Permission.TAKE_OUT)
async def evidence(request: PageRequest) -> Response:
    """One ZIP, signed; the journal keeps who made it."""
    name, whole = request.path("name"), ["--unmasked"] if request.form("unmasked") else []
    argv = ["evidence", "pack", f"--message={name}", f"--why={request.form('why')}", *whole]
    return await forms.download_of(request, f"evidence-{name.replace(':', '-')}.zip", lambda out: [*argv, f"--out={out}"])


# -- what all of them need


def asked(query: Mapping[str, str]) -> dict[str, str]:
    """The form's fields, trimmed; a time of ``datetime-local`` as the command spells it."""
    found = {name: query.get(name, "").strip() for name in FIELDS}
    found["at"] = found["at"].replace("T", " ")
    found["within"] = found["within"] if found["within"] in WITHIN else WITHIN[0]
    return found


async def _explained(request: PageRequest, *more: str) -> Ran:
    return await request.run("explain", f"--message={request.path('name')}", "--json", *more, fine=(0,))


async def _number(request: PageRequest, why: str) -> str:
    """The whole number behind a message: it stays in this process, and the journal keeps that it was looked up."""
    return str((await _explained(request, "--unmasked", f"--why={why}")).json["to"])


def _scopes(message: dict[str, Any]) -> list[tuple[str, str]]:
    """(for the form, kind) of what the person can be left alone with, the narrowest first."""
    signature = message["then"] and message["then"]["signature"]
    found = [(f"signature:{signature}", "signature")] if signature else []
    return [*found, (f"provider:{message['provider']}", "provider"), ("all:", "all")]
