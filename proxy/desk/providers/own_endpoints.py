"""Answers a provider's HTTP requests about itself.

Never: another provider's data; a reason that reveals something about a person; the journal read in the gate's own process (a child process of
the lowest priority reads it).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Protocol

from starlette.requests import Request
from starlette.responses import Response

from proxy.desk.consents import operations as consent
from proxy.desk.explain.operations import TEXT_MAX
from proxy.desk.operator_orders import operations as orders
from proxy.desk.penalties.scheduler import WithPenalties
from proxy.desk.revisions.operations import WithRevisions
from proxy.i18n.phrases import LANGUAGES, in_language
from proxy.i18n.refusal_hints import hint
from proxy.model.message import Content, Sender
from proxy.model.number import masked_repr
from proxy.model.redact import as_json
from proxy.model.roles import Asker
from proxy.operations.authorization import CommandRefused
from proxy.operations.http import HttpRoute, body_of, done_before_gone
from proxy.operations.parameters import Text, object_of, read_row
from proxy.policy import time_windows
from proxy.policy.condition import All, AnyOf, Not, OneOf, Tree
from proxy.policy.evaluation_plan import Rule
from proxy.policy.explanation.precheck import forecast
from proxy.policy.rule_dates import active_times, is_over, is_to_come

PAGE_MAX = 10_000
CHILD_S = 25.0
"""Less than an answer may take."""
PROGRAM = (sys.executable, "-m", "proxy", "provider")
READERS = 2
"""Reading processes at a time, of two providers: a slow request holds one place, not both."""
WAITING_MAX = 16
EACH_WAITING_MAX = 2
"""Waiting requests of one provider: no provider can fill the queue."""
NOTICES = 20
PENALTY_FIELDS = "name by value step state share since until say basis figure figure_zh appeal".split()
ORDER_SHOWN_FIELDS = ("name", "kind", "about", "scope", "since", "until", "why")
TASK_FIELDS = ("number", "advertiser", "category", "given", "until", "version", "file", "numbers", "due", "overdue")
PRECHECK_S = 1.0
"""A precheck takes the event loop some 10 ms (a text of 3,000 characters 30 ms): of one provider once in this time."""
BODY_BYTES_MAX = 64 << 10
_NUMBER = re.compile("[0-9]{1,9}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2})?")
FORMS = {
    "day": _MOMENT, "hour": _MOMENT, "reason": re.compile("[a-z-]{1,40}"), "skip": _NUMBER, "limit": _NUMBER,
    "lang": re.compile("zh|en"), "within": re.compile("[0-9]{1,2}"), "order": re.compile("oldest|newest"),
}  # fmt: skip


@masked_repr
class PrecheckedText(NamedTuple):
    from_: Annotated[str, Text("The port (source address).", 20)]
    text: Annotated[str, Text("What the message says.", TEXT_MAX)]


class OwnGate(WithPenalties, WithRevisions, Protocol):
    """A gate that answers providers about themselves."""


class OwnEndpoints:
    def __init__(self, gate: OwnGate, config: Path) -> None:
        """``config``: the settings, from which the child reads where the journal is."""
        self._gate, self._config = gate, config
        self._waiting = Counter[str]()
        self._read = asyncio.Semaphore(READERS)
        self._prechecked: dict[str, float] = {}
        """When each provider asked last."""
        self._each: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def paths(self) -> dict[str, HttpRoute]:
        return {
            "/provider": HttpRoute("GET", self._name),
            "/provider/refusals": HttpRoute("GET", self._refusals),
            "/provider/tasks": HttpRoute("GET", self._tasks),
            "/provider/penalties": HttpRoute("GET", self._penalties),
            "/provider/rules": HttpRoute("GET", self._rules),
            "/provider/precheck": HttpRoute("POST", self._precheck),
        }

    async def _name(self, request: Request) -> Response:
        """Whose token it is, and the provider's ports."""
        whose = _provider(request)
        return _json({"provider": whose, "ports": list(self._gate.relay.directory.providers[whose].ports)})

    async def _tasks(self, request: Request) -> Response:
        """Proofs of consents that are missing."""
        found = consent.tasks_of(self._gate, _provider(request))
        return _json({"tasks": [{name: one[name] for name in TASK_FIELDS} for one in found]})

    async def _penalties(self, request: Request) -> Response:
        """Penalties that came into force against the provider, with the measure or the reason of the proposal (as its letter says); and orders
        that name it alone."""
        whose, now = _provider(request), self._gate.now()
        borne = [one for one in self._gate.penalties.all() if one.provider == whose and one.since]
        by_penalty = {one.order for one in borne}
        given = self._gate.book.of_kind("stop", "suspension", "throttle")
        named = [one for one in given if one.until > now and dict(one.scope).get("provider") == (whose,)]
        own = [orders.order_row(one) for one in named if one.id not in by_penalty]
        penalties = [
            {name: getattr(one, name) for name in PENALTY_FIELDS} | {"why": "" if one.trigger else one.events[0].why} for one in borne
        ]  # fmt: skip
        return _json({"penalties": penalties, "orders": [{name: one[name] for name in ORDER_SHOWN_FIELDS} for one in own]})

    async def _rules(self, request: Request) -> Response:
        """Which rules hold or will hold for the provider, in words, and what changed lately: nothing of who changed it, nor of the words they
        look for, nor of rules about other providers alone."""
        gate, whose, now = self._gate, _provider(request), self._gate.now()
        rules = gate.relay.rules.rules
        others = {f"rule {one.id}" for one in rules if not _concerns(one.when, whose)}
        silent = {f"rule {one.id}: added" for one in rules if not one.enforced_ppm}
        changes = list[dict[str, Any]]()
        for event in reversed(gate.rule_deployment.revisions.put_in_force[-NOTICES:]):
            own = [one for one in event.changes if one.partition(": ")[0] not in others and one not in silent]
            if own or not event.changes:  # lists and registries may be about anybody
                changes.append({"at": event.time, "revision": event.revision, "event": event.event, "rules": own})
        held = (one for one in rules if one.enforced_ppm and _concerns(one.when, whose) and not is_over(one.when, now))
        told = [{"rule": one.id, "say": one.say, "basis": one.basis, **_dates_of(one, now)} for one in held]
        return _json({"revision": gate.relay.rules.revision, "rules": told, "changes": changes})

    async def _precheck(self, request: Request) -> Response:
        """What would become of a text, for any recipient, by the rules and orders of now: ``{"from": "1069001", "text": "…"}``."""
        whose, now = _provider(request), self._gate.now()
        try:
            body = await body_of(request, BODY_BYTES_MAX, CommandRefused(f"the body is larger than {BODY_BYTES_MAX} bytes"))
            port, text = read_row(PrecheckedText, object_of(body))
            sender = self._sender(whose, port)
        except CommandRefused as refused:
            return _json({"error": str(refused)}, 400)
        if now - self._prechecked.get(whose, 0.0) < PRECHECK_S:
            return _json({"error": f"{whose} may ask once in {PRECHECK_S:g} s: come again"}, 429)
        self._prechecked[whose] = now
        rules, content = self._gate.relay.rules, Content(text, "readable" if text else "empty", b"")
        found = forecast(rules, sender, content, now)
        facts = rules.facts(sender, rules.reader.read(content).traits, now)
        told = {one.id: one.say for one in rules.rules}  # an order's words may name other providers
        against = [
            {
                "reason": one.reason,
                "say": told.get(one.rule, ""),
                "hint": {lang: hint(one.reason, lang) for lang in LANGUAGES},
                "where": list(one.where),
            }
            for one in (*found.everywhere, *found.somewhere)
        ]
        return _json({
            "verdict": found.outcome.word, "category": facts.category.word, "signature": facts.signature, "against": against,
            "depends": list(dict.fromkeys(one.reason for one in found.depends)),
        })  # fmt: skip

    def _sender(self, whose: str, port: str) -> Sender:
        """CommandRefused: the port is not the provider's."""
        directory = self._gate.relay.directory
        prefix, owner = directory.ports.longest(port)
        if owner != whose:
            raise CommandRefused(f"from: {port} is none of the ports of {whose}")
        known = directory.providers[whose]
        return Sender.of(whose, whose, port, prefix, known.category, known.since)

    async def _refusals(self, request: Request) -> Response:
        """``?day=2026-11-11`` or ``?hour=2026-11-11 10:00``; others of FORMS, and ``format=csv``."""
        query, whose = dict(request.query_params), _provider(request)
        argv = ["list-refusals", whose, "--config", str(self._config)]
        if "day" in query and "hour" in query:
            return _json({"error": "day or hour, not both"}, 400)
        csv = query.pop("format", "json") == "csv"
        for name, value in query.items():
            form = FORMS.get(name)
            if form is None or not form.fullmatch(value):
                return _json(
                    {"error": f"{name}: is not understood (day, hour, reason, skip, limit, order, lang, within, format)"}, 400
                )
            if form is _MOMENT and (fault := _not_in_the_calendar(value)):
                return _json({"error": f"{name}: {fault}"}, 400)
            argv += [f"--{name}", value]
        if not 1 <= int(query.get("limit", "1")) <= PAGE_MAX:
            return _json({"error": f"limit: from 1 to {PAGE_MAX}"}, 400)
        if self._waiting[whose] >= EACH_WAITING_MAX:
            return _json({"error": f"{whose} has asked {EACH_WAITING_MAX} times and is being answered: come again"}, 429)
        if self._waiting.total() >= WAITING_MAX:
            return _json({"error": "too many ask at once: come again"}, 503)
        self._waiting[whose] += 1
        try:
            async with self._each[whose], self._read:
                code, out, errors = await _answer(request, [*argv, "--keys" if csv else "--json"])
        finally:
            self._waiting[whose] -= 1
            if not self._waiting[whose]:
                del self._waiting[whose], self._each[whose]
        if code:
            return _json({"error": errors}, 503)
        return Response(out, media_type="text/csv; charset=utf-8" if csv else "application/json")


def _concerns(when: Tree, whose: str) -> bool:
    """Whether a rule may be about messages of this provider."""
    if isinstance(when, All):
        return all(_concerns(part, whose) for part in when.parts)
    if isinstance(when, AnyOf):
        return any(_concerns(part, whose) for part in when.parts)
    if isinstance(when, Not):
        return not (isinstance(when.part, OneOf) and when.part.field == "provider" and whose in when.part.values)
    return not (isinstance(when, OneOf) and when.field == "provider" and whose not in when.values)


def _dates_of(rule: Rule, now: float) -> dict[str, Any]:
    """Its dates in words, and until when it is tried in shadow; empty where it has none."""
    words = [one.words for one in active_times(rule.when)]
    return {
        "dates": "".join(map(str, words)), "dates_zh": "".join(in_language(one, "zh") for one in words),
        "to_come": is_to_come(rule.when, now, now), "trial_until": rule.trial_until if rule.trial_until > now else 0,
    }  # fmt: skip


def _not_in_the_calendar(moment: str) -> str:
    """The fault of a date or time; empty if none."""
    try:
        time_windows.moment(moment)
    except ValueError as fault:
        return str(fault)
    return ""


async def _answer(request: Request, argv: list[str]) -> tuple[int, bytes, str]:
    """(exit code, what it said, what was wrong) of the child, which is killed if the asker leaves."""
    without_tokens = {name: value for name, value in os.environ.items() if not name.startswith("GATE106_TOKEN")}
    try:
        child = await asyncio.to_thread(
            subprocess.Popen, [*PROGRAM, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=without_tokens
        )  # fmt: skip
    except OSError as error:
        return 1, b"", str(error)
    reading = asyncio.ensure_future(asyncio.to_thread(_read, child))
    try:
        if not await done_before_gone(request, reading):
            child.kill()
    except asyncio.CancelledError:
        child.kill()
        raise
    return await reading


def _read(child: subprocess.Popen[bytes]) -> tuple[int, bytes, str]:
    with child:
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, child.pid, 19)
        try:
            out, errors = child.communicate(timeout=CHILD_S)
        except subprocess.TimeoutExpired:
            child.kill()
            return 1, b"", f"it took longer than {CHILD_S:g} s: ask for an hour, or less at a time"
    return child.returncode, out, errors.decode("utf-8", "replace").strip().removeprefix("gate106: ")


def _provider(request: Request) -> str:
    asker: Asker = request.scope["asker"]
    return asker.name


def _json(answer: Mapping[str, Any], status: int = 200) -> Response:
    return Response(as_json(answer, None), status, media_type="application/json")
