"""Declares the operations that show, forget and recycle a person's number.

A number is recycled when the carrier has assigned it to somebody else. Never: a look that the journal does not keep; something kept without
saying so.
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from proxy.desk.complaints.answer_files import answers_of
from proxy.desk.complaints.book import KEEP_S
from proxy.desk.complaints.operations import WithCases, shown_text
from proxy.desk.consents import consent_text
from proxy.desk.consents.consent_text import consent_lines
from proxy.desk.consents.operations import change_person
from proxy.desk.data_subjects.recycled_operations import WithRecycled, end_numbers
from proxy.desk.suppression import operations as suppress
from proxy.i18n.catalog import in_language
from proxy.i18n.labels import REQUESTS
from proxy.i18n.phrases import WORDS, Bilingual
from proxy.journal.records.complaints import Case
from proxy.journal.records.consents import ConsentChange
from proxy.journal.records.erasure_requests import PROPOSED, STATES, ErasureRequest
from proxy.model.message import SUBCATEGORIES, Category
from proxy.model.number import FIRST, LAST, Number, mask
from proxy.model.recipient import Entry, OptOut
from proxy.model.redact import mask_numbers
from proxy.model.roles import Permission
from proxy.operations.authorization import CommandRefused
from proxy.operations.control import Call
from proxy.operations.declaration import Answer, Button, Operations, SharedSchema, operation
from proxy.operations.gate_interface import record_command
from proxy.operations.parameters import Choice, Flag, Id, Text, To, Why, require_why
from proxy.operations.terminal import format_time, in_words_of_reader, table_lines
from proxy.state.lists.suppression_lists import ERASED
from proxy.state.record import record

if TYPE_CHECKING:
    from proxy.archive.pseudonym_key import PseudonymKey
    from proxy.desk.archiving.journal_tasks import RetentionTask
    from proxy.desk.data_subjects.book import ErasureRequests
    from proxy.policy.explanation.naming import LookUp

DAY_S = 86_400
RECYCLED_MAX = 5_000_000
"""Of one file: its rows wait in memory, some 100 bytes each, until all of them are there."""
LINE_NUMBERS_MAX = 5_000


class WithSubjects(WithCases, WithRecycled, Protocol):
    @property
    def erasure_requests(self) -> ErasureRequests: ...


REQUEST = SharedSchema(
    "ErasureRequest",
    {
        "id": int, "state": str, "to": str, "time": float, "decided": float, "author": str, "who": str, "why": str, "decision": str,
        "gone?": object, "stays?": [object],
    },
)  # fmt: skip
RequestId = Annotated[int, Id("Its number, as `gate106 subject list-requests` shows it.", kind="erasure", metavar="REQUEST")]


def request_row(request: ErasureRequest) -> dict[str, Any]:
    """A request as a mapping for answers: without the number."""
    row = {name: getattr(request, name) for name in ("id", "state", "time", "decided", "author", "who", "why", "decision")}
    return row | {"to": request.shown} | (jsonlib.loads(request.outcome) if request.outcome else {})


def _packed(outcome: Mapping[str, Any]) -> bytes:
    return jsonlib.dumps(outcome, ensure_ascii=False).encode()


def _requests(answer: Answer) -> Iterator[str]:
    rows = (
        (
            one["id"], in_words_of_reader(Bilingual(one["state"], REQUESTS[one["state"]])), one["to"], one["author"], format_time(one["time"]),
            format_time(one["decided"]) if one["decided"] else "", one["why"],
        )
        for one in answer["requests"]
    )  # fmt: skip
    return table_lines(
        ("request", "state", "number", "by", "requested", "decided", "why"), rows, "nobody has asked to be erased"
    )


def _decided(answer: Answer) -> Iterator[str]:
    if answer["state"] == PROPOSED:
        yield f"request {answer['id']}: you stand for it now; a second person must confirm it"
    else:
        yield f"request {answer['id']} of {answer['to']}: {answer['state']}"
        yield from _stays(answer.get("stays", ()))


def subject_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    to = answer["to"]
    yield Bilingual(f"{to}: {answer['region']}", f"{to}：{WORDS.get(answer['region'], answer['region'])}")
    for one in answer["received"]:
        yield f"{to}: a message on {format_time(one['at'])}: {one['category']} {one['subcategory']} of {_whom(one)}"
    for one in answer["refusals"]:
        over, kept = "" if one["in_force"] else ", over", "名单" if one["kept"] == "list" else "个人记录"
        since, source = format_time(one["since"]), WORDS.get(one["source"], one["source"])
        yield Bilingual(
            f"{to}: refused {one['about']}, by {one['source']} on {since} ({one['kept']}{over})",
            f"{to}：{since} 起拒收{one['about_zh']}，{source}（{kept}{'，已过期' if over else ''}）",
        )
    yield from consent_lines(answer)
    for one in answer["asked_for_consent"]:
        yield f"{to}: asked for consent by {_whom(one)}"
    for one in answer["texts_of_whom_they_refused"]:
        yield f"{to}: refused {_whom(one)}, who said: {one['text']}"
    for one in answer["doubtful_replies"]:
        yield f"{to}: answered {one['port']} on {format_time(one['at'])}, which may be a refusal: {one['text']}"
    for one in answer["complaints"]:
        whose = f"on {format_time(one['came'])} ({one['source']} {one['reference']})"
        case = f"case {one['id']}, {one['state']}"
        yield (
            f"{to}: complained of {one['provider']} {whose}: {case}" if one["provider"] else f"{to}: complained {whose}: {case}"
        )
    if answer["forgotten"]:
        yield f"{to}: was forgotten, and gets no marketing"
    elif answer["forgotten"] is None:
        yield f"{to}: whether it was forgotten is not known without the key"
    yield f"{to}: messages, answers and refusals are in the journal for {answer['journal_days']} days (gate106 find)"


def _whom(one: Mapping[str, Any]) -> str:
    return in_words_of_reader(Bilingual(one["about"], one["about_zh"])) or "nobody known"


def _erased(answer: Answer) -> Iterator[str]:
    if "confirmers" in answer:
        yield f"{answer['to']}: gets no marketing from now on; request {answer['request']} waits for a second person"
        if answer["confirmers"]:
            yield f"    may confirm it: {', '.join(answer['confirmers'])} (gate106 subject approve {answer['request']})"
        return
    gone = ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in answer["gone"].items())
    yield f"{answer['to']}: forgotten ({gone})"
    yield from _stays(answer["stays"])
    yield f"    a receipt for the person: gate106 subject write-receipt {answer['request']} --out receipt.pdf"


def _stays(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for one in rows:
        until = format_time(one["until"]) if one["until"] else ""
        what, why = (one.get(f"{name}_zh") or in_language(one[name], "zh") for name in ("what", "why"))
        yield Bilingual(
            f"    stays {f'until {until}' if until else 'for good'}: {one['what']} ({one['why']})",
            f"    {f'保留至 {until}' if until else '长期保留'}：{what}（{why}）",
        )


def _warnings(answer: Answer) -> Iterator[str]:
    if "confirmers" in answer:
        yield from suppress.unenforced(answer)
    if answer.get("confirmers") == []:
        yield (
            "gate106: nobody else may confirm it: add a second person with the role approver to the settings "
            "(people; `gate106 token make` makes the token)"
        )


class DataSubjects(
    Operations,
    group="subject",
    help="A person's rights: show, export and erase what is known; numbers that changed their owner.",
):
    def __init__(self, gate: WithSubjects, retention: RetentionTask, names: PseudonymKey) -> None:
        """``retention``: says how long the journal is kept."""
        self._gate = gate
        self._retention, self._pseudonyms = retention, names

    @operation(
        Permission.LOOK, complete=suppress.with_journal_names, by_program=True, text=subject_lines,
        example="gate106 subject show --to 13800210500",
    )  # fmt: skip
    async def show(
        self, call: Call, to: To,
        unmasked: Annotated[bool, Flag("Show the whole number. Needs --why.")] = False,
        export: Annotated[bool, Flag("The answer leaves the gate.", internal=True)] = False,
        why: Why = "",
    ) -> Answer:  # fmt: skip
        """Show all that the gate knows of a person now; `gate106 find` shows the journal. The journal records the look."""
        gate = self._gate
        if unmasked:
            call.demand(Permission.WHOLE, " --unmasked")
        if export:
            call.demand(Permission.TAKE_OUT, " (export)")
        if unmasked or export:
            require_why(why)
        command = f"subject {'export' if export else 'show'}{' --unmasked' if unmasked else ''}"
        await record_command(gate, call, command, why, str(to))
        return await self._known(to, unmasked)

    async def _known(self, person: int, unmasked: bool) -> Answer:
        gate, now = self._gate, self._gate.now()
        _, data = (await gate.store.load([person]))[person]
        seen, registry = record.Record(data), gate.relay.rules.registry
        there = [(one, "record") for one in record.opt_outs(data)]
        there += [(one, "list") for one in gate.store.listed.refusals(person) if one != ERASED]
        refusals = [one for one, _ in there]
        look_up = suppress.look_up(gate, refusals)
        return {
            "to": str(person) if unmasked else mask(person),
            "at": now,
            "region": gate.relay.rules.regions.of(person)[0],
            "received": [self._entry(one, look_up) for one in seen.entries()],
            "refusals": [
                name | {"kept": where, "in_force": not 0 < one.expiry <= now}
                for name, (one, where) in zip(suppress.named_rows(gate, refusals), there, strict=True)
            ],
            "consents": consent_text.consents_of(gate, person, data),
            "withdrawn": [one._asdict() for one in record.withdrawals(data)],
            "asked_for_consent_by": [registry.advertiser_of(one) for one in seen.asked()],
            "asked_for_consent": [self._sender(one, look_up) for one in seen.asked()],
            "texts_of_whom_they_refused": [
                self._sender(one.signature, look_up) | {"text": one.text if unmasked else mask_numbers(one.text)}
                for one in seen.refused_texts()
            ],
            "doubtful_replies": [
                {"at": one.time, "port": one.port, "text": one.text if unmasked else mask_numbers(one.text)} for one in gate.inbox.of(person)
            ],
            "complaints": [_complaint(one, whole=unmasked) for one in gate.cases.of(person)],
            "forgotten": gate.store.erased.has(person) or (False if gate.store.erased.readable else None),
            "journal_days": self._retention.keep.days,
        }  # fmt: skip

    def _entry(self, one: Entry, look_up: LookUp) -> dict[str, Any]:
        return {
            "at": one.time,
            "category": Category(one.category).word,
            "subcategory": SUBCATEGORIES[one.subcategory] if one.subcategory < len(SUBCATEGORIES) else "",
        } | self._sender(one.signature, look_up)

    def _sender(self, signature: int, look_up: LookUp) -> dict[str, Any]:
        """``advertiser``: of an unregistered signature the hash; ``about``: its name, for people."""
        from proxy.policy.explanation.naming import sender_words

        said = sender_words(signature, look_up) if signature else Bilingual("", "")
        return {
            "advertiser": self._gate.relay.rules.registry.advertiser_of(signature),
            "signature": look_up(signature).signature if signature else "",
            "about": str(said),
            "about_zh": said.zh,
        }

    # -- forgotten

    @operation(
        Permission.ENTER, answer={"to": str, "gone": object, "stays": [object], "request": int, "confirmers?": [str], "enforced?": bool},
        record=("person", "erasure-requested"), text=_erased, notes=_warnings,
        example='gate106 subject erase --to 13800210500 --why "asked for it in writing, 2026-11-11"',
    )  # fmt: skip
    async def erase(self, call: Call, to: To, why: Why) -> Answer:
        """Forget a person as far as the law allows, for good.
        A keyed hash stays, so that they get no marketing; the answer says what else stays. Where the settings list people, marketing stops at
        once, and a second person confirms the rest (`subject approve`)."""
        gate, now = self._gate, self._gate.now()
        if problem := await self._pseudonyms.opened():
            raise CommandRefused(f"{problem}: without a key nobody would know the person again, and they would get marketing")
        if not call.strict:
            outcome = await self._forget(to, call.who, why)
            request, sequence = gate.erasure_requests.carried_out(
                to, _packed(outcome), call.asker.name, call.who, why, gate.now()
            )
            await gate.safe(sequence)
            return {"to": str(Number(to)), **outcome, "request": request.id}
        gate.erasure_requests.check_new(to)
        await suppress.suppress(gate, to, OptOut("all", "", int(now), "hotline", 0), call.who, why)
        gate.relay.refusals.forget(to)
        request, sequence = gate.erasure_requests.propose(to, call.asker.name, call.who, why, now)
        await gate.safe(sequence)
        return {
            "to": str(Number(to)), "gone": {}, "stays": [], "request": request.id, "confirmers": call.others_who_may(Permission.APPROVE),
            "enforced": suppress.enforced(gate.relay.rules),
        }  # fmt: skip

    async def _forget(self, person: int, who: str, why: str) -> dict[str, Any]:
        """What is gone and what stays."""
        gate = self._gate
        erased = gate.store.erased
        assert erased.named is not None, "the key is there"
        _, before = (await gate.store.load([person]))[person]
        cases = gate.cases.of(person)
        complaints = gate.cases.forget(person, gate.now(), who, why)
        said = ConsentChange(gate.now(), person, "erased", who, why, before=erased.key, name=erased.named(person))
        change = await change_person(gate, said)
        gate.inbox.forget()
        gate.relay.refusals.forget(person)
        _, after = (await gate.store.load([person]))[person]
        now, days = gate.now(), self._retention.keep.days
        newest, held = record.Record(after).newest(), record.Record(after).held
        window_s = max(gate.relay.rules.window_s, record.REPLY_S)
        gone = {
            "refusals": len(record.opt_outs(before)),
            "consents_and_lists": change.removed,
            "withdrawn": len(record.withdrawals(before)),
            "asked_for_consent": len(record.Record(before).asked()),
            "texts": len(record.Record(before).refused_texts()),
            "numbers_in_complaints": complaints,
        }
        hashed = {
            "what": "64 bits of the number under a key: so that no marketing is sent",
            "what_zh": "号码加密后的 64 位标记：用于不再向该号码发送营销",
            "why": "个人信息保护法 47; 通信短信息服务管理规定 (no marketing after refusal)",
            "why_zh": "个人信息保护法第47条；通信短信息服务管理规定（拒收后不得再发）",
            "until": 0,
        }
        history = {
            "what": f"when, of which kind and signature the last {held} messages were, for caps",
            "what_zh": f"最近 {held} 条短信的时间、类别和签名，用于限制条数",
            "why": "limits per person hold for who was forgotten, too",
            "why_zh": "每人收信条数的限制对已删除的人同样有效",
            "until": newest + window_s,
        }
        journal = {
            "what": "the journal: messages, refusals, this request (gate106 journal erase takes out what need not stay)",
            "what_zh": "日志：短信、拒收和本次要求的记录",
            "why": f"通信短信息服务管理规定: records are kept at least 6 months (retention.days: {days})",
            "why_zh": f"通信短信息服务管理规定：记录至少保存6个月（设置为 {days} 天）",
            "until": now + days * DAY_S,
        }
        return {"gone": gone, "stays": [hashed, *([history] if held else []), journal, *_cases_stay(cases, now)]}

    @operation(
        Permission.SEE,
        answer={"requests": [REQUEST], "confirmers": [str]},
        get=True,
        text=_requests,
        example="gate106 subject list-requests --state proposed",
    )
    async def list_requests(
        self, call: Call, state: Annotated[str, Choice("proposed, approved, rejected or withdrawn.", tuple(STATES))] = ""
    ) -> Answer:
        """List requests to be erased, the newest first, with digits of the number only; and who else may confirm them."""
        found = [request_row(one) for one in self._gate.erasure_requests.all() if state in ("", one.state)]
        return {"requests": found, "confirmers": call.others_who_may(Permission.APPROVE)}

    @operation(
        Permission.APPROVE, answer=REQUEST, record="erasure-requested", text=_decided,
        button=Button("{id}/approve", (PROPOSED,), then="/requests"), example="gate106 subject approve 3 --token-file li.token",
    )  # fmt: skip
    async def approve(self, call: Call, id_: RequestId) -> Answer:
        """Confirm that a person is erased, as another person than who entered the request: at once, and for good."""
        gate = self._gate
        if problem := await self._pseudonyms.opened():
            raise CommandRefused(f"{problem}: without a key nobody would know the person again, and they would get marketing")
        request, sequence = gate.erasure_requests.begin(id_, call.asker, call.known, call.who, gate.now())
        if request.state != PROPOSED:
            outcome = await self._forget(request.number, call.who, request.why)
            sequence = gate.erasure_requests.done(request, _packed(outcome), call.who, gate.now())
        return await self._settled(id_, sequence)

    @operation(
        Permission.APPROVE, answer=REQUEST, record="erasure-requested", text=_decided,
        button=Button("{id}/reject", (PROPOSED,), then="/requests"),
        example='gate106 subject reject 3 --why "not the owner of the number"',
    )  # fmt: skip
    async def reject(self, call: Call, id_: RequestId, why: Why) -> Answer:
        """Reject a request to be erased: everything stays, and so does the stop of marketing."""
        gate = self._gate
        return await self._settled(id_, gate.erasure_requests.reject(id_, call.asker, call.who, why, gate.now()))

    @operation(
        Permission.ENTER, answer=REQUEST, record="erasure-requested", text=_decided,
        button=Button("{id}/withdraw", (PROPOSED,), then="/requests"),
        example='gate106 subject withdraw 3 --why "the wrong number"',
    )  # fmt: skip
    async def withdraw(self, call: Call, id_: RequestId, why: Why) -> Answer:
        """Take back a request that you have entered: everything stays, and so does the stop of marketing."""
        gate = self._gate
        return await self._settled(id_, gate.erasure_requests.withdraw(id_, call.asker, call.who, why, gate.now()))

    async def _settled(self, id_: int, sequence: int) -> Answer:
        await self._gate.safe(sequence)
        return request_row(self._gate.erasure_requests.find(id_))

    # -- somebody else's

    @operation(
        Permission.ENTER, record=("operated", "recycling"), by_hand="reads the file", no_path="subject recycled reads the file"
    )
    async def recycled(self, call: Call, why: Why, file: Annotated[str, Text("The file's name.", 255)] = "-") -> Answer:
        """End history, consents and opt-outs of numbers that belong to another person since a date. Where the settings list people, a second
        one must approve it (`recycled approve`); else it is done at once.

        Lines ``{"numbers": [[13800210500, 1700000000], …]}`` follow: numbers, and since when they belong to another person."""
        gate = self._gate
        await call.say({"go": True})
        rows: list[tuple[int, int]] = []
        while True:
            said = await call.hear()
            if said.get("end") is True:
                break
            rows += _rows_of(said)
            if len(rows) > RECYCLED_MAX:
                raise CommandRefused(f"more than {RECYCLED_MAX:,} numbers: nothing was done (split the file)")
        if said.get("numbers") != len(rows):
            raise CommandRefused(f"{len(rows)} numbers came, the client says {said.get('numbers')!r:.20}: nothing was done")
        now = gate.now()
        if any(before > now for _, before in rows):
            raise CommandRefused("a number is somebody else's from the future on: nothing was done")
        if not rows:
            return {"numbers": 0, "gone": 0, "proposal": 0}
        if call.strict:
            feed, sequence = gate.recycled.propose(rows, file, call.asker.name, call.who, why, now)
            await gate.safe(sequence)
            return {"numbers": len(rows), "gone": 0, "proposal": feed.id}
        await record_command(gate, call, "subject recycled", why, f"{file}: {len(rows)} numbers")
        return {"numbers": len(rows), "gone": await end_numbers(gate, rows, call.who, why), "proposal": 0}


def _complaint(case: Case, *, whole: bool) -> dict[str, Any]:
    said = {name: getattr(case, name) for name in ("id", "source", "reference", "came", "state", "provider", "message")}
    return said | {"text": shown_text(case, whole=whole)}


def _cases_stay(cases: Sequence[Case], now: float) -> Iterator[dict[str, Any]]:
    """Complaints of a person, and the files with which their sources were answered; all by when the last of them goes."""
    days = f"{KEEP_S / DAY_S:.0f}"
    why = {"why": f"how a complaint was answered has to be shown: {days} days from its decision on"}
    why |= {"why_zh": f"须能说明投诉如何答复：自认定起 {days} 天"}
    decided = [one for one in cases if one.decided]
    if decided:
        yield {
            "what": f"{len(decided)} complaints and what was decided, under the digits that are shown",
            "what_zh": f"{len(decided)} 件投诉及其认定，只留可显示的几位号码",
            "until": max(one.decided for one in decided) + KEEP_S,
        } | why
    if waits := len(cases) - len(decided):
        yield {
            "what": f"{waits} complaints that nobody has decided, under the digits that are shown; if they were decided today",
            "what_zh": f"{waits} 件待认定的投诉，只留可显示的几位号码；期限以今日认定计",
            "until": now + KEEP_S,
        } | why
    files = {name: at for one in cases for at, name in answers_of(one.events)}
    if files:
        yield {
            "what": f"files with which complaints were answered, as they were sent, numbers in them, too: {', '.join(files)}",
            "what_zh": f"答复投诉的文件，按发出时原样保存，其中的号码也在内：{'、'.join(files)}",
            "why": f"how a complaint was answered has to be shown: {days} days from the answer on",
            "why_zh": f"须能说明投诉如何答复：自答复起 {days} 天",
            "until": max(files.values()) + KEEP_S,
        }


def _rows_of(said: Mapping[str, Any]) -> list[tuple[int, int]]:
    found = said.get("numbers")
    if not isinstance(found, list) or not 0 < len(found) <= LINE_NUMBERS_MAX:
        raise CommandRefused(f"a line holds no numbers, or more than {LINE_NUMBERS_MAX:,}: nothing was done")
    if not all(isinstance(one, list) and len(one) == 2 and all(type(value) is int for value in one) for one in found):
        raise CommandRefused("a line says no number with a moment: nothing was done")
    if not all(FIRST <= number <= LAST and before > 0 for number, before in found):
        raise CommandRefused("a line says a number or a moment that is none: nothing was done")
    return [(number, before) for number, before in found]
